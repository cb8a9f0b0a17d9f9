"""The life of a run: every transition is made here, and nowhere else.

`decide` takes a run, what Longhorn shows, the time and the policy, and returns the run as it now is and at most one
command. It never waits, never asks, never raises. The command follows from (phase, what Longhorn shows) alone, so a run
that was found in the journal after a crash is simply decided on again. Failure is a field of the run: every run that
may hold a volume leaves through DETACHING, which ends only when Longhorn shows that our ticket is gone.
"""

from dataclasses import replace
from typing import assert_never

from . import naming
from .backing import backing_up, must_be_known
from .cluster import Volume
from .commands import Attach, CreateSnapshot, Decision, Seen, View
from .fulls import full_is_due, next_number
from .holding import detaching, give_back, gives_way, note_workload, renewed
from .inspection import inspect
from .model import Now, Origin, Outcome, Phase, Policy, Run
from .moves import (
    called_off,
    enter,
    held_back,
    holds,
    leave,
    left_behind,
    lost,
    others_backup,
    patience_of,
    patiently,
    refused_by,
    unwanted,
    yielded,
)
from .retention import stale_snapshots
from .shadow import is_shadow, only_looks, told
from .untouched import conceals, let_alone

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


def views(run: Run, volume: Volume | None) -> frozenset[View]:
    """What to ask Longhorn for besides the volume, so that `decide` can get on."""
    match run.phase:
        case Phase.INSPECTING:
            if volume and volume.attached:
                return frozenset({View.CHAIN, View.BACKUPS})
            # a shadow looks at what can be seen of a detached volume
            return frozenset() if run.ticket else frozenset({View.BACKUPS})
        case Phase.SNAPSHOTTING:
            return frozenset({View.SNAPSHOT})
        case Phase.BACKING_UP:
            entry = volume.backup(run.backup) if volume and run.backup else None
            if entry and entry.running:
                return frozenset()
            return frozenset({View.BACKUPS, View.SNAPSHOT} if must_be_known(run) else {View.BACKUPS})
        case Phase.DETACHING:
            return frozenset({View.BACKUPS}) if run.drop_backup else frozenset()
        case _:
            return frozenset()


def decide(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    """The next state of `run`, and what to do about it. `policy` is None once it is no longer configured."""
    if seen.cancelled and not run.cancelled:
        run = replace(run, cancelled=True)
    run = note_workload(run, seen, now)
    if gone := gives_way(run, seen, now, policy):
        return gone, give_back(gone)
    if policy is not None and is_shadow(run, policy):
        looked = only_looks(run, seen, now, policy)
        return looked or told(run, _decide(run, seen, now, policy, origin)[0], seen, now), None
    after, command = _decide(run, seen, now, policy, origin)
    if after.phase is Phase.DETACHING and run.phase is not Phase.DETACHING:
        return after, give_back(after)
    if command is None and after.phase is run.phase:
        return renewed(after, seen, now, origin)
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
            return backing_up(run, seen, now, policy, origin)
        case Phase.DETACHING:
            return detaching(run, seen, now, policy)
        case Phase.FINISHED:
            return run, None
        case _:  # pragma: no cover -- mypy proves it
            assert_never(run.phase)


def _queued(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    volume = seen.volume
    if run.cancelled:
        return called_off(run, now), None
    if policy is None:
        return leave(run, now, Outcome.GONE, "its policy is no longer configured"), None
    if seen.fault is not None:
        return replace(run, reason=f"waits: {seen.fault.text}"), None
    if volume is None:
        return leave(run, now, Outcome.GONE, "the volume was deleted"), None
    if seen.paused:
        words = f"waits: {seen.paused}"
        return run if run.reason == words else replace(run, reason=words), None
    if waits := left_behind(run, volume, origin) or held_back(run, seen, now, policy, volume):
        return waits, None
    if not volume.attached and (words := let_alone(run, seen.evidence, policy, now.wall)):
        return leave(run, now, Outcome.NOT_INSPECTED, words), None
    if seen.slot is None or seen.stopping:
        return run, None
    if seen.places is not None and seen.slot.node not in seen.places:
        # somebody attached it since the slot was given, or let go of it: the limit of that node has not been asked
        why = "where it is attached by now" if volume.attached else "now that it is detached"
        words = f"waits for a place on {' or '.join(seen.places) or 'a node that is Ready'}, {why}"
        return replace(run, reason=words), None
    if volume.attached:
        run = replace(run, node=volume.engine_node, target=seen.slot.target, started_at=now.wall)
        return enter(run, now, Phase.INSPECTING, f"attached to {run.node} by others"), None
    name = naming.TicketName(
        instance=origin.instance, journal=origin.journal, run=run.id, deadline=now.wall + origin.lease
    )
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
        run = replace(run, attached_at=mine.since if mine else None)
        return enter(run, now, Phase.INSPECTING, f"attached to {volume.engine_node}, frontend disabled"), None
    if rival := next((t for t in volume.others(run.ticket) if t.satisfied or t.of_workload), None):
        return yielded(run, now, rival), None
    if refused := refused_by(seen.answer):
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
    run = replace(run, new_bytes=found.new_bytes, base=found.base)
    run = replace(run, hidden=conceals(run, seen.evidence, now.wall))
    if found.skip is not None:
        if found.skip is Outcome.UNCHANGED:
            run = replace(run, protected_until=seen.at or now.wall)
        return leave(run, now, found.skip, found.reason), None
    if policy.full_every:
        number = next_number(seen.volume, seen.backups, policy=policy.name, origin=origin)
        run = replace(run, number=number, full=full_is_due(policy, number))
    if found.reuse is not None:
        run = replace(run, snapshot=found.reuse.name, snapshot_holds=seen.at or now.wall)
        return enter(run, now, Phase.BACKING_UP, f"{found.reason}; snapshot {run.snapshot} holds all of it"), None
    run = replace(run, snapshot=naming.snapshot_name(run), own_snapshot=True)
    old = stale_snapshots(seen.chain, seen.backups, policy=policy.name, origin=origin)
    command = CreateSnapshot(name=run.snapshot, labels=naming.labels(run, origin), delete=old)
    return enter(run, now, Phase.SNAPSHOTTING, found.reason), command


def _snapshotting(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    # let go before it is ready, Longhorn would attach the volume again for it by itself, with the frontend enabled
    begun = seen.volume is not None and seen.snapshot is not None and not (seen.snapshot.ready or seen.snapshot.error)
    if ended := (None if begun else unwanted(run, seen, now, policy)) or lost(run, seen, now):
        return ended, None
    if seen.snapshot is not None and seen.snapshot.ready:
        run = replace(run, snapshot_holds=seen.snapshot.created)
        return enter(run, now, Phase.BACKING_UP, f"snapshot {run.snapshot} is ready"), None
    if seen.snapshot is not None and seen.snapshot.error:
        words = f"snapshot {run.snapshot} failed: {seen.snapshot.error}"
        return leave(run, now, Outcome.FAILED, words, can_pass=True), None
    missing = seen.fault is None and seen.snapshot is None
    if missing and (refused := refused_by(seen.answer)):
        return leave(run, now, Outcome.FAILED, refused.text, can_pass=True), None
    run = patiently(run, seen, now, patience_of(policy).snapshot, f"snapshot {run.snapshot} to be ready")
    if run.phase is Phase.SNAPSHOTTING and missing and seen.volume is not None and holds(run, seen.volume):
        return run, CreateSnapshot(name=run.snapshot, labels=naming.labels(run, origin))
    return run, None
