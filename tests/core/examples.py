"""Values that the core's tests start from: each function gives a plain, healthy example, changed by keywords."""

from datetime import UTC, datetime, timedelta
from typing import Any

from lhbackupd.core import naming
from lhbackupd.core.admission import Slot
from lhbackupd.core.cluster import (
    VOLUME_HEAD,
    Backup,
    Chain,
    Engine,
    Node,
    Replica,
    Setting,
    Snapshot,
    Target,
    Ticket,
    Volume,
)
from lhbackupd.core.commands import Seen
from lhbackupd.core.model import Now, Origin, Phase, Policy, Run

ORIGIN = Origin(instance="lhbackupd", journal="j0urnal")
TWIN = Origin(instance="lhbackupd", journal="an0ther")
POLICY = Policy(name="nightly", cron="0 2 * * *")
T0 = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
GIB = 1 << 30
KIB4 = 4096


def at(seconds: float = 0.0, *, idle: float = 0.0) -> Now:
    return Now(wall=T0 + timedelta(seconds=seconds), idle=idle)


def run(phase: Phase = Phase.QUEUED, **changes: Any) -> Run:
    """A run of the nightly policy; from ATTACHING on it has a ticket unless told otherwise."""
    known: dict[str, Any] = {"id": "r1", "policy": "nightly", "volume": "vol", "due": T0, "queued_at": T0}
    if phase is not Phase.QUEUED:
        known |= {"ticket": "lhbackupd:lhbackupd:j0urnal:r1:20260301T021500Z", "node": "node-1", "target": "default"}
    if phase in {Phase.SNAPSHOTTING, Phase.BACKING_UP}:
        known |= {"snapshot": "lhbackupd-r1", "own_snapshot": True}
    return Run(**(known | {"phase": phase} | changes))


def ticket(**changes: Any) -> Ticket:
    """Our own ticket, satisfied."""
    known: dict[str, Any] = {"id": run(Phase.ATTACHING).ticket, "kind": "longhorn-api", "node": "node-1"}
    return Ticket(**(known | {"satisfied": True, "frontend_disabled": True} | changes))


def pod_ticket(**changes: Any) -> Ticket:
    return ticket(**({"id": "csi-1", "kind": "csi-attacher", "node": "node-2", "frontend_disabled": False} | changes))


def detached(**changes: Any) -> Volume:
    known: dict[str, Any] = {"name": "vol", "size": GIB, "state": "detached", "robustness": "unknown"}
    known |= {"replicas": (Replica(name="vol-r-1", node="node-1"),), "engines": (Engine(node="", running=False),)}
    return Volume(**(known | changes))


def attached(*tickets: Ticket, **changes: Any) -> Volume:
    """Attached by a workload, or by the given tickets."""
    known: dict[str, Any] = {"state": "attached", "robustness": "healthy"}
    known |= {"engines": (Engine(node="node-1", running=True),), "tickets": tickets or (pod_ticket(node="node-1"),)}
    return detached(**(known | changes))


def ours(*more: Ticket, **changes: Any) -> Volume:
    """Attached by our ticket, and what other tickets there are."""
    return attached(ticket(), *more, **({"frontend_disabled": True} | changes))


def chain(*snapshots: Snapshot | tuple[str, int], head: int = 0) -> Chain:
    """A line of snapshots, oldest first, as (name, bytes) or whole, with the head on top of the last."""
    listed: dict[str, Snapshot] = {}
    parent = ""
    for each in snapshots:
        snap = each if isinstance(each, Snapshot) else Snapshot(name=each[0], size=each[1], parent=parent)
        listed[snap.name] = snap
        parent = snap.name
    listed[VOLUME_HEAD] = Snapshot(name=VOLUME_HEAD, parent=parent, size=head)
    return Chain(listed)


def backup(name: str = "backup-1", snapshot: str = "s1", *, age: float = 3600, **changes: Any) -> Backup:
    """A completed backup of ours, whose snapshot was taken `age` seconds before T0 and whose upload took a minute."""
    taken = T0 - timedelta(seconds=age)
    known: dict[str, Any] = {"volume": "vol", "state": "Completed", "volume_size": GIB, "labels": made()}
    known |= {"snapshot_created": taken, "created": taken + timedelta(seconds=60), "size": KIB4, "progress": 100}
    return Backup(**(known | {"name": name, "snapshot": snapshot} | changes))


def made(policy: str = "nightly", run_id: str = "r0", origin: Origin = ORIGIN) -> dict[str, str]:
    """The labels of what a run made."""
    return naming.labels(run(id=run_id, policy=policy), origin)


def seen(volume: Volume | None, **changes: Any) -> Seen:
    """A look that read everything, with leave to start and the setting true."""
    known: dict[str, Any] = {"setting": Setting.ALLOWED, "target": Target(name="default", available=True)}
    return Seen(**(known | {"slot": Slot(node="node-1", target="default"), "volume": volume} | changes))


def nodes(*names: str, **changed: Node) -> dict[str, Node]:
    return {name: Node(name=name, ready=True) for name in names} | {node.name: node for node in changed.values()}
