"""Recordings 400 to 850: jobs, pods, interruptions, nodes, data locality, priorities, restore, crash."""

from typing import Any

from tests.simulator.replaying import Replay

MIB = 2**20
W, P = "volc-w-z", "volc-p-z"


async def jobs(r: Replay) -> None:
    await r.make("volc-d-z")
    for name in (
        "400-recurringjobs-empty", "401-recurringjob-create", "402-recurringjob-get", "403-recurringjob-list",
        "404-recurringjob-duplicate", "405-recurringjob-update", "406-recurringjob-missing",
        "407-recurringjob-bad-cron", "408-recurringjob-bad-task", "411-recurringjob-retain-too-big",
        "420-recurringJobList-default", "421-recurringJobAdd", "422-recurringJobAdd-group",
        "423-recurringJobList",
    ):  # fmt: skip
        await r.play(name)
    await r.act("volc-d-z", "recurringJobAdd", name="nope", isGroup=False)
    for name in (
        "425-recurringJobDelete", "426-recurringJobDelete-missing", "427-recurringJobList-after",
        "428-recurringJobDelete-group", "429-recurringJobList-empty-again", "430-recurringjob-delete",
        "431-recurringjob-delete-missing",
    ):  # fmt: skip
        await r.play(name)


async def start_pod(r: Replay, volume: str, node: str) -> None:
    recorded = {"node-2": "node-1", "node-3": "node-2", "node-1": "node-3"}[node]
    name = f"pod-{volume.replace('volc', 'rec').removesuffix('-z')}-{recorded}"
    await r.sim("pods", name=name, namespace="default", volume=volume, node=node)


async def stop_pods(r: Replay) -> None:
    for pod in (await r.http.get("/sim/pods")).json()["pods"]:
        assert (await r.http.delete(f"/sim/pods/{pod['namespace']}/{pod['name']}")).status_code == 200


async def pods(r: Replay) -> None:
    await r.ask("PUT", "/v1/nodes/node-1", {"allowScheduling": False})
    await r.make(W)
    await r.ask("PUT", "/v1/nodes/node-1", {"allowScheduling": True})
    await r.attach(W, "node-3", "bk-1", wait=8)
    await start_pod(r, W, "node-1")
    r.pass_time(6)
    await r.play("500-volume-csi-other-node-waiting")
    await r.play("501-detach-ours")
    r.pass_time(10)
    await r.play("502-volume-csi-got-it")
    await r.play("503-attach-ours-while-workload")
    r.pass_time(0.3)
    await r.play("504-volume-ours-unsatisfied")
    await r.act(W, "detach", attachmentID="bk-1")
    r.pass_time(1)
    await r.play("507-attach-ours-same-node-frontend", loose=("satisfied", "conditions"))
    r.pass_time(1)
    await r.play("508-volume-shared-ticket")
    await stop_pods(r)
    r.pass_time(1)
    await r.play("509-volume-pod-stopped-we-hold")
    await r.act(W, "detach", attachmentID="bk-1")
    r.pass_time(3)
    await live(r)


async def live(r: Replay) -> None:
    await start_pod(r, W, "node-3")
    r.pass_time(10)
    await r.sim(f"volumes/{W}/write", bytes=9 * MIB)
    await r.play("520-snapshotCreate-live")
    r.pass_time(5.1)
    await r.play("521-snapshotBackup-live")
    r.pass_time(4.25)
    await r.play("522-volume-live-backup")
    await stop_pods(r)
    r.pass_time(6)


async def two(r: Replay, name: str, first: dict[str, Any], second: dict[str, Any], pause: float) -> None:
    await r.sim(f"volumes/{W}/tickets", tickets=[first])
    r.pass_time(pause)
    await r.sim(f"volumes/{W}/tickets", tickets=[second])
    r.pass_time(2.3 if pause < 1 else 5)
    await r.play(name)
    await r.act(W, "detach", forceDetach=True)
    r.pass_time(4)


def ticket(id_: str, kind: str, node: str, frontend: str) -> dict[str, Any]:
    return {"id": id_, "type": kind, "node": node, "disableFrontend": frontend}


async def races(r: Replay) -> None:
    await pods(r)
    backup, api = "backup-controller", "longhorn-api"
    x = "backup-controller-x"
    await two(
        r,
        "530-race-api-vs-csi",
        ticket("a-bk", api, "node-2", "true"),
        ticket("csi-x", "csi-attacher", "node-3", "false"),
        0.01,
    )
    await two(
        r,
        "530-race-backup-controller-vs-api",
        ticket(x, backup, "node-2", "any"),
        ticket("z-api", api, "node-3", "true"),
        0.01,
    )
    await two(
        r, "530-race-snapshot-vs-backup-controller", ticket("snapshot-controller-x", "snapshot-controller",
        "node-2", "any"),
        ticket(x, backup, "node-3", "any"), 0.1,
    )  # fmt: skip
    await two(
        r,
        "530-race-two-api",
        ticket("b-bk", api, "node-2", "true"),
        ticket("a-bk", api, "node-1", "true"),
        0.1,
    )
    await two(
        r,
        "540-interrupt-backup-controller-by-api",
        ticket(x, backup, "node-2", "any"),
        ticket("other", api, "node-3", "true"),
        3,
    )
    await two(
        r,
        "540-interrupt-backup-controller-by-csi",
        ticket(x, backup, "node-2", "any"),
        ticket("other", "csi-attacher", "node-3", "false"),
        3,
    )
    await interrupted(r)
    await node_down(r)


async def interrupted(r: Replay) -> None:
    await r.attach(W, "node-2", "bk-1", wait=8)
    await r.sim(f"volumes/{W}/write", bytes=30 * MIB, force=True)
    await r.snapshot(W, "w-2")
    await r.act(W, "detach", attachmentID="bk-1")
    r.pass_time(4)
    await r.sim(f"volumes/{W}/timing", backup=10)
    await r.act(W, "snapshotBackup", name="w-2")
    r.pass_time(7)
    await start_pod(r, W, "node-1")
    r.pass_time(12)
    await r.play("550-volume-backup-interrupted-by-pod")
    await stop_pods(r)
    r.pass_time(4)


async def node_down(r: Replay) -> None:
    await r.sim("nodes/node-1", ready=False)
    r.pass_time(1)
    await r.play("560-node-not-ready", loose=("scheduledReplica",))
    await r.sim(f"volumes/{W}/faults", hang=True)
    await r.attach(W, "node-2", "bk-1", wait=6)
    await r.play("562-volume-hanging-attach")
    await r.play("563-detach-hanging")
    r.pass_time(3)
    await r.play("564-volume-detached-after-hang")


async def priorities(r: Replay) -> None:
    await r.make(P, size="3Gi")
    csi, backup, api = "csi-attacher", "backup-controller", "longhorn-api"
    sets = {
        "api-1000-beats-csi-900": [
            ticket("a-csi", csi, "node-3", "false"),
            ticket("z-api", api, "node-2", "true"),
        ],
        "csi-900-beats-backup-800": [
            ticket("a-backup", backup, "node-2", "any"),
            ticket("z-csi", csi, "node-3", "false"),
        ],
        "same-priority-smallest-id-wins": [
            ticket("b-api", api, "node-2", "true"),
            ticket("a-api", api, "node-1", "true"),
        ],
        "unknown-type-0-loses": [
            ticket("a-own", "my-own-type", "node-2", "true"),
            ticket("z-backup", backup, "node-3", "any"),
        ],
    }
    for name, both in sets.items():
        await r.sim(f"volumes/{P}/tickets", tickets=both)
        r.pass_time(2.3)
        await r.play(f"810-priority-{name}")
        await r.act(P, "detach", forceDetach=True)
        r.pass_time(3)
    await r.sim(
        f"volumes/{P}/tickets",
        tickets=[{**ticket("bk-int", backup, "node-2", "true"), "attachedBy": "other-client"}],
    )
    r.pass_time(14)
    await r.play("820-our-ticket-of-type-backup-controller")
    await start_pod(r, P, "node-3")
    r.pass_time(12)
    await r.play("821-interrupted-by-pod")
    await stop_pods(r)
    r.pass_time(4.4)
    await r.play("822-back-to-us")
    r.pass_time(6)
    await start_pod(r, P, "node-2")
    r.pass_time(1)
    await r.play("823-same-node-not-interrupted")


async def locality(r: Replay) -> None:
    one = {"numberOfReplicas": 1, "size": "3Gi"}
    be = {**one, "dataLocality": "best-effort"}
    await r.make("volc-be0-z", **be)
    await r.play("599-best-effort-never-attached")
    await r.make("volc-dis-z", **one)
    await r.play("600-disabled-created")
    for name in ("be", "be2", "be3", "be4", "be5", "be6"):
        await placed(r, f"volc-{name}-z", "node-2", **be)
    await r.play("600-best-effort-created")
    await r.attach("volc-be-z", "node-3", "bk-1", wait=28)
    await r.play("601-best-effort-attached-disablefrontend-node-2")
    await r.act("volc-be-z", "detach", attachmentID="bk-1")
    await r.attach("volc-dis-z", "node-3", "bk-1", wait=8)
    await r.play("601-disabled-attached-disablefrontend-node-2")
    await r.act("volc-dis-z", "detach", attachmentID="bk-1")
    r.pass_time(3)
    await r.play("602-best-effort-detached")
    await r.play("602-disabled-detached")
    await r.attach("volc-be2-z", "node-3", "bk-1", frontend=True, wait=32)
    await r.play("603-best-effort-attached-frontend-node-2")
    await r.act("volc-be2-z", "detach", attachmentID="bk-1")
    await r.attach("volc-be3-z", "node-2", "bk-1", wait=12)
    await r.play("604-best-effort-frontend-detached")
    await r.play("605-best-effort-same-node")
    await strict(r)
    await r.play("616-best-effort-auto-attach")
    await r.attach("volc-be5-z", "node-3", "bk-1", wait=8)
    await controllers(r)


async def placed(r: Replay, name: str, node: str, **body: Any) -> None:
    await r.make(name, **body)
    await r.attach(name, node, "first", wait=8)
    await r.act(name, "detach", attachmentID="first")
    r.pass_time(3)


async def strict(r: Replay) -> None:
    body = {"numberOfReplicas": 1, "size": "3Gi", "dataLocality": "strict-local"}
    await placed(r, "volc-sl-z", "node-2", **body)
    await r.play("610-strict-local-created")
    await r.play("611-strict-local-attach-other-node")
    await r.attach("volc-sl-z", "node-2", "bk-1", wait=8)
    await r.play("613-strict-local-same-node")
    await r.make("volc-sl2-z", **body)
    await r.play("614-strict-local-fresh")
    await r.attach("volc-sl2-z", "node-3", "bk-1", wait=2.3)
    await r.play("615-strict-local-fresh-attach")


async def controllers(r: Replay) -> None:
    await r.sim("volumes/volc-be5-z/write", bytes=40 * MIB, force=True)
    await r.snapshot("volc-be5-z", "rec-be5-s".replace("rec-be5", "volc-be5-z"))
    await r.act("volc-be5-z", "detach", attachmentID="bk-1")
    r.pass_time(3)
    await r.sim("volumes/volc-be5-z/timing", backup=40)
    await r.act("volc-be5-z", "snapshotBackup", name="volc-be5-z-s")
    r.pass_time(42.69)
    await r.play("618-best-effort-backup-of-detached-volume")
    await r.attach("volc-be6-z", "node-3", "bk-1", wait=8)
    await r.sim("volumes/volc-be6-z/write", bytes=40 * MIB, force=True)
    await r.snapshot("volc-be6-z", "volc-be6-z-s")
    r.pass_time(5)
    await r.play("619-best-effort-backup-with-our-ticket", loose=("attachments", "state"))


async def own_job(r: Replay) -> None:
    for name in ("volc-j1-z", "volc-j2-z"):
        await r.make(name, numberOfReplicas=1, size="3Gi")
    await r.attach("volc-j1-z", "node-2", "bk-1", wait=8)
    await r.post(
        "/v1/recurringjobs", name="evening", task="backup", cron="0 2 * * *", retain=2, concurrency=2,
        groups=["default"], labels={"by": "me"},
    )  # fmt: skip
    await r.sim("jobs/evening/run")
    r.pass_time(13.5)
    await r.play("830-volume-after-recurring-backup")
    await r.play("831-snapshotCRList-after-recurring-backup")
    found = (await r.volume("volc-j1-z"))["backupStatus"][0]["backupURL"]
    r.alias["s3://bucket@us-east-1/?backup=backup-a2a21b14f39a4473&volume=rec-j1"] = found
    assert (
        await r.ask("PUT", "/v1/settings/allow-recurring-job-while-volume-detached", {"value": "true"})
    ).status_code == 200
    await r.sim("jobs/evening/run")
    r.pass_time(30)
    await r.play("840-volume-create-from-backup", loose=("conditions",))
    r.pass_time(20)
    await r.play("841-volume-restored")
    await r.attach("volc-j2-z", "node-3", "bk-1", wait=9)
    await r.sim("volumes/volc-j2-z/engine/kill")
    r.pass_time(11)
    await r.play("850-volume-after-engine-crash")
    await r.play("843-volume-delete")
    r.pass_time(5)
    await r.play("844-volume-deleted")
    await r.play("845-backupvolumes-outlive-the-volume", loose=("labels",))


async def real_engine(r: Replay) -> None:
    a, b, f = "vol-a-z", "vol-b-z", "real-engine"
    await r.make(a)
    await r.play("100-attach", folder=f, loose=("conditions",))
    r.pass_time(9)
    await r.play("101-volume-attached", folder=f)
    await r.make(b)
    await r.attach(b, "node-2", "fe", frontend=True, wait=9)
    await r.play("110-volume-attached-frontend", folder=f, loose=("lastAttachedBy",))
    await r.sim(f"volumes/{b}/write", bytes=20 * MIB)
    await r.play("120-snapshotList-after-20MiB", folder=f)
    await r.sim(f"volumes/{b}/write", bytes=20 * MIB)
    await r.play("121-snapshotList-after-rewrite", folder=f, also=lambda s: s["data"][0]["size"] == str(20 * MIB))
    await r.sim(f"volumes/{b}/write", bytes=100, offset=20 * MIB)
    await r.play("122-snapshotList-after-4k", folder=f, also=lambda s: s["data"][0]["size"] == str(20 * MIB + 4096))
    await r.act(b, "detach", attachmentID="fe")
    r.pass_time(3)
    await r.attach(b, "node-1", "bk-1", wait=8)
    await r.play(
        "123-snapshotList-reattached-disablefrontend",
        folder=f,
        also=lambda s: s["data"][0]["size"] == str(20 * MIB + 4096),
    )
    await r.play("124-snapshotCreate", folder=f)
    await r.play("125-snapshotList-after-create", folder=f)
    await r.play("126-snapshotCreate-duplicate", folder=f, loose=("message",))
    await r.play("127-snapshotDelete-missing", folder=f)
    await r.play("128-snapshotCreate-empty-label", folder=f)
    r.pass_time(5)
    await real_backups(r, b, f)


async def real_backups(r: Replay, b: str, f: str) -> None:
    await r.play("130-snapshotBackup", folder=f)
    r.pass_time(10)
    listed = await r.play("131-backupvolumes", folder=f)
    r.alias["re-b-890708d1"] = listed["data"][0]["id"]
    await r.play("132-backupList", folder=f, also=lambda found: found["data"][0]["size"] == "23068672")
    await r.sim(f"volumes/{b}/write", bytes=4 * MIB, force=True)
    await r.play("140-snapshotList-4MiB-changed", folder=f)
    await r.act(b, "snapshotCreate", name="s2")
    r.pass_time(6)
    await r.act(b, "snapshotBackup", name="s2")
    r.pass_time(10)
    await r.play(
        "141-backupList",
        folder=f,
        also=lambda found: "4194304" in {x["newlyUploadDataSize"] for x in found["data"]},
    )
    await r.act(b, "snapshotDelete", name="s1")
    await r.play("150-snapshotList-s1-deleted", folder=f)
    await r.play("151-snapshotPurge", folder=f, loose=("state", "replica"))
    r.pass_time(6)
    await r.play(
        "152-snapshotList-purged",
        folder=f,
        also=lambda s: str(20 * MIB + 4096) in [x["size"] for x in s["data"]],
    )
    await r.play("153-volume-purgeStatus", folder=f)
    await r.play("154-snapshotCRDelete-newest", folder=f)
    r.pass_time(6)
    await r.play("155-snapshotList-newest-deleted", folder=f)
    body = {"numberOfReplicas": 1, "dataLocality": "best-effort"}
    await placed(r, "vol-be-z", "node-2", **body)
    await r.attach("vol-be-z", "node-3", "bk-1", wait=9)
    await r.play("160-best-effort-disablefrontend-node-2", folder=f)
