"""Notes of what is known, waiting to be written into the journal: only what has changed, in bounded batches.

What the journal does not take stays to be written. What is changed again meanwhile is written again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lhbackupd.clock import Clock
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.journal import Journal

#: notes that are written in one transaction
BATCH = 500
#: seconds by which the two clocks may differ in how long a restart took
_AGREE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a look was asked for, by both clocks; the monotonic one means something on one machine only."""

    wall: datetime
    #: None: long ago, by a clock that is no longer to be compared with
    monotonic: float | None

    def age(self, monotonic: float | None) -> float:
        """Seconds from then until `monotonic`."""
        return float("inf") if self.monotonic is None or monotonic is None else monotonic - self.monotonic

    def by(self, now: "Moment") -> datetime:
        """When it was, by the wall clock as it is set `now`; the earlier of two answers where it was set since."""
        gone = self.age(now.monotonic)
        return self.wall if gone == float("inf") else min(self.wall, now.wall - timedelta(seconds=max(0.0, gone)))


def believed(last: Moment, clock: Clock) -> Moment:
    """The last look before a restart; long ago, unless both clocks say that it was not.

    A clock that was set in between must not hide that nobody looked.
    """
    now, monotonic = clock.now(), clock.monotonic()
    gone, ticked = (now - last.wall).total_seconds(), last.age(monotonic)
    if gone >= 0 and abs(gone - ticked) <= _AGREE:
        return last
    return Moment(wall=min(last.wall, now), monotonic=None)


class Notes:
    """Notes of several kinds that have changed."""

    def __init__(self, *, journal: Journal, offload: Offload) -> None:
        self._journal = journal
        self._offload = offload
        self._dirty: dict[str, dict[str, object]] = {}

    def put(self, kind: str, name: str, value: object) -> None:
        """Write this down some time; None takes the note away."""
        self._dirty.setdefault(kind, {})[name] = value

    async def write(self) -> None:
        """Write down what has changed. Raises JournalError; what was not taken is written the next time."""
        for kind, changes in tuple(self._dirty.items()):
            while changes:
                batch = {name: changes[name] for name in tuple(changes)[:BATCH]}
                await self._offload(self._journal.note, kind, batch)
                for name, value in batch.items():
                    if changes.get(name) is value:  # not changed again meanwhile
                        del changes[name]
