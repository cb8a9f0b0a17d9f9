"""The list of volumes: read in pieces, and what has not changed since the last list not decoded again.

Most volumes are as they were at the last poll, to the byte. Making the core's values of them takes ten times as long as
to see that. A volume is known again by a digest of its bytes.
"""

from collections.abc import Callable
from hashlib import blake2b

import msgspec

from lhbackupd.core.cluster import Volume
from lhbackupd.longhorn import shapes, wire
from lhbackupd.longhorn.elements import Elements

Entry = Volume | wire.Broken


class Listing:
    """What the last list of volumes held; one for each Longhorn."""

    def __init__(self, decode: Callable[[msgspec.Raw], Entry] = wire.decode_entry) -> None:
        self._decode = decode
        #: entries of the last list that was read to its end, by digest
        self._known: dict[bytes, Entry] = {}

    def reading(self) -> "Reading":
        """Begin with a new list."""
        return Reading(self._decode, self._known, self._learn)

    def _learn(self, known: dict[bytes, Entry]) -> None:
        self._known = known


class Reading:
    """One list, as it comes in."""

    def __init__(
        self,
        decode: Callable[[msgspec.Raw], Entry],
        known: dict[bytes, Entry],
        learn: Callable[[dict[bytes, Entry]], None],
    ) -> None:
        self._decode = decode
        self._known = known
        self._learn = learn
        self._found: dict[bytes, Entry] = {}
        self._entries: list[Entry] = []
        self._elements = Elements(self._take)

    def _take(self, element: msgspec.Raw) -> None:
        digest = blake2b(element, digest_size=16).digest()
        entry = self._known.get(digest) or self._decode(element)
        self._found[digest] = entry
        self._entries.append(entry)

    def feed(self, part: bytes) -> None:
        """Take more bytes of the answer."""
        self._elements.feed(part)

    def rest(self) -> bytes:
        """What is left of the answer at its end: a list without the elements that were taken."""
        return self._elements.rest()

    def finish(self, rest: bytes) -> tuple[tuple[Volume, ...], tuple[wire.Broken, ...]]:
        """The volumes, and the elements that could not be read. Raises WrongShape for what is no list, or a cut one."""
        for element in wire.read(rest, shapes.Collection).data or ():
            self._take(element)
        self._learn(self._found)
        good = tuple(entry for entry in self._entries if isinstance(entry, Volume))
        return good, tuple(entry for entry in self._entries if isinstance(entry, wire.Broken))
