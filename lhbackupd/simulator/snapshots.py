"""Snapshots as resources: what their controller asks of the engine, and what the poll shows it.

A resource made by a client makes the engine take a snapshot as soon as its ticket is satisfied and is ready
with the next poll; a snapshot taken in the engine directly gets its resource with that poll. Deleting waits
for an attached volume; the one right below the head is only marked, and its resource stays.
"""

from lhbackupd.simulator import attachment
from lhbackupd.simulator.chain import HEAD, Layer
from lhbackupd.simulator.model import PurgeStatus, SnapshotCR, Volume
from lhbackupd.simulator.world import World

KIND = "snapshot-controller"


def ticket_id(cr: SnapshotCR) -> str:
    """Name of the ticket for one resource."""
    return f"{KIND}-{cr.name}"


def create(world: World, volume: Volume, name: str, labels: dict[str, str]) -> SnapshotCR:
    """A client made the resource."""
    cr = SnapshotCR(name, world.now(), asked=True, labels=labels)
    volume.snapshot_crs[name] = cr
    world.snapshot_names[name] = volume.name
    world.ledger.add("snapshot-asked", volume.name, snapshot=name, labels=labels)
    world.touch(volume)
    return cr


def take(world: World, volume: Volume, name: str, labels: dict[str, str], *, by: str) -> Layer:
    """The engine takes a snapshot now."""
    layer = volume.chain.take(name, labels, world.now())
    world.ledger.add("snapshot-created", volume.name, snapshot=name, bytes=layer.size, by=by, labels=labels)
    world.touch(volume)
    return layer


def reconcile(world: World, volume: Volume) -> None:
    """Longhorn's snapshot controller, for all resources of one volume."""
    for cr in list(volume.snapshot_crs.values()):
        if cr.deleting:
            _delete(world, volume, cr)
        elif cr.asked and not cr.ready:
            _create(world, volume, cr)


def _create(world: World, volume: Volume, cr: SnapshotCR) -> None:
    ticket = attachment.controller_ticket(world, volume, KIND, cr.name)
    engine = f"{volume.name}-e-0"
    if not volume.engine_running:
        cr.error = (
            f"failed to take snapshot because the volume engine {engine} is not running. "
            "Waiting for the volume to be attached"
        )
        return
    cr.error = ""
    if cr.taken or not ticket.satisfied:
        return
    cr.taken = True

    def ask() -> None:
        if not volume.engine_running:
            cr.taken = False
            world.touch(volume)
            return
        if cr.name not in volume.chain.layers:
            take(world, volume, cr.name, dict(cr.labels), by=KIND)
            world.event("snapshot", "Snapshot", cr.name, "Create", "successfully provisioned the snapshot")

    world.soon(world.timing.snapshot_take, ask)


def _delete(world: World, volume: Volume, cr: SnapshotCR) -> None:
    if not volume.engine_running:
        engine = f"{volume.name}-e-0"
        message = (
            f"snapshot deletion delayed: volume engine {engine} is upgrading from image  to {volume.spec['image']}"
        )
        if cr.error != message:
            cr.error = message
            world.event("snapshot", "Snapshot", cr.name, "Failed", message, warning=True)
        return
    cr.error = ""
    if cr.mark_removed and HEAD in (cr.children or {}):
        return
    ticket = attachment.controller_ticket(world, volume, KIND, cr.name)
    if ticket.satisfied and cr.name in volume.chain.layers and not volume.chain.layers[cr.name].removed:
        volume.chain.remove(cr.name)
        purge(world, volume)
        world.touch(volume)


def purge(world: World, volume: Volume) -> None:
    """The engine coalesces what was marked, shortly."""
    epoch = volume.engine_epoch

    def coalesce() -> None:
        if volume.engine_epoch != epoch:
            return
        for name in volume.chain.purge():
            world.ledger.add("snapshot-removed", volume.name, snapshot=name)
        world.touch(volume)

    world.soon(world.timing.purge, coalesce)
    volume.purge = volume.purge or PurgeStatus()
    volume.purge.purging = True


def poll(world: World, volume: Volume) -> None:
    """The engine's poll: resources learn what the engine has."""
    if volume.purge and volume.purge.purging:
        volume.purge = PurgeStatus("complete", 100)
        world.touch(volume)
    for layer in volume.chain.layers.values():
        cr = volume.snapshot_crs.get(layer.name)
        if cr is None:
            cr = SnapshotCR(layer.name, world.now(), asked=False, labels=layer.labels, taken=True)
            volume.snapshot_crs[layer.name] = cr
            world.snapshot_names[layer.name] = volume.name
        if _learn(world, volume, cr, layer):
            world.touch(volume)
    for cr in [cr for cr in volume.snapshot_crs.values() if cr.name not in volume.chain.layers]:
        if cr.deleting or (cr.taken and cr.ready):
            forget(world, volume, cr)


def _learn(world: World, volume: Volume, cr: SnapshotCR, layer: Layer) -> bool:
    children = volume.chain.children(layer.name)
    seen = (layer.parent, children, layer.size, layer.removed)
    if cr.creation_time and seen == (cr.parent, cr.children, cr.size, cr.mark_removed):
        return False
    if not cr.ready and not layer.removed:
        world.event("snapshot", "Snapshot", cr.name, "Update", "snapshot becomes ready to use")
    if layer.removed and not cr.mark_removed:
        world.event("snapshot", "Snapshot", cr.name, "Delete", "snapshot is marked as removed")
    cr.parent, cr.children, cr.size, cr.mark_removed = seen
    cr.creation_time, cr.restore_size = layer.created, volume.size
    cr.user_created, cr.status_labels, cr.error = layer.user_created, layer.labels, ""
    cr.ready = not layer.removed
    if cr.asked and (cr.ready or HEAD in children):
        release(world, volume, cr)
    return True


def release(world: World, volume: Volume, cr: SnapshotCR) -> None:
    """The controller needs the volume no more for this snapshot."""
    delay = world.timing.controller_release
    world.soon(delay, lambda: attachment.drop(world, volume, ticket_id(cr), by=KIND))


def forget(world: World, volume: Volume, cr: SnapshotCR) -> None:
    """The resource is gone."""
    volume.snapshot_crs.pop(cr.name, None)
    world.snapshot_names.pop(cr.name, None)
    release(world, volume, cr)
    world.touch(volume)


def delete(world: World, volume: Volume, name: str) -> None:
    """A client deletes the resource; a missing one is not an error."""
    cr = volume.snapshot_crs.get(name)
    if cr is None:
        return
    cr.deleting = True
    if not cr.taken and name not in volume.chain.layers:
        forget(world, volume, cr)
        return
    world.touch(volume)
