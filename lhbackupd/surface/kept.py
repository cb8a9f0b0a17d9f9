"""What is costly to make and asked for by many: made once for all who ask at that time.

A report of ten thousand volumes takes a good part of a second of one core when much has changed. However often and by
however many it is asked for, making it takes no more than a fifth of one: what was made is kept for four times as long
as it took. Where nobody should wait for that, it may linger: it is given a little longer, while a new one is made.
"""

import threading
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, cast

from lhbackupd.surface.threads import Few

K = TypeVar("K")
T = TypeVar("T")

#: something is kept for so many times as long as it took; where it may linger, it is given for so many times as long as
#: it has ever taken: a report takes ten times as long when a night has begun as before, and nobody knows when one will
KEEP, LINGER = 4.0, 20.0


class Kept(Generic[T]):
    """Calls `make`, or gives what it gave a moment ago. To be called from threads; who comes meanwhile waits for it.

    Where there is an `aside`, nobody waits for `linger` seconds after what was made last is kept no more: a new one is
    made there then.
    """

    def __init__(
        self,
        make: Callable[[], T],
        *,
        linger: float = 0.0,
        clock: Callable[[], float] = time.perf_counter,
        aside: Callable[[Callable[[], object]], None] | None = None,
    ) -> None:
        self._make = make
        self._linger = linger
        self._clock = clock
        self._aside = aside
        self._lock = threading.Lock()
        #: when the making of what is there was begun, how long it is kept, and how long it lingers
        self._begun = self._until = self._lingers = float("-inf")
        #: the longest that it ever took
        self._longest = 0.0
        self._value: T

    def __call__(self) -> T:
        """What was made last, if it may still be given, or else something new."""
        if self._aside and self._until <= self._clock() < self._lingers:
            value = self._value
            if not self._lock.locked():
                self._aside(self._renewed)
            return value
        return self._renewed()

    def fresh(self) -> T:
        """Something that was not begun before it was asked for: it shows what has happened until then."""
        return self._renewed(anyway=True)

    def _renewed(self, *, anyway: bool = False) -> T:
        asked = self._clock()
        with self._lock:
            begun = self._clock()
            if begun >= self._until or (anyway and self._begun < asked):
                self._value = self._make()
                ended = self._clock()
                took = ended - begun
                self._begun, self._until = begun, ended + KEEP * took
                self._longest = max(self._longest, took)
                self._lingers = self._until + min(LINGER * self._longest, self._linger)
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
