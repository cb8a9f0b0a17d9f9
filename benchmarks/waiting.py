"""Workloads that ask for a volume in the middle of its backup, under `on_workload = "yield"`.

Pods ask one after the other, every other one on the node where the volume is attached. What counts is the time from
the pod's ticket to when no ticket of ours, nor one of Longhorn's for our backup, is there any more. Beside it stands
what the pod would wait for without that: the rest of the backup.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.account import lets_go
from benchmarks.row import Kind, Row
from benchmarks.theatre import stage

#: seconds from when a workload asks until we have let go: of half of them, and of all
USUAL, MOST = 1.5, 3.0
#: seconds that each backup would take
_BACKUP = 600.0
#: real seconds between two pods: not in step with anything of ours
_BETWEEN = 0.73


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    volumes: int
    speed: float = 1.0


FULL = Size(volumes=20)
SMOKE = Size(volumes=4)


async def measure(size: Size) -> list[Row]:
    """Row 7: how soon a volume is let go."""
    async with stage(nodes=size.volumes, speed=size.speed) as made:
        volumes = await made.volumes("pvc-", size.volumes)
        for volume in volumes:
            await made.call("POST", f"/sim/volumes/{volume}/timing", {"backup": _BACKUP})
        policies = {"due": "pvc-*"}
        extra = 'on_workload = "yield"'
        async with made.daemon(made.configure(policies, cluster=size.volumes, extra=extra)):
            made.configure(policies, cluster=size.volumes, cron=made.soon(), extra=extra)
            made.reload()
            await made.wait(size.volumes, "backup-started", "pvc-")
            nodes = _attached(await made.ledger.read())
            names = sorted(set(nodes.values()))
            for number, volume in enumerate(volumes):
                node = nodes[volume] if number % 2 else names[(names.index(nodes[volume]) + 1) % len(names)]
                pod = {"name": f"{volume}-0", "namespace": "shop", "volume": volume, "node": node}
                await made.call("POST", "/sim/pods", pod)
                await asyncio.sleep(_BETWEEN)
            await made.wait(size.volumes, "pod-running", "pvc-")
            found = lets_go(await made.ledger.read())
    return _rows(found, size)


def _attached(entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The node on which each volume is attached."""
    return {entry["volume"]: entry["node"] for entry in entries if entry["kind"] == "attached"}


def _rows(found: Mapping[str, float], size: Size) -> list[Row]:
    what = 'workload asks in the middle of a backup, on_workload = "yield": until we have let go'
    than = "the backup, which it would wait for"
    values = (
        ("yield-median", what, median(found.values()), USUAL),
        ("yield-most", "  at most", max(found.values()), MOST),
    )
    return [
        Row(
            name=name,
            what=words,
            unit="s",
            value=round(value, 3),
            than=than,
            beside=_BACKUP,
            bound=bound,
            kind=Kind.ABSOLUTE,
            speed=size.speed,
            count=len(found),
        )
        for name, words, value, bound in values
    ]
