"""A stage for one test: the real daemon over real HTTP against the real simulated Longhorn, on one sped-up clock.

The stage starts and ends only its own processes. A due time is made by reloading the daemon with a cron expression for
one of the next minutes, so that a policy is due exactly once in a test; what became of its runs is read from the
journal, what Longhorn went through from the simulator's ledger.
"""

import asyncio
import contextlib
import json
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import httpx

from lhbackupd.clock import Clock
from lhbackupd.core.model import Outcome, Run
from lhbackupd.engine.journal import Journal
from tests.e2e.processes import Process, until
from tests.e2e.simulated import Simulated

#: seconds of the simulated cluster that pass in a second
SPEED = 60.0
#: seconds of the sped-up clock between a reload and the due time that it brings
LEAD = 20
#: seconds that a backup takes in which something is to happen
SLOW = 40.0
#: cron of a policy that waits to be due
NEVER = "0 0 29 2 *"

CONFIG = """\
[longhorn]
url = "{url}"
poll = "5s"
[state]
url = "sqlite:///{folder}/state.db"
[http]
listen = "127.0.0.1:0"
[control]
socket = "{folder}/control.sock"
[log]
format = "json"
level = "info"
"""


def policy(name: str = "once", cron: str = NEVER, **more: str) -> str:
    """A `[[policy]]`; values are written as TOML has them."""
    lines = {"name": f'"{name}"', "cron": f'"{cron}"', **more}
    return "[[policy]]\n" + "\n".join(f"{key} = {value}" for key, value in lines.items()) + "\n"


class Daemon:
    """The daemon's process, its configuration, and its journal."""

    def __init__(self, process: Process, folder: Path, clock: Clock, notices: socket.socket) -> None:
        self.process = process
        self._folder = folder
        self._clock = clock
        self._notices = notices
        self.journal = Journal(url=f"sqlite:///{folder}/state.db")

    async def noticed(self, text: str) -> None:
        """Wait until the service manager has been told `text`."""
        loop = asyncio.get_running_loop()
        told = ""
        try:
            async with asyncio.timeout(25):
                while text not in told and self.process.code is None:
                    told = (await loop.sock_recv(self._notices, 4096)).decode()
        except TimeoutError:
            raise AssertionError(f"the daemon has not told systemd {text}") from None

    async def reload(self, *policies: str, ends: str = "READY=1") -> None:
        """Put policies in force by SIGHUP."""
        write_config(self._folder, policies)
        await self.hup(ends)

    async def hup(self, ends: str = "READY=1") -> None:
        """Send SIGHUP, and wait until the daemon has read its configuration again."""
        self.process.signal(signal.SIGHUP)
        await self.noticed("RELOADING=1")
        await self.noticed(ends)

    async def due(self, *volumes: str, names: tuple[str, ...] = ("once",), **more: str) -> datetime:
        """Make policies due once for volumes, at one of the next minutes; returns when. Others are dropped."""
        while True:
            due = _next_minute(self._clock.now())
            await self.reload(*(policy(name, f"{due.minute} {due.hour} * * *", **more) for name in names))
            planned = [await self.planned(name, volume, due) for volume in volumes for name in names]
            if all(planned):
                return due

    async def planned(self, name: str, volume: str, due: datetime) -> bool:
        """Wait until a schedule is stored; whether it is due at `due`, and not a day later because that had passed."""
        day = timedelta(days=1).total_seconds()

        async def look() -> float:
            if any(run.due == due and run.volume == volume for run in self.runs(volume)):
                return due.timestamp()
            stored = self.schedules().get((name, volume), 0.0)
            return stored if stored in (due.timestamp(), due.timestamp() + day) else 0.0

        return await until(f"schedule {name}/{volume} at {due}", look) == due.timestamp()

    def schedules(self) -> dict[tuple[str, str], float]:
        """When each (policy, volume) is due next, in seconds since 1970."""
        with contextlib.closing(sqlite3.connect(self._folder / "state.db")) as connection:
            rows = connection.execute("SELECT id, next_run_time FROM apscheduler_jobs").fetchall()
        return {(key.partition("/")[0], key.partition("/")[2]): time for key, time in rows}

    def runs(self, volume: str = "") -> list[Run]:
        """All runs in the journal, in the order of their making."""
        known = {run.id: run for run in (*self.journal.unfinished(), *self.journal.history(limit=10_000))}
        runs = sorted(known.values(), key=lambda run: (run.due, run.queued_at, run.attempt))
        return [run for run in runs if volume in ("", run.volume)]

    async def finished(self, count: int = 1, volume: str = "") -> list[Run]:
        """Wait until `count` runs have finished, and none is under way; returns all."""

        async def look() -> list[Run] | None:
            runs = self.runs(volume)
            return runs if len(runs) >= count and all(run.finished for run in runs) else None

        return await until(f"{count} runs to finish", look)

    async def port(self) -> int:
        """Where it serves its pages."""
        found: int = json.loads(await self.process.says('"action": "listening"'))["port"]
        return found

    async def ready(self) -> bool:
        """Whether `/readyz` says yes."""
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"http://127.0.0.1:{await self.port()}/readyz")
        return answer.status_code == httpx.codes.OK

    async def finished_attempt(self, number: int, volume: str = "db") -> Run:
        """Wait until one attempt has finished, others may follow."""

        async def look() -> Run | None:
            return next((run for run in self.runs(volume) if run.attempt == number and run.finished), None)

        return await until(f"attempt {number} to finish", look)

    async def scheduled(self, volume: str, name: str = "once") -> None:
        """Wait until a volume has a schedule."""

        async def look() -> bool:
            return (name, volume) in self.schedules()

        await until(f"schedule {name}/{volume}", look)

    async def in_phase(self, phase: str, volume: str = "") -> Run:
        """Wait until a run is in a phase."""

        async def look() -> Run | None:
            return next((run for run in self.runs(volume) if run.phase == phase), None)

        return await until(f"a run to be {phase}", look)

    async def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        await self.process.ended()

    async def stop(self, seconds: float = 25.0) -> int:
        """SIGTERM; returns the exit code."""
        self.process.signal(signal.SIGTERM)
        return await self.process.ended(seconds)


def _next_minute(now: datetime) -> datetime:
    return (now + timedelta(seconds=LEAD + 60)).replace(second=0, microsecond=0)


def write_config(folder: Path, policies: tuple[str, ...], *, url: str = "", more: str = "") -> None:
    """Write the configuration with other policies, for a new daemon whole, with `more` tables."""
    path = folder / "config.toml"
    head = CONFIG.format(url=url, folder=folder) + more if url else path.read_text().partition("[[policy]]")[0]
    path.write_text(head + "".join(policies))


class Stage:
    """One simulated Longhorn, and the daemons that are started on it, one after another."""

    def __init__(self, folder: Path, clock: Clock, longhorn: Simulated, exits: AsyncExitStack) -> None:
        self.folder = folder
        self.clock = clock
        self.longhorn = longhorn
        self.processes = [longhorn.process]
        self._exits = exits

    async def daemon(self, *policies: str, ready: bool = True, url: str = "", more: str = "") -> Daemon:
        """Start a daemon with policies; without any, with those that it had, or one that is not due.

        `more`: tables of the first one's configuration.
        """
        if policies or not (self.folder / "config.toml").exists():
            write_config(self.folder, policies or (policy(),), url=url or self.longhorn.url, more=more)
        notices = self._exits.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        notices.setblocking(False)
        notices.bind("")  # the kernel picks an abstract name
        address = notices.getsockname().decode().replace("\0", "@")
        process = await Process.start(
            f"daemon {len(self.processes)}",
            *("run", "--config", str(self.folder / "config.toml")),
            *("--clock", f"{self.clock.speed}@{self.clock.epoch}"),
            environ={"NOTIFY_SOCKET": address},
        )
        self.processes.append(process)
        self._exits.push_async_callback(process.close)
        daemon = Daemon(process, self.folder, self.clock, notices)
        self._exits.callback(daemon.journal.close)
        if ready:
            await until("the daemon to be ready", lambda: _ready(daemon))
        return daemon

    async def another(self, *, port: int) -> Simulated:
        """A second simulated Longhorn."""
        longhorn = await self._exits.enter_async_context(Simulated.run(self.clock, port=port))
        self.processes.append(longhorn.process)
        return longhorn

    async def passes(self, moment: datetime) -> None:
        """Wait until the sped-up clock is past a moment."""

        async def look() -> bool:
            return self.clock.now() > moment

        await until(f"{moment}", look)

    def story(self) -> list[tuple[str, str]]:
        """What the processes said last, for a failed test."""
        said = {process.name: process.lines for process in self.processes}
        return [(name, "\n".join(lines[-100:])) for name, lines in said.items()]


async def _ready(daemon: Daemon) -> bool:
    assert daemon.process.code is None, f"the daemon ended with {daemon.process.code}"
    await daemon.noticed("READY=1")
    return True


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """A stage whose processes have ended when the block is left."""
    clock = Clock.parse(str(SPEED))
    async with AsyncExitStack() as exits:
        longhorn = await exits.enter_async_context(Simulated.run(clock))
        yield Stage(folder, clock, longhorn, exits)


async def backing_up(stage: Stage, *volumes: str, more: str = "") -> Daemon:
    """A daemon whose run has a slow backup under way, of the first of `volumes`, which is `db` without any.

    `more`: tables of its configuration.
    """
    names = volumes or ("db",)
    for volume in names:
        await stage.longhorn.slow_backups(volume, SLOW)
    daemon = await stage.daemon(more=more)
    await daemon.due(*names)
    await stage.longhorn.happens("backup-started", names[0])
    return daemon


def outcomes(runs: list[Run]) -> list[Outcome | None]:
    return [run.outcome for run in runs]
