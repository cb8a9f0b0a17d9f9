"""The life of a run: every transition is made here, and nowhere else.

`decide` takes a run, what Longhorn shows, the time and the policy, and returns the run as it now is and at most one
command. It never waits, never asks, never raises. The command follows from (phase, what Longhorn shows) alone, so a run
that was found in the journal after a crash is simply decided on again. Failure is a field of the run: every run that
may hold a volume leaves through DETACHING, which ends only when Longhorn shows that our ticket is gone.
"""

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from . import naming
from .cluster import Backup, Fault, FaultKind, Volume
from .commands import AskBackup, Attach, Command, CreateSnapshot, Detach, Seen, View
from .inspection import inspect
from .model import Now, Origin, Outcome, Phase, Policy, Run
from .moves import (
    asked_enough,
    enter,
    finish,
    held_back,
    holds,
    leave,
    lost,
    note_workload,
    others_backup,
    patience_of,
    patiently,
    unwanted,
    yielded,
)
from .retention import stale_snapshots

#: after a backup was asked for and none is listed, how long until it is asked for again: a request that timed out here
#: may still be carried out there, and asking twice makes two backups (recordings 264, 265)
ASK_AGAIN = 15.0

#: how long after its latest move a ticket may be given back by somebody who has lost our journal
LEASE = timedelta(minutes=15)

#: every move a run can make; the property test holds it against `decide`, the documentation draws it. Straight to
#: FINISHED goes only a run that has no ticket: its volume was attached by others
EDGES = frozenset(
    {
        (Phase.QUEUED, Phase.ATTACHING),
        (Phase.QUEUED, Phase.INSPECTING),
        (Phase.QUEUED, Phase.FINISHED),
        (Phase.ATTACHING, Phase.INSPECTING),
        (Phase.ATTACHING, Phase.DETACHING),
        (Phase.INSPECTING, Phase.SNAPSHOTTING),
        (Phase.INSPECTING, Phase.BACKING_UP),
        (Phase.INSPECTING, Phase.DETACHING),
        (Phase.INSPECTING, Phase.FINISHED),
        (Phase.SNAPSHOTTING, Phase.BACKING_UP),
        (Phase.SNAPSHOTTING, Phase.DETACHING),
        (Phase.SNAPSHOTTING, Phase.FINISHED),
        (Phase.BACKING_UP, Phase.DETACHING),
        (Phase.BACKING_UP, Phase.FINISHED),
        (Phase.DETACHING, Phase.FINISHED),
    }
)

Decision = tuple[Run, Command | None]


def views(run: Run, volume: Volume | None) -> frozenset[View]:
    """What to ask Longhorn for besides the volume, so that `decide` can get on."""
    match run.phase:
        case Phase.INSPECTING:
            return frozenset({View.CHAIN, View.BACKUPS}) if volume and volume.attached else frozenset()
        case Phase.SNAPSHOTTING:
            return frozenset({View.SNAPSHOT})
        case Phase.BACKING_UP:
            entry = volume.backup(run.backup) if volume and run.backup else None
            return frozenset() if entry and entry.running else frozenset({View.BACKUPS})
        case _:
            return frozenset()


def decide(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    """The next state of `run`, and what to do about it. `policy` is None once it is no longer configured."""
    run = note_workload(run, seen, now)
    after, command = _decide(run, seen, now, policy, origin)
    if after.phase is Phase.DETACHING and run.phase is not Phase.DETACHING:
        return after, Detach(ticket=after.ticket)
    return after, command


def _decide(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    match run.phase:
        case Phase.QUEUED:
            return _queued(run, seen, now, policy, origin)
        case Phase.ATTACHING:
            return _attaching(run, seen, now, policy)
        case Phase.INSPECTING:
            return _inspecting(run, seen, now, policy, origin)
        case Phase.SNAPSHOTTING:
            return _snapshotting(run, seen, now, policy, origin)
        case Phase.BACKING_UP:
            return _backing_up(run, seen, now, policy, origin)
        case Phase.DETACHING:
            return _detaching(run, seen, now, policy)
        case Phase.FINISHED:
            return run, None
        case _:  # pragma: no cover -- mypy proves it
            assert_never(run.phase)


def _queued(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    volume = seen.volume
    if policy is None:
        return leave(run, now, Outcome.GONE, "its policy is no longer configured"), None
    if seen.fault is not None:
        return replace(run, reason=f"waits: {seen.fault.text}"), None
    if volume is None:
        return leave(run, now, Outcome.GONE, "the volume was deleted"), None
    if waits := held_back(run, seen, now, policy, volume):
        return waits, None
    if seen.slot is None or seen.stopping:
        return run, None
    if volume.attached:
        if seen.slot.node not in {"", volume.engine_node}:
            # somebody attached it since the slot was given: the limit of that node has not been asked
            return replace(run, reason=f"waits for a place on {volume.engine_node}, where it is attached by now"), None
        run = replace(run, node=volume.engine_node, target=seen.slot.target, started_at=now.wall)
        return enter(run, now, Phase.INSPECTING, f"attached to {run.node} by others"), None
    name = naming.TicketName(instance=origin.instance, journal=origin.journal, run=run.id, deadline=now.wall + LEASE)
    run = replace(run, node=seen.slot.node, target=seen.slot.target, started_at=now.wall, ticket=str(name))
    run = enter(run, now, Phase.ATTACHING, f"asks for the volume on {run.node}")
    return run, Attach(node=run.node, ticket=run.ticket)


def _attaching(run: Run, seen: Seen, now: Now, policy: Policy | None) -> Decision:
    volume = seen.volume
    if ended := unwanted(run, seen, now, policy):
        return ended, None
    limit = patience_of(policy).attach
    if policy is None or volume is None:
        return patiently(run, seen, now, limit, "the volume to be attached"), None
    mine = volume.ticket(run.ticket)
    if holds(run, volume):
        return enter(run, now, Phase.INSPECTING, f"attached to {volume.engine_node}, frontend disabled"), None
    if rival := next((t for t in volume.others(run.ticket) if t.satisfied or t.of_workload), None):
        return yielded(run, now, rival), None
    if refused := _refused(seen.answer):
        return leave(run, now, Outcome.FAILED, refused.text, can_pass=True), None
    words = f"the volume to be attached to {run.node}" + (f": {mine.message}" if mine and mine.message else "")
    run = patiently(run, seen, now, limit, words)
    if mine is not None or volume.attached or run.phase is not Phase.ATTACHING:
        return run, None
    # not heard, or a crash kept us from asking, however long ago: what held then is asked anew
    if waits := held_back(run, seen, now, policy, volume):
        return waits, None
    return run, Attach(node=run.node, ticket=run.ticket)


def _inspecting(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    if ended := unwanted(run, seen, now, policy) or lost(run, seen, now):
        return ended, None
    limit = patience_of(policy).inspect
    if policy is None or seen.volume is None or not holds(run, seen.volume):
        return patiently(run, seen, now, limit, "the volume to be attached (again)"), None
    if other := others_backup(run, seen):
        return patiently(
            run, seen, now, policy.patience.backup, f"backup {other}, which somebody else has started"
        ), None
    if seen.chain is None or seen.backups is None:
        return patiently(run, seen, now, limit, "its snapshots and backups to be read"), None
    found = inspect(
        volume=seen.volume, chain=seen.chain, backups=seen.backups, policy=policy, origin=origin, live=not run.ticket
    )
    if found is None:
        return patiently(run, seen, now, limit, "its volume head to be listed"), None
    run = replace(run, new_bytes=found.new_bytes)
    if found.skip is not None:
        if found.skip is Outcome.UNCHANGED:
            run = replace(run, protected_until=now.wall)
        return leave(run, now, found.skip, found.reason), None
    if found.reuse is not None:
        run = replace(run, snapshot=found.reuse.name, snapshot_created=found.reuse.created)
        return enter(run, now, Phase.BACKING_UP, f"{found.reason}; snapshot {run.snapshot} holds all of it"), None
    run = replace(run, snapshot=naming.snapshot_name(run), own_snapshot=True)
    old = stale_snapshots(seen.chain, seen.backups, policy=policy.name, origin=origin)
    command = CreateSnapshot(name=run.snapshot, labels=naming.labels(run, origin), delete=old)
    return enter(run, now, Phase.SNAPSHOTTING, found.reason), command


def _snapshotting(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    if ended := unwanted(run, seen, now, policy) or lost(run, seen, now):
        return ended, None
    if seen.snapshot is not None and seen.snapshot.ready:
        run = replace(run, snapshot_created=seen.snapshot.created)
        return enter(run, now, Phase.BACKING_UP, f"snapshot {run.snapshot} is ready"), None
    if seen.snapshot is not None and seen.snapshot.error:
        words = f"snapshot {run.snapshot} failed: {seen.snapshot.error}"
        return leave(run, now, Outcome.FAILED, words, can_pass=True), None
    missing = seen.fault is None and seen.snapshot is None
    if missing and (refused := _refused(seen.answer)):
        return leave(run, now, Outcome.FAILED, refused.text, can_pass=True), None
    run = patiently(run, seen, now, patience_of(policy).snapshot, f"snapshot {run.snapshot} to be ready")
    if run.phase is Phase.SNAPSHOTTING and missing and seen.volume is not None and holds(run, seen.volume):
        return run, CreateSnapshot(name=run.snapshot, labels=naming.labels(run, origin))
    return run, None


def _backing_up(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    if seen.volume is None and seen.fault is None:
        return leave(run, now, Outcome.GONE, "the volume was deleted"), None
    if not run.backup:
        return _asking(run, seen, now, policy, origin)
    listed = next((backup for backup in seen.backups or () if backup.name == run.backup), None)
    entry = seen.volume.backup(run.backup) if seen.volume else None
    if listed is not None and listed.labels.get(naming.LABEL_RUN, run.id if not listed.labels else "") != run.id:
        known = (*run.known_backups, run.backup)
        return replace(run, backup="", known_backups=known, reason=f"backup {run.backup} is somebody else's"), None
    if listed is not None and listed.completed and (listed.labels or run.own_snapshot):
        held = listed.snapshot_created or run.snapshot_created
        run = replace(run, progress=100, protected_until=held)
        return leave(run, now, Outcome.COMPLETED, f"backup {run.backup} is completed and listed"), None
    ended = next((each for each in (listed, entry) if each and not each.running and each.state != "Completed"), None)
    if ended is not None:
        words = f"backup {run.backup} ended as {ended.state}: {ended.error or 'Longhorn gives no reason'}"
        return leave(run, now, Outcome.FAILED, words, can_pass=True), None
    if seen.backups is not None and listed is None and entry is None and seen.volume is not None:
        return leave(run, now, Outcome.FAILED, f"backup {run.backup} vanished from Longhorn", can_pass=True), None
    run = replace(run, progress=max([run.progress, *(each.progress for each in (listed, entry) if each)]))
    run = patiently(run, seen, now, patience_of(policy).backup, f"backup {run.backup}, at {run.progress} %")
    return run, _hand_over(run, seen, now)


def _hand_over(run: Run, seen: Seen, now: Now) -> Command | None:
    """Before we exit: give our ticket back, as Longhorn's own holds the volume until the backup's end.

    That ticket comes up to a second after the backup (trace `detach-during-backup`); before it the volume would be
    detached, and attached again with its frontend enabled.
    """
    if not seen.stopping or run.phase is not Phase.BACKING_UP or seen.volume is None:
        return None
    its = seen.volume.ticket(f"backup-controller-{run.backup}")
    if seen.volume.ticket(run.ticket) is None or not ((its and its.satisfied) or now.idle >= ASK_AGAIN):
        return None
    return Detach(ticket=run.ticket)


def _asking(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    """Find the backup of our snapshot, or ask for it: never ask without having looked."""
    mine = [backup for backup in seen.backups or () if _ours(backup, run)]
    if mine:
        best = min(mine, key=lambda backup: (not backup.completed, not backup.running))
        return replace(run, backup=best.name, reason=f"backup {best.name} has begun"), None
    first = run.asked_at is None
    if first and (ended := unwanted(run, seen, now, policy)):
        return ended, None
    if ended := lost(run, seen, now):
        return ended, None
    if refused := _refused(seen.answer):
        return leave(run, now, Outcome.FAILED, refused.text, can_pass=True), None
    other = others_backup(run, seen) if first else ""
    what = f"backup {other}, which somebody else has started" if other else f"a backup of {run.snapshot} to begin"
    run = patiently(run, seen, now, patience_of(policy).backup, what)
    can = run.phase is Phase.BACKING_UP and seen.backups is not None and seen.volume and holds(run, seen.volume)
    if other or not can or not (first or now.idle >= ASK_AGAIN):
        return run, None
    if ended := unwanted(run, seen, now, policy) or asked_enough(run, now, patience_of(policy).backup):
        return ended, None
    if first:
        known = tuple(sorted(backup.name for backup in seen.backups or () if backup.snapshot == run.snapshot))
        run = replace(run, known_backups=known)
    run = replace(run, asked_at=now.wall, reason=f"asks for a backup of snapshot {run.snapshot}")
    return run, AskBackup(snapshot=run.snapshot, labels=naming.labels(run, origin))


def _ours(backup: Backup, run: Run) -> bool:
    """Whether this run asked for it: of our snapshot, not there before we asked, its labels ours or not yet shown."""
    if run.asked_at is None or backup.snapshot != run.snapshot or backup.name in run.known_backups:
        return False
    return not backup.labels or backup.labels.get(naming.LABEL_RUN) == run.id


def _detaching(run: Run, seen: Seen, now: Now, policy: Policy | None) -> Decision:
    volume = seen.volume
    if volume is None:
        # without a look we do not know; asking again to withdraw a ticket does no harm
        return (run, Detach(ticket=run.ticket)) if seen.fault else (finish(run, now), None)
    if volume.ticket(run.ticket) is not None:
        return run, Detach(ticket=run.ticket)
    remains = {f"backup-controller-{run.backup}", f"snapshot-controller-{run.snapshot}"}
    wanted = any(ticket.id not in remains for ticket in volume.tickets)
    if volume.state == "detached" or wanted or now.idle > patience_of(policy).detach:
        return finish(run, now), None
    return run, None


def _refused(answer: Fault | None) -> Fault | None:
    return answer if answer is not None and answer.kind is not FaultKind.UNREACHABLE else None
