"""`lhbackupd import-jobs`: Longhorn's own recurring jobs as policies, for whoever moves from them. Changes nothing."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import click

from lhbackupd.assembly import Unusable, connect
from lhbackupd.cli.options import FAILED, UNREACHABLE, USAGE, clock_option, config_option, die
from lhbackupd.clock import Clock
from lhbackupd.config import Config, ConfigFault, load
from lhbackupd.core.recurring import Membership, NativeJob
from lhbackupd.engine.survey import Surveyor
from lhbackupd.longhorn.errors import LonghornError
from lhbackupd.surface.imported import policies

_NEXT = """\
{count} of {all} recurring jobs make backups. What to do next:
  1. put these policies into the configuration; lhbackupd config check says whether they will do
  2. let them run as shadows for a week, which touches nothing: lhbackupd history says what they would have done
  3. set mode = "active", and delete the jobs in Longhorn: lhbackupd status says what is backed up twice, or by nobody
"""


@click.command("import-jobs")
@config_option
@clock_option
@click.option("--url", metavar="URL", help="Where Longhorn's API is, in place of what the configuration says.")
def command(config_path: Path, clock: Clock, url: str | None) -> None:
    """Print Longhorn's recurring backup jobs as TOML policies, on standard output.

    Of the configuration only [longhorn] is used. Exit code 0 if all were read, 1 if some volumes could not be asked, 2
    for a wrong configuration, 3 if Longhorn cannot be reached.

    \b
    lhbackupd import-jobs
    lhbackupd import-jobs --url http://longhorn-backend:9500
    """
    config = _config(config_path, url)
    try:
        jobs, members, faults = asyncio.run(_read(config, clock))
    except Unusable as error:
        die([str(error)], USAGE)
    except LonghornError as error:
        die([f"{config.longhorn.url} cannot be asked for its recurring jobs: {error}"], UNREACHABLE)
    click.echo(policies(jobs, members), nl=False)
    click.echo(_NEXT.format(count=sum(job.backs_up for job in jobs), all=len(jobs)), err=True, nl=False)
    if faults:
        die([f"jobs that are set on these volumes alone are not known: {fault}" for fault in faults], FAILED)


def _config(path: Path, url: str | None) -> Config:
    environ = dict(os.environ) | ({"LHBACKUPD_LONGHORN__URL": url} if url else {})
    try:
        return load(None if url and not path.exists() else path, environ)
    except ConfigFault as error:
        die((str(fault) for fault in error.faults), USAGE)


async def _read(
    config: Config, clock: Clock
) -> tuple[tuple[NativeJob, ...], Mapping[str, Membership], tuple[str, ...]]:
    longhorn = connect(config, clock=clock)
    surveyor = Surveyor(longhorn=longhorn, now=clock.now)
    try:
        jobs, members = await surveyor.jobs()
    finally:
        await longhorn.aclose()
    return jobs, members, tuple(surveyor.faults)
