"""Where runs come from: schedules kept in step with the volumes there are, firings, and what people ask for.

A firing is written down before its schedule moves on; a crash between the two repeats it, and the journal knows it
again by policy, volume and due time. Due schedules are taken in bounded batches, one transaction each.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from lhbackupd.clock import Clock
from lhbackupd.core.cluster import Volume
from lhbackupd.core.model import Now, Outcome, Phase, Policy, Run
from lhbackupd.core.moves import leave
from lhbackupd.core.selection import Selection, covering
from lhbackupd.engine.events import Missed, Rescheduled, Tell
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.journal import Journal
from lhbackupd.engine.scheduler import Key, Scheduler, queued_run
from lhbackupd.engine.slices import sliced

T = TypeVar("T")

#: due schedules written into the journal in one transaction
BATCH = 500
#: of them, so many are told of (log, metrics, exposure) before others have the loop again
_TOLD = 10
_INSTANT = timedelta(microseconds=1)


class Offload(Protocol):
    """Runs a blocking function where it does not block the loop."""

    async def __call__(self, function: Callable[..., T], /, *arguments: Any) -> T: ...


class Intake:
    """Makes runs of schedules. Raises JournalError and SQLAlchemy's errors while the database fails."""

    def __init__(
        self, *, journal: Journal, scheduler: Scheduler, clock: Clock, offload: Offload, compute: Offload, tell: Tell
    ) -> None:
        self._journal = journal
        self._scheduler = scheduler
        self._clock = clock
        self._offload = offload
        self._compute = compute
        self._tell = tell
        #: one at a time makes runs, so that none comes between the look for an unfinished one and the making
        self.gate = asyncio.Lock()
        #: volumes, those that make no sense, groups and policies that the schedules were last made of
        self._settled: tuple[object, ...] = (None, None, None, None)
        #: each volume as it was when policies were last matched with it, and those that are for it
        self._selected: dict[str, tuple[Volume, Selection]] = {}
        #: the groups and policies of that, and the schedules that were last asked for
        self._by: tuple[object, object] = (None, None)
        self._wanted: Mapping[Key, Policy] | None = None

    async def reschedule(self, picture: Picture, policies: Mapping[str, Policy]) -> None:
        """Make the schedules those of the volumes that were listed; without a list they stay as they are."""
        given = (picture.volumes, picture.broken, picture.groups, policies)
        # the keeper turns far more often than Longhorn is polled, and each value is made anew when it changes
        if picture.at is None or all(now is then for now, then in zip(given, self._settled, strict=True)):
            return
        wanted = await self._compute(self._match, picture, policies)
        if wanted is not self._wanted:
            self._wanted = None  # should the store fail half way, it is asked again
            changes = await self._offload(self._scheduler.sync, wanted)
            self._wanted = wanted
            if changes.added or changes.removed or changes.changed:
                self._tell(Rescheduled(changes))
        self._settled = given

    def _match(self, picture: Picture, policies: Mapping[str, Policy]) -> Mapping[Key, Policy]:
        """The schedules that there should be. In a thread: thousands of volumes would hold up the loop."""
        self._select(picture, policies)
        stored = self._scheduler.schedules
        # a volume whose entry makes no sense is there, and so stays its schedule: its runs wait until it can be read
        wanted = {key: policies[key[0]] for key in stored if key[1] in picture.broken and key[0] in policies}
        for name, (_, selected) in self._selected.items():
            for policy in selected.policies:
                wanted[policy.name, name] = policy
            # groups that have not been read yet say nothing: a schedule that is there stays
            wanted |= {(one.name, name): one for one in selected.undecided if (one.name, name) in stored}
        return self._wanted if wanted == self._wanted else wanted

    def _select(self, picture: Picture, policies: Mapping[str, Policy]) -> None:
        """Match policies with the volumes that are not as they were."""
        by, before = (picture.groups, policies), self._selected
        if any(now is not then for now, then in zip(by, self._by, strict=True)):
            before = {}
        found: dict[str, tuple[Volume, Selection]] = {}
        for name, volume in picture.volumes.items():
            known = before.get(name)
            if known is None or known[0] is not volume:
                known = volume, covering(policies.values(), volume, picture.groups.get(name))
            found[name] = known
        self._by, self._selected = by, found

    async def ask(
        self, key: Key, unfinished: Callable[[], Iterable[Run]], receive: Callable[[Run], None]
    ) -> tuple[Run, bool]:
        """A run that a person asks for, due now, unless the policy has one of the volume unfinished.

        Returns the run that serves, and whether it is new.
        """
        async with self.gate:
            for run in unfinished():
                if (run.policy, run.volume) == key:
                    return run, False
            due = now = self._clock.now()
            while True:
                run = replace(queued_run(key, due=due, now=now), manual=True)
                if await self._offload(self._journal.enqueue, [run]):
                    break
                due += _INSTANT  # a run that was due in this very moment has finished already
            receive(run)
            return run, True

    async def fire(self, unfinished: Callable[[], Iterable[Run]], receive: Callable[[Run], None]) -> None:
        """Write a run into the journal for every schedule that is due, and hand over those that are new.

        A run whose policy still has one of the volume unfinished comes finished, as skipped. Each is handed over before
        its schedule moves on: should that fail, the next firing is known to the journal and would not come again.
        """
        async with self.gate:
            busy: dict[Key, Run] | None = None
            while firings := await self._offload(self._scheduler.due, BATCH):
                if busy is None:  # not before: the keeper asks at every turn
                    busy = {(run.policy, run.volume): run for run in unfinished()}
                runs = [self._unless_busy(firing.run, busy) for firing in firings]
                fresh = await self._offload(self._journal.enqueue, runs)
                async for run, firing in sliced(zip(runs, firings, strict=True), _TOLD):
                    if run.id in fresh:
                        receive(run)
                        if firing.missed:
                            self._tell(Missed(run, firing.missed))
                await self._offload(self._scheduler.advance, firings)

    def _unless_busy(self, run: Run, busy: Mapping[Key, Run]) -> Run:
        other = busy.get((run.policy, run.volume))
        if other is None:
            return run
        doing = f"had not begun ({other.reason})" if other.phase is Phase.QUEUED and other.reason else "was still going"
        words = f"run {other.id} of the same policy {doing} when this one was due"
        return leave(replace(run, node=""), Now(wall=self._clock.now()), Outcome.SKIPPED, words)
