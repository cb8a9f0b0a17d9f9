"""`lhbackupd adopt`: take over what a lost journal left: its tickets, or with --origin its backups."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import click

from lhbackupd.assembly import Unusable
from lhbackupd.cli.door import Declined, Unanswered, ask
from lhbackupd.cli.options import FAILED, UNREACHABLE, USAGE, clock_option, config_option, die, order, read_config, say
from lhbackupd.cli.origins import Unknown, known_origin, origins, surveyed
from lhbackupd.clock import Clock
from lhbackupd.config import Config
from lhbackupd.longhorn.errors import LonghornError
from lhbackupd.surface.asking import near
from lhbackupd.surface.control import Adopted
from lhbackupd.surface.retaining import AdoptedOrigin

_TIMEOUT = 300.0


@click.command("adopt")
@config_option
@click.option("--origin", help="Instead: take the backups that bear this lost journal's origin for ours, for good.")
@clock_option
@click.option("--json", "as_json", is_flag=True, help="The daemon's answer as JSON.")
def command(config_path: Path, origin: str | None, clock: Clock, as_json: bool) -> None:
    """Give back every attachment ticket of this instance that no live run holds, and let work start.

    For a daemon that starts no work because it found tickets of another journal: its own from before a disk was lost,
    or those of another daemon with the same instance name, which must be stopped first. Exit code 0 if work may start,
    1 if a ticket could not be withdrawn, 2 for a wrong configuration, 3 if the daemon or Longhorn cannot be reached.

    With --origin it is the lost journal's backups that are adopted. They are left alone until then; afterwards
    retention keeps and deletes them as ours, and runs compare volumes with them. Never adopt the origin of a daemon
    that is alive, on another cluster with the same backup store for example. Look first at what retention would
    delete.

    \b
    lhbackupd adopt
    lhbackupd prune --dry-run --origin 5eed0001
    lhbackupd adopt --origin 5eed0001
    """
    config = read_config(config_path)
    if origin is not None:
        _adopt_origin(config, clock, origin, as_json=as_json)
        return
    try:
        raw, answer = ask(config.control.socket, "POST", "/v1/adopt", Adopted, timeout=_TIMEOUT)
    except Unanswered as error:
        die([f"{error}; start it first, or give everything back without it: lhbackupd leave"], UNREACHABLE)
    except Declined as error:
        die([str(error)], UNREACHABLE)
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


def _adopt_origin(config: Config, clock: Clock, origin: str, *, as_json: bool) -> None:
    """Have the daemon adopt an origin that backups in Longhorn bear."""
    try:
        with ExitStack() as stack:
            known = known_origin(config, stack)
        survey = asyncio.run(surveyed(config, clock))
    except Unknown as error:
        die([str(error)], FAILED)
    except Unusable as error:
        die([str(error)], USAGE)
    except LonghornError as error:
        die([f"Longhorn at {config.longhorn.url} cannot be reached: {error}; nothing was adopted"], UNREACHABLE)
    found = origins(survey)
    if origin not in {*found, known.journal, *known.adopted}:
        others = ", ".join(f"{name} ({count} backups)" for name, count in sorted(found.items())) or "none"
        die([f"no backup bears the origin {origin}{near(origin, found)}; origins there are: {others}"], FAILED)
    raw, answer = order(config, "/v1/adopt-origin", {"origin": origin}, AdoptedOrigin)
    if as_json:
        click.echo(raw)
        return
    say(f"{found[origin]} backups of origin {origin} are ours by now; adopted: {', '.join(answer.adopted)}")
