"""`lhbackupd status`: the daemon's report, asked of its own port."""

import urllib.error
import urllib.request
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from lhbackupd.cli.options import FAILED, UNREACHABLE, USAGE, config_option, die, read_config
from lhbackupd.config import Config
from lhbackupd.core.rpo import Rpo
from lhbackupd.surface.report import CoveredVolume, Report

_TIMEOUT = 10.0


@click.command("status")
@config_option
@click.option("--json", "as_json", is_flag=True, help="The report as JSON, as /status.json has it.")
def command(config_path: Path, as_json: bool) -> None:
    """Say what is protected, what is not and why, what runs, and what waits for what.

    Exit code 0 if all is well, 1 if something is unprotected or failing, 2 for a wrong configuration, 3 if the daemon
    cannot be reached.
    """
    raw = _fetch(read_config(config_path))
    report = msgspec.json.decode(raw, type=Report)
    if as_json:
        click.echo(raw)
    else:
        _show(report, Console())
    totals = report.totals
    if totals.unprotected or totals.failing or totals.uncovered or not report.daemon.ready:
        raise SystemExit(FAILED)


def _fetch(config: Config) -> bytes:
    if config.http.address is None:
        die(['http.listen is "off": this daemon cannot be asked'], USAGE)
    try:
        return fetch(config, timeout=_TIMEOUT)
    except OSError as error:
        die([f"{error}; is it running? see its log"], UNREACHABLE)


def fetch(config: Config, *, timeout: float) -> bytes:
    """The report as JSON, asked of the daemon's own port. Raises OSError where nobody answers."""
    if config.http.address is None:
        raise OSError('http.listen is "off"')
    host, port = config.http.address
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- compared, not bound
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/status.json"
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            body: bytes = answer.read()
            return body
    except (urllib.error.URLError, OSError) as error:
        raise OSError(f"the daemon does not answer at {url}: {getattr(error, 'reason', error)}") from error


def _show(report: Report, console: Console) -> None:
    daemon, longhorn, totals = report.daemon, report.longhorn, report.totals
    console.print(f"lhbackupd {daemon.version} ({daemon.instance}), {'ready' if daemon.ready else 'NOT READY'}")
    for reason in daemon.unready:
        console.print(f"  {reason}", markup=False)
    reach = "reachable" if longhorn.reachable else f"NOT REACHABLE: {longhorn.fault}"
    console.print(f"Longhorn at {longhorn.url}: {reach}", markup=False)
    console.print(f"setting {longhorn.setting}: {longhorn.setting_means}", markup=False)
    console.print(
        f"{totals.protected} protected, {totals.unprotected} unprotected, {totals.failing} failing, "
        f"{totals.suspended} suspended, {totals.uncovered} uncovered"
    )
    if report.volumes:
        console.print(_volumes(report))
    for row in report.uncovered:
        console.print(f"{row.volume}: covered by no policy: {row.reason}", markup=False)
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
