"""Faults of time: wall clocks that are set, and nights in which they are moved by law."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from lhbackupd.core.model import Outcome, Phase
from lhbackupd.engine.events import ClockStepped, Pruned, PruningRests
from lhbackupd.engine.journal import Journal
from tests.engine import promises
from tests.rig import MIB, START, Rig

pytestmark = pytest.mark.looptime

HOUR, DAY = 3600.0, 86400.0
YEAR = 365 * DAY


def stepped(rig: Rig) -> list[int]:
    return [round(event.seconds) for event in rig.events if isinstance(event, ClockStepped)]


@pytest.mark.parametrize("step", [HOUR, -HOUR, YEAR, -YEAR])
async def test_after_the_clock_was_set_due_times_go_by_the_new_time(rig: Rig, step: float) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config()) as engine:
        await rig.finished(1)
        rig.clock.set_by = step
        await rig.until(lambda: bool(stepped(rig)), 30)
        due = engine.scheduler.next_wakeup()
        assert due is not None
        assert timedelta(0) <= due - rig.clock.now() <= timedelta(minutes=2)
        count = len(rig.runs())
        await rig.finished(count + 2, seconds=600)
        await promises.hold(rig, engine)
    assert stepped(rig) == [round(step)]
    assert set(rig.outcomes()) <= {Outcome.COMPLETED, Outcome.UNCHANGED}


@pytest.mark.parametrize("step", [HOUR, -YEAR])
@pytest.mark.parametrize(
    "phase", [Phase.ATTACHING, Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP, Phase.DETACHING]
)
async def test_a_clock_that_is_set_in_a_run_does_not_end_it(rig: Rig, phase: Phase, step: float) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        rig.clock.set_by = step
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes())
        await rig.clock.sleep(30)
        await promises.hold(rig, engine)
    assert len(await rig.ledger("backup-completed")) == 1


async def test_a_start_with_a_clock_that_is_right_again_does_not_wait_for_a_year(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    config = rig.config()
    rig.clock.set_by = YEAR
    async with rig.daemon(config):
        await rig.finished(1)
    rig.clock.set_by = 0.0
    async with rig.daemon(config) as engine:
        await rig.finished(2, seconds=240)
        words = engine.keeper.books.protections.values()
        assert all(word.protected_until and word.protected_until <= rig.clock.now() for word in words)
    assert stepped(rig) == []
    assert rig.runs()[1].due < rig.runs()[0].due


async def test_a_due_time_that_came_by_a_wrong_clock_comes_again_when_it_is_due(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    rig.clock.set_by = HOUR
    async with rig.daemon(rig.config(cron='"0 3 * * *"')):
        await rig.finished(1)
        rig.clock.set_by = 0.0
        await rig.finished(2, seconds=2 * HOUR)
    assert [run.due for run in rig.runs()] == [datetime(2026, 3, 2, 3, tzinfo=UTC)] * 2
    assert rig.runs()[1].started_at > START + timedelta(hours=1)


async def test_a_pause_before_another_attempt_is_not_stretched_by_a_clock_set_back(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/sim/faults", {"kind": "backup-error-at-start", "times": 1})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')):
        await rig.finished(1)
        rig.clock.set_by = -20 * HOUR
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes(), 2 * HOUR)
    assert rig.outcomes() == [Outcome.FAILED, Outcome.COMPLETED]


async def test_a_small_correction_is_no_step(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config()):
        await rig.finished(1)
        rig.clock.set_by = -45.0
        await rig.finished(3)
    assert stepped(rig) == []
    assert len({run.due for run in rig.runs()}) == len(rig.runs())


async def test_a_ticket_with_a_deadline_a_year_ahead_is_replaced(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 60})
    rig.clock.set_by = YEAR
    async with rig.daemon(rig.config(cron='"0 2 * * *"', on_workload='"finish"')):
        await rig.until(lambda: rig.phase(Phase.BACKING_UP), 900)
        rig.clock.set_by = 0.0
        await rig.clock.sleep(15)
        (ticket,) = await promises.held(rig)
        await rig.finished(1)
    assert ":20260302T" in ticket


async def completed(rig: Rig, count: int, **more: Any) -> None:
    for _ in range(count):
        wanted = rig.outcomes().count(Outcome.COMPLETED) + 1
        await rig.until(lambda wanted=wanted: rig.outcomes().count(Outcome.COMPLETED) >= wanted)
        await rig.clock.sleep(10)
        await rig.call("POST", "/sim/volumes/db/prefill", {"bytes": MIB})


@pytest.mark.parametrize("skew", [6 * 60.0, -6 * 60.0, YEAR])
async def test_pruning_rests_while_the_clocks_disagree(rig: Rig, skew: float) -> None:
    await rig.volume("db", data=MIB)
    rig.clock.set_by = skew
    async with rig.daemon(rig.config(keep="{ last = 1 }")):
        await completed(rig, 3)
        assert len(await rig.backups("db")) == 3
        rig.clock.set_by = 0.0
        await completed(rig, 1)
        await rig.clock.sleep(20)
        assert len(await rig.backups("db")) == 1
    rests = [event.why for event in rig.events if isinstance(event, PruningRests)]
    assert len(rests) == 3
    assert "our clock says" in rests[0]
    assert [len(event.deleted) for event in rig.events if isinstance(event, Pruned)] == [3]


async def test_pruning_goes_on_while_the_clocks_agree_within_five_minutes(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    rig.clock.set_by = 4 * 60.0
    async with rig.daemon(rig.config(keep="{ last = 1 }")):
        await completed(rig, 2)
    assert [len(event.deleted) for event in rig.events if isinstance(event, Pruned)] == [1]


async def test_history_is_not_dropped_before_longhorn_has_said_what_time_it_is(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config()):
        await rig.finished(2)
    rig.clock.set_by = YEAR
    engine = await rig.assembled(rig.config())
    await engine.keeper.forget(rig.clock.now() - timedelta(days=90))
    assert len(_history(engine.journal)) >= 2
    engine.journal.close()


async def test_history_is_not_dropped_by_a_clock_that_is_a_year_ahead(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config()) as engine:
        await rig.finished(2)
        rig.clock.set_by = YEAR
        await engine.keeper.forget(rig.clock.now() - timedelta(days=90))
        assert len(_history(engine.journal)) >= 2
        rig.clock.set_by = 0.0
        await engine.keeper.forget(rig.clock.now() - timedelta(seconds=1))
        assert len(_history(engine.journal)) < 2


def _history(journal: Journal) -> tuple[object, ...]:
    return journal.history()


@pytest.mark.parametrize(
    ("began", "due", "following"),
    [
        ("2026-10-25T00:28:00+00:00", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("2026-03-29T00:58:00+00:00", "2026-03-29T01:00", "2026-03-30T00:30"),
    ],
    ids=["comes-twice", "never-comes"],
)
async def test_half_past_two_makes_one_run_in_the_nights_when_clocks_move(
    rig: Rig, began: str, due: str, following: str
) -> None:
    rig.clock.set_by = (datetime.fromisoformat(began) - START).total_seconds()
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"30 2 * * *"', timezone='"Europe/Berlin"')) as engine:
        (run,) = await rig.finished(1)
        assert f"{run.due:%Y-%m-%dT%H:%M}" == due
        assert f"{engine.scheduler.next_wakeup():%Y-%m-%dT%H:%M}" == following
        await promises.hold(rig, engine)


async def test_a_clock_that_is_behind_at_start_takes_no_history_and_makes_no_run_twice(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    config = rig.config(cron='"0 2,14 * * *"')
    async with rig.daemon(config):
        await rig.finished(1)
        await rig.clock.sleep(60)
    before = rig.runs()
    rig.clock.set_by = -48 * HOUR
    async with rig.daemon(config) as engine:
        await rig.clock.sleep(60)
        assert rig.runs() == before
        word, known = engine.keeper.books.protections["often", "db"], engine.keeper.watch.exposures["often", "db"]
        assert word.protected_until == before[0].protected_until == known.clear
        rig.clock.set_by = 0.0
        await rig.clock.sleep(300)
        assert engine.keeper.watch.exposures["often", "db"].clear == known.clear
    assert [run.due for run in rig.runs()] == [run.due for run in before]


async def test_the_backup_that_was_just_made_is_kept_though_clocks_were_ahead_when_others_were(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(keep="{ last = 2 }")):
        await completed(rig, 2)
        for backup in rig.cluster.world.backups().values():  # by the clock of the node that made them
            assert backup.created is not None
            backup.created += timedelta(days=3)
        await completed(rig, 1)
        await rig.clock.sleep(30)
        there = {backup["name"] for backup in await rig.backups("db")}
        assert [run.backup for run in rig.runs() if run.backup][-1] in there


class Undated(httpx.AsyncBaseTransport):
    """A proxy that takes the date off every answer."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        answer.headers.pop("Date", None)
        return answer


async def test_behind_a_proxy_that_takes_longhorns_time_away_a_wrong_clocks_due_time_comes_again_too(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    rig.transport = Undated(rig.transport)
    rig.clock.set_by = HOUR
    async with rig.daemon(rig.config(cron='"0 3 * * *"')) as engine:
        await rig.finished(1)
        assert engine.keeper.housekeeper._gateway.server_date is None
        rig.clock.set_by = 0.0
        await rig.finished(2, seconds=2 * HOUR)
    assert [run.due for run in rig.runs()] == [datetime(2026, 3, 2, 3, tzinfo=UTC)] * 2
