"""`lhbackupd plan`: what would run when, asked of the daemon."""

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from urllib.parse import quote

import click
from rich.table import Table

from lhbackupd.cli.asking import ask
from lhbackupd.cli.options import FAILED, config_option, read_config, say
from lhbackupd.cli.screen import Screen, table
from lhbackupd.core.outlook import Miss, Planned
from lhbackupd.surface.plan import Peak, Plan
from lhbackupd.surface.words import moment, span

#: seconds; a plan of many runs takes some
_TIMEOUT = 120.0


@click.command("plan")
@config_option
@click.option("--next", "reach", default="7d", show_default=True, metavar="SPAN", help="How far: 1h to 31d.")
@click.option("--runs", "every_run", is_flag=True, help="A line for every run, and not only for every policy and day.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, as /plan.json has it.")
def command(config_path: Path, reach: str, every_run: bool, as_json: bool) -> None:
    """Say what would run when, for how long and where, and which promises cannot be kept.

    Worked out by the daemon's own decisions from what it knows now; nothing is touched. Exit code 0 if all can be
    met, 1 if an RPO, a window or a due time cannot, 2 for a wrong configuration or question, 3 if the daemon cannot be
    reached.

    \b
    lhbackupd plan --next 7d
    lhbackupd plan --next 1d --runs
    """
    raw, plan = ask(read_config(config_path), f"plan.json?next={quote(reach)}", Plan, timeout=_TIMEOUT)
    if as_json:
        click.echo(raw)
    else:
        _show(plan, Screen(), every_run=every_run)
    if plan.misses or plan.overruns or plan.put_off:
        raise SystemExit(FAILED)


def _show(plan: Plan, console: Screen, *, every_run: bool) -> None:
    cut = "" if plan.whole else ", and no further: there are too many runs for one plan"
    click.echo(f"from {moment(plan.at)} to {moment(plan.until)}{cut}")
    if every_run:
        console.print(_runs(plan.runs))
    else:
        console.print(_days(plan.runs))
        click.echo(f"{len(plan.runs)} runs; --runs shows each")
    for line in (*_idle(plan.runs), *_peaks(plan), *_misses(plan.misses), *_late(plan)):
        say(line)


def _days(runs: Iterable[Planned]) -> Table:
    """A line for every day and policy."""
    days: dict[tuple[date, str], list[Planned]] = {}
    for run in runs:
        days.setdefault((run.due.date(), run.policy), []).append(run)
    made = table("due (UTC)", "policy", "runs", "first begins", "last ends", last="work")
    for (day, policy), found in sorted(days.items()):
        starts = [run.start for run in found if run.start]
        ends = [run.end for run in found if run.end]
        work = sum((run.end - run.start).total_seconds() for run in found if run.start and run.end)
        first, last = f"{min(starts):%m-%d %H:%M}" if starts else "", f"{max(ends):%m-%d %H:%M}" if ends else ""
        made.add_row(f"{day}", policy, str(len(found)), first, last, span(work) if starts else "none")
    return made


def _runs(runs: Iterable[Planned]) -> Table:
    made = table("begins (UTC)", "lasts", "volume", "policy", "due", "node", last="in words")
    for run in runs:
        begins = f"{run.start:%m-%d %H:%M:%S}" if run.start else ""
        lasts = span((run.end - run.start).total_seconds()) if run.start and run.end else ""
        words = "; ".join(_words(run))
        made.add_row(begins, lasts, run.volume, run.policy, f"{run.due:%m-%d %H:%M}", run.node, words)
    return made


def _words(run: Planned) -> Iterator[str]:
    if run.outcome is not None:
        yield run.outcome.value
    if run.reason:
        yield run.reason
    if run.overruns:
        yield f"not done when due again at {moment(run.overruns)}"
    if run.put_off:
        yield "its window closes before it begins"
    if run.start is None and run.outcome is None and not run.reason:
        yield "does not begin within this plan"


def _idle(runs: Iterable[Planned]) -> Iterator[str]:
    """Runs that get no place, counted by why."""
    reasons: dict[str, set[str]] = {}
    for run in runs:
        if run.start is None and run.reason:
            words = f"{run.outcome.value if run.outcome else 'waits'} ({run.policy}): {run.reason}"
            reasons.setdefault(words, set()).add(run.volume)
    for words, volumes in sorted(reasons.items()):
        names = sorted(volumes)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004
        yield f"{', '.join(names[:3])}{more}: {words}"


def _peaks(plan: Plan) -> Iterator[str]:
    def place(peak: Peak) -> str:
        return f"{peak.name} {peak.most} of {peak.limit}"

    yield f"at most at once: {place(plan.cluster)}; " + "; ".join(
        f"{what} {', '.join(map(place, peaks)) or 'none'}"
        for what, peaks in (("nodes", plan.nodes), ("targets", plan.targets))
    )


def _misses(misses: Iterable[Miss]) -> Iterator[str]:
    for miss in misses:
        good = f"until a run ends at {moment(miss.until)}" if miss.until else "and no run ends before this plan does"
        yield f"{miss.volume}: the RPO of {miss.policy} cannot be met: violated from {moment(miss.at)} on, {good}"


def _late(plan: Plan) -> Iterator[str]:
    if plan.overruns:
        yield f"{plan.overruns} runs are not done when their policy is due again, which is skipped"
    if plan.put_off:
        yield f"{plan.put_off} runs have not begun when their window closes"
