"""The lobby: runs that wait, each with what it waits for, and who of them is let in.

What becomes of a waiting run is decided as of any other (`machine.decide`), from the last poll and as though it had a
slot: it ends, waits on, or is ready for one. All of them are swept when something has happened that may bear on any:
decided on, put in order, and told what they wait for. Where a run has merely ended that would be work in the square of
their number: what has come free then goes to those whom the last sweep found ready, in the order in which it left them,
and only who gets a slot is decided on again.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from lhbackupd.clock import Clock
from lhbackupd.core.admission import Admission, Load, Slot, admit, hand_out
from lhbackupd.core.cluster import Fault, FaultKind
from lhbackupd.core.commands import Seen
from lhbackupd.core.machine import decide
from lhbackupd.core.model import Now, Phase, Run
from lhbackupd.core.moves import opens
from lhbackupd.core.order import Claim, Queue
from lhbackupd.core.pace import UNANSWERED
from lhbackupd.engine.events import Defect, Tell
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.inventory import Inventory
from lhbackupd.engine.orders import Orders
from lhbackupd.engine.rules import Rules
from lhbackupd.engine.runner import Hands, Surroundings
from lhbackupd.engine.slices import sliced

#: how soon a run that had to queue again is let in again, while Longhorn answers
_AGAIN = timedelta(seconds=2)
#: how long a run that met a defect of ours is left alone
_DEFECT = timedelta(seconds=10)

#: seconds after which all are looked at again, whatever has happened: windows close, and evidence grows old
OLD = 10.0

_NOT_LISTED = Fault(FaultKind.UNREACHABLE, "Longhorn has not listed the volume")
_PROBE = Slot(node="", target="")


class House(Surroundings, Protocol):
    """What else bears on who is let in, and who sees to runs that need not wait."""

    @property
    def rules(self) -> Rules: ...
    @property
    def active(self) -> Mapping[str, Run]: ...
    def claims(self, runs: Collection[Run]) -> dict[str, Claim]: ...
    def end(self, run: Run, after: Run) -> None: ...


class Lobby:
    """The runs that wait, by id."""

    def __init__(
        self,
        *,
        gateway: Hands,
        house: House,
        inventory: Inventory,
        orders: Orders,
        clock: Clock,
        compute: Offload,
        tell: Tell,
    ) -> None:
        self._gateway = gateway
        self._house = house
        self._inventory = inventory
        self._orders = orders
        self._clock = clock
        self._compute = compute
        self._tell = tell
        self.runs: dict[str, Run] = {}
        #: whether something has happened since the last sweep that may bear on any run
        self.stale = True
        #: when some run may have to be looked at again, as far as is known: at its next attempt, or when a window opens
        self.next: datetime | None = None
        #: when all were last swept, on the monotonic clock
        self._swept = clock.monotonic()
        #: those who could start then, and have had no slot since
        self._queue = Queue()

    def add(self, runs: Iterable[Run]) -> None:
        """Let runs wait: each until its time, or until it gets a slot."""
        for run in runs:
            self.runs[run.id] = run
            if run.not_before is None or run.not_before <= self._clock.now():
                self.stale = True
            else:
                self.next = min(self.next or run.not_before, run.not_before)

    def take_back(self, run: Run) -> None:
        """Let a run wait that was let in and had to queue again."""
        again = _AGAIN if self._inventory.picture.fault is None else timedelta(seconds=UNANSWERED)
        self.add([replace(run, not_before=self._clock.now() + again)])

    def bring_back(self, longest: timedelta) -> None:
        """Put right the times that a wall clock that was ahead has left: no attempt is further away than `longest`."""
        self.stale = True
        latest = self._clock.now() + longest
        for run in self.runs.values():
            if run.not_before is not None and run.not_before > latest:
                self.runs[run.id] = replace(run, not_before=latest)

    async def let_in(self) -> AsyncIterator[tuple[Run, Slot]]:
        """End the runs that need not wait; gives the others that have a slot now, each to be started at once."""
        now = self._clock.now()
        old = self._clock.monotonic() - self._swept >= OLD
        if self.stale or old or (self.next is not None and self.next <= now):
            async for run, slot in sliced(await self._sweep(now)):
                yield run, slot
            return
        refused = bool(self._queue)
        while refused:  # a place that one turns out not to need goes to the next
            refused = False
            for run, slot in await self._compute(self._free, now, tuple(self._house.active.values())):
                if (known := self.runs.get(run.id)) is not None and await self._ready(known, now):
                    yield known, slot
                else:
                    refused = True

    async def _sweep(self, now: datetime) -> list[tuple[Run, Slot]]:
        """Decide on all, put those that could start in order, and tell those that have no slot why."""
        self.stale, self._swept, self._queue = False, self._clock.monotonic(), Queue()
        ready = [run async for run in sliced(self.runs.values()) if await self._ready(run, now)]
        self.next = min(self._moments(now), default=None)
        if not ready:
            return []
        admission = await self._compute(self._admission, ready, tuple(self._house.active.values()))
        self._queue = admission.left
        async for run in sliced(ready):
            words = admission.waits.get(run.id, run.reason)
            if words != run.reason and self.runs.get(run.id) is run:
                self.runs[run.id] = replace(run, reason=words)
        return [(run, admission.slots[run.id]) for run in ready if run.id in admission.slots]

    def _moments(self, now: datetime) -> Iterator[datetime]:
        yield from (run.not_before for run in self.runs.values() if run.not_before and run.not_before > now)
        policies = filter(None, map(self._house.policy, {run.policy for run in self.runs.values()}))
        yield from filter(None, (opens(policy, now) for policy in policies))

    def _admission(self, ready: list[Run], active: tuple[Run, ...]) -> Admission:
        """In a thread: thousands of runs put in order on the loop would hold it up."""
        picture, limits = self._inventory.picture, self._house.rules.limits
        claims, now = self._house.claims((*ready, *active)), self._clock.now()
        return admit(ready, active, volumes=picture.volumes, nodes=picture.nodes, limits=limits, claims=claims, now=now)

    def _free(self, now: datetime, active: tuple[Run, ...]) -> list[tuple[Run, Slot]]:
        """In a thread, as the order is made: who of those that the last sweep left has a slot now."""
        load = Load.of(active, self._house.claims(active))
        return list(hand_out(self._queue, load, self._house.rules.limits, now=now))

    async def _ready(self, run: Run, now: datetime) -> bool:
        """Decide on a run as though it had a slot: whether it could start. Otherwise it has ended, or waits on."""
        if run.not_before is not None and run.not_before > now and not self._orders.cancelled(run.id):
            return False
        try:
            seen, policy = self._orders.heeded(await self._glance(run), run), self._house.policy(run.policy)
            if policy is not None and policy.no_touch:
                seen = self._house.trails.beside(seen, run)
            after, _ = decide(run, seen, Now(wall=now), policy, self._orders.origin)
        except Exception as error:  # noqa: BLE001 -- nor must it keep others from being let in
            self._tell(Defect(run, error))
            self.runs[run.id] = replace(run, not_before=now + _DEFECT)
            return False
        if after.finished:
            self._house.end(run, after)
        elif after.phase is not Phase.QUEUED:
            return True
        elif after != run:  # the same one again says that nothing has changed, to those who show it
            self.runs[run.id] = after
        return False

    async def _glance(self, run: Run) -> Seen:
        """What the last poll showed for a waiting run, as though it had a slot."""
        picture = self._inventory.picture
        volume = picture.volumes.get(run.volume)
        if volume is None and picture.listed:
            return await self._gateway.look(run, unlisted=run.volume not in picture.broken)
        fault = None if volume is not None else picture.fault or _NOT_LISTED
        target = picture.targets.get(volume.backup_target) if volume else None
        return Seen(volume=volume, fault=fault, setting=picture.setting, target=target, slot=_PROBE)
