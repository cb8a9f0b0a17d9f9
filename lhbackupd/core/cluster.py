"""What Longhorn shows, as values: volumes, tickets, snapshots, backups, nodes, targets.

The adapter in `lhbackupd.longhorn` fills these from the wire; the decisions in this package read nothing else. A field
that Longhorn did not send holds its empty value, never a guess. Sizes are bytes, times aware UTC datetimes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

#: the name of the volume head in a snapshot list; it is never among the snapshot CRs
VOLUME_HEAD = "volume-head"

#: ticket types by which a workload asks for a volume (longhorn-manager, `AttacherType`)
WORKLOAD_TICKETS = frozenset({"csi-attacher", "share-manager-controller"})


class TicketKind(StrEnum):
    """The attacher types that decisions tell apart; any other string may come as well."""

    API = "longhorn-api"
    CSI = "csi-attacher"
    BACKUP = "backup-controller"
    SNAPSHOT = "snapshot-controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One attachment ticket of a volume: who wants it where, and whether it has it."""

    id: str
    kind: str
    node: str
    satisfied: bool = False
    attached_by: str = ""
    frontend_disabled: bool = False
    #: why it is not satisfied, in Longhorn's words
    message: str = ""
    #: since when it is satisfied, to the second and by Longhorn's clock; None while it is not, or where nobody says
    since: datetime | None = None

    @property
    def of_workload(self) -> bool:
        """Whether a pod (or a share manager for pods) stands behind it."""
        return self.kind in WORKLOAD_TICKETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A replica; of a detached volume only `failed` and its node tell whether it is good."""

    name: str
    node: str
    failed: bool = False
    running: bool = False
    mode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The engine of a volume; more than one while it migrates."""

    node: str
    running: bool
    expanding: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupProgress:
    """An entry of a volume's `backupStatus`: a backup that runs or has just ended."""

    name: str
    snapshot: str
    state: str
    progress: int
    error: str = ""

    @property
    def running(self) -> bool:
        """Not yet Completed, Error or Unknown (a new entry has no state at first)."""
        return self.state in {"", "New", "Pending", "InProgress"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod that Kubernetes says uses the volume; `status` may be old once the pod is gone."""

    name: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A Longhorn volume as one look showed it."""

    name: str
    size: int
    #: attached, attaching, detached, detaching, creating, deleting, or "" just after creation
    state: str
    robustness: str = ""
    frontend_disabled: bool = False
    last_attached_by: str = ""
    access_mode: str = "rwo"
    data_engine: str = "v1"
    data_locality: str = "disabled"
    standby: bool = False
    restoring: bool = False
    migratable: bool = False
    #: whether the engine image that the volume wants is the one that it has
    image_ready: bool = True
    #: image or backup that it was made from: then data is there that no snapshot of its own holds
    origin_data: str = ""
    scheduled: bool = True
    too_many_snapshots: bool = False
    backup_target: str = "default"
    last_backup_at: datetime | None = None
    created: datetime | None = None
    actual_size: int = 0
    pvc: str = ""
    pvc_namespace: str = ""
    pods: tuple[Pod, ...] = ()
    last_pod_at: datetime | None = None
    engines: tuple[Engine, ...] = ()
    replicas: tuple[Replica, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    backups: tuple[BackupProgress, ...] = ()

    def ticket(self, ticket_id: str) -> Ticket | None:
        """Our own ticket, or None where it is not (or no longer) there."""
        return next((ticket for ticket in self.tickets if ticket.id == ticket_id), None)

    def others(self, ticket_id: str) -> Iterator[Ticket]:
        """Tickets that are not the given one."""
        return (ticket for ticket in self.tickets if ticket.id != ticket_id)

    def backup(self, name: str) -> BackupProgress | None:
        """The entry of one backup in `backupStatus`."""
        return next((backup for backup in self.backups if backup.name == name), None)

    @property
    def engine_node(self) -> str:
        """Where the engine runs, or "" while it does not."""
        return next((engine.node for engine in self.engines if engine.running), "")

    @property
    def attached(self) -> bool:
        """Attached with a running engine."""
        return self.state == "attached" and bool(self.engine_node)

    @property
    def plainly_detached(self) -> bool:
        """Detached, and nobody has asked for it."""
        return self.state == "detached" and not self.tickets


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of the cluster."""

    name: str
    ready: bool
    #: by Kubernetes or in Longhorn: new work should go elsewhere if it can
    cordoned: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A backup target."""

    name: str
    available: bool
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A snapshot or the volume head, as the engine lists it."""

    name: str
    parent: str
    size: int
    created: datetime | None = None
    removed: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chain:
    """The snapshots of a volume with its head, as the running engine lists them."""

    snapshots: Mapping[str, Snapshot]

    @property
    def head(self) -> Snapshot | None:
        """The volume head; None in an answer that lacks it, which then proves nothing."""
        return self.snapshots.get(VOLUME_HEAD)

    def from_head(self) -> Iterator[Snapshot]:
        """The head and its ancestors, youngest first; ends at a parent that is not listed or was seen before."""
        seen: set[str] = set()
        name = VOLUME_HEAD
        while name and name not in seen and name in self.snapshots:
            seen.add(name)
            yield self.snapshots[name]
            name = self.snapshots[name].parent


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotReadiness:
    """Whether a snapshot that was asked for can be backed up by now."""

    ready: bool
    created: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup as its backup volume lists it."""

    name: str
    #: the volume that it is of; two clusters on one target may have volumes of one name
    volume: str
    snapshot: str
    state: str
    #: empty while it runs: Longhorn lists labels only once it is done
    labels: Mapping[str, str] = field(default_factory=dict)
    snapshot_created: datetime | None = None
    created: datetime | None = None
    progress: int = 0
    size: int = 0
    volume_size: int = 0
    target: str = "default"
    error: str = ""
    #: "full" or "incremental"; "" where Longhorn does not say (before 1.8)
    mode: str = ""

    @property
    def completed(self) -> bool:
        return self.state == "Completed"

    @property
    def running(self) -> bool:
        return self.state in {"", "New", "Pending", "InProgress"}


class FaultKind(StrEnum):
    """What to do about a request that failed."""

    #: Longhorn cannot be reached, is overloaded, or its answer makes no sense: it can pass
    UNREACHABLE = "unreachable"
    #: Longhorn answered and said no
    REFUSED = "refused"
    #: the thing asked about is not there
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Fault:
    """A failed request as a value: the core never sees an exception."""

    kind: FaultKind
    #: what was tried and what came back, for people; at most 256 characters of it are Longhorn's
    text: str
    #: whether Longhorn may have acted all the same (a time-out, a cut connection)
    ambiguous: bool = False


class Setting(StrEnum):
    """The setting `allow-recurring-job-while-volume-detached` as far as it is known."""

    ALLOWED = "true"
    FORBIDDEN = "false"
    #: this Longhorn does not know it
    ABSENT = "absent"
    #: it could not be read
    UNREAD = "unread"
