"""`lhbackupd config check|show|example|reference`."""

from pathlib import Path

import click

from lhbackupd.cli.options import USAGE, config_option, die, read_config, refused_channels
from lhbackupd.config import advice, example, reference, show


@click.group("config")
def group() -> None:
    """Check, show or begin a configuration."""


@group.command("check")
@config_option
def check_command(config_path: Path) -> None:
    """Say what is wrong with a configuration, one line per fault; exit code 2 if anything is.

    What it says that was hardly meant is told as a warning, with exit code 0.
    """
    config = read_config(config_path)
    if refused := refused_channels(config):
        die(refused, USAGE)
    for line in advice(config):
        click.echo(f"{config_path}: warning: {line}")
    click.echo(f"{config_path}: no faults")


@group.command("show")
@config_option
def show_command(config_path: Path) -> None:
    """Print the configuration in force, and where each value comes from."""
    click.echo(show(read_config(config_path)), nl=False)


@group.command("example")
def example_command() -> None:
    """Print an example with every key, its unit, default and reason."""
    click.echo(example(), nl=False)


@group.command("reference")
def reference_command() -> None:
    """Print all keys with meaning, unit, default and variable, as Markdown."""
    click.echo(reference(), nl=False)
