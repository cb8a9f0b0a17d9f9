"""Runs: those that are going on, those that wait and for what, and what became of those that have ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lhbackupd.core.model import Outcome, Phase
from lhbackupd.surface.markup import Html, badge, el, join, table
from lhbackupd.surface.pages.frame import Frame, alarms, as_of, document
from lhbackupd.surface.pages.parts import (
    BAD,
    PLAIN,
    command,
    link,
    links,
    nothing,
    outcome_badge,
    section,
    volume_link,
    when,
)
from lhbackupd.surface.pages.search import Choice, search
from lhbackupd.surface.report import FinishedRun, Report, RunningRun, WaitingRun
from lhbackupd.surface.standing import Wait
from lhbackupd.surface.words import span

#: rows of a table on this page
ROWS = 200
#: finished runs that are looked through for those that are asked for
LOOKED_THROUGH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which finished runs are asked for; "" asks for all."""

    volume: str = ""
    policy: str = ""
    outcome: str = ""


def runs(frame: Frame, finished: Sequence[FinishedRun], wanted: Wanted, trouble: str = "") -> str:
    """The document. `finished` are newest first; `trouble` says why they could not be read."""
    report = frame.report
    found = [run for run in finished if not wanted.outcome or run.outcome == wanted.outcome]
    running, waiting = len(report.running), len(report.waiting)
    words = f"{running:,} {'run' if running == 1 else 'runs'} going on, {waiting:,} waiting"
    return document(
        frame,
        el("h1", words),
        as_of(report),
        alarms(report),
        section(
            "Running",
            running_table(report.running[:ROWS], report.at) if running else nothing("Nothing."),
            _rest(running),
            id_="running",
            count=running,
        ),
        section(
            "Waiting",
            waiting_table(report.waiting[:ROWS], report.at) if waiting else nothing("Nothing."),
            _rest(waiting),
            id_="waiting",
            count=waiting,
        ),
        section("Ended", _form(frame, wanted), _ended(found, report, trouble), id_="ended"),
        title="Runs",
    )


def _rest(count: int) -> Html:
    return el("p", f"and {count - ROWS:,} more, see ", link("status.json", "status.json")) if count > ROWS else Html()


def _form(frame: Frame, wanted: Wanted) -> Html:
    policies = sorted({row.policy for row in frame.report.volumes})
    return search(
        "runs#ended",
        Choice(
            name="outcome", label="Outcome", values=tuple(outcome.value for outcome in Outcome), chosen=wanted.outcome
        ),
        Choice(name="policy", label="Policy", values=tuple(policies), chosen=wanted.policy),
        words=wanted.volume,
        words_name="volume",
        words_label="Volume, by its whole name",
    )


def _ended(found: Sequence[FinishedRun], report: Report, trouble: str) -> Html:
    if trouble:
        return el("p", f"The history cannot be read: {trouble}", class_="alarm")
    if not found:
        return nothing("No run that has ended is like that.")
    more = el("p", "There are more. All of them: ", command("lhbackupd", "history", "--limit", "10000"))
    return join((finished_table(found[:ROWS], report), more if len(found) > ROWS else ""))


def running_table(rows: Iterable[RunningRun], now: datetime, *, root: str = "") -> Html:
    """Runs that are going on."""
    columns = ("Volume", "Policy", "Phase", "Since", "Node", "Doing", "To call it off")
    return table(columns, (_running(run, now, root) for run in rows), caption="Runs that are going on, oldest first")


def _running(run: RunningRun, now: datetime, root: str) -> tuple[object, ...]:
    bar: object = ""
    if run.phase is Phase.BACKING_UP:
        meter = el("progress", max="100", value=run.progress, aria_label=f"Backup of {run.volume}")
        bar = el("span", meter, f" {run.progress} %", class_="progress")
    doing: list[object] = [run.reason]
    if run.waiting_since is not None:
        waited = span((now - run.waiting_since).total_seconds())
        doing += [el("br"), badge(f"{run.waiter} waits for the volume, for {waited}", BAD)]
    return (
        volume_link(run.volume, run.pvc, run.pvc_namespace, root=root),
        _policy(run.policy, run.attempt),
        join((badge(run.phase.value, PLAIN), " ", bar)),
        when(run.since, now),
        run.node,
        join(doing),
        command("lhbackupd", "cancel", run.id),
    )


def _policy(policy: str, attempt: int) -> Html:
    return join((policy, " ", el("small", f"attempt {attempt}") if attempt > 1 else ""))


def waiting_table(rows: Iterable[WaitingRun], now: datetime, *, root: str = "") -> Html:
    """Runs in the queue."""
    columns = ("Volume", "Policy", "Due", "For", "What it waits for")
    return table(
        columns, (_waiting(run, now, root) for run in rows), caption="Runs that wait, in the order of the queue"
    )


def _waiting(run: WaitingRun, now: datetime, root: str) -> tuple[object, ...]:
    reason: object = run.reason or "its turn"
    if run.waits_for is Wait.TIME:
        reason = join((el("div", "starts ", when(run.not_before, now)), reason))
    return (
        volume_link(run.volume, run.pvc, run.pvc_namespace, root=root),
        _policy(run.policy, run.attempt),
        when(run.due, now),
        badge(run.waits_for.value, PLAIN),
        reason,
    )


def finished_table(rows: Sequence[FinishedRun], report: Report) -> Html:
    """Runs that have ended."""
    columns = ("Volume", "Ended", "Policy", "Outcome", "Reason")
    names = links(report, (run.volume for run in rows))
    lines = (
        (
            names[run.volume],
            when(run.finished_at, report.at),
            _policy(run.policy, run.attempt),
            outcome_badge(run.outcome) if run.outcome else "",
            join((run.reason, el("br"), f"{run.waiter} waited {span(run.waited)}") if run.waited else (run.reason,)),
        )
        for run in rows
    )
    return table(columns, lines, caption="Runs that have ended, newest first")
