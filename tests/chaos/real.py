"""A storm of processes: the daemon as it is shipped, over real HTTP, killed by real signals."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from lhbackupd.clock import Clock
from lhbackupd.core.model import Run
from lhbackupd.core.protection import Protection
from tests.e2e.processes import Process, until
from tests.e2e.simulated import Simulated

from .storm import config
from .virtual import read

#: seconds of the simulated cluster that pass in a second
SPEED = 15.0
#: seconds that a daemon may take to stop; Longhorn may be gone, so long as that fault lasts
_STOPS = 60.0
_LIMIT = 7 * 86400.0


class RealStage:
    """See `storm.Stage`. `module` is what is run as the daemon, by `python -m`."""

    #: processes share cores with others
    notice = timedelta(seconds=8 * SPEED)

    def __init__(self, folder: Path, clock: Clock, longhorn: Simulated, module: tuple[str, ...]) -> None:
        self._folder = folder
        self._clock = clock
        self._longhorn = longhorn
        self._module = module
        self._process: Process | None = None
        self._began = clock.now()
        self.lives: list[tuple[datetime, datetime]] = []
        self.missed: dict[str, int] = {}
        self.defects: list[str] = []

    def now(self) -> datetime:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    async def call(self, method: str, path: str, body: object = None) -> Any:
        try:
            answer = await self._longhorn.http.request(method, path, json=body)
            return answer.json() if answer.status_code < 300 and answer.content else None
        except (httpx.RequestError, ValueError):
            return None

    async def configure(self, *, never: bool) -> None:
        text = config(url=self._longhorn.url, folder=self._folder, never=never)
        (self._folder / "config.toml").write_text(text)
        if self._process is not None:
            self._process.signal(signal.SIGHUP)

    async def start(self) -> None:
        path, clock = str(self._folder / "config.toml"), f"{self._clock.speed}@{self._clock.epoch}"
        self._process = process = await Process.start(
            "daemon", "run", "--config", path, "--clock", clock, environ={}, module=self._module, limit=_LIMIT
        )

        async def speaks() -> bool:
            return bool(process.lines) or process.code is not None

        await until("the daemon to say something", speaks, seconds=60)
        self._began = self.now()

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._gone()

    async def term(self) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGTERM)
            await self._gone()

    async def _gone(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        try:
            code = await process.ended(_STOPS)
        except AssertionError as error:
            self.defects.append(str(error))
            code = -signal.SIGKILL
        await process.close()
        self.lives.append((self._began, self.now()))
        if code not in {0, -signal.SIGKILL, -signal.SIGTERM}:
            self.defects.append(f"exit code {code}: {' / '.join(process.lines[-5:])[-800:]}")
        for record in process.records():
            if record.get("action") == "schedule.missed":
                self.missed[record["run"]] = record["count"]
            if record.get("action") == "defect":
                self.defects.append(str(record)[:800])

    async def journal(self) -> tuple[tuple[Run, ...], tuple[Protection, ...]]:
        return await asyncio.to_thread(read, self._folder)

    async def close(self) -> None:
        await self.kill()


@asynccontextmanager
async def real(folder: Path, module: tuple[str, ...] = ("lhbackupd",)) -> AsyncIterator[RealStage]:
    """A stage of two processes, which have ended when the block is left."""
    clock = Clock.parse(str(SPEED))
    async with Simulated.run(clock, limit=_LIMIT) as longhorn:
        stage = RealStage(folder, clock, longhorn, module)
        try:
            yield stage
        finally:
            await stage.close()
