"""Which ticket gets a volume, which one is interrupted, and what each ticket is told.

The rule is Longhorn's: a volume goes on the node of the highest priority among the tickets of a *detached*
volume, ties to the smallest id. It leaves when no ticket asks for its node with fitting parameters any more,
or when only interruptible tickets hold it and a workload's ticket asks for another node.
"""

from lhbackupd.simulator.model import Condition, Ticket, Volume
from lhbackupd.simulator.world import World

#: the release that brought tickets; before, `lastAttachedBy` outlives the attachment
TICKETS = (1, 5)

PRIORITY = {
    "volume-restore-controller": 2000,
    "volume-expansion-controller": 2000,
    "longhorn-api": 1000,
    "csi-attacher": 900,
    "salvage-controller": 900,
    "share-manager-controller": 900,
    "longhorn-upgrader": 900,
    "snapshot-controller": 800,
    "backup-controller": 800,
    "volume-clone-controller": 800,
    "volume-eviction-controller": 800,
    "bim-ds-controller": 800,
    "volume-rebuilding-controller": 800,
}
INTERRUPTIBLE = frozenset({"backup-controller", "snapshot-controller"})
WORKLOAD = frozenset({"csi-attacher", "longhorn-api", "share-manager-controller"})


def compatible(ticket: Ticket, volume: Volume) -> bool:
    """Whether the volume's frontend is what the ticket asks for."""
    match ticket.parameters.get("disableFrontend"):
        case None | "false":
            return not volume.disable_frontend
        case "true":
            return volume.disable_frontend
        case _:
            return True


def choose(tickets: dict[str, Ticket]) -> Ticket | None:
    """The ticket that a detached volume follows."""
    best = max((PRIORITY.get(ticket.kind, 0) for ticket in tickets.values()), default=0)
    candidates = [ticket for ticket in tickets.values() if PRIORITY.get(ticket.kind, 0) == best]
    return min(candidates, key=lambda ticket: ticket.id, default=None)


def should_detach(volume: Volume) -> bool:
    """Whether nobody rightfully holds the volume where it is wanted now."""
    if volume.robustness == "faulted":
        return True
    here = [t for t in volume.tickets.values() if t.node == volume.desired_node and compatible(t, volume)]
    if not here:
        return True
    elsewhere = [t for t in volume.tickets.values() if t.node != volume.desired_node]
    return all(t.kind in INTERRUPTIBLE for t in here) and any(t.kind in WORKLOAD for t in elsewhere)


def adopt(volume: Volume, parameters: dict[str, str]) -> None:
    """Take a ticket's parameters over; `any` leaves the frontend as it is."""
    match parameters.get("disableFrontend"):
        case None | "false":
            volume.disable_frontend = False
        case "true":
            volume.disable_frontend = True
        case _:
            pass
    volume.last_attached_by = parameters.get("lastAttachedBy", "")


def verdict(ticket: Ticket, volume: Volume) -> tuple[bool, str, str]:
    """Whether a ticket is satisfied, else reason and message."""
    if not volume.current_node or volume.state != "attached":
        return False, "", ""
    if ticket.node != volume.current_node:
        return False, "", f"the volume is currently attached to different node {volume.current_node} "
    if not compatible(ticket, volume):
        words = f"volume {volume.name} has already attached to node {volume.current_node} with incompatible parameters"
        return False, "AttachedWithIncompatibleParameters", words
    return True, "", ""


def inform(world: World, volume: Volume, ticket: Ticket) -> None:
    """Write the present verdict into the ticket's status."""
    satisfied, reason, message = verdict(ticket, volume)
    old = ticket.condition
    status = "True" if satisfied else "False"
    if old and (old.status, old.reason, old.message) == (status, reason, message):
        return
    since = old.at if old and old.status == status else world.now()
    ticket.condition = Condition("Satisfied", status, since, reason, message)
    facts = {"id": ticket.id, "type": ticket.kind, "node": ticket.node}
    if satisfied and not ticket.satisfied:
        world.ledger.add("ticket-satisfied", volume.name, **facts, waited=round(world.elapsed() - ticket.added, 3))
    if ticket.satisfied and not satisfied:
        world.ledger.add("ticket-interrupted", volume.name, **facts)
    ticket.satisfied = satisfied
    world.touch(volume)


def reconcile(world: World, volume: Volume) -> None:
    """Longhorn's VolumeAttachment controller."""
    _leave_cordoned_node(world, volume)
    if volume.desired_node and should_detach(volume):
        volume.desired_node = ""
        adopt(volume, _lasting(world, volume))
        world.touch(volume)
    if not volume.desired_node and volume.state == "detached" and volume.robustness != "faulted":
        ticket = choose(volume.tickets)
        if ticket:
            volume.desired_node = ticket.node
            adopt(volume, ticket.parameters)
            world.touch(volume)
    for ticket in list(volume.tickets.values()):
        inform(world, volume, ticket)


def _lasting(world: World, volume: Volume) -> dict[str, str]:
    """What a volume that goes keeps: nothing; before tickets, who attached it, and how if it is to return."""
    if world.generation >= TICKETS:
        return {}
    still = next(iter(volume.tickets.values()), None)
    return still.parameters if still else {"lastAttachedBy": volume.last_attached_by}


def _leave_cordoned_node(world: World, volume: Volume) -> None:
    if not world.flag("detach-manually-attached-volumes-when-cordoned"):
        return
    for ticket in list(volume.tickets.values()):
        node = world.nodes.get(ticket.node)
        if ticket.kind == "longhorn-api" and node and node.cordoned:
            remove(world, volume, ticket.id, by="cordon")
            return


def add(world: World, volume: Volume, ticket: Ticket, *, by: str) -> None:
    """Write a ticket into the VolumeAttachment; an equal id replaces the old one but keeps its status."""
    old = volume.tickets.get(ticket.id)
    if old:
        ticket.satisfied, ticket.condition = old.satisfied, old.condition
    volume.tickets[ticket.id] = ticket
    volume.tickets = dict(sorted(volume.tickets.items()))
    world.ledger.add(
        "ticket-added", volume.name, id=ticket.id, type=ticket.kind, node=ticket.node, by=by,
        attachedBy=ticket.parameters.get("lastAttachedBy", ""),
        frontend=ticket.parameters.get("disableFrontend", "false") == "false", again=old is not None,
    )  # fmt: skip
    world.changed("volumeattachments")
    world.touch(volume)


def remove(world: World, volume: Volume, ticket_id: str, *, by: str) -> bool:
    """Take a ticket out; False when there is none of that id."""
    ticket = volume.tickets.pop(ticket_id, None)
    if not ticket:
        return False
    world.ledger.add("ticket-removed", volume.name, id=ticket_id, type=ticket.kind, node=ticket.node, by=by)
    world.changed("volumeattachments")
    world.touch(volume)
    return True


def controller_ticket(world: World, volume: Volume, kind: str, subject: str) -> Ticket:
    """The ticket by which a controller of Longhorn's own holds a volume, written if not there yet."""
    ticket_id = f"{kind}-{subject}"
    node = volume.current_node or volume.owner
    ticket = volume.tickets.get(ticket_id)
    if ticket is None:
        ticket = Ticket(ticket_id, kind, node, {"disableFrontend": "any"}, world.elapsed())
        add(world, volume, ticket, by=kind)
    return ticket


def drop(world: World, volume: Volume, ticket_id: str, *, by: str) -> None:
    """Take a ticket out if it is there."""
    remove(world, volume, ticket_id, by=by)
