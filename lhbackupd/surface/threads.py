"""Where pages and reports are made: off the loop, few at a time.

Every thread that computes keeps the event loop from its work for a moment, however little it does, and several are no
sooner done than one, as they share the interpreter's lock. There are two, so that a page does not wait for what takes
long, and one for what the daemon does for itself, for which nobody who asks has to wait. Those who wait for a place are
counted as well, and beyond that nobody is let in.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
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
    """Calls functions in threads of its own: in `at_once` of them for who asks, in one for the daemon itself."""

    def __init__(self, *, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._few = Few(at_once=at_once, waiting=waiting)
        self._asked = ThreadPoolExecutor(at_once, thread_name_prefix="surface")
        self._own = ThreadPoolExecutor(1, thread_name_prefix="own")

    async def __call__(self, function: Callable[[], T]) -> T:
        """Call `function` for somebody who asks from outside. Raises Busy where too many wait."""
        async with self._few.place():
            return await self.admitted(function)

    async def admitted(self, function: Callable[[], T]) -> T:
        """Call `function` for who was let in already."""
        return await asyncio.get_running_loop().run_in_executor(self._asked, function)

    async def own(self, function: Callable[[], T]) -> T:
        """Call `function` for the daemon itself."""
        return await asyncio.get_running_loop().run_in_executor(self._own, function)

    def aside(self, function: Callable[[], object]) -> None:
        """Have `function` called some time, and nobody wait for it; may be called from threads."""
        self._own.submit(function)
