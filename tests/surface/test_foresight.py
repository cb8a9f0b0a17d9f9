"""When next runs begin, taken from what was foreseen for all volumes, or played through at once."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from lhbackupd.core.cluster import Replica, Setting, Volume
from lhbackupd.core.outlook import Outlook
from lhbackupd.engine.closeup import CloseUp
from lhbackupd.engine.events import Event, Polled, Rescheduled
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.scheduler import Changes
from lhbackupd.surface import foresight as module
from lhbackupd.surface.explain import explain
from lhbackupd.surface.explanation import Explanation
from lhbackupd.surface.foresight import (
    COSTLY,
    KEPT,
    LEAST_PAUSE,
    PUT_OFF,
    SHARE,
    Foreseen,
    Foresight,
    fits,
    foresee,
    next_runs,
)
from lhbackupd.surface.logs import logger
from tests.surface.house import HOURLY, NIGHTLY, NOON, TODAY, House, queued, running, volume
from tests.surface.shown import web

DAY = timedelta(days=1)


def placed(name: str, **fields: Any) -> Volume:
    return volume(name, replicas=(Replica(name="r", node="node-1"),), **fields)


@pytest.fixture
def nights(house: House) -> House:
    """Three volumes that are due in the night, one after the other."""
    house.has(placed("pvc-a"), placed("pvc-b"), placed("pvc-c"))
    return house


@pytest.fixture
def plays(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """How many schedules and waiting runs each forecast from now on is made of."""
    made: list[tuple[int, int]] = []
    real = module.forecast

    def forecast(known: Outlook, *args: Any, **more: Any) -> Any:
        made.append((len(known.schedules), len(known.waiting)))
        return real(known, *args, **more)

    monkeypatch.setattr(module, "forecast", forecast)
    return made


def test_a_next_run_is_taken_from_what_was_foreseen_and_it_is_said_as_of_when(
    nights: House, plays: list[tuple[int, int]]
) -> None:
    alone, at = next_runs(nights.sources, "pvc-c", None)
    assert at is None
    foreseen = foresee(nights.sources)
    nights.clock.turn(120)
    plays.clear()
    assert next_runs(nights.sources, "pvc-c", foreseen) == (alone, NOON)
    assert plays == []
    made = explain(nights.sources, "pvc-c", CloseUp(), foreseen)
    assert made.old_forecast == made.foreseen_at == NOON
    assert msgspec.json.decode(msgspec.json.encode(made), type=Explanation) == made
    assert replace(made, at=NOON + timedelta(seconds=5)).old_forecast is None
    assert explain(nights.sources, "pvc-c", CloseUp()).old_forecast is None


def test_a_run_that_has_begun_is_not_shown_as_one_that_will(nights: House, plays: list[tuple[int, int]]) -> None:
    nights.keeper.waiting["y"] = queued("pvc-c")
    foreseen = foresee(nights.sources)
    del nights.keeper.waiting["y"]
    nights.clock.turn(10)
    begun = NOON + timedelta(seconds=4)
    nights.keeper.active["y"] = running("pvc-c", started_at=begun, target="default")
    plays.clear()
    (run,), at = next_runs(nights.sources, "pvc-c", foreseen)
    assert (run.start, run.due, at) == (begun, TODAY, None)
    assert plays == [(0, 0)]
    nights.keeper.active.clear()
    (run,), at = next_runs(nights.sources, "pvc-c", foreseen)
    assert (run.due, at) == (TODAY + DAY, NOON), "that one is done, and the one after it was foreseen as well"


def test_a_run_that_waits_longer_than_foreseen_or_was_not_foreseen_is_played_through_at_once(nights: House) -> None:
    nights.keeper.waiting["y"] = queued("pvc-c")
    foreseen = foresee(nights.sources)
    (run,), at = next_runs(nights.sources, "pvc-c", foreseen)
    assert (run.start, at) == (NOON, NOON)
    nights.clock.turn(60)
    (run,), at = next_runs(nights.sources, "pvc-c", foreseen)
    assert (run.due, run.start, at) == (TODAY, nights.clock.now(), None)
    nights.keeper.waiting["z"] = replace(queued("pvc-b"), id="z", due=NOON, manual=True)
    (run,), at = next_runs(nights.sources, "pvc-b", foreseen)
    assert (run.due, at) == (NOON, None)
    assert run.start == nights.clock.now(), "its deadline is the sooner one"


def test_of_two_policies_each_is_answered_from_where_it_can_be(nights: House) -> None:
    nights.has(placed("pvc-a"), policy=replace(HOURLY, match=NIGHTLY.match))
    foreseen = foresee(nights.sources)
    nights.keeper.waiting["y"] = replace(queued("pvc-a"), id="y", policy="hourly", due=NOON)
    runs, at = next_runs(nights.sources, "pvc-a", foreseen)
    assert [(run.policy, run.due) for run in runs] == [("hourly", NOON), ("nightly", TODAY + DAY)]
    assert at == NOON


@pytest.mark.parametrize("change", ["rules", "setting"])
def test_what_was_foreseen_under_another_configuration_or_setting_counts_for_nothing(
    nights: House, change: str
) -> None:
    foreseen = foresee(nights.sources)
    if change == "rules":
        nights.keeper.rules = replace(nights.keeper.rules)
    else:
        nights.look(setting=Setting.FORBIDDEN)
    assert next_runs(nights.sources, "pvc-a", foreseen)[1] is None


def test_where_too_many_runs_come_before_it_only_the_due_time_is_said(
    nights: House, plays: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lhbackupd.core.forecast.MOST", 0)
    foreseen = foresee(nights.sources)
    plays.clear()
    assert not foreseen.whole
    assert next_runs(nights.sources, "pvc-a", foreseen) == ((), None)
    assert plays == []


def test_where_to_play_is_costly_only_what_is_due_is_played_before_the_next_look(
    nights: House, plays: list[tuple[int, int]]
) -> None:
    assert next_runs(nights.sources, "pvc-a", None, costly=True) == ((), None)
    assert plays == []
    nights.keeper.waiting["w"] = queued("pvc-a")
    (run,), at = next_runs(nights.sources, "pvc-a", None, costly=True)
    assert (run.due, run.start, at) == (TODAY, NOON, None)


async def test_a_volumes_page_says_as_of_when_its_next_run_was_foreseen(nights: House) -> None:
    foreseen = foresee(nights.sources)
    words = "When runs begin is as it was foreseen"
    for seconds, told in ((0.0, False), (90.0, True)):
        nights.clock.turn(seconds)
        app = web(nights, foreseen=lambda: foreseen).app
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lhbackupd") as client:
            assert (words in (await client.get("/volumes/pvc-a")).text) is told


def ahead(
    house: House,
    *seconds: float,
    make: Callable[[], Foreseen] | None = None,
    busy: Callable[[], bool] = lambda: False,
) -> Foresight:
    """What takes so long each time that it looks."""
    ticks = iter([tick for each in seconds for tick in (0.0, each)])
    return Foresight(
        make or (lambda: foresee(house.sources)),
        fits=lambda found: fits(house.sources, found),
        busy=busy,
        log=logger(),
        clock=lambda: next(ticks),
    )


def test_it_takes_a_small_share_of_a_core_and_keeps_nothing_that_is_quickly_made(nights: House) -> None:
    made = ahead(nights, 3.0, COSTLY / 2)
    assert made.look() == pytest.approx(3.0 / SHARE)
    assert isinstance(made.latest, Foreseen)
    assert made.costly
    assert made.look() == LEAST_PAUSE
    assert made.latest is None
    assert not made.costly


class Looks:
    """Looks that are counted, the first of them failing if so wanted."""

    def __init__(self, house: House, *, fails: bool = False) -> None:
        self._house = house
        self._fails = fails
        self._loop = asyncio.get_running_loop()
        self.threads: list[threading.Thread] = []
        self.made = asyncio.Event()

    def __call__(self) -> Foreseen:
        self.threads.append(threading.current_thread())
        found = foresee(self._house.sources)
        self._loop.call_soon_threadsafe(self.made.set)
        if self._fails and len(self.threads) == 1:
            raise ZeroDivisionError
        return found

    async def another(self) -> None:
        await self.made.wait()
        self.made.clear()


@asynccontextmanager
async def running_ahead(foresight: Foresight) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(foresight.run(stop))
    yield
    stop.set()
    await task


async def test_it_looks_ahead_from_its_start_on_in_a_thread_until_it_is_told_to_stop(nights: House) -> None:
    looks = Looks(nights)
    async with running_ahead(ahead(nights, 0.0, make=looks)):
        await looks.another()
    assert threading.main_thread() not in looks.threads


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("event", "cost", "after"),
    [
        (Rescheduled(Changes(added=(("nightly", "pvc-a"),))), 0.0, LEAST_PAUSE * KEPT),
        (Rescheduled(Changes(added=(("nightly", "pvc-a"),))), 3.0, 3.0 / SHARE),
        (Polled(Picture(), Picture()), 0.0, LEAST_PAUSE),
        (Polled(Picture(), Picture()), 3.0, 3.0 / SHARE * KEPT),
    ],
    ids=["schedules at last", "schedules once more", "nothing was kept", "another setting"],
)
async def test_it_looks_again_soon_where_what_was_foreseen_is_of_no_use(
    nights: House, event: Event, cost: float, after: float
) -> None:
    looks, loop = Looks(nights), asyncio.get_running_loop()
    foresight = ahead(nights, cost, cost, make=looks)
    async with running_ahead(foresight):
        await looks.another()
        begun = loop.time()
        nights.look(setting=Setting.FORBIDDEN)
        await asyncio.sleep(1)
        foresight(event)
        await looks.another()
        assert loop.time() - begun == pytest.approx(after, rel=0.05, abs=1)


@pytest.mark.looptime
@pytest.mark.parametrize("cost", [0.0, 3.0])
@pytest.mark.parametrize("lasts", [0.0, 200.0, 5_000.0])
async def test_a_costly_one_waits_until_runs_have_ended_but_not_for_ever(
    nights: House, cost: float, lasts: float
) -> None:
    looks, loop = Looks(nights), asyncio.get_running_loop()
    begun = loop.time()
    made = ahead(nights, cost, cost, make=looks, busy=lambda: loop.time() - begun < soonest + lasts)
    soonest = max(LEAST_PAUSE, cost / SHARE)
    async with running_ahead(made):
        await looks.another()
        await looks.another()
        put_off = loop.time() - begun - soonest
        assert put_off == pytest.approx(min(lasts, PUT_OFF) if cost >= COSTLY else 0.0, abs=6)


@pytest.mark.looptime
async def test_a_defect_is_logged_and_it_looks_again(nights: House, capsys: pytest.CaptureFixture[str]) -> None:
    looks = Looks(nights, fails=True)
    async with running_ahead(ahead(nights, 0.0, 0.0, make=looks)):
        await looks.another()
        await looks.another()
    assert len(looks.threads) == 2
    assert "no forecast could be made" in capsys.readouterr().out
