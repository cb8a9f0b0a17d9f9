"""From a hundred volumes to ten thousand: what rest and a night cost the daemon in processor time.

All volumes are listed with every poll and have a schedule, and a tenth of them is due in the night, which is the five
minutes in which all of that is done. Twice the volumes may cost twice the time, and a little more for what only large
sizes show, such as caches that no longer hold all. It is measured in one process and in virtual time, so that a busy
machine changes nothing about what is done; the simulated Longhorn's part is taken off. Of the daemon the engine is
measured: pages, metrics and sockets cost more besides in a process of its own.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from benchmarks import plot
from benchmarks.row import VIRTUAL, Kind, Row
from benchmarks.stage import BenchmarkError
from benchmarks.virtual import Virtual, stage

#: how much more than in proportion a larger size may cost
MARGIN = 1.25
#: minutes of rest that are measured, and those of a night
_REST, _NIGHT = 5, 5
_NODES, _PER_NODE = 20, 5
#: the share of the volumes that is due
_DUE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured: numbers of volumes, the smallest first."""

    volumes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one size costs, in seconds of processor time."""

    volumes: int
    #: a minute in which nothing is due
    rest: float
    #: the minutes in which all runs are done
    night: float


FULL = Size(volumes=(100, 1_000, 10_000))
SMOKE = Size(volumes=(100, 1_000))


async def measure(size: Size) -> list[Row]:
    """Processor time of a minute of rest and of a night, for each size."""
    costs = [await _cost(volumes) for volumes in size.volumes]
    return [*_rows("rest", "a minute of rest", costs), *_rows("night", "a night, a tenth due,", costs)]


async def _cost(volumes: int) -> Cost:
    due = volumes // _DUE
    async with stage(nodes=_NODES) as made:
        await made.volumes("pvc-idle-", volumes - due, replicas=3)
        await made.volumes("pvc-due-", due, replicas=3)
        policies = {"due": "pvc-due-*", "all": "pvc-idle-*"}
        config = made.configure(policies, cluster=_NODES * _PER_NODE, per_node=_PER_NODE, cron="30 * * * *")
        async with made.daemon(config):
            await made.clock.sleep(600)
            rest = await _spent(made, timedelta(minutes=_REST)) / _REST
            begins = made.clock.now().replace(minute=29, second=50)
            await made.clock.sleep((begins - made.clock.now()).total_seconds())
            night = await _spent(made, timedelta(minutes=_NIGHT))
        done = sum(entry["kind"] == "backup-completed" for entry in await made.ledger.read())
    if done != due:
        raise BenchmarkError(f"of {due} volumes that were due {done} were backed up\n{made.tail()}")
    return Cost(volumes=volumes, rest=rest, night=night)


async def _spent(made: Virtual, span: timedelta) -> float:
    """Seconds of processor time that the daemon takes in so much of the clock's time."""
    start = time.process_time() - made.way.spent
    await made.clock.sleep(span.total_seconds())
    return time.process_time() - made.way.spent - start


def _rows(name: str, what: str, costs: list[Cost]) -> Iterator[Row]:
    """One row per size, each but the first held to the one before it."""
    for before, cost in zip([None, *costs], costs, strict=False):
        value, less = getattr(cost, name) * 1000, before and getattr(before, name) * 1000
        times = cost.volumes / before.volumes if before else 1.0
        yield Row(
            name=f"growth-{name}-{cost.volumes}",
            what=f"processor time of {what} with {cost.volumes} volumes",
            unit="ms",
            value=round(value, 1),
            than=f"{before.volumes} volumes" if before else "",
            beside=less and round(less, 1),
            bound=less and round(less * times * MARGIN, 1),
            kind=Kind.RATIO if before else Kind.NONE,
            speed=VIRTUAL,
            count=cost.volumes,
            note=f"{value / less:.1f} times as much for {times:.0f} times the volumes" if less else "",
        )


def plotted(rows: Iterable[Row]) -> str:
    """An SVG of the rows that `measure` gave: processor time by number of volumes, on logarithmic scales."""
    rows = tuple(rows)
    lines = {
        words: [(row.count, row.value) for row in rows if row.name.startswith(f"growth-{name}-")]
        for name, words in (("rest", "a minute of rest"), ("night", "a night in which a tenth is due"))
    }
    return plot.logarithmic(lines, across="volumes", up="processor time of the daemon, ms")
