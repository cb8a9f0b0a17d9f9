"""Orders about runs: make one now, call one off, see what became of one.

A run that a person asks for goes the way of a scheduled one, through the journal and the keeper. Asking twice makes
one run: where the policy has one of the volume unfinished, that is the answer.

    POST /v1/backup    {"volumes": ["db"], "policy": "nightly"}    Asked; without a policy the only one that covers it
    POST /v1/cancel    {"run": "66a3…"}                            RunState
    GET  /v1/runs/{id}                                             RunState
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from msgspec import Meta
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.core.naming import attempt_id
from lhbackupd.core.selection import covering
from lhbackupd.engine.inventory import Inventory
from lhbackupd.engine.keeper import Keeper
from lhbackupd.engine.scheduler import Key
from lhbackupd.surface.asking import UNAVAILABLE, UNKNOWN, VERSION, Body, Refused, answered, asker, near, read

Name = Annotated[str, Meta(min_length=1, max_length=253)]


class BackupOrder(Body):
    """Back these volumes up now."""

    volumes: Annotated[list[Name], Meta(min_length=1, max_length=1000)]
    policy: Name | None = None


class CancelOrder(Body):
    """Call this run off."""

    run: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run as it is now."""

    version: int = VERSION
    run: str
    policy: str
    volume: str
    phase: Phase
    #: known once it is on its way out
    outcome: Outcome | None
    reason: str
    #: up to when the snapshot that it backs up holds what was written
    snapshot_holds: datetime | None
    finished: bool
    cancelled: bool
    #: the run that tries again; "" where there is none
    followed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRun:
    """The run that serves an order."""

    #: False for one that was going on already
    new: bool
    state: RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a backup order came to, one for each volume."""

    version: int = VERSION
    runs: tuple[AskedRun, ...]


class RunOrders:
    """Carries out orders about runs."""

    def __init__(self, *, keeper: Keeper, inventory: Inventory) -> None:
        self._keeper = keeper
        self._inventory = inventory

    async def backup(self, order: BackupOrder, by: str) -> Asked:
        """Make the runs, all of them or none. Raises Refused, JournalError."""
        if self._keeper.stopping.is_set():
            raise Refused("this daemon lets no run in any more: it was told to leave, or is stopping; start it again")
        await self._keeper.begun.wait()
        keys = [await self._key(volume, order.policy) for volume in dict.fromkeys(order.volumes)]
        for policy in dict.fromkeys(policy for policy, _ in keys):
            if why := self._keeper.orders.paused(policy):
                raise Refused(f"{why}; nothing was queued: resume it first (lhbackupd resume)")
        found = [await self._keeper.ask(key, by) for key in keys]
        return Asked(runs=tuple(AskedRun(new=new, state=self._state(run)) for run, new in found))

    async def _key(self, name: str, wanted: str | None) -> Key:
        """Which policy backs this volume up. Raises Refused."""
        if name not in self._inventory.picture.volumes:
            await self._inventory.poll()  # it may have been made since the last one
        picture = self._inventory.picture
        volume = picture.volumes.get(name)
        if volume is None:
            raise _unlisted(self._inventory, name)
        policies = self._keeper.rules.policies
        cover = covering(policies.values(), volume, picture.groups.get(name))
        names = [policy.name for policy in cover.policies]
        if wanted is not None and wanted not in policies:
            raise Refused(f"there is no policy {wanted}{near(wanted, policies)}", status=UNKNOWN)
        if wanted is None and len(names) == 1 and not cover.undecided:
            return names[0], name
        if wanted in names:
            return str(wanted), name
        if cover.undecided:
            raise Refused(
                f"the recurring-job groups of volume {name} have not been read yet, on which its policies hang; "
                "ask again in a minute, or name a policy that does not",
                status=UNAVAILABLE,
            )
        if not names:
            step = "widen a policy's match, reload the daemon (SIGHUP), and ask again"
            raise Refused(f"volume {name} is covered by no policy, so nothing says how to back it up; {step}")
        listed = ", ".join(names)
        if wanted is None:
            raise Refused(f"volume {name} is covered by {len(names)} policies ({listed}); say which one (--policy)")
        raise Refused(f"policy {wanted} does not match volume {name}, which is covered by {listed}")

    async def cancel(self, order: CancelOrder, by: str) -> RunState:
        """Call a run off. Raises Refused for one that is over or unknown, JournalError."""
        await self._keeper.begun.wait()
        if (run := self._going(order.run)) is not None:
            if run.phase is Phase.DETACHING and run.outcome in {Outcome.COMPLETED, Outcome.UNCHANGED}:
                raise Refused(f"run {run.id} gives its volume back, and stays {run.outcome.value}: {run.reason}")
            await self._keeper.orders.call_off(run, by)
            self._keeper.wake()
        state = await self.state(order.run)
        if state.finished and not state.cancelled:
            follows = f"; its next attempt is run {state.followed_by}" if state.followed_by else ""
            outcome = state.outcome.value if state.outcome else "ended"
            raise Refused(f"run {state.run} is over already ({outcome}: {state.reason}){follows}")
        return state

    async def state(self, run_id: str) -> RunState:
        """A run as it is now. Raises Refused for one that is unknown, JournalError."""
        await self._keeper.begun.wait()
        run = self._going(run_id) or await self._keeper.books.find(run_id)
        if run is None:
            others = near(run_id, (run.id for run in self._keeper.unfinished()))
            raise Refused(f"no run {run_id} is known{others}; lhbackupd status shows those that go on", status=UNKNOWN)
        return self._state(run)

    def _going(self, run_id: str) -> Run | None:
        return next((run for run in self._keeper.unfinished() if run.id == run_id), None)

    def _state(self, run: Run) -> RunState:
        follows = self._going(attempt_id(run.id, run.attempt + 1))
        return RunState(
            run=run.id,
            policy=run.policy,
            volume=run.volume,
            phase=run.phase,
            outcome=run.outcome,
            reason=run.reason,
            snapshot_holds=run.snapshot_holds,
            finished=run.finished,
            cancelled=run.cancelled or self._keeper.orders.cancelled(run.id),
            followed_by=follows.id if follows else "",
        )

    def routes(self) -> Iterable[BaseRoute]:
        """The routes of these orders."""

        async def backup(request: Request) -> Asked:
            return await self.backup(await read(request, BackupOrder), asker(request))

        async def cancel(request: Request) -> RunState:
            return await self.cancel(await read(request, CancelOrder), asker(request))

        async def state(request: Request) -> RunState:
            return await self.state(request.path_params["run"])

        yield Route("/v1/backup", answered(backup), methods=["POST"])
        yield Route("/v1/cancel", answered(cancel), methods=["POST"])
        yield Route("/v1/runs/{run}", answered(state))


def _unlisted(inventory: Inventory, name: str) -> Refused:
    """Why a volume cannot be backed up that Longhorn does not list."""
    picture = inventory.picture
    if picture.at is None:
        why = picture.fault.text if picture.fault else "it has not been asked yet"
        return Refused(f"Longhorn has not listed its volumes yet ({why}); nothing was queued", status=UNAVAILABLE)
    if name in picture.broken:
        return Refused(f"Longhorn's entry for volume {name} makes no sense: {picture.broken[name]}")
    claims = [volume.name for volume in picture.volumes.values() if volume.pvc and volume.pvc == name]
    if claims:
        text = f"there is no volume {name}; PVC {name} has volume {' and '.join(sorted(claims))}"
        return Refused(text, status=UNKNOWN)
    return Refused(f"there is no volume {name}{near(name, picture.volumes)}", status=UNKNOWN)
