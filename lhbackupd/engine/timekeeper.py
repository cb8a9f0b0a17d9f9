"""What a wall clock that is set leaves behind, and how it is put right.

Due times, the ends of pauses and the history are written in wall time. A clock that was ahead and is set back leaves
schedules that sleep for an hour or a year, and runs on record for due times that are yet to come, which would then be
taken for done. The wall clock is compared with the monotonic one, which nobody sets: after a step of more than a
minute, and at start, when there is nothing to compare with, schedules are worked out anew, and such runs dropped once
our clock agrees with Longhorn's: one that is behind, as at a boot before it is set, would take the whole history.
"""

from lhbackupd.clock import Clock
from lhbackupd.engine.events import ClockStepped, Tell
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.journal import Journal
from lhbackupd.engine.scheduler import Scheduler

#: seconds by which the two clocks may part between two looks
STEP = 60.0


class Timekeeper:
    """Notices that the wall clock was set. Raises JournalError and SQLAlchemy's errors while the database fails."""

    def __init__(self, *, journal: Journal, scheduler: Scheduler, clock: Clock, offload: Offload, tell: Tell) -> None:
        self._journal = journal
        self._scheduler = scheduler
        self._clock = clock
        self._offload = offload
        self._tell = tell
        #: what the wall clock said when the monotonic one was at zero; None before the first look
        self._zero: float | None = None
        #: there may be times on record that are yet to come
        self._owing = True

    async def heed(self, *, sure: bool) -> tuple[bool, bool]:
        """Put right what is on record; whether the clock was set, or nothing was known about it yet, and what follows.

        That is, once and when it is `sure` that our clock is right, that what is known of later times is to be
        forgotten, too. What fails is tried again with the next call.
        """
        before = self._clock.monotonic()
        zero = self._clock.now().timestamp() - before
        # a process that was held up between the two looks, or lives in sped-up time, has not had its clock set
        doubt = self._clock.monotonic() - before
        step = 0.0 if self._zero is None else zero - self._zero
        stepped = abs(step) > STEP + doubt
        new = self._zero is None or stepped
        if new:
            await self._offload(self._scheduler.recompute)
            self._owing = True
        forget = self._owing and sure
        if forget:
            await self._offload(self._journal.forget_after, self._clock.now())
            self._owing = False
        self._zero = zero
        if stepped:
            self._tell(ClockStepped(step))
        return new, forget
