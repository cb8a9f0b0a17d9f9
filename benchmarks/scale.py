"""Ten thousand volumes, a thousand of them due in a night, a hundred at once: the whole daemon as a process.

Its journal knows every volume from nights before. Measured are: how soon it knows them all after a start, what it costs
while nothing changes, a night, and the moment in which all others are due at once. People and Prometheus look at it in
all of these but the second; what they wait for is measured from outside. Time of the processor is the kernel's account.
"""

import asyncio
import os
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import msgspec

from benchmarks.account import holds, requests_of_runs
from benchmarks.monitored import figures
from benchmarks.process import Processes, stage
from benchmarks.row import Kind, Row
from benchmarks.stage import CYCLE, NEVER, BenchmarkError
from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.core.protection import after
from lhbackupd.engine.journal import Journal
from lhbackupd.engine.schema import PROTECTION

#: seconds from Longhorn's first answer until all volumes have their schedules
START = 5.0
#: seconds until all due schedules are in the journal
JOURNALED = 10.0
#: of the time of one core, while nothing happens
IDLE = 0.05
#: bytes of memory at most
RSS = 350e6
#: milliseconds that the loop may be kept from its other work, and that an answer may take
STALL, ANSWER = 50.0, 300.0
#: requests per backup besides one per second
REQUESTS = 12
#: what people and Prometheus ask for; the last two by `lhbackupd status` and `explain`
ASKED = ("", "volumes", "metrics", "status.json", "explain")
#: seconds between two askings for all of it
_EVERY = 5.0
#: in the line that the daemon logs once a run of the flood is written down
_QUEUED = "of all for volume pvc-idle-"
_POLICIES = {"due": "pvc-due-*", "all": "pvc-idle-*"}
_EXTRA = 'rpo = "26h"'
_YESTERDAY = timedelta(hours=20)
#: runs written into the journal at once
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    volumes: int
    due: int
    nodes: int
    per_node: int
    #: real seconds in which nothing happens
    idle: float
    speed: float = 1.0


FULL = Size(volumes=10_000, due=1_000, nodes=20, per_node=5, idle=150.0)
SMOKE = Size(volumes=300, due=20, nodes=5, per_node=2, idle=5.0, speed=10.0)


@dataclass(slots=True)
class _Found:
    """What was measured, in real seconds."""

    known: float = 0.0
    idle: float = 0.0
    night: float = 0.0
    #: requests of all runs, and seconds that they held volumes
    requests: int = 0
    held: float = 0.0
    runs: int = 0
    journaled: float = 0.0
    #: by what was asked for, milliseconds: in the night and the flood, and the very first ones after the start
    answers: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    first: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


async def measure(size: Size) -> list[Row]:
    """Rows about 10,000 volumes."""
    found = _Found()
    async with stage(nodes=size.nodes, speed=size.speed) as made:
        due = await made.volumes("pvc-due-", size.due, replicas=3)
        idle = await made.volumes("pvc-idle-", size.volumes - size.due, replicas=3)
        _remember(made.folder / "state.db", made.clock.now(), {"due": due, "all": idle})
        config = _configure(made, size)
        async with made.daemon(config):  # as it is: a stopwatch in it would take 2 % of a core
            found.known = await _known(made, size)
            await _idle(made, size, found)
        async with (
            made.daemon(config, module="benchmarks.monitored", words=()),
            httpx.AsyncClient(base_url=await _address(made), timeout=60.0, trust_env=False) as http,
        ):
            await _ready(http)
            for route in ASKED:  # all lines of a scrape are written, and all rows made: that is no night's business
                await _answer(http, route, due[0], found.first)
            await asyncio.sleep(size.idle / 5)
            async with asyncio.TaskGroup() as tasks:
                asking = tasks.create_task(_ask(http, found, explained=due[0]))
                await _night(made, size, found)
                await _flood(made, size, found)
                asking.cancel()
        return _rows(size, found, figures(made.log))


def _configure(made: Processes, size: Size, **crons: str) -> Path:
    """Write a configuration in which policies are due at these times, or else in about twelve hours."""
    path = made.configure(_POLICIES, cluster=size.nodes * size.per_node, per_node=size.per_node, extra=_EXTRA)
    later = f"0 {(made.clock.now().hour + 12) % 24} * * *"
    text = path.read_text()
    for policy in _POLICIES:
        text = text.replace(f'"{policy}"\ncron = "{NEVER}"', f'"{policy}"\ncron = "{crons.get(policy, later)}"')
    path.write_text(text)
    return path


def _remember(path: Path, now: datetime, volumes: dict[str, list[str]]) -> None:
    """A journal in which every volume was backed up yesterday."""
    journal = Journal(url=f"sqlite:///{path}")
    journal.open()
    at = now - _YESTERDAY
    runs = [
        Run(
            id=f"before-{policy}-{volume}", policy=policy, volume=volume, due=at, queued_at=at, started_at=at,
            finished_at=at, entered={Phase.ATTACHING.value: at}, phase=Phase.FINISHED, outcome=Outcome.COMPLETED,
            reason="completed: Longhorn lists the backup", new_bytes=2**23,
            protected_until=at,
        )
        for policy, some in volumes.items() for volume in some
    ]  # fmt: skip
    for start in range(0, len(runs), _BATCH):
        journal.enqueue(runs[start : start + _BATCH])
    words = [{"policy": r.policy, "volume": r.volume, "document": _text(after(None, r))} for r in runs]
    with journal.engine.begin() as connection:
        connection.execute(PROTECTION.insert(), words)
    journal.close()


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def _address(made: Processes) -> str:
    """Where the daemon can be asked."""
    async with asyncio.timeout(60.0):
        while not (lines := _logged(made, "listening")):  # noqa: ASYNC110 -- as well
            await asyncio.sleep(0.1)
    return f"http://127.0.0.1:{lines[0]['port']}"


def _logged(made: Processes, action: str) -> list[dict[str, object]]:
    """What the daemon has logged under this action."""
    lines = [line for line in made.log.read_text().splitlines() if f'"{action}"' in line]
    return [entry for entry in map(msgspec.json.decode, lines) if entry["action"] == action]


async def _known(made: Processes, size: Size) -> float:
    """Seconds until all volumes have schedules, from when the daemon began to ask Longhorn: it has just listened."""
    async with asyncio.timeout(120.0):
        while not (added := _logged(made, "schedule.added")):  # noqa: ASYNC110 -- another process writes it
            await asyncio.sleep(0.05)
    began, known = (datetime.fromisoformat(str(line["timestamp"])) for line in (*_logged(made, "listening"), added[-1]))
    return (known - began).total_seconds() / size.speed


async def _ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(120.0):
        while (await http.get("/readyz")).is_error:  # noqa: ASYNC110 -- another process becomes it
            await asyncio.sleep(0.1)


async def _idle(made: Processes, size: Size, found: _Found) -> None:
    """What the daemon takes of a core while nothing happens, the first minutes after its start left out."""
    await asyncio.sleep(size.idle / 5)
    before, began = _processor(made.pid), time.monotonic()
    await asyncio.sleep(size.idle)
    found.idle = (_processor(made.pid) - before) / (time.monotonic() - began)


def _processor(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def _ask(http: httpx.AsyncClient, found: _Found, *, explained: str) -> None:
    """Ask for everything now and then, as pages and Prometheus do, until cancelled."""
    while True:
        for route in ASKED:
            await _answer(http, route, explained, found.answers)
            await asyncio.sleep(_EVERY / len(ASKED))


async def _answer(http: httpx.AsyncClient, route: str, explained: str, answers: defaultdict[str, list[float]]) -> None:
    began = time.monotonic()
    answer = await http.get(f"/explain/{explained}.json" if route == "explain" else f"/{route}")
    answers[route].append((time.monotonic() - began) * 1000)
    if answer.is_error:
        raise BenchmarkError(f"/{route}: {answer.status_code} {answer.text[:300]}")


async def _night(made: Processes, size: Size, found: _Found) -> None:
    """A thousand due at one moment, a hundred at once."""
    await made.call("POST", "/sim/requests/reset")
    since = len(await made.ledger.read())
    _configure(made, size, due=made.soon())
    made.reload()
    seconds = 60 + 4 * CYCLE * size.due / size.nodes / size.per_node
    await made.wait(size.due, "detached", "pvc-due-", since=since, seconds=seconds)
    await asyncio.sleep(2.0)
    ours = holds((await made.ledger.read())[since:], prefix="lhbackupd:")
    counted = (await made.call("GET", "/sim/requests"))["requests"]
    found.requests, found.runs, found.held = requests_of_runs(counted), len(ours), sum(one.seconds for one in ours)
    found.night = max(one.detached for one in ours) - min(one.asked for one in ours)


async def _flood(made: Processes, size: Size, found: _Found) -> None:
    """All others due in one minute, while nothing may start."""
    await _order(made, "pause", "--all")
    _configure(made, size, all=made.soon())
    made.reload()
    wanted = size.volumes - size.due
    seconds = 90.0 + 10 * JOURNALED
    async with asyncio.timeout(seconds):
        while made.log.read_text().count(_QUEUED) < wanted:  # noqa: ASYNC110 -- another process writes it
            await asyncio.sleep(1.0)
    last = [entry for entry in _logged(made, "run.queued") if entry["policy"] == "all"][-1]
    written = datetime.fromisoformat(str(last["timestamp"]))
    found.journaled = (written - written.replace(second=0, microsecond=0)).total_seconds() / size.speed
    await asyncio.sleep(size.idle / 6)  # so long they are looked at while they wait


async def _order(made: Processes, *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *("python", "-m", "lhbackupd", *words, "--config", str(made.folder / "config.toml")),
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait():
        raise BenchmarkError(f"lhbackupd {' '.join(words)} ended with {process.returncode}")


def _rows(size: Size, found: _Found, seen: dict[str, Any]) -> list[Row]:
    """One row per bound."""

    def row(name: str, what: str, value: float, bound: float, **more: Any) -> Row:
        kind = Kind.COUNT if name == "scale-requests" else Kind.ABSOLUTE
        return Row(name=name, what=what, value=round(value, 2), bound=bound, kind=kind, speed=size.speed, **more)

    each = found.requests / found.runs
    besides = each - found.held / found.runs
    slowest = {route: max(times) for route, times in found.answers.items()}
    said = ", ".join(f"/{route} {median(found.answers[route]):.0f} to {slowest[route]:.0f}" for route in ASKED)
    said += "; the first of all " + ", ".join(f"{found.first[route][0]:.0f}" for route in ASKED)
    worst = ", ".join(f"{one['ms']:.0f} at {one['at']:.0f} s" for one in seen["worst"][:5])
    stalls = (
        f"p50 {seen['p50_ms']}, p99 {seen['p99_ms']} ms; with waits for a processor {seen['late_ms']} ms; garbage "
        f"collection {seen['gc_ms']} ms; worst {worst}"
    )
    runs = f"{found.runs} runs in {found.night:.0f} s, each held {found.held / found.runs:.1f} s"
    at_once = size.nodes * size.per_node
    return [
        row(
            "scale-known",
            f"{size.volumes} volumes: from the first request to a schedule for each",
            found.known,
            START,
            unit="s",
        ),
        row("scale-idle", "  of a core while nothing changes", found.idle * 100, IDLE * 100, unit="%"),
        row(
            "scale-requests",
            f"  requests per run besides 1 per second, {size.due} due, {at_once} at once",
            besides,
            REQUESTS,
            unit="",
            note=runs,
        ),
        row(
            "scale-journaled",
            f"  {size.volumes - size.due} due in one minute: all written down",
            found.journaled,
            JOURNALED,
            unit="s",
        ),
        row(
            "scale-answer",
            "  longest answer of page, metrics and commands",
            max(slowest.values()),
            ANSWER,
            unit="ms",
            note=said,
        ),
        row(
            "scale-stall",
            "  longest stall of the loop by the process itself",
            seen["max_ms"],
            STALL,
            unit="ms",
            note=stalls,
        ),
        row("scale-rss", "  peak memory (RSS)", seen["peak_rss"] / 1e6, RSS / 1e6, unit="MB"),
    ]
