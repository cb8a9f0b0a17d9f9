"""The daemon with a stopwatch beside it: `python -m benchmarks.monitored --config FILE --clock SPEED`.

A task in the daemon's own event loop asks to be woken every 5 ms of real time and notes how late that was: whatever
keeps the loop from doing so keeps it from answering probes and giving volumes back, too. At the end, one JSON line on
standard output says the worst of it and the most memory that the process ever used.
"""

import asyncio
import json
import resource
import sys
import time
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


async def watch(late: list[tuple[float, float]]) -> None:
    """Note how late each tick was, and when that was since the first one, until cancelled; seconds of real time."""
    start = before = time.perf_counter()
    while True:
        await asyncio.sleep(TICK)
        after = time.perf_counter()
        late.append((max(0.0, after - before - TICK), after - start))
        before = after


def report(late: list[tuple[float, float]]) -> dict[str, Any]:
    """The figures: stalls in milliseconds, memory in bytes. `late` is not empty after `START`."""
    ordered = sorted(tick for tick in late if tick[1] > START)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "ticks": len(ordered),
        "max_ms": round(ordered[-1][0] * 1000, 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)][0] * 1000, 2),
        "start_ms": round(max((ms for ms, at in late if at <= START), default=0.0) * 1000, 2),
        "worst": [{"ms": round(ms * 1000, 1), "at": round(at, 2)} for ms, at in reversed(ordered[-_WORST:])],
        "peak_rss": peak,
        "cpu_seconds": round(time.process_time(), 2),
        "seconds": round(late[-1][1], 1),
    }


async def _run(config: Config, path: Path, clock: Clock) -> int:
    late: list[tuple[float, float]] = []
    watching = asyncio.create_task(watch(late))
    try:
        return await Daemon(config=config, clock=clock, reread=lambda: load(path)).run()
    finally:
        watching.cancel()
        print(json.dumps(report(late)), flush=True)


@click.command()
@config_option
@clock_option
def command(config_path: Path, clock: Clock) -> None:
    config = read_config(config_path)
    configure(form=config.log.format, level=config.log.level, stream=sys.stdout, now=clock.now)
    sys.exit(uvloop.run(_run(config, config_path, clock)))


if __name__ == "__main__":
    command()
