"""Things that only a whole cluster shows: truth about backups, the cache, determinism, lost events."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lhbackupd.simulator.server import application
from lhbackupd.simulator.timing import Timing
from lhbackupd.simulator.volumewire import volume_wire
from tests.simulator.driving import Driver

MIB = 2**20


async def changed_volume(d: Driver, name: str = "v") -> None:
    await d.make(name)
    await d.sim(f"volumes/{name}/prefill", bytes=8 * MIB)


async def back_up(d: Driver, name: str, snapshot: str) -> float:
    """The daemon's way; returns the seconds from the attach call until detached."""
    began = d.clock.t
    await d.act(name, "attach", hostId="node-1", disableFrontend=True, attachmentID="bk", attachedBy="x")
    asked = backed = False
    while d.clock.t < began + 60:
        d.pass_time(0.1)
        v = await d.volume(name)
        if not asked and v["volumeAttachment"]["attachments"].get("bk", {}).get("satisfied"):
            await d.act(name, "snapshotCRCreate", name=snapshot)
            asked = True
        elif asked and not backed and (await d.act(name, "snapshotCRGet", name=snapshot))["readyToUse"]:
            await d.act(name, "snapshotBackup", name=snapshot)
            await d.act(name, "detach", attachmentID="bk")
            backed = True
        elif backed and v["state"] == "detached":
            return d.clock.t - began
    raise AssertionError("never detached")


async def test_a_changed_volume_is_held_thirteen_seconds() -> None:
    async with Driver() as d:
        await changed_volume(d)
        assert await back_up(d, "v", "s") == pytest.approx(13.0, abs=0.5)


async def test_data_counts_as_protected_only_while_a_completed_backup_holds_it() -> None:
    async with Driver() as d:
        await changed_volume(d)
        written_at = (await d.summary("v"))["truth"]["unprotected_since"]
        await back_up(d, "v", "s")
        truth = (await d.summary("v"))["truth"]
        assert truth["unprotected"] is False
        await d.sim("volumes/v/prefill", bytes=4096, offset=MIB)
        truth = (await d.summary("v"))["truth"]
        assert truth["unprotected"] is True
        assert truth["unprotected_since"] > written_at
        await back_up(d, "v", "s2")
        for backup in (await d.volume("v"))["backupStatus"]:
            await d.post("/v1/backupvolumes/any?action=backupDelete", name=backup["id"])
        d.pass_time(10)
        truth = (await d.summary("v"))["truth"]
        assert (truth["unprotected"], truth["unprotected_since"]) == (True, written_at)


async def test_after_a_revert_the_head_stands_on_the_older_snapshot_and_the_newer_one_remains() -> None:
    async with Driver() as d:
        await changed_volume(d)
        await back_up(d, "v", "s1")
        await d.sim("volumes/v/prefill", bytes=4096)
        await back_up(d, "v", "s2")
        await d.attach("v", "node-1", wait=8)
        await d.act("v", "snapshotRevert", name="s1")
        listed = {s["name"]: s for s in (await d.act("v", "snapshotList"))["data"]}
        assert listed["volume-head"]["parent"] == "s1"
        assert listed["s1"]["children"] == {"volume-head": True, "s2": True}
        assert (await d.summary("v"))["truth"]["unprotected"] is False


async def test_an_offline_cycle_of_another_client_changes_nothing_in_the_volume() -> None:
    async with Driver() as d:
        await changed_volume(d)
        before = await d.volume("v")
        await d.sim("volumes/v/write", bytes=MIB, offset=20 * MIB, offline=True)
        d.pass_time(12)
        after = await d.volume("v")
        assert after == before
        assert (await d.summary("v"))["bytes_written"] == 9 * MIB
        events = (await d.http.get("/v1/events")).json()["data"]
        assert {e["event"]["reason"] for e in events if e["event"]["involvedObject"]["kind"] == "Volume"} >= {
            "Attached",
            "Detached",
        }


async def test_a_write_to_a_detached_volume_is_refused_with_the_reason() -> None:
    async with Driver() as d:
        await d.make("v")
        answer = await d.ask("POST", "/sim/volumes/v/write", {"bytes": 4096})
        assert answer.status_code == 409
        assert "detached" in answer.json()["error"]


async def test_a_pod_runs_nine_seconds_after_we_let_go() -> None:
    async with Driver() as d:
        await d.make("v")
        await d.attach("v", "node-1", "bk", wait=9)
        await d.sim("pods", name="db-0", namespace="shop", volume="v", node="node-2")
        d.pass_time(20)
        (pod,) = (await d.http.get("/sim/pods")).json()["pods"]
        assert (pod["phase"], pod["behind"]) == ("Pending", ["bk"])
        await d.act("v", "detach", attachmentID="bk")
        d.pass_time(60)
        entry = (await d.http.get("/sim/ledger?kind=pod-running")).json()["entries"][0]
        assert entry["waited"] == pytest.approx(29.0, abs=1.0)


async def test_deleting_a_running_backup_frees_the_volume() -> None:
    async with Driver() as d:
        await changed_volume(d)
        await d.sim("volumes/v/timing", backup=600)
        began = d.clock.t
        await back_up_until_running(d)
        await d.act("v", "detach", attachmentID="bk")
        name = (await d.volume("v"))["backupStatus"][0]["id"]
        await d.post("/v1/backupvolumes/none?action=backupDelete", name=name)
        d.pass_time(0.3)
        assert (await d.volume("v"))["volumeAttachment"]["attachments"] == {}
        d.pass_time(3)
        assert (await d.volume("v"))["state"] == "detached"
        assert d.clock.t - began < 60


async def back_up_until_running(d: Driver) -> None:
    await d.attach("v", "node-1", "bk", wait=8)
    await d.snapshot("v", "s")
    await d.act("v", "snapshotBackup", name="s")
    d.pass_time(8)
    assert (await d.volume("v"))["backupStatus"][0]["state"] == "InProgress"


async def test_an_object_that_is_too_talkative_loses_events() -> None:
    async with Driver() as d:
        await changed_volume(d)
        for _ in range(16):
            await d.attach("v", "node-1", wait=2.5)
            await d.act("v", "detach", attachmentID="t")
            d.pass_time(2.5)
        assert (await d.http.get("/sim/ledger/summary")).json()["events_dropped"] > 0
        d.pass_time(3700)
        kinds = {e["event"]["involvedObject"]["name"] for e in (await d.http.get("/v1/events")).json()["data"]}
        assert "v" not in kinds


async def test_what_the_simulator_cannot_do_it_refuses_saying_so() -> None:
    async with Driver() as d:
        await d.make("v")
        answer = await d.ask("POST", "/v1/volumes/v?action=engineUpgrade", {"image": "x"})
        assert answer.status_code == 500
        assert "the simulated Longhorn cannot" in answer.json()["message"]


async def test_timing_can_be_changed_while_the_cluster_runs() -> None:
    async with Driver(timing=Timing(engine_start=30.0)) as d:
        await d.make("v")
        await d.attach("v", "node-1", wait=10)
        assert (await d.volume("v"))["state"] == "attaching"
        answer = await d.ask("PUT", "/sim/timing", {"engine_start": 0.5})
        assert answer.json()["engine_start"] == 0.5
        assert (await d.ask("PUT", "/sim/timing", {"nonsense": 1})).status_code == 400


STEPS = st.lists(
    st.sampled_from(["attach1", "attach2", "frontend", "detach", "force", "write", "snapshot", "backup",
    "pod", "stop", "kill", "wait", "long", "off", "on"]),
    min_size=3,
    max_size=25,
)  # fmt: skip


async def perform(d: Driver, step: str, number: int) -> None:
    post: dict[str, tuple[str, Any]] = {
        "attach1": (
            "/v1/volumes/v?action=attach",
            {"hostId": "node-1", "disableFrontend": True, "attachmentID": "a"},
        ),
        "attach2": (
            "/v1/volumes/v?action=attach",
            {"hostId": "node-2", "disableFrontend": True, "attachmentID": "b"},
        ),
        "frontend": ("/v1/volumes/v?action=attach", {"hostId": "node-1", "attachmentID": "c"}),
        "detach": ("/v1/volumes/v?action=detach", {"attachmentID": "a"}),
        "force": ("/v1/volumes/v?action=detach", {"forceDetach": True}),
        "write": ("/sim/volumes/v/write", {"bytes": 5000, "offset": number * 4096, "force": True}),
        "snapshot": ("/v1/volumes/v?action=snapshotCRCreate", {"name": f"s{number}"}),
        "backup": ("/v1/volumes/v?action=snapshotBackup", {"name": f"s{number - 1}"}),
        "pod": ("/sim/pods", {"name": "p", "namespace": "n", "volume": "v", "node": "node-3"}),
        "kill": ("/sim/volumes/v/engine/kill", {}),
        "off": ("/sim/nodes/node-3", {"power": "off"}),
        "on": ("/sim/nodes/node-3", {"power": "on"}),
    }
    if step == "stop":
        await d.ask("DELETE", "/sim/pods/n/p")
    elif step in post:
        answer = await d.ask("POST", *post[step])
        assert answer.status_code in {200, 404, 409, 500}, answer.text
    d.pass_time({"wait": 3.0, "long": 17.0}.get(step, 0.4))


@settings(max_examples=40, deadline=None)
@given(STEPS)
async def test_a_list_from_the_cache_is_the_list_and_released_volumes_get_detached(steps: list[str]) -> None:
    async with Driver() as d:
        await d.make("v", dataLocality="best-effort", numberOfReplicas=1)
        for number, step in enumerate(steps):
            await perform(d, step, number)
            listed = (await d.http.get("/v1/volumes")).json()["data"]
            fresh = [volume_wire(d.cluster.world, "http://127.0.0.1:9500", v) for v in d.cluster.world.volumes.values()]
            assert listed == json.loads(json.dumps(fresh))
        await perform(d, "on", 0)
        await perform(d, "stop", 0)
        await perform(d, "force", 0)
        d.pass_time(120)
        volume = await d.volume("v")
        if not volume["volumeAttachment"]["attachments"]:
            assert volume["state"] == "detached"


async def test_equal_seeds_and_requests_give_equal_ledgers() -> None:
    ledgers = []
    for _ in range(2):
        async with Driver(seed=7) as d:
            await changed_volume(d)
            await back_up(d, "v", "s")
            ledgers.append((await d.http.get("/sim/ledger")).json()["entries"])
    assert ledgers[0] == ledgers[1]


async def test_others_are_answered_while_a_long_list_goes_out() -> None:
    async with Driver() as d:
        await d.sim("volumes", count=300)
        turns: list[str] = []

        async def other() -> None:
            for _ in range(3):
                assert (await d.http.get("/v1/nodes")).is_success
                turns.append("other")

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body" and message.get("body"):
                turns.append("piece")

        scope = {"type": "http", "method": "GET", "path": "/v1/volumes", "query_string": b"", "headers": []}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(other())
            await application(d.cluster)(scope, receive, send)
        assert turns.index("other") < len(turns) - 1 - turns[::-1].index("piece")
