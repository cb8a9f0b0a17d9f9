"""What the process asks of its interpreter: that neither threads nor garbage collections hold up the event loop.

The loop lets go of the interpreter's lock with every system call, and where a thread makes a page meanwhile it waits
for a whole turn of that thread, 5 ms if nothing else is said. A full collection walks through every volume there is,
0.2 s with ten thousand of them. What has outlived one is taken to be there for good and not walked through again; it
goes as ever when nothing refers to it any more. Only rings of references that were made of it would stay; volumes and
runs, plain values, form none, and for the rest one collection a day walks through everything after all. What a
forecast is made of would set off several full collections while it is there; so these come ten times as seldom.
"""

import gc
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

#: seconds that a thread may compute before another one has its turn
TURN = 0.001
#: seconds between two collections that walk through everything
WHOLE = 86_400.0
_FULL = 2
#: collections of the middle generation between two full ones; Python's own figure is 10
SELDOM = 100


@contextmanager
def considerate() -> Iterator[None]:
    """Ask for it, and take it back in the end."""
    before, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(TURN)
    gc.set_threshold(thresholds[0], thresholds[1], SELDOM)
    gc.freeze()  # what the start has made stays
    whole = time.monotonic()

    def collecting(phase: str, info: Mapping[str, int]) -> None:
        nonlocal whole
        if info["generation"] != _FULL:
            return
        if phase == "stop":
            gc.freeze()
        elif time.monotonic() - whole >= WHOLE:
            gc.unfreeze()
            whole = time.monotonic()

    gc.callbacks.append(collecting)
    try:
        yield
    finally:
        gc.callbacks.remove(collecting)
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(before)
