"""Attach and detach before tickets: a volume has one node, and whoever detaches it takes it from whoever has it.

As in longhorn-manager's Attach and Detach of 1.1 to 1.4: an attach to the node where the volume is wanted already is
accepted and changes nothing, not even who attached it; to another node it is refused. A detach names a node or none,
and nobody is asked who attached. `lastAttachedBy` stays when a volume is detached, the frontend becomes enabled.
Inside, the one attachment is a ticket that nobody sees. Shared volumes and live migration are not simulated.
"""

from lhbackupd.simulator import attachment
from lhbackupd.simulator.model import Ticket, Volume
from lhbackupd.simulator.refusal import Refusal, unsupported
from lhbackupd.simulator.world import World

#: the id of the ticket that nobody sees, but for a pod's
THE_ONE = "attachment"


def wanted_on(volume: Volume) -> str:
    """Where the volume is attached or is to be (Longhorn's spec.nodeID); "" where nobody wants it."""
    return next((ticket.node for ticket in volume.tickets.values()), "")


def attach(
    world: World, volume: Volume, *, node: str, disable_frontend: bool, by: str, kind: str, ticket_id: str = THE_ONE
) -> bool:
    """Attach for whoever asks; False where it was on that node already. Refusal where somebody else's node has it."""
    present = wanted_on(volume)
    if present == node:
        return False
    if volume.spec["accessMode"] == "rwx":
        raise unsupported("attach a shared volume of a release before 1.5")
    if volume.state != "detached":
        raise Refusal(f"invalid state {volume.state} to attach RWO volume {volume.name}")
    if present:
        words = f"non migratable volume {volume.name} cannot attach to node {node} is already attached to node"
        raise Refusal(f"{words} {present}")
    parameters = {"disableFrontend": "true" if disable_frontend else "false", "lastAttachedBy": by}
    volume.disable_frontend, volume.last_attached_by = disable_frontend, by
    attachment.add(world, volume, Ticket(ticket_id, kind, node, parameters, world.elapsed()), by=kind)
    return True


def detach(world: World, volume: Volume, *, node: str, by: str) -> bool:
    """Detach, whoever has attached; False where the volume is not on that node, or nobody wants it."""
    present = wanted_on(volume)
    if not present or node not in {"", present}:
        return False
    world.ledger.add(
        "taken-away", volume.name, attachedBy=volume.last_attached_by, frontend=not volume.disable_frontend,
        node=present, by=by, types=[ticket.kind for ticket in volume.tickets.values()],
    )  # fmt: skip
    for ticket_id in list(volume.tickets):
        attachment.remove(world, volume, ticket_id, by=by)
    volume.disable_frontend = False
    return True
