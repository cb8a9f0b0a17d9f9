"""The whole cycle of a run, in virtual time."""

import pytest

from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.pace import LONGEST
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime


async def test_a_detached_volume_with_new_data_is_backed_up_and_left_detached(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config()):
        await rig.finished(1)
    assert rig.outcomes() == [Outcome.COMPLETED]
    assert [backup["state"] for backup in await rig.backups("db")] == ["Completed"]
    shown = await rig.shows("db")
    assert (shown["state"], shown["volumeAttachment"]["attachments"]) == ("detached", {})


async def test_a_volume_without_new_data_is_attached_looked_into_and_left_alone(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config()):
        await rig.finished(3)
    assert rig.outcomes() == [Outcome.COMPLETED, Outcome.UNCHANGED, Outcome.UNCHANGED]
    assert len(await rig.ledger("snapshot-created")) == 1
    assert len(await rig.ledger("backup-completed")) == 1


async def test_a_backup_that_gets_on_is_not_looked_at_once_more_for_it(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 100})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')):
        await rig.until(lambda: rig.phase(Phase.BACKING_UP))
        await rig.call("POST", "/sim/requests/reset")
        await rig.finished(1)
    assert rig.outcomes() == [Outcome.COMPLETED]
    looks = (await rig.call("GET", "/sim/requests"))["requests"]["GET /v1/volumes/*"]
    assert 100 / LONGEST <= looks <= 100 / LONGEST + 12, (
        "at most as often as a workload must be noticed, and at the ends"
    )
