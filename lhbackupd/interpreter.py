"""What the process asks of its interpreter: that neither threads nor garbage collections hold up the event loop.

The loop lets go of the interpreter's lock with every system call, and where threads compute meanwhile it waits for a
whole turn of one of them or more, each 5 ms if nothing else is said. A full collection walks through every volume there
is, and stops all threads for 0.2 s with ten thousand of them; a list that is read or a forecast that is made would set
off several. So there are none by themselves. Everything goes as ever when nothing refers to it any more, and young
rings of references in the small collections; what is left is taken away once a day, at a time at which no volume is
held.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lhbackupd.clock import Clock

#: seconds that a thread may compute before another one has its turn
TURN = 0.0001
#: seconds between two full collections, and after which one comes although it is never quiet
WHOLE, LATEST = 86_400.0, 2 * 86_400.0
#: seconds between two looks whether it is time, and quiet
LOOK = 60.0
#: more collections of the middle generation than there will ever be between two
_NEVER = 10**9


@contextmanager
def considerate() -> Iterator[None]:
    """Ask for it, and take it back in the end."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(TURN)
    gc.set_threshold(thresholds[0], thresholds[1], _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)


async def tidy(stop: asyncio.Event, *, clock: Clock, quiet: Callable[[], bool]) -> None:
    """Take away once a day what only a full collection can, when it is `quiet`, until `stop`."""
    last = clock.monotonic()
    while not await clock.wait(stop, LOOK):
        age = clock.monotonic() - last
        if age >= LATEST or (age >= WHOLE and quiet()):
            gc.collect()
            last = clock.monotonic()
