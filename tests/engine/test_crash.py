"""A daemon that is killed at any moment: the next one carries on or ends what it finds."""

import asyncio

import pytest

from lhbackupd.core.model import Outcome
from tests.rig import MIB, Guillotine, Rig

pytestmark = pytest.mark.looptime

#: from just before the run is due until it has long ended, in steps that meet every phase and the requests around it
MOMENTS = [119 + step / 4 for step in range(64)]


#: the requests of one run: the last of them is the look that shows the volume detached
REQUESTS = range(21)


async def ends_well(rig: Rig) -> None:
    """After another start there is one backup, one snapshot, one run that says so, and nothing attached."""
    config = rig.config(cron='"0 2 * * *"')
    async with rig.daemon(config):
        await rig.clock.sleep(90)
    completed = [backup for backup in await rig.backups("db") if backup["state"] == "Completed"]
    assert len(completed) == 1
    assert len(await rig.ledger("snapshot-created")) == 1
    shown = await rig.shows("db")
    assert (shown["state"], shown["volumeAttachment"]["attachments"]) == ("detached", {})
    assert rig.outcomes().count(Outcome.COMPLETED) == 1


@pytest.mark.parametrize("moment", MOMENTS)
async def test_after_a_kill_at_any_moment_there_is_one_backup_and_nothing_attached(rig: Rig, moment: float) -> None:
    await rig.volume("db", data=8 * MIB)
    config = rig.config(cron='"0 2 * * *"')
    await rig.killed(config, rig.clock.sleep(moment - rig.clock.monotonic()))
    await ends_well(rig)


@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
@pytest.mark.parametrize("passing", REQUESTS)
async def test_after_a_kill_around_any_request_there_is_one_backup_and_nothing_attached(
    rig: Rig, passing: int, heard: bool
) -> None:
    await rig.volume("db", data=8 * MIB)
    longhorn, rig.transport = rig.transport, Guillotine(rig.transport, passing=passing, heard=heard)
    blade = rig.transport
    async with asyncio.timeout(300):
        await rig.killed(rig.config(cron='"0 2 * * *"'), blade.fallen.wait())
    rig.transport = longhorn
    await ends_well(rig)


async def test_a_run_makes_no_more_requests_than_are_tried_here(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    blade = rig.transport = Guillotine(rig.transport, passing=len(REQUESTS), heard=False)
    await rig.killed(rig.config(cron='"0 2 * * *"'), rig.finished(1))
    assert rig.outcomes() == [Outcome.COMPLETED]
    assert not blade.fallen.is_set()
