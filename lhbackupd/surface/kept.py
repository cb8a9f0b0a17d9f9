"""What is costly to make and asked for by many: made once for all who ask at that time.

A report of ten thousand volumes takes a good part of a second of one core. However often and by however many it is
asked for, making it takes no more than a fifth of one: what was made is kept for four times as long as it took.
"""

import threading
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, cast

from lhbackupd.surface.threads import Few

K = TypeVar("K")
T = TypeVar("T")

#: how many times as long as it took to make something is kept
KEEP = 4.0


class Kept(Generic[T]):
    """Calls `make`, or gives what it gave a moment ago. To be called from threads; who comes meanwhile waits for it."""

    def __init__(self, make: Callable[[], T], *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._make = make
        self._clock = clock
        self._lock = threading.Lock()
        self._until = float("-inf")
        self._value: T

    def __call__(self) -> T:
        with self._lock:
            begun = self._clock()
            if begun >= self._until:
                self._value = self._make()
                ended = self._clock()
                self._until = ended + KEEP * (ended - begun)
            return self._value


class Recalled(Generic[K, T]):
    """Asks for what costs somebody else something, and recalls each answer for so many seconds.

    One asks at a time, and few more wait; those who wait for the same get the same.
    """

    def __init__(
        self,
        ask: Callable[[K], Awaitable[T]],
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        most: int = 64,
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._most = most
        self._few = Few(at_once=1, waiting=8)
        #: oldest first
        self._answers: dict[K, tuple[float, T]] = {}

    async def __call__(self, key: K) -> T:
        """The answer. Raises Busy where too many ask, and what `ask` raises."""
        async with self._few.place():
            at, answer = self._answers.get(key, (None, None))
            if at is None or self._clock() >= at + self._seconds:
                answer = await self._ask(key)
                self._answers.pop(key, None)
                self._answers[key] = (self._clock(), answer)
                while len(self._answers) > self._most:
                    self._answers.pop(next(iter(self._answers)))
            return cast("T", answer)
