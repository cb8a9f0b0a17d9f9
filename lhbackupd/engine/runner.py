"""The loop of one run: look, decide, write down, act, until it is finished.

A run that is new and a run found in the journal enter here alike. What is decided is written down before it is acted
on, with one exception: giving a volume back never waits for the journal. What the journal cannot take is not done.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from lhbackupd.clock import Clock
from lhbackupd.core.admission import Slot
from lhbackupd.core.cluster import Fault, FaultKind
from lhbackupd.core.commands import Attach, Command, Seen
from lhbackupd.core.machine import decide
from lhbackupd.core.model import Now, Phase, Policy, Run
from lhbackupd.core.pace import ATTENTIVE, LONGEST, PATIENT, UNANSWERED, Experience, begins, pause
from lhbackupd.core.placement import places
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.orders import Orders
from lhbackupd.engine.trails import Trails


class Hands(Protocol):
    """Longhorn, as far as a run needs it."""

    async def look(self, run: Run, *, unlisted: bool = False) -> Seen: ...
    async def act(self, run: Run, command: Command) -> Fault | None: ...


class Surroundings(Protocol):
    """What bears on a decision and is not in the volume."""

    @property
    def orders(self) -> Orders: ...
    @property
    def trails(self) -> Trails: ...
    @property
    def picture(self) -> Picture: ...
    def policy(self, name: str) -> Policy | None: ...


class Runner:
    """Drives runs. `write` saves a run's new state and says whether the journal took it."""

    def __init__(
        self,
        *,
        hands: Hands,
        surroundings: Surroundings,
        clock: Clock,
        write: Callable[[Run, Run], Awaitable[bool]],
        stopping: asyncio.Event,
    ) -> None:
        self._hands = hands
        self._surroundings = surroundings
        self._clock = clock
        self._write = write
        self._stopping = stopping
        self.experience = Experience()

    async def drive(self, run: Run, slot: Slot | None) -> Run:
        """Drive `run` until it is finished, must queue again, or, while stopping, Longhorn alone carries it on."""
        began = since = self._clock.monotonic()
        silent: float | None = None
        answer: Fault | None = None
        journal_down = False
        while True:
            seen = await self._look(run, slot, answer, journal_down=journal_down)
            seen = replace(seen, remaining=self.experience.remaining(run, self._clock.monotonic() - since))
            now = Now(wall=self._clock.now(), idle=self._clock.monotonic() - began)
            around = self._surroundings
            after, command = decide(run, seen, now, around.policy(run.policy), around.orders.origin)
            answer, journal_down = await self._carry_out(run, after, command)
            if journal_down:
                after = run
            if after.phase is not run.phase:
                self.experience.learn(run, self._clock.monotonic() - since)
            if begins(run, after):
                since = self._clock.monotonic()
            if after.mark != run.mark:
                began = self._clock.monotonic()
            # there may be something to do at once: in the next phase, or with a backup that is to go
            on = after.phase is not run.phase or (after.drop_backup and after.backup != run.backup)
            again, run = on and (command is None or after.drop_backup), after
            if run.finished or run.phase is Phase.QUEUED or self._handed_over(run, seen):
                return run
            answered = seen.fault is None or seen.fault.kind is not FaultKind.UNREACHABLE
            silent = None if answered else silent or self._clock.monotonic()
            if not again:  # nothing to see yet, or what was asked for takes its time
                await self._rest(self._pause(run, since=since, silent=silent))

    async def _look(self, run: Run, slot: Slot | None, answer: Fault | None, *, journal_down: bool) -> Seen:
        at = self._clock.now()
        around = self._surroundings
        seen = around.trails.beside(around.orders.heeded(await self._hands.look(run), run), run)
        target = seen.volume.backup_target if seen.volume else run.target
        return replace(
            seen,
            at=at,
            answer=answer,
            slot=slot,
            places=places(seen.volume, around.picture.nodes)
            if slot and run.phase is Phase.QUEUED and seen.volume
            else None,
            setting=around.picture.setting,
            target=around.picture.targets.get(target),
            stopping=self._stopping.is_set(),
            journal_down=journal_down,
        )

    async def _carry_out(self, run: Run, after: Run, command: Command | None) -> tuple[Fault | None, bool]:
        """Write down and act in the right order; the command's fault, and whether the journal refused the move."""
        gives_back = after.phase in {Phase.DETACHING, Phase.FINISHED}
        if gives_back and command is not None:
            fault = await self._hands.act(after, command)
            if after != run:
                await self._write(run, after)
            return fault, False
        written = after == run or after.finished or await self._write(run, after)
        # a backup that goes on is watched all the same, but a ticket that nobody would know again is not asked for
        if not written and not gives_back and (not after.backup or isinstance(command, Attach)):
            return None, True
        return (await self._hands.act(after, command) if command else None), False

    def _handed_over(self, run: Run, seen: Seen) -> bool:
        """Whether, while stopping, nothing of ours holds the volume any more and Longhorn's own ticket does."""
        ours = seen.volume is None or (run.ticket and seen.volume.ticket(run.ticket) is not None)
        return seen.stopping and run.phase is Phase.BACKING_UP and bool(run.backup) and not ours

    def _pause(self, run: Run, *, since: float, silent: float | None) -> float:
        """Seconds until the next look; `since` is when the phase began, `silent` when Longhorn fell silent."""
        now = self._clock.monotonic()
        if silent is not None:
            return pause(now - silent, None, longest=UNANSWERED)
        return pause(now - since, self.experience.expected(run), longest=self._longest(run))

    def _longest(self, run: Run) -> float:
        """How long we may look away: little where a workload must not wait, long where nothing but waiting is left."""
        if run.stuck:
            return PATIENT
        policy = self._surroundings.policy(run.policy)
        return ATTENTIVE if policy is not None and policy.give_way_after == 0 else LONGEST

    async def _rest(self, seconds: float) -> None:
        if self._stopping.is_set():
            await self._clock.sleep(min(seconds, 0.5))
        else:
            await self._clock.wait(self._stopping, seconds)
