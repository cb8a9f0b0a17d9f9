"""Volumes that others have attached: no ticket of ours, but all the same promises."""

import pytest

from lhbackupd.core.model import Outcome
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime


async def test_a_backup_stuck_on_a_volume_that_a_pod_has_is_dropped_and_the_next_run_backs_it_up(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/sim/pods", {"name": "db-0", "volume": "db", "node": "node-1"})
    await rig.call("POST", "/sim/faults", {"kind": "backup-stuck-at", "percent": 15})
    async with rig.daemon(rig.config(cron='"0 2 * * *"', patience='{ backup = "60s" }')):
        await rig.finished(2)
    assert rig.outcomes() == [Outcome.FAILED, Outcome.COMPLETED]
    assert [backup["state"] for backup in await rig.backups("db")] == ["Completed"]
