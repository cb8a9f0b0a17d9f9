"""Putting in order what runs leave behind: tickets without a run, backups that failed, backups no longer kept.

None of it is part of a run, and none of it can fail one. Tickets are looked through at every poll (see `core.leases`);
backups after the run that made them superfluous. While our clock and Longhorn's disagree nothing is pruned: what is the
oldest backup is then anybody's guess.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Protocol

from lhbackupd.clock import Clock
from lhbackupd.core.cluster import Backup, Fault
from lhbackupd.core.leases import Claim, Lease, blocked, leases
from lhbackupd.core.model import Origin, Outcome, Policy, Run
from lhbackupd.engine.events import GaveBack, Pruned, PruningRests, Tell
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.runner import Hands

#: how far our clock and Longhorn's may be apart for old backups to be deleted
SKEW = timedelta(minutes=5)


class Caretaker(Hands, Protocol):
    """Longhorn, as far as the housekeeper needs it."""

    @property
    def server_date(self) -> datetime | None:
        """Longhorn's time, as of its last answer."""

    async def withdraw(self, volume: str, ticket: str) -> Fault | None:
        """Withdraw a ticket of lhbackupd."""

    async def prune(self, run: Run, keep_last: int | None) -> tuple[tuple[Backup, ...], Fault | None]:
        """Delete backups that the run's policy no longer keeps."""

    async def drop_failed(self, run: Run) -> tuple[tuple[Backup, ...], Fault | None]:
        """Delete the backup that this run made and that ended in Error."""


class Housekeeper:
    """Puts in order; never raises for what Longhorn does."""

    def __init__(self, *, gateway: Caretaker, origin: Origin, clock: Clock, tell: Tell) -> None:
        self._gateway = gateway
        self._origin = origin
        self._clock = clock
        self._tell = tell
        self._swept: datetime | None = None
        #: all tickets of lhbackupd in the cluster, as of the last poll
        self.leases: tuple[Lease, ...] = ()
        #: why no work may start; "" if it may
        self.blocked = ""

    async def sweep(self, picture: Picture, live: Collection[str]) -> None:
        """Give back the tickets of ours that no run holds, once per poll. `live` are the ids of those that are held."""
        if picture.at is None or picture.at == self._swept:
            return
        self._swept = picture.at
        self.leases = leases(picture.volumes.values(), origin=self._origin, live=live, now=self._clock.now())
        self.blocked = blocked(self.leases)
        for lease in self.leases:
            if lease.due:
                await self._give_back(lease)

    async def adopt(self) -> tuple[Lease, ...]:
        """Give back every ticket of our instance that no run of ours holds, expired or not; returns those."""
        left = {Claim.ORPHAN, Claim.TWIN, Claim.EXPIRED}
        mine = tuple(lease for lease in self.leases if lease.claim in left)
        for lease in mine:
            await self._give_back(lease)
        self.blocked = ""
        return mine

    async def _give_back(self, lease: Lease) -> None:
        self._tell(GaveBack(lease, await self._gateway.withdraw(lease.volume, lease.ticket)))

    async def tidy(self, run: Run, policy: Policy | None) -> None:
        """After `run` has finished: delete its backup if that failed, or those that its policy no longer keeps."""
        if run.outcome is Outcome.COMPLETED and policy is not None and policy.keep_last is not None:
            if rests := self.doubt():
                self._tell(PruningRests(run, rests))
                return
            deleted, fault = await self._gateway.prune(run, policy.keep_last)
        elif run.backup and run.outcome is not Outcome.COMPLETED:
            deleted, fault = await self._gateway.drop_failed(run)
        else:
            return
        if deleted or fault:
            self._tell(Pruned(run, deleted, fault))

    def doubt(self) -> str:
        """How our clock and Longhorn's disagree, in words; "" while they agree, or Longhorn has not answered yet."""
        theirs, ours = self._gateway.server_date, self._clock.now()
        if theirs is None or abs(theirs - ours) <= SKEW:
            return ""
        return f"our clock says {ours:%Y-%m-%d %H:%M:%S}, Longhorn's {theirs:%Y-%m-%d %H:%M:%S} UTC"
