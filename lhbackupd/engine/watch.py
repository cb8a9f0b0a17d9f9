"""The watch over every volume's exposure: folds in each poll and each move of a run.

What decides is `core/signs`, `core/exposure` and `core/rpo`; what follows is kept in `memory`, and compared with the
policies' objectives. One task works off what has come in, in order and a slice at a time, so that 10,000 volumes do not
hold up the event loop; nobody waits for it, least of all a volume that is to be given back.

A volume that was not looked at for three times as long as a poll should take to come round is in doubt from its last
look on, also across a restart.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lhbackupd.clock import Clock
from lhbackupd.core import exposure
from lhbackupd.core.cluster import Volume
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Mode, Policy, Run
from lhbackupd.core.rpo import Judgement, Rpo, expected_at, judge
from lhbackupd.core.signs import Sign, Window, anew, look
from lhbackupd.engine.books import Books
from lhbackupd.engine.events import BackupLost, ClockStepped, Event, Moved, RpoMoved, Tell
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.journal import Journal, JournalError
from lhbackupd.engine.memory import Memory
from lhbackupd.engine.notes import Moment
from lhbackupd.engine.scheduler import Key, Scheduler
from lhbackupd.engine.slices import sliced

#: poll periods, and at least so many seconds, between two looks that leave no doubt
PERIODS, LEAST = 3, 45.0
#: seconds after which a journal that could not be read is tried again
_AGAIN = 2.0


@dataclass(frozen=True, slots=True)
class _Polled:
    before: Picture
    after: Picture
    monotonic: float


class Watch:
    """Knows the exposure of every schedule's volume. `policy` gives the one in force.

    `period` gives how many seconds lie between two polls.
    """

    def __init__(
        self,
        *,
        books: Books,
        journal: Journal,
        scheduler: Scheduler,
        clock: Clock,
        offload: Offload,
        tell: Tell,
        policy: Callable[[str], Policy | None],
        period: Callable[[], float],
    ) -> None:
        self._books = books
        self._scheduler = scheduler
        self._clock = clock
        self._tell = tell
        self._policy = policy
        self._period = period
        self.memory = Memory(journal=journal, clock=clock, offload=offload, tell=tell)
        self._inbox: deque[_Polled | Event] = deque()
        self._woken = asyncio.Event()
        self._read = False
        #: the last look at volumes that the last list lacked
        self._lagging: dict[str, Moment] = {}
        self._unfinished: dict[str, Run] = {}
        #: when a run last gave a volume back
        self._released: dict[str, datetime] = {}
        #: volumes of which there was nothing to fold for these schedules, as they were: there is nothing again so long
        self._quiet: dict[str, Volume] = {}
        self._folded: Mapping[str, object] = {}
        self._declared: Mapping[Key, object] = {}
        self._by_volume: dict[str, tuple[Key, ...]] = {}
        #: how a volume stood to its RPO when that was last told
        self._told: dict[Key, Rpo] = {}

    @property
    def _gap(self) -> float:
        """Seconds without a look that leave a doubt."""
        return max(LEAST, PERIODS * self._period())

    @property
    def exposures(self) -> dict[Key, Exposure]:
        """By policy and volume; empty until the journal was read and Longhorn polled."""
        return self.memory.exposures

    def exposed(self, keys: Iterable[Key] | None = None) -> dict[Key, datetime]:
        """Since when there may be data that is in no backup, by policy and volume, of `keys` or all.

        Before the first poll, since there last was none. May be called from threads.
        """
        if not self.exposures:
            return self._books.protected_until()
        known = dict(self.exposures).items() if keys is None else ((key, self.exposures.get(key)) for key in keys)
        return {key: since for key, one in known if one is not None and (since := one.unprotected_since)}

    def polled(self, before: Picture, after: Picture) -> None:
        """Longhorn has been polled."""
        if self._read:  # there is nothing yet to compare it with, and the next poll shows as much
            self._inbox.append(_Polled(before, after, self._clock.monotonic()))
            self._woken.set()

    def shown(self, volume: str, sign: Sign) -> None:
        """Something else than the list of volumes shows that data may have been written."""
        for key in self._keys().get(volume, ()):
            if (known := self.exposures.get(key)) is not None:
                self.memory.put(key, exposure.shown(known, sign))

    def heard(self, event: Event) -> None:
        """Something happened in the engine."""
        if isinstance(event, (Moved, ClockStepped, BackupLost)):
            self._inbox.append(event)
            self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work off what comes in until `stop` is set and `wake` was called."""
        while not stop.is_set() and not await self._open():
            await self._clock.wait(stop, _AGAIN)
        while not stop.is_set():
            await self._work()
            await self._woken.wait()
            self._woken.clear()

    def wake(self) -> None:
        """Look whether it is time to stop."""
        self._woken.set()

    async def close(self) -> None:
        """Work off what is left, and write down all there is."""
        if self._read:
            await self._work(last=True)

    async def _open(self) -> bool:
        """Read what was known before; whether the journal could be read."""
        try:
            await self.memory.open()
        except JournalError as error:
            self._books.note(error)
            return False
        async for key in sliced(self.exposures):
            known, word = self.exposures[key], self._books.protections.get(key)
            if word is not None and word.lost:  # that, or what a run found, may have been noted just before the end
                self.memory.put(key, exposure.lost(known, word.protected_until, word.lost))
            elif word is not None and word.unprotected_bytes:
                self.memory.put(key, exposure.found(known, word.unprotected_bytes))
        self._read = True
        return True

    async def _work(self, *, last: bool = False) -> None:
        while self._inbox:
            events, self._inbox = self._inbox, deque()
            async for event in sliced(events):
                match event:
                    case _Polled(before, after, monotonic):
                        await self._look(before, after, monotonic)
                        await self._compare()
                    case Moved(_, run):
                        self._ran(run)
                    case BackupLost(loss):
                        key = (loss.policy, loss.volume)
                        if (known := self.exposures.get(key)) is not None:
                            self.memory.put(key, exposure.lost(known, loss.until, loss.words))
                    case ClockStepped(seconds) if seconds < 0:
                        await self.memory.set_back(timedelta(seconds=-seconds))
                    case _:
                        pass
        self.memory.tell()
        try:
            await self.memory.write(last=last)
        except JournalError as error:
            self._books.note(error)

    async def _look(self, before: Picture, after: Picture, monotonic: float) -> None:
        """Fold in a poll."""
        listed = after.at is not None and after.at != before.at
        now = Moment(wall=after.asked if listed and after.asked else self._clock.now(), monotonic=monotonic)
        keys = self._keys()
        holding = {run.volume for run in self._unfinished.values() if run.ticket}
        async for name, volume in sliced(self._restless(after, now, keys) if listed else after.volumes.items()):
            last = self._lagging.get(name, self.memory.last)
            if not listed or name in after.unseen:
                if last is not None:
                    self._lagging[name] = last
            else:
                self._lagging.pop(name, None)
                since = last.by(now) if last is not None and name in self.memory.looks else None
                window = Window(after=since, until=max(after.at or now.wall, now.wall))
                back = self._released.get(name)
                ours = name in holding or (back is not None and (since is None or back >= since))
                if self._fold(volume, window, keys.get(name, ()), ours=ours):
                    self._quiet[name] = volume
            if last is not None and last.age(now.monotonic) > self._gap:
                self._unseen(keys.get(name, ()), last, now, after)
        if listed:
            self.memory.last = now
            self._released = {name: at for name, at in self._released.items() if at >= now.wall}
            self._forget(after.volumes)

    def _restless(self, after: Picture, now: Moment, keys: Mapping[str, object]) -> list[tuple[str, Volume]]:
        """The volumes that there may be something to fold of: all but those that lie there as they last did."""
        last, loud = self.memory.last, after.unseen | self._lagging.keys()
        late = keys is not self._folded or last is None or last.age(now.monotonic) > self._gap
        same = (entry for entry in self._quiet.items() if after.volumes.get(entry[0]) is entry[1])
        self._folded, self._quiet = keys, {} if late else {name: volume for name, volume in same if name not in loud}
        return [(name, volume) for name, volume in after.volumes.items() if name not in self._quiet]

    def _fold(self, volume: Volume, window: Window, keys: Iterable[Key], *, ours: bool) -> bool:
        """Fold in one look at one volume; whether the same look would show nothing new once more."""
        former = self.memory.looks.get(volume.name)
        seen, signs = look(former, volume, window, ours=ours)
        if signs:
            self.memory.stir(volume.name, window.until)
        fresh = former is not None and anew(former, volume)
        if seen is not former:
            self.memory.remember(volume.name, seen)
        for key in keys:
            if (known := self.exposures.get(key)) is None or fresh:
                word, since = self._books.protections.get(key), window.after if former else None
                known = exposure.begin(key[0], volume, window.until, word, watched=since, anew=fresh)
            for sign in signs:
                known = exposure.shown(known, sign)
            self.memory.put(key, known)
        return seen is former and not signs

    def _unseen(self, keys: Iterable[Key], last: Moment, now: Moment, picture: Picture) -> None:
        """Put in doubt what nobody has looked at for too long, unless a run had it in its hands lately."""
        fault = picture.fault
        why = f"Longhorn cannot be polled: {fault.text}" if fault else "nobody has looked at it for a while"
        for key in keys:
            if (known := self.exposures.get(key)) is None:
                continue
            lately = known.clear is not None and 0 <= (now.wall - known.clear).total_seconds() <= self._gap
            if not lately:
                self.memory.stir(key[1], now.wall - timedelta(seconds=self._gap))
                self.memory.put(key, exposure.unwatched(known, last.by(now), why))

    def _ran(self, run: Run) -> None:
        """Fold in a run that has moved."""
        if not run.finished:
            self._unfinished[run.id] = run
        elif (before := self._unfinished.pop(run.id, None)) and before.ticket:
            self._released[run.volume] = self._clock.now()
        key = (run.policy, run.volume)
        if (known := self.exposures.get(key)) is not None:
            last = self._lagging.get(run.volume, self.memory.last)
            seen = self.memory.looks.get(run.volume)
            looked, stirred = last.wall if last else None, self.memory.stirred.get(run.volume)
            self.memory.put(key, exposure.ran(known, run, seen, looked, stirred=stirred))

    def _forget(self, volumes: Mapping[str, Volume]) -> None:
        """Drop what is known of volumes that are gone, and of those that a policy is no longer for."""
        for name in self.memory.looks.keys() - volumes.keys():
            self.memory.drop_look(name)
        for key in self.exposures.keys() - self._scheduler.schedules.keys():
            self.memory.drop(key)
            self._told.pop(key, None)
        self._lagging = {name: last for name, last in self._lagging.items() if name in volumes}

    def _keys(self) -> Mapping[str, tuple[Key, ...]]:
        """The schedules by volume; put in order anew only when they have changed."""
        if self._scheduler.schedules is not self._declared:
            self._declared, found = self._scheduler.schedules, dict[str, tuple[Key, ...]]()
            for key in self._declared:
                found[key[1]] = (*found.get(key[1], ()), key)
            self._by_volume = found
        return self._by_volume

    async def _compare(self) -> None:
        """Tell of every volume that misses its policy's RPO, will miss it, or does so no longer."""
        now, runs = self._clock.now(), {(run.policy, run.volume): run for run in self._unfinished.values()}
        following: dict[object, datetime] = {}  # many volumes share a schedule
        async for key, trigger in sliced(self._scheduler.schedules.items()):
            policy, known = self._policy(key[0]), self.exposures.get(key)
            if policy is None or policy.mode is Mode.SHADOW or policy.rpo is None or known is None:
                continue
            if (due := following.get(trigger)) is None:
                due = following[trigger] = trigger.get_next_fire_time(None, now)
            verdict = self.verdict(key, now=now, next_due=due, run=runs.get(key))
            was = self._told.get(key, Rpo.COMPLIANT)
            # a doubt is no news: after an outage of Longhorn there is one about every volume
            if verdict.state not in {was, Rpo.UNCERTAIN}:
                self._told[key] = verdict.state
                self._tell(RpoMoved(known, policy.rpo, was, verdict))

    def verdict(self, key: Key, *, now: datetime, next_due: datetime | None, run: Run | None) -> Judgement:
        """How a volume stands to its policy's RPO, reckoning with its next run and how long its runs take."""
        known, policy = self.exposures.get(key), self._policy(key[0])
        expected = expected_at(now=now, run=run, next_due=next_due, took=known.took if known else 0.0)
        return judge(known, policy.rpo if policy else None, now, expected)
