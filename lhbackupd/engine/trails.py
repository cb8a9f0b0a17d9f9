"""What polls have shown of every volume's past, kept for the policies that let volumes alone (`no_touch`).

`core/evidence` folds each poll into a volume's trail; here it is known which volumes our own runs have, and what was
folded outlives a restart: trails and the time of the last look at the events are notes in the journal. What a crash
keeps from being written shows again in the next look as new, so that more is inspected than need be, never less.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lhbackupd.clock import Clock
from lhbackupd.core.commands import Seen
from lhbackupd.core.evidence import OVERLAP, Evidence, Lookout, Trail, at_rest, attaches_seen, rested
from lhbackupd.core.model import Run
from lhbackupd.engine.books import Books
from lhbackupd.engine.events import ClockStepped, Event, Moved
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.journal import Journal
from lhbackupd.engine.notes import Moment, Notes, believed
from lhbackupd.engine.scheduler import Key
from lhbackupd.engine.watch import Watch
from lhbackupd.longhorn.attaches import Attaches

#: seconds after which the time of the last look is written down again
NOTE_EVERY = 60.0
#: attaches of ours to a volume that are remembered
_FEW = 4

_TRAIL, _LOOKOUT = "trail", "lookout"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looks:
    """Looks at the events without a gap; `last` by both clocks."""

    since: datetime
    last: Moment


class Trails:
    """The trails of all volumes; none are followed while no policy asks for it."""

    def __init__(self, *, books: Books, watch: Watch, journal: Journal, clock: Clock, offload: Offload) -> None:
        self._books = books
        self._watch = watch
        self._journal = journal
        self._clock = clock
        self._offload = offload
        self._notes = Notes(journal=journal, offload=offload)
        self._trails: dict[str, Trail] = {}
        self._looks: _Looks | None = None
        self._noted = clock.monotonic()
        self._asked: datetime | None = None
        #: volumes by the runs that have, or want, them
        self._busy: dict[str, str] = {}
        #: volumes that runs of ours have had since they were last seen at rest
        self._had: set[str] = set()
        #: when tickets of ours got a volume, by Longhorn's clock
        self._ours: defaultdict[str, tuple[datetime, ...]] = defaultdict(tuple)

    async def open(self) -> None:
        """Read what was known before a restart; the books are open. Raises JournalError."""
        self._trails = await self._offload(self._journal.notes, _TRAIL, Trail)
        looks = (await self._offload(self._journal.notes, _LOOKOUT, _Looks)).get(_LOOKOUT)
        self._looks = replace(looks, last=believed(looks.last, self._clock)) if looks else None
        for (_, volume), word in self._books.protections.items():
            self._note_attach(volume, word.attached_at)

    def beside(self, seen: Seen, run: Run) -> Seen:
        """`seen` with the evidence there is for letting the run's volume alone."""
        return replace(seen, evidence=self.evidence((run.policy, run.volume)))

    def evidence(self, key: Key) -> Evidence:
        """All there is to go by for one volume under one policy. May be called from threads."""
        looks = self._looks
        return Evidence(
            word=self._books.protections.get(key),
            known=self._watch.exposures.get(key),
            trail=self._trails.get(key[1]),
            lookout=Lookout(since=looks.since, last=looks.last.wall) if looks else None,
        )

    def heard(self, event: Event) -> None:
        """Something happened in the engine."""
        match event:
            case Moved(_, run) if run.ticket:
                self._note_attach(run.volume, run.attached_at)
                self._had.add(run.volume)
                if run.finished:
                    self._busy.pop(run.id, None)
                else:
                    self._busy[run.id] = run.volume
            case ClockStepped():
                self._looks = None  # what was dated by it cannot be told before from after
            case _:
                pass

    def _note_attach(self, volume: str, at: datetime | None) -> None:
        if at is not None and at not in self._ours[volume]:
            self._ours[volume] = (*self._ours[volume], at)[-_FEW:]

    def polled(self, before: Picture, after: Picture) -> None:
        """Longhorn has been polled."""
        if after.attaches is None:
            return
        busy = {*self._busy.values()}
        if after.at is not None and after.at != before.at:
            self._at_rest(before, after, busy)
        asked, attaches = after.attaches
        if asked != self._asked:
            self._asked = asked
            self._looked(asked)
            self._attached(attaches, after.volumes.keys(), busy)
        for name in self._trails.keys() - after.volumes.keys():
            del self._trails[name]
            self._notes.put(_TRAIL, name, None)

    def _at_rest(self, before: Picture, after: Picture, busy: set[str]) -> None:
        now = self._clock.now()
        for name, volume in after.volumes.items():
            trail = self._trails.get(name)
            had = name in self._had
            # an entry of the list that has not changed is the same value
            same = trail is not None and trail.rest is not None and before.volumes.get(name) is volume
            if name in busy or (same and not had):
                continue
            if name not in after.unseen and (rest := at_rest(volume)) is not None:
                self._keep(name, rested(trail or Trail(), rest, now, ours=had))
                self._had.discard(name)

    def _looked(self, asked: datetime) -> None:
        """The events were looked at; too long after the last time, and what lies between is unknown."""
        last, monotonic = self._looks, self._clock.monotonic()
        joins = last is not None and timedelta(seconds=monotonic - last.last.monotonic) <= OVERLAP
        since = last.since if last is not None and joins else asked
        self._looks = _Looks(since=since, last=Moment(wall=asked, monotonic=monotonic))

    def _attached(self, attaches: Attaches, volumes: Iterable[str], busy: set[str]) -> None:
        now, none = self._clock.now(), dict[str, datetime]()
        told: Mapping[str, Trail] = self._trails
        for name in volumes:
            marks, trail = attaches.get(name, none), told.get(name)
            if marks or (trail is not None and trail.marks):
                seen = attaches_seen(trail or Trail(), marks, now, ours=self._ours[name], busy=name in busy)
                self._keep(name, seen)

    def _keep(self, volume: str, trail: Trail) -> None:
        if self._trails.get(volume) != trail:
            self._trails[volume] = trail
            self._notes.put(_TRAIL, volume, trail)

    async def write(self) -> None:
        """Write down what has changed: trails first, and then how far they go. Raises JournalError."""
        await self._notes.write()
        monotonic = self._clock.monotonic()
        if self._looks is not None and monotonic - self._noted >= NOTE_EVERY:
            await self._offload(self._journal.note, _LOOKOUT, {_LOOKOUT: self._looks})
            self._noted = monotonic
