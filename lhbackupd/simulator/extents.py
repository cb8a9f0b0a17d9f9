"""What a layer of a volume holds: byte ranges, each with the number of the write that made it.

Longhorn allocates in blocks of 4 KiB and reads through a chain of layers, newest first. A layer is kept as
sorted, disjoint ranges, so that its allocated size, the content seen through a chain, and "is this write in
that backup" are plain arithmetic instead of data.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from operator import itemgetter

Extent = tuple[int, int, int]  #: first byte, byte behind the last, number of the write
Extents = tuple[Extent, ...]

BLOCK = 4096  #: bytes, the unit of allocation
BACKUP_BLOCK = 2 * 2**20  #: bytes, the unit of backup


def aligned(offset: int, length: int) -> tuple[int, int]:
    """The blocks that a write of `length` bytes at `offset` touches, as a byte range."""
    return offset // BLOCK * BLOCK, -(-(offset + length) // BLOCK) * BLOCK


def put(base: Extents, top: Extent) -> Extents:
    """`base` with `top` written over it."""
    start, end, _ = top
    if start >= end:
        return base
    low = bisect_right(base, start, key=itemgetter(1))
    high = bisect_left(base, end, key=itemgetter(0))
    return (*base[:low], *over(base[low:high], (top,)), *base[high:])


def over(base: Extents, top: Extents) -> Extents:
    """What is read through `top` lying on `base`."""
    seen: list[Extent] = []
    below = [*reversed(base)]
    for start, end, number in top:
        while below and below[-1][0] < end:
            first, behind, old = below.pop()
            if first < start:
                seen.append((first, min(behind, start), old))
            if behind > end:
                below.append((end, behind, old))
        seen.append((start, end, number))
    return (*seen, *reversed(below))


def size(extents: Extents) -> int:
    """Allocated bytes."""
    return sum(behind - first for first, behind, _ in extents)


def writes(extents: Extents) -> frozenset[int]:
    """Numbers of the writes that are visible."""
    return frozenset(number for _, _, number in extents)


def backup_blocks(extents: Extents) -> dict[int, frozenset[int]]:
    """Backup blocks that hold anything, each with the writes in it."""
    blocks: dict[int, set[int]] = {}
    for first, behind, number in extents:
        for block in range(first // BACKUP_BLOCK, -(-behind // BACKUP_BLOCK)):
            blocks.setdefault(block, set()).add(number)
    return {block: frozenset(numbers) for block, numbers in blocks.items()}


def parse(pieces: Iterable[Iterable[int]]) -> Extents:
    """Extents from JSON-like lists."""
    result: Extents = ()
    for first, behind, number in pieces:
        result = put(result, (first, behind, number))
    return result
