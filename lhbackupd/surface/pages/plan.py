"""What would run when: the forecast of the coming hours or days, and the promises that it cannot keep."""

from collections.abc import Iterable
from datetime import date, datetime

from lhbackupd.core.outlook import Miss, Planned
from lhbackupd.surface.markup import Html, badge, el, join, table
from lhbackupd.surface.pages.frame import Frame, alarms, document
from lhbackupd.surface.pages.parts import (
    BAD,
    GOOD,
    PLAIN,
    QUIET,
    WARN,
    command,
    facts,
    folded_table,
    links,
    nothing,
    section,
    when,
)
from lhbackupd.surface.plan import Peak, Plan
from lhbackupd.surface.words import moment, span

#: rows of a table
ROWS = 200
#: how far a plan can reach on this page; the command line knows more
SPANS = {"24h": "24 hours", "7d": "7 days"}


def plan(frame: Frame, made: Plan, reach: str) -> str:
    """The document. `reach` is one of `SPANS`."""
    troubles = len(made.misses) + made.overruns + made.put_off
    words = f"{len(made.runs):,} {'run' if len(made.runs) == 1 else 'runs'} in the next {SPANS[reach]}"
    verdict = f"{words}, {troubles:,} promises cannot be kept" if troubles else words
    others = (
        el("li", el("a", name, href=f"plan?next={key}", aria_current="true" if key == reach else None))
        for key, name in SPANS.items()
    )
    cut = "" if made.whole else "; there are too many runs for more"
    return document(
        frame,
        el("h1", verdict, class_=BAD if troubles else None),
        el("p", f"from {moment(made.at)} to {moment(made.until)}{cut}", class_=f"asof {QUIET}"),
        alarms(frame.report),
        el("nav", el("ul", *others), class_="spans", aria_label="How far the plan reaches"),
        _broken(frame, made),
        _peaks(made),
        section("By policy and day", _days(made.runs), id_="days"),
        section("Runs", *_runs(frame, made), id_="runs", count=len(made.runs)),
        title="Plan",
    )


def _broken(frame: Frame, made: Plan) -> Html:
    if not (made.misses or made.overruns or made.put_off):
        return Html()
    parts: list[Html] = []
    if made.overruns:
        parts.append(el("p", f"{_runs_of(made.overruns)} not done when the policy is due again, which is then skipped"))
    if made.put_off:
        parts.append(el("p", f"{_runs_of(made.put_off)} still waiting when the window closes"))
    if made.misses:
        parts.append(_misses(frame, made.misses))
    return section("What cannot be kept", *parts, id_="misses")


def _runs_of(count: int) -> str:
    return "1 run is" if count == 1 else f"{count:,} runs are"


def _misses(frame: Frame, misses: tuple[Miss, ...]) -> Html:
    names = links(frame.report, (miss.volume for miss in misses[:ROWS]))
    rows = (
        (
            names[miss.volume],
            miss.policy,
            when(miss.at, frame.report.at),
            when(miss.until, frame.report.at) if miss.until else badge("not within this plan", BAD),
        )
        for miss in misses[:ROWS]
    )
    columns = ("Volume", "Policy", "RPO violated from", "Made good at")
    return join((table(columns, rows, caption="RPOs that cannot be met, soonest first"), _rest(len(misses))))


def _rest(count: int) -> Html:
    if count <= ROWS:
        return Html()
    return el("p", f"and {count - ROWS:,} more: ", command("lhbackupd", "plan", "--runs"), class_="more")


def _peaks(made: Plan) -> Html:
    def shown(peaks: Iterable[Peak]) -> Html:
        return join((badge(f"{p.name or 'not known yet'}: {p.most} of {p.limit}", _tone(p)) for p in peaks), " ")

    return section(
        "Most at once",
        facts(
            (
                ("Cluster", shown([made.cluster])),
                ("Nodes", shown(made.nodes)),
                ("Targets", shown(made.targets)),
            )
        ),
        id_="peaks",
    )


def _tone(peak: Peak) -> str:
    return PLAIN if peak.most < peak.limit else WARN


def _days(runs: Iterable[Planned]) -> Html:
    days: dict[tuple[date, str], list[Planned]] = {}
    for run in runs:
        days.setdefault((run.due.date(), run.policy), []).append(run)
    if not days:
        return nothing("Nothing.")
    columns = ("Due (UTC)", "Policy", "Runs", "First begins", "Last ends", "Work")
    rows = ((f"{day}", policy, f"{len(found):,}", *_extent(found)) for (day, policy), found in sorted(days.items()))
    return table(columns, rows, caption="Planned runs by day and policy")


def _extent(found: list[Planned]) -> tuple[str, str, str]:
    times = [(run.start, run.end) for run in found if run.start and run.end]
    if not times:
        return "", "", ""
    work = sum((end - start).total_seconds() for start, end in times)
    first, last = min(start for start, _ in times), max(end for _, end in times)
    return f"{first:%Y-%m-%d %H:%M}", f"{last:%Y-%m-%d %H:%M}", span(work)


def _runs(frame: Frame, made: Plan) -> tuple[Html, ...]:
    if not made.runs:
        return (nothing("Nothing."),)
    shown = made.runs[:ROWS]
    names = links(frame.report, (run.volume for run in shown))
    columns = ("Volume", "Policy", "Begins", "Lasts", "Node", "What is expected")
    rows = [_run(run, names[run.volume], frame.report.at) for run in shown]
    caption = "Planned runs, by their beginning"
    return folded_table(columns, rows, caption=caption, id_="more-runs", first=20), _rest(len(made.runs))


def _run(run: Planned, name: Html, now: datetime) -> tuple[object, ...]:
    lasts = span((run.end - run.start).total_seconds()) if run.start and run.end else ""
    begins = when(run.start, now) if run.start else el("span", "not in this plan", class_=QUIET)
    return name, run.policy, begins, lasts, run.node, _words(run)


def _words(run: Planned) -> Html:
    parts: list[Html] = []
    if run.outcome is not None:
        parts.append(badge(run.outcome.value, WARN))
    elif run.start is not None:
        parts.append(badge("looks, and backs up what is new", GOOD))
    if run.reason:
        parts.append(el("span", run.reason))
    if run.overruns is not None:
        parts.append(badge(f"not done when due again at {moment(run.overruns)}", BAD))
    if run.put_off:
        parts.append(badge("its window closes before it begins", BAD))
    return join(parts, " ")
