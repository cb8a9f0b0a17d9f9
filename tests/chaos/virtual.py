"""A storm in one process and in virtual time: an hour of it takes seconds, and its every step replays.

The daemon is the real assembly of `tests.rig`; killed, its tasks are cancelled and its journal closed as they stand.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from lhbackupd.assembly import Engine, rules_of
from lhbackupd.config import Config, load
from lhbackupd.core.model import Run
from lhbackupd.core.protection import Protection
from lhbackupd.engine.events import Defect, Event, Missed
from lhbackupd.engine.journal import Journal
from tests.rig import Rig

from .judge import Evidence
from .plan import plan
from .storm import Storm, config


class Wire(httpx.AsyncBaseTransport):
    """Turns a cut connection into what a client of a real one meets."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._inner.handle_async_request(request)
        except ConnectionResetError as error:
            raise httpx.ReadError(str(error), request=request) from error


class VirtualStage:
    """See `storm.Stage`."""

    #: the loop turns every 10 s; requests that hang hold it up for 30 s each
    notice = timedelta(seconds=100)

    def __init__(self, folder: Path) -> None:
        self._rig = Rig(folder)
        self._rig.transport = Wire(self._rig.transport)
        self._folder = folder
        self._never = False
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._engine: Engine | None = None
        self._began: datetime | None = None
        self.lives: list[tuple[datetime, datetime]] = []
        self.missed: dict[str, int] = {}
        self.defects: list[str] = []

    def now(self) -> datetime:
        return self._rig.clock.now()

    async def sleep(self, seconds: float) -> None:
        await self._rig.clock.sleep(seconds)

    async def call(self, method: str, path: str, body: object = None) -> Any:
        try:
            answer = await self._rig.http.request(method, path, json=body, timeout=60)
        except (httpx.RequestError, ConnectionResetError):
            return None
        try:
            return answer.json() if answer.status_code < 300 and answer.content else None
        except ValueError:
            return None

    def _note(self, event: Event) -> None:
        if isinstance(event, Missed):
            self.missed[event.run.id] = event.count
        if isinstance(event, Defect):
            self.defects.append(f"{f'run {event.run.id}' if event.run else 'the keeper'}: {event.error!r}")

    def _config(self) -> Config:
        path = self._folder / "config.toml"
        path.write_text(config(url="http://longhorn", folder=self._folder, never=self._never))
        return load(path, {})

    async def configure(self, *, never: bool) -> None:
        self._never = never
        if self._engine is not None:
            self._engine.keeper.rules = rules_of(self._config())
            self._engine.keeper.wake()

    async def start(self) -> None:
        self._engine = engine = await self._rig.assembled(self._config())
        self._rig.events.clear()
        self._stop = asyncio.Event()
        self._began = self.now()
        self._tasks = [
            asyncio.create_task(engine.inventory.run(self._stop)),
            asyncio.create_task(engine.audit.run(self._stop)),
            asyncio.create_task(engine.keeper.run()),
            asyncio.create_task(self._listen(engine)),
        ]

    async def _listen(self, engine: Engine) -> None:
        del engine
        while True:
            self._drain()
            await asyncio.sleep(1)

    def _drain(self) -> None:
        for event in self._rig.events:
            self._note(event)
        self._rig.events.clear()

    async def kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._gone()

    async def term(self) -> None:
        engine = self._engine
        assert engine is not None
        self._stop.set()
        engine.keeper.stop()
        await asyncio.wait(self._tasks[:2], timeout=240)
        await engine.longhorn.aclose()
        await self.kill()

    async def _gone(self) -> None:
        if self._engine is None or self._began is None:
            return
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):  # noqa: TID251 -- all have ended
            if isinstance(result, Exception):
                raise result
        self._drain()
        self._engine.journal.close()
        self.lives.append((self._began, self.now()))
        self._engine, self._began = None, None

    async def journal(self) -> tuple[tuple[Run, ...], tuple[Protection, ...]]:
        return read(self._folder)

    async def close(self) -> None:
        if self._engine is not None:
            await self.kill()
        await self._rig.http.aclose()


def read(folder: Path) -> tuple[tuple[Run, ...], tuple[Protection, ...]]:
    """Everything that a journal holds."""
    journal = Journal(url=f"sqlite:///{folder}/state.db")
    try:
        return (*journal.unfinished(), *journal.history(limit=100_000)), journal.protections()
    finally:
        journal.close()


@asynccontextmanager
async def virtual(folder: Path) -> AsyncIterator[VirtualStage]:
    """A stage in this process; the loop's time must be virtual."""
    stage = VirtualStage(folder)
    try:
        yield stage
    finally:
        await stage.close()


async def played(folder: Path, *, seed: int, seconds: float, mix: Mapping[str, float]) -> tuple[Evidence, list[str]]:
    """The evidence of one storm in this process, and what the daemon met of defects of its own."""
    async with virtual(folder) as stage:
        return await Storm(stage).play(plan(seed, seconds, mix=mix), seconds), stage.defects
