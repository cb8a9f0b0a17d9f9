"""The simulated Longhorn as tests see it: its own process, `/v1` as any client uses it, `/sim` for everybody else.

What happened is counted from the simulator's ledger, never from what the daemon says about itself.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from lhbackupd.clock import Clock
from tests.e2e.processes import LIMIT, Process, until

SETTING = "allow-recurring-job-while-volume-detached"
MIB = 1024 * 1024
#: how all attachment tickets of ours begin
OURS = "lhbackupd:"

Entry = dict[str, Any]


class Simulated:
    """A simulated Longhorn in a process of its own."""

    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.url = url
        self.http = httpx.AsyncClient(base_url=url, timeout=20.0, trust_env=False)

    @classmethod
    @asynccontextmanager
    async def run(cls, clock: Clock, *, port: int = 0, limit: float = LIMIT) -> AsyncIterator["Simulated"]:
        """Start one, and end it at the end of the block."""
        arguments = ("simulate", "--port", str(port), "--clock", f"{clock.speed}@{clock.epoch}")
        process = await Process.start("simulator", *arguments, environ={}, limit=limit)
        try:
            line = await process.says("http://")
            found = re.search(r"http://[\w.:]+", line)
            assert found is not None
            simulated = cls(process, found[0])
            async with simulated.http:
                yield simulated
        finally:
            await process.close()

    async def call(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.http.request(method, path, json=body)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None

    # Longhorn's own API

    async def allow(self, value: bool) -> None:
        await self.call("PUT", f"/v1/settings/{SETTING}", {"value": str(value).lower()})

    async def setting(self) -> str:
        found: str = (await self.call("GET", f"/v1/settings/{SETTING}"))["value"]
        return found

    async def volume(self, name: str) -> Any:
        return await self.call("GET", f"/v1/volumes/{name}")

    async def act(self, volume: str, action: str, **body: object) -> Any:
        return await self.call("POST", f"/v1/volumes/{volume}?action={action}", body)

    async def create(self, name: str, *, size: int = 64 * MIB, replicas: int = 2, data: int = 0) -> None:
        """A detached volume with `data` bytes in it, bound to a claim of its name in namespace shop."""
        await self.call("POST", "/v1/volumes", {"name": name, "size": str(size), "numberOfReplicas": replicas})
        await self.in_state(name, "detached")
        await self.call("POST", f"/sim/volumes/{name}/pvc", {"namespace": "shop", "pvc": name})
        if data:
            await self.call("POST", f"/sim/volumes/{name}/prefill", {"bytes": data})

    async def in_state(self, name: str, state: str, *, robustness: str = "") -> Any:
        """Wait until a volume is in a state."""

        async def look() -> Any:
            shown = await self.volume(name)
            return shown if shown["state"] == state and robustness in ("", shown["robustness"]) else None

        return await until(f"volume {name} to be {state} {robustness}", look)

    async def at_rest(self, name: str) -> Any:
        """Wait until a volume is detached and nobody wants it."""

        async def look() -> Any:
            shown = await self.volume(name)
            return shown if shown["state"] == "detached" and not tickets(shown) else None

        return await until(f"volume {name} to be detached and left alone", look)

    async def backups(self, volume: str, state: str = "Completed") -> list[Any]:
        """The backups that Longhorn lists in a state."""
        found = await self.call("POST", f"/v1/backupvolumes/{volume}?action=backupListByVolume", {"name": volume})
        return [backup for backup in found["data"] or [] if backup["state"] == state]

    # Everybody else

    async def ledger(self, kind: str = "", volume: str = "", *, since: int = 0) -> list[Entry]:
        entries = (await self.call("GET", f"/sim/ledger?since={since}"))["entries"]
        return [e for e in entries if kind in ("", e["kind"]) and volume in ("", e.get("volume"))]

    async def seq(self) -> int:
        """The number of the last entry of the ledger."""
        found: int = (await self.call("GET", "/sim/ledger"))["seq"]
        return found

    async def happens(self, kind: str, volume: str = "", *, since: int = 0, count: int = 1) -> list[Entry]:
        """Wait until the ledger holds `count` entries of a kind."""

        async def look() -> list[Entry] | None:
            found = await self.ledger(kind, volume, since=since)
            return found if len(found) >= count else None

        return await until(f"{count} times {kind} of {volume}", look)

    async def ours(self, kind: str = "ticket-added", volume: str = "", *, since: int = 0) -> list[Entry]:
        """Entries about tickets of ours."""
        return [e for e in await self.ledger(kind, volume, since=since) if e["id"].startswith(OURS)]

    async def held_by_us(self) -> list[str]:
        """Our tickets that are still in some volume."""
        volumes = (await self.call("GET", "/sim/ledger/summary"))["volumes"]
        return [ticket for v in volumes.values() for ticket in v["tickets"] if ticket.startswith(OURS)]

    async def account(self, volume: str) -> Any:
        """What the ledger adds up for a volume."""
        return (await self.call("GET", f"/sim/ledger/summary?volume={volume}"))["volumes"][volume]

    async def protected(self, volume: str) -> bool:
        """Whether a completed backup holds all that the volume holds now."""
        return not (await self.account(volume))["truth"]["unprotected"]

    async def asked_once(self) -> bool:
        """Whether no run has asked for two backups."""
        asked = [entry["labels"]["lhbackupd.io/run"] for entry in await self.ledger("backup-asked")]
        return len(asked) == len(set(asked))

    async def polled(self) -> None:
        """Wait until somebody has begun and ended a poll of nodes and targets from now on."""

        async def polls() -> int:
            counted: int = (await self.call("GET", "/sim/requests"))["requests"].get("GET /v1/backuptargets", 0)
            return counted

        before = await polls()

        async def look() -> bool:
            return await polls() >= before + 2

        await until("the cluster to be polled", look)

    async def write(self, volume: str, size: int = 8 * MIB, offset: int = 0) -> None:
        """Write to a volume that is attached with its frontend."""
        await self.call("POST", f"/sim/volumes/{volume}/write", {"bytes": size, "offset": offset})

    async def prefill(self, volume: str, size: int = 8 * MIB, offset: int = 0) -> None:
        """New data in a detached volume, as of an attach in the past."""
        await self.call("POST", f"/sim/volumes/{volume}/prefill", {"bytes": size, "offset": offset})

    async def start_pod(self, volume: str, node: str, name: str = "db-0") -> None:
        await self.call("POST", "/sim/pods", {"name": name, "namespace": "shop", "volume": volume, "node": node})

    async def stop_pod(self, name: str = "db-0") -> None:
        await self.call("DELETE", f"/sim/pods/shop/{name}")

    async def pod_runs(self, name: str = "db-0") -> Any:
        """Wait until a pod runs."""

        async def look() -> Any:
            pods = (await self.call("GET", "/sim/pods"))["pods"]
            return next((pod for pod in pods if pod["name"] == name and pod["phase"] == "Running"), None)

        return await until(f"pod {name} to run", look)

    async def node(self, name: str, **change: object) -> None:
        await self.call("POST", f"/sim/nodes/{name}", change)

    async def timing(self, **seconds: float) -> None:
        await self.call("PUT", "/sim/timing", seconds)

    async def slow_backups(self, volume: str, seconds: float) -> None:
        await self.call("POST", f"/sim/volumes/{volume}/timing", {"backup": seconds})

    async def fault(self, kind: str, *, match: dict[str, str] | None = None, **more: object) -> None:
        """Arm a fault, for as long as it is not cleared unless `times` says otherwise."""
        await self.call("POST", "/sim/faults", {"kind": kind, "match": match or {}, **more})

    async def clear(self) -> None:
        """Clear all faults."""
        await self.call("DELETE", "/sim/faults")


def tickets(volume: Any) -> dict[str, Any]:
    """The attachment tickets of a volume as Longhorn shows it."""
    found: dict[str, Any] = (volume.get("volumeAttachment") or {}).get("attachments") or {}
    return found
