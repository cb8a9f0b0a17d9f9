"""The lobby: runs that wait, each with what it waits for, and looked at again at every turn of the keeper's loop.

What becomes of a waiting run is decided as of any other (`machine.decide`), from the last poll and as though it had a
slot: it ends, waits on, or is ready for one.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from lhbackupd.clock import Clock
from lhbackupd.core.admission import Slot
from lhbackupd.core.cluster import Fault, FaultKind
from lhbackupd.core.commands import Seen
from lhbackupd.core.machine import decide
from lhbackupd.core.model import Now, Phase, Run
from lhbackupd.core.moves import opens
from lhbackupd.core.pace import UNANSWERED
from lhbackupd.engine.events import Defect, Tell
from lhbackupd.engine.inventory import Inventory
from lhbackupd.engine.orders import Orders
from lhbackupd.engine.runner import Hands, Surroundings
from lhbackupd.engine.slices import sliced

#: how soon a run that had to queue again is let in again, while Longhorn answers
_AGAIN = timedelta(seconds=2)
#: how long a run that met a defect of ours is left alone
_DEFECT = timedelta(seconds=10)

#: decided on before others have the loop again
_SLICE = 50

_NOT_LISTED = Fault(FaultKind.UNREACHABLE, "Longhorn has not listed the volume")
_PROBE = Slot(node="", target="")


class Lobby:
    """The runs that wait, by id."""

    def __init__(
        self,
        *,
        gateway: Hands,
        surroundings: Surroundings,
        inventory: Inventory,
        orders: Orders,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._gateway = gateway
        self._surroundings = surroundings
        self._inventory = inventory
        self._orders = orders
        self._clock = clock
        self._tell = tell
        self.runs: dict[str, Run] = {}

    def moments(self, now: datetime) -> Iterator[datetime]:
        """When some run may have to be looked at again: its next attempt's time, or its window's opening."""
        yield from (run.not_before for run in self.runs.values() if run.not_before and run.not_before > now)
        policies = filter(None, map(self._surroundings.policy, {run.policy for run in self.runs.values()}))
        yield from filter(None, (opens(policy, now) for policy in policies))

    def take_back(self, run: Run) -> None:
        """Let a run wait that was let in and had to queue again."""
        again = _AGAIN if self._inventory.picture.fault is None else timedelta(seconds=UNANSWERED)
        self.runs[run.id] = replace(run, not_before=self._clock.now() + again)

    def bring_back(self, longest: timedelta) -> None:
        """Put right the times that a wall clock that was ahead has left: no attempt is further away than `longest`."""
        latest = self._clock.now() + longest
        for run in self.runs.values():
            if run.not_before is not None and run.not_before > latest:
                self.runs[run.id] = replace(run, not_before=latest)

    async def decided(self, now: datetime) -> tuple[list[tuple[Run, Run]], list[Run]]:
        """Decide on every run that need not wait for its time.

        Returns those that end, each as it was and as it is, and those that could start.
        """
        over: list[tuple[Run, Run]] = []
        ready: list[Run] = []
        async for run in sliced(self.runs.values(), _SLICE):
            if run.not_before is not None and run.not_before > now and not self._orders.cancelled(run.id):
                continue
            try:
                seen = self._surroundings.trails.beside(self._orders.heeded(await self._glance(run), run), run)
                after, _ = decide(run, seen, Now(wall=now), self._surroundings.policy(run.policy), self._orders.origin)
            except Exception as error:  # noqa: BLE001 -- nor must it keep others from being let in
                self._tell(Defect(run, error))
                self.runs[run.id] = replace(run, not_before=now + _DEFECT)
                continue
            if after.finished:
                over.append((run, after))
            elif after.phase is Phase.QUEUED:
                self.runs[run.id] = after
            else:
                ready.append(run)
        return over, ready

    async def _glance(self, run: Run) -> Seen:
        """What the last poll showed for a waiting run, as though it had a slot."""
        picture = self._inventory.picture
        volume = picture.volumes.get(run.volume)
        if volume is None and picture.at is not None and picture.fault is None:
            return await self._gateway.look(run)
        fault = None if volume is not None else picture.fault or _NOT_LISTED
        target = picture.targets.get(volume.backup_target) if volume else None
        return Seen(volume=volume, fault=fault, setting=picture.setting, target=target, slot=_PROBE)
