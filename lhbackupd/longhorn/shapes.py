"""The shapes of Longhorn's JSON, as far as we read it.

A volume is 8 kB of JSON and a list may hold 10,000 of them, so msgspec decodes only the fields named here, checks their
types and skips the rest: what a newer Longhorn adds cannot harm. `null` stands for an empty list or map, as Go writes
it. A field without a default is one without which the answer means nothing. `wire` makes the core's values of these.
"""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct, field

#: bytes: strings in volumes, snapshots and backups, numbers in snapshot CRs; "" while unknown
Bytes = int | str | None
Name = Annotated[str, Meta(min_length=1)]


class Shape(Struct, rename="camel", gc=False):
    """What all have in common: our snake_case is Longhorn's camelCase."""


class Collection(Shape):
    """Every list; its elements stay undecoded, so that one broken element does not hide the others."""

    type: Literal["collection"]
    data: list[Raw] | None


class ErrorBody(Shape):
    """Longhorn's own no, as opposed to a proxy's or a dying process's."""

    type: Literal["error"]
    message: str = ""


class Acknowledgement(Shape):
    """Any resource: of some answers only that Longhorn gave it is of interest."""

    type: Name


class Condition(Shape):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""


class Attachment(Shape):
    kind: str = field(name="attachmentType", default="")
    node: str = field(name="nodeID", default="")
    satisfied: bool = False
    parameters: dict[str, str] | None = None
    conditions: list[Condition] | None = None


class VolumeAttachment(Shape):
    attachments: dict[str, Attachment] | None = None


class Controller(Shape):
    host_id: str = ""
    running: bool = False
    is_expanding: bool = False
    actual_size: Bytes = None


class Replica(Shape):
    name: str = ""
    host_id: str = ""
    failed_at: str = ""
    running: bool = False
    mode: str = ""


class BackupStatus(Shape):
    id: str = ""
    snapshot: str = ""
    state: str = ""
    progress: int = 0
    error: str = ""


class Workload(Shape):
    pod_name: str = ""
    pod_status: str = ""


class KubernetesStatus(Shape):
    namespace: str = ""
    pvc_name: str = ""
    last_pod_ref_at: str = ""
    workloads_status: list[Workload] | None = None


class CloneStatus(Shape):
    state: str = ""


class Volume(Shape):
    name: Name
    size: int | str
    state: str
    robustness: str = ""
    disable_frontend: bool = False
    last_attached_by: str = ""
    access_mode: str = ""
    data_engine: str = ""
    #: what 1.5 called `dataEngine`
    backend_store_driver: str = ""
    data_locality: str = ""
    standby: bool = False
    restore_required: bool = False
    #: a Longhorn that does not say so knows of no restore that is still to begin
    restore_initiated: bool = True
    from_backup: str = ""
    backing_image: str = ""
    data_source: str = ""
    clone_status: CloneStatus | None = None
    migratable: bool = False
    image: str = ""
    #: what 1.5 called `image`
    engine_image: str = ""
    current_image: str = ""
    backup_target_name: str = ""
    last_backup_at: str = ""
    created: str = ""
    conditions: dict[str, Condition] | None = None
    controllers: list[Controller] | None = None
    replicas: list[Replica] | None = None
    backup_status: list[BackupStatus] | None = None
    kubernetes_status: KubernetesStatus | None = None
    volume_attachment: VolumeAttachment | None = None


class Named(Shape):
    """An element of a list, for naming it where the rest of it is broken."""

    name: Name


class Node(Shape):
    name: Name
    allow_scheduling: bool = True
    conditions: dict[str, Condition] | None = None


class Target(Shape):
    #: its name, which is a field of its own only from 1.8 on
    id: Name
    available: bool
    message: str = ""


class Setting(Shape):
    value: str


class Snapshot(Shape):
    name: Name
    size: int | str
    parent: str = ""
    created: str = ""
    removed: bool = False
    labels: dict[str, str] | None = None


class SnapshotCR(Shape):
    name: Name
    ready_to_use: bool
    volume: str = ""
    creation_time: str = ""
    error: str = ""


class SnapshotRecord(Shape):
    name: Name
    creation_time: str = ""
    mark_removed: bool = False
    labels: dict[str, str] | None = None


class Backup(Shape):
    name: Name
    state: str
    volume_name: str = ""
    snapshot_name: str = ""
    labels: dict[str, str] | None = None
    snapshot_created: str = ""
    created: str = ""
    progress: int = 0
    size: Bytes = None
    volume_size: Bytes = None
    backup_target_name: str = ""
    #: since 1.8
    backup_mode: str = ""
    error: str = ""


class BackupVolume(Shape):
    name: Name
    volume_name: str = ""
    backup_target_name: str = ""


class VolumeRecurringJob(Shape):
    name: Name
    is_group: bool = False


class RecurringJob(Shape):
    name: Name
    task: str
    cron: str = ""
    groups: list[str] | None = None
    retain: int = 0
    retention_policy: str = ""
    retain_age: str = ""
    parameters: dict[str, str] | None = None
    concurrency: int = 1


class InvolvedObject(Shape):
    kind: str = ""
    name: str = ""


class EventSeries(Shape):
    last_observed_time: str | None = None


class KubernetesEvent(Shape):
    reason: str = ""
    involved_object: InvolvedObject | None = None
    count: int | None = None
    last_timestamp: str | None = None
    #: what those have that are written through `events.k8s.io`
    event_time: str | None = None
    series: EventSeries | None = None


class Event(Shape):
    #: of the Kubernetes event
    id: Name
    event: KubernetesEvent


class EngineImage(Shape):
    image: Name
    state: str = ""
    incompatible: bool = False
    node_deployment_map: dict[str, bool] | None = None


class Schema(Shape):
    id: Name
    resource_fields: dict[str, Raw] | None = None
    resource_actions: dict[str, Raw] | None = None
