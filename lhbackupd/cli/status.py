"""`lhbackupd status`: the daemon's report, asked of its own port."""

from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from lhbackupd.cli.asking import ask
from lhbackupd.cli.options import FAILED, config_option, read_config
from lhbackupd.core.rpo import Rpo
from lhbackupd.surface.report import CoveredVolume, Report

_TIMEOUT = 10.0


@click.command("status")
@config_option
@click.option("--json", "as_json", is_flag=True, help="The report as JSON, as /status.json has it.")
def command(config_path: Path, as_json: bool) -> None:
    """Say what is protected, what is not and why, what runs, and what waits for what.

    Exit code 0 if all is well, 1 if something is unprotected or failing or a pause is overdue, 2 for a wrong
    configuration, 3 if the daemon cannot be reached.
    """
    raw = ask(read_config(config_path), "status.json", timeout=_TIMEOUT)
    report = msgspec.json.decode(raw, type=Report)
    if as_json:
        click.echo(raw)
    else:
        _show(report, Console())
    totals = report.totals
    overdue = any(pause.overdue for pause in report.paused)
    if totals.unprotected or totals.failing or totals.uncovered or overdue or not report.daemon.ready:
        raise SystemExit(FAILED)


def _show(report: Report, console: Console) -> None:
    daemon, longhorn, totals = report.daemon, report.longhorn, report.totals
    console.print(f"lhbackupd {daemon.version} ({daemon.instance}), {'ready' if daemon.ready else 'NOT READY'}")
    for reason in daemon.unready:
        console.print(f"  {reason}", markup=False)
    if daemon.adopted:
        console.print(f"origin {daemon.origin}, with {', '.join(daemon.adopted)} adopted")
    for pause in report.paused:
        console.print(f"PAUSED{', OVERDUE' if pause.overdue else ''}: {pause.words}", markup=False)
    reach = "reachable" if longhorn.reachable else f"NOT REACHABLE: {longhorn.fault}"
    console.print(f"Longhorn at {longhorn.url}: {reach}", markup=False)
    console.print(f"setting {longhorn.setting}: {longhorn.setting_means}", markup=False)
    console.print(
        f"{totals.protected} protected, {totals.unprotected} unprotected, {totals.failing} failing, "
        f"{totals.suspended} suspended, {totals.uncovered} uncovered, "
        f"{totals.native} left to Longhorn's own jobs, {totals.excluded} excluded"
    )
    if report.volumes:
        console.print(_volumes(report))
    for row in report.uncovered:
        console.print(f"{row.volume}: NOT COVERED: {row.reason}", markup=False)
    for row in report.elsewhere:
        console.print(f"{row.volume}: {row.reason}", markup=False)
    for name, jobs in sorted({(row.volume, row.jobs) for row in report.volumes if row.jobs}):
        console.print(f"{name}: backed up by Longhorn's recurring job {' and '.join(jobs)} as well", markup=False)
    for policy in report.unused:
        console.print(f"policy {policy} matches no volume", markup=False)
    for run in report.running:
        console.print(f"running  {run.volume} ({run.policy}): {run.phase} {run.progress} % {run.reason}", markup=False)
    for waiting in report.waiting:
        console.print(f"waiting  {waiting.volume} ({waiting.policy}): {waiting.reason}", markup=False)


def _volumes(report: Report) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("volume", "policy", "standing", "next due (UTC)"):
        table.add_column(name, no_wrap=True)
    table.add_column("in words", overflow="fold")
    for row in report.volumes:
        due = f"{row.next_due:%m-%d %H:%M}" if row.next_due else ""
        table.add_row(row.volume, row.policy, row.standing, due, _in_words(row))
    return table


def _in_words(row: CoveredVolume) -> str:
    """How far a volume is protected, and what speaks against it."""
    told = (row.protection or row.reason, row.exposure, "" if row.rpo is Rpo.COMPLIANT else row.objective)
    return "; ".join(part for part in told if part)
