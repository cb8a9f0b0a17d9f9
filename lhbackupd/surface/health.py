"""Whether the daemon lives, and whether it is ready: two questions with different cures.

Not alive (the loop does not tick) is cured by a restart. Not ready is not: the journal's disk is full, or the scheduler
stands still. Longhorn's troubles are neither; the daemon's work is to outlast them.
"""

import asyncio
from collections.abc import Iterable

from lhbackupd.clock import Clock
from lhbackupd.engine.keeper import TURN, Keeper
from lhbackupd.surface.words import span

#: seconds between two beats, and the age of the last one from which the loop counts as stuck
BEAT = 1.0
STUCK = 30.0


class Pulse:
    """A task that ticks on the event loop, so that a loop that starves its tasks is noticed."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._beat = clock.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop`."""
        while not stop.is_set():
            self._beat = self._clock.monotonic()
            await self._clock.wait(stop, BEAT)

    def fault(self) -> str:
        """Why the daemon is not alive; "" while it is."""
        age = self._clock.monotonic() - self._beat
        return f"the event loop has not ticked for {span(age)}" if age > STUCK else ""


def unready(*, keeper: Keeper, clock: Clock, config: Iterable[str] = ()) -> tuple[str, ...]:
    """Why the daemon is not ready, in words; empty while it is. `config` is what is wrong with the configuration."""
    reasons = [f"configuration: {fault}" for fault in config]
    if keeper.books.trouble:
        reasons.append(
            keeper.books.trouble if keeper.books.trouble.startswith("journal") else f"journal: {keeper.books.trouble}"
        )
    if keeper.housekeeper.blocked:
        reasons.append(f"twin: {keeper.housekeeper.blocked}")
    if keeper.left:
        reasons.append("left: `lhbackupd leave` was called; no run is let in until the daemon is started again")
    if standstill := stands_still(keeper=keeper, clock=clock):
        reasons.append(standstill)
    return tuple(reasons)


def stands_still(*, keeper: Keeper, clock: Clock) -> str:
    """Why a restart would help, which is what the watchdog is for; "" while it would not.

    A full disk or a twin makes the daemon unready as well, and restarting it over and over would only hide why.
    """
    age = clock.monotonic() - keeper.turned
    if keeper.left or age <= 3 * TURN:
        return ""
    return f"scheduler: its loop has not turned for {span(age)}"
