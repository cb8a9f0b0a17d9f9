"""From detached to attached and back: replicas, engine, the engine monitor's poll.

A volume goes where `desired_node` says, in the steps and with the pauses of the recordings. The engine runs
before the volume is `healthy`: only its first poll, 5 s later, shows sizes, replica modes and the device.
Every step carries the epoch in which it was planned, so a change of mind leaves no late step behind.
"""

from collections.abc import Callable

from lhbackupd.simulator import locality
from lhbackupd.simulator.model import PurgeStatus, Replica, Volume
from lhbackupd.simulator.world import World, rfc3339

OnPoll = Callable[[World, Volume], None]


def reconcile(world: World, volume: Volume, on_poll: OnPoll) -> None:
    """Longhorn's volume controller: start or stop what `desired_node` asks for."""
    match volume.state:
        case "detached" if volume.desired_node:
            attach(world, volume, on_poll)
        case "attached" | "attaching" if not volume.desired_node:
            detach(world, volume)
        case _:
            pass


def step(world: World, volume: Volume, seconds: float, action: Callable[[], None]) -> None:
    """Plan a step that is void once the engine was started or stopped again."""
    epoch = volume.engine_epoch

    def perform() -> None:
        if volume.engine_epoch == epoch and world.volumes.get(volume.name) is volume:
            action()

    world.soon(seconds, perform)


def attach(world: World, volume: Volume, on_poll: OnPoll) -> None:
    """Begin to attach."""
    node = volume.desired_node
    volume.state, volume.robustness, volume.owner = "attaching", "unknown", node
    volume.engine_epoch += 1
    world.ledger.add("attaching", volume.name, node=node)
    locality.place_first_replica(world, volume, node)
    replicas = usable_replicas(world, volume)
    for replica in replicas:
        replica.assigned = True
    world.touch(volume)
    if not replicas:
        return
    t = world.timing
    step(world, volume, t.replica_start, lambda: _start_replicas(world, volume, replicas[:1]))
    step(world, volume, t.replica_start + t.replica_stagger, lambda: _start_engine(world, volume, on_poll))


def usable_replicas(world: World, volume: Volume) -> list[Replica]:
    """Replicas that can run; those on a node that is down are failed when there are others."""
    placed = [r for r in volume.replicas if r.node and not r.failed_at]
    alive = [r for r in placed if world.nodes[r.node].ready and not world.nodes[r.node].gone]
    if alive:
        for replica in placed:
            if replica not in alive:
                replica.failed_at = rfc3339(world.now())
    return alive


def _start_replicas(world: World, volume: Volume, replicas: list[Replica]) -> None:
    for replica in replicas:
        replica.running, replica.port = True, world.port()
        world.event("replica", "Replica", replica.name, "Start", f"Starts {replica.name}")
    world.touch(volume)


def _start_engine(world: World, volume: Volume, on_poll: OnPoll) -> None:
    _start_replicas(world, volume, [r for r in volume.replicas if r.assigned and not r.running])
    volume.engine_node = volume.desired_node
    world.touch(volume)
    _await_node(world, volume, on_poll)


def _await_node(world: World, volume: Volume, on_poll: OnPoll) -> None:
    """The engine starts once its node is there, however long that takes."""
    if volume.hang:
        return
    t = world.timing
    node = world.nodes.get(volume.engine_node)
    if node is None or not node.ready:
        step(world, volume, t.engine_poll, lambda: _await_node(world, volume, on_poll))
        return
    step(world, volume, t.engine_start + t.engine_notice, lambda: _engine_runs(world, volume, on_poll))


def _engine_runs(world: World, volume: Volume, on_poll: OnPoll) -> None:
    volume.engine_running, volume.polled, volume.port = True, False, world.port()
    volume.engine_image = volume.spec["image"]
    volume.state, volume.current_node = "attached", volume.desired_node
    volume.ever_attached = True
    volume.size_tokens, volume.size_refilled = float(world.timing.size_burst), world.elapsed()
    engine = f"{volume.name}-e-0"
    world.event("engine", "Engine", engine, "Start", f"Starts {engine}")
    words = f"volume {volume.name} has been attached to {volume.current_node}"
    world.event("volume", "Volume", volume.name, "Attached", words)
    world.ledger.add(
        "attached", volume.name, node=volume.current_node, frontend=not volume.disable_frontend,
        lastAttachedBy=volume.last_attached_by, tickets=[t.id for t in volume.tickets.values()],
    )  # fmt: skip
    _plan_poll(world, volume, on_poll)
    world.touch(volume, after=0.0)
    world.settle(world, volume)


def _plan_poll(world: World, volume: Volume, on_poll: OnPoll) -> None:
    def poll() -> None:
        if volume.engine_running:
            _poll(world, volume, on_poll)
            _plan_poll(world, volume, on_poll)

    step(world, volume, world.timing.engine_poll, poll)


def _poll(world: World, volume: Volume, on_poll: OnPoll) -> None:
    if not volume.polled:
        volume.polled, volume.engine_size, volume.restore_status = True, volume.size, True
        volume.purge = volume.purge or PurgeStatus()
        for replica in volume.replicas:
            replica.mode = "RW" if replica.running else ""
        if not volume.disable_frontend and volume.spec.get("frontend"):
            volume.endpoint = f"/dev/longhorn/{volume.name}"
        world.touch(volume)
        step(world, volume, world.timing.robustness, lambda: judge(world, volume))
    _notice_size(world, volume)
    on_poll(world, volume)


def _notice_size(world: World, volume: Volume) -> None:
    actual = volume.chain.actual_size()
    elapsed = world.elapsed()
    refill = (elapsed - volume.size_refilled) / world.timing.size_interval
    volume.size_tokens = min(float(world.timing.size_burst), volume.size_tokens + refill)
    volume.size_refilled = elapsed
    if actual != volume.actual_size and volume.size_tokens >= 1:
        volume.size_tokens -= 1
        volume.actual_size = actual
        world.touch(volume)


def judge(world: World, volume: Volume) -> None:
    """Set the robustness of an attached, polled volume."""
    if volume.state != "attached" or not volume.polled:
        return
    good = sum(replica.mode == "RW" and not replica.failed_at for replica in volume.replicas)
    wanted = "healthy" if good >= min(volume.number_of_replicas, len(world.nodes)) else "degraded"
    wanted = volume.forced.get("robustness", wanted if good else "faulted")
    if volume.robustness != wanted:
        volume.robustness = wanted
        # all its replicas are gone at once: salvaged like an engine's crash (longhorn-manager, ReconcileVolumeState)
        volume.salvaging = volume.salvaging or (wanted == "faulted" and not volume.forced)
        world.touch(volume)


def detach(world: World, volume: Volume) -> None:
    """Begin to detach."""
    t = world.timing
    volume.state, volume.engine_node = "detaching", ""
    if volume.robustness != "faulted":
        volume.robustness = "unknown"
    volume.engine_epoch += 1
    for replica in volume.replicas:
        replica.mode = ""
    world.touch(volume)
    step(world, volume, t.engine_stop, lambda: _stop_engine(world, volume))
    step(
        world,
        volume,
        t.engine_stop + t.replica_stop,
        lambda: _stop_replicas(world, volume, volume.replicas[:1]),
    )
    step(world, volume, t.engine_stop + t.replica_stop + t.detach_notice, lambda: _detached(world, volume))


def _stop_engine(world: World, volume: Volume) -> None:
    if volume.engine_running:
        engine = f"{volume.name}-e-0"
        world.event("engine", "Engine", engine, "Stop", f"Stops {engine}")
    volume.engine_running, volume.polled, volume.endpoint = False, False, ""
    volume.engine_image, volume.purge, volume.rebuild = "", None, None
    volume.restore_status = False
    world.touch(volume)


def _stop_replicas(world: World, volume: Volume, replicas: list[Replica]) -> None:
    for replica in replicas:
        if replica.running:
            world.event("replica", "Replica", replica.name, "Stop", f"Stops {replica.name}")
        replica.running, replica.assigned = False, False
    world.touch(volume)


def _detached(world: World, volume: Volume) -> None:
    _stop_replicas(world, volume, [r for r in volume.replicas if r.running or r.assigned])
    was_attached = bool(volume.current_node)
    volume.state, volume.current_node = "detached", ""
    if was_attached:
        world.event("volume", "Volume", volume.name, "Detached", f"volume {volume.name} has been detached")
    world.ledger.add("detached", volume.name, was_attached=was_attached)
    locality.drop_unfinished(world, volume)
    world.touch(volume)


def crash(world: World, volume: Volume) -> None:
    """The engine process dies; Longhorn detaches, salvages and attaches again for the tickets left."""
    volume.engine_running, volume.polled, volume.endpoint, volume.rebuild = False, False, "", None
    for replica in volume.replicas:
        replica.mode = ""
    world.ledger.add("engine-killed", volume.name)
    world.touch(volume)
    if volume.state == "detaching":
        return
    volume.engine_epoch += 1
    step(world, volume, world.timing.reaction * 2, lambda: _faulted(world, volume))


def _faulted(world: World, volume: Volume) -> None:
    volume.robustness, volume.salvaging = "faulted", True
    words = f"Engine of volume {volume.name} dead unexpectedly, setting v.Status.Robustness to faulted"
    world.event("volume", "Volume", volume.name, "DetachedUnexpectedly", words, warning=True)
    world.touch(volume)


def salvage(world: World, volume: Volume) -> None:
    """After a crash, or the loss of all replicas, a detached faulted volume becomes usable again by itself."""
    if volume.salvaging and volume.state == "detached" and world.flag("auto-salvage"):
        volume.salvaging, volume.robustness = False, "unknown"
        for replica in volume.replicas:
            replica.failed_at = ""
        world.event("volume", "Volume", volume.name, "AutoSalvaged", "all replicas are salvaged")
        world.touch(volume)
