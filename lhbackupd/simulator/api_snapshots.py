"""Snapshots and the start of backups, on a volume.

`snapshotCreate` and its kin talk to the running engine and are answered by the volume's owner; the ones with
`CR` only write resources, on any manager and for any volume.
"""

import re

from lhbackupd.simulator import backups, generation, provision, snapshots, wire
from lhbackupd.simulator.api_volumes import find
from lhbackupd.simulator.call import Answer, Call
from lhbackupd.simulator.chain import HEAD
from lhbackupd.simulator.events import uuid
from lhbackupd.simulator.gojson import Struct
from lhbackupd.simulator.model import SnapshotCR, Volume
from lhbackupd.simulator.refusal import Refusal, missing
from lhbackupd.simulator.volumewire import volume_wire

INPUT = Struct("SnapshotInput", {"name": "string", "labels": "map[string]string", "backupMode": "string"})
CR_INPUT = Struct("SnapshotCRInput", {"name": "string", "labels": "map[string]string"})
LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
LABEL_WORDS = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def check_labels(labels: dict[str, str] | None) -> dict[str, str]:
    """Longhorn's rule for labels of snapshots and backups."""
    for key, value in (labels or {}).items():
        name = key.rpartition("/")[2]
        if not name or not LABEL.fullmatch(name):
            raise Refusal(f"invalid key {key} for label: {LABEL_WORDS}")
        if not value:
            raise Refusal(f"invalid empty value for label with key {key}")
    return dict(labels or {})


def running(call: Call, doing: str) -> Volume:
    """The volume, if its engine runs; answered by its owner."""
    volume = call.world.volumes.get(call.name)
    if volume is None:
        where = "failed to get the parameters: failed to get target node ID: failed to get volume"
        raise missing("volume", call.name, f"{where} '{call.name}': ")
    call.at_owner(volume)
    if not volume.engine_running or volume.state != "attached":
        node = volume.owner
        raise Refusal(
            f"failed to {doing} snapshot: cannot get client for volume {call.name} on node {node}: "
            f"engine is not running"
        )
    return volume


def at_engine(call: Call, volume: Volume, words: str) -> Refusal:
    """An error that comes from the engine."""
    node = call.world.nodes[volume.current_node]
    proxy = f"proxyServer={node.address}:8501 destination={node.address}:{volume.port}"
    return Refusal(f"failed to create snapshot: {proxy}: failed to snapshot volume: {words}")


def create(call: Call) -> Answer:
    """Take a snapshot in the engine, at once."""
    body = call.read(INPUT)
    volume = running(call, "create")
    try:
        labels = check_labels(body["labels"])
    except Refusal as refusal:
        raise at_engine(call, volume, refusal.message) from None
    if len(volume.chain.layers) >= int(volume.spec["snapshotMaxCount"]):
        words = (
            f"snapshot count usage {len(volume.chain.layers)} of volume reaches its limit "
            f"{volume.spec['snapshotMaxCount']}"
        )
        raise at_engine(call, volume, f"rpc error: code = Unknown desc = {words}")
    name = body["name"] or uuid(call.world.rng)
    if name in volume.chain.layers or name == HEAD:
        words = f"snapshot volume-snap-{name}.img is already existing"
        raise at_engine(call, volume, f"rpc error: code = Unknown desc = failed to create snapshot {name}: {words}")
    layer = snapshots.take(call.world, volume, name, labels, by="api")
    if generation.single(call.world):
        snapshots.poll(call.world, volume)  # there a backup needs the engine's snapshot alone
    return Answer(body=wire.snapshot(call.link_base or call.base, volume.chain, layer))


def list_(call: Call) -> Answer:
    """All snapshots of the running engine, its head among them."""
    volume = running(call, "list")
    base = call.link_base or call.base
    data = [wire.snapshot(base, volume.chain, layer) for layer in volume.chain.layers.values()]
    return Answer(body=wire.collection(call.url, "snapshot", [wire.head(base, volume.chain), *data]))


def get(call: Call) -> Answer:
    """One snapshot of the running engine."""
    name = call.read(INPUT)["name"]
    volume = running(call, "get")
    base = call.link_base or call.base
    if name == HEAD:
        return Answer(body=wire.head(base, volume.chain))
    layer = volume.chain.layers.get(name)
    if layer is None:
        raise Refusal(f"failed to get snapshot: cannot find snapshot '{name}' for volume '{call.name}'")
    return Answer(body=wire.snapshot(base, volume.chain, layer))


def delete(call: Call) -> Answer:
    """Mark a snapshot as removed; a missing one is not an error."""
    name = call.read(INPUT)["name"]
    volume = running(call, "delete")
    if not name:
        raise Refusal("failed to delete snapshot: volume and snapshot name required")
    volume.chain.remove(name)
    call.world.touch(volume)
    return Answer(body=volume_wire(call.world, call.link_base or call.base, volume))


def purge(call: Call) -> Answer:
    """Coalesce what is marked."""
    volume = running(call, "purge")
    snapshots.purge(call.world, volume)
    return Answer(body=volume_wire(call.world, call.link_base or call.base, volume))


def revert(call: Call) -> Answer:
    """Stand on an older snapshot; only with the frontend disabled."""
    name = call.read(INPUT)["name"]
    volume = running(call, "revert")
    if not name:
        raise Refusal("failed to revert snapshot: volume and snapshot name required")
    layer = volume.chain.layers.get(name)
    if layer is None:
        raise Refusal(f"failed to revert snapshot: not found snapshot '{name}', for volume '{call.name}'")
    if not volume.disable_frontend:
        words = "volume frontend enabled, aborting snapshot revert"
        raise Refusal(f"failed to revert snapshot: {words}")
    volume.chain.revert(name, call.world.now())
    volume.write_times[-len(volume.write_times) - 1] = call.world.elapsed()
    call.world.ledger.add("revert", volume.name, snapshot=name)
    call.world.touch(volume)
    return Answer(body=wire.snapshot(call.link_base or call.base, volume.chain, layer))


def backup(call: Call) -> Answer:
    """Ask for a backup of a snapshot; asked twice it makes two."""
    body = call.read(INPUT)
    volume = call.world.volumes.get(call.name)
    if volume is None:
        where = "failed to get the parameters: failed to get target node ID: failed to get volume"
        raise missing("volume", call.name, f"{where} '{call.name}': ")
    base = call.at_owner(volume)
    doing = "failed to backup snapshot: "
    if not body["name"]:
        raise Refusal(f"{doing}volume and snapshot name required")
    try:
        labels = check_labels(body["labels"])
    except Refusal as refusal:
        raise Refusal(f"{doing}{refusal.message}") from None
    denied = f'{doing}admission webhook "validator.longhorn.io" denied the request: '
    if body["backupMode"] not in {"", "incremental", "full"}:
        raise Refusal(f"{denied}backup mode {body['backupMode']} is not a valid option")
    cr = volume.snapshot_crs.get(body["name"])
    if cr is None or cr.deleting:
        raise Refusal(f"{denied}snapshot <nil> is invalid")
    target = call.world.targets.get(volume.spec["backupTargetName"])
    if target is None or not target.available:
        raise Refusal(f"{denied}backup target {volume.spec['backupTargetName']} is not available")
    backups.create(call.world, volume, cr.name, labels, body["backupMode"] or "incremental", cause="api")
    return Answer(body=volume_wire(call.world, base, volume))


def cr_create(call: Call) -> Answer:
    """Write a Snapshot resource; on a detached volume Longhorn attaches by itself."""
    body = call.read(CR_INPUT)
    doing = "failed to create snapshot CR: "
    volume = find(call, doing)
    name = body["name"] or f"snapshot-{call.world.hex(16)}"
    try:
        provision.check_name("Snapshot", name)
        labels = check_labels(body["labels"])
        if name in call.world.snapshot_names:
            raise Refusal(f'snapshots.longhorn.io "{name}" already exists')  # noqa: TRY301 -- told here, worded below
        if len(volume.snapshot_crs) >= int(volume.spec["snapshotMaxCount"]):
            words = f"cannot create snapshot: snapshot count usage reaches the limit {volume.spec['snapshotMaxCount']}"
            raise Refusal(f'admission webhook "validator.longhorn.io" denied the request: {words}')  # noqa: TRY301 -- told here, worded below
    except Refusal as refusal:
        raise Refusal(f"{doing}{refusal.message}", refusal.status) from None
    cr = snapshots.create(call.world, volume, name, labels)
    return Answer(body=wire.snapshot_cr(call.base, volume, cr))


def _cr(call: Call, name: str) -> tuple[Volume, SnapshotCR]:
    volume = call.world.volumes.get(call.name)
    cr = volume.snapshot_crs.get(name) if volume else None
    if volume is None or cr is None:
        raise missing("snapshot", name, "failed to get snapshot CR: ")
    return volume, cr


def cr_get(call: Call) -> Answer:
    """One Snapshot resource."""
    volume, cr = _cr(call, call.read(CR_INPUT)["name"])
    return Answer(body=wire.snapshot_cr(call.base, volume, cr))


def cr_list(call: Call) -> Answer:
    """All Snapshot resources of the volume; the head is never among them."""
    volume = call.world.volumes.get(call.name)
    crs = volume.snapshot_crs.values() if volume else ()
    data = [wire.snapshot_cr(call.base, volume, cr) for cr in crs if volume]
    return Answer(body=wire.collection(call.url, "snapshotCR", data))


def cr_delete(call: Call) -> Answer:
    """Delete a Snapshot resource; a missing one is not an error."""
    name = call.read(CR_INPUT)["name"]
    volume = call.world.volumes.get(call.name)
    if volume:
        snapshots.delete(call.world, volume, name)
    return Answer(body={"actions": {}, "links": {"self": call.url}, "type": "empty"})
