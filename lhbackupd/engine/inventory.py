"""What the cluster looks like: settings, volumes, nodes and targets, polled, with the faults of the last poll.

A poll that fails leaves the volumes as they were last seen, with the fault beside them; only the setting turns unread
at once, because to guess it would be to break a promise. A volume that a list lacks is asked for by name before it is
taken for deleted: one bad list must not throw schedules away, not even the first one after a start.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import TypeVar

from lhbackupd.clock import Clock
from lhbackupd.core.cluster import Fault, Node, Setting, Target, Volume
from lhbackupd.core.recurring import Membership, NativeJob
from lhbackupd.longhorn.api import Api
from lhbackupd.longhorn.attaches import Attaches
from lhbackupd.longhorn.errors import LonghornError

T = TypeVar("T")

#: requests by name in one poll: for volumes that a list lacks, and for groups that are known already, or the share of
#: these where that is more
_BY_NAME, _TURNS = 50, 20
#: groups not known yet: so many are asked for at once, and for so many seconds of a poll
_AT_ONCE, _ASKING = 8, 2.0
#: between two polls Longhorn has at least so many times as long to rest as the last one took
_REST = 10
#: and we so many times as long as the processor time that it took us: with what follows a poll, a 25th of one core
_SHARE = 36
#: but polls are never further apart than this, in seconds, unless they are configured to be
_RAREST = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The cluster as last seen."""

    #: when the volumes were last listed; None until then
    at: datetime | None = None
    #: when that list was asked for: what happened later may not be in it
    asked: datetime | None = None
    #: why the last poll, or a part of it, failed
    fault: Fault | None = None
    #: whether the last poll has listed the volumes, whatever else of it failed
    listed: bool = False
    setting: Setting = Setting.UNREAD
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    #: those of them that the last list lacked, and that are shown as they were before
    unseen: frozenset[str] = frozenset()
    #: volumes whose entry in the list makes no sense, with the reason
    broken: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    #: Longhorn's own recurring jobs; None while, or where, they cannot be listed
    jobs: tuple[NativeJob, ...] | None = None
    #: the recurring jobs and groups that volumes are in, as far as they were asked for
    groups: Mapping[str, Membership] = field(default_factory=dict)
    #: the attaches that events show, and when they were last asked for; None unless `wants_attaches`
    attaches: tuple[datetime, Attaches] | None = None
    #: seconds that the last poll took, and of processor time while it went on
    took: float = 0.0
    cost: float = 0.0


class Inventory:
    """Polls Longhorn, and holds the latest picture."""

    def __init__(
        self,
        *,
        longhorn: Api,
        clock: Clock,
        period: float,
        told: Callable[[Picture, Picture], None],
        expected: Iterable[str] = (),
    ) -> None:
        self._longhorn = longhorn
        self._clock = clock
        self._period = period
        #: volumes that were there before the daemon started
        self._expected = frozenset(expected)
        self._told = told
        #: volumes whose groups are known, those asked for longest ago first
        self._asked_groups: dict[str, None] = {}
        self._polling = asyncio.Lock()
        self.picture = Picture()
        #: seconds for which the last poll was put off: its own cost says nothing about that
        self.rested = period
        #: whether a policy hangs on groups: only then, or where jobs make backups, they are asked for, each volume's
        self.wants_groups = False
        #: whether a policy lets volumes alone that nobody has attached
        self.wants_attaches = False

    async def run(self, stop: asyncio.Event) -> None:
        """Poll every `period` seconds until `stop`."""
        while not stop.is_set():
            await self.poll()
            await self._clock.wait(stop, self.period)

    @property
    def period(self) -> float:
        """Seconds between two polls: as configured, and more where the last one took long, or cost us much."""
        rest = max(_REST * self.picture.took, _SHARE * self.picture.cost) if self.picture.fault is None else 0.0
        return max(self._period, min(rest, _RAREST))

    async def poll(self) -> None:
        """Look once, after a look that is under way; never raises for what Longhorn does."""
        async with self._polling:
            await self._poll()

    async def _poll(self) -> None:
        before, start, spent = self.picture, self._clock.monotonic(), self._clock.spent()
        picture = replace(before, fault=None, listed=False)
        parts = (self._setting, self._volumes, self._nodes, self._targets, self._jobs, self._groups, self._attaches)
        for part in parts:
            try:
                picture = await part(picture)
            except LonghornError as error:
                picture = replace(picture, fault=error.fault)
                if part == self._setting:
                    picture = replace(picture, setting=Setting.UNREAD)
        took, cost = self._clock.monotonic() - start, self._clock.spent() - spent
        self.rested = self.period  # by what the poll before cost
        self.picture = replace(picture, took=took, cost=cost)
        self._told(before, self.picture)

    async def _setting(self, picture: Picture) -> Picture:
        return replace(picture, setting=await self._longhorn.setting())

    async def _volumes(self, picture: Picture) -> Picture:
        asked = self._clock.now()
        listed, broken = await self._longhorn.volumes()
        volumes = {volume.name: volume for volume in listed}
        fresh = set(volumes)
        faulty = {entry.name: entry.reason for entry in broken}
        volumes |= {name: picture.volumes[name] for name in faulty.keys() & picture.volumes.keys()}
        expected = self._expected if picture.at is None else picture.volumes.keys()
        there = await self._still_there(expected - volumes.keys() - faulty.keys(), picture.volumes)
        fresh |= {name for name, volume in there.items() if volume is not picture.volumes.get(name)}
        volumes |= there
        kept = frozenset(volumes.keys() - fresh)
        now, same = self._clock.now(), _kept(picture.volumes, volumes)
        shown = _kept(picture.broken, faulty)
        return replace(picture, volumes=same, unseen=kept, broken=shown, asked=asked, at=now, listed=True)

    async def _still_there(self, missing: Iterable[str], before: Mapping[str, Volume]) -> dict[str, Volume]:
        """Those of the volumes missing in a list that exist, or may exist, all the same.

        Raises LonghornError where one that was not seen `before` can neither be found nor be said to be gone.
        """
        names = sorted(missing)
        there = {name: before[name] for name in names[_BY_NAME:] if name in before}
        for name in (name for name in names if name not in there):
            try:
                found = await self._longhorn.volume(name)
            except LonghornError:
                if name not in before:
                    raise
                found = before[name]
            if found is not None:
                there[name] = found
        return there

    async def _nodes(self, picture: Picture) -> Picture:
        return replace(picture, nodes={node.name: node for node in await self._longhorn.nodes()})

    async def _targets(self, picture: Picture) -> Picture:
        return replace(picture, targets={target.name: target for target in await self._longhorn.targets()})

    async def _jobs(self, picture: Picture) -> Picture:
        return replace(picture, jobs=await self._longhorn.jobs())

    async def _attaches(self, picture: Picture) -> Picture:
        asked = self._clock.now()
        return replace(picture, attaches=(asked, await self._longhorn.attaches()) if self.wants_attaches else None)

    async def _groups(self, picture: Picture) -> Picture:
        """Ask for the groups of volumes not known yet, then again for the ones asked longest ago.

        Thousands that are not known take a few polls: each asks for as many as can be had in a short time, so that a
        slow Longhorn is asked for fewer. What was learned before an error stays.
        """
        if not self.wants_groups and not any(job.backs_up for job in picture.jobs or ()):
            return picture
        groups = {name: known for name, known in picture.groups.items() if name in picture.volumes}
        self._asked_groups = {name: None for name in self._asked_groups if name in groups}
        again = max(_BY_NAME, len(groups) // _TURNS)
        waiting = deque((*sorted(picture.volumes.keys() - groups.keys()), *islice(self._asked_groups, again)))
        end = self._clock.monotonic() + _ASKING
        fault = None
        while waiting and fault is None and self._clock.monotonic() < end:
            turn = [waiting.popleft() for _ in range(min(_AT_ONCE, len(waiting)))]
            try:
                groups |= await self._memberships(turn)
            except LonghornError as error:
                fault = error.fault
                continue
            for name in turn:
                self._asked_groups.pop(name, None)
                self._asked_groups[name] = None
        return replace(picture, groups=_kept(picture.groups, groups), fault=fault or picture.fault)

    async def _memberships(self, names: Iterable[str]) -> dict[str, Membership]:
        """What these volumes are in, asked for at once. Raises LonghornError."""
        try:
            async with asyncio.TaskGroup() as tasks:
                asked = {name: tasks.create_task(self._longhorn.groups(name)) for name in names}
        except ExceptionGroup as several:
            raise several.exceptions[0] from several
        return {name: task.result() for name, task in asked.items()}


def _kept(before: Mapping[str, T], after: dict[str, T]) -> Mapping[str, T]:
    """`before` itself where nothing is different: who has worked something out from it need not do so again."""
    return before if before == after else after
