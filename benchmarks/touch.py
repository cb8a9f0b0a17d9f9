"""Nights in which hardly anything has changed: how often volumes are attached only to be found unchanged.

Every volume is backed up once. Then nights go by, and before each other clients attach a few volumes, write, and detach
them. Without `no_touch` each night attaches every volume; with it those that somebody had, and those that are due for
an inspection all the same: over as many nights as `inspect_at_least` spans, each volume once. A "night" comes every
two hours, because days in between would only be waited for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from benchmarks import native
from benchmarks.account import holds
from benchmarks.row import VIRTUAL, Kind, Row
from benchmarks.stage import MIB, Stage
from benchmarks.theatre import stage
from lhbackupd.config.policy import Policy

#: how much of what changed and what was due may be attached
RATIO = 1.05
#: hours between two nights, and how many of them `inspect_at_least` spans
_EVERY, _SPAN = 2, 4
#: after a night has begun: when others write, with all runs long done
_WRITTEN = timedelta(minutes=90)
_PER_NODE = 5
_NO_TOUCH = f'no_touch = true\ninspect_at_least = "{_EVERY * _SPAN}h"\nrpo = "{3 * _EVERY * _SPAN}h"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    volumes: int
    nodes: int

    @property
    def changed(self) -> int:
        """Volumes that are written before each night: 2 %."""
        return self.volumes // 50

    @property
    def at_once(self) -> int:
        return self.nodes * _PER_NODE


FULL = Size(volumes=10_000, nodes=20)
SMOKE = Size(volumes=200, nodes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nights:
    """What came of the nights after the first one."""

    #: attach cycles of ours, per night
    cycles: float
    #: volumes that no night has attached
    left: int
    #: writes that no completed backup of their volume followed
    missed: int


async def measure(size: Size) -> list[Row]:
    """Attach cycles per night, without and with no-touch."""
    async with stage(nodes=size.nodes, speed=VIRTUAL) as made:
        volumes = await made.volumes("pvc-", size.volumes)
        plain = await _nights(made, volumes, size, number=1)
        job = await native.run(made, volumes, at_once=size.at_once, seconds=60.0 * size.volumes / size.nodes)
    count = partial(Row, unit="", kind=Kind.COUNT, speed=VIRTUAL, count=size.volumes, native=job.cycles)
    none = partial(count, bound=0, native=None)
    missed = partial(none, what="  writes that no backup followed")
    rows = [
        count(
            name="touch-cycles",
            what=f"{size.volumes} volumes, {size.changed} of them changed: attach cycles of a night",
            value=plain.cycles,
            than="one per volume",
            beside=size.volumes,
            bound=size.volumes,
        ),
        none(name="touch-left", what="  volumes that were left out", value=plain.left),
        missed(name="touch-missed", value=plain.missed),
    ]
    if "no_touch" in Policy.model_fields:
        async with stage(nodes=size.nodes, speed=VIRTUAL) as made:
            volumes = await made.volumes("pvc-", size.volumes)
            spared = await _nights(made, volumes, size, number=_SPAN, extra=_NO_TOUCH)
        least = size.changed + size.volumes / _SPAN
        rows += [
            count(
                name="no-touch-cycles",
                what="  with no_touch, in the mean of several nights",
                value=spared.cycles,
                than=f"changed, and due for inspection every {_SPAN} nights",
                beside=least,
                bound=round(least * RATIO, 1),
            ),
            missed(name="no-touch-missed", value=spared.missed),
        ]
    return rows


async def _nights(made: Stage, volumes: list[str], size: Size, *, number: int, extra: str = "") -> _Nights:
    """So many nights, after a first one in which all is backed up."""
    config = made.configure(
        {"due": "pvc-*"},
        cluster=size.at_once,
        per_node=_PER_NODE,
        cron=f"0 */{_EVERY} * * *",
        poll="5m",
        extra=extra,
    )
    written: list[str] = []
    async with made.daemon(config):
        await _until(made, _next(made.clock.now()) + _WRITTEN)
        since = len(await made.ledger.read())
        for night in range(number):
            for volume in volumes[night * size.changed : (night + 1) * size.changed]:
                body = {"bytes": MIB, "offset": 16 * MIB, "offline": True, "by": "another client"}
                await made.call("POST", f"/sim/volumes/{volume}/write", body)
                written.append(volume)
            await _until(made, _next(made.clock.now()) + _WRITTEN)
    entries = (await made.ledger.read())[since:]
    saved = {entry["volume"] for entry in entries if entry["kind"] == "backup-completed"}
    found = holds(entries, prefix="lhbackupd:")
    return _Nights(
        cycles=sum(hold.cycles for hold in found) / number,
        left=len(set(volumes) - {hold.volume for hold in found}),
        missed=len(set(written) - saved),
    )


def _next(now: datetime) -> datetime:
    """The beginning of the next night."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(hours=((now - midnight) // timedelta(hours=_EVERY) + 1) * _EVERY)


async def _until(made: Stage, moment: datetime) -> None:
    await made.clock.sleep((moment - made.clock.now()).total_seconds())
