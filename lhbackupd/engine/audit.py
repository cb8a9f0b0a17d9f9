"""The audit: whether the backups that protection is claimed by are still there.

It goes round all volumes once a day, some after every poll, and at once to one whose newest backup went away. What two
looks running lack is told, and moves the claim back to what the backups hold that are left; the next inspection finds
the rest, and makes a backup of it.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime

from lhbackupd.clock import Clock
from lhbackupd.core.audit import Loss, missing, turn
from lhbackupd.core.cluster import Backup, Volume
from lhbackupd.core.exposure import held_until
from lhbackupd.core.inspection import base_of
from lhbackupd.core.naming import LABEL_RUN
from lhbackupd.core.protection import Protection
from lhbackupd.engine.books import Books
from lhbackupd.engine.events import BackupLost, Tell
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.inventory import Inventory
from lhbackupd.engine.journal import JournalError
from lhbackupd.engine.orders import Orders
from lhbackupd.engine.scheduler import Key
from lhbackupd.longhorn.api import Api
from lhbackupd.longhorn.errors import LonghornError


class Audit:
    """Looks at volumes in turn; never raises for what Longhorn or the journal do."""

    def __init__(
        self,
        *,
        longhorn: Api,
        inventory: Inventory,
        books: Books,
        orders: Orders,
        clock: Clock,
        offload: Offload,
        tell: Tell,
    ) -> None:
        self._longhorn = longhorn
        self._inventory = inventory
        self._books = books
        self._orders = orders
        self._clock = clock
        self._offload = offload
        self._tell = tell
        #: when each volume was looked at, on the monotonic clock
        self._looked: dict[str, float] = {}
        #: when the newest backup of each volume was made, by the last list
        self._newest: dict[str, datetime | None] = {}
        #: what the last look at a volume has lacked
        self._suspected: dict[str, frozenset[tuple[Key, str]]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Look at those whose turn it is after every poll, until `stop`."""
        while not await self._clock.wait(stop, self._inventory.period):
            volumes = self._inventory.picture.volumes
            for name in await self._offload(self._due, volumes.values()):
                if stop.is_set():
                    return
                await self._look(volumes[name])

    def _due(self, volumes: Iterable[Volume]) -> list[str]:
        """Those whose newest backup went away, or that lacked one at the last look, and those whose turn it is.

        In the worker: thousands of volumes looked through on the loop would hold it up.
        """
        claimed = {name for _, name in self._books.scheduler.schedules}
        there = {volume.name: volume for volume in volumes if volume.name in claimed}
        self._suspected = {name: lacked for name, lacked in self._suspected.items() if name in there}
        urgent = {*self._suspected}
        for name, volume in there.items():
            known, newest = self._newest.get(name), volume.last_backup_at
            if known is not None and (newest is None or newest < known):
                urgent.add(name)
                self._suspected.setdefault(name, frozenset())  # until there has been a list
        self._newest = {name: volume.last_backup_at for name, volume in there.items()}
        self._looked = {name: at for name, at in self._looked.items() if name in there}
        return sorted({*urgent, *turn(self._looked, there, period=self._inventory.period)})

    async def _look(self, volume: Volume) -> None:
        """Ask what backups there are of a volume, and hold every claim against them."""
        scheduled, words = self._books.scheduler.schedules, self._books.protections
        claims = {key: word for key, word in words.items() if key[1] == volume.name and key in scheduled}
        self._looked[volume.name] = self._clock.monotonic()  # also if it fails: others have their turn
        try:
            listed = await self._longhorn.backups(volume.name)
        except LonghornError:
            return  # its next run asks for the same list, and says what is wrong
        lacked = self._suspected.pop(volume.name, frozenset())
        lacks = frozenset(
            (key, word.last_backup) for key, word in claims.items() if missing(word.last_backup, volume, listed)
        )
        if lacks:
            self._suspected[volume.name] = lacks
        for key, _ in lacks & lacked:
            await self._lost(claims[key], volume, listed)

    async def _lost(self, word: Protection, volume: Volume, listed: Iterable[Backup]) -> None:
        base = base_of(volume, listed, policy=word.policy, origin=self._orders.origin)
        try:
            until = await self._held(base)
        except JournalError as error:
            self._books.note(error)
            return
        loss = Loss(
            policy=word.policy,
            volume=word.volume,
            backup=word.last_backup,
            left=base.name if base else "",
            until=until,
        )
        if await self._books.lose(word, loss):
            self._tell(BackupLost(loss))

    async def _held(self, base: Backup | None) -> datetime | None:
        """Up to when a backup holds what was written, by the run that made it. Raises JournalError.

        The real engine lists as a snapshot's time when the backup was asked for, so that is not to be believed.
        """
        run = await self._books.find(base.labels.get(LABEL_RUN, "")) if base else None
        return held_until(run) if run else None
