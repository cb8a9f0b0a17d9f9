"""What can go wrong between us and Longhorn, by what to do about it.

    LonghornError
    ├── Unreachable      try later: no connection, time-out, a proxy's 502/503/504, 408, 429, a redirect
    │   └── WrongShape   try later: an answer that is not JSON, is cut, or says what no Longhorn says
    ├── Refused          Longhorn (or the door in front of it) answered and said no; asking again alike is useless
    └── Missing          Longhorn says that the thing is not there

Longhorn answers validation faults with 500, as it does its own troubles; what tells it from a proxy or a dying process
is its error body. Text that came over the wire is cut and made printable before it gets into an error, because logs,
terminals and the status page show it. The library's exception is the cause; secrets never get in here.
"""

from typing import ClassVar

from lhbackupd.core.cluster import Fault, FaultKind

#: characters of foreign text that an error, log line or page shows at most
SHOWN = 256


def visible(text: str, limit: int = SHOWN) -> str:
    """Foreign text fit to show: at most `limit` characters, control and direction characters escaped."""
    head = text[: limit + 1]
    if not head.isprintable():  # a page has ten thousand texts, and hardly ever one that is not
        head = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in head)
    return head if len(head) <= limit else head[: limit - 1] + "…"


class LonghornError(Exception):
    """A request to Longhorn that did not do what it should; `what` came back when `tried` was sent."""

    kind: ClassVar[FaultKind]

    def __init__(self, what: str, *, tried: str = "", hint: str = "", ambiguous: bool = False) -> None:
        text = f"{tried}: {what}" if tried else what
        super().__init__(f"{text} ({hint})" if hint else text)
        #: what came back, at most `SHOWN` characters of it foreign
        self.what = what
        #: method and path, without query secrets or credentials; "" while only the decoder knows of it
        self.tried = tried
        #: what a person can do, or ""
        self.hint = hint
        #: whether Longhorn may have acted all the same; never true of a request that only reads
        self.ambiguous = ambiguous

    @property
    def fault(self) -> Fault:
        """The same as a value, for the core."""
        return Fault(self.kind, str(self), self.ambiguous)


class Unreachable(LonghornError):  # noqa: N818 -- the name says what to do
    """Nothing that Longhorn said: it can pass, try later."""

    kind = FaultKind.UNREACHABLE


class WrongShape(Unreachable):
    """An answer came and makes no sense; nothing is guessed from it."""


class Refused(LonghornError):  # noqa: N818 -- the name says what to do
    """An answer that says no; `what` holds Longhorn's own words."""

    kind = FaultKind.REFUSED


class Missing(LonghornError):  # noqa: N818 -- the name says what to do
    """Longhorn's 404: the volume, node, snapshot or backup is not there."""

    kind = FaultKind.MISSING
