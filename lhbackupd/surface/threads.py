"""Where pages and reports are made: in threads, few at a time.

Every thread that computes keeps the event loop from its work for a moment, however little each does. Two is what
there is to gain from; those who wait for a place are counted as well, and beyond that nobody is let in.
"""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

T = TypeVar("T")

#: computing at once, and waiting for that
AT_ONCE, WAITING = 2, 16


class Busy(Exception):  # noqa: N818 -- says what is the case
    """Too many have asked already."""


class Threads:
    """Calls functions in threads."""

    def __init__(self) -> None:
        self._limiter: CapacityLimiter | None = None
        self._asked = 0

    async def __call__(self, function: Callable[[], T]) -> T:
        """Call `function`. Raises Busy where too many wait."""
        if self._asked >= AT_ONCE + WAITING:
            raise Busy
        self._asked += 1
        try:
            return await self.always(function)
        finally:
            self._asked -= 1

    async def always(self, function: Callable[[], T]) -> T:
        """Call `function`, however many wait: for what is asked for once, and not once for every client."""
        self._limiter = self._limiter or CapacityLimiter(AT_ONCE)  # wants a running loop
        return await to_thread.run_sync(function, limiter=self._limiter)
