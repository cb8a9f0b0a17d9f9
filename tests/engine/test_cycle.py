"""The whole cycle of a run, in virtual time."""

import pytest

from lhbackupd.core.model import Outcome
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
