"""A house with something of everything in it, served over real HTTP: what the browser is shown."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

from prometheus_client import CollectorRegistry

from lhbackupd.core.cluster import Backup, Node, Replica, Volume
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Keep, Match, Outcome, Phase, Policy, Run
from lhbackupd.core.naming import LABEL_ORIGIN, LABEL_POLICY
from lhbackupd.surface.findings import fault, warning
from lhbackupd.surface.gauges import Gauges
from lhbackupd.surface.server import serve
from lhbackupd.surface.web import Web
from tests.surface import house as houses
from tests.surface.house import HOURLY, NIGHTLY, NOON, ORIGIN, TODAY, House, ended, queued, running
from tests.surface.shown import web

WEEKLY = Policy(name="weekly-archive", cron="30 3 * * 0", match=Match(namespace=("shop",)))
FAILED = "pvc-mail"
WHY = "backup failed: proxyServer=10.42.1.7:8501: timeout of 30s while uploading to s3://backups@eu-central-1/"


def volume(name: str, **fields: object) -> Volume:
    """One that can be attached."""
    made: Volume = houses.volume(name, replicas=(Replica(name="r", node="node-1"),), **fields)
    return made


def past(name: str, outcome: Outcome, days: int, reason: str, **fields: object) -> Run:
    """A run of `days` ago."""
    run = ended(name, outcome, reason)
    by = timedelta(days=days)
    assert run.finished_at
    assert run.started_at
    moved = replace(
        run,
        id=f"run-{name}-{days}",
        due=run.due - by,
        queued_at=run.queued_at - by,
        started_at=run.started_at - by,
        finished_at=run.finished_at - by,
        entered={phase: at - by for phase, at in run.entered.items()},
    )
    return replace(moved, **fields)  # type: ignore[arg-type]


def history() -> list[Run]:
    """Thirty days of a volume whose backups fail since three days."""
    runs: list[Run] = []
    for days in reversed(range(30)):
        at = TODAY - timedelta(days=days)
        if days < 3:
            runs.append(past(FAILED, Outcome.FAILED, days, WHY))
        elif days % 7 == 5:
            runs.append(past(FAILED, Outcome.UNCHANGED, days, "nothing new since the last backup", protected_until=at))
        elif days % 11 != 7:
            made = {"protected_until": at, "backup": f"backup-{days:04x}c1d2", "new_bytes": (days + 1) * 7 * 2**20}
            runs.append(past(FAILED, Outcome.COMPLETED, days, f"backup backup-{days:04x}c1d2 holds it", **made))
    return runs


def furnish(house: House) -> None:
    """Something of everything."""
    keep = replace(NIGHTLY, keep=Keep(last=7), rpo=timedelta(hours=26))
    good = [volume(f"pvc-{name}", state="attached") for name in ("orders", "cart", "search", "media", "sessions")]
    house.has(*good, volume(FAILED), volume("pvc-new"), volume("pvc-parked"), volume("pvc-ledger"), policy=keep)
    house.has(volume("pvc-db", state="attached"), policy=HOURLY)
    house.has(volume("pvc-orders", state="attached"), policy=WEEKLY)
    lone = Volume(name="pvc-5b1d9c1e-77aa-4c0e-9d3e-0a4b7b1f9f6e", size=2**30, state="detached")
    house.look(
        volumes={**house.inventory.picture.volumes, lone.name: lone},
        nodes={
            "node-1": Node(name="node-1", ready=True),
            "node-2": Node(name="node-2", ready=True, cordoned=True),
            "node-3": Node(name="node-3", ready=False, message="Kubelet stopped posting node status."),
        },
    )
    for one in good:
        house.knows(ended(one.name, Outcome.COMPLETED, "backup b-1 holds it", protected_until=TODAY))
    house.knows(*history())
    born = NOON - timedelta(days=60)
    for name in ("cart", "search", "sessions", "media", "ledger"):
        house.exposed(Exposure(policy="nightly", volume=f"pvc-{name}", born=born, clear=TODAY))
    grown = {"since": NOON - timedelta(hours=20), "sign": "its head has grown while it was attached"}
    house.exposed(Exposure(policy="nightly", volume="pvc-orders", born=born, clear=TODAY, **grown))
    broken = {"since": NOON - timedelta(days=3), "sign": "its head has grown", "clear": NOON - timedelta(days=3)}
    house.exposed(Exposure(policy="nightly", volume=FAILED, born=born, **broken))
    house.knows(ended("pvc-parked", Outcome.SUSPENDED, "detached, and Longhorn's setting forbids to attach it"))
    house.knows(ended("pvc-ledger", Outcome.UNCHANGED, "nothing new since 2026-10-01", protected_until=TODAY))
    hourly = ended("pvc-db", Outcome.COMPLETED, "backup b-2 holds it", policy="hourly", protected_until=TODAY)
    house.knows(replace(hourly, finished_at=NOON - timedelta(minutes=58)))
    house.keeper.active["a"] = running(
        "pvc-cart", progress=62, reason="backup backup-77aa is uploading", waiter="pod shop/cart-0",
        waiting_since=NOON - timedelta(seconds=14),
    )  # fmt: skip
    house.keeper.active["b"] = running("pvc-media", Phase.ATTACHING, node="node-2", reason="asked for on node-2")
    places = "waits for one of 1 places on node-1 (limits.per_node)"
    house.keeper.waiting["c"] = queued("pvc-search", reason=places, due=NOON - timedelta(minutes=3))
    later = NOON + timedelta(minutes=7)
    house.keeper.waiting["d"] = queued(FAILED, attempt=3, not_before=later, reason="again, after: timeout")
    house.keep(*history())
    house.recent.runs = tuple(reversed(history()))[:8]


def crowd(house: House, count: int) -> None:
    """Ten thousand volumes are not made one by one."""
    house.has(*(volume(f"pvc-{number:05}") for number in range(count)))
    for number in range(count):
        name = f"pvc-{number:05}"
        outcome = Outcome.FAILED if number % 50 == 7 else Outcome.COMPLETED
        house.knows(ended(name, outcome, "backup b holds it", protected_until=TODAY))


def backups() -> list[Backup]:
    """Those of the volume whose backups fail, with one that goes and one that is somebody else's."""
    found: list[Backup] = []
    for days in range(3, 13):
        at = TODAY - timedelta(days=days)
        labels = {LABEL_POLICY: "nightly", LABEL_ORIGIN: ORIGIN.journal} if days != 8 else {"RecurringJob": "daily"}
        name = f"backup-{days:04x}c1d2"
        found.append(
            Backup(
                name=name, snapshot=f"s-{days}", state="Completed", volume=FAILED, created=at, snapshot_created=at,
                size=days * 7 * 2**20, labels=labels,
            )
        )  # fmt: skip
    return found


def shown(house: House) -> Web:
    """What the daemon would serve for this house."""
    registry = CollectorRegistry()
    registry.register(Gauges(report=house.report))
    bad = warning("setting", "detached volumes are left alone; that is policies nightly", "switch it on in Longhorn")
    worse = fault("nodes", "node-3 is not Ready", "see to it: kubectl describe node node-3")
    return web(house, metrics=registry, findings=(bad, worse), backups=backups())


@dataclass(frozen=True, slots=True)
class Served:
    """A house that is open."""

    house: House
    web: Web
    url: str


@contextlib.asynccontextmanager
async def served(house: House, *, port: int = 0) -> AsyncIterator[Served]:
    """Serve a house until the block is left."""
    made, stop = shown(house), asyncio.Event()
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(made.app, host="127.0.0.1", port=port, started=listening.set_result, stop=stop))
        tasks.create_task(made.changes.run(stop))
        try:
            yield Served(house, made, f"http://127.0.0.1:{await listening}")
        finally:
            stop.set()
