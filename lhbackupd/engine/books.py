"""The keeper's books: runs and the last word on every volume, written down, and whether writing works.

All that the keeper has to do with the journal goes through here, so that there is one place that knows of its trouble.
"""

from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from lhbackupd.clock import Clock
from lhbackupd.core import protection
from lhbackupd.core.audit import Loss
from lhbackupd.core.durations import Durations
from lhbackupd.core.model import Now, Policy, Run
from lhbackupd.core.order import Claim, claim
from lhbackupd.core.protection import Protection
from lhbackupd.core.retry import Retry, successor
from lhbackupd.engine.events import JournalTrouble, Tell
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.journal import Journal, JournalError
from lhbackupd.engine.scheduler import Key, Scheduler
from lhbackupd.engine.slices import sliced

#: what comes out of a database that fails: of the journal, and of APScheduler's job store beside it
FAILURES = (JournalError, SQLAlchemyError)
#: finished runs that are read at start, to know how long runs take
_HISTORY = 10_000


class Books:
    """What is known and written down. But for `open` and `probe` nothing here raises for what the journal does."""

    def __init__(self, *, journal: Journal, scheduler: Scheduler, clock: Clock, offload: Offload, tell: Tell) -> None:
        self._journal = journal
        self.scheduler = scheduler
        self._clock = clock
        self._offload = offload
        self._tell = tell
        #: the last word on every schedule's volume
        self.protections: dict[Key, Protection] = {}
        #: how long runs took lately
        self.durations = Durations()
        #: why the journal failed last; "" while it works
        self.trouble = ""

    async def open(self) -> tuple[Run, ...]:
        """Read the last words, and return the runs that have not finished. Raises JournalError."""
        for word in await self._offload(self._journal.protections):
            self.protections[word.policy, word.volume] = word
        self.durations = await self._offload(self._learned)
        return await self._offload(self._journal.unfinished)

    def _learned(self) -> Durations:
        """In the worker: to go through thousands of runs on the loop would hold it up."""
        return Durations.of(self._journal.ended(_HISTORY))

    async def probe(self) -> None:
        """After a failure, learn whether the journal can be written again. Raises JournalError."""
        if self.trouble:
            await self._offload(self._journal.probe)

    async def save(self, run: Run) -> bool:
        """Write down a run's new state; whether the journal took it."""
        try:
            await self._offload(self._journal.save, run)
        except JournalError as error:
            self.note(error)
            return False
        return True

    async def lose(self, word: Protection, loss: Loss) -> bool:
        """Write down that the backup which `word` rests on is gone; whether that word still held."""
        key = (loss.policy, loss.volume)
        if self.protections.get(key) is not word:
            return False
        self.protections[key] = after = protection.without(word, loss)
        try:
            await self._offload(self._journal.say, after)
        except JournalError as error:
            self.note(error)  # a start from this journal finds it lost again
        return True

    async def find(self, run: str) -> Run | None:
        """The run of this id, finished or not. Raises JournalError."""
        return await self._offload(self._journal.find, run)

    async def close(self, run: Run, retry: Retry) -> tuple[Run, ...] | None:
        """Write down how a run ended, what is known now, and its successor, in one transaction.

        Returns the successor, if it has one; None while the journal does not take it.
        """
        key = (run.policy, run.volume)
        word = protection.after(self.protections.get(key), run)
        try:
            due = await self._offload(self.scheduler.next_due, key)
            follows = successor(run, Now(wall=self._clock.now()), retry, due)
            await self._offload(self._journal.finish, run, word, follows)
        except FAILURES as error:
            self.note(error)
            return None
        self.protections[key] = word
        self.durations.learn(run)
        return (follows,) if follows else ()

    def claim(self, run: Run, policy: Policy | None, exposed: datetime | None) -> Claim:
        """What `run` asks of the order; of one that goes on, the seconds that are left."""
        return claim(run, policy, seconds=self.durations.left(run, self._clock.now()), exposed=exposed)

    def protected_until(self, volume: str | None = None) -> dict[Key, datetime]:
        """Up to when data is in a backup, by policy and volume, of one or all; what came later may be in none."""
        words = (item for item in dict(self.protections).items() if volume is None or item[0][1] == volume)
        return {key: word.protected_until for key, word in words if word.protected_until is not None}

    async def next_wakeup(self) -> datetime | None:
        """When a schedule is due next; None where there is none, or while the job store cannot be read."""
        try:
            return await self._offload(self.scheduler.next_wakeup)
        except SQLAlchemyError as error:
            self.note(error)
            return None

    async def forget(self, before: datetime) -> list[str]:
        """Drop runs that finished before `before`, and what is known of volumes without a schedule and a run since.

        Returns those volumes, each once per policy; if the journal fails, the next time will do.
        """
        words, schedules = self.protections.items(), self.scheduler.schedules
        gone = [key for key, word in words if key not in schedules and (word.last_at is None or word.last_at < before)]
        try:
            await self._offload(self._journal.prune, before)
            await self._offload(self._journal.forget, gone)
        except JournalError as error:
            self.note(error)
            return []
        for key in gone:
            self.protections.pop(key, None)
            self.durations.known.pop(key, None)
        return [volume for _, volume in gone]

    async def bring_back(self, now: datetime) -> None:
        """Put right the times that a wall clock that was ahead has left in memory."""
        async for key, word in sliced(self.protections.items()):
            if self.protections.get(key) is word:  # a run that has ended meanwhile has said something newer
                self.protections[key] = protection.not_after(word, now)

    def note(self, error: Exception | None) -> None:
        """Say once that the journal fails, and once that it works again (None)."""
        text = str(error).splitlines()[0] if error else ""
        if text != self.trouble:
            self.trouble = text
            self._tell(JournalTrouble(text))
