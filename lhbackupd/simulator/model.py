"""The things of the cluster and their state, without behaviour.

Names follow Longhorn's resources: what an object is asked to be (`desired_node`) apart from what it is
(`current_node`), because the REST API shows both. Controllers (attachment, lifecycle, snapshots, backups,
pods) are functions elsewhere that look at these and change them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lhbackupd.simulator.chain import Chain
from lhbackupd.simulator.extents import Extents


@dataclass(slots=True)
class Condition:
    """One Longhorn condition."""

    kind: str
    status: str
    at: datetime
    reason: str = ""
    message: str = ""


@dataclass(slots=True)
class Ticket:
    """One attachment ticket and its status; `condition` is None until a controller has seen it."""

    id: str
    kind: str
    node: str
    parameters: dict[str, str]
    added: float
    satisfied: bool = False
    condition: Condition | None = None
    noted: bool = False  #: the ledger knows that it was satisfied


@dataclass(slots=True)
class Replica:
    """One replica; `mode` is empty until the engine was polled."""

    name: str
    data_path: str = "replicas"
    node: str = ""
    running: bool = False
    assigned: bool = False  #: an instance manager is named
    mode: str = ""
    failed_at: str = ""
    port: int = 10000


@dataclass(slots=True)
class SnapshotCR:
    """A Snapshot resource; the engine's own view is in the chain."""

    name: str
    created: datetime
    asked: bool  #: created through the resource, not found in the engine
    labels: dict[str, str]
    taken: bool = False  #: the engine was asked
    ready: bool = False
    mark_removed: bool = False
    deleting: bool = False
    error: str = ""
    creation_time: datetime | None = None
    parent: str = ""
    children: dict[str, bool] | None = None
    size: int = 0
    restore_size: int = 0
    user_created: bool = False
    status_labels: dict[str, str] | None = None


@dataclass(slots=True)
class Backup:
    """A Backup resource, and what it holds."""

    name: str
    volume: str
    target: str
    snapshot: str
    labels: dict[str, str]
    mode: str
    asked_at: float
    cause: str
    state: str = ""
    progress: int = 0
    error: str = ""
    url: str = ""
    shown_snapshot: str = ""  #: what backupStatus shows
    replica: str = ""
    started: float | None = None
    duration: float = 0.0
    snapshot_created: datetime | None = None
    volume_created: datetime | None = None
    created: datetime | None = None
    size: int = 0
    new_bytes: int = 0
    volume_size: int = 0
    content: Extents = ()
    deleting: bool = False
    fresh: bool = False  #: its own ticket attached the volume
    looks: int = 0


@dataclass(slots=True)
class PurgeStatus:
    """State of the engine's last purge, per replica."""

    state: str = ""
    progress: int = 0
    purging: bool = False


@dataclass(slots=True)
class Rebuild:
    """The replica that is being built on the engine's node."""

    replica: str
    source: str
    state: str = ""
    progress: int = 0


@dataclass(slots=True)
class Kubernetes:
    """The volume's `kubernetesStatus`."""

    namespace: str = ""
    pv_name: str = ""
    pv_status: str = ""
    pvc_name: str = ""
    last_pod_ref_at: str = ""
    last_pvc_ref_at: str = ""
    workloads: list[dict[str, str]] | None = None


@dataclass(slots=True)
class Volume:
    """A volume with its engine."""

    name: str
    size: int
    created: datetime
    spec: dict[str, Any]  #: wire fields that nothing here changes by itself
    chain: Chain
    number_of_replicas: int
    data_locality: str = "disabled"
    state: str = ""
    robustness: str = ""
    owner: str = ""
    desired_node: str = ""
    current_node: str = ""
    disable_frontend: bool = False
    last_attached_by: str = ""
    tickets: dict[str, Ticket] = field(default_factory=dict)
    replicas: list[Replica] = field(default_factory=list)
    conditions: dict[str, Condition] = field(default_factory=dict)
    current_image: str = ""
    has_engine: bool = False
    # the engine
    engine_node: str = ""
    engine_running: bool = False
    engine_stops: bool = False  #: it was told to stop
    engine_image: str = ""
    engine_epoch: int = 0  #: counts starts and stops, so that late polls know they are late
    engine_size: int = 0
    actual_size: int = 0
    endpoint: str = ""
    port: int = 10000
    polled: bool = False
    size_tokens: float = 3.0
    size_refilled: float = 0.0
    purge: PurgeStatus | None = None
    rebuild: Rebuild | None = None
    restore_status: bool = False
    # snapshots, backups
    snapshot_crs: dict[str, SnapshotCR] = field(default_factory=dict)
    backups: dict[str, Backup] = field(default_factory=dict)
    last_backup: str = ""
    last_backup_at: str = ""
    recurring: dict[tuple[str, bool], bool] = field(default_factory=dict)
    kubernetes: Kubernetes = field(default_factory=Kubernetes)
    backup_seconds: float | None = None  #: fixed duration of this volume's backups
    ever_attached: bool = False
    salvaging: bool = False
    restore_from: Backup | None = None
    restored: bool = False
    hang: bool = False  #: the engine never starts
    forced: dict[str, Any] = field(default_factory=dict)  #: wire fields forced through the side API
    write_number: int = 0
    write_times: dict[int, float] = field(default_factory=dict)
    version: int = 0  #: grows with every change


@dataclass(slots=True)
class Node:
    """A node with one disk."""

    name: str
    address: str
    disk_uuid: str
    instance_manager: str
    since: datetime
    ready: bool = True
    ready_reason: str = ""
    ready_message: str = ""
    ready_since: datetime | None = None
    allow_scheduling: bool = True
    cordoned: bool = False
    powered: bool = True
    gone: bool = False
    storage_maximum: int = 100 * 2**30
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Target:
    """A backup target."""

    name: str
    url: str
    credential_secret: str
    poll_interval: str = "5m0s"
    available: bool = True
    message: str = ""
    last_sync: float = -1e9
    removed: bool = False
    backups: dict[str, Backup] = field(default_factory=dict)  #: also of deleted volumes
    by_volume: dict[str, dict[str, Backup]] = field(default_factory=dict)  #: the same, by volume name

    def add(self, backup: Backup) -> None:
        """A backup exists from now on."""
        self.backups[backup.name] = backup
        self.by_volume.setdefault(backup.volume, {})[backup.name] = backup

    def drop(self, backup: Backup) -> None:
        """A backup is gone."""
        self.backups.pop(backup.name, None)
        self.by_volume.get(backup.volume, {}).pop(backup.name, None)


@dataclass(slots=True)
class RecurringJob:
    """Longhorn's own job."""

    name: str
    task: str
    cron: str
    retain: int
    concurrency: int
    groups: list[str]
    labels: dict[str, str]
    parameters: dict[str, str]
    retain_age: str = "0s"
    retention_policy: str = "count-based"
    executions: int = 0
    epoch: int = 0
