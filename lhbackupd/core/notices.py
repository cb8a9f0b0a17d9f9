"""Which troubles people are told of, and when they are told that one is over.

A trouble is what lasts: the backups of a volume fail, its RPO is violated, nothing covers it. It is told once, however
often it is seen, and its end is told only if its beginning was. What is neither seen nor known to be over is unknown,
and nothing is said of it. `look` is called with what can be seen now, so that nothing hangs on an event that came while
nobody listened; what was told is all that has to outlive a restart.
"""

from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What a message is about."""

    FAILURE = "failure"
    RPO = "rpo"
    UNCOVERED = "uncovered"
    #: that one of the above is over
    RECOVERY = "recovery"
    DIGEST = "digest"


#: what a policy can have told or not: the rest is of no policy
OF_POLICY = (Kind.FAILURE, Kind.RECOVERY, Kind.RPO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a trouble is about; `policy` is empty where it is about a volume alone."""

    kind: Kind
    policy: str = ""
    volume: str = ""


#: how long a trouble is to last before it is told: a volume that was just made may be covered in a minute
SETTLES = {Kind.UNCOVERED: timedelta(minutes=2)}
#: after so long neither seen nor over it is forgotten: its volume or its policy is no more
FORGET = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What was told, and what is on its way there."""

    #: when each trouble was told that is not over
    told: Mapping[Key, datetime] = field(default_factory=dict)
    #: since when each trouble has been seen that was not told yet
    since: Mapping[Key, datetime] = field(default_factory=dict)
    #: since when each trouble that was told is neither seen nor known to be over
    lost: Mapping[Key, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is to be told after a look: troubles that began, and those that are over."""

    memory: Memory
    began: tuple[Key, ...] = ()
    ended: tuple[Key, ...] = ()
    #: no longer in memory, and not to be told either
    dropped: tuple[Key, ...] = ()


def look(
    memory: Memory,
    *,
    troubles: Collection[Key],
    well: Container[Key],
    wants: Callable[[Kind, str], bool],
    now: datetime,
) -> News:
    """Hold what is seen now against what was told.

    `troubles` are there now, those in `well` are certainly over, all others are unknown. `wants(kind, policy)` says
    whether people want to hear of it.
    """
    told, since, lost = dict(memory.told), dict[Key, datetime](), dict[Key, datetime]()
    began, ended, dropped = list[Key](), list[Key](), list[Key]()
    for key in troubles:
        if key in told or not wants(key.kind, key.policy):
            continue
        since[key] = first = memory.since.get(key, now)
        if now - first >= SETTLES.get(key.kind, timedelta(0)):
            began.append(key)
            told[key] = now
            del since[key]
    for key in memory.told:
        if key in troubles:
            continue
        if key in well:
            del told[key]
            (ended if wants(Kind.RECOVERY, key.policy) else dropped).append(key)
            continue
        lost[key] = memory.lost.get(key, now)
        if now - lost[key] >= FORGET:
            del told[key], lost[key]
            dropped.append(key)
    return News(
        memory=Memory(told=told, since=since, lost=lost),
        began=tuple(began),
        ended=tuple(ended),
        dropped=tuple(dropped),
    )
