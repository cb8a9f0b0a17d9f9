"""Where it is measured: a simulated Longhorn and a daemon, each a process of its own, over real HTTP on loopback.

Both are started as a user starts them. The daemon's journal, log and configuration lie in a directory that is removed
in the end; the daemon is stopped with SIGTERM, and must say that no volume is held by it any more.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from lhbackupd.clock import Clock

SETTING = "allow-recurring-job-while-volume-detached"
MIB = 1024 * 1024

#: seconds that one volume's cycle surely takes less than
CYCLE = 18.0
#: real seconds between two looks at the ledger
_LOOK = 0.2
#: real seconds that a process has to start, and to end
_PATIENCE = 60.0

_CONFIG = """
[longhorn]
url = "{url}"
poll = "{poll}"
[state]
url = "sqlite:///{folder}/state.db"
[limits]
cluster = {cluster}
per_node = {per_node}
per_target = {cluster}
[http]
listen = "127.0.0.1:0"
[control]
socket = "{folder}/control.sock"
[log]
format = "json"
"""
_POLICY = """
[[policy]]
name = "{name}"
cron = "{cron}"
match = {{ name = ["{volumes}"] }}
keep = {{ last = 7 }}
{extra}
"""


#: a cron line that is not due while anything is measured
NEVER = "0 0 29 2 *"


class BenchmarkError(Exception):
    """Something that should be measured did not happen; the text says what, with the end of the daemon's log."""


@dataclass(slots=True)
class Ledger:
    """The simulator's ledger, read on from where it was left."""

    http: httpx.AsyncClient
    entries: list[dict[str, Any]] = field(default_factory=list)

    async def read(self) -> list[dict[str, Any]]:
        """All entries up to now."""
        answer = await self.http.get("/sim/ledger", params={"since": len(self.entries)})
        self.entries += answer.raise_for_status().json()["entries"]
        return self.entries


@dataclass(slots=True)
class Stage:
    """A simulated Longhorn, and whoever works on it."""

    http: httpx.AsyncClient
    folder: Path
    #: the one that both processes were given
    clock: Clock
    ledger: Ledger
    _daemon: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return str(self.http.base_url).rstrip("/")

    @property
    def log(self) -> Path:
        """Where the daemon's output goes."""
        return self.folder / "daemon.log"

    @property
    def pid(self) -> int:
        """The daemon's process."""
        assert self._daemon is not None
        return self._daemon.pid

    def soon(self, lead: float = 1.0, again: float | None = None) -> str:
        """A cron line for the first full minute that is at least `lead` real seconds away, and no other of this hour.

        With `again` it comes a second time, at the first full minute at least so many seconds of the clock later.
        """
        first = self.clock.now() + timedelta(seconds=lead * self.clock.speed + 60)
        times = [first] if again is None else [first, first + timedelta(minutes=ceil(again / 60))]
        minutes = ",".join(str(time.minute) for time in times)
        return f"{minutes} * * * *"

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """A request that must succeed; its answer's JSON."""
        answer = await self.http.request(method, path, json=body)
        if answer.is_error:
            raise BenchmarkError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.content else None

    async def volumes(self, prefix: str, count: int, *, replicas: int = 1, data: int = 8 * MIB) -> list[str]:
        """Detached volumes that hold `data` bytes each, their replicas spread evenly over the nodes."""
        body = {"count": count, "prefix": prefix, "replicas": replicas, "prefill": data, "size": str(1024 * MIB)}
        made = await self.call("POST", "/sim/volumes", body)
        return list(made["created"])

    async def wait(self, count: int, kind: str, prefix: str = "", *, since: int = 0, seconds: float = 600.0) -> None:
        """Wait until the ledger has `count` entries of a kind about volumes of that prefix, after entry `since`."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = (await self.ledger.read())[since:]
                    if sum(e["kind"] == kind and e.get("volume", "").startswith(prefix) for e in found) >= count:
                        return
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            raise BenchmarkError(f"{seconds:.0f} s went by without {count} entries {kind}\n{self._log()}") from None

    async def _listed(self) -> None:
        """Wait until the daemon has polled and has had a moment to write down its schedules."""
        await self.call("POST", "/sim/requests/reset")
        async with asyncio.timeout(_PATIENCE):
            while True:
                if "GET /v1/backuptargets" in (await self.call("GET", "/sim/requests"))["requests"]:
                    return
                await asyncio.sleep(_LOOK)

    def _log(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-20:]) if self.log.exists() else ""

    def configure(
        self,
        policies: Mapping[str, str],
        *,
        cluster: int,
        per_node: int = 1,
        cron: str = NEVER,
        poll: str = "15s",
        extra: str = "",
    ) -> Path:
        """Write a configuration; `policies` maps names to the volumes they match, and `cron` is that of `due`.

        `extra` are lines for every policy.
        """
        text = _CONFIG.format(url=self.url, folder=self.folder, cluster=cluster, per_node=per_node, poll=poll)
        for name, volumes in policies.items():
            text += _POLICY.format(name=name, cron=cron if name == "due" else NEVER, volumes=volumes, extra=extra)
        path = self.folder / "config.toml"
        path.write_text(text)
        return path

    def reload(self) -> None:
        """Have the daemon read its configuration again."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGHUP)

    @asynccontextmanager
    async def daemon(
        self, config: Path, *, module: str = "lhbackupd", words: tuple[str, ...] = ("run",)
    ) -> AsyncIterator[None]:
        """The daemon, from when it has listed the volumes until it has given everything back."""
        command = ("-m", module, *words, "--config", str(config), "--clock", _words(self.clock))
        with self.log.open("w") as log:
            process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=log, stderr=log)
            self._daemon = process
            try:
                await self._listed()
                yield
            finally:
                code = await _end(process)
        if code != 0:
            raise BenchmarkError(f"the daemon ended with code {code}\n{self._log()}")


@asynccontextmanager
async def stage(*, nodes: int, speed: float = 1.0) -> AsyncIterator[Stage]:
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
                made = Stage(http=http, folder=Path(folder), clock=clock, ledger=Ledger(http))
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
