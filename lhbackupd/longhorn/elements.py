"""A long list, taken apart while it comes in, so that it is never in memory whole and never decoded in one go.

A decoder holds the interpreter's lock from its first byte to its last, and a list of 10,000 volumes is 90 MB: taken at
once it keeps the event loop from running for a tenth of a second, wherever it is decoded. So complete elements are cut
off the front as they arrive. A cut is right if what is cut off reads as a JSON list: its brackets balance, so it ends
where one of the list's own elements ends. An answer in which no cut is found, because it is short or written in another
way, stays whole, and is read as any other.
"""

import re
from collections.abc import Callable

import msgspec

#: bytes that are collected before elements are cut off (msgspec goes through 1 MB in a millisecond)
PIECE = 2**18
#: pieces after which an answer in which nothing can be cut is left whole
_TRIES = 16
#: how the list begins: Go writes no spaces, and its first element's first key begins every other one as well
_BEGIN = re.compile(rb'"data":\[(\{"[A-Za-z]+":)')
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


class Elements:
    """Takes the bytes of one answer, and hands every element that it has cut off to `take`, in order."""

    def __init__(self, take: Callable[[msgspec.Raw], None]) -> None:
        self._take = take
        self._head = b""
        #: what parts two elements; empty before the list has begun
        self._between = b""
        self._rest = bytearray()

    def feed(self, part: bytes) -> None:
        """Take more bytes; best a few hundred kilobytes at a time."""
        self._rest += part
        if len(self._rest) < PIECE:
            return
        if not self._between:
            self._begin()
        if self._between and len(self._rest) < _TRIES * PIECE:
            self._cut()

    def rest(self) -> bytes:
        """At the answer's end: the answer without the elements that were handed over, a list still."""
        return self._head + bytes(self._rest)

    def _begin(self) -> None:
        if found := _BEGIN.search(self._rest):
            self._between = b"}," + found[1]
            self._head = bytes(self._rest[: found.start(1)])
            del self._rest[: found.start(1)]

    def _cut(self) -> None:
        end = len(self._rest)
        while (end := self._rest.rfind(self._between, 0, end)) >= 0:
            try:
                elements = _LIST.decode(b"".join((b"[", memoryview(self._rest)[: end + 1], b"]")))
            except msgspec.DecodeError:
                continue  # within an element there is another object that begins alike
            del self._rest[: end + 2]
            for element in elements:
                self._take(element)
            return
