"""On which node to attach a detached volume.

In this order: Ready nodes that hold a good replica and are not cordoned; other Ready nodes not cordoned (with the
frontend disabled nothing is rebuilt there: traces `locality-*`); cordoned ones with a replica; any Ready node. A
strict-local volume goes to its replica's node or nowhere: Longhorn refuses any other (recording 611). Of a detached
volume a replica is good when its `failedAt` is empty; robustness and modes say nothing then.
"""

from collections.abc import Mapping

from .cluster import Node, Volume


def candidates(volume: Volume, nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """The nodes of the best kind there is, by name; empty where the volume can be attached nowhere."""
    ready = sorted(name for name, node in nodes.items() if node.ready)
    holding = {replica.node for replica in volume.replicas if not replica.failed}
    if volume.data_locality == "strict-local":
        return tuple(name for name in ready if name in holding)
    open_nodes = [name for name in ready if not nodes[name].cordoned]
    kinds = (
        [name for name in open_nodes if name in holding],
        open_nodes,
        [name for name in ready if name in holding],
        ready,
    )
    return tuple(next((kind for kind in kinds if kind), []))


def nowhere(volume: Volume, nodes: Mapping[str, Node]) -> str:
    """Why `candidates` found none, in words."""
    down = ", ".join(sorted(name for name, node in nodes.items() if not node.ready)) or "none is known"
    if volume.data_locality == "strict-local":
        homes = ", ".join(sorted({replica.node for replica in volume.replicas if replica.node})) or "no node"
        return f"strict-local: its replica is on {homes}, which is not Ready"
    return f"no node is Ready ({down})"
