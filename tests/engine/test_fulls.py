"""Full backups in the whole cycle, counted from what the simulated Longhorn lists and lets go."""

import pytest

from lhbackupd.core.model import Outcome
from lhbackupd.core.naming import LABEL_NUMBER
from lhbackupd.engine.events import Moved
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime


async def test_every_third_completed_backup_is_full_whatever_retention_and_failed_runs_leave(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    modes: dict[str, str] = {}
    async with rig.daemon(rig.config(full_every="3", keep="{ last = 1 }")):
        for round_ in range(1, 8):
            if round_ == 4:  # a failed run is none of the backups that are counted
                fault = {"kind": "status", "status": 500, "times": 3, "match": {"action": "snapshotBackup"}}
                await rig.call("POST", "/sim/faults", fault)
            await rig.until(lambda r=round_: rig.outcomes().count(Outcome.COMPLETED) >= r, 1800)  # type: ignore[misc]
            for each in await rig.backups("db"):
                modes.setdefault(each["labels"][LABEL_NUMBER], each["backupMode"])
            await rig.until(lambda: rig.outcomes()[-1] is Outcome.UNCHANGED, 600)
            await rig.call("POST", "/sim/volumes/db/prefill", {"bytes": MIB, "offset": round_ * 2 * MIB})
    full = {number for number, mode in modes.items() if mode == "full"}
    assert set(modes) == {"1", "2", "3", "4", "5", "6", "7"}
    assert full == {"3", "6"}
    said = [run for run in rig.runs() if run.full]
    assert {run.number for run in said} == {3, 6}
    assert all(run.reason.endswith("a full one") for run in said)
    asked = {event.after.reason for event in rig.events if isinstance(event, Moved)}
    assert any(reason.startswith("asks for a full backup of snapshot") for reason in asked)


@pytest.mark.parametrize("version", ["1.7", "1.4"])
async def test_a_longhorn_without_full_backups_makes_an_incremental_one_and_that_is_said(
    rig: Rig, version: str
) -> None:
    await rig.call("POST", "/sim/generation", {"version": version})
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"', full_every="1")):
        (run,) = await rig.finished(1)
    assert run.outcome is Outcome.COMPLETED
    assert not run.full
    assert run.reason.endswith("it was to be a full one, and this Longhorn made an incremental one")
