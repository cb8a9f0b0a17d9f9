"""The keeper of runs: lets them in, and sees each to its end.

One loop turns whenever something happened: it takes in what is due, hands out slots, and starts runs. Runs that the
journal still holds from before a crash enter the same loop. When a run has finished, its successor, if it has one, is
queued in the same transaction; tidying up comes after that and can fail nothing.
"""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from lhbackupd.clock import Clock
from lhbackupd.core.admission import Slot
from lhbackupd.core.model import Origin, Phase, Policy, Run
from lhbackupd.core.order import Claim
from lhbackupd.core.selection import wants_groups
from lhbackupd.engine.books import FAILURES, Books
from lhbackupd.engine.coverage import Coverage
from lhbackupd.engine.detachments import Detachments
from lhbackupd.engine.events import Defect, Moved, Tell, to_all
from lhbackupd.engine.housekeeper import Caretaker, Housekeeper
from lhbackupd.engine.intake import Intake, Offload
from lhbackupd.engine.inventory import Inventory, Picture
from lhbackupd.engine.journal import Journal
from lhbackupd.engine.lobby import Lobby
from lhbackupd.engine.orders import Orders
from lhbackupd.engine.rules import Rules
from lhbackupd.engine.runner import Runner
from lhbackupd.engine.scheduler import Key, Scheduler
from lhbackupd.engine.slices import sliced
from lhbackupd.engine.timekeeper import Timekeeper
from lhbackupd.engine.trails import Trails
from lhbackupd.engine.watch import Watch

#: longest time between two turns of the loop, in seconds: readiness and watchdog live on it
TURN = 10.0
#: seconds before a journal that failed is tried again
AGAIN = 2.0


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
        compute: Offload,
        tell: Tell,
    ) -> None:
        self.rules = rules
        self._clock = clock
        self._inventory = inventory
        self.books = Books(journal=journal, scheduler=scheduler, clock=clock, offload=offload, tell=tell)
        self.watch = Watch(
            books=self.books,
            journal=journal,
            scheduler=scheduler,
            clock=clock,
            offload=offload,
            tell=tell,
            policy=self.policy,
            period=lambda: max(inventory.period, inventory.rested),
        )
        self.trails = Trails(books=self.books, watch=self.watch, journal=journal, clock=clock, offload=offload)
        tell = to_all((tell, self.watch.heard, self.trails.heard))
        self._tell = tell
        self.orders = Orders(origin=origin, journal=journal, clock=clock, offload=offload, tell=tell)
        self.housekeeper = Housekeeper(gateway=gateway, orders=self.orders, clock=clock, tell=tell)
        self._intake = Intake(
            journal=journal, scheduler=scheduler, clock=clock, offload=offload, compute=compute, tell=tell
        )
        self.detachments = Detachments(journal=journal, scheduler=scheduler, clock=clock, offload=offload)
        self._timekeeper = Timekeeper(journal=journal, scheduler=scheduler, clock=clock, offload=offload, tell=tell)
        self.coverage = Coverage(compute=compute, tell=tell)
        #: no run is let in any more
        self.stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._runner = Runner(hands=gateway, surroundings=self, clock=clock, write=self._write, stopping=self.stopping)
        self._tasks = asyncio.TaskGroup()
        self.lobby = Lobby(
            gateway=gateway,
            house=self,
            inventory=inventory,
            orders=self.orders,
            clock=clock,
            compute=compute,
            tell=tell,
        )
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

    @property
    def waiting(self) -> dict[str, Run]:
        """Runs that wait, by id, each with what it waits for."""
        return self.lobby.runs

    def policy(self, name: str) -> Policy | None:
        """The policy in force under this name."""
        return self.rules.policies.get(name)

    def claims(self, runs: Collection[Run]) -> dict[str, Claim]:
        """What runs ask of the order, by their ids."""
        keys = {run.id: (run.policy, run.volume) for run in runs}
        exposed = self.watch.exposed(keys.values())
        return {run.id: self.books.claim(run, self.policy(run.policy), exposed.get(keys[run.id])) for run in runs}

    @property
    def picture(self) -> Picture:
        """Longhorn as last polled."""
        return self._inventory.picture

    def polled(self, before: Picture, after: Picture) -> None:
        """Longhorn has been polled."""
        self.watch.polled(before, after)
        self.trails.polled(after)
        self.wake()

    def wake(self) -> None:
        """Something happened that may bear on any run: turn the loop."""
        self.lobby.stale = True
        self._woken.set()

    def stop(self) -> None:
        """Let no more runs in, and give every volume back."""
        self.stopping.set()
        self._woken.set()
        self.watch.wake()

    def leave(self) -> None:
        """The same for good, though the daemon goes on to answer: only another start lets runs in again."""
        self.left = True
        self.stop()

    @property
    def tickets(self) -> frozenset[str]:
        """The ids of the tickets that live runs hold, or are about to ask for."""
        return frozenset(ticket for run in self.active.values() for ticket in (run.ticket, run.former) if ticket)

    def unfinished(self) -> tuple[Run, ...]:
        """All runs that have not finished; may be called from threads, and misses none that begins meanwhile."""
        return (*dict(self.waiting).values(), *dict(self.active).values())

    async def ask(self, key: Key, by: str) -> tuple[Run, bool]:
        """A run outside the schedule, or the unfinished one, and whether it is new. Raises JournalError."""
        run, new = await self._intake.ask(key, self.unfinished, self._receive)
        self.orders.asked(run, by, new=new)
        self.wake()
        return run, new

    async def run(self) -> None:
        """Turn until `stop` was called and no ticket of ours holds a volume any more. Raises JournalError at start."""
        self.lobby.runs = {run.id: run for run in await self.books.open()}
        await self.orders.open(self.waiting.keys())
        await self.trails.open()
        async for run in sliced(self.waiting.values()):
            for listener in (self.watch, self.trails):
                listener.heard(Moved(None, run))
        async with self._tasks:
            self._tasks.create_task(self.watch.run(self.stopping), name="watch")
            for run in [run for run in self.waiting.values() if run.phase is not Phase.QUEUED]:
                self._start(run, None)
            self.begun.set()
            well = True
            while not self.stopping.is_set():
                self._woken.clear()
                self.turned = self._clock.monotonic() if well else self.turned
                try:
                    await self._turn()
                    well = True
                except Exception as error:  # noqa: BLE001 -- no run must be let go of; `turned` shows if that lasts
                    well, self.lobby.stale = False, True
                    self._tell(Defect(None, error))
                    await self._clock.wait(self.stopping, AGAIN)
                    continue
                if not await self._clock.wait(self._woken, await self._until_next()):
                    self.lobby.stale = True
        self.ended.set()
        await self.watch.close()

    async def _turn(self) -> None:
        self.orders.heed()
        await self.trails.follow()
        await self.coverage.look(self._inventory.picture, self.rules.policies, self.rules.excludes)
        try:
            await self.books.probe()
            new, ahead = await self._timekeeper.heed(sure=self.housekeeper.sure)
            if new:
                self.lobby.bring_back(self.rules.retry.longest)
            if ahead:
                await self.books.bring_back(self._clock.now())
                await self.watch.memory.bring_back(self._clock.now())
            picture = self._inventory.picture
            self._inventory.wants_groups = wants_groups(self.rules.policies.values(), self.rules.excludes)
            self._inventory.wants_attaches = any(policy.no_touch for policy in self.rules.policies.values())
            await self.trails.write()
            await self._intake.reschedule(picture, self.rules.policies)
            await self.detachments.watch(picture, self.rules.policies)
            await self._intake.fire(self.unfinished, self._receive)
            async with self._intake.gate:
                await self.detachments.fire(self.unfinished, self._receive)
        except FAILURES as error:
            self.books.note(error)
            return  # no new runs while nothing can be written down
        self.books.note(None)
        await self.housekeeper.sweep(picture, self.tickets)
        if not self.housekeeper.blocked:
            async for run, slot in self.lobby.let_in():
                self._start(run, slot)

    def _receive(self, run: Run) -> None:
        """Take in a run that is due."""
        self._tell(Moved(None, run))
        if not run.finished:
            self.lobby.add([run])

    async def _until_next(self) -> float:
        """Seconds until the loop has something to do, as far as is known."""
        due = None if self.books.trouble else await self.books.next_wakeup()
        if self.books.trouble:
            return AGAIN
        now = self._clock.now()
        later = (at for at in (*self.detachments.due.values(), self.lobby.next) if at and at > now)
        return max(0.0, min([TURN, *((at - now).total_seconds() for at in (due, *later) if at)]))

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
            self.lobby.take_back(after)
            self._woken.set()

    async def _driven(self, run: Run, slot: Slot | None) -> Run:
        while True:
            try:
                return await self._runner.drive(run, slot)
            except Exception as error:  # noqa: BLE001 -- a defect met by one run must not let go of all others
                self._tell(Defect(run, error))
                run = self.active[run.id]
                await self._clock.sleep(AGAIN)

    def end(self, run: Run, after: Run) -> None:
        """Finish a waiting run that never held a volume."""
        del self.waiting[run.id]
        self.active[run.id] = after
        self._tasks.create_task(self._finish(run, after), name=f"run {run.id}")

    async def _finish(self, before: Run, run: Run) -> None:
        """Write down how a run ended, however long the journal takes, and then let others have its slot."""
        while (follows := await self.books.close(run, self.rules.retry)) is None:
            if self.stopping.is_set():
                return  # the journal still holds the run as it was, and the next start ends it
            await self._clock.wait(self.stopping, AGAIN)
        self.active.pop(run.id, None)
        self._tell(Moved(before, run))
        self.lobby.add(follows)
        for successor_run in follows:
            self._tell(Moved(None, successor_run))
        self._woken.set()
        await self.orders.over(run.id)
        await self.housekeeper.tidy(run, self.policy(run.policy))

    async def _write(self, before: Run, after: Run) -> bool:
        """Save a run's new state; whether the journal took it."""
        if not await self.books.save(after):
            return False
        self.active[after.id] = after
        self._tell(Moved(before, after))
        return True

    async def forget(self, before: datetime) -> None:
        """Drop runs finished before `before`, and what is known of volumes gone since; none where our clock errs."""
        if self.housekeeper.sure:
            for volume in await self.books.forget(before):
                self._runner.experience.forget(volume)
                self.trails.forget(volume)
