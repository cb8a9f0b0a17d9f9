"""Longhorn's own recurring job beside ours: seconds per volume and slot, and attach cycles.

The simulated Longhorn runs the job natively, on its cron, as the recordings show it. Both get as many volumes with as
much new data, and as many at a time, on the same cluster, one after the other: a changed round and an unchanged one.
"""

from dataclasses import dataclass

from benchmarks.account import Hold, holds, makespan
from benchmarks.row import Kind, Row
from benchmarks.stage import CYCLE, Stage, stage

#: what was recorded of a genuine Longhorn manager: seconds per volume and slot
RECORDED = 20.0
_JOB = "nightly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    volumes: int
    slots: int
    speed: float
    #: the most that ours may take of what the job takes, changed and unchanged
    ratios: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """One round: seconds per volume and slot, and attach cycles per volume."""

    seconds: float
    cycles: float


FULL = Size(volumes=6, slots=2, speed=4.0, ratios=(0.8, 0.3))
SMOKE = Size(volumes=2, slots=2, speed=10.0, ratios=(0.95, 0.45))


async def measure(size: Size) -> list[Row]:
    """Row 3: the ratio of ours to the job, for changed and for unchanged volumes."""
    async with stage(nodes=size.volumes, speed=size.speed) as made:
        theirs = await made.volumes("job-", size.volumes)
        await made.volumes("pvc-", size.volumes)
        for volume in theirs:
            body = {"name": _JOB, "isGroup": False}
            await made.call("POST", f"/v1/volumes/{volume}?action=recurringJobAdd", body)
        native = [await _native(made, size), await _native(made, size)]
        policies = {"due": "pvc-*"}
        async with made.daemon(made.configure(policies, cluster=size.slots)):
            cron = made.soon(again=size.volumes / size.slots * CYCLE)
            made.configure(policies, cluster=size.slots, cron=cron)
            made.reload()
            ours = [await _ours(made, size), await _ours(made, size)]
    rounds = zip(("changed", "unchanged"), ours, native, size.ratios, strict=True)
    return [row for name, our, their, ratio in rounds for row in _rows(name, our, their, ratio, size)]


async def _native(made: Stage, size: Size) -> _Round:
    """One run of the job, at the next full minute."""
    since = len(made.ledger.entries)
    job = {"name": _JOB, "task": "backup", "cron": made.soon(lead=0.2), "retain": 7, "concurrency": size.slots}
    await made.call("POST", "/v1/recurringjobs", {**job, "groups": [], "labels": {}})
    await made.wait(1, "job-ended", since=since)
    await made.call("DELETE", f"/v1/recurringjobs/{_JOB}")
    entries = made.ledger.entries[since:]
    seconds = next(entry["seconds"] for entry in entries if entry["kind"] == "job-ended")
    attached = sum(entry["kind"] == "attached" for entry in entries)
    return _Round(seconds=seconds * size.slots / size.volumes, cycles=attached / size.volumes)


async def _ours(made: Stage, size: Size) -> _Round:
    since = len(made.ledger.entries)
    await made.wait(size.volumes, "detached", "pvc-", since=since)
    found: tuple[Hold, ...] = holds(made.ledger.entries[since:], prefix="lhbackupd:")
    cycles = sum(hold.cycles for hold in found) / len(found)
    return _Round(seconds=makespan(found) * size.slots / size.volumes, cycles=cycles)


def _rows(name: str, ours: _Round, native: _Round, ratio: float, size: Size) -> list[Row]:
    return [
        Row(
            name=f"native-{name}",
            what=f"{name} volume, per volume and slot",
            unit="s",
            value=round(ours.seconds, 3),
            than=f"Longhorn's own recurring job ({native.cycles:.0f} attach cycles)",
            beside=round(native.seconds, 3),
            bound=round(native.seconds * ratio, 3),
            kind=Kind.RATIO,
            speed=size.speed,
            count=size.volumes,
            note=f"{size.volumes} volumes, {size.slots} at a time, {ours.cycles:.0f} attach cycle",
        ),
        Row(
            name=f"native-recorded-{name}",
            what="  the yardstick's distance from the recording",
            unit="s",
            value=round(abs(native.seconds - RECORDED), 3),
            than="recorded of a genuine Longhorn manager",
            beside=RECORDED,
            bound=RECORDED / 10,
            kind=Kind.RATIO,
            speed=size.speed,
            count=size.volumes,
        ),
    ]
