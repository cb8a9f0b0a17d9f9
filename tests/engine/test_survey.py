"""One look at everything, on a simulated Longhorn."""

import pytest

from lhbackupd.core.cluster import Setting
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.recurring import membership
from lhbackupd.engine.survey import Surveyor
from lhbackupd.longhorn.api import Release
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.longhorn.errors import LonghornError
from tests.rig import MIB, Rig, inline

pytestmark = pytest.mark.looptime


def surveyor(rig: Rig) -> Surveyor:
    return Surveyor(
        longhorn=Longhorn(url="http://longhorn", transport=rig.transport, offload=inline), now=rig.clock.now
    )


async def test_a_survey_shows_all_there_is(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')):
        await rig.finished(1)
    found = await surveyor(rig).survey(groups=True)
    assert [volume.name for volume in found.volumes] == ["db"]
    assert (found.release, found.setting) == (Release.NEW, Setting.ALLOWED)
    assert len(found.nodes) == 3
    assert [target.name for target in found.targets] == ["default"]
    assert found.groups == {"db": membership()}
    assert [(backup.volume, backup.completed) for backup in found.backups] == [("db", True)]
    assert found.faults == ()


async def test_a_survey_changes_nothing(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    before = await rig.ledger()
    await surveyor(rig).survey(groups=True)
    await surveyor(rig).belongings(["db"], "0rigin")
    assert await rig.ledger() == before


async def test_what_cannot_be_read_is_told_beside_the_rest(rig: Rig) -> None:
    await rig.volume("db")
    await rig.call(
        "POST", "/sim/faults", {"kind": "status", "status": 503, "times": 99, "match": {"path": "/v1/nodes"}}
    )
    found = await surveyor(rig).survey(groups=False)
    assert found.nodes == ()
    assert [fault.partition(":")[0] for fault in found.faults] == ["nodes"]
    assert len(found.targets) == 1


async def test_without_the_volumes_there_is_nothing_to_tell(rig: Rig) -> None:
    await rig.call(
        "POST", "/sim/faults", {"kind": "status", "status": 503, "times": 99, "match": {"path": "/v1/volumes"}}
    )
    with pytest.raises(LonghornError):
        await surveyor(rig).survey(groups=False)


async def test_belongings_are_what_bears_our_origin_of_attached_and_detached_volumes_and_of_deleted_ones(
    rig: Rig,
) -> None:
    for name in ("db", "gone", "empty"):
        await rig.volume(name, data=0 if name == "empty" else MIB)
    await rig.call("POST", "/sim/pods", {"name": "db-0", "namespace": "shop", "volume": "db", "node": "node-1"})
    await rig.clock.sleep(30)
    config = rig.config(cron='"0 2 * * *"')
    async with rig.daemon(config) as engine:
        await rig.finished(3)
    await rig.call("DELETE", "/v1/volumes/gone")
    await rig.clock.sleep(10)
    assert rig.outcomes().count(Outcome.COMPLETED) == 2
    made = {run.volume: run for run in rig.runs() if run.outcome is Outcome.COMPLETED}
    found = await surveyor(rig).belongings(["db", "empty"], engine.origin.journal)
    assert [each.volume for each in found] == ["db", "gone"]
    for each in found:
        assert [backup.name for backup in each.backups] == [made[each.volume].backup]
    assert [snapshot.name for snapshot in found[0].snapshots] == [made["db"].snapshot]
    assert await surveyor(rig).belongings(["db", "empty"], "0ther") == ()


async def test_a_backup_that_still_runs_is_known_by_its_snapshot(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 60})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(Phase.BACKING_UP))
        await rig.clock.sleep(20)
        (found,) = await surveyor(rig).belongings(["db"], engine.origin.journal)
        assert [(backup.completed, dict(backup.labels)) for backup in found.backups] == [(False, {})]
        await rig.finished(1)


@pytest.mark.parametrize(("version", "release"), [("1.6", Release.MIDDLE), ("1.4", Release.OLD)])
async def test_backups_are_found_on_older_releases_too(rig: Rig, version: str, release: Release) -> None:
    await rig.call("POST", "/sim/generation", {"version": version})
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config()):
        await rig.finished(1)
    found = await surveyor(rig).survey(groups=False)
    assert (found.release, found.faults) == (release, ())
    assert [backup.volume for backup in found.backups] == ["db"]
