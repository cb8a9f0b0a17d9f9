"""When to look again, so that a phase's end is seen soon without hammering Longhorn.

Each phase has learned how long it usually lasts. Until then looks are rare; from then on they are close, and past it
they grow rare again. Without experience the pauses grow with the time already spent.
"""

from collections import deque
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from statistics import median

#: bounds of a pause, in seconds; the longest also bounds how late a workload that asks is noticed
SHORTEST, LONGEST = 0.1, 2.5
#: how many durations of a phase are remembered
_MEMORY = 32
#: seconds that phases last as long as nothing better is known (recorded: traces `attach-disablefrontend`, `backup`)
_USUAL = {"attaching": 2.1, "snapshotting": 5.0, "backing-up": 4.3, "detaching": 1.9}


def pause(elapsed: float, expected: float | None) -> float:
    """Seconds until the next look at a phase that has lasted `elapsed` seconds and usually lasts `expected`."""
    if expected is None:
        wanted = elapsed / 4
    elif elapsed < expected:
        wanted = expected - elapsed
    else:
        wanted = max(0.15, (elapsed - expected) / 3)
    return min(LONGEST, max(SHORTEST, wanted))


@dataclass(slots=True)
class Experience:
    """How long phases have lasted, in seconds, most recent ones only."""

    durations: MutableMapping[str, deque[float]] = field(default_factory=dict)

    def learn(self, what: str, seconds: float) -> None:
        """Remember that a phase was seen to have ended after `seconds`.

        It had ended somewhat before that look; without allowing for it every look would come a little later than the
        one before.
        """
        self.durations.setdefault(what, deque(maxlen=_MEMORY)).append(max(0.0, seconds - SHORTEST))

    def expected(self, what: str) -> float | None:
        """The median; without experience what is usual, or None for what is not known at all."""
        known = self.durations.get(what)
        return median(known) if known else _USUAL.get(what)
