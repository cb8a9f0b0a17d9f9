"""Longhorn's own recurring job beside ours: seconds per volume and slot, and attach cycles.

The simulated Longhorn runs the job natively, on its cron, as the recordings show it. Both get as many volumes with as
much new data, and as many at a time, on the same cluster, one after the other: a changed round and an unchanged one.
"""

from dataclasses import dataclass

from benchmarks.account import Hold, holds, makespan
from benchmarks.row import VIRTUAL, Kind, Row
from benchmarks.stage import CYCLE, Stage
from benchmarks.theatre import stage

#: what was recorded of a genuine Longhorn manager: seconds per volume and slot, and attach cycles per volume
RECORDED, RECORDED_CYCLES = 20.0, 2.0
#: how far the simulated job may be from that for anything to be compared to it
NEAR = 0.1
#: the most that ours may take of what the job takes, changed and unchanged
RATIOS = (0.72, 0.27)
_JOB = "nightly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    volumes: int
    slots: int
    speed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One round over all volumes: seconds in all, and attach cycles in all."""

    seconds: float
    cycles: int


#: as recorded: six volumes, two at a time
FULL = Size(volumes=6, slots=2)
SMOKE = Size(volumes=6, slots=2, speed=VIRTUAL)


async def run(made: Stage, volumes: list[str], *, at_once: int, seconds: float = 600.0) -> Ran:
    """Longhorn's own job once over these volumes, at the next full minute; waited for so many `seconds`."""
    for volume in volumes:
        await made.call("POST", f"/v1/volumes/{volume}?action=recurringJobAdd", {"name": _JOB, "isGroup": False})
    since = len(await made.ledger.read())
    job = {"name": _JOB, "task": "backup", "cron": made.soon(lead=0.2), "retain": 7, "concurrency": at_once}
    await made.call("POST", "/v1/recurringjobs", {**job, "groups": [], "labels": {}})
    await made.wait(1, "job-ended", since=since, seconds=seconds)
    await made.call("DELETE", f"/v1/recurringjobs/{_JOB}")
    entries = made.ledger.entries[since:]
    took = next(entry["seconds"] for entry in entries if entry["kind"] == "job-ended")
    return Ran(seconds=took, cycles=sum(entry["kind"] == "attached" for entry in entries))


async def measure(size: Size) -> list[Row]:
    """Row 3: the ratio of ours to the job, for changed and for unchanged volumes."""
    async with stage(nodes=size.volumes, speed=size.speed) as made:
        theirs = await made.volumes("job-", size.volumes)
        await made.volumes("pvc-", size.volumes)
        native = [await run(made, theirs, at_once=size.slots), await run(made, theirs, at_once=size.slots)]
        policies = {"due": "pvc-*"}
        async with made.daemon(made.configure(policies, cluster=size.slots)):
            cron = made.soon(again=size.volumes / size.slots * CYCLE)
            made.configure(policies, cluster=size.slots, cron=cron)
            made.reload()
            ours = [await _ours(made, size), await _ours(made, size)]
    rounds = zip(("changed", "unchanged"), ours, native, RATIOS, strict=True)
    return [row for name, our, their, ratio in rounds for row in _rows(name, our, their, ratio, size)]


async def _ours(made: Stage, size: Size) -> Ran:
    since = len(made.ledger.entries)
    await made.wait(size.volumes, "detached", "pvc-", since=since)
    found: tuple[Hold, ...] = holds(made.ledger.entries[since:], prefix="lhbackupd:")
    return Ran(seconds=makespan(found), cycles=sum(hold.cycles for hold in found))


def _rows(name: str, ours: Ran, native: Ran, ratio: float, size: Size) -> list[Row]:
    our, their = (ran.seconds * size.slots / size.volumes for ran in (ours, native))
    cycles = native.cycles / size.volumes
    recorded = "recorded of a genuine Longhorn manager"
    return [
        Row(
            name=f"native-{name}",
            what=f"{name} volume, per volume and slot",
            unit="s",
            value=round(our, 3),
            than="Longhorn's own job",
            beside=round(their, 3),
            native=round(their, 3),
            bound=round(their * ratio, 3),
            kind=Kind.RATIO,
            speed=size.speed,
            count=size.volumes,
            note=f"ratio {our / their:.3f}; {size.slots} at a time; {ours.cycles / size.volumes:g} attach cycle",
        ),
        Row(
            name=f"native-recorded-{name}",
            what="  the job's distance from the recording",
            unit="s",
            value=round(abs(their - RECORDED), 3),
            than=recorded,
            beside=RECORDED,
            native=round(their, 3),
            bound=RECORDED * NEAR,
            kind=Kind.RATIO,
            speed=size.speed,
            count=size.volumes,
        ),
        Row(
            name=f"native-recorded-cycles-{name}",
            what="  the same of its attach cycles per volume",
            unit="",
            value=round(abs(cycles - RECORDED_CYCLES), 3),
            than=recorded,
            beside=RECORDED_CYCLES,
            native=cycles,
            bound=RECORDED_CYCLES * NEAR,
            kind=Kind.COUNT,
            speed=size.speed,
            count=size.volumes,
        ),
    ]
