"""Tells open pages that something has changed, as server-sent events: never what, only that it is worth asking again.

What can be seen has a version. Events of the engine say that it may have changed; then, at most once a second, it is
looked whether it has. That takes at most a tenth of one core, whatever the report costs. It is looked more seldom while
nobody listens: then it keeps what reports are made of warm, so that whoever comes first does not wait for ten thousand
rows. Listeners are few, and each hears for a limited time; a browser comes back by itself.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace

from lhbackupd.engine.events import Event
from lhbackupd.surface.report import Report

#: listeners at once
LISTENERS = 16
#: seconds between two looks, without a word, and of one stream; real ones: they are for networks and browsers
LOOK, QUIET, LONGEST = 1.0, 15.0, 900.0
#: a look is followed by a rest of so many times as long, and of so many while nobody listens
_REST, _UNHEARD = 10.0, 100.0
#: seconds that this longer rest takes at most: what took long, all rows anew, is seldom as long again
UNHEARD_MOST = 10.0

_NO_TIME = datetime.min.replace(tzinfo=UTC)


def seen(report: Report) -> Report:
    """What a report shows, whenever it was made: equal for two that show the same."""
    return replace(
        report,
        at=_NO_TIME,
        daemon=replace(report.daemon, last_turn=_NO_TIME),
        longhorn=replace(report.longhorn, last_poll=None, poll_seconds=0.0),
    )


class Shown(NamedTuple):
    """A report, and the version of what it shows."""

    report: Report
    version: str


class Versions:
    """Gives reports their versions: another one than that of the report before, if it shows something else.

    Reports are compared and not digested: of 10,000 rows nearly all are the same objects in two of them.
    """

    def __init__(self) -> None:
        #: a daemon that has been started again says none of the versions that it said before
        self._series = secrets.token_hex(4)
        self._seen: Report | None = None
        self._number = 0

    def __call__(self, report: Report) -> Shown:
        """To be called with one report after the other."""
        found = seen(report)
        if found != self._seen:
            self._seen, self._number = found, self._number + 1
        return Shown(report, f"{self._series}-{self._number}")


class Changes:
    """Who listens, and what version they know.

    `version` is called through `thread`, which leaves the loop free. It is that of what there is to see when it is
    asked for, or later: something that was kept from before the last event would hide it.
    """

    def __init__(
        self, *, version: Callable[[], str], thread: Callable[[Callable[[], str]], Awaitable[str]] = asyncio.to_thread
    ) -> None:
        self._version = version
        self._thread = thread
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._dirty = asyncio.Event()
        #: set while anybody listens
        self._heard = asyncio.Event()
        self._said = ""
        self._closed = False

    def __call__(self, _event: Event) -> None:
        """An event of the engine: something may have changed."""
        self._dirty.set()

    @property
    def full(self) -> bool:
        """Whether nobody else may listen now."""
        return self._closed or len(self._listeners) >= LISTENERS

    async def run(self, stop: asyncio.Event) -> None:
        """Look for changes until `stop`, and end all streams then."""
        looking = asyncio.create_task(self._look())
        try:
            await stop.wait()
        finally:
            looking.cancel()
            self._closed = True
            self._tell(None)

    async def _look(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._once()
            except Exception:  # noqa: BLE001 -- of a report that cannot be made whoever asks for a page is told
                await asyncio.sleep(LOOK)

    async def _once(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        if (version := await self._thread(self._version)) != self._said:
            self._said = version
            self._tell(version)
        took = loop.time() - begun
        rest = max(LOOK, _REST * took)
        await asyncio.sleep(rest)
        with suppress(TimeoutError):  # whoever comes meanwhile ends what is left of the longer rest
            async with asyncio.timeout(min(_UNHEARD * took, UNHEARD_MOST) - rest):
                await self._heard.wait()

    def _tell(self, version: str | None) -> None:
        for queue in self._listeners:
            # who has not taken the last word gets this one in its place
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(version)

    async def stream(self) -> AsyncIterator[bytes]:
        """What one listener hears: the version now, each one that follows, and something at least every 15 s."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners.add(queue)
        self._heard.set()
        try:
            yield _changed(await self._thread(self._version))
            loop = asyncio.get_running_loop()
            end = loop.time() + LONGEST
            while not self._closed and loop.time() < end:
                try:
                    version = await asyncio.wait_for(queue.get(), QUIET)
                except TimeoutError:
                    yield b": still there\n\n"
                    continue
                if version is None:
                    return
                yield _changed(version)
        finally:
            self._listeners.discard(queue)
            if not self._listeners:
                self._heard.clear()


def _changed(version: str) -> bytes:
    return f"event: changed\ndata: {version}\n\n".encode()
