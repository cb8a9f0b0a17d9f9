"""What the watch knows of every volume, and has written down: exposures, last looks, and when the last look was.

Only what has changed is written, into the journal's notes and in bounded batches; what the journal does not take stays
to be written. The time of the last look is kept by both clocks, and after a restart it is believed only where they
agree on how long ago that is: a clock that was set in between must not hide that nobody looked.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from lhbackupd.clock import Clock
from lhbackupd.core import exposure, signs
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.signs import Look
from lhbackupd.engine.events import ExposuresMoved, Tell
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.journal import Journal
from lhbackupd.engine.notes import Moment, Notes, believed
from lhbackupd.engine.scheduler import Key
from lhbackupd.engine.slices import sliced

#: seconds after which the time of the last look is written down again
NOTE_EVERY = 30.0
_EXPOSURE, _LOOK, _WATCH, _LAST = "exposure", "look", "watch", "last"


class Memory:
    """Exposures by policy and volume, looks by volume. Changed through its methods alone."""

    def __init__(self, *, journal: Journal, clock: Clock, offload: Offload, tell: Tell) -> None:
        self._journal = journal
        self._clock = clock
        self._offload = offload
        self._tell = tell
        #: whether exposures have moved since that was last told
        self._moved = False
        self.exposures: dict[Key, Exposure] = {}
        self.looks: dict[str, Look] = {}
        #: when something last showed that somebody may have had a volume, or that nobody had looked; by our clock
        self.stirred: dict[str, datetime] = {}
        #: the last look at all volumes
        self.last: Moment | None = None
        self._notes = Notes(journal=journal, offload=offload)
        self._noted = clock.monotonic() - NOTE_EVERY

    async def open(self) -> None:
        """Read what was known before a restart. Raises JournalError."""
        notes = self._journal.notes
        exposures = await self._offload(notes, _EXPOSURE, Exposure)
        self.looks = await self._offload(notes, _LOOK, Look)
        last = (await self._offload(notes, _WATCH, Moment)).get(_LAST)
        self.exposures = {(known.policy, known.volume): known for known in exposures.values()}
        self.last = believed(last, self._clock) if last else None
        self._moved = bool(self.exposures)

    def put(self, key: Key, known: Exposure) -> None:
        """What is known of a volume under a policy from now on."""
        if self.exposures.get(key) != known:
            self.exposures[key], self._moved = known, True
            self._notes.put(_EXPOSURE, "/".join(key), known)

    def remember(self, volume: str, seen: Look) -> None:
        """What the last look at a volume showed."""
        former = self.looks.get(volume)
        self.looks[volume] = seen
        # the size of a volume that is written to is compared with nothing, and changes all the time
        if former is None or seen.use is None or seen.use != former.use:
            self._notes.put(_LOOK, volume, seen)

    async def set_back(self, by: timedelta) -> None:
        """The wall clock was set back: all that was known before is said that much too late."""
        self.stirred = {name: at - by for name, at in self.stirred.items()}
        async for key in sliced(self.exposures):
            self.put(key, exposure.set_back(self.exposures[key], by))
        async for name in sliced(self.looks):
            if self.looks[name].use is not None:
                self.remember(name, signs.set_back(self.looks[name], by))

    async def bring_back(self, now: datetime) -> None:
        """Put right what a clock that was ahead has noted."""
        async for key in sliced(self.exposures):
            self.put(key, exposure.bring_back(self.exposures[key], now))
        async for name in sliced(self.looks):
            if (use := self.looks[name].use) is not None and use.since > now:
                self.remember(name, replace(self.looks[name], use=None))  # the next look dates it
        self.stirred = {name: min(at, now) for name, at in self.stirred.items()}

    def stir(self, volume: str, at: datetime) -> None:
        """Something shows that somebody may have had `volume` at that time, or that nobody had looked."""
        self.stirred[volume] = max(at, self.stirred.get(volume, at))

    def drop(self, key: Key) -> None:
        """Forget a volume under a policy that is no longer for it."""
        del self.exposures[key]
        self._notes.put(_EXPOSURE, "/".join(key), None)

    def drop_look(self, volume: str) -> None:
        """Forget a volume that is gone."""
        del self.looks[volume]
        self.stirred.pop(volume, None)
        self._notes.put(_LOOK, volume, None)

    def tell(self) -> None:
        """Tell whoever shows them that exposures have moved, if they have since that was last told."""
        if self._moved:
            self._moved = False
            self._tell(ExposuresMoved())

    async def write(self, *, last: bool = False) -> None:
        """Write down what has changed, and now and then (or where `last` is set) when the last look was.

        Raises JournalError; what was not taken is written the next time.
        """
        await self._notes.write()
        monotonic = self._clock.monotonic()
        if self.last is not None and (last or monotonic - self._noted >= NOTE_EVERY):
            await self._offload(self._journal.note, _WATCH, {_LAST: self.last})
            self._noted = monotonic
