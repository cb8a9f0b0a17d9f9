"""The side API's part about volumes: writes, prefilled data, claims, raw tickets, broken engines."""

from typing import Any

from lhbackupd.simulator import attachment, lifecycle, locality, provision, workload
from lhbackupd.simulator.model import Condition, Ticket, Volume
from lhbackupd.simulator.refusal import Refusal
from lhbackupd.simulator.world import World, rfc3339

Body = dict[str, Any]

OFFLINE_SECONDS = 4.0  #: an attach-write-detach cycle by another API client


def volume_of(world: World, name: str) -> Volume:
    """The volume, or a Refusal."""
    volume = world.volumes.get(name)
    if volume is None:
        raise Refusal(f"there is no volume {name}", 404)
    return volume


def bulk(world: World, body: Body) -> Any:
    """Many volumes at once, detached and placed as if they had always been there."""
    count, prefix = int(body.get("count", 1)), str(body.get("prefix", "pvc-"))
    first = int(body.get("first", 1))
    width = max(4, len(str(first + count)))
    spec = {
        "size": str(body.get("size", "1Gi")),
        "numberOfReplicas": int(body.get("replicas", 3)),
        "dataLocality": str(body.get("dataLocality", "disabled")),
    }
    names = [f"{prefix}{number:0{width}d}" for number in range(first, first + count)]
    for name in names:
        volume = provision.create(world, {"name": name, **spec}, at_once=True)
        if body.get("namespace"):
            workload.bind(world, volume, str(body["namespace"]), name)
        if body.get("prefill"):
            prefill(world, name, {"bytes": body["prefill"]})
    return {"created": names}


def write(world: World, name: str, body: Body) -> Any:
    """Write through an attached frontend, or by an offline cycle of another API client."""
    volume = volume_of(world, name)
    length, offset = int(body.get("bytes", 4096)), int(body.get("offset", 0))
    by = str(body.get("by", "side-api"))
    if body.get("offline"):
        return _offline(world, volume, length, offset, by)
    if volume.state != "attached" or not volume.engine_running:
        raise Refusal(
            f"volume {name} is {volume.state}: nobody can write to it (say offline: true for a short attach)",
            409,
        )
    if volume.disable_frontend and not body.get("force"):
        raise Refusal(f"volume {name} is attached with its frontend disabled: nobody can write to it", 409)
    return {"grown": workload.write(world, volume, length, offset, by=by), "number": volume.write_number}


def _offline(world: World, volume: Volume, length: int, offset: int, by: str) -> Any:
    if volume.state != "detached" or volume.tickets:
        raise Refusal(f"volume {volume.name} is not detached, so there is no offline cycle", 409)
    ticket_id = f"offline-{world.hex(8)}"
    ticket = Ticket(
        ticket_id,
        "longhorn-api",
        volume.owner,
        {"disableFrontend": "false", "lastAttachedBy": by},
        world.elapsed(),
    )
    attachment.add(world, volume, ticket, by=by)

    def put() -> None:
        if volume.state == "attached" and volume.engine_running and not volume.disable_frontend:
            workload.write(world, volume, length, offset, by=by)
        attachment.remove(world, volume, ticket_id, by=by)

    world.soon(OFFLINE_SECONDS / 2 + world.timing.reaction, put)
    return {"seconds": OFFLINE_SECONDS, "ticket": ticket_id}


def prefill(world: World, name: str, body: Body) -> Any:
    """Data that was written before anybody looked: a past attach, in no time."""
    volume = volume_of(world, name)
    if volume.state != "detached":
        raise Refusal(f"volume {name} is {volume.state}; prefill is for detached volumes", 409)
    length, offset = int(body.get("bytes", 8 * 2**20)), int(body.get("offset", 0))
    grown = workload.write(world, volume, length, offset, by=str(body.get("by", "prefill")))
    volume.engine_size, volume.actual_size = volume.size, volume.chain.actual_size()
    volume.ever_attached = True
    for replica in volume.replicas:
        if not replica.node:
            locality.place_first_replica(world, volume, str(body.get("node", volume.owner)))
    world.touch(volume)
    return {"grown": grown, "number": volume.write_number}


def pvc(world: World, name: str, body: Body) -> Any:
    """Bind a claim to the volume, or let it go (`{"released": true}`)."""
    volume = volume_of(world, name)
    if body.get("released"):
        volume.kubernetes.last_pvc_ref_at = rfc3339(world.now())
        volume.kubernetes.pv_status = "Released"
        world.touch(volume)
        return {}
    workload.bind(world, volume, str(body["namespace"]), str(body.get("pvc", name)))
    return {}


def tickets(world: World, name: str, body: Body) -> Any:
    """Put tickets into the VolumeAttachment at once, as another controller would."""
    volume = volume_of(world, name)
    for given in body["tickets"]:
        parameters = {"disableFrontend": str(given.get("disableFrontend", "false")).lower()}
        parameters["lastAttachedBy"] = str(given.get("attachedBy", ""))
        kind = str(given.get("type", "longhorn-api"))
        ticket = Ticket(str(given["id"]), kind, str(given["node"]), parameters, world.elapsed())
        attachment.add(world, volume, ticket, by="side-api")
    return {"tickets": list(volume.tickets)}


def remove_ticket(world: World, name: str, ticket_id: str, body: Body) -> Any:
    """Take one ticket out."""
    by = str(body.get("by", "side-api"))
    return {"removed": attachment.remove(world, volume_of(world, name), ticket_id, by=by)}


def kill(world: World, name: str, body: Body) -> Any:
    """The engine process dies."""
    del body
    volume = volume_of(world, name)
    if not volume.engine_running:
        raise Refusal(f"the engine of volume {name} does not run", 409)
    lifecycle.crash(world, volume)
    return {}


def faults(world: World, name: str, body: Body) -> Any:
    """Bend a volume: `{"robustness": "faulted"}`, `{"hang": true}` …; null takes it back."""
    volume = volume_of(world, name)
    for key, value in body.items():
        match key:
            case "hang":
                volume.hang = bool(value)
            case "robustness":
                _robustness(world, volume, value)
            case "restoring":
                status = "True" if value else "False"
                volume.conditions["Restore"] = Condition("Restore", status, world.now())
            case "tooManySnapshots":
                status = "True" if value else "False"
                volume.conditions["TooManySnapshots"] = Condition("TooManySnapshots", status, world.now())
            case "standby" | "restoreRequired" | "restoreInitiated" | "migratable" | "snapshotMaxCount" | "encrypted":
                volume.spec[key] = value
            case _ if value is None:
                volume.forced.pop(key, None)
            case _:
                volume.forced[key] = value
    world.ledger.add("fault-set", name, what=body)
    world.touch(volume)
    return {"forced": volume.forced}


def _robustness(world: World, volume: Volume, value: Any) -> None:
    if value is None:
        volume.forced.pop("robustness", None)
        volume.robustness = "unknown" if volume.state != "attached" else volume.robustness
        lifecycle.judge(world, volume)
        return
    volume.forced["robustness"] = str(value)
    volume.robustness = str(value)
    failed = {"faulted": len(volume.replicas), "degraded": 1}.get(str(value), 0)
    for number, replica in enumerate(volume.replicas):
        replica.failed_at = rfc3339(world.now()) if number < failed else ""


def timing(world: World, name: str, body: Body) -> Any:
    """How long this volume's backups take: `{"backup": seconds}`, null for what their size says."""
    volume = volume_of(world, name)
    seconds = body.get("backup")
    volume.backup_seconds = None if seconds is None else float(seconds)
    return {"backup": volume.backup_seconds}


def chain(world: World, name: str, body: Body) -> Any:
    """The chain as it really is, attached or not."""
    del body
    volume = volume_of(world, name)
    layers = {
        layer.name: {"parent": layer.parent, "removed": layer.removed, "extents": layer.data}
        for layer in volume.chain.layers.values()
    }
    return {"head": {"parent": volume.chain.head_parent, "extents": volume.chain.head}, "layers": layers}
