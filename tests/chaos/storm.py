"""One storm: a cluster and a daemon, the strikes of a plan, then calm, and what is left as evidence.

The stage is either two processes on a sped-up clock or everything in one process in virtual time (see `real` and
`virtual`); the storm does not know which. Everybody else's part is played through the side API, so that in the ledger
whatever came through Longhorn's own API was the daemon's doing.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from lhbackupd.core.model import Run
from lhbackupd.core.naming import PREFIX
from lhbackupd.core.protection import Protection

from .judge import Evidence
from .plan import FLEETING, MIB, NODES, STEADY, VOLUMES, Strike

INSTANCE = "lhbackupd"
SETTING = "allow-recurring-job-while-volume-detached"
#: seconds of calm in which every policy is due once more
CALM = 240.0
#: seconds after that until every run must have ended
PATIENCE = 300.0
#: cron of a policy that is not due any more
NEVER = "0 0 29 2 *"

#: policy -> cron, volumes, and the rest
POLICIES: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "finish": ("*/2 * * * *", ("v-a", "v-b", FLEETING), 'on_workload = "finish"'),
    "yield": ("1-59/3 * * * *", ("v-b", "v-c"), 'on_workload = "yield"\ndetached = "always"'),
    "within": ("*/3 * * * *", ("v-c", "v-d"), 'on_workload = "finish-within 30s"\nskip_unchanged_attached = true'),
}
_HEAD = """\
instance = "{instance}"
[longhorn]
url = "{url}"
poll = "5s"
[state]
url = "sqlite:///{folder}/state.db"
[limits]
per_node = 2
[http]
listen = "off"
[control]
socket = "{folder}/control.sock"
[log]
format = "json"
[retry]
first = "10s"
longest = "40s"
"""
_POLICY = """\
[[policy]]
name = "{name}"
cron = "{cron}"
match = {{ name = {volumes} }}
keep = {{ last = 2 }}
patience = {{ attach = "40s", inspect = "40s", snapshot = "40s", backup = "60s", detach = "40s" }}
{more}
"""


class Stage(Protocol):
    """A simulated Longhorn and a daemon. Times are those of the clock that both share."""

    #: when daemons have been at work
    lives: list[tuple[datetime, datetime]]
    #: see `Evidence`
    missed: dict[str, int]
    notice: timedelta

    def now(self) -> datetime: ...
    async def sleep(self, seconds: float) -> None: ...
    async def call(self, method: str, path: str, body: object = None) -> Any:
        """What Longhorn or the side API answers; None where it refuses, or a fault strikes."""

    async def start(self) -> None: ...
    async def kill(self) -> None: ...
    async def term(self) -> None: ...
    async def configure(self, *, never: bool) -> None:
        """Put the policies in force, `never` to be due again."""

    async def journal(self) -> tuple[tuple[Run, ...], tuple[Protection, ...]]: ...


def config(*, url: str, folder: object, never: bool) -> str:
    """The daemon's configuration."""
    policies = (
        _POLICY.format(name=name, cron=NEVER if never else cron, volumes=list(volumes), more=more)
        for name, (cron, volumes, more) in POLICIES.items()
    )
    return _HEAD.format(instance=INSTANCE, url=url, folder=folder) + "".join(policies)


class Storm:
    """Plays one plan on a stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.counts: Counter[str] = Counter()
        self._taken: set[str] = set()
        self._pods: set[str] = set()
        self._tickets: set[tuple[str, str]] = set()
        self._ending = asyncio.Lock()

    async def play(self, strikes: Sequence[Strike], seconds: float) -> Evidence:
        """Prepare, strike, let it calm down, and collect the evidence."""
        stage = self._stage
        await self._prepare()
        began = stage.now()
        async with asyncio.TaskGroup() as tasks:
            for strike in strikes:
                await self._wait(began + timedelta(seconds=strike.at))
                self.counts[strike.kind] += 1
                tasks.create_task(self._strike(strike), name=strike.kind)
            await self._wait(began + timedelta(seconds=seconds))
        until = await self._calm()
        return await self._evidence(began, until)

    async def _wait(self, moment: datetime) -> None:
        await self._stage.sleep(max(0.0, (moment - self._stage.now()).total_seconds()))

    async def _prepare(self) -> None:
        await self._set("true")
        for name in VOLUMES:
            await self._create(name, MIB)
        await self._stage.configure(never=False)
        await self._stage.start()
        await self._stage.sleep(10)

    async def _set(self, value: str) -> None:
        await self._stage.call("PUT", f"/v1/settings/{SETTING}", {"value": value})

    async def _create(self, name: str, size: int) -> None:
        body = {"name": name, "size": str(64 * MIB), "numberOfReplicas": 2}
        await self._stage.call("POST", "/v1/volumes", body)
        await self._stage.sleep(2)
        if size:
            await self._stage.call("POST", f"/sim/volumes/{name}/prefill", {"bytes": size})

    async def _strike(self, strike: Strike) -> None:
        facts = strike.facts
        call = self._stage.call
        match strike.kind:
            case "fault":
                await call("POST", "/sim/faults", facts["body"])
                self.counts[f"fault {facts['body']['kind']}"] += 1
            case "node":
                await call("POST", f"/sim/nodes/{facts['name']}", facts["body"])
            case "target":
                await call("POST", "/sim/targets/default", facts)
            case "setting":
                await self._set(facts["value"])
            case "pod":
                self._pods.add(facts["body"]["name"])
                await call("POST", "/sim/pods", facts["body"])
            case "pod-stop":
                await call("DELETE", f"/sim/pods/shop/{facts['name']}")
            case "write":
                await call("POST", f"/sim/volumes/{facts['volume']}/write", facts["body"])
            case "slow-backups":
                await call("POST", f"/sim/volumes/{facts['volume']}/timing", {"backup": facts["seconds"]})
            case "engine":
                await call("POST", f"/sim/volumes/{facts['volume']}/engine/kill")
            case "kill" | "term":
                await self._end_daemon(strike)
            case "delete-volume":
                await call("DELETE", f"/v1/volumes/{FLEETING}")
            case "create-volume":
                await self._create(FLEETING, facts["bytes"])
            case _:
                await self._others(strike)

    async def _others(self, strike: Strike) -> None:
        """Other people and clients at work."""
        facts, volume = strike.facts, strike.facts["volume"]
        match strike.kind:
            case "ticket":
                await self._put_ticket(volume, facts["id"], facts["node"])
            case "ticket-removed":
                await self._remove_ticket(volume, facts["id"])
            case "twin-ticket":
                deadline = (self._stage.now() + timedelta(seconds=facts["lasts"])).strftime("%Y%m%dT%H%M%SZ")
                await self._put_ticket(volume, f"{PREFIX}:{INSTANCE}:0ther0ne:6a000000aaaaaa:{deadline}", facts["node"])
            case "take-our-ticket":
                shown = await self._stage.call("GET", f"/sim/ledger/summary?volume={volume}")
                ours = [t for t in shown["volumes"][volume]["tickets"] if t.startswith(f"{PREFIX}:{INSTANCE}:")]
                for ticket in ours:
                    await self._remove_ticket(volume, ticket)
            case "maintenance":
                await self._maintain(volume, facts["pick"])
            case "delete-snapshot":
                if snapshot := await self._picked_snapshot(volume, facts["pick"]):
                    self._taken.add(snapshot)
                    await self._stage.call("POST", f"/v1/volumes/{volume}?action=snapshotCRDelete", {"name": snapshot})
            case "delete-backup":
                path = f"/v1/backupvolumes/{volume}?action=backupListByVolume"
                found = await self._stage.call("POST", path, {"name": volume})
                listed = (found or {}).get("data") or []
                # a fault that strikes this very request may have given the answer another shape
                names = sorted(backup["name"] for backup in listed if isinstance(backup, dict) and "name" in backup)
                if names:
                    name = names[int(facts["pick"] * len(names))]
                    self._taken.add(name)
                    await self._stage.call("POST", f"/v1/backupvolumes/{volume}?action=backupDelete", {"name": name})
            case _:
                raise AssertionError(f"nobody knows how to {strike.kind}")

    async def _put_ticket(self, volume: str, ticket: str, node: str, *, frontend: bool = True) -> None:
        self._tickets.add((volume, ticket))
        body = {"tickets": [{"id": ticket, "node": node, "disableFrontend": not frontend, "attachedBy": "somebody"}]}
        await self._stage.call("POST", f"/sim/volumes/{volume}/tickets", body)

    async def _remove_ticket(self, volume: str, ticket: str) -> None:
        await self._stage.call("DELETE", f"/sim/volumes/{volume}/tickets/{ticket}")

    async def _picked_snapshot(self, volume: str, pick: float) -> str:
        chain = await self._stage.call("GET", f"/sim/volumes/{volume}/chain")
        names = sorted(name for name, layer in ((chain or {}).get("layers") or {}).items() if not layer["removed"])
        return names[int(pick * len(names))] if names else ""

    async def _maintain(self, volume: str, pick: float) -> None:
        """Somebody attaches the volume without a frontend, takes a snapshot or reverts to one, and lets go."""
        call, ticket = self._stage.call, "by-hand-maintenance"
        await self._put_ticket(volume, ticket, NODES[int(pick * len(NODES))], frontend=False)
        await self._stage.sleep(6)
        if pick < 0.5:
            name = f"others-{int(pick * 1e9)}"
            await call("POST", f"/v1/volumes/{volume}?action=snapshotCreate", {"name": name, "labels": {}})
        elif snapshot := await self._picked_snapshot(volume, pick):
            await call("POST", f"/v1/volumes/{volume}?action=snapshotRevert", {"name": snapshot})
        await self._stage.sleep(3)
        await self._remove_ticket(volume, ticket)

    async def _end_daemon(self, strike: Strike) -> None:
        async with self._ending:
            await (self._stage.kill() if strike.kind == "kill" else self._stage.term())
            await self._stage.sleep(strike.facts["pause"])
            await self._stage.start()

    async def _calm(self) -> datetime:
        """End all that is wrong, let every policy be due once more, and wait until every run has ended."""
        call = self._stage.call
        await call("DELETE", "/sim/faults")
        for name in NODES:
            await call("POST", f"/sim/nodes/{name}", {"power": "on", "cordoned": False})
        await call("POST", "/sim/targets/default", {"available": True})
        await self._set("true")
        for pod in sorted(self._pods):
            await call("DELETE", f"/sim/pods/shop/{pod}")
        for volume, ticket in sorted(self._tickets):
            await self._remove_ticket(volume, ticket)
        for name in VOLUMES:
            await call("POST", f"/sim/volumes/{name}/timing", {"backup": None})
        await self._stage.sleep(CALM)
        until = self._stage.now()
        await self._stage.configure(never=True)
        await self._stage.sleep(30)
        deadline = self._stage.now() + timedelta(seconds=PATIENCE)
        while self._stage.now() < deadline:
            runs, _ = await self._stage.journal()
            if all(run.finished for run in runs):
                break
            await self._stage.sleep(5)
        await self._stage.term()
        await self._stage.sleep(20)
        return until

    async def _evidence(self, since: datetime, until: datetime) -> Evidence:
        runs, protections = await self._stage.journal()
        ledger = await self._stage.call("GET", "/sim/ledger")
        summary = await self._stage.call("GET", "/sim/ledger/summary")
        crons = {
            (name, volume): cron
            for name, (cron, volumes, _) in POLICIES.items()
            for volume in volumes
            if volume in STEADY
        }
        return Evidence(
            entries=tuple(ledger["entries"]),
            volumes=summary["volumes"],
            runs=runs,
            protections=protections,
            lives=tuple(self._stage.lives),
            missed=self._stage.missed,
            crons=crons,
            since=since,
            until=until,
            instance=INSTANCE,
            taken=frozenset(self._taken),
            notice=self._stage.notice,
        )
