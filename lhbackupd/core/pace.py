"""When to look again, so that a phase's end is seen soon without hammering Longhorn.

Each phase has learned how long it usually lasts. Until shortly before that, looks are rare; around it they are close;
past it they grow rare again. Without experience the pauses grow with the time already spent.
"""

from collections import deque
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from statistics import median

#: bounds of a pause, in seconds; the longest also bounds how late a workload that asks is noticed
SHORTEST, LONGEST = 0.1, 2.0
#: how many durations of a phase are remembered
_MEMORY = 32


def pause(elapsed: float, expected: float | None) -> float:
    """Seconds until the next look at a phase that has lasted `elapsed` seconds and usually lasts `expected`."""
    if expected is None:
        wanted = elapsed / 4
    elif elapsed < 0.95 * expected:
        wanted = 0.97 * expected - elapsed
    else:
        wanted = max(expected / 25, (elapsed - expected) / 3)
    return min(LONGEST, max(SHORTEST, wanted))


@dataclass(slots=True)
class Experience:
    """How long phases have lasted, in seconds, most recent ones only."""

    durations: MutableMapping[str, deque[float]] = field(default_factory=dict)

    def learn(self, what: str, seconds: float) -> None:
        self.durations.setdefault(what, deque(maxlen=_MEMORY)).append(seconds)

    def expected(self, what: str) -> float | None:
        """The median, or None without experience."""
        known = self.durations.get(what)
        return median(known) if known else None
