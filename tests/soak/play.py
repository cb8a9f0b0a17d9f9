"""A day of a cluster in virtual time: runs every two hours, volumes that come and go, and nothing that may grow.

The daemon's own parts, its metrics and its pruning among them, work against the simulated Longhorn in one process. A
twentieth of the volumes is due every two hours, spread over one and a half; others write to a few of them, and every
two hours some are deleted and new ones made. Then nothing runs, and a sample is taken. At each sample Longhorn is
polled over real HTTP as well, which must show what the daemon sees. Before the day the journal holds the runs of the
two days before it, so that it has something to forget from the first hour on.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

import lhbackupd.engine.keeper
from lhbackupd.assembly import Engine
from lhbackupd.config import Config
from lhbackupd.core import protection
from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.daemon import forget_old
from lhbackupd.engine.events import Event, Moved
from lhbackupd.engine.journal import Journal
from lhbackupd.simulator.events import Recorder
from lhbackupd.surface.gauges import Gauges
from lhbackupd.surface.goals import Goals
from lhbackupd.surface.metrics import Metrics
from lhbackupd.surface.status import Recent, report
from tests.rig import MIB, START, Rig

from . import gauge, sockets

#: between two samples, and how long after a full hour one is taken
_EVERY, _AFTER = timedelta(hours=2), timedelta(minutes=115)
#: seconds by which the journal may be late in forgetting: it does so every hour
_LATE = timedelta(hours=1, minutes=5)
_CONFIG = """
[longhorn]
poll = "{poll}s"
[state]
history = "1d"
[limits]
cluster = 100
per_node = 10
per_target = 100
[[policy]]
name = "busy"
cron = "0 */2 * * *"
spread = "90m"
rpo = "6h"
keep = {{ last = 1 }}
match = {{ name = ["busy-*"] }}
[[policy]]
name = "idle"
cron = "30 3 29 2 *"
match = {{ name = ["idle-*"] }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    hours: int = 24
    volumes: int = 10_000
    seed: int = 1
    #: seconds between two polls: they are most of what a day takes
    poll: int = 300

    @property
    def busy(self) -> int:
        """How many are due every two hours."""
        return self.volumes // 20

    @property
    def coming(self) -> int:
        """How many of either kind come and go every two hours."""
        return max(1, self.volumes // 200)


class Soak:
    """Plays one day, and keeps its samples."""

    def __init__(self, folder: Path, size: Size) -> None:
        self._size = size
        self._chance = random.Random(size.seed)
        self._rig = rig = Rig(folder, nodes=20, seed=size.seed)
        self._registry = CollectorRegistry()
        self._metrics, self._recent = Metrics(registry=self._registry), Recent()
        rig.tell, rig.observe = self._heard, self._metrics.observe
        self._made = Counter[str]()
        self._volumes: dict[str, list[str]] = {"busy-": [], "idle-": []}
        self.samples: list[gauge.Sample] = []
        self.outcomes = Counter[str]()
        #: volumes that a poll over HTTP showed otherwise than the daemon saw them, by sample
        self.differing: list[int] = []
        #: real seconds that all of it took
        self.took = 0.0

    def _heard(self, event: Event) -> None:
        self._metrics(event)
        self._recent(event)
        if isinstance(event, Moved) and event.after.outcome and event.after.finished:
            self.outcomes[event.after.outcome.value] += 1

    async def play(self) -> None:
        """All of it."""
        began = time.monotonic()
        gauge.one_arena()
        rig, size = self._rig, self._size
        lhbackupd.engine.keeper.TURN = 60.0  # a turn of the loop where there is nothing to do costs as much as any
        await rig.allow()
        await self._come("busy-", size.busy)
        await self._come("idle-", size.volumes - size.busy)
        config = rig.config(_CONFIG.format(poll=size.poll))
        self._remember(config)
        done = asyncio.Event()
        async with rig.daemon(config) as engine, asyncio.TaskGroup() as tasks:
            tasks.create_task(forget_old(engine.keeper, config.state.history, clock=rig.clock, done=done))  # type: ignore[arg-type]
            self._expose(engine)
            start = START.replace(minute=0) + _EVERY
            for number in range(timedelta(hours=size.hours) // _EVERY):
                await self._two_hours(engine, start + number * _EVERY, config)
            done.set()
        await rig.http.aclose()
        self.took = time.monotonic() - began

    def _expose(self, engine: Engine) -> None:
        """What the daemon registers besides its counters."""
        sources = self._rig.sources(engine)
        self._registry.register(Gauges(report=lambda: report(sources, self._recent.runs)))
        goals = Goals(
            rules=lambda: engine.keeper.rules,
            active=lambda: tuple(engine.keeper.active.values()),
            now=self._rig.clock.now,
            faults=tuple,
        )
        self._registry.register(goals)

    def _remember(self, config: Config) -> None:
        """Write two days into the journal as if they had been: their runs, and what is known of volumes since gone."""
        journal = Journal(url=config.state.url)
        journal.open()
        dues = [START - timedelta(hours=2 * number) for number in range(1, 25)]
        journal.enqueue([_former(volume, due) for due in dues for volume in self._volumes["busy-"]])
        for number, due in enumerate(dues):
            for gone in range(self._size.coming):
                run = _former(f"busy-gone-{number}-{gone}", due)
                journal.finish(run, protection.after(None, run), None)
        journal.close()

    async def _two_hours(self, engine: Engine, start: datetime, config: Config) -> None:
        await self._until(start)
        for prefix, volumes in self._volumes.items():
            gone = self._chance.sample(volumes, self._size.coming)
            for volume in gone:
                await self._rig.call("DELETE", f"/v1/volumes/{volume}")
                volumes.remove(volume)
            await self._come(prefix, len(gone))
        for volume in self._chance.sample(self._volumes["busy-"], max(1, self._size.busy // 10)):
            body = {"bytes": 65536, "offset": self._chance.randrange(0, 200) * MIB, "offline": True, "by": "client"}
            await self._rig.http.post(f"/sim/volumes/{volume}/write", json=body)  # refused while it is backed up
        await self._until(start + _AFTER)
        await self._rig.until(lambda: not engine.keeper.unfinished(), 3600)
        await engine.inventory.poll()
        self._compare(engine)
        self._forget()
        oldest = self._rig.clock.now() - config.state.history - _LATE
        here = {volume for volumes in self._volumes.values() for volume in volumes}
        self.samples.append(gauge.look(engine.journal.engine, self._registry, volumes=here, oldest=oldest))

    async def _come(self, prefix: str, count: int) -> None:
        body = {
            "count": count,
            "prefix": prefix,
            "size": str(256 * MIB),
            "replicas": 2,
            "first": self._made[prefix] + 1,
        }
        body |= {"prefill": 4 * MIB}
        self._made[prefix] += count
        self._volumes[prefix] += (await self._rig.call("POST", "/sim/volumes", body))["created"]

    async def _until(self, moment: datetime) -> None:
        await self._rig.clock.sleep((moment - self._rig.clock.now()).total_seconds())

    def _compare(self, engine: Engine) -> None:
        """Hold what was seen in process against a poll over HTTP at the same moment."""
        seen, shown = engine.inventory.picture.volumes, sockets.poll(self._rig.cluster).volumes
        self.differing.append(sum(seen.get(name) != shown.get(name) for name in seen.keys() | shown.keys()))

    def _forget(self) -> None:
        """Let the simulated cluster forget what no cluster would remember: what it is counted by, and old events."""
        world = self._rig.cluster.world
        world.ledger.entries.clear()
        world.ledger.accounts.clear()
        world.recorder = Recorder(self._chance)
        here = world.volumes.keys()
        for target in world.targets.values():
            for volume in target.by_volume.keys() - here:
                for backup in target.by_volume.pop(volume):
                    del target.backups[backup]


def _former(volume: str, due: datetime) -> Run:
    """An unchanged run of before the day; as long, written down, as those of the day are in the mean."""
    run, inspected = f"{volume}-{due:%d%H}", due + timedelta(seconds=2.1)
    end = due + timedelta(seconds=4.05)
    return Run(
        id=run,
        policy="busy",
        volume=volume,
        due=due,
        phase=Phase.FINISHED,
        outcome=Outcome.UNCHANGED,
        reason=f"backup backup-{run} holds all there is, as one of before the day would say",
        queued_at=due,
        started_at=due,
        finished_at=end,
        entered={"attaching": due, "inspecting": inspected, "detaching": inspected, "finished": end},
        node="node-10",
        target="default",
        ticket=f"lhbackupd:lhbackupd:00000000:{run}:{due:%Y%m%dT%H%M%SZ}",
        new_bytes=0,
        protected_until=inspected,
    )
