"""One volume: whether it is protected, what became of its runs, and when the next one is."""

from collections.abc import Sequence
from datetime import datetime

from lhbackupd.core.model import Outcome, Run
from lhbackupd.surface.markup import Html, badge, el, join, table
from lhbackupd.surface.pages.advice import advice, uncovered_advice
from lhbackupd.surface.pages.frame import Frame, alarms, as_of, document
from lhbackupd.surface.pages.parts import (
    BAD,
    GOOD,
    QUIET,
    WARN,
    command,
    facts,
    folded,
    nothing,
    outcome_badge,
    section,
    size,
    standing_badge,
    when,
)
from lhbackupd.surface.pages.phases import phases
from lhbackupd.surface.pages.plot import plot
from lhbackupd.surface.pages.runs import running_table, waiting_table
from lhbackupd.surface.pages.strip import DAYS, legend, strip
from lhbackupd.surface.report import CoveredVolume, Report, UncoveredVolume
from lhbackupd.surface.standing import Standing

#: finished runs that are read; 30 days of an hourly policy are 720
RUNS = 1000
#: rows of a table, and how many of them are seen at once
ROWS, FIRST = 30, 5


def known(report: Report, name: str) -> bool:
    """Whether there is such a volume."""
    return any(
        name == row.volume
        for rows in (report.volumes, report.uncovered, report.running, report.waiting)
        for row in rows
    )


def volume(frame: Frame, name: str, history: Sequence[Run], trouble: str = "") -> str:
    """The document. `history` are its finished runs, newest first; `trouble` says why they could not be read."""
    report = frame.report
    covered = [row for row in report.volumes if row.volume == name]
    bare = [row for row in report.uncovered if row.volume == name]
    named: list[CoveredVolume | UncoveredVolume] = [*covered, *bare]
    claim = next((f"{row.pvc_namespace}/{row.pvc}" for row in named if row.pvc), "")
    return document(
        frame,
        el("h1", claim or name),
        el("p", f"Longhorn volume {name}", class_=QUIET) if claim else "",
        as_of(report),
        alarms(report),
        *(_covered(row, report.at) for row in covered),
        *(_uncovered(row) for row in bare),
        _now(report, name),
        _history(history, report.at, trouble),
        _runs(history, report.at),
        _backups(history, report.at, name),
        title=claim or name,
    )


def _covered(row: CoveredVolume, now: datetime) -> Html:
    tone = GOOD if row.standing is Standing.PROTECTED else WARN if row.standing is Standing.SUSPENDED else BAD
    last = join((outcome_badge(row.last_outcome), " ", when(row.last_at, now))) if row.last_outcome else "none yet"
    known_facts = facts(
        (
            ("State", join((standing_badge(row.standing), " ", row.protection))),
            ("Why", row.reason),
            ("What to do", advice(row)),
            ("Next run", when(row.next_due, now)),
            ("Last run", last),
            ("Last backup", when(row.last_success, now)),
            ("Looked at", when(row.last_check, now)),
            ("New data", f"{size(row.unprotected_bytes)} in no backup" if row.unprotected_bytes else ""),
            ("Failures", f"{row.failures} since a run succeeded" if row.failures else ""),
        )
    )
    return el("div", section(f"Policy {row.policy}", known_facts, id_=f"policy-{row.policy}"), class_=f"edge {tone}")


def _uncovered(row: UncoveredVolume) -> Html:
    known_facts = facts((("State", badge("uncovered", WARN)), ("Why", row.reason), ("What to do", uncovered_advice())))
    return el("div", section("No policy", known_facts, id_="policy-none"), class_=f"edge {WARN}")


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
    inner = _part(columns, rows, caption="Runs that have ended, newest first", id_="more-runs")
    more = el("p", "All of them: ", command("lhbackupd", "history", history[0].volume), class_="more")
    return section("Runs", inner, more, id_="runs")


def _backups(history: Sequence[Run], now: datetime, name: str) -> Html:
    made = [run for run in history if run.outcome is Outcome.COMPLETED]
    if not made:
        return Html()
    rows = [
        (
            el("code", run.backup),
            run.policy,
            when(run.finished_at, now),
            when(run.protected_until, now),
            size(run.new_bytes) if run.new_bytes is not None else "",
        )
        for run in made[:ROWS]
    ]
    columns = ("Backup", "Policy", "Completed", "Holds what was written until", "New data")
    inner = _part(columns, rows, caption="Backups, newest first", id_="more-backups")
    words = "As these runs ended; which of them are kept, and by which rule: "
    return section(
        "Backups", inner, el("p", words, command("lhbackupd", "explain", name), class_="more"), id_="backups"
    )


def _part(columns: Sequence[str], rows: Sequence[tuple[object, ...]], *, caption: str, id_: str) -> Html:
    """A table of the first rows, and one of the others for whoever wants to see them."""
    first = table(columns, rows[:FIRST], caption=caption)
    if len(rows) <= FIRST:
        return first
    others = table(columns, rows[FIRST:], caption=f"{caption}, continued")
    return join((first, folded(others, words=f"{len(rows) - FIRST} older ones", id_=id_)))
