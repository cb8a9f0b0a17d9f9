"""The keeper of runs: lets them in, and sees each to its end.

One loop turns whenever something happened: it takes in what is due, hands out slots, and starts runs. Runs that the
journal still holds from before a crash enter the same loop. When a run has finished, its successor, if it has one, is
queued in the same transaction; tidying up comes after that and can fail nothing.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lhbackupd.clock import Clock
from lhbackupd.core.admission import Slot, admit
from lhbackupd.core.cluster import Fault, FaultKind, Setting, Target
from lhbackupd.core.commands import Seen
from lhbackupd.core.machine import decide
from lhbackupd.core.model import Exclude, Limits, Now, Origin, Phase, Policy, Retry, Run
from lhbackupd.core.moves import opens
from lhbackupd.core.order import Claim
from lhbackupd.core.selection import wants_groups
from lhbackupd.engine.books import FAILURES, Books
from lhbackupd.engine.coverage import Coverage
from lhbackupd.engine.detachments import Detachments
from lhbackupd.engine.events import Defect, Moved, Tell
from lhbackupd.engine.housekeeper import Caretaker, Housekeeper
from lhbackupd.engine.intake import Intake, Offload
from lhbackupd.engine.inventory import Inventory
from lhbackupd.engine.journal import Journal
from lhbackupd.engine.runner import Runner
from lhbackupd.engine.scheduler import Scheduler
from lhbackupd.engine.timekeeper import Timekeeper

#: longest time between two turns of the loop, in seconds: readiness and watchdog live on it
TURN = 10.0
#: seconds before a journal that failed is tried again, and before a run that had to queue again is let in again
AGAIN = 2.0

_NOT_LISTED = Fault(FaultKind.UNREACHABLE, "Longhorn has not listed the volume")
_PROBE = Slot(node="", target="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may change with a reload of the configuration."""

    policies: Mapping[str, Policy]
    limits: Limits
    retry: Retry
    excludes: tuple[Exclude, ...] = ()


class Keeper:
    """All runs that are not finished, and the last word on every volume."""

    def __init__(
        self,
        *,
        rules: Rules,
        origin: Origin,
        clock: Clock,
        journal: Journal,
        scheduler: Scheduler,
        inventory: Inventory,
        gateway: Caretaker,
        offload: Offload,
        tell: Tell,
    ) -> None:
        self.rules = rules
        self._origin = origin
        self._clock = clock
        self._inventory = inventory
        self._gateway = gateway
        self._tell = tell
        self.books = Books(journal=journal, scheduler=scheduler, clock=clock, offload=offload, tell=tell)
        self.housekeeper = Housekeeper(gateway=gateway, origin=origin, clock=clock, tell=tell)
        self._intake = Intake(journal=journal, scheduler=scheduler, clock=clock, offload=offload, tell=tell)
        self.detachments = Detachments(journal=journal, scheduler=scheduler, clock=clock, offload=offload)
        self._timekeeper = Timekeeper(journal=journal, scheduler=scheduler, clock=clock, offload=offload, tell=tell)
        self.coverage = Coverage(offload=offload, tell=tell)
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._runner = Runner(
            hands=gateway, surroundings=self, clock=clock, origin=origin, write=self._write, stopping=self._stopping
        )
        self._tasks = asyncio.TaskGroup()
        #: runs that wait, by id, each with what it waits for
        self.waiting: dict[str, Run] = {}
        #: runs that hold a slot, by id
        self.active: dict[str, Run] = {}
        #: when the loop last turned, on the monotonic clock
        self.turned = clock.monotonic()
        #: set once the runs that the journal held are known, so that their tickets are not taken for nobody's
        self.begun = asyncio.Event()
        #: whether `leave` was called
        self.left = False
        #: set once `run` has ended: no run is driven any more, and no ticket of ours holds a volume
        self.ended = asyncio.Event()

    def policy(self, name: str) -> Policy | None:
        """The policy in force under this name."""
        return self.rules.policies.get(name)

    def claims(self, runs: Iterable[Run]) -> dict[str, Claim]:
        """What runs ask of the order, by their ids."""
        exposed = self.books.exposed()
        return {run.id: self.books.claim(run, self.policy(run.policy), exposed.get(run.volume)) for run in runs}

    def setting(self) -> Setting:
        """Longhorn's setting as last polled."""
        return self._inventory.picture.setting

    def target(self, name: str) -> Target | None:
        """A backup target as last polled."""
        return self._inventory.picture.targets.get(name)

    def wake(self) -> None:
        """Something happened: turn the loop."""
        self._woken.set()

    def stop(self) -> None:
        """Let no more runs in, and give every volume back."""
        self._stopping.set()
        self._woken.set()

    def leave(self) -> None:
        """The same for good, though the daemon goes on to answer: only another start lets runs in again."""
        self.left = True
        self.stop()

    @property
    def tickets(self) -> frozenset[str]:
        """The ids of the tickets that live runs hold, or are about to ask for."""
        return frozenset(ticket for run in self.active.values() for ticket in (run.ticket, run.former) if ticket)

    async def run(self) -> None:
        """Turn until `stop` was called and no ticket of ours holds a volume any more. Raises JournalError at start."""
        self.waiting = {run.id: run for run in await self.books.open()}
        async with self._tasks:
            for run in [run for run in self.waiting.values() if run.phase is not Phase.QUEUED]:
                self._start(run, None)
            self.begun.set()
            while not self._stopping.is_set():
                self._woken.clear()
                self.turned = self._clock.monotonic()
                await self._turn()
                await self._clock.wait(self._woken, await self._until_next())
        self.ended.set()

    async def _turn(self) -> None:
        await self.coverage.look(self._inventory.picture, self.rules.policies, self.rules.excludes)
        try:
            await self.books.probe()
            if await self._timekeeper.heed():
                self._bring_back()
            picture = self._inventory.picture
            self._inventory.wants_groups = wants_groups(self.rules.policies.values(), self.rules.excludes)
            await self._intake.reschedule(picture, self.rules.policies)
            await self.detachments.watch(picture, self.rules.policies)
            await self._intake.fire(self._unfinished, self._receive)
            await self.detachments.fire(self._unfinished, self._receive)
        except FAILURES as error:
            self.books.note(error)
            return  # no new runs while nothing can be written down
        self.books.note(None)
        await self.housekeeper.sweep(picture, self.tickets)
        if not self.housekeeper.blocked:
            await self._let_in()

    @property
    def _unfinished(self) -> tuple[Run, ...]:
        return (*self.waiting.values(), *self.active.values())

    def _receive(self, run: Run) -> None:
        """Take in a run that is due."""
        self._tell(Moved(None, run))
        if not run.finished:
            self.waiting[run.id] = run

    def _bring_back(self) -> None:
        """Put right the times that a wall clock that was ahead has left in memory."""
        now = self._clock.now()
        latest = now + self.rules.retry.longest
        for run in self.waiting.values():
            if run.not_before is not None and run.not_before > latest:
                self.waiting[run.id] = replace(run, not_before=latest)
        self.books.bring_back(now)

    async def _until_next(self) -> float:
        """Seconds until the loop has something to do, as far as is known."""
        due = None if self.books.trouble else await self.books.next_wakeup()
        if self.books.trouble:
            return AGAIN
        now = self._clock.now()
        moments = [run.not_before for run in self.waiting.values() if run.not_before and run.not_before > now]
        waiting = filter(None, map(self.policy, {run.policy for run in self.waiting.values()}))
        moments += filter(None, (opens(policy, now) for policy in waiting))
        moments += (at for at in self.detachments.due.values() if at > now)
        seconds = ((moment - now).total_seconds() for moment in (*moments, *([due] if due else [])))
        return max(0.0, min(TURN, *seconds, TURN))

    async def _let_in(self) -> None:
        """End the waiting runs that need not wait, and start those that get a slot."""
        now = Now(wall=self._clock.now())
        ready: list[Run] = []
        for run in list(self.waiting.values()):
            if run.not_before is not None and run.not_before > now.wall:
                continue
            try:
                after, _ = decide(run, await self._glance(run), now, self.policy(run.policy), self._origin)
            except Exception as error:  # noqa: BLE001 -- nor must it keep others from being let in
                self._tell(Defect(run, error))
                self.waiting[run.id] = replace(run, not_before=now.wall + timedelta(seconds=TURN))
                continue
            if after.finished:
                self._end(run, after)
            elif after.phase is Phase.QUEUED:
                self.waiting[run.id] = after
            else:
                ready.append(run)
        if not ready:
            return
        picture = self._inventory.picture
        admission = admit(
            ready,
            self.active.values(),
            volumes=picture.volumes,
            nodes=picture.nodes,
            limits=self.rules.limits,
            claims=self.claims((*ready, *self.active.values())),
            now=now.wall,
        )
        for run in ready:
            if slot := admission.slots.get(run.id):
                self._start(run, slot)
            else:
                self.waiting[run.id] = replace(run, reason=admission.waits[run.id])

    async def _glance(self, run: Run) -> Seen:
        """What the last poll showed for a waiting run, as though it had a slot."""
        picture = self._inventory.picture
        volume = picture.volumes.get(run.volume)
        if volume is None and picture.at is not None and picture.fault is None:
            return await self._gateway.look(run)
        fault = None if volume is not None else picture.fault or _NOT_LISTED
        target = self.target(volume.backup_target) if volume else None
        return Seen(volume=volume, fault=fault, setting=self.setting(), target=target, slot=_PROBE)

    def _start(self, run: Run, slot: Slot | None) -> None:
        self.waiting.pop(run.id, None)
        self.active[run.id] = replace(run, node=slot.node, target=slot.target) if slot else run
        self._tasks.create_task(self._drive(run, slot), name=f"run {run.id}")

    async def _drive(self, run: Run, slot: Slot | None) -> None:
        after = await self._driven(run, slot)
        if after.finished:
            await self._finish(run, after)
        elif after.phase is Phase.QUEUED:
            del self.active[run.id]
            self.waiting[run.id] = replace(after, not_before=self._clock.now() + timedelta(seconds=AGAIN))
        self._woken.set()

    async def _driven(self, run: Run, slot: Slot | None) -> Run:
        while True:
            try:
                return await self._runner.drive(run, slot)
            except Exception as error:  # noqa: BLE001 -- a defect met by one run must not let go of all others
                self._tell(Defect(run, error))
                run = self.active[run.id]
                await self._clock.sleep(AGAIN)

    def _end(self, run: Run, after: Run) -> None:
        """Finish a run that never held a volume."""
        del self.waiting[run.id]
        self.active[run.id] = after
        self._tasks.create_task(self._finish(run, after), name=f"run {run.id}")

    async def _finish(self, before: Run, run: Run) -> None:
        """Write down how a run ended, however long the journal takes, and then let others have its slot."""
        while (follows := await self.books.close(run, self.rules.retry)) is None:
            if self._stopping.is_set():
                return  # the journal still holds the run as it was, and the next start ends it
            await self._clock.wait(self._stopping, AGAIN)
        self.active.pop(run.id, None)
        self._tell(Moved(before, run))
        for successor_run in follows:
            self.waiting[successor_run.id] = successor_run
            self._tell(Moved(None, successor_run))
        self._woken.set()
        await self.housekeeper.tidy(run, self.policy(run.policy))

    async def _write(self, before: Run, after: Run) -> bool:
        """Save a run's new state; whether the journal took it."""
        if not await self.books.save(after):
            return False
        self.active[after.id] = after
        self._tell(Moved(before, after))
        return True

    async def forget(self, before: datetime) -> None:
        """Drop runs from the journal that finished before `before`.

        None are dropped while our clock and Longhorn's disagree: one that is a year ahead would take all of them.
        """
        if not self.housekeeper.doubt():
            await self.books.forget(before)
