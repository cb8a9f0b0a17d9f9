"""`lhbackupd adopt`: give back tickets that a lost journal left, and let work start."""

from pathlib import Path

import click
import msgspec

from lhbackupd.cli.door import Declined, Unanswered, ask
from lhbackupd.cli.options import FAILED, UNREACHABLE, config_option, die, read_config, say
from lhbackupd.surface.control import Adopted

_TIMEOUT = 300.0


@click.command("adopt")
@config_option
@click.option("--json", "as_json", is_flag=True, help="The daemon's answer as JSON.")
def command(config_path: Path, as_json: bool) -> None:
    """Give back every attachment ticket of this instance that no live run holds, and let work start.

    For a daemon that starts no work because it found tickets of another journal: its own from before a disk was lost,
    or those of another daemon with the same instance name, which must be stopped first. Exit code 0 if work may start,
    1 if a ticket could not be withdrawn, 2 for a wrong configuration, 3 if the daemon or Longhorn cannot be reached.
    """
    config = read_config(config_path)
    try:
        raw = ask(config.control.socket, "POST", "/v1/adopt", timeout=_TIMEOUT)
    except Unanswered as error:
        die([f"{error}; start it first, or give everything back without it: lhbackupd leave"], UNREACHABLE)
    except Declined as error:
        die([str(error)], UNREACHABLE)
    answer = msgspec.json.decode(raw, type=Adopted)
    if as_json:
        click.echo(raw)
    else:
        _show(answer)
    if answer.blocked or any(held.fault for held in answer.given_back):
        raise SystemExit(FAILED)


def _show(answer: Adopted) -> None:
    for held in answer.given_back:
        what = f"NOT given back ({held.fault})" if held.fault else "given back"
        say(f"{held.volume}: {held.claim} ticket {held.ticket} {what}")
    if not answer.given_back:
        say("no ticket of this instance is without a live run: nothing to adopt")
    say(f"work may not start: {answer.blocked}" if answer.blocked else "work may start")
