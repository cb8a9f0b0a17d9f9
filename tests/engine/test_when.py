"""When runs come: in a spread, after a volume was let go, and only while a window is open."""

from datetime import datetime, timedelta
from itertools import chain, count
from types import SimpleNamespace
from typing import Any

import pytest

from lhbackupd.assembly import rules_of
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.spread import offset
from lhbackupd.engine.detachments import KIND
from lhbackupd.engine.events import Moved
from tests.engine import promises
from tests.rig import MIB, START, Rig

pytestmark = pytest.mark.looptime

#: START is a Monday, two minutes before two
TWO = START.replace(hour=2, minute=0)
MINUTE = timedelta(minutes=1)


def queued(rig: Rig, volume: str = "") -> list[datetime]:
    """The due times of the runs that came in, in order."""
    fresh = [e.after for e in rig.events if isinstance(e, Moved) and e.before is None]
    return [run.due for run in fresh if volume in ("", run.volume)]


async def pod(rig: Rig, volume: str = "db") -> None:
    body = {"name": f"{volume}-0", "namespace": "shop", "volume": volume, "node": "node-1"}
    await rig.call("POST", "/sim/pods", body)
    await rig.clock.sleep(20)
    assert "Running" in str(await rig.call("GET", "/sim/pods"))


async def pod_gone(rig: Rig, volume: str = "db") -> None:
    await rig.call("DELETE", f"/sim/pods/shop/{volume}-0")


async def at(rig: Rig, moment: datetime) -> None:
    await rig.clock.sleep((moment - rig.clock.now()).total_seconds())


async def test_an_id_that_is_drawn_twice_costs_a_moment_and_no_run(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = chain(["5eed5eed5eed"] * 2, map("{:012x}".format, count(1)))
    monkeypatch.setattr("lhbackupd.engine.scheduler.secrets", SimpleNamespace(token_hex=lambda _: next(drawn)))
    for name in ("one", "two"):
        await rig.volume(name, data=MIB)
    async with rig.daemon(rig.config()) as engine:
        await rig.finished(2)
        assert {run.volume for run in engine.journal.history()} == {"one", "two"}
        await promises.hold(rig, engine)
    assert rig.outcomes() == [Outcome.COMPLETED] * 2


async def test_volumes_of_a_spread_run_at_their_own_moments(rig: Rig) -> None:
    for name in ("a", "b"):
        await rig.volume(name, data=MIB)
    own = {name: TWO + offset("often", name, timedelta(minutes=20)) for name in ("a", "b")}
    async with rig.daemon(rig.config(cron='"0 2 * * *"', spread='"20m"')):
        runs = await rig.finished(2, seconds=1400)
        assert {run.volume: run.due for run in runs} == own
        assert own["a"] != own["b"]
        for run in runs:
            assert run.started_at is not None
            assert timedelta(0) <= run.started_at - run.due <= timedelta(seconds=2)
        await rig.clock.sleep(1200)
    assert rig.outcomes() == [Outcome.COMPLETED] * 2


async def test_a_spread_that_comes_and_goes_with_a_reload_neither_skips_nor_repeats_a_due_time(rig: Rig) -> None:
    for name in ("a", "b"):
        await rig.volume(name, data=MIB)
    hour, spread = timedelta(hours=1), timedelta(minutes=50)
    async with rig.daemon(rig.config(cron='"0 * * * *"')) as engine:
        await at(rig, TWO + 5 * MINUTE)
        engine.keeper.rules = rules_of(rig.config(cron='"0 * * * *"', spread='"50m"'))
        await at(rig, TWO + hour + 55 * MINUTE)
        engine.keeper.rules = rules_of(rig.config(cron='"0 * * * *"'))
        await at(rig, TWO + 2 * hour + 5 * MINUTE)
    own = sorted(TWO + hour + offset("often", name, spread) for name in ("a", "b"))
    assert queued(rig) == [TWO, TWO, *own, TWO + 2 * hour, TWO + 2 * hour]


async def test_a_moment_that_a_reload_puts_into_the_past_is_made_up_for_at_once(rig: Rig) -> None:
    await rig.volume("a", data=MIB)
    late = offset("often", "a", timedelta(hours=20))
    assert timedelta(hours=1) < late, "a name whose moment comes late"
    async with rig.daemon(rig.config(cron='"0 2 * * *"', spread='"20h"')) as engine:
        await at(rig, TWO + timedelta(minutes=30))
        assert queued(rig) == []
        engine.keeper.rules = rules_of(rig.config(cron='"0 2 * * *"'))
        (run,) = await rig.finished(1)
    assert (run.due, run.outcome) == (TWO, Outcome.COMPLETED)


async def test_a_volume_that_a_pod_let_go_is_backed_up_ten_minutes_later_and_once(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 12 * * *"', on_detach='"10m"')) as engine:
        await pod(rig)
        await rig.clock.sleep(660)
        assert rig.runs() == []
        left = rig.clock.now()
        await pod_gone(rig)
        (run,) = await rig.finished(1, seconds=1200)
        assert run.started_at is not None
        assert timedelta(minutes=10) <= run.due - left <= timedelta(minutes=10, seconds=25)
        assert run.started_at - run.due <= timedelta(seconds=2)
        assert (run.outcome, run.volume) == (Outcome.COMPLETED, "db")
        await rig.clock.sleep(1500)
        assert len(rig.runs()) == 1
        assert engine.journal.notes(KIND, dict[str, Any]) == {}
        # its own attach and detach were none of that; the next use is
        await pod(rig)
        await pod_gone(rig)
        await rig.finished(2, seconds=1200)
        await promises.hold(rig, engine)
    assert len(rig.runs()) == 2


async def test_a_restart_while_the_volume_rests_neither_forgets_nor_repeats_it(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    config = rig.config(cron='"0 12 * * *"', on_detach='"10m"')
    async with rig.daemon(config):
        await pod(rig)
        await pod_gone(rig)
        await rig.clock.sleep(120)
    rested = rig.clock.now()
    async with rig.daemon(config):
        await rig.clock.sleep(60)
    async with rig.daemon(config):
        (run,) = await rig.finished(1, seconds=900)
        assert timedelta(minutes=8) <= run.due - rested <= timedelta(minutes=8, seconds=20)
        await rig.clock.sleep(1800)
    async with rig.daemon(config):
        await rig.clock.sleep(1800)
    assert rig.outcomes() == [Outcome.COMPLETED]


async def test_a_volume_that_was_let_go_while_the_daemon_was_down_is_backed_up_after_the_start(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    config = rig.config(cron='"0 12 * * *"', on_detach='"10m"')
    async with rig.daemon(config):
        await pod(rig)
    await pod_gone(rig)
    await rig.clock.sleep(3600)
    back = rig.clock.now()
    async with rig.daemon(config):
        (run,) = await rig.finished(1, seconds=900)
    assert timedelta(minutes=10) <= run.due - back <= timedelta(minutes=10, seconds=20)


async def test_a_crash_between_the_run_and_its_note_makes_no_second_run(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    config = rig.config(cron='"0 12 * * *"', on_detach='"10m"')
    async with rig.daemon(config) as engine:
        await pod(rig)
        await pod_gone(rig)
        await rig.clock.sleep(60)
        note = engine.journal.notes(KIND, dict[str, Any])
        assert set(note) == {"often/db"}
        await rig.finished(1, seconds=900)
        # as though the process had died before the note went
        engine.journal.note(KIND, note)
    async with rig.daemon(config) as engine:
        await rig.clock.sleep(1800)
        assert engine.journal.notes(KIND, dict[str, Any]) == {}
    assert rig.outcomes() == [Outcome.COMPLETED]


async def test_a_volume_that_is_taken_again_in_time_is_not_due(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 12 * * *"', on_detach='"10m"')):
        for _ in range(3):
            await pod(rig)
            await pod_gone(rig)
            await rig.clock.sleep(300)
        assert queued(rig) == []
        await rig.finished(1, seconds=600)
        await rig.clock.sleep(1800)
    assert len(queued(rig)) == 1


async def test_a_scheduled_run_of_a_detached_volume_begins_no_rest(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"', on_detach='"1m"')):
        await rig.finished(1)
        await rig.clock.sleep(3600)
    assert queued(rig) == [TWO]


async def test_a_run_that_waits_already_serves_for_a_volume_that_was_let_go(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    policy = {"cron": '"0 2 * * *"', "on_detach": '"10m"', "window": '["02:20-05:00"]'}
    async with rig.daemon(rig.config(**policy)) as engine:
        await pod(rig)
        await pod_gone(rig)
        await rig.clock.sleep(1020)
        assert queued(rig) == [TWO]
        assert engine.journal.notes(KIND, dict[str, Any]) == {}
        (run,) = await rig.finished(1, seconds=7200)
        await rig.clock.sleep(900)
    assert (run.outcome, len(queued(rig))) == (Outcome.COMPLETED, 1)


async def test_rest_begins_once_longhorn_has_let_go_of_the_volume_for_its_backup(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 240})
    async with rig.daemon(rig.config(cron='"0 2 * * *"', on_detach='"1m"', patience='{ backup = "1h" }')) as engine:
        await pod(rig)
        await rig.until(lambda: rig.phase(Phase.BACKING_UP))
        await rig.clock.sleep(60)
        await pod_gone(rig)
        await rig.finished(2, seconds=3000)
        await promises.hold(rig, engine)
    first, second = rig.runs()
    assert first.finished_at is not None
    assert MINUTE <= second.due - first.finished_at <= MINUTE + timedelta(seconds=20)


async def test_a_run_that_has_begun_is_followed_by_one_of_its_own(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    policy = '[longhorn]\npoll = "2s"\n[[policy]]\nname = "often"\ncron = "0 2 * * *"\non_detach = "10s"\n'
    async with rig.daemon(rig.config(policy)) as engine:
        await pod(rig)
        await at(rig, TWO - timedelta(seconds=10))
        await pod_gone(rig)
        await rig.finished(2)
        await promises.hold(rig, engine)
        await rig.clock.sleep(60)
    first, second = rig.runs()
    assert first.finished_at is not None
    assert second.started_at is not None
    assert TWO == first.due < second.due < first.finished_at < second.started_at
    assert (first.outcome, second.outcome) == (Outcome.COMPLETED, Outcome.UNCHANGED)


async def test_a_volume_that_was_let_go_stays_detached_while_the_setting_is_false(rig: Rig) -> None:
    await rig.allow(False)
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 12 * * *"', on_detach='"10m"')):
        await pod(rig)
        await pod_gone(rig)
        (run,) = await rig.finished(1, seconds=900)
    assert run.outcome is Outcome.SUSPENDED


async def test_at_the_end_of_a_window_what_runs_goes_on_and_what_waits_waits(rig: Rig) -> None:
    for name in ("a", "b"):
        await rig.volume(name, data=8 * MIB)
        await rig.call("POST", f"/sim/volumes/{name}/timing", {"backup": 240})
    policy = (
        '[limits]\ncluster = 1\n[[policy]]\nname = "often"\ncron = "0 2 * * *"\ntimezone = "Etc/UTC"\n'
        'window = ["02:00-02:02", "02:20-02:25"]\npatience = { backup = "1h" }\n'
    )
    again = TWO + 20 * MINUTE
    async with rig.daemon(rig.config(policy)) as engine:
        (first,) = await rig.finished(1)
        assert first.outcome is Outcome.COMPLETED
        assert first.finished_at is not None
        assert first.finished_at > TWO + 4 * MINUTE
        await at(rig, again - MINUTE)
        (waiting,) = engine.keeper.waiting.values()
        assert waiting.reason == "waits for its window, which opens at 02:20 Etc/UTC"
        await promises.hold(rig, engine)
        _, second = await rig.finished(2)
    assert (second.due, second.outcome) == (TWO, Outcome.COMPLETED)
    assert second.started_at is not None
    assert timedelta(0) <= second.started_at - again <= timedelta(seconds=2)


async def test_the_keeper_wakes_when_a_window_opens(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"', window='["02:07-03:00"]')):
        (run,) = await rig.finished(1)
    assert run.started_at is not None
    assert timedelta(0) <= run.started_at - (TWO + 7 * MINUTE) <= timedelta(seconds=1)


async def test_a_reload_that_opens_a_window_lets_waiting_runs_in(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"', window='["22:00-23:00"]')) as engine:
        await at(rig, TWO + 10 * MINUTE)
        assert len(engine.keeper.waiting) == 1
        engine.keeper.rules = rules_of(rig.config(cron='"0 2 * * *"', window='["02:00-06:00"]'))
        engine.keeper.wake()
        (run,) = await rig.finished(1, seconds=60)
    assert run.outcome is Outcome.COMPLETED


async def test_a_reload_that_shuts_a_window_keeps_waiting_runs_out(rig: Rig) -> None:
    for name in ("a", "b"):
        await rig.volume(name, data=8 * MIB)
        await rig.call("POST", f"/sim/volumes/{name}/timing", {"backup": 120})
    policy = '[limits]\ncluster = 1\n[[policy]]\nname = "often"\ncron = "0 2 * * *"\n'
    async with rig.daemon(rig.config(policy)) as engine:
        await rig.until(lambda: rig.phase(Phase.BACKING_UP))
        engine.keeper.rules = rules_of(rig.config(policy + 'blackout = ["02:00-02:30"]\n'))
        await rig.finished(1)
        await at(rig, TWO + 29 * MINUTE)
        assert [run.phase for run in engine.keeper.waiting.values()] == [Phase.QUEUED]
        await rig.finished(2)
    assert rig.outcomes() == [Outcome.COMPLETED] * 2
    last = rig.runs()[-1]
    assert last.started_at is not None
    assert last.started_at >= TWO + 30 * MINUTE


async def test_an_attempt_that_would_come_after_its_window_waits_for_the_next(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/sim/faults", {"kind": "backup-error-at-start", "times": 2})
    async with rig.daemon(rig.config(cron='"0 2 * * *"', window='["02:00-02:02", "02:30-03:00"]')):
        first, second, third = await rig.finished(3, seconds=3600)
    assert [run.outcome for run in (first, second, third)] == [Outcome.FAILED, Outcome.FAILED, Outcome.COMPLETED]
    assert second.started_at is not None
    assert third.started_at is not None
    assert second.started_at < TWO + 2 * MINUTE
    assert timedelta(0) <= third.started_at - (TWO + 30 * MINUTE) <= timedelta(seconds=2)


async def test_a_due_time_that_finds_a_run_waiting_for_its_window_says_so(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"*/10 * * * *"', window='["04:00-06:00"]')):
        await rig.finished(1, seconds=1300)
    (skipped,) = rig.runs()
    assert skipped.outcome is Outcome.SKIPPED
    assert "had not begun (waits for its window, which opens at 04:00 UTC) when this one was due" in skipped.reason
