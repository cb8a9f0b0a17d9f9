"""Up to when data is called protected: never later than what the backup holds."""

from datetime import datetime

import pytest

from lhbackupd.core.model import Outcome
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime


async def test_data_written_between_the_snapshot_and_the_question_for_its_backup_is_not_called_protected(
    rig: Rig,
) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/sim/pods", {"name": "db-0", "volume": "db", "node": "node-1"})
    async with rig.daemon(rig.config()):
        (run,) = await rig.finished(1)
    (taken,) = await rig.ledger("snapshot-created")
    (asked,) = await rig.ledger("backup-asked")
    assert datetime.fromisoformat(asked["at"]).second > datetime.fromisoformat(taken["at"]).second
    assert run.outcome is Outcome.COMPLETED
    assert run.protected_until is not None
    assert run.protected_until <= datetime.fromisoformat(taken["at"])


async def test_data_written_while_the_answer_of_a_look_is_on_its_way_is_not_called_protected(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/sim/pods", {"name": "db-0", "volume": "db", "node": "node-1"})
    async with rig.daemon(rig.config(skip_unchanged_attached="true")):
        await rig.finished(1)
        slow = {"kind": "delay", "act": "after", "seconds": 20, "match": {"action": "snapshotList"}, "times": 1}
        await rig.call("POST", "/sim/faults", slow)
        await rig.until(lambda: rig.clock.now().minute == 2 and rig.clock.now().second == 10)
        await rig.call("POST", "/sim/volumes/db/write", {"bytes": 4096})
        run = (await rig.finished(2))[1]
    written = (await rig.ledger("write"))[-1]
    assert run.outcome is Outcome.UNCHANGED
    assert run.protected_until is not None
    assert run.protected_until < datetime.fromisoformat(written["at"])


async def test_a_reused_snapshot_protects_as_of_the_look_that_found_nothing_above_it(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/v1/volumes/db?action=attach", {"hostId": "node-1", "attachmentID": "me"})
    await rig.clock.sleep(10)
    await rig.call("POST", "/v1/volumes/db?action=snapshotCreate", {"name": "by-hand", "labels": {}})
    await rig.clock.sleep(10)
    await rig.call("POST", "/v1/volumes/db?action=detach", {"attachmentID": "me"})
    async with rig.daemon(rig.config()):
        (run,) = await rig.finished(1)
    assert run.snapshot == "by-hand"
    assert run.protected_until is not None
    assert run.started_at is not None
    assert run.started_at <= run.protected_until <= run.entered["backing-up"]


async def test_a_snapshot_that_longhorn_has_not_noticed_yet_is_backed_up_as_soon_as_it_has(rig: Rig) -> None:
    """Longhorn learns of a snapshot that the engine took at the engine's next poll, 5 s after an attach."""
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/v1/volumes/db?action=attach", {"hostId": "node-1", "attachmentID": "me"})
    await rig.clock.sleep(3)
    await rig.call("POST", "/v1/volumes/db?action=snapshotCreate", {"name": "by-hand", "labels": {}})
    await rig.call("POST", "/v1/volumes/db?action=detach", {"attachmentID": "me"})
    async with rig.daemon(rig.config()):
        (run,) = await rig.finished(1)
    assert (run.outcome, run.snapshot) == (Outcome.COMPLETED, "by-hand")
    assert (run.finished_at - run.started_at).total_seconds() < 14
