"""Where it is measured: a simulated Longhorn, and a daemon that works on it.

There are two kinds, and `benchmarks.theatre` opens them. In `benchmarks.process` both are processes of their own,
started as a user starts them, over real HTTP on loopback. In `benchmarks.virtual` they share a process, and time is
virtual. Journal, log and configuration lie in a directory that is removed in the end.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any, ClassVar

import httpx

from lhbackupd.clock import Clock

SETTING = "allow-recurring-job-while-volume-detached"
MIB = 1024 * 1024

#: seconds that one volume's cycle surely takes less than
CYCLE = 18.0

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
class Stage(ABC):
    """A simulated Longhorn, and whoever works on it."""

    #: seconds of the loop's time between two looks at the ledger
    look: ClassVar[float] = 0.2

    http: httpx.AsyncClient
    folder: Path
    #: the one that Longhorn and daemon were given
    clock: Clock
    ledger: Ledger

    @property
    def url(self) -> str:
        return str(self.http.base_url).rstrip("/")

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
        found = 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    new = (await self.ledger.read())[since:]
                    since += len(new)
                    found += sum(e["kind"] == kind and e.get("volume", "").startswith(prefix) for e in new)
                    if found >= count:
                        return
                    await asyncio.sleep(self.look)
        except TimeoutError:
            raise BenchmarkError(f"{seconds:.0f} s went by without {count} entries {kind}\n{self.tail()}") from None

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

    @abstractmethod
    def daemon(self, config: Path) -> AbstractAsyncContextManager[None]:
        """The daemon, from when it has listed the volumes until it has given everything back."""

    @abstractmethod
    def reload(self) -> None:
        """Have the daemon read its configuration again."""

    @abstractmethod
    def tail(self) -> str:
        """The end of what the daemon said of itself, for whoever has to find out why nothing happened."""
