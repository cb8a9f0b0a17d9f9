"""The troubles that the report shows, and what is said of them: what happened, to which volume, what to do next."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from lhbackupd.core.coverage import Cover
from lhbackupd.core.model import Outcome
from lhbackupd.core.notices import Key, Kind, Memory, News, look
from lhbackupd.core.rpo import Rpo
from lhbackupd.surface.notify.letter import SHOWN, Notice, plain
from lhbackupd.surface.report import CoveredVolume, Report, UncoveredVolume, WaitingRun
from lhbackupd.surface.standing import Standing
from lhbackupd.surface.words import moment

Row = CoveredVolume | UncoveredVolume

#: outcomes of a run that did what its policy asks
_WELL = frozenset({Outcome.COMPLETED, Outcome.UNCHANGED, Outcome.BELOW_THRESHOLD, Outcome.NOT_INSPECTED})
#: of an RPO that was missed: what says that it is no longer
_KEPT = frozenset({Rpo.COMPLIANT, Rpo.AT_RISK, Rpo.NONE})
#: how it is said that a trouble is over
_OVER = {Kind.UNCOVERED: "is no longer without cover", Kind.RPO: "keeps its RPO again"}


def fails(outcome: Outcome | None, failures: int) -> bool:
    """Whether the backups of a volume fail, by how its last run ended and how many failed since one did not."""
    return outcome is not Outcome.GONE and (failures > 0 or outcome is Outcome.REFUSED)


def troubles(report: Report) -> dict[Key, Row]:
    """The troubles that are there, each with the row that shows it."""
    found: dict[Key, Row] = {}
    for row in report.volumes:
        if fails(row.last_outcome, row.failures) or row.lost:
            found[Key(kind=Kind.FAILURE, policy=row.policy, volume=row.volume)] = row
        if row.rpo is Rpo.VIOLATED:
            found[Key(kind=Kind.RPO, policy=row.policy, volume=row.volume)] = row
    for bare in report.uncovered:
        if bare.cover is not Cover.UNKNOWN:
            found[Key(kind=Kind.UNCOVERED, volume=bare.volume)] = bare
    return found


def well(report: Report, told: Iterable[Key]) -> dict[Key, Row]:
    """Those of the troubles that were told which are over for certain, each with the row that shows it."""
    wanted = {(key.policy, key.volume): key for key in told if key.kind is Kind.FAILURE}
    missed = {(key.policy, key.volume): key for key in told if key.kind is Kind.RPO}
    bare = {key.volume: key for key in told if key.kind is Kind.UNCOVERED}
    found: dict[Key, Row] = {}
    for row in report.volumes if wanted or missed or bare else ():
        key = wanted.get((row.policy, row.volume))
        if key is not None and row.last_outcome in _WELL and not row.lost:
            found[key] = row
        if (late := missed.get((row.policy, row.volume))) and row.rpo in _KEPT:
            found[late] = row
        if row.volume in bare and row.standing is not Standing.SHADOW:
            found[bare[row.volume]] = row
    for elsewhere in report.elsewhere if bare else ():
        if elsewhere.volume in bare:
            found[bare[elsewhere.volume]] = elsewhere
    return found


def notices(report: Report, memory: Memory, *, wants: Callable[[Kind, str], bool]) -> tuple[News, list[Notice]]:
    """What is new in the report, and how it is said."""
    there, over = troubles(report), well(report, memory.told)
    news = look(memory, troubles=there, well=over, wants=wants, now=report.at)
    again = {(run.policy, run.volume): run for run in report.waiting if run.attempt > 1} if news.began else {}
    said = [_began(key, there[key], again, report.at) for key in news.began]
    said += [_ended(key, over[key], memory.told[key], report.at) for key in news.ended]
    return news, said


def _began(key: Key, row: Row, again: Mapping[tuple[str, str], WaitingRun], now: datetime) -> Notice:
    """That a trouble is there."""
    if isinstance(row, UncoveredVolume):
        title, lines = _uncovered(row)
    elif key.kind is Kind.RPO:
        title, lines = _exposed(row)
    else:
        title, lines = _failing(row, again.get((row.policy, row.volume)))
    return Notice(kind=key.kind, about=key, at=now, title=title, lines=lines)


def _ended(key: Key, row: Row, since: datetime, now: datetime) -> Notice:
    """That a trouble which was told at `since` is over."""
    name, policy = plain(_name(row)), f", policy {key.policy}" if key.policy else ""
    protection = row.protection if isinstance(row, CoveredVolume) else row.reason
    what = _OVER.get(key.kind, "is backed up again")
    lines = (f"Volume {plain(row.volume)}{policy}: {plain(protection)}.", f"The trouble was told at {moment(since)}.")
    return Notice(kind=Kind.RECOVERY, about=key, at=now, title=f"{name} {what}", lines=lines)


def digest(report: Report, ends: Mapping[Outcome, int], since: datetime) -> Notice:
    """How everything stands, and how the runs since `since` ended."""
    totals, outcomes = report.totals, Counter(ends)
    title = (
        f"Digest: {totals.protected} protected, {totals.unprotected} unprotected, {totals.failing} failing, "
        f"{totals.suspended} suspended, {totals.uncovered} uncovered"
    )
    counts = ", ".join(f"{count} {outcome.value}" for outcome, count in sorted(outcomes.items()) if count)
    lines = [f"Runs that ended since {moment(since)}: {counts or 'none'}."]
    lines += [f"lhbackupd is not ready: {plain(reason)}." for reason in report.daemon.unready]
    if not report.longhorn.reachable:
        lines.append(f"Longhorn cannot be reached: {plain(report.longhorn.fault)}.")
    if totals.native or totals.excluded:
        lines.append(f"Left to Longhorn's own jobs: {totals.native}; excluded on purpose: {totals.excluded}.")
    worries = list(_worries(report))
    lines += worries[:SHOWN]
    if len(worries) > SHOWN:
        lines.append(f"and {len(worries) - SHOWN} more")
    fine = report.longhorn.reachable and not worries
    lines.append("Nothing to do." if fine else "All that stands now: lhbackupd status")
    return Notice(kind=Kind.DIGEST, about=Key(kind=Kind.DIGEST), at=report.at, title=title, lines=tuple(lines))


def _worries(report: Report) -> Iterator[str]:
    for row in report.volumes:
        if row.standing not in {Standing.PROTECTED, Standing.SHADOW}:
            yield f"- {row.standing.value}: {plain(_name(row))} ({row.policy}): {plain(row.reason)}"
    for bare in report.uncovered:
        yield f"- uncovered: {plain(_name(bare))}: {plain(bare.reason)}"


def _failing(row: CoveredVolume, again: WaitingRun | None) -> tuple[str, tuple[str, ...]]:
    if again is not None and again.not_before is not None:
        then = f"It is tried again at {moment(again.not_before)}, as attempt {again.attempt}."
    elif row.next_due is not None:
        then = f"It is not tried again before it is due next, at {moment(row.next_due)}."
    else:
        then = "It is not tried again."
    volume = plain(row.volume)
    return f"Backup of {plain(_name(row))} {'is gone' if row.lost else 'failed'}", (
        f"Volume {volume}, policy {row.policy}: {plain(row.reason)}.",
        f"Its data: {plain(row.protection)}.",
        then,
        f"What to do: lhbackupd doctor says why things fail, lhbackupd history {volume} what was tried.",
    )


def _exposed(row: CoveredVolume) -> tuple[str, tuple[str, ...]]:
    volume = plain(row.volume)
    return f"{plain(_name(row))} misses its RPO", (
        f"Volume {volume}, policy {row.policy}: {plain(row.objective)}.",
        f"Its data: {plain(row.exposure)}; {plain(row.protection)}.",
        f"What to do: lhbackupd explain {volume} says what it waits for, lhbackupd backup {volume} backs it up now.",
    )


def _uncovered(row: UncoveredVolume) -> tuple[str, tuple[str, ...]]:
    return f"No backup policy covers {plain(_name(row))}", (
        f"Volume {plain(row.volume)}: {plain(row.reason)}.",
        "What to do: let a [[policy]] match it, or say why not in an [[exclude]], and reload lhbackupd.",
    )


def _name(row: Row) -> str:
    """A volume as people know it: by its PVC."""
    return f"{row.pvc_namespace}/{row.pvc}" if row.pvc else row.volume
