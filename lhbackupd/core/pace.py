"""When to look again, so that a phase's end is seen soon without hammering Longhorn.

Each phase has learned how soon it may end. Until then looks are rare; from then on they are close, and past it they
grow rare again. Without experience the pauses grow with the time already spent. What counts is the time since Longhorn
began with it, which is not always when the run entered the phase (`begins`).
"""

from collections import deque
from collections.abc import MutableMapping
from dataclasses import dataclass, field

from .model import Phase, Run

#: bounds of a pause, in seconds; the longest also bounds how late a workload that asks is noticed
SHORTEST, LONGEST = 0.1, 2.5
#: how many durations of a phase are remembered
_MEMORY = 32
#: seconds after which phases may end as long as nothing better is known (recorded: traces `attach-disablefrontend`,
#: `backup`; the rest of the engine's 5 s between two polls, and of the backup monitor's 2 s, is looked through)
_USUAL = {Phase.ATTACHING: 2.0, Phase.SNAPSHOTTING: 5.0, Phase.BACKING_UP: 4.2, Phase.DETACHING: 1.9}


def pause(elapsed: float, expected: float | None) -> float:
    """Seconds until the next look at a phase that has lasted `elapsed` seconds and usually lasts `expected`."""
    if expected is None:
        wanted = elapsed / 4
    elif elapsed < expected:
        wanted = expected - elapsed
    else:
        wanted = max(0.15, (elapsed - expected) / 3)
    return min(LONGEST, max(SHORTEST, wanted))


def begins(before: Run, after: Run) -> bool:
    """Whether Longhorn begins with this move what `after` waits for.

    A snapshot is ready when the engine was polled, every 5 s from the attach on, whenever it was asked for in between.
    A backup takes its time from when it was asked for.
    """
    if after.phase is before.phase:
        return after.asked_at != before.asked_at
    return not (after.phase is Phase.SNAPSHOTTING and after.ticket)


@dataclass(slots=True)
class Experience:
    """How long phases have lasted, in seconds, most recent ones only."""

    durations: MutableMapping[Phase, deque[float]] = field(default_factory=dict)

    def learn(self, what: Phase, seconds: float) -> None:
        """Remember that a phase was seen to have ended after `seconds`.

        It had ended somewhat before that look; without allowing for it every look would come a little later than the
        one before.
        """
        self.durations.setdefault(what, deque(maxlen=_MEMORY)).append(max(0.0, seconds - SHORTEST))

    def expected(self, what: Phase) -> float | None:
        """What the quickest quarter took; without experience what is usual, or None for what is not known at all.

        To look too early costs a request, to look too late keeps the volume from those who want it.
        """
        known = self.durations.get(what)
        return sorted(known)[len(known) // 4] if known else _USUAL.get(what)
