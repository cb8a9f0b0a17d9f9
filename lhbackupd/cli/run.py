"""`lhbackupd run`: the daemon."""

import sys
from pathlib import Path

import click

from lhbackupd.cli.options import (
    FAILED,
    USAGE,
    clock_option,
    config_option,
    die,
    leaves,
    read_config,
    refused_channels,
)
from lhbackupd.clock import Clock
from lhbackupd.config import load


@click.command("run")
@config_option
@clock_option
def command(config_path: Path, clock: Clock) -> None:
    """Run the daemon in the foreground, until SIGTERM; SIGHUP reloads the policies.

    Exit code 0 if it was stopped, 1 if it cannot start or has failed, 2 for a wrong configuration. A Longhorn that
    cannot be reached is waited for.

    \b
    lhbackupd run
    lhbackupd run --config /etc/lhbackupd/config.toml
    """
    import uvloop

    from lhbackupd.assembly import AlreadyRunning, Unusable
    from lhbackupd.daemon import Daemon
    from lhbackupd.engine.journal import JournalError
    from lhbackupd.surface.doorway import ControlError
    from lhbackupd.surface.logs import configure
    from lhbackupd.surface.server import ListenError

    config = read_config(config_path)
    if refused := refused_channels(config):
        die(refused, USAGE)
    configure(form=config.log.format, level=config.log.level, stream=sys.stdout, now=clock.now)
    #: what a person can mend, said in one line each
    users = (JournalError, AlreadyRunning, ControlError, ListenError, ValueError, OSError)
    try:
        daemon = Daemon(config=config, clock=clock, reread=lambda: load(config_path))
        code = uvloop.run(daemon.run())
    except Unusable as error:
        die([f"lhbackupd cannot start: {error}"], USAGE)
    except (*users, ExceptionGroup) as error:
        faults, defect = _split(error, users)
        if defect is not None:
            raise
        die([f"lhbackupd cannot start: {fault}" for fault in faults], FAILED)
    sys.exit(code)


def _split(error: Exception, expected: tuple[type[Exception], ...]) -> tuple[list[BaseException], Exception | None]:
    """The expected errors in what was raised, tasks' groups taken apart, and what else is in it."""
    found, rest = ExceptionGroup("", [error]).split(expected)
    return list(leaves(found)) if found else [], rest
