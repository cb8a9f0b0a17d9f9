"""Who may start, and who waits for what.

One pure function hands out slots: `cluster` runs in all, `per_target` on a backup target, `per_node` on a node, never
two on one volume. Runs of attached volumes count on the node of their engine. Whoever is left over is told what it
waits for, in words that status, page and log repeat.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .cluster import Node, Volume
from .model import Limits, Run
from .placement import candidates, nowhere


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


@dataclass(slots=True)
class _Load:
    """What is taken while slots are handed out."""

    total: int = 0
    nodes: Counter[str] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    volumes: dict[str, str] = field(default_factory=dict)

    def take(self, run: Run, slot: Slot) -> None:
        self.volumes[run.volume] = run.id
        if run.stuck:
            return  # Longhorn does not take the volume back: others need not wait for that
        self.total += 1
        self.nodes[slot.node] += 1
        self.targets[slot.target] += 1


def admit(
    waiting: Iterable[Run],
    active: Iterable[Run],
    *,
    volumes: Mapping[str, Volume],
    nodes: Mapping[str, Node],
    limits: Limits,
) -> Admission:
    """Give slots to `waiting`, oldest due time first, beside the `active` runs.

    A run whose volume is not in `volumes` waits for the next look at Longhorn.
    """
    load = _Load()
    for run in active:
        load.take(run, Slot(node=run.node, target=run.target))
    slots: dict[str, Slot] = {}
    waits: dict[str, str] = {}
    for run in sorted(waiting, key=lambda run: (run.due, run.queued_at, run.volume, run.policy, run.id)):
        answer = _slot(run, load, volumes.get(run.volume), nodes, limits)
        if isinstance(answer, Slot):
            slots[run.id] = answer
            load.take(run, answer)
        else:
            waits[run.id] = answer
    return Admission(slots, waits)


def _slot(run: Run, load: _Load, volume: Volume | None, nodes: Mapping[str, Node], limits: Limits) -> Slot | str:
    if volume is None:
        return "waits until Longhorn lists the volume again"
    if run.volume in load.volumes:
        return f"waits for run {load.volumes[run.volume]} of the same volume"
    if load.total >= limits.cluster:
        return f"waits for one of {limits.cluster} places in the cluster (limits.cluster)"
    if load.targets[volume.backup_target] >= limits.per_target:
        return f"waits for one of {limits.per_target} places on backup target {volume.backup_target}"
    where = (volume.engine_node,) if volume.attached else candidates(volume, nodes)
    if not where:
        return f"waits: {nowhere(volume, nodes)}"
    node = min(where, key=lambda name: (load.nodes[name], name))
    if load.nodes[node] >= limits.per_node:
        return f"waits for one of {limits.per_node} places on {' or '.join(where)} (limits.per_node)"
    return Slot(node=node, target=volume.backup_target)
