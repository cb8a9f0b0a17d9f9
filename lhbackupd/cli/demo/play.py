"""One performance: clock, stage, script, and the judgement at the end.

It is over within its limit of real time whatever happens, and takes everything down again: the simulated cluster, the
daemon, their port, threads and the temporary directory.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.live import Live

from lhbackupd.cli.demo.board import Board, describe
from lhbackupd.cli.demo.outside import Outside
from lhbackupd.cli.demo.promises import PROMISES, Finding, Promise
from lhbackupd.cli.demo.script import ACTS, Act, Script, build
from lhbackupd.cli.demo.show import Lines, View
from lhbackupd.cli.demo.stage import cluster, daemon
from lhbackupd.clock import Clock

#: seconds of real time after which the demo gives up, from the start of the process on; what is left of 30 is for
#: taking everything down
LIMIT = 28.0
#: seconds of the demo's clock per real second
SPEED = 40.0
#: the demo's night begins this long before its first due time: what a busy machine needs to build and to start
_BEFORE = timedelta(seconds=100)
#: seconds of real time between two pictures of the live view
_PICTURE = 0.1


def clock_for_tonight(speed: float = SPEED) -> Clock:
    """A clock on which it is shortly before 02:00 UTC, and that runs `speed` times as fast."""
    wall = Clock().now()
    start = datetime(wall.year, wall.month, wall.day, 2, tzinfo=UTC) - _BEFORE
    # the epoch from which on a clock of this speed has come to `start` by now
    return Clock(speed=speed, epoch=(wall.timestamp() * speed - start.timestamp()) / (speed - 1))


@dataclass(slots=True, kw_only=True)
class Performance:
    """How it is played: where it is shown, what is played and promised, and how long it may take (real seconds)."""

    console: Console
    live: bool
    acts: Sequence[Act] = ACTS
    promises: Sequence[Promise] = PROMISES
    speed: float = SPEED
    limit: float = LIMIT
    #: where the temporary directory is made; None is the system's place for such
    within: Path | None = None
    #: what came of it: filled by `play`
    findings: list[tuple[Promise, Finding]] = field(default_factory=list)
    #: what the demo's clock measured, in seconds
    simulated: float = 0.0
    _board: Board | None = None
    _act: str = "building the cluster"

    async def play(self) -> None:
        """Play all acts and judge; raises TimeoutError at the limit, OutsideError and OSError for a broken stage."""
        async with asyncio.timeout(self.limit):
            with ExitStack() as stack:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lhbackupd-demo-", dir=self.within))
                await self._play(Path(folder), clock_for_tonight(self.speed), stack)

    def stuck(self) -> str:
        """What it was about when it was stopped."""
        runs = self._board.runs.values() if self._board else ()
        open_runs = [f"{run.volume} is {describe(run)}" for run in runs if not run.finished]
        return "; ".join([f"in the act {self._act}", *open_runs])

    async def _play(self, folder: Path, clock: Clock, stack: ExitStack) -> None:
        board = Board(hear=_silent if self.live else Lines(console=self.console), now=clock.now)
        self._board, began = board, clock.monotonic()
        async with cluster(clock) as port:
            outside = Outside(port=port)
            stack.callback(outside.close)
            script = Script(outside=outside, board=board, clock=clock)
            async with self._shown(board, clock):
                await build(script)
                async with daemon(clock, folder=folder, port=port, tell=board.tell) as engine:
                    board.queue = engine.keeper.waiting
                    for act in self.acts:
                        self._act = act.__name__
                        await act(script)
            evidence = await script.evidence()
        self.simulated = clock.monotonic() - began
        self.findings = [(promise, promise.find(evidence)) for promise in self.promises]

    @asynccontextmanager
    async def _shown(self, board: Board, clock: Clock) -> AsyncIterator[None]:
        """Keep a picture of the board on the terminal, if there is one."""
        if not self.live:
            yield
            return
        view = View(board=board, clock=clock, console=self.console)
        with Live(view, console=self.console, screen=True, auto_refresh=False) as picture:
            painting = asyncio.create_task(_paint(picture))
            try:
                yield
            finally:
                painting.cancel()


async def _paint(picture: Live) -> None:
    while True:
        picture.refresh()
        await asyncio.sleep(_PICTURE)


def _silent(_when: datetime, _volume: str, _words: str) -> None:
    pass
