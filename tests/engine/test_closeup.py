"""One look at a volume for whoever wants to know all about it."""

import pytest

from lhbackupd.core.model import Run
from lhbackupd.engine.closeup import close_up
from lhbackupd.engine.journal import JournalError
from lhbackupd.longhorn.api import Api
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime


async def last(*runs: Run) -> tuple[Run, ...]:
    """What a journal has of a volume."""
    return runs


async def test_a_close_up_shows_backups_and_runs_and_the_snapshots_of_an_attached_volume(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        (run,) = await rig.finished(1)
        detached = await close_up(Api(longhorn=engine.longhorn), "db", last(run))
        await rig.call("POST", "/sim/pods", {"name": "db-0", "namespace": "shop", "volume": "db", "node": "node-1"})
        await rig.clock.sleep(30)
        attached = await close_up(Api(longhorn=engine.longhorn), "db", last(run))
        missing = await close_up(Api(longhorn=engine.longhorn), "nothing", last())
    assert detached.runs == (run,)
    assert detached.chain is None
    assert [backup.name for backup in detached.backups or ()] == [run.backup]
    assert attached.chain
    assert run.snapshot in attached.chain.snapshots
    assert (missing.volume, missing.runs, missing.faults) == (None, (), ())


async def test_what_cannot_be_read_is_said_and_the_rest_shown(rig: Rig) -> None:
    async def broken() -> tuple[Run, ...]:
        raise JournalError("the disk is gone")

    await rig.volume("db", data=MIB)
    await rig.call("POST", "/sim/pods", {"name": "db-0", "namespace": "shop", "volume": "db", "node": "node-1"})
    await rig.clock.sleep(30)
    engine = await rig.assembled(rig.config(cron='"0 5 * * *"'))
    for action in ("backupListByVolume", "snapshotList"):
        await rig.call("POST", "/sim/faults", {"kind": "status", "match": {"action": action}})
    seen = await close_up(Api(longhorn=engine.longhorn), "db", broken())
    assert seen.volume
    assert [fault.partition(":")[0] for fault in seen.faults] == [
        "the disk is gone",
        "its backups could not be read",
        "its snapshots could not be read",
    ]
    await rig.call("POST", "/sim/faults", {"kind": "status", "match": {"path": "/v1/volumes/db"}})
    (_, fault) = (await close_up(Api(longhorn=engine.longhorn), "db", broken())).faults
    assert fault.startswith("the volume could not be read: ")
    engine.journal.close()
