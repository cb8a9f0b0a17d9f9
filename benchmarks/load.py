"""Many volumes: what listing and scheduling them costs the process, while some are backed up.

All volumes are listed with every poll and have a schedule each; some are due every minute besides. Measured in the
daemon's own process (`benchmarks.monitored`), from its first second to its last, the first list and the stop included.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from benchmarks.monitored import Tick, figures, report, watch
from benchmarks.process import stage
from benchmarks.row import Kind, Row

#: the longest that the event loop may be kept from its other work, in milliseconds
STALL = 50.0
#: the most memory that the process may ever use, in bytes
RSS = 150 * 1000 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    volumes: int
    due: int
    #: seconds of the clock
    seconds: float
    speed: float = 1.0


FULL = Size(volumes=1000, due=40, seconds=150.0)
SMOKE = Size(volumes=200, due=8, seconds=80.0, speed=10.0)
_NODES = 10


async def measure(size: Size) -> list[Row]:
    """Row 6: stalls of the loop and memory of the process."""
    async with stage(nodes=_NODES, speed=size.speed) as made:
        await made.volumes("pvc-idle-", size.volumes - size.due, replicas=3)
        await made.volumes("pvc-due-", size.due, replicas=3)
        config = made.configure({"due": "pvc-due-*", "all": "pvc-*"}, cluster=_NODES, cron="* * * * *")
        idle: list[Tick] = []
        async with made.daemon(config, module="benchmarks.monitored", words=()):
            # this process has nothing to do meanwhile: how late its own loop is, is the machine's doing
            watching = asyncio.create_task(watch(idle))
            await asyncio.sleep(size.seconds / size.speed)
            # on a slow machine that was too short for a round of backups
            await made.wait(size.due, "backup-completed", "pvc-due-")
            watching.cancel()
        backups = sum(entry["kind"] == "backup-completed" for entry in await made.ledger.read())
        found = figures(made.log)
    return _rows(found, report(idle), size, backups)


def _rows(found: dict[str, Any], idle: dict[str, Any], size: Size, backups: int) -> list[Row]:
    what = f"{size.volumes} volumes polled every 15 s, {size.due} of them due every minute"
    busy = found["cpu_seconds"] / found["seconds"]
    stall = Row(
        name="stall-max",
        what=f"{what}: longest stall of the loop by the process itself",
        unit="ms",
        value=found["max_ms"],
        than="an idle loop on the same machine meanwhile",
        beside=idle["max_ms"],
        bound=STALL,
        kind=Kind.ABSOLUTE,
        speed=size.speed,
        count=found["ticks"],
        note=f"p50 {found['p50_ms']}, p99 {found['p99_ms']} ms, in the first second {found['start_ms']} ms; with "
        f"waits for a processor at most {found['late_ms']} ms (idle loop {idle['late_ms']} ms); {backups} backups; "
        f"{busy:.1%} of a core",
    )
    memory = Row(
        name="rss-peak",
        what="  peak memory (RSS)",
        unit="MB",
        value=round(found["peak_rss"] / 1e6, 1),
        bound=RSS / 1e6,
        kind=Kind.ABSOLUTE,
        speed=size.speed,
    )
    return [stall, memory]
