"""`lhbackupd history`: what became of runs, from the journal, so that it answers with the daemon down as well."""

from pathlib import Path

import click
import msgspec
from rich.table import Table

from lhbackupd.cli.options import FAILED, config_option, die, read_config
from lhbackupd.cli.screen import Screen, table
from lhbackupd.core.model import Run


@click.command("history")
@click.argument("volume", required=False)
@config_option
@click.option("--policy", help="Only runs of this policy.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def command(volume: str | None, config_path: Path, policy: str | None, limit: int, as_json: bool) -> None:
    """Show finished runs, newest first, of all volumes or of one."""
    from lhbackupd.engine.journal import Journal, JournalError

    journal = Journal(url=read_config(config_path).state.url, readonly=True)
    try:
        runs = journal.history(volume=volume, policy=policy, limit=limit)
    except JournalError as error:
        die([str(error)], FAILED)
    finally:
        journal.close()
    if as_json:
        click.echo(msgspec.json.encode({"version": 1, "runs": runs}).decode())
    else:
        Screen().print(_table(runs))


def _table(runs: tuple[Run, ...]) -> Table:
    title = None if runs else "no run has finished yet"
    made = table("finished (UTC)", "volume", "policy", "outcome", last="reason", title=title)
    for run in runs:
        ended = f"{run.finished_at:%Y-%m-%d %H:%M:%S}" if run.finished_at else ""
        made.add_row(ended, run.volume, run.policy, run.outcome or "", run.reason)
    return made
