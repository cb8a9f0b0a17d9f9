"""One simulated Longhorn cluster: builds the world, lets time pass, and runs the controllers.

It is synchronous and owns no task: whoever has a request first calls `advance`, which performs everything
that fell due since the last time, each at its own moment. Two clusters with the same seed, timing and
requests behave alike.
"""

import random
import uuid
from datetime import datetime, timedelta

from lhbackupd.simulator import attachment, backups, lifecycle, locality, restore, snapshots, workload
from lhbackupd.simulator.agenda import Agenda
from lhbackupd.simulator.clock import Clock
from lhbackupd.simulator.data import SETTINGS
from lhbackupd.simulator.events import Recorder
from lhbackupd.simulator.ledger import Ledger
from lhbackupd.simulator.model import Node, Target, Volume
from lhbackupd.simulator.timing import Timing
from lhbackupd.simulator.world import World

__all__ = ["Cluster", "Timing"]

NAMESPACE = uuid.UUID("5f0c1d9e-3f53-5b43-9e0f-3f1b1a0f7c11")


class Cluster:
    """A cluster and its clock."""

    def __init__(self, clock: Clock, *, nodes: int = 3, seed: int = 0, timing: Timing | None = None) -> None:
        self.clock = clock
        self._began = clock.monotonic()
        agenda, started = Agenda(), clock.now()
        self.world = World(
            clock=clock,
            timing=timing or Timing(),
            rng=random.Random(seed),
            agenda=agenda,
            started=started,
            ledger=Ledger(elapsed=lambda: agenda.now, now=lambda: started + timedelta(seconds=agenda.now)),
            recorder=Recorder(random.Random(seed + 1)),
            settle=settle,
            settings={setting["name"]: setting["value"] for setting in SETTINGS},
        )
        for number in range(1, nodes + 1):
            self.world.nodes[f"node-{number}"] = make_node(number, started, seed)
        target = Target("default", "s3://bucket@us-east-1/", "longhorn-backup-secret")
        self.world.targets[target.name] = target
        self._announce()

    def advance(self, until: float | None = None) -> None:
        """Let everything happen up to now, or up to `until` seconds since the cluster began."""
        present = self.clock.monotonic() - self._began if until is None else until
        self.world.agenda.run(present)

    def _announce(self) -> None:
        world = self.world
        image = "longhornio/longhorn-engine:v1.13.0-dev"
        words = f"Engine image ei-925e6ea1 ({image}) is fully deployed on all ready nodes"
        world.event("engine-image", "EngineImage", "ei-925e6ea1", "ready", words)
        for node in world.nodes.values():
            world.event("node", "Node", node.name, "Ready", f"Node {node.name} is ready")
            world.event("node", "Node", node.name, "Schedulable", "")
            disk = f"Disk default-disk-{node.name.replace('-', '')}(/var/lib/longhorn/) on node {node.name} is"
            world.event("node", "Node", node.name, "Ready", f"{disk} ready")
            world.event("node", "Node", node.name, "Schedulable", f"{disk} schedulable")


def make_node(number: int, since: datetime, seed: int) -> Node:
    """The n-th node; its disk and instance manager have stable ids."""
    name = f"node-{number}"
    manager = uuid.uuid5(NAMESPACE, f"{seed}/{name}/instance-manager").hex
    disk = str(uuid.uuid5(NAMESPACE, f"{seed}/{name}/disk"))
    return Node(name, f"127.0.0.{number}", disk, f"instance-manager-{manager}", since, ready_since=since)


def settle(world: World, volume: Volume) -> None:
    """All controllers look at one volume, in the order in which their effects follow from each other."""
    if volume.state == "deleting":
        return
    attachment.reconcile(world, volume)
    lifecycle.salvage(world, volume)
    lifecycle.reconcile(world, volume, polled)
    locality.reconcile(world, volume)
    restore.reconcile(world, volume)
    snapshots.reconcile(world, volume)
    backups.reconcile(world, volume)
    workload.reconcile(world, volume)


def polled(world: World, volume: Volume) -> None:
    """What else an engine poll brings."""
    snapshots.poll(world, volume)
