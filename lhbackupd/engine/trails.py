"""What polls have shown of every volume's past, kept for the policies that let volumes alone (`no_touch`).

`core/evidence` folds each poll into a volume's trail; here it is known which volumes our own runs have, and what was
folded outlives a restart: trails and the time of the last look at the events are notes in the journal. What a crash
keeps from being written shows again in the next look as new, so that more is inspected than need be, never less.
"""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from lhbackupd.clock import Clock
from lhbackupd.core.commands import Seen
from lhbackupd.core.evidence import OVERLAP, Evidence, Lookout, Trail, at_rest, attaches_seen, rested
from lhbackupd.core.model import Run
from lhbackupd.core.signs import Sign
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Poll:
    """A poll, and what of our own runs it is seen beside."""

    before: Picture
    after: Picture
    asked: datetime
    #: the attaches that it shows; None where they were not asked for anew
    attaches: Attaches | None
    #: when it had ended, by the monotonic clock
    ended: float
    #: when it is folded in: later than the end of any run that `busy` lacks, which a poll's own end may not be
    at: datetime
    #: volumes that runs have, or want; those that they have had since they were last seen at rest
    busy: frozenset[str] = frozenset()
    had: frozenset[str] = frozenset()
    #: when tickets of ours got a volume, by Longhorn's clock
    ours: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)

    def listed(self, name: str) -> bool:
        """Whether it says how a volume is that no run has."""
        after = self.after
        return after.at != self.before.at and name not in after.unseen and name not in self.busy

    @property
    def rested(self) -> frozenset[str]:
        """Those of the volumes that runs have had which it shows at rest, or no longer at all."""
        shown = {name: self.after.volumes.get(name) for name in self.had if self.listed(name)}
        return frozenset(name for name, volume in shown.items() if volume is None or volume.plainly_detached)


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
        #: the last poll that is folded in, or will be: one that did not ask for the events is compared with nothing
        self._last = Picture()
        #: not folded yet
        self._polls: deque[_Poll] = deque()
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

    def forget(self, volume: str) -> None:
        """Let go of what is known of a volume, unless it is still there."""
        if volume in self._trails:
            return
        self._ours.pop(volume, None)
        self._had.discard(volume)

    def _note_attach(self, volume: str, at: datetime | None) -> None:
        if at is not None and at not in self._ours[volume]:
            self._ours[volume] = (*self._ours[volume], at)[-_FEW:]

    def polled(self, after: Picture) -> None:
        """Longhorn has been polled."""
        if after.attaches is None:
            return
        asked, attaches = after.attaches
        anew = attaches if asked != self._asked else None
        ended = self._clock.monotonic()
        self._polls.append(_Poll(before=self._last, after=after, asked=asked, attaches=anew, ended=ended, at=asked))
        self._asked, self._last = asked, after

    async def follow(self) -> None:
        """Fold in what was polled: in the worker, as thousands of volumes looked through would hold up the loop."""
        while self._polls:
            had, self._had = self._had, set()
            busy = frozenset(self._busy.values())
            poll = replace(
                self._polls.popleft(), at=self._clock.now(), busy=busy, had=frozenset(had), ours={**self._ours}
            )
            changes = await self._offload(_folded, self._trails, poll)
            self._had |= had - poll.rested
            for name, trail in changes.items():
                self._notes.put(_TRAIL, name, trail)
                self._tell_watch(name, trail)
            if changes:
                self._trails = {name: trail for name, trail in {**self._trails, **changes}.items() if trail is not None}
            if poll.attaches is not None:
                self._looked(poll)

    def _tell_watch(self, name: str, trail: Trail | None) -> None:
        """An attach that the events show for the first time is a sign, of a time after the look before."""
        before = self._trails.get(name)
        if trail is not None and self._looks is not None and trail.theirs != (before.theirs if before else None):
            self._watch.shown(name, Sign(since=self._looks.last.wall, certain=False, words=trail.words))

    def _looked(self, poll: _Poll) -> None:
        """The events were looked at; too long after the last time, and what lies between is unknown."""
        last = self._looks
        joins = last is not None and last.last.age(poll.ended) <= OVERLAP.total_seconds()
        since = last.since if last is not None and joins else poll.asked
        self._looks = _Looks(since=since, last=Moment(wall=poll.asked, monotonic=poll.ended))

    async def write(self) -> None:
        """Write down what has changed: trails first, and then how far they go. Raises JournalError."""
        await self._notes.write()
        monotonic = self._clock.monotonic()
        if self._looks is not None and monotonic - self._noted >= NOTE_EVERY:
            await self._offload(self._journal.note, _LOOKOUT, {_LOOKOUT: self._looks})
            self._noted = monotonic


def _folded(trails: Mapping[str, Trail], poll: _Poll) -> dict[str, Trail | None]:
    """The trails that a poll changes; None for a volume that is gone."""
    changes: dict[str, Trail | None] = dict.fromkeys(trails.keys() - poll.after.volumes.keys())
    for name in poll.after.volumes:
        trail = trails.get(name)
        after = _attached(name, _at_rest(name, trail or Trail(), poll), poll)
        if after != (trail or Trail()):
            changes[name] = after
    return changes


def _at_rest(name: str, trail: Trail, poll: _Poll) -> Trail:
    # an entry of the list that has not changed is the same value
    same = trail.rest is not None and poll.before.volumes.get(name) is poll.after.volumes[name] and name not in poll.had
    rest = None if same or not poll.listed(name) else at_rest(poll.after.volumes[name])
    return trail if rest is None else rested(trail, rest, poll.at, ours=name in poll.had)


def _attached(name: str, trail: Trail, poll: _Poll) -> Trail:
    marks = poll.attaches.get(name, {}) if poll.attaches is not None else {}
    if poll.attaches is None or not (marks or trail.marks):
        return trail
    return attaches_seen(trail, marks, poll.at, ours=poll.ours.get(name, ()), busy=name in poll.busy)
