"""What differs between generations of Longhorn's API, by version.

The recordings are of 1.13. Older releases are cut out of it after longhorn-manager's source: what an answer lacks is
taken away, what had another name gets it back, and paths or actions that were not there yet are unknown. How volumes
were attached before 1.5 is in `singleattach`. What no table here names is answered as 1.13 does.
"""

from collections.abc import Mapping
from typing import Any

from lhbackupd.simulator.data import SCHEMAS
from lhbackupd.simulator.model import Backup
from lhbackupd.simulator.refusal import Refusal, unsupported
from lhbackupd.simulator.world import World

Version = tuple[int, int]
Wire = dict[str, Any]

NEWEST: Version = (1, 13)
OLDEST: Version = (1, 1)
#: attachment tickets came with it, and snapshots as resources in the API
TICKETS: Version = (1, 5)
#: several backup targets came with it; before, a backup volume is named as its volume
TARGETS: Version = (1, 8)
#: backups and recurring jobs as resources came with it
RESOURCES: Version = (1, 2)
#: `image` was `engineImage` before, and `dataEngine` was not there
IMAGE: Version = (1, 6)

#: since when an action is known
ACTIONS: Mapping[str, Version] = {
    "snapshotCRCreate": TICKETS, "snapshotCRGet": TICKETS, "snapshotCRList": TICKETS, "snapshotCRDelete": TICKETS,
    "backupListByVolume": TARGETS, "backupVolumeSync": TARGETS, "backupTargetSync": TARGETS,
    "backupTargetUpdate": TARGETS, "updateBackupTargetName": TARGETS, "recurringJobAdd": RESOURCES,
    "recurringJobList": RESOURCES, "recurringJobDelete": RESOURCES,
}  # fmt: skip
#: since when a path is known
PATHS: Mapping[str, Version] = {
    "/v1/volumeattachments": TICKETS, "/v1/volumeattachments/*": TICKETS, "/v1/backuptargets": RESOURCES,
    "/v1/backuptargets/*": TARGETS, "/v1/backups": TARGETS, "/v1/recurringjobs": RESOURCES,
    "/v1/recurringjobs/*": RESOURCES,
}  # fmt: skip
#: since when a field is in a resource of a type, or in a type's schema
FIELDS: Mapping[str, Mapping[str, Version]] = {
    "attachInput": {"attachmentID": TICKETS, "attacherType": TICKETS},
    "detachInput": {"attachmentID": TICKETS, "forceDetach": TICKETS},
    "snapshotInput": {"backupMode": TARGETS},
    "volume": {
        "volumeAttachment": TICKETS, "backupTargetName": TARGETS, "dataEngine": IMAGE, "image": IMAGE,
        "restoreInitiated": TICKETS, "cloneStatus": RESOURCES,
    },
    "backup": {
        "backupTargetName": TARGETS, "backupMode": TARGETS, "state": RESOURCES, "progress": RESOURCES,
        "error": RESOURCES,
    },
    "backupVolume": {"backupTargetName": TARGETS, "volumeName": TARGETS, "storageClassName": TARGETS},
    "backupTarget": {"name": TARGETS},
}  # fmt: skip
#: since when a type is known
TYPES: Mapping[str, Version] = {
    "snapshotCR": TICKETS, "snapshotCRInput": TICKETS, "snapshotCRListOutput": TICKETS, "attachment": TICKETS,
    "volumeAttachment": TICKETS, "backupTarget": RESOURCES,
}  # fmt: skip
#: states in `backupStatus` as the engine of 1.1 has them
ENGINE_WORDS: Mapping[str, str] = {"InProgress": "in_progress", "Completed": "complete", "Error": "error"}


def schemas(version: Version) -> list[Wire]:
    """The schemas that a manager of this version shows."""
    found: list[Wire] = SCHEMAS["schemas"]
    return [_schema(version, one) for one in found if TYPES.get(one["id"], OLDEST) <= version]


def _schema(version: Version, whole: Wire) -> Wire:
    since = FIELDS.get(whole["id"], {})
    part = dict(whole)
    for key, known in (("resourceFields", since), ("resourceActions", ACTIONS)):
        if key in part:
            part[key] = {name: value for name, value in part[key].items() if known.get(name, OLDEST) <= version}
    return part


def unknown(version: Version, pattern: str, action: str) -> bool:
    """Whether a path or an action was not there yet."""
    return PATHS.get(pattern, OLDEST) > version or ACTIONS.get(action, OLDEST) > version


def aged(version: Version, body: Any) -> Any:
    """An answer as this version gives it."""
    if version >= NEWEST or not isinstance(body, dict):
        return body
    if body.get("type") == "collection":
        return {**body, "data": [aged(version, one) for one in body.get("data") or []]}
    since = FIELDS.get(str(body.get("type")), {})
    older = {key: value for key, value in body.items() if since.get(key, OLDEST) <= version}
    if isinstance(body.get("actions"), dict):
        older["actions"] = {name: url for name, url in body["actions"].items() if ACTIONS.get(name, OLDEST) <= version}
    return _volume(version, body, older) if body.get("type") == "volume" else older


def _volume(version: Version, body: Wire, older: Wire) -> Wire:
    if version < IMAGE and "image" in body:
        older["engineImage"] = body["image"]
    if version < RESOURCES:
        older["recurringJobs"] = []
        older["backupStatus"] = [
            {**entry, "state": ENGINE_WORDS.get(entry["state"], entry["state"])} for entry in body["backupStatus"]
        ]
    return older


def single(world: World) -> bool:
    """Whether volumes are attached without tickets."""
    return world.generation < TICKETS


def listed(world: World, backups: list[Backup]) -> list[Backup]:
    """The backups that a list shows: in 1.1, which reads the target, those that lie on it."""
    return backups if world.generation >= RESOURCES else [one for one in backups if one.created is not None]


def choose(world: World, text: str) -> str:
    """Switch to a version, for example `1.4`. Refused while anything goes on that the other style does not know."""
    parts = text.split(".")[:2]
    version = (int(parts[0]), int(parts[1].removesuffix("-dev"))) if all(p.isdigit() for p in parts) else (0, 0)
    if not OLDEST <= version <= NEWEST:
        raise unsupported(f"play Longhorn {text}: only {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}")
    busy = [v.name for v in world.volumes.values() if v.tickets or v.state == "attached"]
    if busy or world.jobs:
        raise Refusal(f"switch while nothing is attached and no job is there: {busy or list(world.jobs)}", 409)
    world.generation = version
    for volume in world.volumes.values():
        world.touch(volume)
    world.ledger.add("generation-changed", version=f"{version[0]}.{version[1]}")
    return f"{version[0]}.{version[1]}"
