"""Runs of Longhorn's own recurring jobs."""

from typing import Any

from lhbackupd.simulator.world import World


def fire(world: World, name: str) -> dict[str, Any]:
    """Run a job now."""
    run: dict[str, Any] = {"name": name, "done": True}
    world.job_runs.append(run)
    return run


def facts(run: dict[str, Any]) -> dict[str, Any]:
    """A run as the side API shows it."""
    return run
