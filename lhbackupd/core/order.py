"""In which order waiting runs are let in: by deadline, and among equal deadlines by what makes the whole end soonest.

A run is to be done when its RPO passes, counted from when its volume's data became exposed; without an RPO by the next
due time, because then its successor is skipped. It has to start earlier than that: by as long as it is expected to
last, or, where that is more, by as long as its nodes or its backup target are busy with all that is wanted there by
then. That latest start is the order. So the long ones go first on a node, and the node with the most to do goes first
in the cluster; a run whose several nodes will do counts on each of them for its part.

Nobody waits for ever: a latest start lies never before the run was asked for, nor after its deadline. What is asked
for after that deadline comes after the run, however long the queues grow, and so do attempts that failed and come
again. Deadlines that differ by less than a 24th of the time allowed count as equal.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import heapify, heappop

from .model import Limits, Policy, Run
from .timetable import next_due, parse_cron, parse_zone

#: deadlines are rounded down to such a part of the time allowed
_GRAIN = 24

_Rank = tuple[float, datetime, datetime, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a run asks for: so much time, until then."""

    #: when it is to be done; for the order alone, rounded down
    by: datetime
    #: how many seconds it is expected to hold its place, or, once it does, to hold it still
    seconds: float = 0.0
    #: when it was asked for, rounded as `by` is: it goes before no run that had to start earlier than this
    asked: datetime

    @property
    def start(self) -> datetime:
        """When it has to start by itself, whatever else waits for the same nodes."""
        return max(self.asked, self.by - timedelta(seconds=self.seconds))


def claim(run: Run, policy: Policy | None, *, seconds: float, exposed: datetime | None = None) -> Claim:
    """What `run` asks for. `exposed` is since when its volume may hold data that no backup holds, if that is known.

    A run of a policy that is gone is to end at once, and so is due when it was.
    """
    asked = run.due if run.attempt == 1 else max(run.due, run.queued_at)
    if policy is None:
        return Claim(by=run.due, seconds=seconds, asked=run.due)
    if policy.rpo is not None:
        by, allowed = (exposed or run.due) + policy.rpo, policy.rpo
    else:
        by = following(policy.cron, policy.timezone, run.due)
        allowed = by - run.due
    grain = _grain(allowed)
    return Claim(by=_floor(by, grain), seconds=seconds, asked=_floor(asked, grain))


@lru_cache(maxsize=256)
def _grain(allowed: timedelta) -> timedelta:
    return max(timedelta(seconds=1), allowed / _GRAIN)


@lru_cache(maxsize=4096)  # thousands are due at one moment
def _floor(moment: datetime, grain: timedelta) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return moment - (moment - epoch) % grain


@lru_cache(maxsize=4096)
def following(cron: str, zone: str, due: datetime) -> datetime:
    """The due time after another; kept, since many volumes share a policy."""
    return next_due(parse_cron(cron), parse_zone(zone), due)


def rank(run: Run, seconds: float) -> _Rank:
    """The order among runs that need the same by the same time: the longest first."""
    return -seconds, run.due, run.queued_at, run.volume, run.policy, run.id


@dataclass(slots=True)
class Group:
    """Waiting runs that need the same by the same time, and differ but in length."""

    #: seconds since 1970
    by: float
    asked: float
    nodes: tuple[str, ...]
    target: str
    #: longest first
    runs: list[tuple[_Rank, Run]] = field(default_factory=list)
    #: the latest start, in seconds since 1970; set by `Queue.ordered`
    start: float = 0.0


def _seconds() -> defaultdict[str, float]:
    return defaultdict(float)


@dataclass(slots=True)
class Pressure:
    """Seconds of work that nodes and backup targets have before them."""

    nodes: defaultdict[str, float] = field(default_factory=_seconds)
    targets: defaultdict[str, float] = field(default_factory=_seconds)

    def expect(self, group: Group, seconds: float) -> None:
        """A run of `group` waits: each node that will do has its part of it before it, the target all of it."""
        for node in group.nodes:
            self.nodes[node] += seconds / len(group.nodes)
        self.targets[group.target] += seconds

    def settle(self, group: Group, node: str, seconds: float) -> None:
        """A run of `group` that waited has gone to `node`."""
        for other in group.nodes:
            self.nodes[other] -= seconds / len(group.nodes)
        self.nodes[node] += seconds

    def also(self, other: "Pressure") -> None:
        for name, seconds in other.nodes.items():
            self.nodes[name] += seconds
        for name, seconds in other.targets.items():
            self.targets[name] += seconds


@dataclass(frozen=True, slots=True)
class Spare:
    """What is left to be given, and from when on a run is late."""

    #: nodes and backup targets on which no place is left
    full_nodes: frozenset[str]
    full_targets: frozenset[str]
    #: in seconds since 1970; -inf where it does not matter who is late
    late: float


_Key = tuple[float, tuple[str, ...], str]


@dataclass(slots=True)
class _Level:
    """All groups with one deadline."""

    groups: dict[_Key, Group] = field(default_factory=dict)
    #: the same by each of their nodes: where nearly all are full, few groups have to be looked at
    by_node: dict[str, dict[_Key, Group]] = field(default_factory=dict)
    pressure: Pressure = field(default_factory=Pressure)
    #: seconds; no run is longer
    longest: float = 0.0

    def group(self, by: float, key: _Key) -> Group:
        """The group of what can be had with `key`, a new one if need be."""
        if key not in self.groups:
            self.groups[key] = Group(by, *key)
            for node in key[1]:
                self.by_node.setdefault(node, {})[key] = self.groups[key]
        return self.groups[key]

    def drop(self, key: _Key) -> None:
        del self.groups[key]
        for node in key[1]:
            del self.by_node[node][key]

    def able(self, spare: Spare) -> Iterable[Group]:
        """The groups that can have a place."""
        found: dict[_Key, Group] = {}
        for node, groups in self.by_node.items():
            if node not in spare.full_nodes:
                found |= groups
        return (group for group in found.values() if group.target not in spare.full_targets)


class Queue:
    """Waiting runs in groups, so that a thousand of them are put in order as fast as their few groups are."""

    def __init__(self) -> None:
        self._levels: dict[float, _Level] = {}

    def __bool__(self) -> bool:
        return bool(self._levels)

    def add(self, run: Run, claim: Claim, *, nodes: tuple[str, ...], target: str) -> None:
        """Take in a run that can go to any of `nodes`."""
        by, asked = claim.by.timestamp(), claim.asked.timestamp()
        level = self._levels.setdefault(by, _Level())
        group = level.group(by, (asked, nodes, target))
        level.longest = max(level.longest, claim.seconds)
        level.pressure.expect(group, claim.seconds)
        insort(group.runs, (rank(run, claim.seconds), run))

    def remove(self, group: Group, entry: tuple[_Rank, Run]) -> None:
        """Take out a run of a group."""
        level = self._levels[group.by]
        level.pressure.expect(group, entry[0][0])
        group.runs.remove(entry)
        if not group.runs:
            level.drop((group.asked, group.nodes, group.target))
        if not level.groups:
            del self._levels[group.by]

    def take_out(self, policies: Collection[str]) -> tuple[Run, ...]:
        """Take out all runs of these policies."""
        groups = [group for level in self._levels.values() for group in level.groups.values()]
        found = [(group, entry) for group in groups for entry in group.runs if entry[1].policy in policies]
        for group, entry in found:
            self.remove(group, entry)
        return tuple(run for _, (_, run) in found)

    def ordered(self, pressure: Pressure, limits: Limits, spare: Spare | None = None) -> Iterator[Group]:
        """The groups, those that have to start soonest first. `pressure`, of what goes on, is added to.

        With `spare`, groups that can have no place are left out, unless one with their deadline may be late.
        """
        found: list[tuple[float, float, float, _Rank, Group]] = []
        per_node, per_target = max(1, limits.per_node), max(1, min(limits.per_target, limits.cluster))
        for by, level in sorted(self._levels.items()):
            pressure.also(level.pressure)
            there = {name: seconds / per_node for name, seconds in pressure.nodes.items()}
            behind = {name: seconds / per_target for name, seconds in pressure.targets.items()}
            most = max(level.longest, *there.values(), *behind.values())
            every = spare is None or by - most <= spare.late
            # by far the most of a forecast's time is spent here
            for group in level.groups.values() if spare is None or every else level.able(spare):
                first = group.runs[0][0]
                node, target = min(map(there.__getitem__, group.nodes)), behind[group.target]
                need = max(target, node, -first[0])
                group.start = max(group.asked, by - need)
                found.append((group.start, -need, -node - target, first, group))
        heapify(found)
        while found:
            yield heappop(found)[-1]
