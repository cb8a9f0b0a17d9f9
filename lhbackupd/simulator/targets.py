"""Backup targets and the backup volumes on them.

A backup volume is what a target holds of one volume name; it outlives the volume. It is derived from the
backups that exist, so two volumes of one name share it, as they do in Longhorn.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from lhbackupd.simulator.extents import BACKUP_BLOCK, backup_blocks
from lhbackupd.simulator.model import Backup, Target
from lhbackupd.simulator.world import World, rfc3339

#: the release that brought several targets; before, a backup volume is named as its volume
SEVERAL_TARGETS = (1, 8)

UNREACHABLE = (
    "failed to list system backups in {url}: error listing system backup in {url}: operation error S3: "
    "ListObjects, "
    "https response error StatusCode: 0, RequestID: , HostID: , request send failed, dial tcp: connect: "
    "connection refused"
)


@dataclass(frozen=True, slots=True)
class BackupVolume:
    """One volume name on one target."""

    name: str
    volume: str
    target: str
    backups: list[Backup]


def backup_volume_name(volume: str, target: str) -> str:
    """Longhorn's name for it."""
    return f"{volume}-{hashlib.sha512(f'{volume}-{target}'.encode()).hexdigest()[:8]}"


def stored(backup: Backup) -> bool:
    """Whether the backup's data is on the target."""
    return backup.created is not None


def backup_volumes(world: World) -> dict[str, BackupVolume]:
    """All backup volumes of all targets, by name."""
    found: dict[str, BackupVolume] = {}
    for target in world.targets.values():
        for backup in target.backups.values():
            known = world.generation >= SEVERAL_TARGETS
            name = backup_volume_name(backup.volume, target.name) if known else backup.volume
            found.setdefault(name, BackupVolume(name, backup.volume, target.name, [])).backups.append(backup)
    return {name: found[name] for name in sorted(found) if any(stored(backup) for backup in found[name].backups)}


def facts(world: World, bv: BackupVolume) -> dict[str, Any]:
    """Wire fields of a backup volume."""
    done = sorted((b for b in bv.backups if stored(b)), key=lambda b: (b.created, b.asked_at))
    kept = [b for b in done if not b.deleting] or done
    blocks = {(block, numbers) for b in done for block, numbers in backup_blocks(b.content).items()}
    labels = {"VolumeRecurringJobInfo": job_info(world, bv.volume), **kept[-1].labels}
    return {
        "backingImageChecksum": "",
        "backingImageName": "",
        "backupTargetName": bv.target,
        "created": rfc3339(done[0].snapshot_created),
        "dataStored": str(len(blocks) * BACKUP_BLOCK),
        "labels": labels,
        "lastBackupAt": rfc3339(kept[-1].snapshot_created),
        "lastBackupName": kept[-1].name,
        "messages": {},
        "name": bv.name,
        "size": str(kept[-1].volume_size),
        "storageClassName": "",
        "volumeName": bv.volume,
    }


def job_info(world: World, volume_name: str) -> str:
    """The label that lists a volume's recurring jobs."""
    volume = world.volumes.get(volume_name)
    entries = []
    for job in world.jobs.values() if volume else []:
        assert volume is not None
        groups = [group for group in job.groups if (group, True) in volume.recurring]
        direct = (job.name, False) in volume.recurring
        if groups or direct:
            entries.append(f'"{job.name}":{_job_json(job, groups, direct=direct)}')
    return "{" + ",".join(entries) + "}"


def _job_json(job: Any, groups: list[str], *, direct: bool) -> str:
    names = ",".join(f'"{group}"' for group in job.groups)
    labels = ",".join(f'"{key}":"{value}"' for key, value in sorted(job.labels.items()))
    spec = (
        f'{{"name":"{job.name}","groups":[{names}],"task":"{job.task}","cron":"{job.cron}","retain":{job.retain},'
        f'"retainAge":"{job.retain_age}","retentionPolicy":"{job.retention_policy}","concurrency":{job.concurrency},'
        f'"labels":{{{labels}}}}}'
    )
    came = ",".join(f'"{group}"' for group in groups)
    return f'{{"jobSpec":{spec},"fromGroup":[{came}],"fromJob":{"true" if direct else "false"}}}'


def set_available(world: World, target: Target, *, available: bool, message: str = "") -> None:
    """A target comes or goes."""

    def notice() -> None:
        target.available = available
        target.message = "" if available else message or UNREACHABLE.format(url=target.url)
        world.ledger.add("target-changed", target=target.name, available=available)
        world.changed("backuptargets")

    if world.timing.target_notice > 0:
        world.soon(world.timing.target_notice, notice)
    else:
        notice()
