"""Which handler answers which request of `/v1`.

Routing is Longhorn's: a path that exists with another method is 405 with an empty body, an unknown path or
action is 404 in plain text, a slash too many is redirected, queries other than `action` are ignored.
"""

from collections.abc import Callable
from dataclasses import replace

from lhbackupd.simulator import api_backups as b
from lhbackupd.simulator import api_cluster as c
from lhbackupd.simulator import api_jobs as j
from lhbackupd.simulator import api_snapshots as s
from lhbackupd.simulator import api_volumes as v
from lhbackupd.simulator import generation
from lhbackupd.simulator.call import NOT_FOUND, Answer, Call, error
from lhbackupd.simulator.refusal import Refusal, unsupported

Handler = Callable[[Call], Answer]

#: (method, path pattern) -> handler; `*` stands for one name
ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/"): c.versions,
    ("GET", "/v1/apiversions"): c.versions,
    ("GET", "/v1"): c.version,
    ("GET", "/v1/apiversions/v1"): c.version,
    ("GET", "/v1/schemas"): c.schemas,
    ("GET", "/v1/schemas/*"): c.schema,
    ("GET", "/v1/settings"): c.setting_list,
    ("GET", "/v1/settings/*"): c.setting_get,
    ("PUT", "/v1/settings/*"): c.setting_put,
    ("GET", "/v1/nodes"): c.node_list,
    ("GET", "/v1/nodes/*"): c.node_get,
    ("PUT", "/v1/nodes/*"): c.node_put,
    ("GET", "/v1/engineimages"): c.engine_images,
    ("GET", "/v1/engineimages/*"): c.engine_image,
    ("GET", "/v1/instancemanagers"): c.instance_managers,
    ("GET", "/v1/volumeattachments"): c.attachments,
    ("GET", "/v1/volumeattachments/*"): c.attachment_get,
    ("GET", "/v1/events"): c.event_list,
    ("GET", "/v1/disktags"): c.nothing("tag"),
    ("GET", "/v1/nodetags"): c.nothing("tag"),
    ("GET", "/v1/backingimages"): c.nothing("backingImage"),
    ("GET", "/v1/orphans"): c.nothing("orphan"),
    ("GET", "/v1/systembackups"): c.nothing("systemBackup"),
    ("GET", "/v1/systemrestores"): c.nothing("systemRestore"),
    ("GET", "/v1/supportbundles"): c.nothing("supportBundle"),
    ("GET", "/v1/backupbackingimages"): c.nothing("backupBackingImage"),
    ("GET", "/v1/volumes/*"): v.get,
    ("POST", "/v1/volumes"): v.create,
    ("DELETE", "/v1/volumes/*"): v.delete,
    ("GET", "/v1/backuptargets"): b.target_list,
    ("GET", "/v1/backuptargets/*"): b.target_get,
    ("GET", "/v1/backupvolumes"): b.volume_list,
    ("GET", "/v1/backupvolumes/*"): b.volume_get,
    ("GET", "/v1/backups"): b.all_backups,
    ("GET", "/v1/recurringjobs"): j.job_list,
    ("GET", "/v1/recurringjobs/*"): j.job_get,
    ("POST", "/v1/recurringjobs"): j.job_create,
    ("PUT", "/v1/recurringjobs/*"): j.job_update,
    ("DELETE", "/v1/recurringjobs/*"): j.job_delete,
}


def _cannot(what: str) -> Handler:
    def refuse(call: Call) -> Answer:
        raise unsupported(f"{what} (asked for {call.name})")

    return refuse


UPDATES: dict[str, tuple[str, str, str]] = {
    "updateDataLocality": ("dataLocality", "dataLocality", "string"),
    "updateReplicaCount": ("numberOfReplicas", "replicaCount", "int"),
    "updateAccessMode": ("accessMode", "accessMode", "string"),
    "updateBackupTargetName": ("backupTargetName", "backupTargetName", "string"),
    "updateBackupCompressionMethod": ("backupCompressionMethod", "backupCompressionMethod", "string"),
    "updateReplicaAutoBalance": ("replicaAutoBalance", "replicaAutoBalance", "string"),
    "updateSnapshotDataIntegrity": ("snapshotDataIntegrity", "snapshotDataIntegrity", "string"),
    "updateSnapshotMaxCount": ("snapshotMaxCount", "snapshotMaxCount", "int"),
    "updateSnapshotMaxSize": ("snapshotMaxSize", "snapshotMaxSize", "string"),
    "updateUnmapMarkSnapChainRemoved": ("unmapMarkSnapChainRemoved", "unmapMarkSnapChainRemoved", "string"),
    "updateFreezeFilesystemForSnapshot": (
        "freezeFilesystemForSnapshot",
        "freezeFilesystemForSnapshot",
        "string",
    ),
    "updateReplicaSoftAntiAffinity": ("replicaSoftAntiAffinity", "replicaSoftAntiAffinity", "string"),
    "updateReplicaZoneSoftAntiAffinity": (
        "replicaZoneSoftAntiAffinity",
        "replicaZoneSoftAntiAffinity",
        "string",
    ),
    "updateReplicaDiskSoftAntiAffinity": (
        "replicaDiskSoftAntiAffinity",
        "replicaDiskSoftAntiAffinity",
        "string",
    ),
}
#: (path pattern, action) -> handler of POST
ACTIONS: dict[tuple[str, str], Handler] = {
    ("/v1/volumes/*", "attach"): v.attach,
    ("/v1/volumes/*", "detach"): v.detach,
    ("/v1/volumes/*", "expand"): v.expand,
    ("/v1/volumes/*", "salvage"): v.salvage,
    ("/v1/volumes/*", "snapshotCreate"): s.create,
    ("/v1/volumes/*", "snapshotList"): s.list_,
    ("/v1/volumes/*", "snapshotGet"): s.get,
    ("/v1/volumes/*", "snapshotDelete"): s.delete,
    ("/v1/volumes/*", "snapshotPurge"): s.purge,
    ("/v1/volumes/*", "snapshotRevert"): s.revert,
    ("/v1/volumes/*", "snapshotBackup"): s.backup,
    ("/v1/volumes/*", "snapshotCRCreate"): s.cr_create,
    ("/v1/volumes/*", "snapshotCRGet"): s.cr_get,
    ("/v1/volumes/*", "snapshotCRList"): s.cr_list,
    ("/v1/volumes/*", "snapshotCRDelete"): s.cr_delete,
    ("/v1/volumes/*", "recurringJobAdd"): j.member_add,
    ("/v1/volumes/*", "recurringJobList"): j.member_list,
    ("/v1/volumes/*", "recurringJobDelete"): j.member_delete,
    ("/v1/backuptargets/*", "backupTargetSync"): b.target_sync,
    ("/v1/backuptargets/*", "backupTargetUpdate"): b.target_update,
    ("/v1/backupvolumes/*", "backupList"): b.backup_list,
    ("/v1/backupvolumes/*", "backupListByVolume"): b.backup_list_by_volume,
    ("/v1/backupvolumes/*", "backupGet"): b.backup_get,
    ("/v1/backupvolumes/*", "backupDelete"): b.backup_delete,
    ("/v1/backupvolumes/*", "backupVolumeSync"): b.volume_get,
    ("/v1/nodes/*", "diskUpdate"): _cannot("change disks"),
    **{
        ("/v1/volumes/*", action): _cannot(f"do the action {action}")
        for action in (
            "activate", "cancelExpansion", "engineUpgrade", "offlineReplicaRebuilding", "pvCreate",
            "pvcCreate",
            "replicaRemove", "trimFilesystem", "updateRebuildConcurrentSyncLimit",
            "updateReplicaRebuildingBandwidthLimit", "updateUblkNumberOfQueue", "updateUblkQueueDepth",
        )
    },
    **{("/v1/volumes/*", action): v.simple_update(*how) for action, how in UPDATES.items()},
}  # fmt: skip
PATTERNS = frozenset({pattern for _, pattern in ROUTES} | {pattern for pattern, _ in ACTIONS} | {"/v1/volumes"})
NAME_AT = 2  #: segments before a name


def pattern_of(path: str) -> tuple[str, str]:
    """The route's pattern and the name in the path."""
    segments = path.split("/")[1:]
    if path in PATTERNS:
        return path, ""
    if len(segments) == NAME_AT + 1:
        return f"/{segments[0]}/{segments[1]}/*", segments[NAME_AT]
    return path, ""


def dispatch(call: Call) -> Answer:
    """Answer a request of `/v1` or `/`; the list of volumes is answered elsewhere, from its cache."""
    pattern, name = pattern_of(call.path)
    call.names["name"] = name
    handler = ACTIONS.get((pattern, call.action)) if call.method == "POST" and call.action else None
    handler = handler or ROUTES.get((call.method, pattern))
    if handler is None:
        if pattern not in PATTERNS or (call.method == "POST" and pattern.endswith("*")):
            return NOT_FOUND
        return Answer(405, None, None)
    if (handler is v.create and call.action) or generation.unknown(call.world.generation, pattern, call.action):
        return NOT_FOUND
    try:
        answer = handler(call)
        return replace(answer, body=generation.aged(call.world.generation, answer.body))
    except Refusal as refusal:
        return error(call.url, refusal.status, refusal.message)
