"""The rest: root, schemas, settings, nodes, engine images, instance managers, attachments, events."""

from typing import Any

from lhbackupd.simulator import events, settings, wire
from lhbackupd.simulator.call import Answer, Call
from lhbackupd.simulator.data import SCHEMAS
from lhbackupd.simulator.gojson import Struct
from lhbackupd.simulator.model import Node
from lhbackupd.simulator.refusal import Refusal, missing
from lhbackupd.simulator.world import World, rfc3339

SETTING = Struct("Setting", {"name": "string", "value": "string"})
NODE = Struct("Node", {"name": "string", "allowScheduling": "bool", "evictionRequested": "bool", "tags": "[]string"})


def versions(call: Call) -> Answer:
    """`/` and `/v1/apiversions`."""
    v1 = {"id": "v1", "type": "apiVersion", "links": {"self": f"{call.base}/v1"}, "actions": {}}
    here = f"{call.base}{call.path}"
    body = wire.collection(here, "apiVersion", [v1])
    return Answer(body={**body, "links": {"latest": f"{call.base}/v1", "self": here}})


def version(call: Call) -> Answer:
    """`/v1`: a link to every collection."""
    links = {name: f"{call.base}{path}" for name, path in SCHEMAS["links"].items()}
    return Answer(body={"id": "v1", "type": "apiVersion", "links": links, "actions": {}})


def _schema(base: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "links": {name: f"{base}{path}" for name, path in schema["links"].items()}}


def schemas(call: Call) -> Answer:
    """All schemas."""
    data = [_schema(call.base, schema) for schema in schemas_of(call.world)]
    return Answer(body=wire.collection(f"{call.base}/v1/schemas", "schema", data))


def schemas_of(world: World) -> list[dict[str, Any]]:
    """Schemas of the simulated generation."""
    from lhbackupd.simulator import generation

    return generation.schemas(world.generation)


def schema(call: Call) -> Answer:
    """One schema."""
    found = next((s for s in schemas_of(call.world) if s["id"].lower() == call.name.lower()), None)
    if found is None:
        return Answer(404, b"404 page not found\n", "text/plain; charset=utf-8")
    return Answer(body=_schema(call.base, found))


def setting_list(call: Call) -> Answer:
    """All settings."""
    data = [wire.setting(call.base, name, value) for name, value in call.world.settings.items()]
    return Answer(body=wire.collection(call.url, "setting", data))


def setting_get(call: Call) -> Answer:
    """One setting."""
    if call.name not in call.world.settings:
        raise Refusal(f"failed to get setting {call.name}: setting {call.name} is not supported")
    return Answer(body=wire.setting(call.base, call.name, call.world.settings[call.name]))


def setting_put(call: Call) -> Answer:
    """Change one setting."""
    settings.put(call.world, call.name, call.read(SETTING)["value"])
    return Answer(body=wire.setting(call.base, call.name, call.world.settings[call.name]))


def _scheduled(world: World) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {name: {} for name in world.nodes}
    for volume in world.volumes.values():
        for replica in volume.replicas:
            if replica.node in found:
                found[replica.node][replica.name] = volume.size
    return found


def node_list(call: Call) -> Answer:
    """All nodes."""
    return Answer(body=wire.collection(call.url, "node", node_data(call.world, call.base)))


def node_data(world: World, base: str) -> list[Any]:
    """All nodes that exist."""
    scheduled = _scheduled(world)
    return [wire.node(base, node, scheduled[node.name]) for node in world.nodes.values() if not node.gone]


def _node(call: Call) -> Node:
    node = call.world.nodes.get(call.name)
    if node is None or node.gone:
        raise missing("node", call.name, f"failed to get node {call.name}: ")
    return node


def node_get(call: Call) -> Answer:
    """One node."""
    node = _node(call)
    return Answer(body=wire.node(call.base, node, _scheduled(call.world)[node.name]))


def node_put(call: Call) -> Answer:
    """Change whether replicas may be placed on a node."""
    body = call.read(NODE)
    node = _node(call)
    node.allow_scheduling = bool(body["allowScheduling"])
    call.world.changed("nodes")
    return node_get(call)


def engine_image_data(world: World, base: str) -> list[Any]:
    """The one engine image."""
    image, name = "longhornio/longhorn-engine:v1.13.0-dev", "ei-925e6ea1"
    words = f"Engine image {name} ({image}) is fully deployed on all ready nodes"
    condition = {
        "lastProbeTime": "", "lastTransitionTime": rfc3339(world.started), "message": words, "reason": "",
        "status": "True", "type": "ready",
    }  # fmt: skip
    used = sum(1 + len(volume.replicas) for volume in world.volumes.values())
    return [
        {
            **wire.resource(base, "engineImage", "engineimages", name),
            "buildDate": "2026-08-21T00:00:00Z", "cliAPIMinVersion": 8, "cliAPIVersion": 12,
            "conditions": [condition],
            "controllerAPIMinVersion": 4, "controllerAPIVersion": 6, "dataFormatMinVersion": 1,
            "dataFormatVersion": 1,
            "default": True, "gitCommit": "5939910c", "image": image, "incompatible": False, "name": name,
            "noRefSince": "" if used else rfc3339(world.started),
            "nodeDeploymentMap": {node.name: node.ready for node in world.nodes.values() if not node.gone},
            "ownerID": next(iter(world.nodes)), "refCount": used, "state": "deployed",
            "version": "v1.13.0-dev",
        }
    ]  # fmt: skip


def engine_images(call: Call) -> Answer:
    """All engine images."""
    return Answer(body=wire.collection(call.url, "engineImage", engine_image_data(call.world, call.base)))


def engine_image(call: Call) -> Answer:
    """One engine image."""
    found = next((e for e in engine_image_data(call.world, call.base) if e["id"] == call.name), None)
    if found is None:
        raise missing("engineimage", call.name, f"failed to get engine image '{call.name}': ")
    return Answer(body=found)


def instance_managers(call: Call) -> Answer:
    """One instance manager per node."""
    data = [
        {
            **wire.resource(call.base, "instanceManager", "instancemanagers", node.instance_manager),
            "currentState": "running" if node.ready else "unknown", "dataEngine": "v1",
            "image": "longhornio/longhorn-instance-manager:v1.13.0-dev", "instanceEngineFrontends": None,
            "instanceEngines": None, "instanceReplicas": None, "instances": None, "managerType": "aio",
            "name": node.instance_manager, "nodeID": node.name,
        }
        for node in call.world.nodes.values() if not node.gone
    ]  # fmt: skip
    return Answer(body=wire.collection(call.url, "instanceManager", data))


def attachments(call: Call) -> Answer:
    """All volume attachments."""
    data = [wire.volume_attachment(call.base, volume) for volume in call.world.volumes.values()]
    return Answer(body=wire.collection(call.url, "volumeAttachment", data))


def attachment_get(call: Call) -> Answer:
    """One volume attachment."""
    volume = call.world.volumes.get(call.name)
    if volume is None:
        raise missing("volumeattachment", call.name, f"failed to get volume attachment  '{call.name}': ")
    return Answer(body=wire.volume_attachment(call.base, volume))


def event_data(world: World, base: str) -> list[Any]:
    """All events not yet forgotten."""
    kept: list[events.Event] = world.recorder.kept(world.now(), world.timing)
    return [wire.event(base, event) for event in kept]


def event_list(call: Call) -> Answer:
    """All events."""
    return Answer(body=wire.collection(call.url, "event", event_data(call.world, call.base)))


def nothing(kind: str) -> Any:
    """A collection that is always empty here."""

    def empty(call: Call) -> Answer:
        return Answer(body=wire.collection(call.url, kind, []))

    return empty
