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


async def test_a_volume_that_was_let_go_of_since_the_last_poll_is_attached_where_its_replica_is(rig: Rig) -> None:
    await rig.volume("db", data=MIB, replicas=1)
    (replica,) = (await rig.shows("db"))["replicas"]
    other = next(name for name in ("node-1", "node-2") if name != replica["hostId"])
    text = '[longhorn]\npoll = "1m"\n[[policy]]\nname = "often"\ncron = "0 2 * * *"\n'
    await rig.call("POST", "/v1/volumes/db?action=attach", {"hostId": other, "disableFrontend": False})
    await rig.clock.sleep(10)
    async with rig.daemon(rig.config(text)) as engine:
        await rig.until(lambda: "db" in engine.inventory.picture.volumes)
        assert engine.inventory.picture.volumes["db"].engine_node == other
        await rig.call("POST", "/v1/volumes/db?action=detach", {"attachmentID": ""})
        await rig.clock.sleep(10)
        await engine.keeper.ask(("often", "db"), "uid 0")
        (run,) = await rig.finished(1)
    assert (run.outcome, run.node) == (Outcome.COMPLETED, replica["hostId"])
    assert {entry["node"] for entry in await rig.ledger("ticket-added") if entry["id"]} == {replica["hostId"]}
