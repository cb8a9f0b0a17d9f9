"""Who may start, and who waits for what.

One pure function hands out slots: `cluster` runs in all, `per_target` on a backup target, `per_node` on a node, never
two on one volume, in the order of `core.order`. Runs of attached volumes count on the node of their engine. A run that
finds no place holds up nobody who wants another, with one exception: for the first one that is late, the last of the
places that it could have is kept, because a run that needs both a node and a target might never find both free at once.
Whoever is left over is told what it waits for, in words that status, page and log repeat.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from .cluster import Node, Volume
from .model import Limits, Run
from .order import Claim, Group, Pressure, Queue, Spare
from .placement import nowhere, places


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Leave to start, on a node and a backup target."""

    node: str
    target: str


@dataclass(frozen=True, slots=True)
class Admission:
    """Slots by run id, and for all other waiting runs what they wait for."""

    slots: Mapping[str, Slot]
    waits: Mapping[str, str]
    #: those of them that wait for a place: `hand_out` gives them what comes free
    left: Queue


@dataclass(slots=True)
class Load:
    """What is taken while slots are handed out."""

    total: int = 0
    nodes: Counter[str] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    #: the run that each volume has
    volumes: dict[str, str] = field(default_factory=dict)
    pressure: Pressure = field(default_factory=Pressure)

    @classmethod
    def of(cls, active: Iterable[Run], claims: Mapping[str, Claim]) -> "Load":
        """What `active` runs have, and for how long; one without a claim takes no time."""
        load = cls()
        for run in active:
            load.take(run, Slot(node=run.node, target=run.target))
            if run.id in claims and not run.stuck:
                load.pressure.nodes[run.node] += claims[run.id].seconds
                load.pressure.targets[run.target] += claims[run.id].seconds
        return load

    def take(self, run: Run, slot: Slot) -> None:
        """`run` has this slot."""
        self.volumes[run.volume] = run.id
        if run.stuck or run.finished:
            return  # Longhorn does not take the volume back, or that is yet to be written down: others need not wait
        self.total += 1
        self.nodes[slot.node] += 1
        self.targets[slot.target] += 1

    def give_back(self, run: Run, slot: Slot) -> None:
        """`run`, which had this slot, has ended."""
        self.volumes.pop(run.volume, None)
        self.total -= 1
        self.nodes[slot.node] -= 1
        self.targets[slot.target] -= 1


def admit(
    waiting: Iterable[Run],
    active: Iterable[Run],
    *,
    volumes: Mapping[str, Volume],
    nodes: Mapping[str, Node],
    limits: Limits,
    claims: Mapping[str, Claim] | None = None,
    now: datetime | None = None,
) -> Admission:
    """Give slots to `waiting`, those that have to start soonest first, beside the `active` runs.

    `claims` are by run id, of active runs too; a run without one is to be done when it is due, and takes no time. A
    run whose volume is not in `volumes` waits for the next look at Longhorn. Without `now` nobody is late.
    """
    claims, queue = claims or {}, Queue()
    load = Load.of(active, claims)
    waits: dict[str, str] = {}
    for run in waiting:
        volume = volumes.get(run.volume)
        if volume is None:
            waits[run.id] = "waits until Longhorn lists the volume again"
        elif not (where := places(volume, nodes)):
            waits[run.id] = f"waits: {nowhere(volume, nodes)}"
        else:
            asks = claims.get(run.id) or Claim(by=run.due, asked=run.due)
            queue.add(run, asks, nodes=where, target=volume.backup_target)
    slots = {run.id: slot for run, slot in hand_out(queue, load, limits, now=now, waits=waits)}
    return Admission(slots, waits, queue)


def hand_out(
    queue: Queue,
    load: Load,
    limits: Limits,
    *,
    now: datetime | None = None,
    waits: dict[str, str] | None = None,
) -> Iterator[tuple[Run, Slot]]:
    """The runs of `queue` that have a slot now, taken out of it; `waits` is told what the others wait for.

    Without `waits` nobody is looked at who can have no place.
    """
    if waits is None and load.total >= limits.cluster:
        return
    kept: Group | None = None
    left = spare(load, limits, now) if waits is None else None
    for group in queue.ordered(load.pressure, limits, left):
        words = ""
        for entry in tuple(group.runs):
            run = entry[1]
            if run.volume in load.volumes:
                if waits is not None:
                    waits[run.id] = f"waits for run {load.volumes[run.volume]} of the same volume"
                continue
            answer = words or _slot(group, load, limits, kept)
            if isinstance(answer, Slot):
                queue.remove(group, entry)
                load.take(run, answer)
                load.pressure.settle(group, answer.node, -entry[0][0])
                yield run, answer
                if waits is None and load.total >= limits.cluster:
                    return
                continue
            words = answer
            if kept is None and now is not None and group.start <= now.timestamp():
                kept = group
            if waits is None:
                break
            waits[run.id] = words


def spare(load: Load, limits: Limits, now: datetime | None) -> Spare:
    """What is left to be given.

    A place is kept for one that is late on a target that has one left, or on a node while its target has none: where no
    target can come to that with the runs that may yet be let in, it does not matter who is late.
    """
    left = limits.cluster - load.total
    crowded = any(count + left >= limits.per_target for count in (*load.targets.values(), 0))
    return Spare(
        full_nodes=frozenset(name for name, count in load.nodes.items() if count >= limits.per_node),
        full_targets=frozenset(name for name, count in load.targets.items() if count >= limits.per_target),
        late=now.timestamp() if now is not None and crowded else -inf,
    )


def _slot(group: Group, load: Load, limits: Limits, kept: Group | None) -> Slot | str:
    if load.total >= limits.cluster:
        return f"waits for one of {limits.cluster} places in the cluster (limits.cluster)"
    if load.targets[group.target] >= limits.per_target:
        return f"waits for one of {limits.per_target} places on backup target {group.target}"
    free = [name for name in group.nodes if load.nodes[name] < limits.per_node]
    if not free:
        return f"waits for one of {limits.per_node} places on {' or '.join(group.nodes)} (limits.per_node)"
    if kept is not None and kept is not group:
        late = f", the last of which is kept for the late run {kept.runs[0][1].id}"
        if group.target == kept.target and load.targets[group.target] + 1 >= limits.per_target:
            return f"waits for one of {limits.per_target} places on backup target {group.target}{late}"
        last = _last_place(kept, load, limits)
        free = [name for name in free if name != last]
        if not free:
            return f"waits for one of {limits.per_node} places on {last}{late} (limits.per_node)"
    pressure = load.pressure.nodes
    node = min(free, key=lambda name: (pressure[name], load.nodes[name], name))
    return Slot(node=node, target=group.target)


def _last_place(kept: Group, load: Load, limits: Limits) -> str:
    """The node that has the only place left of those that `kept` could have; "" where there are more, or none."""
    left = {name: limits.per_node - load.nodes[name] for name in kept.nodes}
    free = [name for name, places_ in left.items() if places_ > 0]
    return free[0] if len(free) == 1 and left[free[0]] == 1 else ""
