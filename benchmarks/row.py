"""One line of the table: what was measured, what it stands beside, and the bound it is held to.

Seconds depend on the machine, ratios and counts hardly do. So a row says of which kind its bound is, and a smoke run,
which is what CI does, fails on ratios and counts alone.
"""

from dataclasses import dataclass
from enum import StrEnum

#: the speed of a clock that no processor can hold up: to compute takes none of its time
VIRTUAL = 0.0


class Kind(StrEnum):
    """What a bound is about."""

    RATIO = "ratio"
    COUNT = "count"
    #: seconds, milliseconds or bytes: true of one machine
    ABSOLUTE = "absolute"
    #: nothing is promised; it is there to be compared with
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measured value; `value`, `beside` and `bound` are in `unit`."""

    #: stable, for programs that read the JSON
    name: str
    #: what was measured, for people
    what: str
    unit: str
    value: float
    #: what it is compared to, in words and, where it is a number, in figures
    than: str = ""
    beside: float | None = None
    #: the most that `value` may be; None promises nothing
    bound: float | None = None
    kind: Kind = Kind.NONE
    #: what Longhorn's own recurring job, re-enacted on the same cluster, comes to
    native: float | None = None
    #: seconds of the clock per real second, or VIRTUAL
    speed: float = 1.0
    #: how many single values it is made of
    count: int = 1
    note: str = ""

    @property
    def held(self) -> bool | None:
        """Whether the bound holds; None without one."""
        return None if self.bound is None else self.value <= self.bound

    @property
    def ratio(self) -> float | None:
        """The value by what it is compared to."""
        return self.value / self.beside if self.beside else None

    def fails(self, *, smoke: bool) -> bool:
        """Whether it makes the benchmark end with a failure."""
        judged = self.kind in {Kind.RATIO, Kind.COUNT} or not smoke
        return judged and self.held is False
