"""What polls have shown of a volume's past: what it shows at rest, who has attached it by Longhorn's events.

Each poll is folded into the volume's trail. What is kept of it is when a look last showed that somebody else may have
had the volume, and when the events last showed an attach of ours, which says that they show attaches at all. Events of
equal text are one, whose count goes up, and one that was forgotten comes back with its count going on (client-go,
`eventLogger` and `recordEvent`), so an attach is known by event and count. Whether it was ours is known by its time.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from .cluster import Volume
from .exposure import Exposure
from .protection import Protection

#: an attach that Longhorn's events show is ours if it is so near to the moment at which our ticket got the volume (the
#: same second in recordings 102, 300, 613, 615 and 700); the next one by anybody is a detach and an attach away, which
#: took 5 s at least (recordings 810 to 820)
NEAR = timedelta(seconds=2)
#: two looks at the events that are no further apart have missed none but those that Kubernetes drops: it keeps them for
#: an hour by default (kube-apiserver, `--event-ttl`)
OVERLAP = timedelta(minutes=30)

#: what a detached volume shows that changes while we have it, too
_OURS_TOO = frozenset({"actual_size", "robustness", "replicas"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What a volume shows while it is detached, and goes on to show until somebody has it."""

    created: datetime | None
    size: int
    actual_size: int
    robustness: str
    replicas: tuple[str, ...]
    #: with what Kubernetes says of each
    pods: tuple[str, ...]
    last_pod_at: datetime | None
    backup_target: str
    last_backup_at: datetime | None


def at_rest(volume: Volume) -> Rest | None:
    """What `volume` shows at rest; None while it is not."""
    if not volume.plainly_detached:
        return None
    return Rest(
        created=volume.created,
        size=volume.size,
        actual_size=volume.actual_size,
        robustness=volume.robustness,
        replicas=tuple(sorted(f"{one.name} on {one.node}{' failed' * one.failed}" for one in volume.replicas)),
        pods=tuple(sorted(f"{pod.name} {pod.status}" for pod in volume.pods)),
        last_pod_at=volume.last_pod_at,
        backup_target=volume.backup_target,
        last_backup_at=volume.last_backup_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What polls have shown of a volume's past. Times are ours but where it is said."""

    rest: Rest | None = None
    #: the attaches that the last look at the events showed, by event and count
    marks: tuple[str, ...] = ()
    #: the last attach of ours that the events have shown, by Longhorn's clock, and when they first did
    ours: datetime | None = None
    shown: datetime | None = None
    #: the last attach by somebody else that they have shown, by Longhorn's clock
    theirs: datetime | None = None
    #: when a look last showed that somebody may have had it, or that such things go unseen; and by what, in words
    touched: datetime | None = None
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookout:
    """Looks at the events, each in time for the next one to overlap with it: the first and the last, by our clock."""

    since: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that there is to go by for one volume under one policy; None is what nobody knows."""

    word: Protection | None = None
    known: Exposure | None = None
    trail: Trail | None = None
    lookout: Lookout | None = None


def rested(trail: Trail, rest: Rest, at: datetime, *, ours: bool) -> Trail:
    """The trail of a volume that a poll at `at` shows at rest; `ours`: a run of ours has had it since the last such."""
    if rest == trail.rest:
        return trail
    if trail.rest is None:
        return replace(trail, rest=rest)
    changed = {one.name for one in fields(Rest) if getattr(rest, one.name) != getattr(trail.rest, one.name)}
    if ours:
        changed -= _OURS_TOO
    then, now = trail.rest.last_backup_at, rest.last_backup_at
    if now is not None and (then is None or then < now):  # a newer one; an older one means that the newest is gone
        changed.discard("last_backup_at")
    if not changed:
        return replace(trail, rest=rest)
    words = f"between two looks its {' and '.join(sorted(changed)).replace('_', ' ')} changed"
    return replace(trail, rest=rest, touched=at, words=words)


def attaches_seen(
    trail: Trail, marks: Mapping[str, datetime], at: datetime, *, ours: Collection[datetime], busy: bool
) -> Trail:
    """The trail of a volume after a look at the events at `at`.

    `marks` are the attaches that they show and when each was, by Longhorn's clock; `ours` the moments at which tickets
    of ours got the volume, by the same. While a run of ours is `busy` with it, its own attach may be there before the
    moment of it is known: what is strange is judged when the run is over.
    """
    new = marks.keys() - {*trail.marks}
    own = {mark for mark in new if any(abs(marks[mark] - moment) <= NEAR for moment in ours)}
    strange = new - own
    if own:
        latest = max(marks[mark] for mark in own)
        trail = replace(trail, ours=latest, shown=at) if trail.ours is None or latest > trail.ours else trail
    if strange and not busy:
        last = max(marks[mark] for mark in strange)
        words = f"Longhorn's events show that somebody has attached it, at {last:%Y-%m-%d %H:%M:%S} UTC"
        trail = replace(trail, touched=at, words=words, theirs=last)
    elif _forgotten(trail, marks, at):
        trail = replace(trail, touched=at, words="Longhorn's events are forgotten too soon: our own attach is gone")
    kept = tuple(sorted(marks.keys() - strange if busy else marks))
    return replace(trail, marks=kept) if kept != trail.marks else trail


def _forgotten(trail: Trail, marks: Mapping[str, datetime], at: datetime) -> bool:
    """Whether our own attach is no longer among the events, so soon that looks need not have overlapped."""
    if trail.ours is None or trail.shown is None or at - trail.shown > OVERLAP:
        return False
    return not any(moment >= trail.ours - NEAR for moment in marks.values())
