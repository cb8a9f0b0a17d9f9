"""When Longhorn's own jobs run: their cron expressions, in UTC as in Longhorn's cron jobs by default."""

from lhbackupd.simulator import attachment, cron, jobs
from lhbackupd.simulator.model import RecurringJob
from lhbackupd.simulator.world import World


def add(world: World, job: RecurringJob) -> None:
    """A job was created or changed."""
    old = world.jobs.get(job.name)
    job.epoch = old.epoch + 1 if old else 0
    world.jobs[job.name] = job
    world.changed("recurringjobs")
    _plan(world, job)


def _plan(world: World, job: RecurringJob) -> None:
    moment = cron.parse(job.cron).next(world.now())
    if moment is None:
        return

    def due() -> None:
        if world.jobs.get(job.name) is not job:
            return
        world.soon(world.timing.job_start, start)
        _plan(world, job)

    def start() -> None:
        if world.jobs.get(job.name) is job and not jobs.running(world, job.name):
            jobs.fire(world, job.name)

    world.soon((moment - world.now()).total_seconds(), due)


def remove(world: World, name: str) -> None:
    """A job was deleted; tickets that were taken in its name go with it."""
    del world.jobs[name]
    world.changed("recurringjobs")
    for volume in world.volumes.values():
        for ticket in list(volume.tickets.values()):
            if ticket.parameters.get("lastAttachedBy") == name:
                attachment.remove(world, volume, ticket.id, by=f"deletion of job {name}")
