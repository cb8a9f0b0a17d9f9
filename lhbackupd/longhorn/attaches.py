"""The attaches that the Kubernetes events of Longhorn's namespace show [037, 700]: by volume, and of nothing else.

The list holds an hour of everything that happened, thousands of events, and is asked for at every poll: it is taken
apart while it comes in. A list that cannot be read whole is not read at all: an attach that is not seen would be taken
for none.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from lhbackupd.longhorn import shapes, wire
from lhbackupd.longhorn.elements import Elements
from lhbackupd.longhorn.errors import WrongShape, visible
from lhbackupd.longhorn.scalars import moment

#: by volume: when each attach was, by Longhorn's clock, under a name that no other attach has
Attaches = Mapping[str, Mapping[str, datetime]]

#: events of one volume that are kept, the latest; each node that it is attached to has one
_MOST = 32


class Reading:
    """One list of events, as it comes in."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, datetime]] = {}
        self._elements = Elements(self._take)
        self.feed, self.rest = self._elements.feed, self._elements.rest

    def _take(self, element: msgspec.Raw) -> None:
        read = wire.read(element, shapes.Event)
        event = read.event
        subject = event.involved_object
        if event.reason != "Attached" or subject is None or subject.kind != "Volume":
            return
        text = event.last_timestamp or (event.series and event.series.last_observed_time) or event.event_time or ""
        at = moment(text)
        if at is None:
            raise WrongShape(f"an event says that volume {visible(subject.name)} was attached, and not when")
        marks = self._found.setdefault(subject.name, {})
        marks[f"{visible(read.id)} {event.count} {text}"] = at
        if len(marks) > _MOST:
            del marks[min(marks, key=lambda mark: marks[mark])]

    def finish(self, rest: bytes) -> Attaches:
        """The attaches. Raises WrongShape for what is no list of events, or a cut one."""
        for element in wire.read(rest, shapes.Collection).data or ():
            self._take(element)
        return self._found
