"""Orders about what was made before: delete now what no rule keeps, and take a lost journal's backups for ours.

POST /v1/prune          {"policy": null, "volume": null}    PrunedNow; without names every policy and volume
POST /v1/adopt-origin   {"origin": "5eed0001"}              AdoptedOrigin
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from lhbackupd.clock import Clock
from lhbackupd.core.model import Policy
from lhbackupd.engine.events import Pruned
from lhbackupd.engine.inventory import Inventory
from lhbackupd.engine.keeper import Keeper
from lhbackupd.engine.scheduler import Scheduler
from lhbackupd.surface.asking import UNKNOWN, VERSION, Body, Refused, answered, asker, near, read


class PruneOrder(Body):
    """Delete what no rule keeps."""

    policy: str | None = None
    volume: str | None = None


class OriginOrder(Body):
    """Take what this journal's daemon has made for ours."""

    origin: Annotated[str, Meta(pattern="^[0-9a-z]{1,64}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A backup that is no more, and why."""

    policy: str
    volume: str
    backup: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedNow:
    """What a prune order came to."""

    version: int = VERSION
    #: how many pairs of policy and volume were looked at
    looked_at: int
    deleted: tuple[Deleted, ...]
    #: what could not be deleted or read, in words
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedOrigin:
    """All lost journals whose backups are ours by now."""

    version: int = VERSION
    adopted: tuple[str, ...]


class RetentionOrders:
    """Carries out orders about what was made before."""

    def __init__(self, *, keeper: Keeper, inventory: Inventory, scheduler: Scheduler, clock: Clock) -> None:
        self._keeper = keeper
        self._clock = clock
        self._inventory = inventory
        self._scheduler = scheduler
        self._gate = asyncio.Lock()

    async def _prune(self, policy: Policy, volume: str) -> Pruned:
        word = self._keeper.books.protections.get((policy.name, volume))
        return await self._keeper.housekeeper.prune(volume, policy, word.last_backup if word else "")

    async def prune(self, order: PruneOrder, by: str) -> PrunedNow:
        """Delete what no rule keeps, as after a run. Raises Refused."""
        await self._keeper.begun.wait()
        pairs = self._pairs(order)
        async with self._gate:
            if why := self._keeper.housekeeper.doubt():
                raise Refused(f"nothing was deleted, because the clocks disagree: {why}; set them first")
            self._keeper.orders.told_to_prune(order.policy, order.volume, by)
            events = [await self._prune(policy, volume) for policy, volume in pairs]
        return PrunedNow(
            looked_at=len(pairs),
            deleted=tuple(
                Deleted(policy=event.policy, volume=event.volume, backup=one.backup.name, why=one.why)
                for event in events
                for one in event.deleted
            ),
            faults=tuple(f"{event.volume}: {event.fault.text}" for event in events if event.fault),
        )

    def _pairs(self, order: PruneOrder) -> list[tuple[Policy, str]]:
        """The policies that keep not everything, with the volumes that are under them. Raises Refused."""
        policies, volumes = self._keeper.rules.policies, self._inventory.picture.volumes
        if order.policy is not None and order.policy not in policies:
            raise Refused(f"there is no policy {order.policy}{near(order.policy, policies)}", status=UNKNOWN)
        if order.volume is not None and order.volume not in volumes:
            raise Refused(f"there is no volume {order.volume}{near(order.volume, volumes)}", status=UNKNOWN)
        found: list[tuple[Policy, str]] = []
        for name, volume in sorted(self._scheduler.schedules):
            policy = policies.get(name)
            if policy is not None and policy.keep and order.policy in {None, name} and order.volume in {None, volume}:
                found.append((policy, volume))
        return found

    async def adopt(self, order: OriginOrder, by: str) -> AdoptedOrigin:
        """Take a lost journal's backups and snapshots for ours. Raises Refused, JournalError."""
        await self._keeper.begun.wait()
        orders = self._keeper.orders
        if order.origin == orders.origin.journal:
            raise Refused(f"{order.origin} is this daemon's own origin: its backups are ours already")
        alive = [
            lease
            for lease in self._keeper.housekeeper.leases
            if lease.journal == order.origin and lease.deadline > self._clock.now()
        ]
        if alive:
            raise Refused(
                f"a daemon with journal {order.origin} may be alive: its ticket {alive[0].ticket} is on volume "
                f"{alive[0].volume}; stop that daemon, give its tickets back (lhbackupd adopt), and ask again"
            )
        await orders.adopt(order.origin, by)
        return AdoptedOrigin(adopted=tuple(sorted(orders.origin.adopted)))

    def routes(self) -> Iterable[BaseRoute]:
        """The routes of these orders."""

        async def prune(request: Request) -> PrunedNow:
            return await self.prune(await read(request, PruneOrder), asker(request))

        async def adopt(request: Request) -> AdoptedOrigin:
            return await self.adopt(await read(request, OriginOrder), asker(request))

        yield Route("/v1/prune", answered(prune), methods=["POST"])
        yield Route("/v1/adopt-origin", answered(adopt), methods=["POST"])
