"""The snapshot chain of one engine: layers, a growing head, removal, purge and revert.

The head stands on `head_parent`. Taking a snapshot turns the head into a layer and starts an empty head on
it. A removed snapshot is only marked until a purge, which merges it into its child; the one right below the
head cannot go. After a revert the head stands on an older snapshot, and the newer ones remain as a branch (as
with the real engine).
"""

from dataclasses import dataclass, field
from datetime import datetime

from lhbackupd.simulator.extents import Extents, aligned, over, put, size

HEAD = "volume-head"


@dataclass(slots=True)
class Layer:
    """One snapshot as the engine knows it."""

    name: str
    created: datetime
    parent: str
    labels: dict[str, str]
    data: Extents
    user_created: bool = True
    removed: bool = False
    _measured: tuple[Extents, int] = field(default=((), 0), compare=False, repr=False)

    @property
    def size(self) -> int:
        """Allocated bytes; counted again only when the data is another."""
        if self._measured[0] is not self.data:
            self._measured = (self.data, size(self.data))
        return self._measured[1]


@dataclass(slots=True)
class Chain:
    """All layers of a volume."""

    head_created: datetime
    head: Extents = ()
    head_parent: str = ""
    layers: dict[str, Layer] = field(default_factory=dict)

    def write(self, offset: int, length: int, number: int) -> int:
        """Write into the head; returns by how many bytes the head grew."""
        before = size(self.head)
        start, end = aligned(offset, length)
        self.head = put(self.head, (start, end, number))
        return size(self.head) - before

    def take(self, name: str, labels: dict[str, str], at: datetime, *, user_created: bool = True) -> Layer:
        """Take a snapshot; raises KeyError when the engine already has one of that name."""
        if name in self.layers:
            raise KeyError(name)
        layer = Layer(name, at, self.head_parent, labels, self.head, user_created)
        self.layers[name] = layer
        self.head, self.head_parent, self.head_created = (), name, at
        return layer

    def children(self, name: str) -> dict[str, bool]:
        """What stands on `name`."""
        below = {layer.name: True for layer in self.layers.values() if layer.parent == name}
        if self.head_parent == name:
            below[HEAD] = True
        return below

    def remove(self, name: str) -> None:
        """Mark a snapshot as removed; a missing one is not an error."""
        if name in self.layers:
            self.layers[name].removed = True

    def purge(self) -> list[str]:
        """Coalesce every removed snapshot that can be; returns the names of those that are gone."""
        gone: list[str] = []
        for layer in [layer for layer in self.layers.values() if layer.removed]:
            children = self.children(layer.name)
            if HEAD in children or len(children) > 1:
                continue
            for child in children:
                below = self.layers[child]
                below.data, below.parent = over(layer.data, below.data), layer.parent
            del self.layers[layer.name]
            gone.append(layer.name)
        return gone

    def revert(self, name: str, at: datetime) -> None:
        """Throw the head away and stand on `name`; raises KeyError when there is no such snapshot."""
        self.head, self.head_parent, self.head_created = (), self.layers[name].name, at

    def content(self, name: str = HEAD) -> Extents:
        """Everything that is read at `name`, through the layers below it."""
        stack = [self.head] if name == HEAD else [self.layers[name].data]
        parent = self.head_parent if name == HEAD else self.layers[name].parent
        while parent:
            stack.append(self.layers[parent].data)
            parent = self.layers[parent].parent
        seen: Extents = ()
        for data in reversed(stack):
            seen = over(seen, data)
        return seen

    def actual_size(self) -> int:
        """Allocated bytes of all layers and the head."""
        return size(self.head) + sum(layer.size for layer in self.layers.values())
