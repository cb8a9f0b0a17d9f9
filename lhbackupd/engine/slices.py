"""Long walks on the event loop, a slice at a time: others have the loop in between, a volume to be given back first.

What is walked through is taken as it is at the beginning; what comes meanwhile is for the next walk.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

#: volumes or runs that are seen to before others have the loop again: 1 to 3 ms, and more where threads compute
SLICE = 20


async def sliced(items: Iterable[T], size: int = SLICE) -> AsyncIterator[T]:
    """The items, with a break after every `size` of them."""
    for number, item in enumerate(tuple(items), 1):
        yield item
        if number % size == 0:
            await asyncio.sleep(0)
