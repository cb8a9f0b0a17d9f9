"""The engine on a simulated Longhorn, in one process and in virtual time.

Nothing is replaced but time, the network's sockets and the worker thread: the daemon's own assembly talks through its
own client to the simulated Longhorn's own application. Tests count from the simulator's ledger.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import httpx
import looptime

from lhbackupd.assembly import Engine, assemble
from lhbackupd.clock import Clock
from lhbackupd.config import Config, load
from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.engine.events import Event, Moved, Tell
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.longhorn.request import Exchange
from lhbackupd.simulator.cluster import Cluster
from lhbackupd.simulator.server import application
from lhbackupd.surface.health import unready
from lhbackupd.surface.status import Sources

START = datetime(2026, 3, 2, 1, 58, tzinfo=UTC)
SETTING = "allow-recurring-job-while-volume-detached"
MIB = 1024 * 1024

T = TypeVar("T")

_MEMORY = Path("/dev/shm")


def passing() -> TemporaryDirectory[str]:
    """A folder for a journal of which no commit has to survive: in memory, where there is a place for that."""
    return TemporaryDirectory(prefix="lhbackupd-", dir=_MEMORY if _MEMORY.is_dir() else None)


def played(play: Callable[[Path], Coroutine[Any, Any, T]]) -> T:
    """Play something in virtual time outside the tests; it is given a folder that is removed afterwards."""
    with passing() as folder, asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        return runner.run(play(Path(folder)))


class LoopClock:
    """The event loop's own time, which looptime makes virtual (and lets begin anew between fixture and test)."""

    speed = 1.0
    sleep, wait = Clock.sleep, Clock.wait

    def __init__(self) -> None:
        self._seen = self._gone = 0.0
        #: by how many seconds somebody has set the daemon's wall clock; Longhorn's goes on as it was
        self.set_by = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic() + self.set_by)

    def monotonic(self) -> float:
        time = asyncio.get_running_loop().time()
        self._gone += max(0.0, time - self._seen) if self._gone else 1.0
        self._seen = time
        return self._gone

    def spent(self) -> float:
        return 0.0  # to compute takes no time here


async def inline(function: Callable[..., Any], /, *arguments: Any) -> Any:
    """The worker thread's part, played on the loop: a thread would wait in real time."""
    return function(*arguments)


class Pieces(httpx.AsyncBaseTransport):
    """Hands answers over in pieces, as they come from a socket: the client reads long lists so."""

    SIZE = 65536

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        whole = await answer.aread()
        pieces = (whole[start : start + self.SIZE] for start in range(0, len(whole), self.SIZE))
        return httpx.Response(answer.status_code, headers=answer.headers, content=_given(pieces))


async def _given(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class Guillotine(httpx.AsyncBaseTransport):
    """Lets a number of requests about runs pass; the next one is never answered, heard by Longhorn or not."""

    def __init__(self, inner: httpx.AsyncBaseTransport, *, passing: int, heard: bool) -> None:
        self._inner, self._left, self._heard = inner, passing, heard
        self.fallen = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        polls = request.method == "GET" and request.url.path.count("/") < 3
        if polls or "/settings/" in request.url.path or "/schemas/" in request.url.path:
            return await self._inner.handle_async_request(request)
        self._left -= 1
        if self._left >= 0:
            return await self._inner.handle_async_request(request)
        if self._heard:
            await self._inner.handle_async_request(request)
        self.fallen.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets that event")


class Rig:
    """A simulated cluster, and the engines that were started on it."""

    def __init__(self, folder: Path, *, nodes: int = 3, seed: int = 0) -> None:
        self.folder = folder
        self.clock = LoopClock()
        self.cluster = Cluster(self.clock, nodes=nodes, seed=seed)
        transport = httpx.ASGITransport(application(self.cluster))
        self.transport: httpx.AsyncBaseTransport = Pieces(transport)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://longhorn")
        self.events: list[Event] = []
        #: who hears of events; where there are too many to be kept, somebody else than the list
        self.tell: Tell = self.events.append
        #: who is told of requests
        self.observe: Callable[[Exchange], None] | None = None

    async def call(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.http.request(method, path, json=body)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None

    async def allow(self, value: bool = True) -> None:
        await self.call("PUT", f"/v1/settings/{SETTING}", {"value": str(value).lower()})

    async def volume(self, name: str, *, data: int = 0, replicas: int = 2, **more: object) -> None:
        """A detached volume that holds `data` bytes."""
        await self.call(
            "POST", "/v1/volumes", {"name": name, "size": str(64 * MIB), "numberOfReplicas": replicas, **more}
        )
        await self.clock.sleep(3)
        if data:
            await self.call("POST", f"/sim/volumes/{name}/prefill", {"bytes": data})

    async def shows(self, name: str) -> Any:
        return await self.call("GET", f"/v1/volumes/{name}")

    async def backups(self, volume: str) -> list[Any]:
        found = await self.call("POST", f"/v1/backupvolumes/{volume}?action=backupListByVolume", {"name": volume})
        return found["data"] or []

    async def ledger(self, kind: str = "", volume: str = "") -> list[Any]:
        entries = (await self.call("GET", "/sim/ledger"))["entries"]
        return [e for e in entries if kind in ("", e["kind"]) and volume in ("", e.get("volume"))]

    def config(self, text: str = "", **policy: str) -> Config:
        """A configuration with one policy, due every two minutes, unless `text` says otherwise."""
        path = self.folder / "config.toml"
        lines = {"name": '"often"', "cron": '"*/2 * * * *"', **policy}
        body = text or "[[policy]]\n" + "\n".join(f"{key} = {value}" for key, value in lines.items())
        path.write_text(body)
        return load(path, {"LHBACKUPD_STATE__URL": f"sqlite:///{self.folder}/state.db"})

    async def assembled(self, config: Config) -> Engine:
        """An engine on this cluster and this folder's journal, not started."""
        longhorn = Longhorn(url="http://longhorn", transport=self.transport, observe=self.observe, offload=inline)
        return await assemble(
            config, clock=self.clock, longhorn=longhorn, offload=inline, compute=inline, tell=self.tell
        )

    def sources(self, engine: Engine) -> Sources:
        """What the reports of an engine of this rig are made from."""
        return Sources(
            keeper=engine.keeper,
            inventory=engine.inventory,
            scheduler=engine.scheduler,
            clock=self.clock,  # type: ignore[arg-type]
            origin=engine.origin,
            url="http://longhorn",
            version="0.1.0",
            started=START,
            unready=partial(unready, keeper=engine.keeper, clock=self.clock),
        )

    @asynccontextmanager
    async def daemon(self, config: Config) -> AsyncIterator[Engine]:
        """An engine that runs until the block is left, and then gives everything back."""
        engine = await self.assembled(config)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(engine.inventory.run(stop))
            tasks.create_task(engine.audit.run(stop))
            tasks.create_task(engine.keeper.run())
            try:
                yield engine
            finally:
                stop.set()
                engine.keeper.stop()
        engine.journal.close()

    async def killed(self, config: Config, when: Awaitable[object]) -> None:
        """An engine that runs until `when` and then is no more, as after SIGKILL: nothing is given back."""
        engine = await self.assembled(config)
        tasks = [
            asyncio.create_task(engine.inventory.run(asyncio.Event())),
            asyncio.create_task(engine.keeper.run()),
        ]
        await when
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        engine.journal.close()

    def runs(self, volume: str = "") -> list[Run]:
        """Runs that have finished, oldest first."""
        ended = [e.after for e in self.events if isinstance(e, Moved) and e.after.finished]
        return [run for run in ended if volume in ("", run.volume)]

    def outcomes(self, volume: str = "") -> list[Outcome]:
        return [run.outcome for run in self.runs(volume) if run.outcome]

    async def until(self, condition: Callable[[], bool], seconds: float = 600) -> None:
        """Wait for a condition, at most so long."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 -- virtual time: nothing is waited for in earnest
                await asyncio.sleep(0.25)

    async def finished(self, count: int, volume: str = "", seconds: float = 900) -> list[Run]:
        await self.until(lambda: len(self.runs(volume)) >= count, seconds)
        return self.runs(volume)

    def phase(self, phase: Phase, volume: str = "") -> bool:
        """Whether some run has entered a phase."""
        return any(
            isinstance(e, Moved) and e.after.phase is phase and volume in ("", e.after.volume) for e in self.events
        )
