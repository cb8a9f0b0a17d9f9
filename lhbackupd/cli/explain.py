"""`lhbackupd explain VOLUME`: one screen about one volume, asked of the daemon."""

from collections.abc import Iterator
from pathlib import Path

import click

from lhbackupd.cli.asking import ask
from lhbackupd.cli.options import FAILED, USAGE, config_option, die, read_config, say
from lhbackupd.core.coverage import BARE
from lhbackupd.core.outlook import Planned
from lhbackupd.surface.explanation import NAME, NO_NAME, Explanation, PolicyWord, RunWord
from lhbackupd.surface.words import moment, span

#: seconds: Longhorn is asked, and the queue is played through
_TIMEOUT = 120.0
#: backups shown without --all
_BACKUPS = 12


@click.command("explain")
@click.argument("volume")
@config_option
@click.option("--all", "everything", is_flag=True, help="All backups, and policies that are not for it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, as /explain/VOLUME.json has it.")
def command(volume: str, config_path: Path, everything: bool, as_json: bool) -> None:
    """Say of one volume which policies are for it and why, what came of it, what is new, and what comes next.

    Changes nothing. Exit code 0 if it is protected, or left alone on purpose, 1 if it is unprotected, failing, violates
    an RPO or nobody backs it up, 2 for a wrong configuration or a volume that there is not, 3 if the daemon cannot be
    reached.

    \b
    lhbackupd explain pvc-4f1c2a
    lhbackupd explain pvc-4f1c2a --all
    """
    config = read_config(config_path)
    if not NAME.fullmatch(volume):
        die([NO_NAME], USAGE)
    raw, found = ask(config, f"explain/{volume}.json", Explanation, timeout=_TIMEOUT)
    if as_json:
        click.echo(raw)
    else:
        say(*_lines(found, everything=everything))
    if not found.fine:
        raise SystemExit(FAILED)


def _lines(found: Explanation, *, everything: bool) -> Iterator[str]:
    claim = f" ({found.pvc_namespace}/{found.pvc})" if found.pvc else ""
    size = f", {found.size} bytes" if found.size else ""
    yield f"{found.volume}{claim}: {found.state or 'Longhorn does not show it'}{size}"
    for fault in found.faults:
        yield f"  could not be read: {fault}"
    yield "policies"
    yield from _policies(found, everything=everything)
    yield "new data"
    yield from _new(found)
    yield "runs"
    for run in found.unfinished:
        yield f"  now       {run.policy}: {run.reason}{_phases(run)}"
    for run in found.finished:
        ended = f"{run.finished_at:%m-%d %H:%M}" if run.finished_at else ""
        yield f"  {ended}  {run.policy}: {run.outcome}: {run.reason}{_phases(run)}"
    if not found.unfinished and not found.finished:
        yield "  none is known"
    yield "next"
    yield from _next(found)
    yield "nodes"
    for choice in found.nodes:
        yield f"  {'→' if choice.chosen else ' '} {choice.node}: {choice.reason}"
    yield "backups"
    yield from _backups(found, everything=everything)


def _policies(found: Explanation, *, everything: bool) -> Iterator[str]:
    applying = [policy for policy in found.policies if policy.applies]
    others = [policy for policy in found.policies if not policy.applies]
    if found.cover is not None:
        backed = "NOTHING BACKS IT UP: " if found.cover.cover in BARE else ""
        yield f"  none that acts is for it: {backed}{found.cover.reason}"
    for policy in applying:
        rpo = f", RPO {span(policy.rpo)}" if policy.rpo is not None else ""
        yield f'  {policy.name} ("{policy.cron}" in {policy.timezone}{rpo}): {policy.why}'
        if policy.standing is not None:
            yield f"    {policy.standing.standing}: {policy.standing.protection}; {policy.standing.reason}"
        if policy.barred:
            yield f"    a run would not back it up now: {policy.barred}"
        if policy.no_touch:
            yield f"    no_touch: {policy.no_touch}"
        if policy.standing is not None and policy.standing.hidden:
            yield f"    inspections that found data which no sign had shown: {policy.standing.hidden}"
    if others and not (everything or not applying):
        yield f"  {len(others)} more are not for it; --all says why"
        return
    for policy in others:
        yield f"  not {policy.name}: {policy.why}"


def _new(found: Explanation) -> Iterator[str]:
    since = f"after {moment(found.protected_until)}" if found.protected_until else "ever: it was never backed up"
    yield f"  in no backup may be what was written {since}"
    for policy in found.policies:
        if words := _seen(policy):
            yield f"  {policy.name}: {words}"


def _seen(policy: PolicyWord) -> str:
    if policy.new_bytes is not None:
        return policy.new
    row = policy.standing
    if row is None or row.last_check is None:
        return ""
    return f"the last look, at {moment(row.last_check)}, left {row.unprotected_bytes} bytes without a backup"


def _phases(run: RunWord) -> str:
    times = ", ".join(f"{one.phase} {span(one.seconds)}" for one in run.phases)
    return f" ({times})" if times else ""


def _next(found: Explanation) -> Iterator[str]:
    planned = {run.policy for run in found.next}
    for run in found.next:
        yield f"  {run.policy}: {_place(run)}"
    if found.old_forecast:
        yield f"  as it was foreseen at {moment(found.old_forecast)}"
    for policy in found.policies:
        if policy.applies and policy.name not in planned and policy.standing and policy.standing.next_due:
            yield f"  {policy.name}: due at {moment(policy.standing.next_due)}"


def _place(run: Planned) -> str:
    due = f"due at {moment(run.due)}"
    if run.start is None:
        outcome = f"{run.outcome.value}: " if run.outcome else ""
        return f"{due}; {outcome}{run.reason or 'does not begin within an hour'}"
    lasts = f" for {span((run.end - run.start).total_seconds())}" if run.end else ""
    return f"{due}; begins at {moment(run.start)}{lasts} on {run.node}, as far as can be foreseen"


def _backups(found: Explanation, *, everything: bool) -> Iterator[str]:
    if found.backups is None:
        yield "  they could not be read"
        return
    shown = found.backups if everything else found.backups[:_BACKUPS]
    for backup in shown:
        made = f"{backup.created:%Y-%m-%d %H:%M}" if backup.created else "when is not known"
        policy = f", {backup.policy}" if backup.policy else ""
        yield f"  {backup.name} ({backup.state or 'begun'}, {made}{policy}): {backup.verdict}"
    if len(shown) < len(found.backups):
        yield f"  {len(found.backups) - len(shown)} older ones; --all shows them"
    if not found.backups:
        yield "  none"
