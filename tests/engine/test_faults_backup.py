"""Faults of backups and their targets."""

from itertools import pairwise
from typing import Any

import pytest

from lhbackupd.core.model import Outcome, Phase
from lhbackupd.engine.events import Pruned
from tests.engine import promises
from tests.rig import MIB, SETTING, Rig

pytestmark = pytest.mark.looptime


async def completed(rig: Rig, engine: Any, seconds: float = 2 * 3600) -> None:
    await rig.until(lambda: Outcome.COMPLETED in rig.outcomes(), seconds)
    await rig.clock.sleep(30)
    await promises.hold(rig, engine)


def dropped(rig: Rig) -> list[str]:
    return [one.backup.name for event in rig.events if isinstance(event, Pruned) for one in event.deleted]


@pytest.mark.parametrize("fault", ["backup-error-at-start", "backup-error-at", "backup-unknown", "backup-vanish"])
async def test_a_backup_that_fails_is_told_cleared_away_and_tried_again(rig: Rig, fault: str) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/faults", {"kind": fault, "percent": 40, "message": "no space left"})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await completed(rig, engine)
    assert rig.outcomes() == [Outcome.FAILED, Outcome.COMPLETED]
    failed, done = rig.runs()
    assert failed.backup
    words = {"backup-unknown": "ended as Unknown", "backup-vanish": "vanished from Longhorn"}
    assert words.get(fault, "no space left") in failed.reason
    assert [backup["name"] for backup in await rig.backups("db")] == [done.backup]
    assert dropped(rig) == ([] if fault == "backup-vanish" else [failed.backup])
    assert len(await rig.ledger("snapshot-created")) == 1, "the second attempt uses the snapshot of the first"


async def test_attempts_come_at_growing_intervals_until_the_next_due_time(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/sim/faults", {"kind": "backup-error-at-start", "times": None})
    async with rig.daemon(rig.config(cron='"0 2,3 * * *"')) as engine:
        while len({run.due for run in rig.runs()}) < 2:
            await rig.clock.sleep(20)
        await rig.clock.sleep(20)
        await promises.hold(rig, engine)
    attempts = [run for run in rig.runs() if run.due == rig.runs()[0].due]
    gaps = [(b.started_at - a.finished_at).total_seconds() for a, b in pairwise(attempts)]
    assert [round(gap / 60) for gap in gaps] == [1, 2, 4, 8, 16]
    assert attempts[-1].finished_at < rig.runs()[-1].due
    assert await rig.backups("db") == []


async def test_a_backup_that_stands_still_fails_is_deleted_and_frees_its_volume(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/faults", {"kind": "backup-stuck-at", "percent": 15})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await completed(rig, engine)
    failed, done = rig.runs()
    assert failed.outcome is Outcome.FAILED
    assert failed.reason == f"waited 900 s for backup {failed.backup}, at 15 %"
    assert [backup["name"] for backup in await rig.backups("db")] == [done.backup]


async def test_progress_that_falls_is_no_failure(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 40})
    await rig.call("POST", "/sim/faults", {"kind": "backup-progress-falls"})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await completed(rig, engine)
    assert rig.outcomes() == [Outcome.COMPLETED]


async def delete_by_hand(rig: Rig, name: str) -> None:
    """Deleted in Longhorn's own UI, which asks as everybody does."""
    await rig.call("POST", "/v1/backupvolumes/db?action=backupDelete", {"name": name})


async def test_a_base_backup_deleted_by_hand_is_made_again(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config()) as engine:
        await rig.finished(2)
        await delete_by_hand(rig, rig.runs()[0].backup)
        await rig.until(lambda: rig.outcomes().count(Outcome.COMPLETED) == 2)
        await rig.clock.sleep(10)
        assert [backup["name"] for backup in await rig.backups("db")] == [rig.runs()[-1].backup]
        await promises.hold(rig, engine)
    assert rig.outcomes() == [Outcome.COMPLETED, Outcome.UNCHANGED, Outcome.COMPLETED]


async def test_a_last_backup_that_names_a_deleted_one_is_not_believed(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("PUT", "/sim/timing", {"last_backup_stale": 1000})
    async with rig.daemon(rig.config()):
        await rig.finished(1)
        await rig.clock.sleep(20)
        gone = rig.runs()[0].backup
        await delete_by_hand(rig, gone)
        await rig.until(lambda: rig.outcomes().count(Outcome.COMPLETED) == 2)
        assert rig.runs()[-1].backup != gone


async def test_a_running_backup_deleted_by_hand_is_made_again(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 60})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: any(run.backup for run in engine.keeper.active.values()))
        (run,) = engine.keeper.active.values()
        await delete_by_hand(rig, run.backup)
        await completed(rig, engine)
    assert rig.outcomes() == [Outcome.FAILED, Outcome.COMPLETED]
    assert "vanished from Longhorn" in rig.runs()[0].reason


async def target(rig: Rig, *, available: bool) -> None:
    await rig.call("POST", "/sim/targets/default", {"available": available, "message": "connection refused"})


@pytest.mark.parametrize("phase", [Phase.ATTACHING, Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP])
async def test_a_target_that_goes_in_a_run_ends_well_and_is_not_attached_for_again(rig: Rig, phase: Phase) -> None:
    await rig.volume("db", data=8 * MIB)
    fault = {"kind": "backup-error-at-start", "times": 1, "message": "connection refused"}
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        if phase is Phase.BACKING_UP:
            await rig.call("POST", "/sim/faults", fault)
        await target(rig, available=False)
        await rig.clock.sleep(900)
        assert await promises.held(rig) == {}
        asked = len(await rig.ledger("ticket-added"))
        (waiting,) = engine.keeper.waiting.values() or [None]
        if waiting is not None:
            assert waiting.reason == "waits: backup target default is not available: connection refused"
        await rig.clock.sleep(3600)
        assert len(await rig.ledger("ticket-added")) == asked, "nothing is attached for a target that is not there"
        await target(rig, available=True)
        await completed(rig, engine)
    assert len([run for run in rig.runs() if run.outcome is Outcome.FAILED]) <= 1


async def test_while_the_target_is_gone_the_queue_waits_once_and_takes_no_snapshot(rig: Rig) -> None:
    for number in range(3):
        await rig.volume(f"v{number}", data=MIB)
    await target(rig, available=False)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.clock.sleep(3600)
        reasons = [run.reason for run in engine.keeper.waiting.values()]
        assert reasons == ["waits: backup target default is not available: connection refused"] * 3
        assert rig.runs() == []
        assert await rig.ledger("ticket-added") == []
        assert await rig.ledger("snapshot-created") == []
        await target(rig, available=True)
        await rig.finished(3)
        await rig.clock.sleep(10)
        await promises.hold(rig, engine)
    assert rig.outcomes() == [Outcome.COMPLETED] * 3


async def test_a_setting_flipped_off_in_a_run_lets_it_finish_and_suspends_the_next(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config()) as engine:
        await rig.until(lambda: rig.phase(Phase.BACKING_UP))
        await rig.allow(False)
        await rig.finished(2)
        await promises.hold(rig, engine)
    assert rig.outcomes() == [Outcome.COMPLETED, Outcome.SUSPENDED]
    assert SETTING in rig.runs()[1].reason


@pytest.mark.parametrize(
    ("phase", "outcome"),
    [
        (Phase.ATTACHING, Outcome.GONE),
        (Phase.INSPECTING, Outcome.GONE),
        (Phase.SNAPSHOTTING, Outcome.GONE),
        (Phase.DETACHING, Outcome.COMPLETED),
    ],
)
async def test_a_policy_that_is_removed_in_a_run_gives_the_volume_back(
    rig: Rig, phase: Phase, outcome: Outcome
) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        engine.keeper.rules = type(engine.keeper.rules)(
            policies={}, limits=engine.keeper.rules.limits, retry=engine.keeper.rules.retry
        )
        engine.keeper.wake()
        await rig.finished(1)
        await rig.clock.sleep(20)
        await promises.hold(rig, engine)
        assert dict(engine.scheduler.schedules) == {}
    assert rig.outcomes() == [outcome]


async def test_a_backup_that_runs_when_its_policy_is_removed_is_finished(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 30})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: any(run.backup for run in engine.keeper.active.values()))
        engine.keeper.rules = type(engine.keeper.rules)(
            policies={}, limits=engine.keeper.rules.limits, retry=engine.keeper.rules.retry
        )
        await rig.finished(1)
        await promises.hold(rig, engine)
    assert rig.outcomes() == [Outcome.COMPLETED]
