"""The yardstick: the same sequence of requests by a client that does nothing else and looks every 50 ms.

What it needs for a volume is the time T that Longhorn's part takes. It keeps no journal, knows no limits, recovers from
nothing, and never waits longer than 50 ms for what has already happened.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.stage import BenchmarkError, Stage

#: the beginning of its tickets' ids
PREFIX = "bare:"
#: seconds of the clock between two looks
EVERY = 0.05
#: seconds of the clock until it gives up
_PATIENCE = 120.0


class Bare:
    """One volume's sequence: attach, list snapshots, snapshot, back up, detach."""

    def __init__(self, stage: Stage, volume: str) -> None:
        self._stage = stage
        self._volume = volume
        self._path = f"/v1/volumes/{volume}"
        self._ticket = f"{PREFIX}{volume}"

    async def back_up(self, *, unchanged: bool = False) -> None:
        """The whole sequence; of an unchanged volume only the snapshots and backups are read."""
        shown = await self._stage.call("GET", self._path)
        node = next(replica["hostId"] for replica in shown["replicas"])
        body = {"hostId": node, "disableFrontend": True, "attachedBy": "bare", "attacherType": "longhorn-api"}
        await self._act("attach", {**body, "attachmentID": self._ticket})
        await self._until(self._attached)
        await self._act("snapshotList", {})
        if unchanged:
            await self._backups()
        else:
            await self._snapshot_and_backup()
        await self._act("detach", {"attachmentID": self._ticket})
        await self._until(self._detached)

    async def _snapshot_and_backup(self) -> None:
        name = f"bare-{self._volume}"
        await self._act("snapshotCRCreate", {"name": name, "labels": {}})

        async def ready() -> bool:
            return bool((await self._act("snapshotCRGet", {"name": name}))["readyToUse"])

        async def completed() -> bool:
            return any(entry["state"] == "Completed" for entry in await self._backups())

        await self._until(ready)
        await self._act("snapshotBackup", {"name": name, "labels": {}, "backupMode": "incremental"})
        await self._until(completed)

    async def _attached(self) -> bool:
        shown = await self._stage.call("GET", self._path)
        ticket = shown["volumeAttachment"]["attachments"].get(self._ticket)
        running = any(controller["running"] for controller in shown["controllers"] or ())
        return bool(ticket and ticket["satisfied"] and running)

    async def _detached(self) -> bool:
        return bool((await self._stage.call("GET", self._path))["state"] == "detached")

    async def _backups(self) -> list[Any]:
        path = f"/v1/backupvolumes/{self._volume}?action=backupListByVolume"
        return list((await self._stage.call("POST", path, {"name": self._volume}))["data"] or ())

    async def _act(self, action: str, body: object) -> Any:
        return await self._stage.call("POST", f"{self._path}?action={action}", body)

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(int(_PATIENCE / EVERY)):
            if await condition():
                return
            await self._stage.clock.sleep(EVERY)
        raise BenchmarkError(f"the bare client waited for {self._volume} in vain")


async def back_up_all(stage: Stage, volumes: list[str], *, at_once: int, unchanged: bool = False) -> None:
    """Every volume once, `at_once` at a time: so few that the looks of one do not slow the simulator for another."""
    slots = asyncio.Semaphore(at_once)

    async def one(volume: str) -> None:
        async with slots:
            await Bare(stage, volume).back_up(unchanged=unchanged)

    async with asyncio.TaskGroup() as tasks:
        for volume in volumes:
            tasks.create_task(one(volume))
