"""Where pages and reports are made: in threads, few at a time.

Every thread that computes keeps the event loop from its work for a moment, however little each does. Two is what
there is to gain from; those who wait for a place are counted as well, and beyond that nobody is let in.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")

#: computing at once, and waiting for that
AT_ONCE, WAITING = 2, 16


class Busy(Exception):  # noqa: N818 -- says what is the case
    """Too many have asked already."""


class Few:
    """Lets few do something at once, and few more wait for it."""

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._here = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and give it back in the end. Raises Busy where too many wait."""
        if self._here >= self._most:
            raise Busy
        self._here += 1
        try:
            async with self._places:
                yield
        finally:
            self._here -= 1


class Threads:
    """Calls functions in threads, few at a time."""

    def __init__(self, *, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._few = Few(at_once=at_once, waiting=waiting)

    async def __call__(self, function: Callable[[], T]) -> T:
        """Call `function`. Raises Busy where too many wait."""
        async with self._few.place():
            return await asyncio.to_thread(function)
