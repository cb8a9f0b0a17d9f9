"""When a volume's next runs begin: played through on demand, or, where that takes long, made ahead for all volumes.

A forecast of thousands of volumes takes seconds of one core. So one is made now and then, for a small share of a core,
and whoever asks for one volume takes from it what still lies ahead; what it cannot know is played through at once, no
further than to the beginning of these runs. Of few volumes nothing is made ahead that anybody sees: a forecast is as
new as the question.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from structlog.typing import FilteringBoundLogger

from lhbackupd.core.cluster import Setting
from lhbackupd.core.forecast import forecast
from lhbackupd.core.model import Outcome
from lhbackupd.core.outlook import Outlook, Planned
from lhbackupd.engine.events import Event, Polled, Rescheduled
from lhbackupd.engine.rules import Rules
from lhbackupd.engine.scheduler import Key
from lhbackupd.surface.plan import outlook
from lhbackupd.surface.status import Sources

#: how far ahead the queue is played through to find the next run's place, and how long after its due time
AHEAD, AFTER = timedelta(days=2), timedelta(hours=1)
#: seconds of processor time from which on a forecast is shared, the share of a core that it may take then, and the
#: least pause between two, in seconds
COSTLY, SHARE, LEAST_PAUSE = 0.05, 0.003, 60.0
#: seconds for which a costly one is put off at most while runs go on, and between two looks whether they still do
PUT_OFF, _AGAIN = 600.0, 5.0
#: the part of a pause that is kept in any case, also where what was foreseen is of no use any more
KEPT = 0.06


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """All runs of the coming days, as they were expected at `at`, but for those that are skipped."""

    at: datetime
    #: it says nothing of those that would come later
    until: datetime
    whole: bool
    rules: Rules
    setting: Setting
    #: by due time
    runs: Mapping[Key, Mapping[datetime, Planned]]


def foresee(sources: Sources) -> Foreseen:
    """The coming days; takes copies, so it may be called from another thread."""
    rules = sources.keeper.rules  # before what is made of them: a reload meanwhile must not make it seem to fit
    known = outlook(sources)
    found = forecast(known, known.at + AHEAD + AFTER)
    runs: dict[Key, dict[datetime, Planned]] = {}
    for run in found.runs:
        if run.outcome is not Outcome.SKIPPED:
            runs.setdefault((run.policy, run.volume), {})[run.due] = run
    return Foreseen(at=found.at, until=found.until, whole=found.whole, rules=rules, setting=known.setting, runs=runs)


def fits(sources: Sources, foreseen: Foreseen) -> bool:
    """Whether the same rules and setting still hold."""
    return foreseen.rules is sources.keeper.rules and foreseen.setting is sources.inventory.picture.setting


class Foresight:
    """Makes forecasts ahead in a `thread`, and keeps the last one that took long; to be told of the engine's events.

    While the daemon is `busy`, it has better things to do for some time than to make one that takes long.
    """

    def __init__(
        self,
        make: Callable[[], Foreseen],
        *,
        fits: Callable[[Foreseen], bool],
        busy: Callable[[], bool],
        log: FilteringBoundLogger,
        thread: Callable[[Callable[[], float]], Awaitable[float]] = asyncio.to_thread,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._make = make
        self._fits = fits
        self._busy = busy
        self._log = log
        self._thread = thread
        self._clock = clock
        self._woken = asyncio.Event()
        self.latest: Foreseen | None = None
        #: whether the last one took long
        self.costly = False

    def __call__(self, event: Event) -> None:
        """What was foreseen may be of no use now, or there may be something to foresee at last."""
        match event:
            case Rescheduled() if self.latest is None:
                self._woken.set()
            case Polled() if self.latest is not None and not self._fits(self.latest):
                self._woken.set()
            case _:
                pass

    def look(self) -> float:
        """Make one, and say for how many seconds to let it be then."""
        begun = self._clock()
        made = self._make()
        seconds = self._clock() - begun
        self.costly = seconds >= COSTLY
        self.latest = made if self.costly else None
        return max(LEAST_PAUSE, seconds / SHARE)

    async def run(self, stop: asyncio.Event) -> None:
        """Look ahead until `stop`; one that is under way then is waited for in its thread."""
        looking = asyncio.create_task(self._look())
        await stop.wait()
        looking.cancel()

    async def _look(self) -> None:
        while True:
            self._woken.clear()
            try:
                pause = await self._thread(self.look)
            except Exception:  # noqa: BLE001 -- nothing hangs on it but how soon an explanation comes
                self.latest, pause = None, LEAST_PAUSE
                self._log.exception("no forecast could be made", action="defect")
            await asyncio.sleep(pause * KEPT)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause * (1 - KEPT)):
                    await self._woken.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(PUT_OFF):
                    while self.costly and self._busy():  # noqa: ASYNC110 -- a thousand runs end one by one
                        await asyncio.sleep(_AGAIN)


def next_runs(
    sources: Sources, volume: str, foreseen: Foreseen | None, *, costly: bool = False
) -> tuple[tuple[Planned, ...], datetime | None]:
    """The next run of each policy of `volume`, with its place among all others', and as of when if that is earlier.

    Where to play is `costly`, nothing is said of a run that is not due yet and not foreseen: the next look will.
    """
    known = outlook(sources)
    active = {(run.policy, run.volume) for run in known.active if run.volume == volume}
    dues = _dues(known, volume, active)
    if foreseen and not fits(sources, foreseen):
        foreseen = None
    taken = {key: run for key, due in dues.items() if foreseen and (run := _ahead(foreseen, key, due, known.at))}
    unknown = {key: due for key, due in dues.items() if key not in taken and not _beyond(foreseen, due)}
    if costly:
        unknown = {key: due for key, due in unknown.items() if due <= known.at}
    now: tuple[Planned, ...] = ()
    if active:  # they wait for nobody
        now = forecast(replace(known, schedules=(), waiting=()), known.at, nexts=active).runs
    if unknown:
        now += forecast(known, max(known.at, *unknown.values()) + AFTER, nexts=unknown).runs
    found: dict[str, Planned] = {}
    for run in (*now, *taken.values()):
        if run.outcome is not Outcome.SKIPPED:
            found.setdefault(run.policy, run)
    order = sorted(found.values(), key=lambda run: (run.start is None, run.start or run.due, run.due, run.policy))
    return tuple(order), foreseen.at if foreseen and taken else None


def _dues(known: Outlook, volume: str, active: set[Key]) -> dict[Key, datetime]:
    """When the next run of each policy is due, or has been, of those that have not begun."""
    schedules = [key for key in known.schedules if key[1] == volume and key not in active]
    dues = {key: known.due(known.policies[key[0]], volume, known.at) for key in schedules}
    dues = {key: due for key, due in dues.items() if due <= known.at + AHEAD}
    waiting = [run for run in known.waiting if run.volume == volume and (run.policy, volume) not in active]
    return dues | {(run.policy, volume): run.due for run in sorted(waiting, key=lambda run: run.due, reverse=True)}


def _ahead(foreseen: Foreseen, key: Key, due: datetime, now: datetime) -> Planned | None:
    """What was expected of the run that is due then, as far as it can still come so."""
    run = foreseen.runs.get(key, {}).get(due)
    if run is None or (run.start is None and not (run.reason or foreseen.whole)):
        return None
    return run if run.start is None or run.start >= now else None


def _beyond(foreseen: Foreseen | None, due: datetime) -> bool:
    """Whether a forecast would be of too many runs before it came to one that is due then."""
    return foreseen is not None and not foreseen.whole and due >= foreseen.until
