"""Faults of volumes, nodes and engines, in every phase; others who attach, detach, delete and revert."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lhbackupd.assembly import Engine
from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.core.pausing import Pause
from lhbackupd.engine.events import Moved
from tests.engine import promises
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

HOLDING = [Phase.ATTACHING, Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP, Phase.DETACHING]
PHASES = [Phase.QUEUED, *HOLDING]


def ours(rig: Rig) -> Run:
    """The run as it last moved."""
    return [event.after for event in rig.events if isinstance(event, Moved)][-1]


async def settled(rig: Rig, engine: Any, *outcomes: Outcome) -> None:
    """Some run ends in one of these ways, and half a minute later all promises hold."""
    await rig.until(lambda: bool(set(rig.outcomes()) & set(outcomes)), 2 * 3600)
    await rig.clock.sleep(30)
    await promises.hold(rig, engine)


@pytest.mark.parametrize("phase", PHASES)
async def test_a_volume_that_is_deleted_ends_its_run(rig: Rig, phase: Phase) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        await rig.call("DELETE", "/v1/volumes/db")
        await settled(rig, engine, Outcome.GONE, Outcome.COMPLETED)
        assert not engine.keeper.waiting
        assert not engine.keeper.active
    if phase not in {Phase.DETACHING, Phase.BACKING_UP}:
        assert rig.outcomes() == [Outcome.GONE]
        assert rig.runs()[-1].reason == "the volume was deleted"


async def test_a_volume_that_is_reverted_while_detached_is_backed_up_as_it_is_now(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config()) as engine:
        await rig.until(lambda: rig.outcomes() == [Outcome.COMPLETED])
        first = rig.runs()[0].snapshot
        await rig.call("POST", "/sim/volumes/db/prefill", {"bytes": MIB, "offset": 16 * MIB})
        await rig.until(lambda: rig.outcomes().count(Outcome.COMPLETED) == 2)
        await rig.clock.sleep(10)
        await revert(rig, first)
        await rig.finished(len(rig.runs()) + 2)
        await promises.hold(rig, engine)
    truth = (await rig.call("GET", "/sim/ledger/summary"))["volumes"]["db"]["truth"]
    assert truth["unprotected"] is False


async def revert(rig: Rig, snapshot: str) -> None:
    """Somebody attaches the volume in maintenance mode, reverts it and lets go."""
    body = {"hostId": "node-1", "disableFrontend": True, "attachmentID": "by-hand", "attachedBy": "a person"}
    await rig.call("POST", "/v1/volumes/db?action=attach", body)
    await rig.clock.sleep(15)
    await rig.call("POST", "/v1/volumes/db?action=snapshotRevert", {"name": snapshot})
    await rig.clock.sleep(2)
    await rig.call("DELETE", "/sim/volumes/db/tickets/by-hand")
    await rig.clock.sleep(10)


async def tickets(rig: Rig) -> dict[str, Any]:
    return dict((await rig.shows("db"))["volumeAttachment"]["attachments"])


@pytest.mark.parametrize("phase", [Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP])
async def test_a_revert_under_our_hands_claims_nothing_that_is_not_so(rig: Rig, phase: Phase) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')):
        await rig.finished(1)
    base = rig.runs()[0].snapshot
    await rig.call("POST", "/sim/volumes/db/prefill", {"bytes": MIB, "offset": 16 * MIB})
    async with rig.daemon(rig.config(cron='"10 2 * * *"')) as engine:
        before = len(rig.events)
        await rig.until(lambda: any(isinstance(e, Moved) and e.after.phase is phase for e in rig.events[before:]), 1800)
        await rig.until(lambda: bool(engine.keeper.active))
        answer = await rig.http.post("/v1/volumes/db?action=snapshotRevert", json={"name": base})
        assert answer.status_code in {200, 500}
        await rig.finished(2, seconds=1800)
        await rig.clock.sleep(30)
        await promises.hold(rig, engine)


@pytest.mark.parametrize("how", [{"ready": False}, {"power": "off"}, {"gone": True}, {"power": "restart"}])
@pytest.mark.parametrize("phase", PHASES)
async def test_a_node_that_is_lost_leaves_nothing_attached(rig: Rig, phase: Phase, how: dict[str, Any]) -> None:
    await rig.volume("db", data=8 * MIB, replicas=3)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        node = ours(rig).node or "node-1"
        await rig.call("POST", f"/sim/nodes/{node}", how)
        await rig.clock.sleep(120)
        await rig.call(
            "POST", f"/sim/nodes/{node}", {"ready": True, "power": "on"} if "gone" not in how else {"gone": False}
        )
        await settled(rig, engine, Outcome.COMPLETED)


@pytest.mark.parametrize("phase", PHASES)
async def test_a_node_that_is_cordoned_disturbs_no_run(rig: Rig, phase: Phase) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        await rig.call("POST", f"/sim/nodes/{ours(rig).node or 'node-1'}", {"cordoned": True})
        await settled(rig, engine, Outcome.COMPLETED)
    assert rig.outcomes() == [Outcome.COMPLETED]


@pytest.mark.parametrize("phase", HOLDING)
async def test_a_cordon_that_takes_our_ticket_away_is_tried_again_elsewhere(rig: Rig, phase: Phase) -> None:
    await rig.call("PUT", "/v1/settings/detach-manually-attached-volumes-when-cordoned", {"value": "true"})
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        await rig.call("POST", f"/sim/nodes/{ours(rig).node}", {"cordoned": True})
        await settled(rig, engine, Outcome.COMPLETED)


@pytest.mark.parametrize("phase", HOLDING)
async def test_an_engine_that_dies_is_waited_for_or_the_run_tried_again(rig: Rig, phase: Phase) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        await rig.http.post("/sim/volumes/db/engine/kill")
        await settled(rig, engine, Outcome.COMPLETED)


async def test_a_replica_that_is_rebuilt_stops_no_backup(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB, replicas=3)
    await rig.call("POST", "/sim/pods", {"name": "db-0", "namespace": "shop", "volume": "db", "node": "node-1"})
    await rig.clock.sleep(30)
    await rig.call("POST", "/sim/nodes/node-2", {"power": "off"})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(Phase.INSPECTING))
        await rig.call("POST", "/sim/nodes/node-2", {"power": "on"})
        await settled(rig, engine, Outcome.COMPLETED)
    assert rig.outcomes() == [Outcome.COMPLETED]


@pytest.mark.parametrize("phase", HOLDING)
async def test_our_ticket_is_taken_away_by_force(rig: Rig, phase: Phase) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        await rig.call("DELETE", f"/sim/volumes/db/tickets/{ours(rig).ticket}")
        await settled(rig, engine, Outcome.COMPLETED)
    assert len(await rig.ledger("backup-completed")) == 1


@pytest.mark.parametrize("node", ["node-1", "node-3"])
@pytest.mark.parametrize("phase", PHASES)
async def test_somebody_attaches_by_hand(rig: Rig, phase: Phase, node: str) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        hand = [{"id": "by-hand", "type": "longhorn-api", "node": node, "attachedBy": "a person"}]
        await rig.call("POST", "/sim/volumes/db/tickets", {"tickets": hand})
        await settled(rig, engine, Outcome.COMPLETED)
        assert list(await tickets(rig)) == ["by-hand"]


@pytest.mark.parametrize("phase", PHASES)
async def test_a_native_job_on_the_same_volume_gets_its_backup_and_we_ours(rig: Rig, phase: Phase) -> None:
    await rig.volume("db", data=8 * MIB)
    job = {
        "name": "native",
        "cron": "0 0 1 1 *",
        "task": "backup",
        "retain": 1,
        "concurrency": 1,
        "groups": ["default"],
    }
    await rig.call("POST", "/v1/recurringjobs", job)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        await rig.call("POST", "/sim/jobs/native/run")
        await settled(rig, engine, Outcome.COMPLETED)
        await rig.clock.sleep(120)
    assert rig.outcomes()[-1] is Outcome.COMPLETED
    assert (await rig.shows("db"))["state"] == "detached"


async def waiting(rig: Rig, engine: Engine) -> None:
    """A run is due, and its policy is paused."""
    now = rig.clock.now()
    await engine.keeper.orders.pause(Pause(policy="often", since=now, until=now + timedelta(days=1), by="me"))
    await rig.until(lambda: bool(engine.keeper.waiting))


async def test_a_run_that_waits_for_a_volume_that_is_deleted_ends_though_a_part_of_each_poll_fails(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await waiting(rig, engine)
        await rig.call("POST", "/sim/faults", {"kind": "status", "status": 403, "match": {"path": "/v1/recurringjobs"}})
        await rig.call("DELETE", "/v1/volumes/db")
        await rig.finished(1)
    assert rig.outcomes() == [Outcome.GONE]


async def test_of_a_volume_that_is_not_listed_nobody_asks_by_name_while_none_are_listed(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await waiting(rig, engine)
        await rig.call("POST", "/sim/faults", {"kind": "status", "status": 503, "match": {"path": "/v1/volumes"}})
        await rig.clock.sleep(16)
        engine.inventory.picture = replace(engine.inventory.picture, volumes={})
        await rig.call("POST", "/sim/requests/reset")
        await rig.clock.sleep(60)
        counted = (await rig.call("GET", "/sim/requests"))["requests"]
        assert counted["GET /v1/volumes"] > 0
        assert "GET /v1/volumes/*" not in counted, "each would take a time-out, in the keeper's turn"
