"""What is costly to make and asked for by many: made once for all who ask at that time.

A report of ten thousand volumes takes a good part of a second of one core. However often and by however many it is
asked for, making it takes no more than a fifth of one: what was made is kept for four times as long as it took.
"""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

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
