"""The body of an answer, read as far as a limit allows, in a thread where it is long."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeVar

from lhbackupd.longhorn.elements import PIECE
from lhbackupd.longhorn.errors import Unreachable
from lhbackupd.longhorn.request import Request

#: answers from this size on are decoded off the loop (1 MB takes about 8 ms)
OFFLOAD = 2**20

OK = 200

A = TypeVar("A")
T = TypeVar("T")


class Offload(Protocol):
    """Runs a function off the loop; `asyncio.to_thread` is one."""

    async def __call__(self, function: Callable[[A], T], argument: A, /) -> T: ...


async def read_body(status: int, parts: AsyncIterator[bytes], request: Request, offload: Offload) -> bytes:
    """What came; of a list that is taken in pieces, what its pieces left. Raises Unreachable for more than allowed."""
    pieces = request.pieces if status == OK else None
    held: list[bytes] = []
    total = size = 0
    async for part in parts:
        total += len(part)
        if total > request.limit:
            what = f"{status} and more than {request.limit} bytes"
            raise Unreachable(what, tried=request.tried, ambiguous=request.writes)
        held.append(part)
        size += len(part)
        if pieces is not None and size >= PIECE:
            await offload(pieces.feed, b"".join(held))
            held, size = [], 0
    if pieces is None:
        # megabytes of fresh memory take tens of milliseconds to fill; a large join lets other threads run meanwhile
        return await offload(b"".join, held) if size > OFFLOAD else b"".join(held)
    pieces.feed(b"".join(held))
    return pieces.rest()
