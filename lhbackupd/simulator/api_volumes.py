"""Volumes: list, get, create, delete, attach and detach."""

from collections.abc import Callable
from typing import Any

from lhbackupd.simulator import attachment, generation, provision, restore, singleattach, wire
from lhbackupd.simulator.call import EMPTY, Answer, Call
from lhbackupd.simulator.gojson import Struct, kind_of, parse, read
from lhbackupd.simulator.model import Ticket, Volume
from lhbackupd.simulator.refusal import Refusal, missing, unsupported
from lhbackupd.simulator.volumewire import volume_wire
from lhbackupd.simulator.world import World

VOLUME_BODY = Struct(
    "Volume",
    {
        "name": "string", "size": "string", "numberOfReplicas": "int", "dataLocality": "string",
        "frontend": "string",
        "accessMode": "string", "fromBackup": "string", "backupTargetName": "string", "image": "string",
        "staleReplicaTimeout": "int", "snapshotMaxCount": "int", "snapshotMaxSize": "string",
        "encrypted": "bool",
        "migratable": "bool", "revisionCounterDisabled": "bool", "standby": "bool",
        "backupCompressionMethod": "string",
        "replicaAutoBalance": "string", "unmapMarkSnapChainRemoved": "string", "dataEngine": "string",
        "nodeSelector": "[]string", "diskSelector": "[]string", "snapshotDataIntegrity": "string",
        "replicaSoftAntiAffinity": "string", "backingImage": "string", "disableFrontend": "bool",
    },
)  # fmt: skip
ATTACH = Struct(
    "AttachInput",
    {
        "hostId": "string", "disableFrontend": "bool", "attachedBy": "string", "attacherType": "string",
        "attachmentID": "string",
    },
)  # fmt: skip
DETACH = Struct("DetachInput", {"attachmentID": "string", "hostId": "string", "forceDetach": "bool"})


def find(call: Call, doing: str = "") -> Volume:
    """The volume of the path; raises Refusal 404 with the words of what was being done."""
    volume = call.world.volumes.get(call.name)
    if volume is None:
        raise missing("volume", call.name, doing)
    return volume


def get(call: Call) -> Answer:
    """GET of one volume; a missing one has an empty body."""
    volume = call.world.volumes.get(call.name)
    if volume is None:
        return Answer(404, None, None)
    return Answer(body=volume_wire(call.world, call.base, volume))


def create(call: Call) -> Answer:
    """POST to the collection."""
    body = call.read(VOLUME_BODY)
    if body["fromBackup"] and generation.single(call.world):
        raise unsupported("restore as a release before 1.5 does")
    source = restore.find(call.world, body["fromBackup"]) if body["fromBackup"] else ""
    volume = provision.create(call.world, body)
    if source:
        volume.disable_frontend = False
        restore.begin(call.world, volume, source)
    return Answer(body=volume_wire(call.world, call.base, volume))


def delete(call: Call) -> Answer:
    """DELETE."""
    provision.delete(call.world, call.name)
    return EMPTY


def attach(call: Call) -> Answer:
    """Writes a ticket; nothing has happened yet when it answers."""
    body = call.read(ATTACH)
    doing = f"unable to attach volume {call.name} to {body['hostId']}: "
    node = call.world.nodes.get(body["hostId"])
    if node is None or node.gone:
        raise missing("node", body["hostId"], doing)
    if not node.ready:
        raise Refusal(f"{doing}node {node.name} is not ready, couldn't attach volume {call.name} to it")
    volume = find(call, doing)
    check_attachable(volume, node.name, doing)
    if generation.single(call.world):
        return _attach_single(call, volume, body, doing)
    parameters = {
        "disableFrontend": "true" if body["disableFrontend"] else "false",
        "lastAttachedBy": body["attachedBy"],
    }
    kind = body["attacherType"] or "longhorn-api"
    ticket = Ticket(body["attachmentID"], kind, node.name, parameters, call.world.elapsed())
    attachment.add(call.world, volume, ticket, by="api")
    if volume.state == "attached" and (volume.current_node != node.name or attachment.compatible(ticket, volume)):
        attachment.inform(call.world, volume, ticket)
    return Answer(body=volume_wire(call.world, call.base, volume, brief=True))


def _attach_single(call: Call, volume: Volume, body: dict[str, Any], doing: str) -> Answer:
    """The same before there were tickets."""
    try:
        singleattach.attach(
            call.world, volume, node=body["hostId"], disable_frontend=body["disableFrontend"], by=body["attachedBy"],
            kind="longhorn-api",
        )  # fmt: skip
    except Refusal as refusal:
        raise Refusal(f"{doing}{refusal.message}", refusal.status) from None
    return Answer(body=volume_wire(call.world, call.base, volume, brief=True))


def check_attachable(volume: Volume, node: str, doing: str) -> None:
    """What Longhorn refuses at once."""
    if volume.forced.get("imageNotReady"):
        raise Refusal(
            f"{doing}cannot attach volume {volume.name} because the data engine image "
            f"{volume.spec['image']} is not "
            "deployed on at least one of the the replicas' nodes or the node that the volume is going "
            "to attach to"
        )
    restoring = volume.conditions.get("Restore")
    if restoring and restoring.status == "True":
        raise Refusal(f"{doing}volume {volume.name} is restoring data")
    if volume.spec.get("restoreRequired"):
        raise Refusal(f"{doing}volume {volume.name} is pending restoring")
    scheduled = volume.conditions.get("Scheduled")
    if scheduled and scheduled.status == "False" and not volume.replicas:
        raise Refusal(f"{doing}volume {volume.name} has no scheduled replicas")
    home = volume.replicas[0].node if volume.replicas else ""
    if volume.data_locality == "strict-local" and home and home != node:
        raise Refusal(
            f'{doing}admission webhook "validator.longhorn.io" denied the request: invalid '
            f"VolumeAttachment update for "
            f"volume {volume.name}: data locality strict-local requires the volume and replica to stay "
            f"on the same "
            f"node, but ticket is on node {node} and replica is on node {home}"
        )


def detach(call: Call) -> Answer:
    """Removes the ticket of that id and nothing else; with `forceDetach` everybody's."""
    body = call.read(DETACH)
    doing = f"unable to detach volume {call.name}: "
    volume = find(call, doing)
    if volume.spec.get("standby"):
        raise Refusal(f"{doing}cannot detach standby volume {volume.name}")
    if generation.single(call.world):
        singleattach.detach(call.world, volume, node=body["hostId"], by="api")
        return Answer(body=volume_wire(call.world, call.base, volume, brief=True))
    ids = list(volume.tickets) if body["forceDetach"] else [body["attachmentID"]]
    for ticket_id in ids:
        attachment.remove(call.world, volume, ticket_id, by="api")
    return Answer(body=volume_wire(call.world, call.base, volume, brief=True))


def simple_update(field: str, key: str, kind: str) -> Callable[[Call], Answer]:
    """An action that changes one field of the volume."""

    def update(call: Call) -> Answer:
        struct = Struct(f"Update{field[0].upper()}{field[1:]}Input", {key: kind})
        value = call.read(struct)[key]
        volume = find(call, f"unable to update field {field} for volume {call.name}: ")
        assign(call.world, volume, field, value)
        return Answer(body=volume_wire(call.world, call.base, volume, brief=True))

    return update


def assign(world: World, volume: Volume, field: str, value: object) -> None:
    """Change one field."""
    match field:
        case "dataLocality":
            if value not in provision.LOCALITIES:
                raise Refusal(f"unable to update data locality: invalid data locality mode: {value}")
            volume.data_locality = str(value)
        case "numberOfReplicas":
            volume.number_of_replicas = int(str(value))
        case _:
            volume.spec[field] = value
    world.touch(volume)


def expand(call: Call) -> Answer:
    """Grow a volume."""
    struct = Struct("ExpandInput", {"size": "string"})
    size = provision.parse_size(call.read(struct)["size"])
    volume = find(call, f"unable to expand volume {call.name}: ")
    if volume.robustness == "faulted":
        raise Refusal(f"unable to expand volume {call.name}: cannot expand volume when it is in faulted state")
    if size > volume.size:
        volume.size = size
        call.world.touch(volume)
    return Answer(body=volume_wire(call.world, call.base, volume, brief=True))


def salvage(call: Call) -> Answer:
    """Make a faulted volume usable by taking named replicas as good."""
    raw = parse(call.body) if call.body.strip() else {}
    if kind_of(raw) != "object":
        read(call.body, Struct("SalvageInput", {"names": "[]string"}))
    doing = f"unable to salvage volume {call.name}: "
    volume = find(call, doing)
    if volume.state != "detached":
        raise Refusal(f"{doing}invalid volume state to salvage: {volume.state}")
    if volume.robustness != "faulted":
        raise Refusal(f"{doing}invalid robustness state to salvage: {volume.robustness}")
    wanted = raw.get("names") or []
    for replica in volume.replicas:
        if replica.name in wanted:
            replica.failed_at = ""
    volume.robustness = "unknown"
    volume.forced.pop("robustness", None)
    call.world.touch(volume)
    return Answer(body=volume_wire(call.world, call.base, volume, brief=True))


__all__ = [
    "attach", "create", "delete", "detach", "expand", "find", "get", "salvage", "simple_update", "wire",
]  # fmt: skip
