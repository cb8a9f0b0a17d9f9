"""What happens in the demo, from outside the daemon: three due times, and what people and pods do between them.

Everything waits for something that shows on the board, never for a number of seconds, so a slow machine plays the same
piece more slowly. The daemon is told nothing: it finds out as it would in a real cluster.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from lhbackupd.cli.demo.board import Board
from lhbackupd.cli.demo.cast import CAST, CORDONED, MIB, NAMES, SETTING, Part
from lhbackupd.cli.demo.evidence import Evidence
from lhbackupd.cli.demo.outside import Outside
from lhbackupd.clock import Clock

#: how often a condition is looked at, in seconds of the demo's clock
_LOOK = 2.0
#: the due times that are played
ROUNDS = 3

Act = Callable[["Script"], Awaitable[None]]


class Script:
    """Plays the acts, with the hands of everybody but the daemon."""

    def __init__(self, *, outside: Outside, board: Board, clock: Clock) -> None:
        self._outside = outside
        self._clock = clock
        self.board = board

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition; the demo's time limit ends a wait in vain."""
        while not condition():
            await self.pause()
            await self.refresh()

    async def pause(self) -> None:
        """Let a moment pass."""
        await self._clock.sleep(_LOOK)

    async def refresh(self) -> None:
        """Bring the board up to the cluster's ledger."""
        since = self.board.entries[-1]["seq"] if self.board.entries else 0
        answer = await self._outside.call("GET", f"/sim/ledger?since={since}")
        last = self.board.entries[-1]["seq"] if self.board.entries else 0
        self.board.read(entry for entry in answer["entries"] if entry["seq"] > last)

    async def evidence(self) -> Evidence:
        """What can be held against the promises now."""
        await self.refresh()
        summary = await self.side("GET", "ledger/summary")
        return Evidence(
            entries=tuple(self.board.entries),
            volumes=summary["volumes"],
            runs=tuple(run for run in self.board.runs.values() if run.finished),
            troubles=tuple(self.board.troubles),
        )

    async def longhorn(self, method: str, path: str, body: object = None) -> Any:
        """A request of Longhorn's own API, by somebody who is not lhbackupd."""
        return await self._outside.call(method, f"/v1/{path}", body)

    async def side(self, method: str, path: str, body: object = None) -> Any:
        """A request of the side API."""
        return await self._outside.call(method, f"/sim/{path}", body)

    async def write(self, volume: str, number: int, *, by: str = "its pod", offline: bool = False) -> None:
        """Put 4 MiB of new data into a volume, at a place of its own for each `number`."""
        body = {"bytes": 4 * MIB, "offset": (8 + 4 * number) * MIB, "by": by, "offline": offline}
        await self.side("POST", f"volumes/{volume}/write", body)


async def build(script: Script) -> None:
    """The cluster as the daemon finds it: one pod runs, one node is cordoned, the setting is off."""
    await script.longhorn("PUT", f"settings/{SETTING}", {"value": "false"})
    await script.side("POST", f"nodes/{CORDONED}", {"cordoned": True})
    for part in CAST:
        size = {"size": str(64 * MIB), "numberOfReplicas": part.replicas, "dataLocality": part.locality}
        await script.longhorn("POST", "volumes", {"name": part.name, **size})
    for part in CAST:
        await _fill(script, part)
    await script.side("POST", "pods", {"name": "db-0", "namespace": "shop", "volume": "db", "node": "node-1"})
    await script.until(lambda: script.board.happened("pod-running", "db"))


async def _fill(script: Script, part: Part) -> None:
    async def created() -> bool:
        return bool((await script.longhorn("GET", f"volumes/{part.name}"))["state"] == "detached")

    while not await created():
        await script.pause()
    await script.side("POST", f"volumes/{part.name}/pvc", {"namespace": part.namespace, "pvc": part.name})
    await script.side("POST", f"volumes/{part.name}/timing", {"backup": part.backup})
    if part.data:
        body = {"bytes": part.data, **({"node": part.home} if part.home else {})}
        await script.side("POST", f"volumes/{part.name}/prefill", body)


async def setting_off(script: Script) -> None:
    """First due time: detached volumes are suspended, the attached one is backed up."""
    script.board.note(f"Longhorn's setting {SETTING} is false")
    await script.until(lambda: script.board.rounds() == 1)


async def setting_on(script: Script) -> None:
    """Second due time: everything is backed up; one backup fails, and a pod starts in the middle of another."""
    script.board.note(f"an admin turns {SETTING} on")
    await script.longhorn("PUT", f"settings/{SETTING}", {"value": "true"})
    await script.write("db", 1)
    fault = {"kind": "backup-error-at", "percent": 50, "match": {"volume": "mail"}, "message": "read-only file system"}
    await script.side("POST", "faults", fault)
    await script.until(lambda: script.board.happened("backup-started", "wiki"))
    await script.until(lambda: any(run.volume == "wiki" and run.progress for run in script.board.runs.values()))
    script.board.note("pod shop/wiki-0 starts, while the backup of its volume runs")
    await script.side("POST", "pods", {"name": "wiki-0", "namespace": "shop", "volume": "wiki", "node": "node-3"})
    await script.until(lambda: script.board.rounds() == ROUNDS - 1 and script.board.happened("pod-running", "wiki"))


async def some_change(script: Script) -> None:
    """Third due time: only what has changed is backed up again."""
    script.board.note("new data in db and wiki by their pods, in files by another client; pod wiki-0 ends")
    await script.write("db", 2)
    await script.write("wiki", 1)
    await script.side("DELETE", "pods/shop/wiki-0")
    await script.write("files", 1, by="another client", offline=True)
    await script.until(lambda: script.board.rounds() == ROUNDS)


async def curtain(script: Script) -> None:
    """The last pod ends; nothing should be attached then."""
    script.board.note("pod shop/db-0 ends")
    await script.side("DELETE", "pods/shop/db-0")
    still = script.board.volumes
    await script.until(lambda: all(still[name].state == "detached" for name in NAMES if name in still))


#: what is played once the daemon runs
ACTS: tuple[Act, ...] = (setting_off, setting_on, some_change, curtain)
