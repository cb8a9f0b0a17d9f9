"""Longhorn's own recurring jobs (placeholder for their runs)."""

from lhbackupd.simulator.model import RecurringJob
from lhbackupd.simulator.world import World


def add(world: World, job: RecurringJob) -> None:
    """A job was created or changed."""
    world.jobs[job.name] = job
    world.changed("recurringjobs")


def remove(world: World, name: str) -> None:
    """A job was deleted."""
    del world.jobs[name]
    world.changed("recurringjobs")
