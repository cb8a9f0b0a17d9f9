"""The engine and the simulated Longhorn in one process and in virtual time, for nights that are long or large.

The daemon's own assembly talks through its own client to the simulated Longhorn's own application; there is no socket
between them, and to compute takes no time at all. So that a request is not free, each takes `LATENCY`, which is more
than one takes on loopback. Seconds in here say what waits and looks cost, not what processors do; counts are exact.
"""

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from typing_extensions import override

from benchmarks.row import Row
from benchmarks.stage import BenchmarkError, Ledger, Stage
from lhbackupd.assembly import Engine, rules_of
from lhbackupd.config import load
from lhbackupd.interpreter import considerate
from lhbackupd.surface.status import Recent
from tests.rig import Rig, passing, played

S = TypeVar("S")

#: seconds that every request of the daemon takes, there and back
LATENCY = 0.02
#: seconds that the daemon has to list the volumes and write down its schedules
_PATIENCE = 600.0


class Distant(httpx.AsyncBaseTransport):
    """The way to a server that is `LATENCY` away, and that answers in this very process."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        #: seconds of processor time that the server has taken
        self.spent = 0.0

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(LATENCY)
        # the application waits for nothing: nobody else runs until it has answered
        start = time.process_time()
        answer = await self._inner.handle_async_request(request)
        self.spent += time.process_time() - start
        return answer


@dataclass(slots=True)
class Virtual(Stage):
    """One process; the engine only while it runs."""

    look = 1.0

    rig: Rig
    way: Distant
    engine: Engine | None = None
    #: the last runs that have ended
    recent: Recent = field(default_factory=lambda: Recent(limit=20))

    @override
    def tail(self) -> str:
        return "\n".join(f"{run.volume}: {run.outcome} {run.reason}" for run in self.recent.runs)

    @override
    def reload(self) -> None:
        assert self.engine is not None
        self.engine.keeper.rules = rules_of(load(self.folder / "config.toml", {}))
        self.engine.keeper.wake()

    @asynccontextmanager
    @override
    async def daemon(self, config: Path) -> AsyncIterator[None]:
        with considerate():  # the daemon's process asks its interpreter for that
            async with self.rig.daemon(load(config, {})) as self.engine:
                try:
                    await self.rig.until(lambda: bool(self.engine and self.engine.scheduler.schedules), _PATIENCE)
                except TimeoutError:
                    raise BenchmarkError("the daemon has listed no volumes") from None
                yield


@asynccontextmanager
async def stage(*, nodes: int) -> AsyncIterator[Virtual]:
    """A simulated Longhorn in this process, with the setting on; wants a loop in virtual time, see `apart`."""
    with passing() as folder:
        rig = Rig(Path(folder), nodes=nodes)
        rig.transport = way = Distant(rig.transport)
        async with rig.http:
            await rig.allow()
            ledger = Ledger(rig.http)
            made = Virtual(http=rig.http, folder=rig.folder, clock=rig.clock, ledger=ledger, rig=rig, way=way)
            rig.tell = made.recent
            yield made


async def apart(measure: Callable[[S], Coroutine[Any, Any, list[Row]]], size: S) -> list[Row]:
    """What `measure` finds in a process of its own, on a loop in virtual time."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, _played, measure, size)


def _played(measure: Callable[[S], Coroutine[Any, Any, list[Row]]], size: S) -> list[Row]:
    return played(lambda _folder: measure(size))
