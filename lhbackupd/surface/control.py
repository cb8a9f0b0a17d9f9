"""What can be changed while the daemon runs, and only over its unix socket: here to adopt lost tickets, and to leave.

Both look at Longhorn before they act, so that they never speak of what the last poll saw, and say what they could not
do. Orders about runs are in `orders`, those about policies in `pauses`, about
backups that are there in `retaining`, what they have in common in `asking`.

    GET  /v1/status   the report
    POST /v1/adopt    Adopted, or 503 and Failed where Longhorn does not answer
    POST /v1/leave    Left; takes as long as Longhorn takes to give volumes back
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.typing import FilteringBoundLogger

from lhbackupd.clock import Clock
from lhbackupd.core.cluster import Fault
from lhbackupd.core.leases import Claim, Lease, leases
from lhbackupd.core.model import Origin
from lhbackupd.engine.inventory import Inventory
from lhbackupd.engine.keeper import Keeper
from lhbackupd.longhorn.api import Api
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.longhorn.gateway import Gateway
from lhbackupd.surface.asking import VERSION, Failed, answer
from lhbackupd.surface.orders import RunOrders
from lhbackupd.surface.pauses import PauseOrders
from lhbackupd.surface.report import Report
from lhbackupd.surface.retaining import RetentionOrders

#: seconds of the clock for which `leave` waits for volumes to be given back before it answers; they are tried on
GRACE = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A ticket of lhbackupd on a volume."""

    volume: str
    ticket: str
    #: what the ticket is, or was, to this daemon
    claim: Claim
    #: why it could not be withdrawn; "" if it was, or was not to be
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What `adopt` did."""

    version: int = VERSION
    given_back: tuple[Held, ...]
    #: why work may not start all the same; "" if it may
    blocked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What `leave` did."""

    version: int = VERSION
    instance: str
    #: the journal's random id, a label on all snapshots and backups that it made
    origin: str
    given_back: tuple[Held, ...]
    #: tickets of this instance that are still there: not confirmed by Longhorn, or of another journal and not expired
    remaining: tuple[Held, ...]
    #: why Longhorn could not be looked at first; "" if it could
    fault: str = ""


class Control:
    """The commands, on a keeper that runs."""

    def __init__(
        self,
        *,
        keeper: Keeper,
        inventory: Inventory,
        origin: Origin,
        clock: Clock,
        log: FilteringBoundLogger,
        grace: float = GRACE,
    ) -> None:
        self._keeper = keeper
        self._origin = origin
        self._inventory = inventory
        self._clock = clock
        self._log = log
        self._grace = grace
        #: the orders by noun
        self.runs = RunOrders(keeper=keeper, inventory=inventory)
        self.pauses = PauseOrders(keeper=keeper, clock=clock)
        self.retention = RetentionOrders(
            keeper=keeper, inventory=inventory, scheduler=keeper.books.scheduler, clock=clock
        )

    async def adopt(self) -> Adopted | Failed:
        """Give back every ticket of our instance that no live run holds, and let work start."""
        if fault := await self._look():
            return Failed(error=f"nothing was adopted, because Longhorn could not be looked at: {fault}")
        tried = await self._keeper.housekeeper.adopt()
        self._log.warning(f"told to adopt: {len(tried)} tickets were without a live run", action="adopted")
        self._keeper.wake()
        return Adopted(
            given_back=tuple(_held(event.lease, event.fault) for event in tried),
            blocked=self._keeper.housekeeper.blocked,
        )

    async def leave(self) -> Left:
        """Let no run in any more, and give back all that is ours; may be called again to see what is left."""
        await self._look()
        before = {held.ticket: held for held in (*self._runs(), *self._ours())}
        self._log.warning("told to leave: no run is let in until the daemon is started again", action="left")
        self._keeper.leave()
        done = await self._clock.wait(self._keeper.ended, self._grace)
        if fault := await self._look():
            # the keeper only ends once it has seen that no run's ticket is there; of others nothing is known
            gone = {held.ticket for held in before.values() if done and held.claim is Claim.LIVE}
            after = {held.ticket: replace(held, fault=fault) for held in before.values() if held.ticket not in gone}
        else:
            after = {held.ticket: held for held in self._ours()}
        given_back = tuple(held for held in before.values() if held.ticket not in after)
        return Left(
            instance=self._origin.instance,
            origin=self._origin.journal,
            given_back=given_back,
            remaining=tuple(after.values()),
            fault=fault,
        )

    def _runs(self) -> list[Held]:
        """The tickets of live runs."""
        runs = self._keeper.active.values()
        tickets = [(run.volume, ticket) for run in runs for ticket in (run.ticket, run.former) if ticket]
        return [Held(volume=volume, ticket=ticket, claim=Claim.LIVE) for volume, ticket in tickets]

    def _ours(self) -> list[Held]:
        """The tickets of our instance that Longhorn showed at the last look."""
        leases = self._keeper.housekeeper.leases
        return [_held(lease) for lease in leases if lease.claim is not Claim.FOREIGN]

    async def _look(self) -> str:
        """Look at Longhorn now, and give back what is due; why that failed, or ""."""
        await self._keeper.begun.wait()
        before = self._inventory.picture.at
        await self._inventory.poll()
        picture = self._inventory.picture
        if picture.fault is not None and picture.at == before:
            return picture.fault.text
        await self._keeper.housekeeper.sweep(picture, self._keeper.tickets)
        return ""


def _held(lease: Lease, fault: Fault | None = None) -> Held:
    return Held(volume=lease.volume, ticket=lease.ticket, claim=lease.claim, fault=fault.text if fault else "")


async def leave_without_daemon(*, longhorn: Longhorn, origin: Origin, now: Callable[[], datetime]) -> Left:
    """What `leave` does while no daemon runs, which the caller has made sure of. Raises LonghornError."""
    api = Api(longhorn=longhorn)
    gateway = Gateway(longhorn=api, origin=origin)

    async def ours() -> list[Lease]:
        volumes, _ = await api.volumes()
        found = leases(volumes, origin=origin, live=(), now=now())
        return [lease for lease in found if lease.claim is not Claim.FOREIGN]

    before = await ours()
    faults = {lease.ticket: await gateway.withdraw(lease.volume, lease.ticket) for lease in before if lease.due}
    after = await ours()
    there = {lease.ticket for lease in after}
    return Left(
        instance=origin.instance,
        origin=origin.journal,
        given_back=tuple(_held(lease) for lease in before if lease.ticket not in there),
        remaining=tuple(_held(lease, faults.get(lease.ticket)) for lease in after),
    )


def application(*, control: Control, report: Callable[[], Report]) -> Starlette:
    """The ASGI application behind the socket. Starlette answers other methods with 405 and other paths with 404."""

    def show_report(_: Request) -> Response:
        return answer(report())

    async def adopt(_: Request) -> Response:
        return answer(await control.adopt())

    async def leave(_: Request) -> Response:
        return answer(await control.leave())

    return Starlette(
        routes=[
            Route("/v1/status", show_report),
            Route("/v1/adopt", adopt, methods=["POST"]),
            Route("/v1/leave", leave, methods=["POST"]),
            *control.runs.routes(),
            *control.pauses.routes(),
            *control.retention.routes(),
        ],
        exception_handlers={Exception: _defect},
    )


async def _defect(_request: Request, _error: Exception) -> Response:
    """The answer to a defect of ours: uvicorn logs the error itself."""
    return answer(Failed(error="internal error; see the daemon's log"), 500)
