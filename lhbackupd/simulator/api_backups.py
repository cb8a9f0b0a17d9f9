"""Backup targets, backup volumes and backups."""

from lhbackupd.simulator import backups, generation, targets, wire
from lhbackupd.simulator.call import Answer, Call
from lhbackupd.simulator.gojson import Struct
from lhbackupd.simulator.refusal import Refusal, missing

BY_NAME = Struct("BackupInput", {"name": "string"})
BY_VOLUME = Struct("Volume", {"name": "string"})
SYNC = Struct("SyncBackupResource", {"syncAllBackupTargets": "bool", "syncBackupTarget": "bool"})
TARGET = Struct(
    "BackupTarget",
    {"name": "string", "backupTargetURL": "string", "credentialSecret": "string", "pollInterval": "string"},
)


def target_list(call: Call) -> Answer:
    """All targets."""
    data = [wire.target(call.base, target) for target in call.world.targets.values()]
    return Answer(body=wire.collection(call.url, "backupTarget", data))


def target_get(call: Call) -> Answer:
    """One target."""
    target = call.world.targets.get(call.name)
    if target is None:
        raise missing("backuptarget", call.name, f"failed to get backup target {call.name}: ")
    return Answer(body=wire.target(call.base, target))


def target_sync(call: Call) -> Answer:
    """Look at the target now; refused within ten seconds of the last time."""
    call.read(SYNC)
    world = call.world
    target = world.targets.get(call.name)
    doing = f"failed to synchronize backup target {call.name}: "
    if target is None:
        raise missing("backuptarget", call.name, doing)
    if world.elapsed() - target.last_sync < world.timing.sync_interval:
        raise Refusal(f"{doing}cannot synchronize backup target '{call.name}' in 10 seconds")
    target.last_sync = world.elapsed()
    for volume in world.volumes.values():
        backups.name_last_backup(world, volume)
    return Answer(body=wire.target(call.base, target))


def target_update(call: Call) -> Answer:
    """Change a target."""
    body = call.read(TARGET)
    target = call.world.targets.get(call.name)
    if target is None:
        raise missing("backuptarget", call.name, f"failed to update backup target {call.name}: ")
    target.url = body["backupTargetURL"] or target.url
    target.credential_secret = body["credentialSecret"] or target.credential_secret
    call.world.changed("backuptargets")
    return Answer(body=wire.target(call.base, target))


def volume_list(call: Call) -> Answer:
    """All backup volumes, also of volumes that are gone."""
    found = targets.backup_volumes(call.world).values()
    data = [wire.backup_volume(call.world, call.base, bv) for bv in found]
    return Answer(body=wire.collection(call.url, "backupVolume", data))


def volume_get(call: Call) -> Answer:
    """One backup volume; a missing one has empty fields."""
    bv = targets.backup_volumes(call.world).get(call.name)
    if bv is None:
        return Answer(body=wire.no_backup_volume(call.base, call.name))
    return Answer(body=wire.backup_volume(call.world, call.base, bv))


def backup_list(call: Call) -> Answer:
    """Backups of the backup volume in the path."""
    if call.world.generation < targets.SEVERAL_TARGETS:
        every = [backup for backup in call.world.backups().values() if backup.volume == call.name]
        found = generation.listed(call.world, every)
    else:
        bv = targets.backup_volumes(call.world).get(call.name)
        found = bv.backups if bv else []
    found = sorted(found, key=lambda b: b.name)
    return Answer(body=wire.collection(call.url, "backup", [wire.backup(call.base, b) for b in found]))


def backup_list_by_volume(call: Call) -> Answer:
    """Backups of the volume named in the body; the path is ignored."""
    name = call.read(BY_VOLUME)["name"]
    found = call.world.backups_of(name)
    return Answer(body=wire.collection(call.url, "backup", [wire.backup(call.base, b) for b in found]))


def backup_get(call: Call) -> Answer:
    """One backup."""
    name = call.read(BY_NAME)["name"]
    backup = call.world.backup(name)
    if backup is None:
        doing = f"failed to get backup '{name}' of volume '{call.name}': "
        raise missing("backup", name, doing)
    return Answer(body=wire.backup(call.base, backup))


def backup_delete(call: Call) -> Answer:
    """Delete by the backup's name, whatever backup volume the path names; a missing one is not an error."""
    name = call.read(BY_NAME)["name"]
    backups.delete(call.world, name, by="api")
    return volume_get(call)


def all_backups(call: Call) -> Answer:
    """Every backup."""
    data = [wire.backup(call.base, b) for _, b in sorted(call.world.backups().items())]
    return Answer(body=wire.collection(call.url, "backup", data))
