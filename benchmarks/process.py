"""The simulated Longhorn and the daemon as processes of their own, over real HTTP on loopback.

Both are started as a user starts them. The daemon is stopped with SIGTERM, and must say that no volume is held by it
any more.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from typing_extensions import override

from benchmarks.stage import SETTING, BenchmarkError, Ledger, Stage
from lhbackupd.clock import Clock

#: real seconds that a process has to start, and to end
_PATIENCE = 60.0


@dataclass(slots=True)
class Processes(Stage):
    """Two processes; the daemon's only while it runs."""

    running: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> Path:
        """Where the daemon's output goes."""
        return self.folder / "daemon.log"

    @property
    def pid(self) -> int:
        """The daemon's process."""
        assert self.running is not None
        return self.running.pid

    @override
    def tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-20:]) if self.log.exists() else ""

    @override
    def reload(self) -> None:
        assert self.running is not None
        self.running.send_signal(signal.SIGHUP)

    @asynccontextmanager
    @override
    async def daemon(
        self, config: Path, *, module: str = "lhbackupd", words: tuple[str, ...] = ("run",)
    ) -> AsyncIterator[None]:
        command = ("-m", module, *words, "--config", str(config), "--clock", _words(self.clock))
        with self.log.open("w") as log:
            process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=log, stderr=log)
            self.running = process
            try:
                await self._listed()
                yield
            finally:
                code = await _end(process)
        if code != 0:
            raise BenchmarkError(f"the daemon ended with code {code}\n{self.tail()}")

    async def _listed(self) -> None:
        """Wait until the daemon has polled and has had a moment to write down its schedules."""
        await self.call("POST", "/sim/requests/reset")
        async with asyncio.timeout(_PATIENCE):
            while True:
                if "GET /v1/backuptargets" in (await self.call("GET", "/sim/requests"))["requests"]:
                    return
                await asyncio.sleep(self.look)


@asynccontextmanager
async def stage(*, nodes: int, speed: float = 1.0) -> AsyncIterator[Processes]:
    """A simulated Longhorn in a process of its own, with the setting on."""
    clock = Clock.parse(str(speed))
    command = ("-m", "lhbackupd", "simulate", "--port", "0", "--nodes", str(nodes), "--clock", _words(clock))
    with TemporaryDirectory(prefix="lhbackupd-") as folder:
        process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(_PATIENCE):
                url = (await process.stdout.readline()).decode().split()[-1]
            async with httpx.AsyncClient(base_url=url, timeout=60.0, trust_env=False) as http:
                made = Processes(http=http, folder=Path(folder), clock=clock, ledger=Ledger(http))
                await made.call("PUT", f"/v1/settings/{SETTING}", {"value": "true"})
                yield made
        finally:
            await _end(process)


def _words(clock: Clock) -> str:
    return f"{clock.speed}@{clock.epoch}"


async def _end(process: asyncio.subprocess.Process) -> int:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_PATIENCE):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()
