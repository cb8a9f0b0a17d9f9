"""What waits for a receiver: in order, at most so often, tried again, bounded."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest
import structlog

from lhbackupd.surface.notify.outbox import GRACE, Outbox, Undelivered, sending
from tests.rig import LoopClock

pytestmark = pytest.mark.looptime


class World:
    """A receiver, and a box for it."""

    def __init__(self, *, every: float = 60.0, limit: int = 1000) -> None:
        self.clock = LoopClock()
        self.start = self.clock.now()
        self.got: list[tuple[int, list[str]]] = []
        self.tries: list[int] = []
        self.noted: list[str] = []
        self.counted: Counter[str] = Counter()
        self.fault: Exception | None = None
        self.hangs = False
        self.box: Outbox[str] = Outbox(
            name="ops",
            send=self._send,
            together=len,
            delivered=self._delivered,
            count=lambda channel, outcome, number: self.counted.update({f"{channel} {outcome}": number}),
            clock=self.clock,
            log=structlog.get_logger(),
            every=every,
            limit=limit,
        )

    @property
    def second(self) -> int:
        return round((self.clock.now() - self.start) / timedelta(seconds=1))

    async def _send(self, items: Sequence[str]) -> None:
        self.tries.append(self.second)
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        self.got.append((self.second, list(items)))

    async def _delivered(self, items: Sequence[str]) -> None:
        self.noted += items


async def test_the_first_goes_at_once_and_what_comes_then_goes_together_a_minute_later() -> None:
    world = World()
    async with sending([world.box]):
        world.box.put("a")
        await world.clock.sleep(5)
        for name in "bcd":
            world.box.put(name)
        await world.clock.sleep(300)
        world.box.put("e")
        await world.clock.sleep(10)
    assert world.got == [(0, ["a"]), (60, ["b", "c", "d"]), (305, ["e"])]
    assert world.noted == list("abcde")
    assert +world.counted == {"ops delivered": 5}


async def test_a_receiver_that_is_down_is_tried_after_growing_waits_and_gets_all_in_the_end() -> None:
    world = World(every=1)
    world.fault = Undelivered("the service answered 503")
    with structlog.testing.capture_logs() as lines:
        async with sending([world.box]):
            world.box.put("a")
            await world.clock.sleep(4000)
            world.box.put("b")
            world.fault = None
            await world.clock.sleep(700)
    assert world.tries[:8] == [0, 10, 30, 70, 150, 310, 630, 1230]
    assert world.got[0][1] == ["a", "b"]
    assert world.noted == ["a", "b"]
    assert [line["action"] for line in lines] == ["notify.failed", "notify.sent"], "one line each, not one a try"
    assert world.counted["ops failed"] == len(world.tries) - 1


async def test_more_than_it_holds_drops_the_oldest_counts_them_and_says_so_once() -> None:
    world = World(limit=3)
    world.fault = Undelivered("no connection")
    with structlog.testing.capture_logs() as lines:
        async with sending([world.box]):
            for name in "abcdefg":
                world.box.put(name)
                await world.clock.sleep(1)
            world.fault = None
            await world.clock.sleep(700)
    assert world.got[0][1] == ["e", "f", "g"]
    assert world.counted["ops dropped"] == 4
    assert [line["action"] for line in lines].count("notify.dropped") == 1


async def test_a_defect_of_ours_is_said_without_its_text_and_the_box_lives_on() -> None:
    world = World()
    world.fault = RuntimeError("json://user:hush@host")
    with structlog.testing.capture_logs() as lines:
        async with sending([world.box]):
            world.box.put("a")
            await world.clock.sleep(5)
            world.fault = None
            await world.clock.sleep(100)
    assert world.noted == ["a"]
    assert "hush" not in str(lines)
    assert "RuntimeError" in str(lines)


async def test_at_the_end_what_waits_goes_out_at_once() -> None:
    world = World()
    async with sending([world.box]):
        world.box.put("a")
        await world.clock.sleep(1)
        world.box.put("b")
    assert world.got == [(0, ["a"]), (1, ["b"])]


async def test_a_receiver_that_hangs_holds_the_end_up_for_seconds_only() -> None:
    world = World()
    world.hangs = True
    async with sending([world.box]):
        world.box.put("a")
        await world.clock.sleep(100)
    assert world.second == 100 + GRACE


async def test_one_that_is_down_does_not_hold_the_end_up_at_all() -> None:
    world = World()
    world.fault = Undelivered("no connection")
    async with sending([world.box]):
        world.box.put("a")
        await world.clock.sleep(100)
    assert world.second == 100
