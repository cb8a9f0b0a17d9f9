"""The backup controller: its own ticket, the engine's progress, and what a completed backup holds.

A backup is asked for by snapshot. The controller holds the volume with a ticket of its own until the backup
is over, and looks every 2 s, so states are seen late. If the engine goes away meanwhile the next look turns
the backup into Error. What a backup contains is kept, so that a test can ask whether data is really in it.
"""

from datetime import timedelta

from lhbackupd.simulator import attachment, backupfaults, generation
from lhbackupd.simulator.extents import BACKUP_BLOCK, backup_blocks, size
from lhbackupd.simulator.model import Backup, Volume
from lhbackupd.simulator.world import World, rfc3339

KIND = "backup-controller"
FINAL = frozenset({"Completed", "Error", "Unknown", "Deleting"})


def create(world: World, volume: Volume, snapshot: str, labels: dict[str, str], mode: str, *, cause: str) -> Backup:
    """A client made the resource."""
    backup = Backup(
        f"backup-{world.hex(16)}", volume.name, volume.spec["backupTargetName"], snapshot, labels, mode,
        world.elapsed(), cause,
    )  # fmt: skip
    cr = volume.snapshot_crs[snapshot]
    backup.volume_size, backup.snapshot_created = volume.size, cr.creation_time
    volume.backups = dict(sorted({**volume.backups, backup.name: backup}.items()))
    world.targets[backup.target].add(backup)
    world.ledger.add("backup-asked", volume.name, backup=backup.name, snapshot=snapshot, labels=labels, by=cause)
    world.changed("backups")
    world.touch(volume)
    return backup


def ticket_id(backup: Backup) -> str:
    """Name of the controller's ticket for one backup."""
    return f"{KIND}-{backup.name}"


def reconcile(world: World, volume: Volume) -> None:
    """Start what waits; hold the volume for it."""
    for backup in list(volume.backups.values()):
        if backup.state in FINAL or backup.deleting:
            continue
        if generation.single(world):
            if volume.engine_running and backup.started is None:
                _start(world, volume, backup)
            continue
        known = ticket_id(backup) in volume.tickets
        if not known:
            backup.fresh = backup.fresh or volume.state != "attached"
        ticket = attachment.controller_ticket(world, volume, KIND, backup.name)
        if ticket.satisfied and volume.engine_running and backup.started is None:
            _start(world, volume, backup)


def _start(world: World, volume: Volume, backup: Backup) -> None:
    backup.started = world.elapsed()
    t = world.timing
    epoch = volume.engine_epoch
    fault = backupfaults.take(world, volume.name)
    if fault and fault.kind == "backup-error-at-start":
        reason = fault.message or "failed to create backup: no space"
        _fail(
            world,
            volume,
            backup,
            f"failed to backup snapshot {backup.snapshot} to {backup.name}",
            "Internal",
            reason,
        )
        return
    if backup.snapshot not in volume.chain.layers:
        reason = f"cannot find snapshot {backup.snapshot}"
        _fail(
            world,
            volume,
            backup,
            f"failed to backup snapshot {backup.snapshot} to {backup.name}",
            "Internal",
            reason,
        )
        return
    backup.content = volume.chain.content(backup.snapshot)
    backup.new_bytes = new_bytes(world, volume, backup)
    backup.duration = volume.backup_seconds or max(t.backup_floor, backup.new_bytes * t.backup_per_byte)
    delay = t.backup_start_fresh if backup.fresh else t.backup_start
    backup.started += delay
    backup.volume_created = volume.created
    world.ledger.add("backup-started", volume.name, backup=backup.name, snapshot=backup.snapshot)

    def look() -> None:
        _look(world, volume, backup, epoch, fault)

    world.soon(delay + t.backup_first_look, look)


def _look(world: World, volume: Volume, backup: Backup, epoch: int, fault: backupfaults.BackupFault | None) -> None:
    if backup.deleting or backup.state in FINAL:
        return
    if not volume.engine_running or volume.engine_epoch != epoch:
        engine, port = f"{volume.name}-e-0", volume.port
        words = f"failed to get {backup.name} backup status"
        reason = f"failed to connect to engine {engine} at 127.0.0.1:{port}: connection refused"
        backup.replica = f"tcp://127.0.0.1:{port}"
        _fail(world, volume, backup, words, "Unavailable", reason)
        return
    backup.looks += 1
    elapsed = world.elapsed() - (backup.started or 0.0)
    done = elapsed + 1e-6 >= backup.duration
    progress = 100 if done else max(0, min(95, int(190 * (elapsed - world.timing.backup_look) / backup.duration)))
    verdict = backupfaults.judge(fault, backup, progress, done=done)
    if verdict.error:
        backup.shown_snapshot, backup.progress = backup.snapshot, verdict.progress
        backup.replica = volume.replicas[0].name if volume.replicas else ""
        _fail(world, volume, backup, "", "", verdict.error)
        return
    if verdict.vanish:
        drop(world, volume, backup)
        return
    _show(world, volume, backup, verdict)
    if backup.state not in FINAL:
        world.soon(world.timing.backup_look, lambda: _look(world, volume, backup, epoch, fault))


def _show(world: World, volume: Volume, backup: Backup, verdict: backupfaults.Verdict) -> None:
    first = not backup.shown_snapshot
    backup.shown_snapshot, backup.progress = backup.snapshot, verdict.progress
    backup.replica = volume.replicas[0].name if volume.replicas else ""
    backup.state = verdict.state
    words = f"Snapshot {backup.snapshot} backup {backup.name} label {go_map(stored_labels(volume, backup))}"
    if backup.state == "Completed":
        _complete(world, volume, backup)
        world.event("backup", "Volume", volume.name, "Completed", words)
    elif first:
        world.event("backup", "Volume", volume.name, "InProgress", words)
    if backup.state in FINAL:
        _release(world, volume, backup)
    world.changed("backups")
    world.touch(volume)


def _complete(world: World, volume: Volume, backup: Backup) -> None:
    url = world.targets[backup.target].url
    backup.url = f"{url}?backup={backup.name}&volume={backup.volume}"
    backup.size = len(backup_blocks(backup.content)) * BACKUP_BLOCK
    backup.labels = stored_labels(volume, backup)
    backup.snapshot_created = world.started + timedelta(seconds=backup.asked_at)
    backup.created = world.now()
    world.ledger.add(
        "backup-completed", volume.name, backup=backup.name, snapshot=backup.snapshot,
        bytes=size(backup.content),
        new=backup.new_bytes, by=backup.cause,
    )  # fmt: skip
    world.changed("backupvolumes")
    world.soon(world.timing.last_backup, lambda: name_last_backup(world, volume))


def _fail(world: World, volume: Volume, backup: Backup, doing: str, code: str, reason: str) -> None:  # noqa: PLR0917 -- plain helper
    backup.state = "Error"
    if doing:
        proxy = f"proxyServer=127.0.0.3:8501 destination=127.0.0.2:{volume.port}"
        backup.error = f"{proxy}: {doing}: rpc error: code = {code} desc = {reason}"
    else:
        backup.error = reason
    words = f"Snapshot {backup.snapshot} backup {backup.name} label {go_map(stored_labels(volume, backup))}"
    world.event("backup", "Volume", volume.name, "Error", f"{words}: {backup.error}", warning=True)
    world.ledger.add("backup-error", volume.name, backup=backup.name, snapshot=backup.snapshot, error=backup.error)
    _release(world, volume, backup)
    world.changed("backups")
    world.touch(volume)


def _release(world: World, volume: Volume, backup: Backup) -> None:
    delay = world.timing.controller_release
    world.soon(delay, lambda: attachment.drop(world, volume, ticket_id(backup), by=KIND))


def new_bytes(world: World, volume: Volume, backup: Backup) -> int:
    """Bytes to upload: blocks that differ from the last completed backup's, or all of them in full mode."""
    blocks = backup_blocks(backup.content)
    last = latest(world, volume.name, backup.target)
    if backup.mode == "full" or last is None or last.snapshot not in volume.chain.layers:
        return min(len(blocks) * BACKUP_BLOCK, max(size(backup.content), 0)) if blocks else 0
    old = backup_blocks(last.content)
    return sum(BACKUP_BLOCK for block, numbers in blocks.items() if old.get(block) != numbers)


def latest(world: World, volume: str, target: str) -> Backup | None:
    """The last completed, still existing backup of a volume name on a target."""
    done = [
        b for b in world.targets[target].by_volume.get(volume, {}).values()
        if b.state == "Completed" and not b.deleting and b.created
    ]  # fmt: skip
    return max(done, key=lambda b: (b.created, b.asked_at), default=None)


def name_last_backup(world: World, volume: Volume) -> None:
    """`lastBackup` follows what the target has."""
    last = latest(world, volume.name, volume.spec["backupTargetName"])
    name, at = (last.name, rfc3339(last.snapshot_created)) if last else ("", "")
    if (volume.last_backup, volume.last_backup_at) != (name, at):
        volume.last_backup, volume.last_backup_at = name, at
        world.touch(volume)


def stored_labels(volume: Volume, backup: Backup) -> dict[str, str]:
    """Labels as they end up on the target: the client's and Longhorn's own."""
    labels = {**backup.labels, "longhorn.io/volume-access-mode": volume.spec["accessMode"]}
    if volume.kubernetes.pv_name:
        labels["KubernetesStatus"] = kubernetes_label(volume)
    return labels


def kubernetes_label(volume: Volume) -> str:
    """The volume's Kubernetes status as the JSON that Longhorn puts into a label."""
    k = volume.kubernetes
    work = ",".join(
        "{" + ",".join(f'"{key}":"{w[key]}"' for key in ("podName", "podStatus", "workloadName", "workloadType")) + "}"
        for w in k.workloads or []
    )
    return (
        f'{{"pvName":"{k.pv_name}","pvStatus":"{k.pv_status}","namespace":"{k.namespace}","pvcName":"{k.pvc_name}",'
        f'"lastPVCRefAt":"{k.last_pvc_ref_at}","workloadsStatus":[{work}],"lastPodRefAt":"{k.last_pod_ref_at}"}}'
    )


def go_map(labels: dict[str, str]) -> str:
    """A map as Go prints it."""
    return "map[" + " ".join(f"{key}:{labels[key]}" for key in sorted(labels)) + "]"


def delete(world: World, name: str, *, by: str) -> None:
    """Delete a Backup resource by name; a missing one is not an error."""
    backup = world.backup(name)
    if backup is None or backup.deleting:
        return
    volume = world.volumes.get(backup.volume)
    was = backup.state
    backup.deleting = True
    if was == "Completed":
        backup.state = "Deleting"
    world.changed("backups")
    t = world.timing
    if volume and name in volume.backups:
        if was not in FINAL:
            _release(world, volume, backup)
        world.touch(volume)
        world.soon(t.last_backup_stale, lambda: name_last_backup(world, volume))
    world.ledger.add("backup-delete-asked", backup.volume, backup=name, state=was, by=by)
    delay = t.backup_delete if was == "Completed" else t.controller_release
    world.soon(delay, lambda: drop(world, volume, backup))


def drop(world: World, volume: Volume | None, backup: Backup) -> None:
    """The Backup resource and its data are gone."""
    world.targets[backup.target].drop(backup)
    world.ledger.add("backup-deleted", backup.volume, backup=backup.name, snapshot=backup.snapshot)
    world.changed("backups")
    world.changed("backupvolumes")
    if volume and volume.backups.pop(backup.name, None):
        attachment.remove(world, volume, ticket_id(backup), by=KIND)
        if world.flag("auto-cleanup-when-delete-backup") and backup.snapshot in volume.snapshot_crs:
            volume.snapshot_crs[backup.snapshot].deleting = True
        world.touch(volume)
