"""`lhbackupd status`: the daemon's report, asked of its own port, once or again and again."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.table import Table

from lhbackupd.cli.asking import ask, askable
from lhbackupd.cli.headlines import headlines
from lhbackupd.cli.options import FAILED, config_option, read_config
from lhbackupd.cli.screen import Screen, table
from lhbackupd.cli.watch import follow, watch
from lhbackupd.core.rpo import Rpo
from lhbackupd.surface.report import CoveredVolume, Report
from lhbackupd.surface.standing import CALM

_TIMEOUT = 10.0


@click.command("status")
@config_option
@click.option("--watch", "live", is_flag=True, help="A live view on a terminal, until Ctrl-C.")
@click.option(
    "--json", "as_json", is_flag=True,
    help="The report as JSON, as /status.json has it; with --watch a line of it now and after every change.",
)  # fmt: skip
def command(config_path: Path, live: bool, as_json: bool) -> None:
    """Say what is protected, what is not and why, what runs, and what waits for what.

    With --watch the view is kept up to date: how each policy stands to its RPO, runs with their progress, the queue
    with reasons, and what is not protected. A daemon that does not answer is said in it, and asked on. The exit code is
    that of the moment in which it is ended.

    Exit code 0 if all is well, 1 if something is unprotected or failing, an RPO is violated, a pause is overdue, or
    daemon or Longhorn are not as they should be, 2 for a wrong configuration or usage, 3 if the daemon cannot be
    reached.

    \b
    lhbackupd status
    lhbackupd status --watch
    lhbackupd status --watch --json
    """
    config = read_config(config_path)
    if live:
        askable(config)
        sys.exit(follow(config) if as_json else watch(config))
    raw, report = ask(config, "status.json", Report, timeout=_TIMEOUT)
    if as_json:
        click.echo(raw)
    else:
        _show(report, Screen())
    if not report.fine:
        raise SystemExit(FAILED)


def _show(report: Report, console: Screen) -> None:
    for line in headlines(report):
        console.print(line)
    if report.volumes:
        console.print(_volumes(report))
    for row in report.uncovered:
        console.print(f"{row.volume}: NOT COVERED: {row.reason}")
    for row in report.elsewhere:
        console.print(f"{row.volume}: {row.reason}")
    for name, jobs in sorted({(row.volume, row.jobs) for row in report.volumes if row.jobs}):
        console.print(f"{name}: backed up by Longhorn's recurring job {' and '.join(jobs)} as well")
    for policy in report.unused:
        console.print(f"policy {policy} matches no volume")
    for run in report.running:
        console.print(f"running  {run.volume} ({run.policy}): {run.phase} {run.progress} % {run.reason} (run {run.id})")
    for waiting in report.waiting:
        console.print(f"waiting  {waiting.volume} ({waiting.policy}): {waiting.reason} (run {waiting.id})")


def _volumes(report: Report) -> Table:
    made = table("volume", "policy", "standing", "next due (UTC)", last="in words")
    for row in report.volumes:
        due = f"{row.next_due:%m-%d %H:%M}" if row.next_due else ""
        made.add_row(row.volume, row.policy, row.standing, due, "; ".join(_in_words(row)))
    return made


def _in_words(row: CoveredVolume) -> Iterator[str]:
    """How far a volume is protected, and what speaks against it."""
    told = (
        "" if row.standing in CALM and row.protection else row.reason,
        row.protection,
        row.exposure,
        "" if row.rpo is Rpo.COMPLIANT or row.objective in row.reason else row.objective,
    )
    yield from dict.fromkeys(part for part in told if part)
