"""Orders to pause policies, and to let them go on.

POST /v1/pause     {"policy": "nightly" or null for all, "seconds": 28800, "reason": "…"}    Paused
POST /v1/resume    {"policy": "nightly" or null for all}                                      Resumed
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from msgspec import Meta
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from lhbackupd.clock import Clock
from lhbackupd.core.pausing import ALL, Pause
from lhbackupd.engine.keeper import Keeper
from lhbackupd.surface.asking import UNKNOWN, VERSION, Body, Refused, answered, asker, near, read

#: seconds of a year: whoever wants a longer pause takes the policy out of the configuration
_LONGEST = 366 * 86400.0


class PauseOrder(Body):
    """Let a policy, or all, start nothing."""

    policy: str | None
    #: until it should be over
    seconds: Annotated[float, Meta(gt=0, le=_LONGEST)] = 8 * 3600.0
    reason: Annotated[str, Meta(max_length=256)] = ""


class ResumeOrder(Body):
    """Let a policy, or all, go on."""

    policy: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A pause that holds, in words too; runs of it that go on are not touched."""

    version: int = VERSION
    pause: Pause
    words: str
    #: how many runs of it go on, and how many wait
    running: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What is no longer paused."""

    version: int = VERSION
    ended: tuple[Pause, ...]
    #: why the policy starts nothing all the same; "" if it does
    still: str = ""


class PauseOrders:
    """Carries out orders to pause and to resume."""

    def __init__(self, *, keeper: Keeper, clock: Clock) -> None:
        self._keeper = keeper
        self._clock = clock

    async def pause(self, order: PauseOrder, by: str) -> Paused:
        """Pause, or move the end of a pause. Raises Refused for an unknown policy, JournalError."""
        await self._keeper.begun.wait()
        policies = self._keeper.rules.policies
        if order.policy is not None and order.policy not in policies:
            raise Refused(f"there is no policy {order.policy}{near(order.policy, policies)}", status=UNKNOWN)
        now = self._clock.now()
        until = now + timedelta(seconds=order.seconds)
        reason = " ".join(order.reason.split())
        pause = await self._keeper.orders.pause(
            Pause(policy=order.policy or ALL, since=now, until=until, by=by, reason=reason)
        )
        self._keeper.wake()
        return Paused(
            pause=pause,
            words=pause.words(now),
            running=sum(order.policy in {None, run.policy} for run in self._keeper.active.values()),
            waiting=sum(order.policy in {None, run.policy} for run in self._keeper.waiting.values()),
        )

    async def resume(self, order: ResumeOrder, by: str) -> Resumed:
        """End a policy's pause, or every one. Raises Refused for an unknown policy, JournalError."""
        await self._keeper.begun.wait()
        orders = self._keeper.orders
        paused, policies = {pause.policy for pause in orders.pauses}, self._keeper.rules.policies
        # a pause outlives its policy, and can be ended all the same
        if order.policy is not None and order.policy not in {*policies, *paused - {ALL}}:
            raise Refused(f"there is no policy {order.policy}{near(order.policy, policies)}", status=UNKNOWN)
        ended = await orders.resume(paused if order.policy is None else {order.policy}, by)
        self._keeper.wake()
        return Resumed(ended=ended, still=orders.paused(order.policy) if order.policy is not None else "")

    def routes(self) -> Iterable[BaseRoute]:
        """The routes of these orders."""

        async def pause(request: Request) -> Paused:
            return await self.pause(await read(request, PauseOrder), asker(request))

        async def resume(request: Request) -> Resumed:
            return await self.resume(await read(request, ResumeOrder), asker(request))

        yield Route("/v1/pause", answered(pause), methods=["POST"])
        yield Route("/v1/resume", answered(resume), methods=["POST"])
