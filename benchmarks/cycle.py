"""One volume: how long lhbackupd holds it, in how many attach cycles, with how many requests.

Beside it stands T, Longhorn's own part: the same sequence by a client that does nothing but look. Both work on the same
simulated cluster one after the other, each volume on a node of its own; the ledger measures both alike.
"""

import asyncio
from dataclasses import dataclass
from statistics import median

from benchmarks import bare
from benchmarks.account import Hold, holds, requests_of_runs
from benchmarks.row import Kind, Row
from benchmarks.stage import CYCLE, MIB, Stage
from benchmarks.theatre import stage

#: how much longer than T a volume may be held, in seconds
MARGIN = 0.5
#: requests per backup besides one per second over the run
REQUESTS = 12
#: real seconds of quiet after the last volume is detached, in which the runs are closed and old backups looked for
_QUIET = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    volumes: int
    #: how many lhbackupd may hold at a time (`limits.cluster`); the default is 4
    at_once: int = 4
    #: what sets the rows' names apart from those of another size
    suffix: str = ""
    speed: float = 1.0
    #: what a held volume's ratio to T may be on a clock that runs faster, where every request counts `speed` times
    ratios: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """What one round over all volumes took."""

    ours: tuple[Hold, ...]
    theirs: tuple[Hold, ...]
    #: requests that the runs made
    requests: int


#: how many volumes the bare client sees to at a time: so few that its looks do not slow Longhorn's part down
_THEIRS = 4

FULL = Size(volumes=20)
#: all of them in lockstep: what twenty runs cost one another in one process
BURST = Size(volumes=20, at_once=20, suffix="-burst")
SMOKE = Size(volumes=4, speed=10.0, ratios=(1.35, 1.5))


async def measure(size: Size) -> list[Row]:
    """Rows 1, 2 and 4: a changed volume, an unchanged one, and what both cost in requests."""
    async with stage(nodes=size.volumes, speed=size.speed) as made:
        theirs = await made.volumes("bare-", size.volumes)
        await made.volumes("pvc-", size.volumes)
        await bare.back_up_all(made, theirs, at_once=_THEIRS)
        await bare.back_up_all(made, theirs, at_once=_THEIRS, unchanged=True)
        yardstick = holds(await made.ledger.read(), prefix=bare.PREFIX)
        policies = {"due": "pvc-*"}
        async with made.daemon(made.configure(policies, cluster=size.at_once)):
            # the unchanged round is due when the changed one is surely over
            cron = made.soon(again=size.volumes / size.at_once * CYCLE)
            made.configure(policies, cluster=size.at_once, cron=cron)
            made.reload()
            changed = await _round(made, size, yardstick[: size.volumes])
            unchanged = await _round(made, size, yardstick[size.volumes :])
    names = (
        ("changed", f"changed volume ({8 * MIB // MIB} MiB of new data), held attached"),
        ("unchanged", "unchanged volume, held attached"),
    )
    rows = [
        row
        for number, ((name, what), took) in enumerate(zip(names, (changed, unchanged), strict=True))
        for row in _rows(name, what, took, size, size.ratios[number] if size.ratios else None)
    ]
    return sorted(rows, key=lambda row: row.name.startswith("requests"))


async def _round(made: Stage, size: Size, theirs: tuple[Hold, ...]) -> _Round:
    """Wait for the daemon's next round over all volumes."""
    await made.call("POST", "/sim/requests/reset")
    since = len(made.ledger.entries)
    await made.wait(size.volumes, "detached", "pvc-", since=since)
    await asyncio.sleep(_QUIET)
    counted = (await made.call("GET", "/sim/requests"))["requests"]
    ours = holds((await made.ledger.read())[since:], prefix="lhbackupd:")
    return _Round(ours=ours, theirs=theirs, requests=requests_of_runs(counted))


def _rows(name: str, what: str, took: _Round, size: Size, ratio: float | None) -> list[Row]:
    held, t = median(h.seconds for h in took.ours), median(h.seconds for h in took.theirs)
    spread = f"{min(h.seconds for h in took.ours):.2f} to {max(h.seconds for h in took.ours):.2f} s"
    per_run = took.requests / len(took.ours)
    return [
        Row(
            name=f"held-{name}{size.suffix}",
            what=what,
            unit="s",
            value=round(held, 3),
            than="T, a bare client that looks every 50 ms",
            beside=round(t, 3),
            bound=round(t * ratio if ratio else t + MARGIN, 3),
            # seconds at the clock's real speed; on a faster one the ratio is what is judged
            kind=Kind.RATIO if ratio else Kind.ABSOLUTE,
            speed=size.speed,
            count=len(took.ours),
            note=f"median, {size.at_once} at a time; {spread}",
        ),
        Row(
            name=f"cycles-{name}{size.suffix}",
            what="  attach cycles per run, at most",
            unit="",
            value=max(h.cycles for h in took.ours),
            than="the bare client",
            beside=max(h.cycles for h in took.theirs),
            bound=1,
            kind=Kind.COUNT,
            speed=size.speed,
            count=len(took.ours),
        ),
        Row(
            name=f"requests-{name}{size.suffix}",
            what=f"requests per run, {name} volume",
            unit="",
            value=round(per_run, 1),
            than="the bound without the second-by-second part",
            beside=REQUESTS,
            bound=round(REQUESTS + held, 1),
            kind=Kind.COUNT,
            speed=size.speed,
            count=len(took.ours),
            note=f"all but the inventory's polls; {per_run - held:.1f} besides 1 per second",
        ),
    ]
