"""What a look at a volume says of writing: who uses it, and what has changed since the look before.

A look shows the volume as it is. What happened between two looks is known only by its traces, and dated by the earliest
moment that they allow: a ticket says when it was satisfied (`lastTransitionTime` of its condition, recordings 102 and
110), everything else happened at some time after the look before. An attach that leaves no trace (a client that has the
volume for four seconds between two looks) shows here not at all; the next inspection reveals what it wrote.

Tickets of lhbackupd with the frontend disabled write nothing, nor do those by which Longhorn itself copies a volume.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .cluster import Ticket, TicketKind, Volume
from .naming import TicketName

#: ticket types by which Longhorn holds a volume to copy it; nobody mounts what these attach (`AttacherType`)
COPYING = frozenset(
    {TicketKind.BACKUP, TicketKind.SNAPSHOT, "volume-eviction-controller", "volume-rebuilding-controller"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Something by which data may have been written, and since when."""

    since: datetime
    #: whether the volume was writable for somebody; False where it only may have been
    certain: bool
    words: str
    #: when it was over, where that is known
    ended: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time between two looks. A volume that no look has shown before has no beginning of it."""

    after: datetime | None
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is remembered of the last look at a volume, to compare the next one with."""

    created: datetime | None
    size: int
    actual_size: int
    #: names of the pods that are known to have run with it
    pods: frozenset[str] = frozenset()
    #: somebody has it, and may write
    use: Sign | None = None
    #: attached, or on its way, for those who write nothing
    held: bool = False


def look(before: Look | None, volume: Volume, window: Window, *, ours: bool) -> tuple[Look, tuple[Sign, ...]]:
    """What to remember of this look, and the signs that it shows. `ours`: a run of ours held the volume in between."""
    if before is not None and anew(before, volume):
        before = None
    if before is not None and _idle(before, volume):
        return before, ()
    use = _use(before, volume, window, ours=ours)
    after = Look(
        created=volume.created,
        size=volume.size,
        actual_size=volume.actual_size,
        pods=_known_pods(volume) | (before.pods if before else frozenset()),
        use=use,
        held=use is None and _held(before, volume, ours=ours),
    )
    traces = _traces(before, after, volume, window.after, ours=ours) if before and window.after else ()
    return after, ((use, *traces) if use else traces)


def anew(before: Look, volume: Volume) -> bool:
    """Whether a volume of this name was deleted, and another one made."""
    return before.created is not None and volume.created is not None and before.created != volume.created


def _idle(before: Look, volume: Volume) -> bool:
    """Whether a volume lies there as it did: the usual case, of thousands at every poll."""
    return (
        before.use is None
        and not before.held
        and volume.plainly_detached
        and (volume.size, volume.actual_size) == (before.size, before.actual_size)
        and not (volume.pods and _known_pods(volume) - before.pods)
    )


def set_back(seen: Look, by: timedelta) -> Look:
    """`seen` after the wall clock was set back: what it said before is that much too late."""
    return replace(seen, use=replace(seen.use, since=seen.use.since - by)) if seen.use else seen


def harmless(ticket: Ticket) -> bool:
    """Whether whoever holds this ticket writes nothing."""
    return ticket.kind in COPYING or (ticket.frontend_disabled and TicketName.parse(ticket.id) is not None)


def _use(before: Look | None, volume: Volume, window: Window, *, ours: bool) -> Sign | None:
    """Who has the volume and may write, since when; None where nobody has."""
    if volume.state == "detached":
        return None
    satisfied = [ticket for ticket in volume.tickets if ticket.satisfied]
    holders = [ticket for ticket in satisfied if not harmless(ticket)]
    former = before.use if before else None
    if holders:
        writers = [ticket for ticket in holders if not ticket.frontend_disabled]
        return _held_by(writers or holders, former, window, certain=bool(writers))
    if satisfied:
        return None
    if former is not None:
        return former  # on its way out, or its engine comes back under the same ticket
    if volume.state not in {"attached", "detaching"} or ours or (before is not None and before.held):
        return None
    since = window.after or window.until
    return Sign(since=since, certain=True, words="attached by somebody whose ticket no look has shown")


def _held(before: Look | None, volume: Volume, *, ours: bool) -> bool:
    """Whether nobody but those who write nothing can have the volume, or can have had it just now."""
    if volume.state == "detached":
        return False
    if any(ticket.satisfied and harmless(ticket) for ticket in volume.tickets):
        return True
    if not all(map(harmless, volume.tickets)):
        return False
    return ours or bool(volume.tickets) or (before is not None and before.held)


def _held_by(tickets: list[Ticket], former: Sign | None, window: Window, *, certain: bool) -> Sign:
    goes_on = former if former is not None and former.certain is certain else None
    since = min(_began(ticket, goes_on, window) for ticket in tickets)
    names = ", ".join(sorted({f"{ticket.kind} on {ticket.node}" for ticket in tickets}))
    how = "attached read-write" if certain else "attached with its frontend disabled, so perhaps reverted or restored,"
    words = f"{how} by {names}"
    if goes_on is not None and goes_on.since == since:
        return replace(goes_on, words=words)
    return Sign(since=since, certain=certain, words=words)


def _began(ticket: Ticket, former: Sign | None, window: Window) -> datetime:
    """When a holder got the volume: by its ticket, as far as the looks around it allow."""
    after, said = window.after, ticket.since
    if former is not None and (said is None or after is None or said <= after):
        return former.since
    if said is not None and said <= window.until and (after is None or said >= after):
        return said
    return after or window.until


def _traces(before: Look, after: Look, volume: Volume, since: datetime, *, ours: bool) -> tuple[Sign, ...]:
    """What changed although nobody was seen at it."""
    found = []
    if volume.size != before.size:
        words = f"its size changed from {before.size} to {volume.size} bytes"
        found.append(Sign(since=since, certain=True, words=words))
    if before.use is not None or after.use is not None:
        return tuple(found)
    # Longhorn learns sizes late (a poll of 5 s, throttled to one in 30 s): what it learns while we hold the volume was
    # written before, and our inspection has seen it
    if volume.actual_size > before.actual_size and not (ours or before.held or after.held):
        words = f"it grew by {volume.actual_size - before.actual_size} bytes"
        found.append(Sign(since=since, certain=True, words=words))
    if new := after.pods - before.pods:
        words = f"pod {min(new)} used it, or waited for it, between two looks"
        found.append(Sign(since=since, certain=False, words=words, ended=volume.last_pod_at))
    return tuple(found)


def _known_pods(volume: Volume) -> frozenset[str]:
    """Pods that may have had the volume: all once Kubernetes says that the last one is gone, before those not pending.

    Longhorn goes on to show the last ones then, each with the status in which it last saw it.
    """
    gone = volume.last_pod_at is not None
    return frozenset(pod.name for pod in volume.pods if gone or pod.status != "Pending")
