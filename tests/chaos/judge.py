"""The verdict on a storm: what the daemon promised, counted from the simulator's ledger and from its journal.

Each promise has a list of how it was broken, which is empty when it was kept. What others did, and what the daemon only
could not know, is no fault of its own: a backup that somebody deleted, data that was written afterwards, a due time
that passed while no daemon was there, if the next one makes a run of it.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lhbackupd.core.model import Outcome, Run
from lhbackupd.core.naming import LABEL_POLICY, LABEL_RUN, PREFIX, TicketName
from lhbackupd.core.protection import Protection
from lhbackupd.core.timetable import Cron, next_due, parse_cron

from .replay import Entry, Kept, Replay, moment, second

#: between what a look shows and when its reader thinks to have seen it
SLACK = timedelta(seconds=3)
_PROTECTED = (Outcome.COMPLETED, Outcome.UNCHANGED)
_AGAIN = (Outcome.YIELDED, Outcome.INTERRUPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known at the end, when the daemon has stopped."""

    entries: tuple[Entry, ...]
    #: per volume, of the ledger's summary
    volumes: Mapping[str, Any]
    runs: tuple[Run, ...]
    protections: tuple[Protection, ...]
    #: from when to when a daemon was at work; several, because it is killed
    lives: tuple[tuple[datetime, datetime], ...]
    #: how many due times before its own a run makes up for, as the daemon said, by the run's id
    missed: Mapping[str, int]
    #: the cron lines of the policies that are due, by the volumes that are there throughout
    crons: Mapping[tuple[str, str], str]
    #: from when, with all schedules made, until when these were due
    since: datetime
    until: datetime
    instance: str
    #: backups and snapshots that others deleted
    taken: frozenset[str]
    #: how long a daemon that lives may need to notice a due time
    notice: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How each promise was broken, in words."""

    left_attached: list[str] = field(default_factory=list)
    claimed_absent: list[str] = field(default_factory=list)
    protected_unbacked: list[str] = field(default_factory=list)
    lost_runs: list[str] = field(default_factory=list)
    second_backups: list[str] = field(default_factory=list)
    others_touched: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        return {each.name: len(getattr(self, each.name)) for each in fields(self)}

    def words(self) -> list[str]:
        return [f"{each.name}: {text}" for each in fields(self) for text in getattr(self, each.name)]

    @property
    def broken(self) -> bool:
        return any(self.counts().values())


def judge(evidence: Evidence) -> Verdict:
    """Count."""
    replay = Replay.of(evidence.entries)
    return Verdict(
        left_attached=list(_left(evidence, replay)),
        claimed_absent=list(_absent(evidence, replay)),
        protected_unbacked=[
            *_unbacked_runs(evidence, replay),
            *_unbacked_now(evidence, replay),
            *_newest_deleted(evidence, replay),
        ],
        lost_runs=[*_unended(evidence), *_unfollowed(evidence), *_unheeded(evidence)],
        second_backups=list(_second(evidence, replay)),
        others_touched=[*_tickets_touched(evidence), *_backups_touched(evidence, replay), *_snapshots_gone(evidence)],
    )


def _left(evidence: Evidence, replay: Replay) -> Iterator[str]:
    for name, volume in evidence.volumes.items():
        ours = [ticket for ticket in volume["tickets"] if _ours(ticket, evidence.instance)]
        controllers = {
            f"backup-controller-{backup}" for backup, kept in replay.backups.items() if LABEL_RUN in kept.labels
        }
        others = set(volume["tickets"]) - set(ours) - controllers
        if ours:
            yield f"{name} has our tickets {ours}"
        elif volume["state"] not in {"", "detached"} and not others:
            yield f"{name} is {volume['state']} for nobody but us ({volume['tickets']})"


def _ours(ticket: str, instance: str) -> bool:
    return ticket.startswith(f"{PREFIX}:{instance}:")


def _absent(evidence: Evidence, replay: Replay) -> Iterator[str]:
    for run in evidence.runs:
        if run.outcome is Outcome.COMPLETED and run.finished_at is not None:
            kept = replay.backups.get(run.backup)
            if kept is None or kept.completed is None or kept.completed > run.finished_at + SLACK:
                yield f"run {run.id} of {run.volume} claims backup {run.backup}, which was not completed"


def _unbacked_runs(evidence: Evidence, replay: Replay) -> Iterator[str]:
    """Runs that said when they ended that the volume's data up to a moment is in a backup, and it was not."""
    for run in evidence.runs:
        if run.outcome in _PROTECTED and run.finished_at is not None and run.protected_until is not None:
            first = run.started_at or run.due  # what was there when it began may have been deleted by others since
            if lie := _lie(
                evidence, replay, run.volume, run.protected_until, first=first, last=run.finished_at + SLACK
            ):
                yield f"run {run.id} of {run.policy}, {run.outcome}: {lie}"


def _unbacked_now(evidence: Evidence, replay: Replay) -> Iterator[str]:
    """Volumes that are called protected at the end, while no backup that still exists holds their data."""
    looked = {run.id: run.started_at or run.due for run in evidence.runs}
    for word in evidence.protections:
        volume = evidence.volumes.get(word.volume)
        if word.last_outcome not in _PROTECTED or word.protected_until is None or not volume or not volume["exists"]:
            continue
        if word.last_run not in looked or _robbed(evidence, replay, word.volume, looked[word.last_run]):
            continue
        unwritten = not replay.changed_after(word.volume, word.protected_until)
        if unwritten and volume["truth"]["unprotected"]:
            yield f"{word.policy} calls {word.volume} protected until {word.protected_until}, and it is in no backup"


def _newest_deleted(evidence: Evidence, replay: Replay) -> Iterator[str]:
    """Completed backups that we deleted while their policy had no newer one of the volume.

    The daemon may notice that its claim rests on nothing, and take it back: that is no excuse. It is one that the run
    gave the backup up, and asked for its end before it was completed: Longhorn acts on that when it gets to it.
    """
    given_up = {run.id for run in evidence.runs if run.drop_backup}
    for entry in evidence.entries:
        kept = replay.backups.get(entry.get("backup", ""))
        asked = (
            entry["kind"] == "backup-delete-asked" and entry["by"] == "api" and entry["backup"] not in evidence.taken
        )
        if not asked or kept is None or kept.completed is None or LABEL_POLICY not in kept.labels:
            continue
        if kept.labels.get(LABEL_RUN) in given_up and kept.completed > _came_in(evidence, entry) - SLACK:
            continue
        at, policy = moment(entry), kept.labels[LABEL_POLICY]
        newer = (
            other
            for other in replay.of_volume(kept.volume)
            if other.labels.get(LABEL_POLICY) == policy and other.completed and kept.completed < other.completed <= at
        )
        if not any(other.deleted is None or other.deleted > at for other in newer):
            yield f"{kept.volume}: {entry['backup']} was deleted by us, and {policy} has no newer one"


def _came_in(evidence: Evidence, asked: Entry) -> datetime:
    """When the request to delete a backup reached Longhorn, which a fault may have kept from acting on it until now."""
    at = moment(asked)
    late = (
        moment(entry)
        for entry in evidence.entries
        if entry["kind"] == "fault-struck"
        and entry.get("volume") == asked["volume"]
        and entry.get("request", "").endswith("=backupDelete")
        and abs(moment(entry) + timedelta(seconds=entry["seconds"]) - at) <= SLACK
    )
    return min(late, default=at)


def _robbed(evidence: Evidence, replay: Replay, volume: str, since: datetime) -> bool:
    """Whether somebody else deleted a completed backup of a volume after a moment."""
    return any(
        kept.volume == volume and kept.completed and kept.deleted and kept.deleted >= since and name in evidence.taken
        for name, kept in replay.backups.items()
    )


def _lie(evidence: Evidence, replay: Replay, volume: str, until: datetime, *, first: datetime, last: datetime) -> str:
    if _made_anew(evidence, volume, first):
        return ""  # the word was about a volume that is no more
    contents = replay.held(volume, until - SLACK, second(until))
    kept = {backup.content for backup in replay.of_volume(volume) if backup.exists(first, last)}
    if contents & kept or 0 in contents:
        return ""
    return f"{volume} was said to be in a backup up to {until}: contents {sorted(contents)}, kept {sorted(kept)}"


def _made_anew(evidence: Evidence, volume: str, since: datetime) -> bool:
    return any(
        entry["kind"] == "volume-deleted" and entry.get("volume") == volume and moment(entry) >= since - SLACK
        for entry in evidence.entries
    )


def _unended(evidence: Evidence) -> Iterator[str]:
    for run in evidence.runs:
        if not run.finished:
            yield f"run {run.id} of {run.policy}/{run.volume} has not ended: {run.phase}, {run.reason}"


def _unfollowed(evidence: Evidence) -> Iterator[str]:
    """Runs that have to be followed by another attempt, or by a run that was due later, and were not."""
    attempts = {(run.policy, run.volume, run.due, run.attempt) for run in evidence.runs}
    last: dict[tuple[str, str], datetime] = {}
    for run in evidence.runs:
        last[run.policy, run.volume] = max(run.due, last.get((run.policy, run.volume), run.due))
    for run in evidence.runs:
        if run.cancelled or (run.policy, run.volume, run.due, run.attempt + 1) in attempts:
            continue
        later = last[run.policy, run.volume] > run.due
        if run.outcome in _AGAIN or (run.outcome is Outcome.FAILED and run.can_pass and not later):
            yield f"run {run.id} of {run.policy}/{run.volume} was {run.outcome}, and nothing follows"


def _unheeded(evidence: Evidence) -> Iterator[str]:
    """Due times that were neither made a run nor counted as missed, although a daemon was there."""
    for (policy, volume), line in evidence.crons.items():
        runs = sorted(
            (run for run in evidence.runs if (run.policy, run.volume, run.attempt) == (policy, volume, 1)),
            key=lambda run: run.due,
        )
        cron, zone = parse_cron(line), ZoneInfo("UTC")
        marks = [run.due for run in runs if run.due > evidence.since]
        excused = {run.due: evidence.missed.get(run.id, 0) for run in runs}
        for before, after in itertools.pairwise([evidence.since, *marks, evidence.until]):
            skipped = _times(cron, zone, before, after)
            told = skipped[max(0, len(skipped) - excused.get(after, 0)) :]
            for due in skipped:
                if due not in told and _could(evidence, due, after):
                    yield f"{policy}/{volume} was due at {due}, and there is neither a run nor a word about it"


def _times(cron: Cron, zone: ZoneInfo, before: datetime, after: datetime) -> list[datetime]:
    """Due times between two moments, both left out."""
    found, at = [], before
    while (at := next_due(cron, zone, at)) < after:
        found.append(at)
    return found


def _could(evidence: Evidence, due: datetime, next_run: datetime) -> bool:
    """Whether a daemon lived long enough between a due time and the next one that was heeded."""
    return any(min(end, next_run) - max(start, due) > evidence.notice for start, end in evidence.lives)


def _second(evidence: Evidence, replay: Replay) -> Iterator[str]:
    """Backups that a run asked for while one that it had made was there, or had been deleted by nobody but us."""
    made: defaultdict[str, list[tuple[str, Kept]]] = defaultdict(list)
    for name, kept in replay.backups.items():
        if kept.completed and LABEL_RUN in kept.labels:
            made[kept.labels[LABEL_RUN]].append((name, kept))
    for run, backups in made.items():
        for (name, former), (again, later) in itertools.pairwise(backups):
            stolen = name in evidence.taken and former.deleted is not None and former.deleted <= later.asked
            if not stolen:
                yield f"run {run} made backup {again} after backup {name}"


def _tickets_touched(evidence: Evidence) -> Iterator[str]:
    """Tickets that a client of the API withdrew: others withdraw theirs through the side API here."""
    mine = {entry["id"] for entry in evidence.entries if entry["kind"] == "ticket-added" and entry["by"] == "api"}
    for entry in evidence.entries:
        if entry["kind"] != "ticket-removed" or entry["by"] != "api" or entry["id"] in mine:
            continue
        name = TicketName.parse(entry["id"])
        expired = name is not None and name.instance == evidence.instance and moment(entry) >= name.deadline - SLACK
        if not expired:
            yield f"{entry['volume']}: ticket {entry['id']} ({entry['type']}) was withdrawn by us"


def _backups_touched(evidence: Evidence, replay: Replay) -> Iterator[str]:
    for entry in evidence.entries:
        if entry["kind"] == "backup-delete-asked" and entry["by"] == "api" and entry["backup"] not in evidence.taken:
            kept = replay.backups.get(entry["backup"])
            if kept is None or LABEL_POLICY not in kept.labels:
                yield f"{entry['volume']}: backup {entry['backup']} of somebody else was deleted by us"


def _snapshots_gone(evidence: Evidence) -> Iterator[str]:
    for entry in evidence.entries:
        removed = entry["kind"] == "snapshot-removed" and entry["snapshot"].startswith("others-")
        if removed and entry["snapshot"] not in evidence.taken:
            yield f"{entry['volume']}: snapshot {entry['snapshot']} of somebody else was deleted by us"
