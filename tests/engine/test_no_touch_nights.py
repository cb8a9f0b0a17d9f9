"""Nights of dozens of volumes: what is attached is what has changed and what is due for inspection, and little else."""

import asyncio
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from lhbackupd.assembly import Engine
from lhbackupd.core.model import Outcome
from lhbackupd.core.spread import offset
from tests.rig import MIB, START, Rig

#: a night an hour: volumes may be let alone for six, and there are so many nights after the first
NIGHT, LONGEST, NIGHTS = timedelta(hours=1), timedelta(hours=6), 12
VOLUMES = [f"vol-{number:02}" for number in range(30)]
CONFIG = """
[longhorn]
poll = "120s"
[limits]
cluster = 8
per_node = 4
[[policy]]
name = "nightly"
cron = "0 * * * *"
no_touch = true
inspect_at_least = "6h"
keep = { last = 2 }
"""


class Nights:
    """What others do with the volumes, and when lhbackupd had each."""

    def __init__(self, rig: Rig, engine: Engine) -> None:
        self.rig = rig
        self.engine = engine
        self.random = random.Random(7)
        #: when somebody used a volume, and left a trace of it
        self.used: dict[str, list[datetime]] = defaultdict(list)
        #: when somebody wrote to a volume and no trace of it was left
        self.hidden: dict[str, datetime] = {}

    async def pod(self, volume: str) -> None:
        """A pod uses the volume for some minutes."""
        self.used[volume].append(self.rig.clock.now())
        body = {
            "name": f"of-{volume}",
            "namespace": "shop",
            "volume": volume,
            "node": f"node-{self.random.randint(1, 3)}",
        }
        await self.rig.call("POST", "/sim/pods", body)
        await self.rig.clock.sleep(30)
        await self.rig.call("POST", f"/sim/volumes/{volume}/write", {"bytes": 65536, "offset": 32 * MIB, "by": "pod"})
        await self.rig.clock.sleep(self.random.uniform(60, 600))
        await self.rig.call("DELETE", f"/sim/pods/shop/of-{volume}")

    async def client(self, volume: str) -> None:
        """Another API client attaches, writes and detaches."""
        self.used[volume].append(self.rig.clock.now())
        await self.write(volume)

    async def write(self, volume: str) -> None:
        body = {"bytes": 65536, "offset": self.random.randrange(8, 60) * MIB, "offline": True, "by": "client"}
        await self.rig.call("POST", f"/sim/volumes/{volume}/write", body)

    async def unseen(self, volume: str) -> None:
        """A client does so between two polls, and Kubernetes drops its event."""
        last = self.engine.inventory.picture.at
        await self.rig.until(lambda: self.engine.inventory.picture.at != last)
        await self.rig.call("PUT", "/sim/timing", {"event_burst": 0})
        self.hidden[volume] = self.rig.clock.now()
        await self.write(volume)
        await self.rig.clock.sleep(10)
        await self.rig.call("PUT", "/sim/timing", {"event_burst": 25})

    async def day(self, number: int) -> None:
        """What happens between two nights."""
        some = self.random.sample([volume for volume in VOLUMES if volume not in self.hidden], 4)
        async with asyncio.TaskGroup() as tasks:
            for volume in some[:2]:
                tasks.create_task(self.pod(volume))
            await self.rig.clock.sleep(self.random.uniform(60, 600))
            await self.client(some[2])
            if number % 3 == 1:
                await self.unseen(some[3])

    async def attached(self) -> dict[str, list[datetime]]:
        """When lhbackupd got each volume, by the cluster's ledger."""
        found: dict[str, list[datetime]] = defaultdict(list)
        for entry in await self.rig.ledger("ticket-satisfied"):
            if entry["id"].startswith("lhbackupd:"):
                found[entry["volume"]].append(START + timedelta(seconds=entry["t"]))
        return found


def its_turn(volume: str, last: datetime, night: datetime) -> bool:
    """Whether an untouched volume is to be inspected that night, last inspected as it was."""
    first = datetime(2020, 1, 1, tzinfo=UTC) + offset("nightly", volume, LONGEST)
    turns = (night - first) // LONGEST - (last - first) // LONGEST
    return turns > 0 or night + NIGHT > last + LONGEST


@pytest.mark.looptime
@pytest.mark.timeout(240)
async def test_what_is_attached_is_what_has_changed_or_is_due_and_hidden_writes_are_found_and_counted(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lhbackupd.engine.keeper.TURN", 60.0)
    for volume in VOLUMES:
        await rig.call("POST", "/v1/volumes", {"name": volume, "size": str(64 * MIB), "numberOfReplicas": 2})
    await rig.clock.sleep(5)
    for volume in VOLUMES:
        await rig.call("POST", f"/sim/volumes/{volume}/prefill", {"bytes": MIB})
    start = START.replace(minute=0) + NIGHT
    async with rig.daemon(rig.config(CONFIG)) as engine:
        nights = Nights(rig, engine)
        for number in range(NIGHTS):
            await rig.clock.sleep((start + number * NIGHT + NIGHT / 3 - rig.clock.now()).total_seconds())
            await nights.day(number)
        await rig.clock.sleep((start + NIGHTS * NIGHT + NIGHT / 3 - rig.clock.now()).total_seconds())
    attached = await nights.attached()
    changed = due = 0
    for volume in VOLUMES:
        for night in (start + number * NIGHT for number in range(1, NIGHTS + 1)):
            last = max(moment for moment in attached[volume] if moment < night)
            if any(last < moment < night for moment in nights.used[volume]):
                changed += 1
            elif its_turn(volume, last, night):
                due += 1
    cycles = sum(moment >= start + NIGHT for moments in attached.values() for moment in moments)
    said = f"{cycles} attach cycles, {changed} changed, {due} due, {len(VOLUMES) * NIGHTS} runs"
    assert cycles <= 1.05 * (changed + due), said
    assert cycles >= changed + due, said  # nor was any left out
    assert cycles < 0.5 * len(VOLUMES) * NIGHTS, said

    runs = rig.runs()
    assert sum(run.outcome is Outcome.NOT_INSPECTED for run in runs) == len(runs) - cycles - len(VOLUMES)
    found = {run.volume: run for run in runs if run.hidden}
    expected = set()
    for volume, written in nights.hidden.items():
        looked = next((moment for moment in attached[volume] if moment > written), None)
        if looked is None:
            assert written + LONGEST > start + NIGHTS * NIGHT
            continue
        assert looked - written <= LONGEST
        last = max(moment for moment in attached[volume] if moment < written)
        mine = [run for run in runs if run.volume == volume and last < run.due <= looked]
        assert mine[-1].outcome is Outcome.COMPLETED
        if len(mine) > 1:  # else the inspection came as soon as it would have come without no_touch
            expected.add(volume)
            assert {run.outcome for run in mine[:-1]} == {Outcome.NOT_INSPECTED}
    assert found.keys() == expected
    assert expected, said
