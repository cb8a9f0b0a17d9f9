"""The daemon with a stopwatch beside it: `python -m benchmarks.monitored --config FILE --clock SPEED`.

A task in the daemon's own event loop asks to be woken every 5 ms of real time and notes how late that was: whatever
keeps the loop from doing so keeps it from answering probes and giving volumes back, too. On a machine with other work
the loop's thread also has to wait for a processor, which nothing in it can help: the kernel says for how long
(`/proc/thread-self/schedstat`, second figure), and without that time a tick's lateness is the process's own. At the
end, one JSON line on standard output says the worst of it, the longest garbage collection, which stops all threads, and
the most memory that the process ever used.
"""

import asyncio
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import uvloop

from lhbackupd.cli.options import clock_option, config_option, read_config
from lhbackupd.clock import Clock
from lhbackupd.config import Config, load
from lhbackupd.daemon import Daemon
from lhbackupd.surface.logs import configure

#: seconds between two ticks
TICK = 0.005
#: real seconds in which the process starts: it reads certificates and opens its journal before it serves anybody
START = 1.0
#: how many of the longest stalls are named
_WORST = 10
_SCHEDSTAT = "/proc/thread-self/schedstat"


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick; seconds of real time."""

    #: when it came, since the first one
    at: float
    late: float
    #: for how long of that the thread waited for a processor
    queued: float

    @property
    def own(self) -> float:
        """How late the process itself made it."""
        return max(0.0, self.late - self.queued)


@contextmanager
def _queued() -> Iterator[Callable[[], float]]:
    """Seconds that this thread has waited for a processor so far; 0 where the kernel does not say.

    The file stays open: to open it for each tick took 3 % of a core, which looked like the daemon's own.
    """
    try:
        file = os.open(_SCHEDSTAT, os.O_RDONLY)
    except OSError:
        yield lambda: 0.0
        return
    try:
        yield lambda: int(os.pread(file, 128, 0).split()[1]) / 1e9
    finally:
        os.close(file)


async def watch(ticks: list[Tick]) -> None:
    """Note every tick, until cancelled."""
    with _queued() as waits:
        start = before = time.perf_counter()
        waited = waits()
        while True:
            await asyncio.sleep(TICK)
            after, queued = time.perf_counter(), waits()
            ticks.append(Tick(after - start, max(0.0, after - before - TICK), queued - waited))
            before, waited = after, queued


def time_collections() -> list[float]:
    """How long each garbage collection from now on took, in seconds, as they come."""
    begun, took = 0.0, list[float]()

    def told(phase: str, _info: object) -> None:
        nonlocal begun
        if phase == "start":
            begun = time.perf_counter()
        else:
            took.append(time.perf_counter() - begun)

    gc.callbacks.append(told)
    return took


def figures(log: Path) -> dict[str, Any]:
    """What the monitored daemon said in the last line of its log."""
    found: dict[str, Any] = json.loads(log.read_text().splitlines()[-1])
    return found


def report(ticks: list[Tick], collections: Sequence[float] = ()) -> dict[str, Any]:
    """The figures: stalls in milliseconds, memory in bytes. `ticks` go on after `START`."""
    steady = [tick for tick in ticks if tick.at > START]
    own = sorted(tick.own for tick in steady)
    worst = sorted(steady, key=lambda tick: tick.own)[-_WORST:]
    return {
        "ticks": len(steady),
        "max_ms": _ms(own[-1]),
        "p99_ms": _ms(own[int(len(own) * 0.99)]),
        "p50_ms": _ms(own[len(own) // 2]),
        "late_ms": _ms(max(tick.late for tick in steady)),
        "start_ms": _ms(max((tick.own for tick in ticks if tick.at <= START), default=0.0)),
        "worst": [
            {"ms": _ms(tick.own), "late_ms": _ms(tick.late), "at": round(tick.at, 2)} for tick in reversed(worst)
        ],
        "gc_ms": _ms(max(collections, default=0.0)),
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "cpu_seconds": round(time.process_time(), 2),
        "seconds": round(ticks[-1].at, 1),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


async def _run(config: Config, path: Path, clock: Clock) -> int:
    ticks: list[Tick] = []
    collections = time_collections()
    watching = asyncio.create_task(watch(ticks))
    try:
        return await Daemon(config=config, clock=clock, reread=lambda: load(path)).run()
    finally:
        watching.cancel()
        print(json.dumps(report(ticks, collections)), flush=True)


@click.command()
@config_option
@clock_option
def command(config_path: Path, clock: Clock) -> None:
    config = read_config(config_path)
    configure(form=config.log.format, level=config.log.level, stream=sys.stdout, now=clock.now)
    sys.exit(uvloop.run(_run(config, config_path, clock)))


if __name__ == "__main__":
    command()
