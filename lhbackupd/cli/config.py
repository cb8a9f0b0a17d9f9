"""`lhbackupd config check|show|example|reference`."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from lhbackupd.cli.options import USAGE, config_option, read_config, refused_channels, say
from lhbackupd.clock import Clock
from lhbackupd.config import Config, ConfigFault, advice, example, load, reference, show


@click.group("config")
def group() -> None:
    """Check, show or begin a configuration."""


@group.command("check")
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def check_command(config_path: Path, as_json: bool) -> None:
    """Say what is wrong with a configuration, one line per fault.

    What it says that was hardly meant is told as a warning. Exit code 0 if it can be used, warnings or not, 2 if not.

    \b
    lhbackupd config check
    lhbackupd config check --config new.toml --json
    """
    config, faults = None, []
    try:
        config = load(config_path)
        faults = [*_unusable(config), *refused_channels(config)]
    except ConfigFault as error:
        faults = [str(fault) for fault in error.faults]
    warnings = () if config is None or faults else tuple(advice(config))
    if as_json:
        click.echo(msgspec.json.encode({"version": 1, "faults": faults, "warnings": warnings}))
    else:
        say(*(f"{config_path}: warning: {line}" for line in warnings))
        say(*faults or [f"{config_path}: no faults"], err=bool(faults))
    if faults:
        raise SystemExit(USAGE)


def _unusable(config: Config) -> Iterator[str]:
    """What shows only when it is used: certificates, and the driver of the journal's database."""
    from lhbackupd.assembly import Unusable, connect
    from lhbackupd.engine.journal import Journal, JournalError

    try:
        asyncio.run(connect(config, clock=Clock()).aclose())
        Journal(url=config.state.url, readonly=True).close()
    except (Unusable, JournalError) as error:
        yield str(error)


@group.command("show")
@config_option
def show_command(config_path: Path) -> None:
    """Print the configuration in force, and where each value comes from, as TOML. Secrets are only named by file.

    Exit code 0, 2 for a wrong configuration.

    \b
    lhbackupd config show
    """
    click.echo(show(read_config(config_path)), nl=False)


@group.command("example")
def example_command() -> None:
    """Print an example with every key, its unit, default and reason, as TOML.

    Exit code 0.

    \b
    lhbackupd config example
    """
    click.echo(example(), nl=False)


@group.command("reference")
def reference_command() -> None:
    """Print all keys with meaning, unit, default and variable, as Markdown.

    Exit code 0.

    \b
    lhbackupd config reference
    """
    click.echo(reference(), nl=False)
