"""What was done while each trace was recorded, done again to a simulated cluster."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.simulator.driving import Driver
from tests.simulator.scenario_others import ticket
from tests.simulator.tracing import Rows, view, watch

MIB = 2**20
V = "vol-x"
Scenario = Callable[[Driver, Rows], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def of(*names: str) -> Callable[[Scenario], Scenario]:
    def register(scenario: Scenario) -> Scenario:
        for name in names:
            SCENARIOS[name] = scenario
        return scenario

    return register


async def prepared(
    d: Driver,
    node: str = "node-2",
    id_: str = "backup-client-1",
    *,
    mib: int = 0,
    snap: str = "",
    **body: Any,
) -> None:
    """A volume attached by our ticket, healthy, with data and a snapshot."""
    await d.make(V, **body)
    await d.attach(V, node, id_, wait=9)
    if mib:
        await d.sim(f"volumes/{V}/write", bytes=mib * MIB, force=True)
    if snap:
        await d.snapshot(V, snap)
        d.pass_time(5.3)


async def after_poll(d: Driver, seconds: float) -> None:
    """Wait until the engine's last poll is this long ago."""
    ledger = (await d.http.get(f"/sim/ledger?volume={V}&kind=attached")).json()
    since = (ledger["t"] - ledger["entries"][-1]["t"]) % 5
    d.pass_time((seconds - since) % 5)


async def detached(d: Driver, id_: str = "backup-client-1") -> None:
    await d.act(V, "detach", attachmentID=id_)
    d.pass_time(4)


async def pod(d: Driver, node: str) -> None:
    await d.sim("pods", name="p", namespace="default", volume=V, node=node)


async def stop(d: Driver) -> None:
    assert (await d.http.delete("/sim/pods/default/p")).status_code == 200


async def ours(d: Driver, node: str, id_: str, **more: Any) -> None:
    await d.act(V, "attach", hostId=node, attachmentID=id_, attachedBy="us", **{"disableFrontend": True, **more})


@of("attach-disablefrontend")
async def attach(d: Driver, rows: Rows) -> None:
    await d.make(V)
    await ours(d, "node-2", "backup-client-1")
    await watch(d, V, 8.5, rows)


@of("detach")
async def detach(d: Driver, rows: Rows) -> None:
    await prepared(d)
    await d.act(V, "detach", attachmentID="backup-client-1")
    await watch(d, V, 3, rows)


@of("backup")
async def backup(d: Driver, rows: Rows) -> None:
    await prepared(d, mib=10, snap="s")
    await d.sim(f"volumes/{V}/timing", backup=10)
    await d.act(V, "snapshotBackup", name="s")
    await watch(d, V, 11.5, rows)


@of("backup-failing", "backup-failing-at-start")
async def failing(d: Driver, rows: Rows) -> None:
    await prepared(d, mib=10, snap="s")
    await d.act(V, "snapshotBackup", name="s")
    d.pass_time(6)
    await d.sim("faults", kind="backup-error-at", percent=47)
    await d.sim(f"volumes/{V}/timing", backup=8)
    await d.act(V, "snapshotBackup", name="s")
    await watch(d, V, 5, rows)


async def failing_at_start(d: Driver, rows: Rows) -> None:
    await failing(d, [])
    d.pass_time(5)
    await d.sim("faults", kind="backup-error-at-start")
    await d.act(V, "snapshotBackup", name="s")
    await watch(d, V, 1, rows)


SCENARIOS["backup-failing-at-start"] = failing_at_start


@of("detach-during-backup")
async def during(d: Driver, rows: Rows) -> None:
    await prepared(d, "node-1", "bk-1", mib=20, snap="s0")
    await d.act(V, "snapshotBackup", name="s0")
    d.pass_time(6)
    await d.snapshot(V, "d-2")
    await after_poll(d, 4.6)
    await d.act(V, "snapshotCRDelete", name="s0")
    d.pass_time(0.3)
    await d.sim(f"volumes/{V}/timing", backup=10)
    await d.act(V, "snapshotBackup", name="d-2")
    await watch(d, V, 4.17, rows)
    await d.act(V, "detach", attachmentID="bk-1")
    await watch(d, V, 9, rows)


@of("engine-crash")
async def crash(d: Driver, rows: Rows) -> None:
    await prepared(d, "node-2", "bk-1", numberOfReplicas=1, mib=1, snap="s")
    await d.act(V, "snapshotBackup", name="s")
    d.pass_time(6)
    rows.append((d.clock.t, view(await d.volume(V))))
    d.pass_time(0.9)
    await d.sim(f"volumes/{V}/engine/kill")
    await watch(d, V, 10.5, rows)


@of("interrupt-backup-controller-by-csi")
async def interrupt(d: Driver, rows: Rows) -> None:
    await prepared(d, mib=8, snap="s")
    await d.act(V, "snapshotBackup", name="s")
    d.pass_time(6)
    await detached(d)
    await d.sim(f"volumes/{V}/tickets", tickets=[ticket("backup-controller-x", "backup-controller", "node-1", "any")])
    await watch(d, V, 1.99, rows)
    await d.sim(f"volumes/{V}/tickets", tickets=[ticket("other", "csi-attacher", "node-2", "false")])
    await watch(d, V, 3.9, rows)
    await d.act(V, "detach", forceDetach=True)
    await watch(d, V, 3, rows)


async def int_held(d: Driver) -> None:
    await d.make(V)
    await d.sim(
        f"volumes/{V}/tickets",
        tickets=[{**ticket("bk-int", "backup-controller", "node-1", "true"), "attachedBy": "us"}],
    )
    d.pass_time(12)


@of("interruptible-ticket-other-node")
async def interruptible(d: Driver, rows: Rows) -> None:
    await int_held(d)
    await pod(d, "node-2")
    d.pass_time(0.1)
    await watch(d, V, 9, rows)
    await stop(d)
    await watch(d, V, 4.9, rows)
    await d.act(V, "detach", forceDetach=True)
    await watch(d, V, 2.5, rows)


@of("interruptible-ticket-same-node")
async def not_interrupted(d: Driver, rows: Rows) -> None:
    await int_held(d)
    await pod(d, "node-1")
    d.pass_time(0.3)
    await watch(d, V, 12, rows)
    await d.act(V, "detach", attachmentID="bk-int")
    await watch(d, V, 8.9, rows)


@of("live-backup")
async def live(d: Driver, rows: Rows) -> None:
    await d.make(V)
    await pod(d, "node-2")
    d.pass_time(9)
    await d.sim(f"volumes/{V}/write", bytes=8 * MIB)
    await d.act(V, "snapshotCreate", name="s")
    d.pass_time(6)
    await d.act(V, "snapshotBackup", name="s")
    d.pass_time(0.18)
    await watch(d, V, 4.1, rows)


BE = {"numberOfReplicas": 1, "dataLocality": "best-effort"}


async def best_effort(d: Driver, node: str, *, locality: str = "best-effort") -> None:
    """A data-locality volume whose replica is on `node`, detached."""
    await d.make(V, numberOfReplicas=1, dataLocality=locality)
    await d.attach(V, node, "first", wait=8)
    await detached(d, "first")


@of("locality-best-effort-auto-attach")
async def auto_attach(d: Driver, rows: Rows) -> None:
    await best_effort(d, "node-3")
    await d.act(V, "snapshotCRCreate", name="be4-s")
    d.pass_time(0.17)
    await watch(d, V, 11, rows)


@of("locality-best-effort-first-attach-by-controller")
async def first_attach(d: Driver, rows: Rows) -> None:
    await d.make(V, **BE)
    await d.act(V, "snapshotCRCreate", name="be0-s")
    d.pass_time(0.17)
    await watch(d, V, 11, rows)


@of("locality-best-effort-backup-of-detached")
async def backup_of_detached(d: Driver, rows: Rows) -> None:
    await with_snapshot_away(d)
    await detached(d, "bk-1")
    await d.sim(f"volumes/{V}/timing", backup=40)
    await d.act(V, "snapshotBackup", name="s")
    await watch(d, V, 46, rows)


async def with_snapshot_away(d: Driver) -> None:
    await best_effort(d, "node-1")
    await ours(d, "node-2", "bk-1")
    d.pass_time(8)
    await d.sim(f"volumes/{V}/write", bytes=40 * MIB, force=True)
    await d.snapshot(V, "s")
    d.pass_time(1)


@of("locality-best-effort-backup-with-our-ticket")
async def backup_with_ours(d: Driver, rows: Rows) -> None:
    await with_snapshot_away(d)
    d.pass_time(5)
    await d.sim(f"volumes/{V}/timing", backup=40)
    await d.act(V, "snapshotBackup", name="s")
    await watch(d, V, 40.2, rows)
    await d.act(V, "detach", attachmentID="bk-1")
    await watch(d, V, 3, rows)


@of("locality-best-effort-disablefrontend-other-node")
async def away(d: Driver, rows: Rows) -> None:
    await best_effort(d, "node-1")
    await ours(d, "node-2", "bk-1")
    d.pass_time(8)
    await watch(d, V, 22, rows, every=0.2)
    await d.act(V, "detach", attachmentID="bk-1")
    await watch(d, V, 3, rows)


@of("locality-best-effort-frontend-other-node")
async def moved(d: Driver, rows: Rows) -> None:
    await best_effort(d, "node-1")
    await ours(d, "node-2", "bk-1", disableFrontend=False)
    d.pass_time(7.3)
    await watch(d, V, 25, rows)
    await d.act(V, "detach", attachmentID="bk-1")
    await watch(d, V, 3, rows)


@of("locality-best-effort-same-node", "locality-strict-local-same-node")
async def home(d: Driver, rows: Rows) -> None:
    await best_effort(d, "node-1")
    await home_again(d, rows)


async def home_again(d: Driver, rows: Rows, hold: float = 12.1) -> None:
    await ours(d, "node-1", "bk-1")
    d.pass_time(8)
    await watch(d, V, hold, rows)
    await d.act(V, "detach", attachmentID="bk-1")
    await watch(d, V, 3, rows)


async def strict_home(d: Driver, rows: Rows) -> None:
    await best_effort(d, "node-1", locality="strict-local")
    await home_again(d, rows, 2.1)


SCENARIOS["locality-strict-local-same-node"] = strict_home


@of("locality-strict-local-fresh")
async def strict_fresh(d: Driver, rows: Rows) -> None:
    await d.make(V, numberOfReplicas=1, dataLocality="strict-local")
    await ours(d, "node-2", "bk-1")
    d.pass_time(0.09)
    await watch(d, V, 2.5, rows)


@of("locality-strict-local-other-node")
async def strict_away(d: Driver, rows: Rows) -> None:
    await best_effort(d, "node-1", locality="strict-local")
    refused = await d.ask("POST", f"/v1/volumes/{V}?action=attach", {"hostId": "node-2", "disableFrontend": True})
    assert refused.status_code == 500
    await watch(d, V, 2, rows)


@of("pod-interrupts-auto-attached-backup")
async def pod_interrupts(d: Driver, rows: Rows) -> None:
    await prepared(d, "node-1", "bk-1", mib=40, snap="s")
    await d.act(V, "snapshotBackup", name="s")
    d.pass_time(6)
    await d.act(V, "snapshotCreate", name="w-2")
    d.pass_time(6)
    await detached(d, "bk-1")
    await d.sim(f"volumes/{V}/timing", backup=12)
    await d.act(V, "snapshotBackup", name="w-2")
    d.pass_time(0.09)
    await watch(d, V, 6.65, rows)
    await pod(d, "node-3")
    await watch(d, V, 9.2, rows)


async def at_once(d: Driver, rows: Rows, *tickets: dict[str, Any], hold: float = 2.9) -> None:
    await d.sim(f"volumes/{V}/tickets", tickets=list(tickets))
    await watch(d, V, hold, rows)
    await d.act(V, "detach", forceDetach=True)
    await watch(d, V, 3, rows)


@of("priority-api-1000-beats-csi-900")
async def api_beats_csi(d: Driver, rows: Rows) -> None:
    await d.make(V)
    await at_once(
        d,
        rows,
        ticket("z-api", "longhorn-api", "node-1", "true"),
        ticket("a-csi", "csi-attacher", "node-2", "false"),
    )


@of("priority-csi-900-beats-backup-800")
async def csi_beats_backup(d: Driver, rows: Rows) -> None:
    await d.make(V)
    await at_once(
        d,
        rows,
        ticket("z-csi", "csi-attacher", "node-2", "false"),
        ticket("a-backup", "backup-controller", "node-1", "any"),
    )


@of("priority-same-priority-smallest-id-wins")
async def smallest_id(d: Driver, rows: Rows) -> None:
    await d.make(V)
    await at_once(
        d,
        rows,
        ticket("b-api", "longhorn-api", "node-1", "true"),
        ticket("a-api", "longhorn-api", "node-3", "true"),
    )


@of("priority-unknown-type-0-loses")
async def unknown_loses(d: Driver, rows: Rows) -> None:
    await d.make(V)
    await at_once(
        d,
        rows,
        ticket("a-own", "my-own-type", "node-1", "true"),
        ticket("z-backup", "backup-controller", "node-2", "any"),
    )


async def backed_up(d: Driver) -> None:
    await prepared(d, mib=8, snap="s")
    await d.act(V, "snapshotBackup", name="s")
    d.pass_time(10)
    await detached(d)


@of("race-api-vs-csi")
async def race_api_csi(d: Driver, rows: Rows) -> None:
    await backed_up(d)
    await at_once(
        d,
        rows,
        ticket("a-bk", "longhorn-api", "node-1", "true"),
        ticket("csi-x", "csi-attacher", "node-2", "false"),
        hold=3.6,
    )


@of("race-backup-controller-vs-api")
async def race_backup_api(d: Driver, rows: Rows) -> None:
    await backed_up(d)
    x = "backup-controller-x"
    await at_once(
        d,
        rows,
        ticket(x, "backup-controller", "node-1", "any"),
        ticket("z-api", "longhorn-api", "node-2", "true"),
        hold=3.6,
    )


@of("race-snapshot-vs-backup-controller")
async def race_controllers(d: Driver, rows: Rows) -> None:
    await backed_up(d)
    await d.sim(
        f"volumes/{V}/tickets",
        tickets=[ticket("snapshot-controller-x", "snapshot-controller", "node-1", "any")],
    )
    d.pass_time(0.1)
    await at_once(d, rows, ticket("backup-controller-x", "backup-controller", "node-2", "any"), hold=3.6)


@of("restore")
async def restore(d: Driver, rows: Rows) -> None:
    await prepared(d, "node-1", "bk-1", mib=1, snap="s")
    await d.act(V, "snapshotBackup", name="s")
    d.pass_time(6)
    url = (await d.volume(V))["backupStatus"][0]["backupURL"]
    await d.post("/v1/volumes", name="vol-r", size="3Gi", numberOfReplicas=1, fromBackup=url)
    d.pass_time(0.05)
    await watch(d, "vol-r", 15, rows)


@of("snapshotBackup-detached")
async def backup_detached(d: Driver, rows: Rows) -> None:
    await prepared(d, "node-1", "bk-1", snap="s")
    await detached(d, "bk-1")
    await d.act(V, "snapshotBackup", name="s")
    await watch(d, V, 10, rows)


@of("snapshotCRCreate-detached")
async def cr_detached(d: Driver, rows: Rows) -> None:
    await prepared(d, "node-1", "bk-1")
    await detached(d, "bk-1")
    await d.act(V, "snapshotCRCreate", name="s")
    d.pass_time(0.09)
    await watch(d, V, 10, rows)


@of("snapshotCRDelete-detached")
async def cr_delete_detached(d: Driver, rows: Rows) -> None:
    await prepared(d, "node-1", "bk-1", snap="s")
    await d.act(V, "snapshotBackup", name="s")
    d.pass_time(6)
    await detached(d, "bk-1")
    await d.act(V, "snapshotCRDelete", name="s")
    await watch(d, V, 10, rows)


@of("we-attach-while-workload-other-node")
async def beside_a_pod(d: Driver, rows: Rows) -> None:
    await d.make(V)
    await pod(d, "node-3")
    d.pass_time(10)
    await ours(d, "node-2", "bk-1")
    d.pass_time(0.1)
    await watch(d, V, 4.1, rows)
    await d.act(V, "detach", attachmentID="bk-1")
    await watch(d, V, 0.02, rows)
    await ours(d, "node-3", "bk-1")
    await watch(d, V, 4.1, rows)
    await d.act(V, "detach", attachmentID="bk-1")
    await watch(d, V, 1.1, rows)
    await ours(d, "node-3", "bk-1", disableFrontend=False)
    await watch(d, V, 3.1, rows)
    await stop(d)
    await watch(d, V, 4.1, rows)
    await d.act(V, "detach", attachmentID="bk-1")
    await watch(d, V, 3, rows)


@of("workload-waits-behind-us")
async def waits(d: Driver, rows: Rows) -> None:
    await prepared(d, "node-2", "bk-1")
    await pod(d, "node-3")
    await watch(d, V, 6.2, rows)
    await d.act(V, "detach", attachmentID="bk-1")
    await watch(d, V, 9.3, rows)
