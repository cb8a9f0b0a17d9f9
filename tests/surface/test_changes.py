import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from lhbackupd.core.cluster import Node
from lhbackupd.core.model import Outcome
from lhbackupd.engine.events import Moved
from lhbackupd.surface.changes import LISTENERS, LONGEST, QUIET, UNHEARD_MOST, Changes, Versions
from tests.surface.house import House, ended, running, volume

pytestmark = pytest.mark.looptime

EVENT = Moved(None, running("pvc-a"))


class Shown:
    """What can be seen, and how often that was looked at."""

    def __init__(self) -> None:
        self.version, self.looks, self.takes, self.fault = "1", 0, 0.0, ""

    def look(self) -> str:
        self.looks += 1
        if self.fault:
            raise ValueError(self.fault)
        return self.version

    async def __call__(self, function: Callable[[], str]) -> str:
        await asyncio.sleep(self.takes)
        return function()


@pytest.fixture
async def shown() -> Shown:
    return Shown()


@pytest.fixture
async def changes(shown: Shown) -> AsyncIterator[Changes]:
    made, stop = Changes(version=shown.look, thread=shown), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.run(stop))
        yield made
        stop.set()


async def test_a_listener_hears_the_version_and_then_each_that_follows(changes: Changes, shown: Shown) -> None:
    stream = changes.stream()
    assert await anext(stream) == b"event: changed\ndata: 1\n\n"
    shown.version = "2"
    changes(EVENT)
    assert await anext(stream) == b"event: changed\ndata: 2\n\n"
    changes(EVENT)
    assert await anext(stream) == b": still there\n\n"
    await stream.aclose()


async def test_a_thousand_events_are_one_look_a_second_and_one_word(changes: Changes, shown: Shown) -> None:
    stream, loop = changes.stream(), asyncio.get_running_loop()
    await anext(stream)
    begun, heard = loop.time(), 0
    for number in range(1000):
        shown.version = f"v{number}"
        changes(EVENT)
        await asyncio.sleep(0.01)
    while (await anext(stream)).startswith(b"event"):
        heard += 1
    assert loop.time() - begun == pytest.approx(10 + QUIET, abs=2)
    assert 1 <= heard <= 2, "who does not listen hears the last word only"
    assert shown.looks <= 13
    await stream.aclose()


async def test_it_is_looked_more_seldom_while_nobody_listens(changes: Changes, shown: Shown) -> None:
    shown.takes = 0.2
    looks = []
    for listened in (False, True):
        stream, before = changes.stream(), shown.looks
        if listened:
            await anext(stream)
        for _ in range(100):
            changes(EVENT)
            await asyncio.sleep(1)
        looks.append(shown.looks - before)
        await stream.aclose()
    unheard, heard = looks
    assert 9 <= unheard <= 11
    assert 40 <= heard <= 55


async def test_a_look_that_took_long_once_keeps_what_is_shown_warm_for_who_comes_first(
    changes: Changes, shown: Shown
) -> None:
    shown.takes = 0.6
    changes(EVENT)
    await asyncio.sleep(2)
    changes(EVENT)
    await asyncio.sleep(UNHEARD_MOST)
    assert shown.looks == 2, "and not after a minute"


async def test_who_comes_in_a_long_rest_hears_of_what_changes_as_soon_as_others(changes: Changes, shown: Shown) -> None:
    loop = asyncio.get_running_loop()
    shown.takes = 0.5
    changes(EVENT)
    await asyncio.sleep(8)  # looked at, and in the middle of the longer rest
    stream = changes.stream()
    await anext(stream)
    shown.version, begun = "2", loop.time()
    changes(EVENT)
    assert await anext(stream) == b"event: changed\ndata: 2\n\n"
    assert loop.time() - begun <= 1
    await stream.aclose()


async def test_nothing_is_looked_at_while_nothing_happens(changes: Changes, shown: Shown) -> None:
    changes(EVENT)
    await asyncio.sleep(3600)
    assert shown.looks == 1
    assert not changes.full


async def test_listeners_are_few_and_their_places_are_given_on(changes: Changes) -> None:
    streams = [changes.stream() for _ in range(LISTENERS)]
    for stream in streams:
        assert not changes.full
        await anext(stream)
    assert changes.full
    await streams[0].aclose()
    assert not changes.full
    for stream in streams:
        await stream.aclose()


async def test_a_stream_has_an_end(changes: Changes) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    said = [word async for word in changes.stream()]
    assert loop.time() - begun == pytest.approx(LONGEST, abs=QUIET)
    assert len(said) == pytest.approx(LONGEST / QUIET, abs=2)


async def test_all_streams_end_with_the_daemon(shown: Shown) -> None:
    changes, stop = Changes(version=shown.look, thread=shown), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(changes.run(stop))
        stream = changes.stream()
        await anext(stream)
        stop.set()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert changes.full


def test_a_version_changes_with_what_is_seen_and_not_with_time(house: House) -> None:
    house.has(volume("pvc-a"))
    version_of = Versions()
    before = version_of(house.report()).version
    house.clock.turn(20)
    assert house.inventory.picture.at
    house.look(at=house.clock.now(), took=0.7)
    assert version_of(house.report()).version == before
    house.look(nodes={"node-1": Node(name="node-1", ready=False)})
    changed = version_of(house.report()).version
    assert changed != before
    house.knows(ended("pvc-a", Outcome.COMPLETED))
    assert version_of(house.report()).version not in {before, changed}
    house.keeper.active["a"] = running("pvc-a", progress=1)
    one = version_of(house.report()).version
    house.keeper.active["a"] = replace(house.keeper.active["a"], progress=2)
    assert version_of(house.report()).version != one


async def test_a_report_that_cannot_be_made_ends_no_looking(changes: Changes, shown: Shown) -> None:
    stream = changes.stream()
    await anext(stream)
    looks, shown.fault = shown.looks, "a defect"
    changes(EVENT)
    assert await anext(stream) == b": still there\n\n"
    assert shown.looks == looks + 1
    shown.fault, shown.version = "", "2"
    changes(EVENT)
    assert await anext(stream) == b"event: changed\ndata: 2\n\n"
    await stream.aclose()
