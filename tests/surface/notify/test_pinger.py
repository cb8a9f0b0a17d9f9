"""Which policies ping, and with what words."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from lhbackupd.core.model import Mode, Outcome, Policy
from lhbackupd.engine.events import Moved, Rescheduled
from lhbackupd.engine.scheduler import Changes
from lhbackupd.surface.notify import Pinger
from lhbackupd.surface.notify.outbox import Undelivered
from lhbackupd.surface.notify.pinger import Call
from lhbackupd.surface.notify.rounds import Ping
from tests.rig import LoopClock
from tests.surface.house import NIGHTLY, House, ended, queued, running

pytestmark = pytest.mark.looptime
FILE = Path("/etc/lhbackupd/ping")


class Bench:
    """A pinger, and what it has called."""

    def __init__(self, house: House, policy: Policy) -> None:
        self.policies = {policy.name: policy}
        self.house = house
        self.calls: list[tuple[str, Path, Call]] = []
        self.down = False
        self.pinger = Pinger(
            policies=lambda: self.policies,
            protections=house.keeper.books.protections.values,
            unfinished=house.keeper.unfinished,
            send=self._send,
            count=lambda _channel, _outcome, _number: None,
            clock=LoopClock(),  # type: ignore[arg-type]
            log=structlog.get_logger(),
        )

    async def _send(self, policy: str, file: Path, what: Call) -> None:
        if self.down:
            raise Undelivered("no connection")
        self.calls.append((policy, file, what))

    @property
    def pings(self) -> list[Ping]:
        return [what.ping for _, _, what in self.calls]

    async def hears(self, *outcomes: tuple[str, Outcome]) -> None:
        """A round of runs with these ends, while the pinger runs."""
        done = asyncio.Event()
        task = asyncio.create_task(self.pinger.run(done))
        for name, _ in outcomes:
            self.pinger(Moved(None, queued(name)))
        for name, outcome in outcomes:
            self.pinger(Moved(queued(name), running(name)))
            self.house.knows(ended(name, outcome))
            self.pinger(Moved(running(name), ended(name, outcome)))
        self.pinger(Rescheduled(Changes(added=(), removed=(), changed=())))
        await asyncio.sleep(1)
        done.set()
        await task


PINGING = replace(NIGHTLY, ping_url_file=FILE)


async def test_a_round_without_failures_is_a_start_and_a_success(house: House) -> None:
    bench = Bench(house, PINGING)
    await bench.hears(("a", Outcome.COMPLETED), ("b", Outcome.UNCHANGED))
    assert bench.calls == [("nightly", FILE, Call(ping=Ping.START)), ("nightly", FILE, Call(ping=Ping.SUCCESS))]


async def test_a_night_in_which_nothing_had_to_be_touched_is_a_success(house: House) -> None:
    bench = Bench(house, PINGING)
    await bench.hears(("a", Outcome.NOT_INSPECTED), ("b", Outcome.NOT_INSPECTED))
    assert bench.pings == [Ping.START, Ping.SUCCESS]


async def test_a_round_with_a_failure_says_which_volumes_fail(house: House) -> None:
    bench = Bench(house, PINGING)
    await bench.hears(("a", Outcome.FAILED), ("b", Outcome.COMPLETED), ("c", Outcome.REFUSED))
    assert bench.calls[1:] == [("nightly", FILE, Call(ping=Ping.FAIL, body="backups fail: a, c"))]


async def test_a_volume_that_failed_before_keeps_a_later_round_from_being_called_a_success(house: House) -> None:
    house.knows(ended("old", Outcome.FAILED))
    bench = Bench(house, PINGING)
    await bench.hears(("a", Outcome.COMPLETED))
    assert bench.pings == [Ping.START, Ping.FAIL]


@pytest.mark.parametrize("attempt", [1, 2])
async def test_no_success_while_a_run_waits_from_before_the_start(house: House, attempt: int) -> None:
    house.knows(ended("x", Outcome.INTERRUPTED))
    house.keeper.waiting["x"] = replace(queued("x"), attempt=attempt)
    bench = Bench(house, PINGING)
    await bench.hears(("a", Outcome.COMPLETED))
    assert bench.pings == []
    await bench.hears(("x", Outcome.COMPLETED))
    assert bench.pings == [Ping.SUCCESS]


async def test_a_run_that_failed_before_the_start_and_waits_keeps_no_round_open(house: House) -> None:
    house.knows(ended("x", Outcome.FAILED))
    house.keeper.waiting["x"] = replace(queued("x"), attempt=2)
    bench = Bench(house, PINGING)
    await bench.hears(("a", Outcome.COMPLETED))
    assert bench.pings == [Ping.START, Ping.FAIL]


@pytest.mark.parametrize("policy", [NIGHTLY, replace(PINGING, mode=Mode.SHADOW)])
async def test_a_policy_without_a_url_and_a_shadow_ping_nobody(house: House, policy: Policy) -> None:
    bench = Bench(house, policy)
    await bench.hears(("a", Outcome.FAILED))
    assert bench.calls == []


async def test_a_receiver_that_was_down_gets_what_is_new_and_not_what_is_old(house: House) -> None:
    bench = Bench(house, PINGING)
    bench.down = True
    done = asyncio.Event()
    task = asyncio.create_task(bench.pinger.run(done))
    for _ in range(10):
        bench.pinger(Moved(None, queued("a")))
        bench.pinger(Moved(None, ended("a", Outcome.COMPLETED)))
    await asyncio.sleep(30)
    bench.down = False
    await asyncio.sleep(700)
    done.set()
    await task
    assert bench.pings == [Ping.START, Ping.SUCCESS] * 2
