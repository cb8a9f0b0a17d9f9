"""Runs of Longhorn's own recurring jobs: the competition.

A run takes the volumes of its job and groups, as many at a time as its concurrency says. Per volume it makes
a snapshot and looks every 5 s whether that is ready, then asks for a backup and looks every 5 s again; on a
detached volume each of the two attaches it by its controller's ticket, frontend enabled, on the owner node.
There is no overall time-out, and failed volumes do not fail the run. Afterwards old backups and snapshots of
the job go by its retention.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from lhbackupd.simulator import backups, snapshots
from lhbackupd.simulator.events import uuid
from lhbackupd.simulator.model import Backup, RecurringJob, Volume
from lhbackupd.simulator.world import World

LABEL = "RecurringJob"
BACKUP_TASKS = frozenset({"backup", "backup-force-create"})
SNAPSHOT_TASKS = frozenset({"snapshot", "snapshot-force-create"})
PART = re.compile(r"([0-9.]+)(ms|h|m|s)")
SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(slots=True)
class Run:
    """One execution."""

    job: RecurringJob
    began: float
    waiting: list[str]
    active: int = 0
    done: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    ended: float | None = None


def members(world: World, job: RecurringJob) -> list[Volume]:
    """Volumes of the job or of one of its groups."""
    return [
        volume
        for volume in world.volumes.values()
        if (job.name, False) in volume.recurring or any((group, True) in volume.recurring for group in job.groups)
    ]


def eligible(world: World, volume: Volume) -> bool:
    """Detached volumes only if the setting allows it; our own tickets count as attached."""
    if volume.robustness == "faulted" or volume.spec.get("standby") or volume.spec.get("restoreRequired"):
        return False
    return volume.state == "attached" or world.flag("allow-recurring-job-while-volume-detached")


def fire(world: World, name: str) -> Run:
    """Start a run; the previous one of the same job is waited for (its cron job forbids concurrency)."""
    job = world.jobs[name]
    chosen = members(world, job)
    run = Run(job, world.elapsed(), sorted(v.name for v in chosen if eligible(world, v)))
    run.skipped = sorted(v.name for v in chosen if not eligible(world, v))
    job.executions += 1
    world.job_runs.append(run)
    world.changed("recurringjobs")
    world.ledger.add("job-started", job=name, volumes=run.waiting, skipped=run.skipped)
    for _ in range(job.concurrency):
        _next(world, run)
    return run


def running(world: World, name: str) -> bool:
    """Whether a run of this job is under way."""
    return any(run.job.name == name and run.ended is None for run in world.job_runs)


def _next(world: World, run: Run) -> None:
    if run.waiting:
        run.active += 1
        _begin(world, run, run.waiting.pop(0))
    elif run.active == 0 and run.ended is None:
        run.ended = world.elapsed()
        seconds = round(run.ended - run.began, 3)
        world.ledger.add("job-ended", job=run.job.name, seconds=seconds)


def _finish(world: World, run: Run, name: str, began: float, error: str = "") -> None:
    run.done.append({"volume": name, "seconds": round(world.elapsed() - began, 3), "error": error})
    run.active -= 1
    _next(world, run)


def _begin(world: World, run: Run, name: str) -> None:
    began = world.elapsed()
    volume = world.volumes.get(name)
    task = run.job.task
    if volume is None or task not in BACKUP_TASKS | SNAPSHOT_TASKS:
        if volume and task in {"snapshot-delete", "snapshot-cleanup"}:
            _trim_snapshots(world, volume, run.job, keep=run.job.retain if task == "snapshot-delete" else 0)
        world.soon(world.timing.job_look, lambda: _finish(world, run, name, began))
        return
    snapshot = f"{run.job.name}--{uuid(world.rng)}"
    snapshots.create(world, volume, snapshot, {LABEL: run.job.name, **run.job.labels})

    def ready() -> bool:
        cr = volume.snapshot_crs.get(snapshot)
        return cr is not None and cr.ready

    def then() -> None:
        if task in SNAPSHOT_TASKS:
            _trim_snapshots(world, volume, run.job, keep=run.job.retain)
            _finish(world, run, name, began)
        else:
            _back_up(world, run, volume, snapshot, began)

    _watch(world, run, volume, began, ready, then)


def _watch(  # noqa: PLR0917 -- plain helper
    world: World, run: Run, volume: Volume, began: float, ready: Callable[[], bool], then: Callable[[], None]
) -> None:
    def look() -> None:
        if world.volumes.get(volume.name) is not volume:
            _finish(world, run, volume.name, began, "the volume is gone")
        elif ready():
            then()
        else:
            world.soon(world.timing.job_look, look)

    world.soon(world.timing.job_look, look)


def _back_up(world: World, run: Run, volume: Volume, snapshot: str, began: float) -> None:
    target = world.targets.get(volume.spec["backupTargetName"])
    if target is None or not target.available or snapshot not in volume.snapshot_crs:
        _finish(world, run, volume.name, began, "backup target is not available")
        return
    labels = {LABEL: run.job.name, **run.job.labels}
    backup = backups.create(world, volume, snapshot, labels, "incremental", cause=f"job {run.job.name}")

    def over() -> bool:
        return backup.state in backups.FINAL or backup.name not in volume.backups

    def then() -> None:
        if backup.state == "Completed":
            _trim_backups(world, volume, run.job)
            if world.flag("auto-cleanup-recurring-job-backup-snapshot"):
                _trim_snapshots(world, volume, run.job, keep=1)
        _finish(world, run, volume.name, began, backup.error)

    _watch(world, run, volume, began, over, then)


def _trim_backups(world: World, volume: Volume, job: RecurringJob) -> None:
    mine = [
        b
        for b in world.targets[volume.spec["backupTargetName"]].by_volume.get(volume.name, {}).values()
        if b.labels.get(LABEL) == job.name and b.state == "Completed"
    ]
    mine.sort(key=lambda b: (b.created or world.started, b.asked_at))
    for backup in expired(world, job, mine):
        backups.delete(world, backup.name, by=f"job {job.name}")


def expired(world: World, job: RecurringJob, mine: list[Backup]) -> list[Backup]:
    """Which of a job's backups its retention deletes, oldest first given."""
    if job.retention_policy == "age-based":
        limit = world.now() - timedelta(seconds=duration(job.retain_age))
        return [b for b in mine if b.created and b.created < limit]
    return mine[: max(0, len(mine) - job.retain)]


def duration(text: str) -> float:
    """Seconds of a Go duration."""
    return sum(float(number) * SECONDS[unit] for number, unit in PART.findall(text))


def _trim_snapshots(world: World, volume: Volume, job: RecurringJob, *, keep: int) -> None:
    mine = [cr for cr in volume.snapshot_crs.values() if cr.labels.get(LABEL) == job.name and cr.ready]
    mine.sort(key=lambda cr: (cr.creation_time or cr.created, cr.name))
    for cr in mine[: max(0, len(mine) - keep)]:
        snapshots.delete(world, volume, cr.name)


def facts(run: Run) -> dict[str, Any]:
    """A run as the side API shows it."""
    return {
        "name": run.job.name,
        "began": round(run.began, 3),
        "ended": None if run.ended is None else round(run.ended, 3),
        "seconds": None if run.ended is None else round(run.ended - run.began, 3),
        "done": run.done,
        "waiting": run.waiting,
        "skipped": run.skipped,
    }
