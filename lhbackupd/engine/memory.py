"""What the watch knows of every volume, and has written down: exposures, last looks, and when the last look was.

Only what has changed is written, into the journal's notes and in bounded batches; what the journal does not take stays
to be written. The time of the last look is kept by both clocks, and after a restart it is believed only where they
agree on how long ago that is: a clock that was set in between must not hide that nobody looked.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lhbackupd.clock import Clock
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.signs import Look
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.journal import Journal
from lhbackupd.engine.scheduler import Key

#: notes that are written in one transaction
BATCH = 500
#: seconds after which the time of the last look is written down again
NOTE_EVERY = 30.0
#: seconds by which the two clocks may differ in how long a restart took
_AGREE = 5.0

_EXPOSURE, _LOOK, _WATCH, _LAST = "exposure", "look", "watch", "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a look was asked for, by both clocks; the monotonic one means something on one machine only."""

    wall: datetime
    monotonic: float

    def by(self, now: "Moment") -> datetime:
        """When it was, by the wall clock as it is set `now`; the earlier of two answers where it was set since."""
        gone = now.monotonic - self.monotonic
        return self.wall if gone == float("inf") else min(self.wall, now.wall - timedelta(seconds=max(0.0, gone)))


class Memory:
    """Exposures by policy and volume, looks by volume. Changed through its methods alone."""

    def __init__(self, *, journal: Journal, clock: Clock, offload: Offload) -> None:
        self._journal = journal
        self._clock = clock
        self._offload = offload
        self.exposures: dict[Key, Exposure] = {}
        self.looks: dict[str, Look] = {}
        #: the last look at all volumes
        self.last: Moment | None = None
        self._dirty: dict[str, dict[str, object]] = {_EXPOSURE: {}, _LOOK: {}}
        self._noted = clock.monotonic() - NOTE_EVERY

    async def open(self) -> None:
        """Read what was known before a restart. Raises JournalError."""
        notes = self._journal.notes
        exposures = await self._offload(notes, _EXPOSURE, Exposure)
        self.looks = await self._offload(notes, _LOOK, Look)
        last = (await self._offload(notes, _WATCH, Moment)).get(_LAST)
        self.exposures = {(known.policy, known.volume): known for known in exposures.values()}
        self.last = self._believed(last) if last else None

    def _believed(self, last: Moment) -> Moment:
        """The last look before the restart; long ago, unless both clocks say that it was not."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        gone, ticked = (now - last.wall).total_seconds(), monotonic - last.monotonic
        if gone >= 0 and abs(gone - ticked) <= _AGREE:
            return last
        return Moment(wall=min(last.wall, now), monotonic=float("-inf"))

    def put(self, key: Key, known: Exposure) -> None:
        """What is known of a volume under a policy from now on."""
        if self.exposures.get(key) != known:
            self.exposures[key] = known
            self._dirty[_EXPOSURE]["/".join(key)] = known

    def remember(self, volume: str, seen: Look) -> None:
        """What the last look at a volume showed."""
        former = self.looks.get(volume)
        self.looks[volume] = seen
        # the size of a volume that is written to is compared with nothing, and changes all the time
        if former is None or seen.use is None or seen.use != former.use:
            self._dirty[_LOOK][volume] = seen

    def drop(self, key: Key) -> None:
        """Forget a volume under a policy that is no longer for it."""
        del self.exposures[key]
        self._dirty[_EXPOSURE]["/".join(key)] = None

    def drop_look(self, volume: str) -> None:
        """Forget a volume that is gone."""
        del self.looks[volume]
        self._dirty[_LOOK][volume] = None

    async def write(self, *, last: bool = False) -> None:
        """Write down what has changed, and now and then (or where `last` is set) when the last look was.

        Raises JournalError; what was not taken is written the next time.
        """
        for kind, changes in self._dirty.items():
            while changes:
                batch = {name: changes[name] for name in tuple(changes)[:BATCH]}
                await self._offload(self._journal.note, kind, batch)
                for name, value in batch.items():
                    if changes.get(name) is value:  # not changed again meanwhile
                        del changes[name]
        monotonic = self._clock.monotonic()
        if self.last is not None and (last or monotonic - self._noted >= NOTE_EVERY):
            await self._offload(self._journal.note, _WATCH, {_LAST: self.last})
            self._noted = monotonic
