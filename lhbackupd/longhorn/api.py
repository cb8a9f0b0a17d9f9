"""Longhorn of whichever release: each call goes to the one that speaks its language.

Rule: Longhorn is asked what it is (`/v1/schemas`), once, and again after every answer that was none: whoever answers
next may be another release. Where attach and detach are not by ticket it is asked before each of them, because in the
wrong language they touch what is not ours.

    1.8 and later   tickets; backups are listed by the volume's name       `Longhorn`
    1.5 to 1.7      tickets; a backup volume is named as its volume         `Longhorn`, but for `backups`
    1.1 to 1.4      neither                                                 `Legacy`
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from enum import Enum, auto
from typing import TypeVar

from lhbackupd.core.cluster import Backup, Chain, Node, Setting, SnapshotReadiness, Target, Volume
from lhbackupd.core.recurring import Membership, NativeJob
from lhbackupd.longhorn import legacywire
from lhbackupd.longhorn.attaches import Attaches
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.longhorn.errors import Unreachable
from lhbackupd.longhorn.legacy import Legacy
from lhbackupd.longhorn.request import Request, look_at_backups
from lhbackupd.longhorn.wire import Broken, Generation

T = TypeVar("T")
Speaker = Longhorn | Legacy


class Release(Enum):
    """What tells releases apart, as far as we have to."""

    #: 1.8 and later
    NEW = auto()
    #: 1.5 to 1.7
    MIDDLE = auto()
    #: 1.1 to 1.4: nobody has recorded one
    OLD = auto()


class Api:
    """What runs and polls need of a Longhorn at the other end of `longhorn`; raises the errors of `Longhorn`."""

    def __init__(self, *, longhorn: Longhorn) -> None:
        self._longhorn = longhorn
        self._legacy = Legacy(longhorn=longhorn)
        #: what it was when last asked; None before that, and after an answer that was none
        self.release: Release | None = None

    @property
    def server_date(self) -> datetime | None:
        """Longhorn's time, as of its last answer."""
        return self._longhorn.server_date

    # What is there

    async def which(self) -> Release:
        """Ask Longhorn what it is."""
        if await self._longhorn.generation() is Generation.SINGLE:
            return Release.OLD
        request = Request(method="GET", route="/v1/schemas/backupVolume")
        by_volume = await self._longhorn.value(request, legacywire.decode_lists_by_volume)
        return Release.NEW if by_volume else Release.MIDDLE

    async def setting(self) -> Setting:
        return await self._longhorn.setting()

    async def nodes(self) -> tuple[Node, ...]:
        return await self._longhorn.nodes()

    async def attaches(self) -> Attaches:
        return await self._longhorn.attaches()

    async def volumes(self) -> tuple[tuple[Volume, ...], tuple[Broken, ...]]:
        return await self._ask(lambda speaker: speaker.volumes())

    async def volume(self, name: str) -> Volume | None:
        return await self._ask(lambda speaker: speaker.volume(name))

    async def targets(self) -> tuple[Target, ...]:
        return await self._ask(lambda speaker: speaker.targets())

    async def jobs(self) -> tuple[NativeJob, ...] | None:
        return await self._ask(lambda speaker: speaker.jobs())

    async def groups(self, volume: str) -> Membership:
        return await self._ask(lambda speaker: speaker.groups(volume))

    async def snapshots(self, volume: str) -> Chain:
        return await self._ask(lambda speaker: speaker.snapshots(volume))

    async def snapshot_ready(self, volume: str, name: str) -> SnapshotReadiness | None:
        return await self._ask(lambda speaker: speaker.snapshot_ready(volume, name))

    async def backups(self, volume: str) -> tuple[Backup, ...]:
        async def listed(speaker: Speaker) -> tuple[Backup, ...]:
            if self.release is not Release.MIDDLE:
                return await speaker.backups(volume)
            request = look_at_backups(volume, "backupList")
            return await self._longhorn.value(request, lambda raw: legacywire.decode_backups(raw, volume))

        return await self._ask(listed)

    # What changes something

    async def attach(self, volume: str, node: str, ticket: str, attached_by: str) -> None:
        await self._ask(lambda speaker: speaker.attach(volume, node, ticket, attached_by), sure=True)

    async def detach(self, volume: str, ticket: str) -> None:
        await self._ask(lambda speaker: speaker.detach(volume, ticket), sure=True)

    async def create_snapshot(self, volume: str, name: str, labels: Mapping[str, str]) -> None:
        await self._ask(lambda speaker: speaker.create_snapshot(volume, name, labels))

    async def delete_snapshot(self, volume: str, name: str) -> None:
        await self._ask(lambda speaker: speaker.delete_snapshot(volume, name))

    async def backup(self, volume: str, snapshot: str, labels: Mapping[str, str], *, full: bool = False) -> Volume:
        return await self._ask(lambda speaker: speaker.backup(volume, snapshot, labels, full=full))

    async def delete_backup(self, volume: str, name: str) -> None:
        await self._ask(lambda speaker: speaker.delete_backup(volume, name))

    # How

    async def _ask(self, call: Callable[[Speaker], Awaitable[T]], *, sure: bool = False) -> T:
        try:
            if self.release is None or (sure and self.release is Release.OLD):
                self.release = await self.which()
            return await call(self._legacy if self.release is Release.OLD else self._longhorn)
        except Unreachable:
            self.release = None
            raise
