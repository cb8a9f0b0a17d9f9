"""Longhorn's answers as the core's values: bytes in, values out, or `WrongShape` with the reason.

Rule: an answer is read whole or not at all, because half a snapshot chain looks like an unchanged volume, and half a
list of backups like a backup that never was. The list of volumes is the exception, since one broken volume must not
stop the backups of all others: it comes back beside the good ones, by name and reason, to be said loudly. Numbers in
brackets are recordings in `tests/recordings`. How a volume is read is in `volume`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import msgspec

from lhbackupd.core import cluster
from lhbackupd.core.recurring import Membership, NativeJob, membership
from lhbackupd.longhorn import shapes, volume
from lhbackupd.longhorn.errors import WrongShape, visible
from lhbackupd.longhorn.scalars import moment, size

#: spellings of a Go boolean; the setting's value may be any of them [014: "strconv.ParseBool"]
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})

#: states in which an engine image can be used where it is (longhorn-manager, CheckEngineImageReadiness)
USABLE_IMAGE = frozenset({"deployed", "deploying"})

#: why a node that Kubernetes has cordoned is not schedulable (longhorn-manager, NodeConditionReason)
CORDONED = "KubernetesNodeCordoned"

T = TypeVar("T")
S = TypeVar("S", bound=shapes.Shape)


class Generation(StrEnum):
    """How this Longhorn attaches, by its schema of `attachInput` [005]."""

    #: 1.5 and later: every client has a ticket of its own
    TICKETS = "tickets"
    #: before: whoever attaches has it, whoever detaches takes it away
    SINGLE = "single"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """An element of a list that could not be read; `name` is "" where not even that could."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupVolume:
    """A backup volume: `name` is `<volume>-<hash>` [240]; it outlives its volume [845]."""

    name: str
    volume: str
    target: str


def read(raw: bytes | msgspec.Raw, shape: type[S]) -> S:
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise WrongShape(f"not a {shape.__name__} as Longhorn writes it: {visible(str(error))}") from error


def elements(raw: bytes, shape: type[S], convert: Callable[[S], T]) -> tuple[T, ...]:
    return tuple(convert(read(element, shape)) for element in read(raw, shapes.Collection).data or ())


def decode_volume(raw: bytes) -> cluster.Volume:
    """One volume [044, 103, 230]; what attach and detach answer lacks engines and replicas [100, 340]."""
    return volume.convert(read(raw, shapes.Volume))


def decode_entry(raw: msgspec.Raw) -> cluster.Volume | Broken:
    """One volume of the list [052], or why it could not be read."""
    try:
        return volume.convert(read(raw, shapes.Volume))
    except WrongShape as error:
        return Broken(name=_name(raw), reason=error.what)


def _name(element: msgspec.Raw) -> str:
    try:
        return visible(read(element, shapes.Named).name)
    except WrongShape:
        return ""


def decode_nodes(raw: bytes) -> tuple[cluster.Node, ...]:
    """The list of nodes [030, 560]; a node that does not say that it is ready is not."""
    return elements(raw, shapes.Node, _node)


def _node(node: shapes.Node) -> cluster.Node:
    conditions = node.conditions or {}
    ready = conditions.get("Ready", shapes.Condition())
    schedulable = conditions.get("Schedulable", shapes.Condition(status="True"))
    by_kubernetes = schedulable.status == "False" and schedulable.reason == CORDONED
    return cluster.Node(
        name=node.name,
        ready=ready.status == "True",
        cordoned=by_kubernetes or not node.allow_scheduling,
        message=visible(schedulable.message if ready.status == "True" else ready.message),
    )


def decode_targets(raw: bytes) -> tuple[cluster.Target, ...]:
    """The list of backup targets [035, 270]."""
    return elements(raw, shapes.Target, _target)


def _target(target: shapes.Target) -> cluster.Target:
    return cluster.Target(name=target.id, available=target.available, message=visible(target.message))


def decode_setting(raw: bytes) -> cluster.Setting:
    """The setting `allow-recurring-job-while-volume-detached` [011, 012]."""
    value = read(raw, shapes.Setting).value
    if value in TRUE:
        return cluster.Setting.ALLOWED
    if value in FALSE:
        return cluster.Setting.FORBIDDEN
    raise WrongShape(f"the setting is neither true nor false: {visible(value)}")


def decode_chain(raw: bytes) -> cluster.Chain:
    """The engine's snapshots with the volume head [200, 220, 294]."""
    listed = elements(raw, shapes.Snapshot, _snapshot)
    chain = {snapshot.name: snapshot for snapshot in listed}
    if len(chain) != len(listed):
        raise WrongShape("two snapshots of one name")
    return cluster.Chain(chain)


def _snapshot(snapshot: shapes.Snapshot) -> cluster.Snapshot:
    return cluster.Snapshot(
        name=snapshot.name,
        parent=snapshot.parent,
        size=size(snapshot.size, "a snapshot's size"),
        created=moment(snapshot.created),
        removed=snapshot.removed,
        labels=snapshot.labels or {},
    )


def decode_readiness(raw: bytes, of: str) -> cluster.SnapshotReadiness:
    """A snapshot CR [212, 213] of the volume `of`.

    Snapshot CRs are named once per cluster and Longhorn finds them by name alone: another volume's is an error here.
    """
    snapshot = read(raw, shapes.SnapshotCR)
    error = visible(snapshot.error)
    if snapshot.volume != of:
        error = f"the snapshot of this name is volume {visible(snapshot.volume)}'s"
    return cluster.SnapshotReadiness(
        ready=snapshot.ready_to_use and not error, created=moment(snapshot.creation_time), error=error
    )


def decode_snapshot_records(raw: bytes) -> tuple[cluster.Snapshot, ...]:
    """The snapshot CRs of a volume [205, 831], which Longhorn lists of a detached one as well [322]."""
    return elements(raw, shapes.SnapshotRecord, _snapshot_record)


def _snapshot_record(record: shapes.SnapshotRecord) -> cluster.Snapshot:
    return cluster.Snapshot(
        name=record.name,
        parent="",
        size=0,
        created=moment(record.creation_time),
        removed=record.mark_removed,
        labels=record.labels or {},
    )


def decode_backups(raw: bytes) -> tuple[cluster.Backup, ...]:
    """Backups [247, 281]; one that runs or has failed lacks labels, sizes and `created`."""
    return elements(raw, shapes.Backup, _backup)


def _backup(backup: shapes.Backup) -> cluster.Backup:
    return cluster.Backup(
        name=backup.name,
        volume=backup.volume_name,
        snapshot=backup.snapshot_name,
        state=backup.state,
        labels=backup.labels or {},
        snapshot_created=moment(backup.snapshot_created),
        created=moment(backup.created),
        progress=backup.progress,
        size=size(backup.size, "a backup's size"),
        volume_size=size(backup.volume_size, "a backup's volumeSize"),
        target=backup.backup_target_name or volume.DEFAULT_TARGET,
        error=visible(backup.error),
        mode=backup.backup_mode,
    )


def decode_backup_volumes(raw: bytes) -> tuple[BackupVolume, ...]:
    """The backup volumes of all targets [240]; match them by volume *and* target."""
    return elements(raw, shapes.BackupVolume, _backup_volume)


def _backup_volume(found: shapes.BackupVolume) -> BackupVolume:
    return BackupVolume(
        name=found.name,
        # before 1.8 a backup volume is named as its volume (longhorn-manager, `BackupVolume` in api/model.go)
        volume=found.volume_name or found.name,
        target=found.backup_target_name or volume.DEFAULT_TARGET,
    )


def decode_groups(raw: bytes) -> Membership:
    """The recurring jobs and groups that a volume is in [420, 423]."""
    listed = elements(raw, shapes.VolumeRecurringJob, lambda job: job)
    return membership(
        groups=(each.name for each in listed if each.is_group), jobs=(each.name for each in listed if not each.is_group)
    )


def decode_jobs(raw: bytes) -> tuple[NativeJob, ...]:
    """Longhorn's recurring jobs [400, 403, 405]."""
    return elements(raw, shapes.RecurringJob, _job)


def _job(job: shapes.RecurringJob) -> NativeJob:
    return NativeJob(
        name=job.name,
        task=job.task,
        cron=job.cron,
        groups=tuple(job.groups or ()),
        retain=job.retain,
        retention=job.retention_policy,
        retain_age=job.retain_age,
        concurrency=job.concurrency,
        parameters=job.parameters or {},
    )


def decode_engine_images(raw: bytes) -> Mapping[str, frozenset[str]]:
    """Engine images by their name in `Volume.image`, with the nodes on which each can be used [033]."""
    return dict(elements(raw, shapes.EngineImage, _engine_image))


def _engine_image(image: shapes.EngineImage) -> tuple[str, frozenset[str]]:
    if image.state not in USABLE_IMAGE or image.incompatible:
        return image.image, frozenset()
    return image.image, frozenset(node for node, there in (image.node_deployment_map or {}).items() if there)


def decode_generation(raw: bytes) -> Generation:
    """The schema of `attachInput` [005]."""
    schema = read(raw, shapes.Schema)
    return Generation.TICKETS if "attachmentID" in (schema.resource_fields or {}) else Generation.SINGLE


def decode_acknowledgement(raw: bytes) -> None:
    """An answer of which only that Longhorn gave it is of interest [280, 289]; a proxy's page is no such answer."""
    if (kind := read(raw, shapes.Acknowledgement).type) == "error":
        raise WrongShape(f"success and an answer of type {visible(kind)}")


def decode_refusal(raw: bytes) -> str | None:
    """Longhorn's words in an error body [019, 054], whole and as they came; None if it is not Longhorn's."""
    try:
        return read(raw, shapes.ErrorBody).message
    except WrongShape:
        return None
