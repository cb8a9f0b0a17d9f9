"""One look at all of Longhorn that a person needs to be answered, apart from the daemon's polls.

`lhbackupd doctor` and `leave` read more than a run does, seldom, and with the daemon down as well. What cannot be read
is told beside the rest; only where not even the volumes can be listed there is nothing to tell. It changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from lhbackupd.core.cluster import Backup, Node, Setting, Snapshot, Target, Volume
from lhbackupd.core.naming import LABEL_ORIGIN
from lhbackupd.core.recurring import Membership, NativeJob
from lhbackupd.longhorn.api import Api, Release
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.longhorn.errors import LonghornError
from lhbackupd.longhorn.wire import Broken

#: requests at once
_AT_ONCE = 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What Longhorn showed."""

    volumes: tuple[Volume, ...]
    broken: tuple[Broken, ...] = ()
    #: None where it could not be read
    release: Release | None = None
    setting: Setting = Setting.UNREAD
    nodes: tuple[Node, ...] = ()
    targets: tuple[Target, ...] = ()
    #: Longhorn's own recurring jobs; None where they could not be read
    jobs: tuple[NativeJob, ...] | None = None
    #: the recurring jobs and groups that volumes are in, if they were asked for
    groups: Mapping[str, Membership] = field(default_factory=dict)
    #: of all volumes that have backups, also those that are no more
    backups: tuple[Backup, ...] = ()
    #: what could not be read, and why
    faults: tuple[str, ...] = ()
    #: Longhorn's time, and ours when that came
    server_date: datetime | None = None
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """What one journal's daemon has made of a volume."""

    volume: str
    snapshots: tuple[Snapshot, ...]
    backups: tuple[Backup, ...]


class Surveyor:
    """Reads; `faults` are what it could not read so far."""

    def __init__(self, *, longhorn: Longhorn, now: Callable[[], datetime]) -> None:
        self._longhorn = longhorn
        self._api = Api(longhorn=longhorn)
        self._now = now
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self.faults: list[str] = []

    async def survey(self, *, groups: bool) -> Survey:
        """Look at everything; `groups` says whether a policy hangs on those of volumes. Raises LonghornError."""
        volumes, broken = await self._api.volumes()
        read_at, server_date = self._now(), self._longhorn.server_date
        jobs = await self._part("recurring jobs", self._api.jobs(), None)
        named = [volume.name for volume in volumes] if groups or any(job.backs_up for job in jobs or ()) else []
        return Survey(
            volumes=volumes,
            broken=broken,
            release=await self._part("release", self._api.which(), None),
            setting=await self._part("setting", self._longhorn.setting(), Setting.UNREAD),
            nodes=await self._part("nodes", self._longhorn.nodes(), ()),
            targets=await self._part("backup targets", self._api.targets(), ()),
            jobs=jobs,
            groups=await self._each("groups of volume", self._api.groups, named),
            backups=await self.backups(),
            faults=tuple(self.faults),
            server_date=server_date,
            read_at=read_at,
        )

    async def jobs(self) -> tuple[tuple[NativeJob, ...], Mapping[str, Membership]]:
        """Longhorn's recurring jobs, and what volumes are in, as far as that can be read. Raises LonghornError."""
        jobs = await self._api.jobs() or ()
        volumes, _ = await self._api.volumes()
        named = [volume.name for volume in volumes]
        return jobs, await self._each("groups of volume", self._api.groups, named)

    async def backups(self, also: Iterable[str] = ()) -> tuple[Backup, ...]:
        """All backups there are, as far as they can be read.

        A volume's first backup makes its backup volume only at its end; `also` are volumes that may have one running.
        """
        listed = await self._part("backup volumes", self._longhorn.backup_volumes(), ())
        names = sorted({found.volume for found in listed if found.volume}.union(also))
        found = await self._each("backups of volume", self._api.backups, names)
        return tuple(backup for _, backups in sorted(found.items()) for backup in backups)

    async def belongings(self, volumes: Iterable[str], origin: str) -> tuple[Belongings, ...]:
        """The snapshots and backups that bear the label of `origin`, by volume; those that have none are left out.

        A backup that runs or has failed shows no labels yet, and is known by its snapshot.
        """
        records = await self._each("snapshots of volume", self._longhorn.snapshot_records, volumes)
        snapshots = {
            name: tuple(each for each in found if each.labels.get(LABEL_ORIGIN) == origin and not each.removed)
            for name, found in records.items()
        }
        taken = {(name, each.name) for name, found in snapshots.items() for each in found}
        backups: dict[str, list[Backup]] = {}
        for backup in await self.backups(volume for volume, _ in taken):
            unlabelled = not backup.labels and (backup.volume, backup.snapshot) in taken
            if unlabelled or backup.labels.get(LABEL_ORIGIN) == origin:
                backups.setdefault(backup.volume, []).append(backup)
        return tuple(
            Belongings(volume=name, snapshots=snapshots.get(name, ()), backups=tuple(backups.get(name, ())))
            for name in sorted({name for name, found in snapshots.items() if found} | backups.keys())
        )

    async def _part(self, what: str, reading: Awaitable[T], otherwise: T) -> T:
        try:
            async with self._gate:
                return await reading
        except LonghornError as error:
            self.faults.append(f"{what}: {error}")
            return otherwise

    async def _each(self, what: str, read: Callable[[str], Awaitable[T]], names: Iterable[str]) -> dict[str, T]:
        """What `read` gives for each name; one that cannot be read is missing."""

        async def one(name: str) -> T | None:
            return await self._part(f"{what} {name}", read(name), None)

        async with asyncio.TaskGroup() as tasks:
            asked = {name: tasks.create_task(one(name)) for name in names}
        return {name: answer for name, task in asked.items() if (answer := task.result()) is not None}
