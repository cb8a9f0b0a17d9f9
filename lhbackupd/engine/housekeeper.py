"""Putting in order what runs leave behind: tickets without a run, backups that failed, backups no longer kept.

None of it is part of a run, and none of it can fail one. Tickets are looked through at every poll (see `core.leases`);
backups after the run that made them superfluous. While our clock and Longhorn's disagree nothing is pruned: what is the
oldest backup is then anybody's guess.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Protocol

from lhbackupd.clock import Clock
from lhbackupd.core.cluster import Fault
from lhbackupd.core.leases import Claim, Lease, blocked, leases
from lhbackupd.core.model import Mode, Origin, Outcome, Policy, Run
from lhbackupd.core.retention import Verdict
from lhbackupd.engine.events import GaveBack, Pruned, PruningRests, Tell
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.orders import Orders
from lhbackupd.engine.runner import Hands

#: how far our clock and Longhorn's may be apart for old backups to be deleted
SKEW = timedelta(minutes=5)
#: how long a list of volumes may have been under way: a run that ended meanwhile still shows its ticket in it
UNDER_WAY = timedelta(minutes=2)


class Caretaker(Hands, Protocol):
    """Longhorn, as far as the housekeeper needs it."""

    @property
    def server_date(self) -> datetime | None:
        """Longhorn's time, as of its last answer."""

    async def withdraw(self, volume: str, ticket: str) -> Fault | None:
        """Withdraw a ticket of lhbackupd."""

    async def prune(
        self, volume: str, policy: Policy, origin: Origin, claimed: str
    ) -> tuple[tuple[Verdict, ...], Fault | None]:
        """Delete backups of a volume that a policy no longer keeps, but never the `claimed` one."""

    async def drop_failed(self, run: Run) -> tuple[tuple[Verdict, ...], Fault | None]:
        """Delete the backup that this run made and that ended in Error."""


class Housekeeper:
    """Puts in order; never raises for what Longhorn does."""

    def __init__(self, *, gateway: Caretaker, orders: Orders, clock: Clock, tell: Tell) -> None:
        self._gateway = gateway
        self._orders = orders
        self._clock = clock
        self._tell = tell
        self._swept: datetime | None = None
        #: tickets of runs that have ended, and when
        self._ended: dict[str, datetime] = {}
        #: all tickets of lhbackupd in the cluster, as of the last poll
        self.leases: tuple[Lease, ...] = ()
        #: why no work may start; "" if it may
        self.blocked = ""

    async def sweep(self, picture: Picture, live: Collection[str]) -> None:
        """Give back the tickets of ours that no run holds, once per poll. `live` are the ids of those that are held."""
        if picture.at is None or picture.at == self._swept:
            return
        self._ended = {ticket: at for ticket, at in self._ended.items() if at > picture.at - UNDER_WAY}
        live = {*live, *self._ended}
        self.leases = leases(picture.volumes.values(), origin=self._orders.origin, live=live, now=self._clock.now())
        self.blocked = blocked(self.leases)
        for lease in self.leases:
            if lease.due:
                await self._give_back(lease)
        self._swept = picture.at

    async def adopt(self) -> tuple[GaveBack, ...]:
        """Give back every ticket of our instance that no run of ours holds, expired or not; returns what was tried.

        Work may start only once all of them are gone: one that could not be withdrawn goes on blocking.
        """
        left = {Claim.ORPHAN, Claim.TWIN, Claim.EXPIRED}
        tried = tuple([await self._give_back(lease) for lease in self.leases if lease.claim in left])
        gone = {event.lease.ticket for event in tried if event.fault is None}
        self.leases = tuple(lease for lease in self.leases if lease.ticket not in gone)
        self.blocked = blocked(self.leases)
        return tried

    async def _give_back(self, lease: Lease) -> GaveBack:
        event = GaveBack(lease, await self._gateway.withdraw(lease.volume, lease.ticket))
        self._tell(event)
        return event

    async def tidy(self, run: Run, policy: Policy | None) -> None:
        """After `run` has finished: delete its backup if that failed, or those that its policy no longer keeps."""
        self._ended |= dict.fromkeys(filter(None, (run.ticket, run.former)), self._clock.now())
        if policy is not None and policy.mode is Mode.SHADOW:
            policy = None  # it deletes nothing, also after a run that was begun before
        if run.outcome is Outcome.COMPLETED and policy is not None and policy.keep is not None:
            if rests := self.doubt():
                self._tell(PruningRests(run, rests))
                return
            await self.prune(run.volume, policy, run.backup)
        elif run.backup and run.outcome is not Outcome.COMPLETED:
            deleted, fault = await self._gateway.drop_failed(run)
            self._told(Pruned(run.policy, run.volume, deleted, fault))

    async def prune(self, volume: str, policy: Policy, claimed: str) -> Pruned:
        """Delete the backups of a volume that a policy no longer keeps; not to be called while clocks disagree.

        `claimed` is the one that its protection rests on, "" where there is none.
        """
        deleted, fault = await self._gateway.prune(volume, policy, self._orders.origin, claimed)
        return self._told(Pruned(policy.name, volume, deleted, fault))

    def _told(self, event: Pruned) -> Pruned:
        if event.deleted or event.fault:
            self._tell(event)
        return event

    @property
    def sure(self) -> bool:
        """Whether Longhorn has answered, and our clock agrees with the time that it told, if it did."""
        return self._swept is not None and not self.doubt()

    def doubt(self) -> str:
        """How our clock and Longhorn's disagree, in words; "" while they agree, or Longhorn has not answered yet."""
        theirs, ours = self._gateway.server_date, self._clock.now()
        if theirs is None or abs(theirs - ours) <= SKEW:
            return ""
        return f"our clock says {ours:%Y-%m-%d %H:%M:%S}, Longhorn's {theirs:%Y-%m-%d %H:%M:%S} UTC"
