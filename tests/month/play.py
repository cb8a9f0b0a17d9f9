"""A month in virtual time: volumes that are used, parked and touched for four seconds, outages, and the real daemon."""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lhbackupd.engine.keeper
from lhbackupd.assembly import Engine
from lhbackupd.engine.events import Event, Moved, Polled
from tests.rig import MIB, Rig

from .judge import Judge
from .truth import CLIENT, Truth

#: seconds between two samples of all claims
SAMPLE = 600.0
HOURLY = 20
_NIGHTLY = '[longhorn]\npoll = "{poll}s"\n[limits]\ncluster = 12\nper_node = 2\n[[policy]]\nname = "nightly"\n'
_NIGHTLY += 'cron = "30 2 * * *"\nrpo = "26h"\nkeep = {{ last = 3 }}\n'
_EACH = '[[policy]]\nname = "hourly-{n}"\ncron = "{minute} * * * *"\nrpo = "2h"\nkeep = {{ last = 2 }}\n'
_EACH += 'match = {{ name = ["{volume}"] }}\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    days: float = 30.0
    volumes: int = 200
    seed: int = 1
    #: seconds between two polls: what a month of them costs is most of the time that it takes
    poll: int = 300


class Month:
    """Plays one month on a simulated cluster of six nodes."""

    def __init__(self, folder: Path, size: Size) -> None:
        self._size = size
        self._random = random.Random(size.seed)
        self._rig = rig = Rig(folder, nodes=6, seed=size.seed)
        rig.tell = self._heard  # a month has too many events to be kept
        self.truth = Truth(rig.cluster.world)
        self.judge = Judge(truth=self.truth, period=timedelta(seconds=size.poll))
        self.counts: dict[str, int] = {}
        self._names = [f"pvc-{number:04d}" for number in range(1, size.volumes + 1)]
        self._gaps: list[tuple[datetime, datetime]] = []
        self._engine: Engine | None = None

    def _heard(self, event: Event) -> None:
        if isinstance(event, Polled) and event.after.asked and event.after.asked != event.before.asked:
            self.judge.looks.append(event.after.asked)
        if isinstance(event, Moved) and event.after.finished:
            outcome = event.after.outcome.value if event.after.outcome else ""
            self.counts[outcome] = self.counts.get(outcome, 0) + 1
            self.judge.ran(event.after)

    def facts(self) -> dict[str, Any]:
        """The verdict for machines."""
        judge = self.judge
        return {
            "false_greens": sorted(judge.false_greens.values()),
            "later": sorted(judge.later.values()),
            "earlier": sorted(judge.earlier.values()),
            "unseen": sorted(judge.unseen),
            "samples": judge.samples,
            "exposed": judge.exposed,
            "uncertain": judge.uncertain,
            "alarms": dict(judge.alarms),
            "runs": self.counts,
        }

    async def play(self) -> None:
        """All of it."""
        began = time.monotonic()
        rig = self._rig
        lhbackupd.engine.keeper.TURN = 60.0  # a turn of the loop where there is nothing to do costs as much as any
        await rig.allow()
        # an engine is polled every 20 s instead of 5: most of the events of a month are these
        await rig.call("PUT", "/sim/timing", {"engine_poll": 20.0})
        body = {"count": len(self._names), "prefix": "pvc-", "size": str(256 * MIB), "replicas": 2, "prefill": 4 * MIB}
        self._names = (await rig.call("POST", "/sim/volumes", body))["created"]
        end = rig.clock.monotonic() + self._size.days * 86400
        lives = asyncio.create_task(self._lives(end))
        async with asyncio.TaskGroup() as tasks:
            for name in self._names:
                tasks.create_task(self._use(name, end))
            tasks.create_task(self._outages(end))
            tasks.create_task(self._samples(end))
        await lives
        await rig.http.aclose()
        self.counts["seconds"] = round(time.monotonic() - began)

    def _config(self) -> str:
        some = self._names[:HOURLY] if len(self._names) > HOURLY else self._names[: len(self._names) // 4]
        each = (_EACH.format(n=n, minute=(3 * n) % 60, volume=name) for n, name in enumerate(some, 1))
        return _NIGHTLY.format(poll=self._size.poll) + "".join(each)

    async def _lives(self, end: float) -> None:
        """The daemon, restarted now and then: at once, or after some minutes."""
        rig, config = self._rig, self._rig.config(self._config())
        while rig.clock.monotonic() < end:
            async with rig.daemon(config) as engine:
                self._engine = engine
                life = self._random.uniform(2, 5) * 86400
                await rig.clock.sleep(min(life, max(0.0, end - rig.clock.monotonic())))
                self._engine = None
            start = rig.clock.now()
            await rig.clock.sleep(self._random.choice((5.0, 20.0, 900.0)))
            self._gaps.append((start, rig.clock.now()))

    async def _use(self, name: str, end: float) -> None:
        """What others do with one volume: a third are in use by day or always, a third parked, a third touched."""
        kind = self._random.choice(("always", "by day", "parked", "parked", "touched", "touched"))
        chance = random.Random(f"{self._size.seed}/{name}")
        await self._rig.clock.sleep(chance.uniform(0, 6 * 3600))
        while self._rig.clock.monotonic() < end:
            match kind:
                case "always":
                    await self._pod(name, chance, chance.uniform(2, 9) * 86400, end)
                    await self._pause(chance, 60, 7200)
                case "by day":
                    await self._pod(name, chance, chance.uniform(600, 12 * 3600), end)
                    await self._pause(chance, 3600, 86400)
                case "touched":
                    await self._pause(chance, 3600, 4 * 86400)
                    await self._client(name, chance)
                case _:
                    await self._pause(chance, 5 * 86400, 40 * 86400)
                    await self._client(name, chance)

    async def _pause(self, chance: random.Random, least: float, most: float) -> None:
        await self._rig.clock.sleep(chance.uniform(least, most))

    async def _pod(self, name: str, chance: random.Random, seconds: float, end: float) -> None:
        """A pod that writes some, for a while."""
        pod = {"name": f"pod-{name}", "namespace": "shop", "volume": name, "node": f"node-{chance.randint(1, 6)}"}
        pod |= {"write_bytes": 65536, "write_every": chance.choice((300.0, 1200.0, 3600.0))}
        await self._ask("POST", "/sim/pods", pod)
        await self._rig.clock.sleep(6)  # as soon as it runs, which is long before the next look
        await self._ask("POST", f"/sim/volumes/{name}/write", {"bytes": 65536, "offset": 32 * MIB, "by": f"pod {name}"})
        await self._rig.clock.sleep(min(seconds, max(1.0, end - self._rig.clock.monotonic())))
        await self._ask("DELETE", f"/sim/pods/shop/pod-{name}")

    async def _client(self, name: str, chance: random.Random) -> None:
        """Another API client attaches for four seconds and writes."""
        body = {"bytes": 65536, "offset": chance.randrange(64, 200) * MIB, "offline": True, "by": CLIENT}
        await self._ask("POST", f"/sim/volumes/{name}/write", body)

    async def _ask(self, method: str, path: str, body: Any = None) -> None:
        await self._rig.http.request(method, path, json=body)

    async def _outages(self, end: float) -> None:
        """Longhorn cannot be reached for a minute, for a quarter of an hour, for hours."""
        clock = self._rig.clock
        lasts = 7200.0
        await self._pause(self._random, 3600, 43200)
        while True:
            if clock.monotonic() >= end:
                return
            self._gaps.append((clock.now(), datetime.max.replace(tzinfo=UTC)))
            await self._ask("POST", "/sim/faults", {"kind": "status", "status": 503, "path": "/v1/*"})
            await clock.sleep(lasts)
            lasts = self._random.choice((40.0, 900.0, 7200.0))
            await self._ask("DELETE", "/sim/faults")
            await self._pause(self._random, 12 * 3600, 4 * 86400)

    async def _samples(self, end: float) -> None:
        clock = self._rig.clock
        while clock.monotonic() < end:
            await clock.sleep(SAMPLE + self._random.uniform(0, 30))
            if self._engine is not None:
                self._rig.cluster.advance()
                self.truth.follow()
                self._sample(self._engine)

    def _sample(self, engine: Engine) -> None:
        now, watch = self._rig.clock.now(), engine.keeper.watch
        runs = {
            (run.policy, run.volume): run for run in (*engine.keeper.waiting.values(), *engine.keeper.active.values())
        }
        due = {}
        for key, trigger in engine.scheduler.schedules.items():
            known, policy = watch.exposures.get(key), engine.keeper.policy(key[0])
            if known is None or policy is None or policy.rpo is None:
                continue
            if trigger not in due:
                due[trigger] = trigger.get_next_fire_time(None, now)
            oldest = self.judge.sample(key, known, now, gaps=self._gaps)
            word = engine.keeper.books.protections.get(key)
            verdict = watch.verdict(key, now=now, next_due=due[trigger], run=runs.get(key)).state
            last = word.last_success if word else None
            self.judge.alarm(key, rpo=policy.rpo, now=now, last_success=last, verdict=verdict, oldest=oldest)


def lines(month: Month) -> Iterator[str]:
    """The verdict in words."""
    judge = month.judge
    for title, found in (
        ("false greens", judge.false_greens),
        ("claims later than the truth", judge.later),
        ("claims earlier than their sign", judge.earlier),
    ):
        yield f"{title}: {len(found)}"
        yield from (f"  {words}" for words in found.values())
    yield f"writes that no look could show, before their inspection: {len(judge.unseen)}"
    yield from (f"  {words}" for words in sorted(judge.unseen))
    yield f"samples: {judge.samples}, of them exposed {judge.exposed}, uncertain {judge.uncertain}"
    yield from (f"alarm by {name}: {number}" for name, number in sorted(judge.alarms.items()))
    yield f"runs: {month.counts}"
