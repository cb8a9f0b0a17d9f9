"""What waits to be sent to one receiver: bounded, at most so often, tried again, and never waited for by anybody.

A receiver that is down is tried again after waits that grow to ten minutes. When more waits than the box holds, the
oldest are dropped, counted, and said so once. What is sent, and what comes back, is in no log line: there are secrets.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from structlog.typing import FilteringBoundLogger

from lhbackupd.clock import Clock

T = TypeVar("T")

#: seconds until the second try, and the longest wait between two
FIRST, LONGEST = 10.0, 600.0
#: real seconds that the end of the process waits for what is still to be sent
GRACE = 3.0


class Undelivered(Exception):  # noqa: N818 -- says what is the case
    """A receiver did not take a message; the text says why in our own words."""


class Outbox(Generic[T]):
    """Sends what was put into it, in order, until it is closed."""

    def __init__(
        self,
        *,
        name: str,
        send: Callable[[Sequence[T]], Awaitable[None]],
        together: Callable[[Sequence[T]], int],
        delivered: Callable[[Sequence[T]], Awaitable[None]],
        count: Callable[[str, str, int], None],
        clock: Clock,
        log: FilteringBoundLogger,
        every: float = 0.0,
        limit: int = 20_000,
    ) -> None:
        """`send` raises Undelivered; `together` says how many go in one message, of which one goes `every` seconds."""
        self._name = name
        self._send = send
        self._together = together
        self._delivered = delivered
        self._count = count
        self._clock = clock
        self._log = log
        self._every = every
        self._limit = limit
        self._waiting: deque[T] = deque()
        #: tries in vain since the last message was delivered
        self._failures = 0
        self._dropping = False
        self._woken = asyncio.Event()
        self._closed = asyncio.Event()
        for outcome in ("delivered", "failed", "dropped"):  # a counter that is there before it counts is seen to rise
            count(name, outcome, 0)

    def put(self, item: T) -> None:
        """Have `item` sent; the oldest one makes room for it."""
        self._waiting.append(item)
        if len(self._waiting) > self._limit:
            self._waiting.popleft()
            self._count(self._name, "dropped", 1)
            if not self._dropping:
                text = f"{self._name}: more than {self._limit} messages wait, and the oldest are dropped"
                self._log.warning(text, action="notify.dropped", channel=self._name)
            self._dropping = True
        self._woken.set()

    def close(self) -> None:
        """Have what waits sent without waits, unless its receiver is down, and end."""
        self._closed.set()
        self._woken.set()

    async def run(self) -> None:
        """Send until `close`."""
        while not (self._closed.is_set() and (self._failures or not self._waiting)):
            if not self._waiting:
                self._woken.clear()
                await self._woken.wait()
                continue
            await self._clock.wait(self._closed, await self._next())

    async def _next(self) -> float:
        """Send the next message; returns how many seconds to wait then."""
        items = list(self._waiting)
        items = items[: self._together(items)]
        try:
            await self._send(items)
        except Undelivered as error:
            return self._failed(str(error))
        except Exception as error:  # noqa: BLE001 -- its text may hold a secret, and the other channels go on
            return self._failed(f"a defect of lhbackupd ({type(error).__name__})")
        for item in items:  # by then some may have been dropped
            if self._waiting and self._waiting[0] is item:
                self._waiting.popleft()
        self._count(self._name, "delivered", len(items))
        again = " again, after failures" if self._failures else ""
        self._log.info(f"{self._name}: told{again}", action="notify.sent", channel=self._name, messages=len(items))
        self._failures, self._dropping = 0, False
        await self._delivered(items)
        return self._every

    def _failed(self, why: str) -> float:
        self._failures += 1
        self._count(self._name, "failed", 1)
        if self._failures == 1:
            text = f"{self._name}: could not be told, and is tried again: {why}"
            self._log.warning(text, action="notify.failed", channel=self._name, reason=why)
        wait: float = min(FIRST * 2.0 ** min(self._failures - 1, 16), LONGEST)
        return max(wait, self._every)


@asynccontextmanager
async def sending(boxes: Collection[Outbox[T]]) -> AsyncIterator[asyncio.TaskGroup]:
    """Send until the block is left, and then what still waits, for `GRACE` at most. More may come into `boxes`."""
    try:
        async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as tasks:
            for box in boxes:
                tasks.create_task(box.run())
            yield tasks
            for box in boxes:
                box.close()
            limit.reschedule(asyncio.get_running_loop().time() + GRACE)
    except TimeoutError:
        return
