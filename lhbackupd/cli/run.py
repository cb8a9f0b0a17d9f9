"""`lhbackupd run`: the daemon."""

import sys
from pathlib import Path

import click

from lhbackupd.cli.options import FAILED, clock_option, config_option, die, read_config
from lhbackupd.clock import Clock
from lhbackupd.config import load


@click.command("run")
@config_option
@clock_option
def command(config_path: Path, clock: Clock) -> None:
    """Run the daemon in the foreground, until SIGTERM; SIGHUP reloads the policies."""
    import uvloop

    from lhbackupd.daemon import AlreadyRunning, serve
    from lhbackupd.engine.journal import JournalError
    from lhbackupd.surface.logs import configure

    config = read_config(config_path)
    configure(config.log.format, config.log.level)
    try:
        code = uvloop.run(serve(config, clock=clock, reread=lambda: load(config_path)))
    except (JournalError, AlreadyRunning, ValueError, OSError) as error:
        die([f"lhbackupd cannot start: {error}"], FAILED)
    sys.exit(code)
