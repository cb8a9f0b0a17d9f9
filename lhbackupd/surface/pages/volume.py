"""One volume: whether it is protected, what became of its runs, and when the next one is."""

from collections.abc import Sequence
from datetime import datetime

from lhbackupd.core.coverage import BARE
from lhbackupd.core.model import Run
from lhbackupd.core.outlook import Planned
from lhbackupd.surface.explanation import Explanation
from lhbackupd.surface.markup import Html, badge, el, join
from lhbackupd.surface.pages.advice import advice, uncovered_advice
from lhbackupd.surface.pages.frame import Frame, alarms, as_of, document
from lhbackupd.surface.pages.parts import (
    GOOD,
    QUIET,
    STANDING_TONE,
    WARN,
    command,
    facts,
    folded_table,
    nothing,
    outcome_badge,
    rpo_badge,
    section,
    size,
    standing_badge,
    state_of,
    when,
)
from lhbackupd.surface.pages.phases import phases
from lhbackupd.surface.pages.plot import plot
from lhbackupd.surface.pages.runs import running_table, waiting_table
from lhbackupd.surface.pages.strip import DAYS, legend, strip
from lhbackupd.surface.report import CoveredVolume, Report, UncoveredVolume
from lhbackupd.surface.words import span

#: finished runs that are read; 30 days of an hourly policy are 720
RUNS = 1000
#: rows of a table
ROWS = 30


def known(report: Report, name: str) -> bool:
    """Whether there is such a volume."""
    return any(
        name == row.volume
        for rows in (report.volumes, report.uncovered, report.elsewhere, report.running, report.waiting)
        for row in rows
    )


def volume(frame: Frame, name: str, history: Sequence[Run], seen: Explanation | str, trouble: str = "") -> str:
    """The document.

    `history` are its finished runs, newest first; `trouble` says why they could not be read. `seen` is what Longhorn
    shows of it, or why nobody knows.
    """
    report = frame.report
    covered = [row for row in report.volumes if row.volume == name]
    bare = [row for row in (*report.uncovered, *report.elsewhere) if row.volume == name]
    named: list[CoveredVolume | UncoveredVolume] = [*covered, *bare]
    claim = next((f"{row.pvc_namespace}/{row.pvc}" for row in named if row.pvc), "")
    return document(
        frame,
        el("h1", claim or name),
        el("p", f"Longhorn volume {name}", class_=QUIET) if claim else "",
        as_of(report),
        alarms(report),
        *(_covered(row, _planned(seen, row.policy), _no_touch(seen, row.policy), report.at) for row in covered),
        *(_uncovered(row) for row in bare),
        _foreseen(seen, report.at),
        _now(report, name),
        _history(history, report.at, trouble),
        _runs(history, report.at),
        _backups(seen, report.at),
        title=claim or name,
    )


def _planned(seen: Explanation | str, policy: str) -> Planned | None:
    """How the next run is expected to go."""
    if isinstance(seen, str):
        return None
    return next((run for run in seen.next if run.policy == policy), None)


def _foreseen(seen: Explanation | str, now: datetime) -> Html | str:
    """As of when that is, if not of now."""
    if isinstance(seen, str) or seen.old_forecast is None or not seen.next:
        return ""
    return el("p", join(("When runs begin is as it was foreseen ", when(seen.old_forecast, now), ".")), class_=QUIET)


def _no_touch(seen: Explanation | str, policy: str) -> str:
    """What it rests on that a volume is let alone, or why it is not."""
    if isinstance(seen, str):
        return ""
    return next((word.no_touch for word in seen.policies if word.name == policy), "")


def _expected(run: Planned | None, now: datetime) -> object:
    if run is None:
        return ""
    if run.start is None or run.end is None:
        return f"{run.outcome.value}: {run.reason}" if run.outcome else run.reason
    where = f" on {run.node}" if run.node else ""
    return join(("begins ", when(run.start, now), f"{where}, takes {span((run.end - run.start).total_seconds())}"))


def _covered(row: CoveredVolume, planned: Planned | None, no_touch: str, now: datetime) -> Html:
    last = join((outcome_badge(row.last_outcome), " ", when(row.last_at, now))) if row.last_outcome else "none yet"
    known_facts = facts(
        (
            ("State", join((standing_badge(row.standing), " ", row.protection))),
            ("Why", row.reason),
            ("What to do", advice(row)),
            ("RPO", join((rpo_badge(row.rpo), " ", row.objective)) if row.objective else ""),
            ("Exposure", row.exposure),
            ("Next run", when(row.next_due, now)),
            ("Expected", _expected(planned, now)),
            ("Last run", last),
            ("Last backup", when(row.last_success, now)),
            ("Looked at", when(row.last_check, now)),
            ("No touch", no_touch),
            (
                "Hidden writes",
                f"inspections that found data which no sign had shown: {row.hidden}" if row.hidden else "",
            ),
            ("New data", f"{size(row.unprotected_bytes)} in no backup" if row.unprotected_bytes else ""),
            ("Longhorn's jobs", f"{', '.join(row.jobs)} back it up as well" if row.jobs else ""),
            ("Failures", f"{row.failures} since a run succeeded" if row.failures else ""),
        )
    )
    return el(
        "div",
        section(f"Policy {row.policy}", known_facts, id_=f"policy-{row.policy}"),
        class_=f"edge {STANDING_TONE[row.standing]}",
    )


def _uncovered(row: UncoveredVolume) -> Html:
    bare = row.cover in BARE
    known_facts = facts(
        (
            ("State", badge(state_of(row), WARN if bare else QUIET)),
            ("Why", row.reason),
            ("What to do", uncovered_advice() if bare else ""),
        )
    )
    return el("div", section("No policy", known_facts, id_="policy-none"), class_=f"edge {WARN if bare else QUIET}")


def _now(report: Report, name: str) -> Html:
    running = [run for run in report.running if run.volume == name]
    waiting = [run for run in report.waiting if run.volume == name]
    parts: list[Html] = []
    if running:
        parts.append(section("Running", running_table(running, report.at, root="../"), id_="running"))
    if waiting:
        parts.append(section("Waiting", waiting_table(waiting, report.at, root="../"), id_="waiting"))
    return join(parts)


def _history(history: Sequence[Run], now: datetime, trouble: str) -> Html:
    if trouble:
        return section("History", el("p", f"The history cannot be read: {trouble}", class_="alarm"), id_="history")
    title = f"Last {DAYS} days"
    if not history:
        return section(title, nothing("No run has ended yet."), id_="history")
    return section(title, strip(history, now), legend(), plot(history, now), id_="history")


def _runs(history: Sequence[Run], now: datetime) -> Html:
    if not history:
        return Html()
    rows = [
        (
            when(run.finished_at, now),
            run.policy,
            outcome_badge(run.outcome),
            run.reason,
            phases(run) if run.started_at else el("span", "did not start", class_=QUIET),
        )
        for run in history[:ROWS]
    ]
    columns = ("Ended", "Policy", "Outcome", "Reason", "Phases")
    inner = folded_table(columns, rows, caption="Runs that have ended, newest first", id_="more-runs")
    more = el("p", "All of them: ", command("lhbackupd", "history", history[0].volume), class_="more")
    return section("Runs", inner, more, id_="runs")


def _backups(seen: Explanation | str, now: datetime) -> Html:
    if isinstance(seen, str) or seen.backups is None:
        why = seen if isinstance(seen, str) else "; ".join(seen.faults)
        return section("Backups", el("p", f"They cannot be shown: {why}", class_="alarm"), id_="backups")
    if not seen.backups:
        return section("Backups", nothing("Longhorn lists none."), id_="backups")
    rows = [
        (
            el("code", one.name),
            one.policy or el("span", "not of ours", class_=QUIET),
            when(one.created, now),
            size(one.size),
            badge(one.state, GOOD if one.state == "Completed" else WARN),
            join((badge("goes", WARN), " ", one.verdict)) if one.expires else one.verdict,
        )
        for one in seen.backups
    ]
    columns = ("Backup", "Policy", "Made", "Size", "State", "What retention says")
    inner = folded_table(columns, rows, caption="Backups that Longhorn lists, newest first", id_="more-backups")
    more = el("p", "What pruning would do: ", command("lhbackupd", "explain", seen.volume), class_="more")
    return section("Backups", inner, more, id_="backups", count=len(rows))
