"""A volume as Longhorn writes it, as the core's value: the readings that take knowing Longhorn.

Rule: each reading has its source, a recording's number in brackets or a function of longhorn-manager; what an older
Longhorn does not send gets the value that was true before the field existed.
"""

from collections.abc import Mapping
from datetime import datetime

from lhbackupd.core import cluster
from lhbackupd.longhorn import shapes
from lhbackupd.longhorn.errors import visible
from lhbackupd.longhorn.scalars import moment, size

#: the one target of a Longhorn that knows no others
DEFAULT_TARGET = "default"

#: data sources of a clone, whose data is not whole before its state is `completed` (IsDataFromVolume, IsVolumeReady)
CLONE_SOURCES = ("vol://", "snap://")


def convert(volume: shapes.Volume) -> cluster.Volume:
    """Everything the core reads of a volume. Raises WrongShape for a size that is none."""
    conditions = volume.conditions or {}
    kubernetes = volume.kubernetes_status or shapes.KubernetesStatus()
    controllers = volume.controllers or ()
    return cluster.Volume(
        name=volume.name,
        size=size(volume.size, "a volume's size"),
        state=volume.state,
        robustness=volume.robustness,
        frontend_disabled=volume.disable_frontend,
        last_attached_by=volume.last_attached_by,
        access_mode=volume.access_mode or "rwo",
        data_engine=volume.data_engine or volume.backend_store_driver or "v1",
        data_locality=volume.data_locality or "disabled",
        standby=volume.standby,
        restoring=_restoring(volume),
        migratable=volume.migratable,
        image_ready=_image_ready(volume),
        origin_data=visible(volume.from_backup or volume.backing_image or volume.data_source),
        scheduled=conditions.get("Scheduled", shapes.Condition(status="True")).status == "True",
        too_many_snapshots=conditions.get("TooManySnapshots", shapes.Condition()).status == "True",
        backup_target=volume.backup_target_name or DEFAULT_TARGET,
        last_backup_at=moment(volume.last_backup_at),
        created=moment(volume.created),
        actual_size=max((size(one.actual_size, "actualSize") for one in controllers), default=0),
        pvc=kubernetes.pvc_name,
        pvc_namespace=kubernetes.namespace,
        pods=tuple(cluster.Pod(name=pod.pod_name, status=pod.pod_status) for pod in kubernetes.workloads_status or ()),
        last_pod_at=moment(kubernetes.last_pod_ref_at),
        engines=tuple(
            cluster.Engine(node=one.host_id, running=one.running, expanding=one.is_expanding) for one in controllers
        ),
        replicas=tuple(_replica(replica) for replica in volume.replicas or ()),
        tickets=_tickets((volume.volume_attachment or shapes.VolumeAttachment()).attachments or {}),
        backups=tuple(_progress(status) for status in volume.backup_status or ()),
    )


def _restoring(volume: shapes.Volume) -> bool:
    """Whether data from elsewhere is not all there yet.

    A volume from a backup is created with neither flag [840]; the controller sets both at once
    (checkAndInitVolumeRestore) and clears `restoreRequired` when the engine has it all, for good; `restoreInitiated`
    stays [841, trace restore]. A standby volume requires restoring until it is activated.
    """
    pending = bool(volume.from_backup) and not volume.restore_initiated
    clone = (volume.clone_status or shapes.CloneStatus()).state
    cloning = volume.data_source.startswith(CLONE_SOURCES) and clone != "completed"
    return volume.restore_required or pending or cloning


def _image_ready(volume: shapes.Volume) -> bool:
    """Whether no engine upgrade is under way: wanted and current image are one (isVolumeUpgrading).

    The volume's own `currentImage` is meant, which stays while detached [044, 307]; that of its engine and replicas is
    empty then. Empty on the volume itself only until the controller has first seen it [043].
    """
    wanted = volume.image or volume.engine_image
    return not wanted or volume.current_image in {"", wanted}


def _replica(replica: shapes.Replica) -> cluster.Replica:
    return cluster.Replica(
        name=replica.name,
        node=replica.host_id,
        failed=bool(replica.failed_at),
        running=replica.running,
        mode=replica.mode,
    )


def _tickets(attachments: Mapping[str, shapes.Attachment]) -> tuple[cluster.Ticket, ...]:
    """Tickets by the key that `detach` removes them by; "" is the one of all clients that named none [112]."""
    return tuple(
        cluster.Ticket(
            id=key,
            kind=ticket.kind,
            node=ticket.node,
            satisfied=ticket.satisfied,
            attached_by=(ticket.parameters or {}).get("lastAttachedBy", ""),
            # "any" of Longhorn's own controllers [232] asks for nothing
            frontend_disabled=(ticket.parameters or {}).get("disableFrontend") == "true",
            message=_dissatisfaction(ticket),
            since=_satisfied_since(ticket),
        )
        for key, ticket in attachments.items()
    )


def _satisfied_since(ticket: shapes.Attachment) -> datetime | None:
    """When a ticket got the volume: the last change of its condition [102], which is to the second."""
    conditions = (c for c in ticket.conditions or () if c.type == "Satisfied" and c.status == "True")
    return moment(next(conditions, shapes.Condition()).last_transition_time)


def _dissatisfaction(ticket: shapes.Attachment) -> str:
    """Why a ticket does not hold the volume, in Longhorn's words [107, 110]."""
    unsatisfied = (c for c in ticket.conditions or () if c.type == "Satisfied" and c.status != "True")
    condition = next(unsatisfied, shapes.Condition())
    return visible((condition.message or condition.reason).strip())


def _progress(status: shapes.BackupStatus) -> cluster.BackupProgress:
    return cluster.BackupProgress(
        name=status.id,
        snapshot=status.snapshot,
        state=status.state,
        progress=status.progress,
        error=visible(status.error),
    )
