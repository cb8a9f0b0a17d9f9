"""On which node to attach a detached volume.

In this order: Ready nodes that hold a good replica and are not cordoned; other Ready nodes not cordoned (with the
frontend disabled nothing is rebuilt there: traces `locality-*`); cordoned ones with a replica; any Ready node. A
strict-local volume goes to its replica's node or nowhere: Longhorn refuses any other (recording 611). Of a detached
volume a replica is good when its `failedAt` is empty; robustness and modes say nothing then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import assert_never

from .cluster import Node, Volume


class Fit(IntEnum):
    """How well a node suits a detached volume, best first."""

    HOLDING = 0
    OPEN = 1
    CORDONED_HOLDING = 2
    CORDONED = 3
    #: Longhorn would refuse it
    NOT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A node, whether a run may go there now, and why."""

    node: str
    chosen: bool
    reason: str


def candidates(volume: Volume, nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """The nodes of the best kind there is, by name; empty where the volume can be attached nowhere."""
    holding, strict = _holding(volume), _strict(volume)
    known = (nodes[name] for name in holding if name in nodes)
    if held := [node.name for node in known if _fit(node, holds=True, strict=strict) is Fit.HOLDING]:
        return tuple(sorted(held))  # there is no better kind
    fits = _fits(volume, nodes)
    best = min(fits.values(), default=Fit.NOT)
    return () if best is Fit.NOT else tuple(sorted(name for name, fit in fits.items() if fit is best))


def places(volume: Volume, nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """The nodes on which `volume` can be backed up: where it is attached, or else where it is best attached."""
    return (volume.engine_node,) if volume.attached else candidates(volume, nodes)


def choices(volume: Volume, nodes: Mapping[str, Node]) -> tuple[Choice, ...]:
    """Every node by name, with why a run of `volume` would go there or not."""
    where, fits = places(volume, nodes), _fits(volume, nodes)
    failed = {replica.node for replica in volume.replicas if replica.failed} - _holding(volume)
    found: list[Choice] = []
    for name, node in sorted(nodes.items()):
        if volume.attached:
            reason = "it is attached here" if name in where else f"it is attached to {volume.engine_node}"
        else:
            reason = _why(volume, node, fits[name])
            reason += "; its replica there has failed" if name in failed else ""
        found.append(Choice(node=name, chosen=name in where, reason=reason))
    return tuple(found)


def _holding(volume: Volume) -> set[str]:
    return {replica.node for replica in volume.replicas if not replica.failed}


def _fits(volume: Volume, nodes: Mapping[str, Node]) -> dict[str, Fit]:
    holding, strict = _holding(volume), _strict(volume)
    return {name: _fit(node, holds=name in holding, strict=strict) for name, node in nodes.items()}


def _fit(node: Node, *, holds: bool, strict: bool) -> Fit:
    if not node.ready or (strict and not holds):
        return Fit.NOT
    if strict:
        return Fit.HOLDING
    if node.cordoned:
        return Fit.CORDONED_HOLDING if holds else Fit.CORDONED
    return Fit.HOLDING if holds else Fit.OPEN


def _why(volume: Volume, node: Node, fit: Fit) -> str:
    match fit:
        case Fit.HOLDING:
            return "it holds a good replica" + (", and is the only place for strict-local" if _strict(volume) else "")
        case Fit.OPEN:
            return "it holds no good replica"
        case Fit.CORDONED_HOLDING:
            return "it holds a good replica, but is cordoned"
        case Fit.CORDONED:
            return "it holds no good replica, and is cordoned"
        case Fit.NOT:
            if not node.ready:
                return "it is not Ready" + (f": {node.message}" if node.message else "")
            return "it holds no good replica, and the volume is strict-local"
        case _:  # pragma: no cover -- mypy proves it
            assert_never(fit)


def _strict(volume: Volume) -> bool:
    return volume.data_locality == "strict-local"


def nowhere(volume: Volume, nodes: Mapping[str, Node]) -> str:
    """Why `candidates` found none, in words."""
    down = ", ".join(sorted(name for name, node in nodes.items() if not node.ready)) or "none is known"
    if _strict(volume):
        homes = ", ".join(sorted({replica.node for replica in volume.replicas if replica.node})) or "no node"
        return f"strict-local: its replica is on {homes}, which is not Ready"
    return f"no node is Ready ({down})"
