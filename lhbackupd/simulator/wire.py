"""How resources look on the wire, all but volumes.

Every resource has `id`, `type`, `links` and `actions`; addresses are built from what the client called us, as
Longhorn's API library does. Sizes are strings except in snapshot resources.
"""

from collections.abc import Iterable
from typing import Any

from lhbackupd.simulator.chain import HEAD, Chain, Layer
from lhbackupd.simulator.data import SETTINGS
from lhbackupd.simulator.events import Event
from lhbackupd.simulator.events import facts as event_facts
from lhbackupd.simulator.model import (
    Backup,
    Condition,
    Node,
    RecurringJob,
    SnapshotCR,
    Target,
    Ticket,
    Volume,
)
from lhbackupd.simulator.targets import BackupVolume
from lhbackupd.simulator.targets import facts as backup_volume_facts
from lhbackupd.simulator.world import World, rfc3339

Wire = dict[str, Any]

BACKUP_VOLUME_ACTIONS = ("backupDelete", "backupGet", "backupList", "backupListByVolume", "backupVolumeSync")
DEFINITIONS = {setting["name"]: setting for setting in SETTINGS}


def resource(base: str, kind: str, path: str, name: str, actions: Iterable[str] = ()) -> Wire:
    """The common part of a resource."""
    url = f"{base}/v1/{path}/{name}"
    return {
        "id": name,
        "type": kind,
        "links": {"self": url},
        "actions": {action: f"{url}?action={action}" for action in actions},
    }


def collection(url: str, kind: str, data: list[Any], **more: Any) -> Wire:
    """A list of resources."""
    return {"data": data, "links": {"self": url}, "resourceType": kind, "type": "collection", **more}


def condition(c: Condition) -> Wire:
    """One condition."""
    return {
        "lastProbeTime": "",
        "lastTransitionTime": rfc3339(c.at),
        "message": c.message,
        "reason": c.reason,
        "status": c.status,
        "type": c.kind,
    }


def ticket(t: Ticket) -> Wire:
    """One attachment."""
    return {
        "attachmentID": t.id,
        "attachmentType": t.kind,
        "conditions": [condition(t.condition)] if t.condition else None,
        "nodeID": t.node,
        "parameters": t.parameters,
        "satisfied": t.satisfied,
    }


def volume_attachment(base: str, volume: Volume) -> Wire:
    """The resource of its own."""
    body = resource(base, "volumeAttachment", "volumeattachments", volume.name)
    return {**body, "attachments": {t.id: ticket(t) for t in volume.tickets.values()}, "volume": volume.name}


def setting(base: str, name: str, value: str) -> Wire:
    """A setting with its definition."""
    known = DEFINITIONS[name]
    body = resource(base, "setting", "settings", name)
    return {**body, "name": name, "value": value, "applied": True, "definition": known["definition"]}


def snapshot(base: str, chain: Chain, layer: Layer) -> Wire:
    """A snapshot as the engine knows it."""
    return {
        **resource(base, "snapshot", "snapshots", layer.name),
        "checksum": "",
        "children": chain.children(layer.name),
        "created": rfc3339(layer.created),
        "labels": layer.labels,
        "name": layer.name,
        "parent": layer.parent,
        "removed": layer.removed,
        "size": str(layer.size),
        "usercreated": layer.user_created,
    }


def head(base: str, chain: Chain) -> Wire:
    """The volume head, which the engine lists among the snapshots."""
    layer = Layer(HEAD, chain.head_created, chain.head_parent, {}, chain.head, user_created=False)
    return snapshot(base, chain, layer)


def snapshot_cr(base: str, volume: Volume, cr: SnapshotCR) -> Wire:
    """A Snapshot resource."""
    return {
        **resource(base, "snapshotCR", "snapshotcrs", cr.name),
        "checksum": "",
        "children": cr.children,
        "crCreationTime": rfc3339(cr.created),
        "createSnapshot": cr.asked,
        "creationTime": rfc3339(cr.creation_time),
        **({"error": cr.error} if cr.error else {}),
        "labels": cr.labels or cr.status_labels,
        "markRemoved": cr.mark_removed,
        "name": cr.name,
        "ownerID": "",
        "parent": cr.parent,
        "readyToUse": cr.ready,
        "restoreSize": cr.restore_size,
        "size": cr.size,
        "userCreated": cr.user_created,
        "volume": volume.name,
    }


def backup(base: str, b: Backup) -> Wire:
    """A Backup resource; most fields are filled when it is complete."""
    done = b.created is not None
    return {
        **resource(base, "backup", "backups", b.name),
        "backupMode": b.mode,
        "backupTargetName": b.target,
        "blockSize": "2097152",
        "compressionMethod": "lz4" if done else "",
        "created": rfc3339(b.created),
        "error": b.error,
        "labels": b.labels if done else None,
        "messages": {} if b.state in {"Error", "Deleting"} else None,
        "name": b.name,
        "newlyUploadDataSize": str(b.new_bytes) if done else "",
        "progress": b.progress,
        "reUploadedDataSize": "0" if done else "",
        "size": str(b.size) if done else "",
        "snapshotCreated": rfc3339(b.snapshot_created),
        "snapshotName": b.snapshot,
        "state": b.state,
        "url": b.url,
        "volumeBackingImageName": "",
        "volumeCreated": rfc3339(b.volume_created) if done else "",
        "volumeName": b.volume,
        "volumeSize": str(b.volume_size),
    }


def backup_volume(world: World, base: str, bv: BackupVolume) -> Wire:
    """What a target holds of one volume."""
    body = resource(base, "backupVolume", "backupvolumes", bv.name, BACKUP_VOLUME_ACTIONS)
    return {**body, **backup_volume_facts(world, bv)}


def no_backup_volume(base: str, name: str) -> Wire:
    """Longhorn answers a missing backup volume with empty fields instead of an error."""
    empty = (
        "backingImageChecksum",
        "backingImageName",
        "backupTargetName",
        "created",
        "dataStored",
        "lastBackupAt",
    )
    more = ("lastBackupName", "size", "storageClassName", "volumeName")
    body = resource(base, "backupVolume", "backupvolumes", name, BACKUP_VOLUME_ACTIONS)
    return {**body, **dict.fromkeys((*empty, *more), ""), "labels": None, "messages": None, "name": name}


def target(base: str, t: Target) -> Wire:
    """A backup target."""
    return {
        **resource(base, "backupTarget", "backuptargets", t.name, ("backupTargetSync", "backupTargetUpdate")),
        "available": t.available,
        "backupTargetURL": t.url,
        "credentialSecret": t.credential_secret,
        "message": t.message,
        "name": t.name,
        "pollInterval": t.poll_interval,
    }


def job(base: str, j: RecurringJob) -> Wire:
    """A RecurringJob."""
    return {
        **resource(base, "recurringJob", "recurringjobs", j.name),
        "concurrency": j.concurrency,
        "cron": j.cron,
        "executionCount": j.executions,
        **({"groups": j.groups} if j.groups else {}),
        "labels": j.labels,
        "name": j.name,
        "ownerID": "",
        **({"parameters": j.parameters} if j.parameters else {}),
        "retain": j.retain,
        "retainAge": j.retain_age,
        "retentionPolicy": j.retention_policy,
        "task": j.task,
    }


def volume_job(base: str, name: str, *, group: bool) -> Wire:
    """A job or group that a volume belongs to."""
    return {
        **resource(base, "volumeRecurringJob", "volumerecurringjobs", name),
        "isGroup": group,
        "name": name,
    }


def event(base: str, e: Event) -> Wire:
    """A Kubernetes event."""
    return {**resource(base, "event", "events", e.name), "event": event_facts(e), "eventType": e.type}


def node(base: str, n: Node, scheduled: dict[str, int]) -> Wire:
    """A node with its disk."""
    since = n.ready_since or n.since
    conditions = {
        "MountPropagation": Condition("MountPropagation", "True", n.since),
        "Ready": Condition("Ready", "True", since, "", f"Node {n.name} is ready"),
        "Schedulable": Condition("Schedulable", "True", n.since),
    }
    if not n.ready:
        conditions["Ready"] = Condition("Ready", "False", since, n.ready_reason, n.ready_message)
    if n.cordoned:
        words = f"Kubernetes node {n.name} has been cordoned"
        conditions["Schedulable"] = Condition("Schedulable", "False", since, "KubernetesNodeCordoned", words)
    return {
        **resource(base, "node", "nodes", n.name, ("diskUpdate",)),
        "address": n.address,
        "allowScheduling": n.allow_scheduling,
        "autoEvicting": False,
        "conditions": {name: condition(c) for name, c in conditions.items()},
        "disks": {f"default-disk-{n.name.replace('-', '')}": _disk(n, scheduled)},
        "evictionRequested": False,
        "instanceManagerCPURequest": 0,
        "name": n.name,
        "region": "",
        "tags": [],
        "zone": "",
        **n.extra,
    }


def _disk(n: Node, scheduled: dict[str, int]) -> Wire:
    name, since = f"default-disk-{n.name.replace('-', '')}", n.ready_since or n.since
    conditions: dict[str, Condition] = {}
    for kind, word in (("Ready", "ready"), ("Schedulable", "schedulable")):
        words = f"Disk {name}(/var/lib/longhorn/) on node {n.name} is {word}"
        conditions[kind] = Condition(kind, "True", since, "", words)
        if not n.ready:
            words = f"Waiting for disk {name} (/var/lib/longhorn/) on node {n.name} to be {word}"
            conditions[kind] = Condition(kind, "False", since, "NodeNotReady", words)
    return {
        "allowScheduling": True,
        "conditions": {kind: condition(c) for kind, c in conditions.items()},
        "diskDriver": "",
        "diskType": "filesystem",
        "diskUUID": n.disk_uuid,
        "evictionRequested": False,
        "healthDataLastCollectedAt": "0001-01-01 00:00:00 +0000 UTC",
        "path": "/var/lib/longhorn/",
        "scheduledBackingImage": {},
        "scheduledReplica": scheduled,
        "storageAvailable": n.storage_maximum * 9 // 10,
        "storageMaximum": n.storage_maximum,
        "storageReserved": 0,
        "storageScheduled": sum(scheduled.values()),
        "tags": [],
    }
