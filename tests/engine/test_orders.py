"""What operators order, while runs go on, and across restarts."""

import asyncio
from datetime import timedelta

import pytest

from lhbackupd.assembly import Engine
from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.core.pausing import ALL, REMIND, Pause
from lhbackupd.engine.events import Moved, Ordered, PauseOverdue
from tests.engine import promises
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

PHASES = [Phase.ATTACHING, Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP, Phase.DETACHING]
NEVER = '"0 0 29 2 *"'


def newest(rig: Rig) -> Run:
    return [event.after for event in rig.events if isinstance(event, Moved)][-1]


async def polled(rig: Rig, engine: Engine) -> None:
    await rig.until(lambda: engine.inventory.picture.at is not None and engine.keeper.begun.is_set())


async def asked(rig: Rig, engine: Engine, volume: str = "db", policy: str = "often") -> tuple[Run, bool]:
    await polled(rig, engine)
    return await engine.keeper.ask((policy, volume), "uid 0")


async def cancel(engine: Engine, run: Run) -> None:
    await engine.keeper.orders.call_off(run, "uid 0")
    engine.keeper.wake()


async def nothing_is_left(rig: Rig) -> None:
    await promises.hold(rig)
    shown = await rig.shows("db")
    assert (shown["state"], shown["volumeAttachment"]["attachments"]) == ("detached", {})
    assert {backup["state"] for backup in await rig.backups("db")} <= {"Completed"}


# cancel


@pytest.mark.parametrize("phase", PHASES)
async def test_a_run_is_called_off_in_every_phase_and_leaves_nothing_behind(rig: Rig, phase: Phase) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 60})
    async with rig.daemon(rig.config(cron=NEVER)) as engine:
        run, _ = await asked(rig, engine)
        await rig.until(lambda: rig.phase(phase))
        if phase is Phase.BACKING_UP:
            await rig.until(lambda: bool(newest(rig).backup))
        await cancel(engine, run)
        await rig.finished(1)
        await rig.clock.sleep(120)
    expected = Outcome.COMPLETED if phase is Phase.DETACHING else Outcome.CANCELLED
    assert rig.outcomes() == [expected]
    assert len(await rig.backups("db")) == (expected is Outcome.COMPLETED)
    await nothing_is_left(rig)


#: from the moment that the run is asked for until it has long ended
MOMENTS = [step / 4 for step in range(72)]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_crash_right_after_the_order_does_not_take_it_back(rig: Rig, moment: float) -> None:
    await rig.volume("db", data=8 * MIB)
    config = rig.config(cron=NEVER)
    engine = await rig.assembled(config)
    tasks = [asyncio.create_task(engine.inventory.run(asyncio.Event())), asyncio.create_task(engine.keeper.run())]
    run, _ = await asked(rig, engine)
    await rig.clock.sleep(moment)
    over = bool(rig.runs())
    await engine.keeper.orders.call_off(run, "uid 0")
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    engine.journal.close()
    async with rig.daemon(config):
        await rig.clock.sleep(90)
    (outcome,) = rig.outcomes()
    assert outcome in {Outcome.CANCELLED, Outcome.COMPLETED}
    assert not over or outcome is Outcome.COMPLETED
    completed = [backup for backup in await rig.backups("db") if backup["state"] == "Completed"]
    assert len(completed) == (outcome is Outcome.COMPLETED)
    await nothing_is_left(rig)


async def test_a_run_that_waits_for_its_next_attempt_ends_at_once_and_has_no_other(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/sim/faults", {"kind": "status", "status": 500, "match": {"action": "snapshotCRCreate"}})
    async with rig.daemon(rig.config(cron=NEVER)) as engine:
        await asked(rig, engine)
        await rig.finished(1)
        await rig.until(lambda: bool(engine.keeper.waiting))
        (waits,) = engine.keeper.waiting.values()
        assert (waits.attempt, waits.manual) == (2, True)
        await cancel(engine, waits)
        await rig.finished(2, seconds=10)
        await rig.clock.sleep(7200)
    assert rig.outcomes() == [Outcome.FAILED, Outcome.CANCELLED]
    await nothing_is_left(rig)


async def test_a_failed_run_that_was_called_off_on_its_way_out_is_not_tried_again(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/sim/faults", {"kind": "status", "status": 500, "match": {"action": "snapshotCRCreate"}})
    async with rig.daemon(rig.config(cron=NEVER)) as engine:
        run, _ = await asked(rig, engine)
        await rig.until(lambda: rig.phase(Phase.DETACHING))
        await cancel(engine, run)
        await rig.finished(1)
        await rig.clock.sleep(7200)
        assert not engine.keeper.waiting
    assert rig.outcomes() == [Outcome.FAILED]


async def test_what_was_ordered_about_a_run_is_forgotten_when_it_is_over(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron=NEVER)) as engine:
        run, _ = await asked(rig, engine)
        await cancel(engine, run)
        await cancel(engine, run)
        await rig.finished(1)
        await rig.clock.sleep(5)
        assert engine.journal.notes("cancel", str) == {}
        found = engine.journal.find(run.id)
        assert found is not None
        assert (found.cancelled, found.outcome) == (True, Outcome.CANCELLED)
        assert engine.journal.find("nothing") is None
    assert len([event for event in rig.events if isinstance(event, Ordered) and event.order == "cancel"]) == 1


async def test_a_volume_that_others_have_attached_loses_its_unfinished_backup_alone(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    body = {"hostId": "node-1", "disableFrontend": False, "attachedBy": "ui", "attachmentID": "ui"}
    await rig.call("POST", "/v1/volumes/db?action=attach", {**body, "attacherType": "longhorn-api"})
    await rig.clock.sleep(10)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 60})
    async with rig.daemon(rig.config(cron=NEVER)) as engine:
        run, _ = await asked(rig, engine)
        await rig.until(lambda: rig.phase(Phase.BACKING_UP) and bool(newest(rig).backup))
        await cancel(engine, run)
        await rig.finished(1)
        await rig.clock.sleep(5)
        assert rig.outcomes() == [Outcome.CANCELLED]
        assert await rig.backups("db") == []
        shown = await rig.shows("db")
        assert list(shown["volumeAttachment"]["attachments"]) == ["ui"]


# backup


async def test_fifty_requests_at_once_make_one_run(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron=NEVER)) as engine:
        await polled(rig, engine)
        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(engine.keeper.ask(("often", "db"), "uid 0")) for _ in range(50)]
        answers = [task.result() for task in made]
        assert len({run.id for run, _ in answers}) == 1
        assert [new for _, new in answers].count(True) == 1
        await rig.finished(1)
        await rig.clock.sleep(30)
        assert len(engine.journal.history()) == 1
    assert rig.outcomes() == [Outcome.COMPLETED]


@pytest.mark.parametrize("early", [0.0, 0.25, 1.0, -0.25, -3.0])
async def test_a_person_and_the_schedule_in_the_same_moment_make_one_backup(rig: Rig, early: float) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await polled(rig, engine)
        due = rig.clock.now().replace(hour=2, minute=0, second=0, microsecond=0)
        await rig.clock.sleep((due - rig.clock.now()).total_seconds() - early)
        run, new = await asked(rig, engine)
        assert new is (early > 0) or early == 0
        await rig.clock.sleep(60)
    completed = [each for each in rig.runs() if each.outcome is Outcome.COMPLETED]
    assert [each.id for each in completed] == [run.id]
    assert set(rig.outcomes()) <= {Outcome.COMPLETED, Outcome.SKIPPED}
    assert len(await rig.backups("db")) == 1
    await nothing_is_left(rig)


async def test_a_detached_volume_that_may_not_be_attached_is_suspended_for_a_person_too(rig: Rig) -> None:
    await rig.allow(False)
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron=NEVER)) as engine:
        await asked(rig, engine)
        (run,) = await rig.finished(1)
    assert (run.outcome, run.manual) == (Outcome.SUSPENDED, True)
    assert await rig.ledger("ticket-added") == []


# pause


def pause(rig: Rig, policy: str = "often", hours: float = 1.0) -> Pause:
    now = rig.clock.now()
    until = now + timedelta(hours=hours)
    return Pause(policy=policy, since=now, until=until, by="uid 0", reason="new disks")


@pytest.mark.parametrize("policy", ["often", ALL])
async def test_what_is_due_in_a_pause_waits_also_across_a_restart_until_it_is_resumed(rig: Rig, policy: str) -> None:
    await rig.volume("db", data=MIB)
    config = rig.config()
    async with rig.daemon(config) as engine:
        await polled(rig, engine)
        await engine.keeper.orders.pause(pause(rig, policy))
        await rig.clock.sleep(200)
    async with rig.daemon(config) as engine:
        await rig.clock.sleep(200)
        (waits,) = engine.keeper.waiting.values()
        assert waits.reason.startswith("waits: ")
        assert " paused since 2026-03-02 01:58:" in waits.reason
        assert "by uid 0: new disks; until 2026-03-02 02:58:" in waits.reason
        assert await rig.ledger("ticket-added") == []
        assert set(rig.outcomes()) == {Outcome.SKIPPED}, "one waits, later ones are coalesced into it"
        assert await engine.keeper.orders.resume({policy}, "uid 0")
        assert await engine.keeper.orders.resume({policy}, "uid 0") == ()
        engine.keeper.wake()
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes(), 60)
        assert engine.journal.notes("pause", Pause) == {}


async def test_what_goes_on_is_finished_and_other_policies_are_not_touched(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    policies = "".join(f'[[policy]]\nname = "{name}"\ncron = "0 2 * * *"\n' for name in ("hourly", "nightly"))
    async with rig.daemon(rig.config(policies)) as engine:
        await rig.until(lambda: rig.phase(Phase.ATTACHING))
        first = next(iter(engine.keeper.active.values())).policy
        other = ({"hourly", "nightly"} - {first}).pop()
        await engine.keeper.orders.pause(pause(rig, first))
        await engine.keeper.orders.pause(pause(rig, other))
        await rig.finished(1)
        await rig.clock.sleep(60)
        assert [run.policy for run in rig.runs()] == [first]
        await engine.keeper.orders.resume({other}, "uid 0")
        engine.keeper.wake()
        await rig.finished(2)


async def test_a_pause_does_not_end_by_itself_and_is_told_every_hour(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config()) as engine:
        await polled(rig, engine)
        known = await engine.keeper.orders.pause(pause(rig))
        await rig.clock.sleep(3 * 3600 + 600)
        told = [event for event in rig.events if isinstance(event, PauseOverdue)]
        assert len(told) == 3
        assert "it was to end at 2026-03-02 02:58:" in told[0].text
        assert await rig.ledger("ticket-added") == []
        longer = await engine.keeper.orders.pause(pause(rig, hours=2))
        assert longer.since == known.since
        await rig.clock.sleep(REMIND.total_seconds())
        assert len([event for event in rig.events if isinstance(event, PauseOverdue)]) == 3
