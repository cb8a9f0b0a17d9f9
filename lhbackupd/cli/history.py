"""`lhbackupd history`: what became of runs, from the journal, so that it answers with the daemon down as well."""

from contextlib import closing
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
    """Show finished runs, newest first, of all volumes or of one.

    Read from the journal, so that it answers with the daemon down as well. Exit code 0, however the runs ended, 1 if
    the journal cannot be read, 2 for a wrong configuration or usage.

    \b
    lhbackupd history
    lhbackupd history pvc-4f1c2a --policy nightly --limit 200 --json
    """
    from lhbackupd.engine.journal import Journal, JournalError

    config = read_config(config_path)
    try:
        with closing(Journal(url=config.state.url, readonly=True)) as journal:
            # one more than is shown, to know whether there is more
            found = journal.history(volume=volume, policy=policy, limit=limit + 1)
    except JournalError as error:
        die([str(error)], FAILED)
    runs, more = found[:limit], len(found) > limit
    if as_json:
        click.echo(msgspec.json.encode({"version": 1, "runs": runs, "more": more}))
        return
    Screen().print(_table(runs))
    if more:
        click.echo(f"there are older ones; --limit shows more than {limit}")


def _table(runs: tuple[Run, ...]) -> Table:
    title = None if runs else "no run has finished yet"
    made = table("finished (UTC)", "volume", "policy", "outcome", last="reason", title=title)
    for run in runs:
        ended = f"{run.finished_at:%Y-%m-%d %H:%M:%S}" if run.finished_at else ""
        made.add_row(ended, run.volume, run.policy, run.outcome or "", run.reason)
    return made
