"""How a volume looks on the wire.

About 8 kB of JSON whose actions depend on the state. Answers to `attach` and `detach` leave engine, replicas
and backups out, as Longhorn does. Encoded volumes are kept until the volume changes: a list of 10,000 is
asked for every few seconds.
"""

from typing import Any

import msgspec

from lhbackupd.simulator import generation, wire
from lhbackupd.simulator.model import Kubernetes, Replica, Volume
from lhbackupd.simulator.world import World, rfc3339

Wire = dict[str, Any]

ALWAYS = ("attach", "detach")
NEVER_FAULTED = ("snapshotBackup", "snapshotCRCreate", "snapshotCRDelete", "snapshotCRGet", "snapshotCRList")
JOBS = ("recurringJobAdd", "recurringJobDelete", "recurringJobList")
ATTACHING = ("cancelExpansion", "offlineReplicaRebuilding", *JOBS)
SETTLED = (
    "activate", "engineUpgrade", "expand", "pvCreate", "pvcCreate", "replicaRemove",
    "updateBackupCompressionMethod",
    "updateBackupTargetName", "updateDataLocality", "updateFreezeFilesystemForSnapshot",
    "updateRebuildConcurrentSyncLimit", "updateReplicaAutoBalance", "updateReplicaDiskSoftAntiAffinity",
    "updateReplicaRebuildingBandwidthLimit", "updateReplicaSoftAntiAffinity",
    "updateReplicaZoneSoftAntiAffinity",
    "updateSnapshotDataIntegrity", "updateSnapshotMaxCount", "updateSnapshotMaxSize",
    "updateUnmapMarkSnapChainRemoved",
    *ATTACHING,
)  # fmt: skip
DETACHED = (*SETTLED, "updateAccessMode", "updateUblkNumberOfQueue", "updateUblkQueueDepth")
ATTACHED = (
    *SETTLED, "snapshotCreate", "snapshotDelete", "snapshotGet", "snapshotList", "snapshotPurge",
    "snapshotRevert",
    "trimFilesystem", "updateReplicaCount",
)  # fmt: skip
BY_STATE: dict[str, tuple[str, ...]] = {"detached": DETACHED, "attaching": ATTACHING, "attached": ATTACHED}


def actions(volume: Volume) -> list[str]:
    """What the present state allows."""
    if volume.robustness == "faulted":
        return sorted((*ALWAYS, "salvage"))
    return sorted((*ALWAYS, *NEVER_FAULTED, *BY_STATE.get(volume.state, ())))


def ready(volume: Volume) -> tuple[bool, str]:
    """Whether a workload may use it, and why not."""
    scheduled = volume.conditions.get("Scheduled")
    if not volume.desired_node and volume.state != "detached":
        return False, f"waiting for the volume to fully detach. current state: {volume.state}"
    if volume.state == "detached" and (scheduled is None or scheduled.status != "True"):
        return False, "volume is currently in detached state with some un-schedulable replicas"
    if volume.robustness == "faulted":
        return False, "volume is faulted"
    if volume.spec.get("restoreRequired"):
        return False, "restoration required"
    return True, ""


def volume_wire(world: World, base: str, volume: Volume, *, brief: bool = False) -> Wire:
    """The whole resource; `brief` leaves engine, replicas and backups out."""
    is_ready, why_not = ready(volume)
    body = {
        **volume.spec,
        **wire.resource(base, "volume", "volumes", volume.name, actions(volume)),
        "backupStatus": [] if brief else [backup_status(volume, name) for name in volume.backups],
        "cloneStatus": {
            "attemptCount": 0,
            "nextAllowedAttemptAt": "",
            "snapshot": "",
            "sourceVolume": "",
            "state": "",
        },
        "conditions": {name: wire.condition(c) for name, c in volume.conditions.items()},
        "controllers": [controller(world, volume)] if volume.has_engine and not brief else [],
        "created": volume.created.strftime("%Y-%m-%d %H:%M:%S +0000 UTC"),
        "currentImage": volume.current_image,
        "dataLocality": volume.data_locality,
        "disableFrontend": volume.disable_frontend,
        "kubernetesStatus": kubernetes(volume.kubernetes),
        "lastAttachedBy": volume.last_attached_by,
        "lastBackup": volume.last_backup,
        "lastBackupAt": volume.last_backup_at,
        "name": volume.name,
        "notReadyMessage": why_not,
        "numberOfReplicas": volume.number_of_replicas,
        "purgeStatus": None if brief else purge_status(volume),
        "ready": is_ready,
        "rebuildStatus": [] if brief else rebuild_status(volume),
        "replicas": [] if brief else [replica(world, volume, r) for r in volume.replicas],
        "restoreStatus": [] if brief else restore_status(volume),
        "robustness": volume.robustness,
        "size": str(volume.size),
        "state": volume.state,
        "volumeAttachment": {
            "actions": None,
            "attachments": {t.id: wire.ticket(t) for t in volume.tickets.values()},
            "links": None,
            "volume": volume.name,
        },
    }
    whole: Wire = generation.aged(world.generation, {**body, **volume.forced} if volume.forced else body)
    return whole


def controller(world: World, volume: Volume) -> Wire:
    """The engine."""
    runs_on = volume.engine_node or volume.current_node
    node = world.nodes.get(runs_on)
    running = volume.engine_running and node is not None
    starting = volume.state == "attaching" and bool(volume.engine_node)
    return {
        "actualSize": str(volume.actual_size),
        "address": node.address if running and node else "",
        "currentImage": volume.spec["image"] if running else "",
        "endpoint": volume.endpoint,
        "hostId": volume.engine_node,
        "image": volume.spec["image"],
        "instanceManagerName": node.instance_manager if (running or starting) and node else "",
        "isExpanding": False,
        "lastExpansionError": "",
        "lastExpansionFailedAt": "",
        "lastRestoredBackup": "",
        "name": f"{volume.name}-e-0",
        "requestedBackupRestore": "",
        "running": volume.engine_running,
        "size": str(volume.engine_size),
        "unmapMarkSnapChainRemovedEnabled": False,
    }


def replica(world: World, volume: Volume, r: Replica) -> Wire:
    """One replica."""
    node = world.nodes.get(r.node)
    return {
        "address": node.address if r.running and node else "",
        "currentImage": volume.spec["image"] if r.running else "",
        "dataEngine": volume.spec["dataEngine"],
        "dataPath": r.data_path,
        "diskID": node.disk_uuid if node else "",
        "diskPath": "/var/lib/longhorn/" if node else "",
        "failedAt": r.failed_at,
        "hostId": r.node,
        "image": volume.spec["image"],
        "instanceManagerName": node.instance_manager if r.assigned and node else "",
        "mode": r.mode,
        "name": r.name,
        "running": r.running,
    }


def backup_status(volume: Volume, name: str) -> Wire:
    """One backup as the volume shows it."""
    b = volume.backups[name]
    by_name = any(r.name == b.replica and r.running for r in volume.replicas) or b.replica.startswith("tcp:")
    return {
        "actions": None,
        "backupURL": b.url,
        "error": b.error,
        "id": b.name,
        "links": None,
        "progress": b.progress,
        "replica": b.replica if by_name or not b.replica else f"tcp://127.0.0.1:{volume.port}",
        "size": str(b.size) if b.url else "",
        "snapshot": b.shown_snapshot,
        "state": b.state,
    }


def kubernetes(k: Kubernetes) -> Wire:
    """What Kubernetes does with the volume."""
    return {
        "lastPVCRefAt": k.last_pvc_ref_at,
        "lastPodRefAt": k.last_pod_ref_at,
        "namespace": k.namespace,
        "pvName": k.pv_name,
        "pvStatus": k.pv_status,
        "pvcName": k.pvc_name,
        "workloadsStatus": k.workloads,
    }


def purge_status(volume: Volume) -> list[Wire] | None:
    """The last purge, per replica; null until the engine was polled."""
    p = volume.purge
    if p is None or not volume.polled:
        return None
    return [
        {
            "actions": None, "error": "", "isPurging": False, "links": None, "progress": p.progress,
            "replica": r.name, "state": p.state,
        }
        for r in volume.replicas if r.mode or (r.running and volume.state == "detaching")
    ]  # fmt: skip


def rebuild_status(volume: Volume) -> list[Wire]:
    """A rebuild, once it is over or under way in the engine."""
    r = volume.rebuild
    if r is None or not r.state:
        return []
    return [
        {
            "actions": None, "error": "", "fromReplicaList": [r.source],
            "isRebuilding": r.state == "in_progress",
            "links": None, "progress": r.progress, "replica": r.replica, "state": r.state,
        }
    ]  # fmt: skip


def restore_status(volume: Volume) -> list[Wire]:
    """Restoring, per replica, which is almost always not."""
    if not volume.restore_status:
        return []
    return [
        {
            "actions": None, "backupURL": "", "error": "", "filename": "", "isRestoring": False,
            "lastRestored": "",
            "links": None, "progress": 0, "replica": r.name, "state": "",
        }
        for r in volume.replicas if r.mode or (r.running and volume.state == "detaching")
    ]  # fmt: skip


class Cache:
    """Encoded volumes by base address, each after a comma, valid for one version of the volume."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._encoded: dict[str, dict[str, tuple[int, bytes]]] = {}
        self._encoder = msgspec.json.Encoder()

    def volumes(self, base: str) -> bytes:
        """The whole collection."""
        known = self._encoded.setdefault(base, {})
        parts: list[bytes] = []
        for volume in self._world.volumes.values():
            entry = known.get(volume.name)
            if entry is None or entry[0] != volume.version:
                entry = (volume.version, b"," + self._encoder.encode(volume_wire(self._world, base, volume)))
                known[volume.name] = entry
            parts.append(entry[1])
        if len(known) > len(parts) * 2 + 100:
            self._encoded[base] = {name: known[name] for name in self._world.volumes}
        if len(self._encoded) > 4:  # noqa: PLR2004
            self._encoded.pop(next(iter(self._encoded)))
        empty = self._encoder.encode(
            wire.collection(f"{base}/v1/volumes", "volume", [], createTypes={"volume": f"{base}/v1/volumes"})
        )
        head, data, tail = empty.partition(b'"data":[')
        first = parts[0][1:] if parts else b""
        return b"".join((head, data, first, *parts[1:], tail))  # 75 MB of ten thousand volumes are copied only once


__all__ = ["Cache", "actions", "ready", "rfc3339", "volume_wire"]
