"""Nodes that stop being ready, are cordoned, restarted, or disappear.

A node that goes down takes its replicas and engines with it; Longhorn notices shortly afterwards. Cordoning
refuses no attach. A node that comes back is ready again, and failed replicas on it are used again.
"""

from typing import Any

from lhbackupd.simulator import lifecycle, locality
from lhbackupd.simulator.model import Node
from lhbackupd.simulator.refusal import Refusal
from lhbackupd.simulator.world import World

RESTART = 30.0  #: seconds a restarted node is away


def node_of(world: World, name: str) -> Node:
    """The node, or a Refusal."""
    node = world.nodes.get(name)
    if node is None:
        raise Refusal(f"there is no node {name}", 404)
    return node


def change(world: World, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Apply what the side API asked for."""
    node = node_of(world, name)
    for key, value in body.items():
        match key:
            case "ready":
                set_ready(world, node, ready=bool(value))
            case "power":
                power(world, node, str(value))
            case "cordoned":
                node.cordoned = bool(value)
                for volume in world.volumes.values():
                    if any(ticket.node == name for ticket in volume.tickets.values()):
                        world.touch(volume)
            case "allowScheduling":
                node.allow_scheduling = bool(value)
            case "gone":
                node.gone = bool(value)
                set_ready(world, node, ready=not node.gone)
            case "storageMaximum":
                node.storage_maximum = int(value)
            case _:
                node.extra[key] = value
    world.ledger.add("node-changed", node=name, what=body)
    world.changed("nodes")
    return {
        "name": name,
        "ready": node.ready,
        "powered": node.powered,
        "cordoned": node.cordoned,
        "gone": node.gone,
    }


def power(world: World, node: Node, how: str) -> None:
    """Switch a node off or on, or restart it."""
    match how:
        case "off":
            node.powered = False
            lose(world, node)
            set_ready(world, node, ready=False)
        case "on":
            node.powered = True
            set_ready(world, node, ready=True)
        case "restart":
            power(world, node, "off")
            world.soon(RESTART, lambda: power(world, node, "on"))
        case _:
            raise Refusal(f"power is off, on or restart, not {how}", 400)


def set_ready(world: World, node: Node, *, ready: bool) -> None:
    """Kubernetes says that the node is ready or not; Longhorn notices a moment later."""

    def notice() -> None:
        if node.ready == ready:
            return
        node.ready, node.ready_since = ready, world.now()
        node.ready_reason = "" if ready else "KubernetesNodeNotReady"
        node.ready_message = "" if ready else f"Kubernetes node {node.name} not ready: NodeStatusUnknown"
        words = f"Node {node.name} is ready" if ready else node.ready_message
        world.event("node", "Node", node.name, "Ready", words, warning=not ready)
        world.changed("nodes")
        if ready:
            _recover(world, node)

    world.soon(world.timing.node_notice, notice)


def lose(world: World, node: Node) -> None:
    """Processes on the node die."""
    locality.fail_replicas_of(world, node.name)
    for volume in world.volumes.values():
        if volume.engine_running and volume.current_node == node.name:
            lifecycle.crash(world, volume)
        elif volume.engine_running:
            lifecycle.judge(world, volume)


def _recover(world: World, node: Node) -> None:
    for volume in world.volumes.values():
        if volume.state == "attaching":
            # what could not be started without the node is begun once more
            volume.state, volume.engine_epoch = "detached", volume.engine_epoch + 1
        if volume.state != "attached":
            for replica in volume.replicas:
                if replica.node == node.name:
                    replica.failed_at = ""
            world.touch(volume)
        elif any(replica.node == node.name and replica.failed_at for replica in volume.replicas):
            world.soon(world.timing.rebuild_retry, lambda volume=volume: _rejoin(world, volume, node.name))  # type: ignore[misc]


def _rejoin(world: World, volume: Any, name: str) -> None:
    for replica in volume.replicas:
        if replica.node == name and replica.failed_at and volume.engine_running:
            replica.failed_at, replica.running, replica.assigned, replica.mode = "", True, True, "RW"
    lifecycle.judge(world, volume)
    world.touch(volume)
