"""Where replicas live, and data locality.

A best-effort or strict-local volume has no placed replica until its first attach. A best-effort volume
attached with its frontend away from its replica gets a local one built, then the old one goes; with the
frontend disabled nothing moves. strict-local never moves and refuses other nodes.
"""

from lhbackupd.simulator.model import Node, Rebuild, Replica, Volume
from lhbackupd.simulator.world import World, rfc3339

LOCAL = frozenset({"best-effort", "strict-local"})


def candidates(world: World) -> list[Node]:
    """Nodes on which a new replica may be placed, the emptiest first."""
    nodes = [n for n in world.nodes.values() if n.ready and n.allow_scheduling and not n.cordoned and not n.gone]
    return sorted(nodes, key=lambda node: (world.load.get(node.name, 0), world.rng.random()))


def place(world: World, volume: Volume, replica: Replica, node: str) -> None:
    """Put an unplaced replica on a node."""
    replica.node = node
    world.load[node] = world.load.get(node, 0) + 1
    replica.data_path = f"/var/lib/longhorn/replicas/{volume.name}-{world.hex(8)}"


def displace(world: World, replica: Replica) -> None:
    """A replica is gone."""
    if replica.node:
        world.load[replica.node] = world.load.get(replica.node, 0) - 1


def place_first_replica(world: World, volume: Volume, node: str) -> None:
    """The first attach of a data-locality volume decides its place."""
    unplaced = [replica for replica in volume.replicas if not replica.node]
    if not unplaced:
        return
    taken = {replica.node for replica in volume.replicas}
    order = [node] + [other.name for other in candidates(world) if other.name != node]
    for replica in unplaced:
        free = [name for name in order if name not in taken]
        if free:
            place(world, volume, replica, free[0])
            taken.add(free[0])


def wants_move(volume: Volume) -> bool:
    """Whether Longhorn would build a replica on the engine's node now."""
    return (
        volume.data_locality == "best-effort"
        and volume.state == "attached"
        and not volume.disable_frontend
        and volume.polled
        and volume.rebuild is None
        and all(replica.node != volume.current_node for replica in volume.replicas)
    )


def reconcile(world: World, volume: Volume) -> None:
    """Begin a rebuild where data locality asks for one."""
    if not wants_move(volume):
        return
    source = next((r for r in volume.replicas if r.mode == "RW"), None)
    node = world.nodes.get(volume.current_node)
    if source is None or node is None or not node.allow_scheduling:
        return
    replica = Replica(f"{volume.name}-r-{world.hex(8)}")
    place(world, volume, replica, volume.current_node)
    volume.replicas = sorted([*volume.replicas, replica], key=lambda r: r.name)
    address = f"tcp://{world.nodes[source.node].address}:{source.port}"
    volume.rebuild = Rebuild(replica.name, address)
    epoch = volume.engine_epoch
    world.ledger.add("replica-rebuild-started", volume.name, replica=replica.name, node=replica.node)
    world.touch(volume)

    def start() -> None:
        if volume.engine_epoch == epoch:
            replica.running, replica.assigned, replica.port = True, True, world.port()
            world.event("replica", "Replica", replica.name, "Start", f"Starts {replica.name}")
            world.touch(volume)
            world.soon(world.timing.rebuild_retry, build)

    def build() -> None:
        if volume.engine_epoch == epoch:
            words = f"Start rebuilding replica {replica.name} for volume {volume.name}"
            world.event("engine", "Engine", f"{volume.name}-e-0", "Rebuilding", words)
            world.soon(world.timing.rebuild, lambda: finish(world, volume, replica, epoch))

    world.soon(world.timing.rebuild_start, start)


def finish(world: World, volume: Volume, replica: Replica, epoch: int) -> None:
    """The local replica is complete; the superfluous one goes with the next poll."""
    if volume.engine_epoch != epoch or volume.rebuild is None:
        return

    def swap() -> None:
        if volume.engine_epoch != epoch or volume.rebuild is None:
            return
        replica.mode, volume.rebuild.state, volume.rebuild.progress = "RW", "complete", 100
        world.ledger.add("replica-added", volume.name, replica=replica.name, node=replica.node)
        while len(volume.replicas) > volume.number_of_replicas:
            old = next(r for r in volume.replicas if r is not replica)
            volume.replicas.remove(old)
            displace(world, old)
            world.ledger.add("replica-removed", volume.name, replica=old.name, node=old.node)
        words = f"Detected replica {replica.name} has been rebuilt"
        world.event("engine", "Engine", f"{volume.name}-e-0", "Rebuilt", words)
        if volume.purge:
            volume.purge.state, volume.purge.progress = "complete", 100
        world.touch(volume)

    world.soon(world.timing.engine_poll, swap)


def drop_unfinished(world: World, volume: Volume) -> None:
    """A rebuild that was cut short leaves nothing behind."""
    unfinished = [r for r in volume.replicas if r.node and not r.failed_at]
    surplus = len(unfinished) - volume.number_of_replicas
    for replica in [r for r in volume.replicas if r.mode == ""][::-1]:
        if surplus > 0 and replica.name == getattr(volume.rebuild, "replica", None):
            volume.replicas.remove(replica)
            displace(world, replica)
            world.ledger.add("replica-removed", volume.name, replica=replica.name, node=replica.node)
            surplus -= 1


def fail_replicas_of(world: World, node: str) -> None:
    """A node went down: its running replicas fail."""
    for volume in world.volumes.values():
        for replica in volume.replicas:
            if replica.node == node and replica.running:
                replica.running, replica.mode, replica.failed_at = False, "", rfc3339(world.now())
                world.touch(volume)
