"""`lhbackupd notify test`: whether messages arrive."""

import asyncio
from datetime import datetime
from pathlib import Path

import click

from lhbackupd.cli.options import FAILED, USAGE, clock_option, config_option, die, read_config, refused_channels
from lhbackupd.clock import Clock
from lhbackupd.config import Config


@click.group("notify")
def group() -> None:
    """Try the channels on which people are told of troubles."""


@group.command("test")
@config_option
@clock_option
def test_command(config_path: Path, clock: Clock) -> None:
    """Send a test message to every channel of [notify], and say which took it.

    Exit code 0 if all did, 1 if one did not, 2 for a wrong configuration or one without channels. Policies' pings are
    not made: they would count as backups.

    \b
    lhbackupd notify test
    """
    config = read_config(config_path)
    if config.notify.urls_file is None:
        die([f"{config_path}: notify.urls_file is not set, so there is no channel to test"], USAGE)
    if faults := refused_channels(config):
        die(faults, USAGE)
    if not asyncio.run(_test(config, clock.now())):
        raise SystemExit(FAILED)


async def _test(config: Config, now: datetime) -> bool:
    """Send, one channel after another; whether all took it."""
    from lhbackupd.messengers import senders
    from lhbackupd.surface.notify.letter import Letter
    from lhbackupd.surface.notify.outbox import Undelivered
    from lhbackupd.surface.words import moment

    letter = Letter(
        title=f"{config.instance}: test message",
        body=f"lhbackupd notify test was called at {moment(now)}. Troubles with backups are told here.",
    )
    all_taken = True
    for name, send in senders(config.notify).items():
        try:
            await send(letter)
            click.echo(f"{name}: sent")
        except Undelivered as error:
            click.echo(f"{name}: NOT sent: {error}; check its URL in {config.notify.urls_file}", err=True)
            all_taken = False
    return all_taken
