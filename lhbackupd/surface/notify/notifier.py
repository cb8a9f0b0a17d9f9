"""Tells people through channels: of troubles when they begin and end, and once a day how everything stands.

It looks at the report when something has happened, and once a minute, and holds it against what was told. That it was
told is written down when a channel has taken it; so a restart tells nothing twice, and loses nothing either: what had
not gone out is seen again.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from structlog.typing import FilteringBoundLogger

from lhbackupd.clock import Clock
from lhbackupd.core.model import Outcome, Policy
from lhbackupd.core.notices import Key, Kind, Memory, News
from lhbackupd.core.timetable import Cron, parse_cron, parse_zone, previous_due
from lhbackupd.engine.events import Event, Moved, Polled
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.journal import Journal, JournalError
from lhbackupd.surface.notify import sight
from lhbackupd.surface.notify.letter import Letter, Notice, letter, together
from lhbackupd.surface.notify.outbox import Outbox, sending
from lhbackupd.surface.report import Report

#: seconds between two looks while things happen, and while nothing does
OFTEN, SELDOM = 10.0, 60.0
#: the kind of the journal's notes
_NOTES = "told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A trouble that was told, or a digest, as the journal keeps it."""

    kind: Kind
    policy: str = ""
    volume: str = ""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How people want to be told."""

    instance: str
    #: time of day of the digest, or "off"
    digest: str
    timezone: str
    #: seconds between two messages to a channel
    every: float

    def digest_due(self, now: datetime) -> datetime | None:
        """When the last digest was due."""
        if self.digest == "off":
            return None
        hour, minute = self.digest.split(":")
        cron: Cron = parse_cron(f"{int(minute)} {int(hour)} * * *")
        return previous_due(cron, parse_zone(self.timezone), now)


class Notifier:
    """Listens to the engine's events to learn that it is time to look."""

    def __init__(
        self,
        *,
        habits: Habits,
        channels: Mapping[str, Callable[[Letter], Awaitable[None]]],
        report: Callable[[], Report],
        policies: Callable[[], Mapping[str, Policy]],
        aside: Offload,
        journal: Journal,
        offload: Offload,
        count: Callable[[str, str, int], None],
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        """`channels` send a letter each, and raise Undelivered; `aside` runs the report's making off the loop."""
        self._habits = habits
        self._report = report
        self._policies = policies
        self._aside = aside
        self._journal = journal
        self._offload = offload
        self._clock = clock
        self._log = log
        self._boxes = [
            Outbox(
                name=name,
                send=self._sender(send),
                together=together,
                delivered=self._delivered,
                count=count,
                clock=clock,
                log=log,
                every=habits.every,
            )
            for name, send in channels.items()
        ]
        self._memory = Memory()
        self._stirred = True
        #: whether it is known how Longhorn is, be it that it cannot be reached
        self._polled = False
        #: how runs ended since the last digest, or the start
        self._ends: Counter[Outcome] = Counter()
        self._since = self._digested = clock.now()

    def __call__(self, event: Event) -> None:
        """Take note that something has happened."""
        if isinstance(event, Polled):
            self._polled = True
        if isinstance(event, Moved) and event.after.finished:
            self._stirred = True
            if event.after.outcome is not None:
                self._ends[event.after.outcome] += 1

    async def run(self, done: asyncio.Event) -> None:
        """Look and tell until `done`."""
        await self._remember()
        async with sending(self._boxes):
            looked = self._clock.monotonic() - SELDOM
            while not done.is_set():
                if self._stirred or self._clock.monotonic() - looked >= SELDOM:
                    self._stirred, looked = False, self._clock.monotonic()
                    await self._look_safely()
                await self._clock.wait(done, OFTEN)
            await self._look_safely()

    async def _look_safely(self) -> None:
        try:
            await self._look()
        except Exception:  # noqa: BLE001 -- who only tells must not stop a run that gives a volume back
            self._log.exception("a look for what to tell met a defect", action="defect")

    async def _look(self) -> None:
        found = await self._aside(self._see)
        if found is None:
            return
        report, news, notices = found
        self._memory = news.memory
        for notice in notices:
            self._put(notice)
        await self._note(news.dropped)
        due = self._habits.digest_due(report.at)
        if due is not None and self._digested < due:
            ends, since = self._ends, self._since
            self._ends, self._since, self._digested = Counter(), report.at, report.at
            self._put(await self._aside(sight.digest, report, ends, since))

    def _see(self) -> tuple[Report, News, list[Notice]] | None:
        """What is new, with thousands of volumes off the loop; None before Longhorn was polled.

        While it could not be reached yet nobody knows what is there, but the digest says that.
        """
        report = self._report()
        if report.longhorn.last_poll is not None:
            return report, *sight.notices(report, self._memory, wants=self._wants)
        return (report, News(memory=self._memory), []) if self._polled else None

    def _wants(self, kind: Kind, policy: str) -> bool:
        if not policy:
            return True
        known = self._policies().get(policy)
        return known is not None and kind in known.notify

    def _put(self, notice: Notice) -> None:
        for box in self._boxes:
            box.put(notice)

    def _sender(self, send: Callable[[Letter], Awaitable[None]]) -> Callable[[Sequence[Notice]], Awaitable[None]]:
        async def sent(notices: Sequence[Notice]) -> None:
            await send(letter(self._habits.instance, notices))

        return sent

    async def _delivered(self, notices: Sequence[Notice]) -> None:
        await self._note([notice.about for notice in notices])

    async def _remember(self) -> None:
        """Read what was told before this start."""
        try:
            notes = await self._offload(self._journal.notes, _NOTES, Told)
        except JournalError as error:
            self._grumble(error)
            return
        told = {Key(kind=note.kind, policy=note.policy, volume=note.volume): note.at for note in notes.values()}
        self._digested = told.pop(Key(kind=Kind.DIGEST), self._digested)
        self._memory = Memory(told=told)

    async def _note(self, keys: Iterable[Key]) -> None:
        """Write down of each trouble whether it counts as told now."""
        now = {**self._memory.told, Key(kind=Kind.DIGEST): self._digested}
        changes = {
            f"{key.kind}/{key.policy}/{key.volume}": Told(
                kind=key.kind, policy=key.policy, volume=key.volume, at=now[key]
            )
            if key in now
            else None
            for key in keys
        }
        if not changes:
            return
        try:
            await self._offload(self._journal.note, _NOTES, changes)
        except JournalError as error:
            self._grumble(error)

    def _grumble(self, error: JournalError) -> None:
        text = f"what people were told is not remembered, so that a restart may tell it again: {error}"
        self._log.warning(text, action="notify.forgotten", reason=str(error))
