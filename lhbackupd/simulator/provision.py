"""Making and deleting volumes: sizes, names, replicas, the conditions of a new volume."""

import re
from typing import Any

from lhbackupd.simulator import attachment, locality
from lhbackupd.simulator.chain import Chain
from lhbackupd.simulator.data import VOLUME
from lhbackupd.simulator.model import Condition, Replica, Volume
from lhbackupd.simulator.refusal import Refusal
from lhbackupd.simulator.world import World

UNIT = 2 * 2**20  #: bytes; sizes are rounded up to it
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
NAME_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|m|k|M|G|T|P|E)?")
SUFFIX = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18, "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
CONDITIONS = ("OfflineRebuilding", "Restore", "Scheduled", "TooManySnapshots", "WaitForBackingImage")
LOCALITIES = ("disabled", "best-effort", "strict-local")


def check_name(kind: str, name: str) -> None:
    """Kubernetes' rule for names."""
    if not NAME.fullmatch(name):
        raise Refusal(f'{kind}.longhorn.io "{name}" is invalid: metadata.name: Invalid value: "{name}": {NAME_WORDS}')


def parse_size(text: str) -> int:
    """Bytes of a Kubernetes quantity, rounded up to 2 MiB."""
    match = QUANTITY.fullmatch(text)
    if not match:
        raise Refusal(
            f"error parsing size '{text}': quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number = (
        float(match[1]) * SUFFIX.get(match[2] or "", 1) if "." in match[1] else int(match[1]) * SUFFIX[match[2] or ""]
    )
    return -(-int(number) // UNIT) * UNIT


def create(world: World, body: dict[str, Any], *, at_once: bool = False) -> Volume:
    """Create a volume as a POST does; raises Refusal in Longhorn's words. `at_once` skips the waiting."""
    name = body.get("name", "")
    size = parse_size(body["size"]) if body.get("size") else 0
    where = f"unable to create volume {name}: "
    try:
        check_name("Volume", name)
        wanted = body.get("dataLocality") or world.settings.get("default-data-locality", "disabled")
        if wanted not in LOCALITIES:
            supported = ", ".join(f'"{locality_}"' for locality_ in LOCALITIES)
            raise Refusal(  # noqa: TRY301 -- told here, worded below
                f'Volume.longhorn.io "{name}" is invalid: spec.dataLocality: Unsupported value: "{wanted}": '
                f"supported values: {supported}"
            )
        replicas = body.get("numberOfReplicas") or 3
        if wanted == "strict-local" and replicas != 1:
            raise Refusal(  # noqa: TRY301 -- told here, worded below
                'admission webhook "validator.longhorn.io" denied the request: number of replica count '
                "should be 1 "
                "when data locality is strict-local"
            )
        if name in world.volumes:
            raise Refusal(f'volumes.longhorn.io "{name}" already exists')  # noqa: TRY301 -- told here, worded below
    except Refusal as refusal:
        raise Refusal(f"failed to create volume: {where}{refusal.message}", refusal.status) from None
    spec = {**VOLUME, **{key: value for key, value in body.items() if key in VOLUME and value}}
    spec["revisionCounterDisabled"] = wanted == "strict-local" or bool(body.get("revisionCounterDisabled"))
    spec.pop("dataLocality", None)
    volume = Volume(name, size, world.now(), spec, Chain(world.now()), replicas, wanted)
    volume.owner = next(iter(world.nodes))
    volume.recurring[("default", True)] = True
    world.volumes[name] = volume
    world.volumes = dict(sorted(world.volumes.items())) if len(world.volumes) < SORTED else world.volumes
    world.ledger.add("volume-created", name, size=size, replicas=replicas, locality=wanted)
    if at_once:
        equip(world, volume)
        place(world, volume)
        return volume
    world.soon(0.01, lambda: equip(world, volume))
    world.soon(world.timing.create, lambda: place(world, volume))
    world.changed("volumes")
    return volume


SORTED = 64  #: below this many volumes the list is kept in order of name


def condition(world: World, kind: str, status: str, reason: str = "", message: str = "") -> Condition:
    """A condition as of now."""
    return Condition(kind, status, world.now(), reason, message)


def equip(world: World, volume: Volume) -> None:
    volume.has_engine = True
    volume.conditions["OfflineRebuilding"] = condition(world, "OfflineRebuilding", "False")
    names = sorted(f"{volume.name}-r-{world.hex(8)}" for _ in range(volume.number_of_replicas))
    volume.replicas = [Replica(name) for name in names]
    world.touch(volume)


def place(world: World, volume: Volume) -> None:
    for kind in CONDITIONS:
        status = "True" if kind == "Scheduled" else "False"
        volume.conditions[kind] = condition(world, kind, status)
    volume.state, volume.robustness, volume.current_image = "detached", "unknown", volume.spec["image"]
    world.event("volume", "Volume", volume.name, "Detached", f"volume {volume.name} has been detached")
    room = [n for n in locality.candidates(world) if n.storage_maximum >= volume.size]
    if volume.data_locality not in locality.LOCAL:
        for replica, node in zip(volume.replicas, room, strict=False):
            locality.place(world, volume, replica, node.name)
    if not room:
        words = "precheck new replica failed: incompatible volume size"
        volume.conditions["Scheduled"] = condition(world, "Scheduled", "False", "ReplicaSchedulingFailure", words)
        volume.replicas, volume.robustness = [], "faulted"
    elif len(room) < volume.number_of_replicas and volume.data_locality not in locality.LOCAL:
        words = "precheck new replica failed: insufficient storage"
        volume.conditions["Scheduled"] = condition(world, "Scheduled", "False", "ReplicaSchedulingFailure", words)
    world.touch(volume)


def delete(world: World, name: str) -> None:
    """Delete a volume, attached or not."""
    volume = world.volumes.get(name)
    if volume is None:
        raise Refusal(f'failed to delete volume: volumes.longhorn.io "{name}" not found', 404)
    if volume.state == "deleting":
        return
    world.event("volume", "Volume", name, "Delete", f"Deleting volume {name}")
    held = volume.state == "attached"
    for ticket in list(volume.tickets):
        attachment.remove(world, volume, ticket, by="volume-deletion")
    volume.state, volume.desired_node = "deleting", ""
    volume.engine_epoch += 1
    world.touch(volume)
    seconds = world.timing.delete_volume + (world.timing.engine_stop if held else 0.0)
    world.soon(seconds, lambda: _forget(world, volume))


def _forget(world: World, volume: Volume) -> None:
    volume.engine_running = False
    if world.volumes.get(volume.name) is volume:
        del world.volumes[volume.name]
    for replica in volume.replicas:
        locality.displace(world, replica)
    for cr in volume.snapshot_crs:
        world.snapshot_names.pop(cr, None)
    if volume.current_node:
        world.ledger.add("detached", volume.name)
    world.ledger.add("volume-deleted", volume.name)
    world.changed("volumes")
