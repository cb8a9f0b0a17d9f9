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
#: the shortest pause past the expected end, in seconds: of a run that ends a little later it is half a dozen looks
_CLOSE = 0.2
#: the longest pause where a workload must not wait, and where Longhorn does not take a volume back
ATTENTIVE, PATIENT = 1.0, 60.0
#: the longest pause while Longhorn does not answer: many runs that ask at once would keep it from coming back
UNANSWERED = 15.0
#: how many durations of a phase are remembered
_MEMORY = 32
#: seconds after which phases may end as long as nothing better is known (recorded: traces `attach-disablefrontend`,
#: `backup`; the rest of the engine's 5 s between two polls, and of the backup monitor's 2 s, is looked through)
_USUAL = {Phase.ATTACHING: 2.0, Phase.SNAPSHOTTING: 5.0, Phase.BACKING_UP: 4.2, Phase.DETACHING: 1.9}
#: the phases in which a run holds a volume, in their order
_HOLDING = (Phase.ATTACHING, Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP)


def pause(elapsed: float, expected: float | None, *, longest: float = LONGEST) -> float:
    """Seconds until the next look at a phase that has lasted `elapsed` seconds and usually lasts `expected`."""
    if expected is None:
        wanted = elapsed / 4
    elif elapsed < expected:
        wanted = expected - elapsed
    else:
        wanted = max(_CLOSE, (elapsed - expected) / 3)
    return min(longest, max(SHORTEST, wanted))


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
    """How long phases have lasted, in seconds, most recent ones only: of every volume's backup, and of all volumes."""

    durations: MutableMapping[tuple[Phase, str], deque[float]] = field(default_factory=dict)

    def learn(self, run: Run, seconds: float) -> None:
        """Remember that the phase of `run` was seen to have ended after `seconds`.

        It had ended somewhat before that look; without allowing for it every look would come a little later than the
        one before.
        """
        volumes = ("", run.volume) if run.phase is Phase.BACKING_UP else ("",)
        for volume in volumes:
            known = self.durations.setdefault((run.phase, volume), deque(maxlen=_MEMORY))
            known.append(max(0.0, seconds - SHORTEST))

    def forget(self, volume: str) -> None:
        """Let go of what is known of a volume that is gone."""
        self.durations.pop((Phase.BACKING_UP, volume), None)

    def expected(self, run: Run, phase: Phase | None = None) -> float | None:
        """How long the phase of `run`, or another, lasts in the quickest quarter of cases; None where nobody knows.

        To look too early costs a request, to look too late keeps the volume from those who want it.
        """
        phase = phase or run.phase
        known = self.durations.get((phase, run.volume)) or self.durations.get((phase, ""))
        return sorted(known)[len(known) // 4] if known else _USUAL.get(phase)

    def remaining(self, run: Run, elapsed: float) -> float | None:
        """How many seconds `run` will still hold its volume, `elapsed` seconds into its phase; None where it does not.

        A backup goes on as fast as it went so far; one that has lasted longer than expected is taken to be half done.
        """
        if run.phase not in _HOLDING:
            return None
        usual = self.expected(run) or 0.0
        left = usual - elapsed if elapsed < usual else elapsed
        if run.phase is Phase.BACKING_UP and run.progress:
            left = elapsed * (100 - run.progress) / run.progress
        later = _HOLDING[_HOLDING.index(run.phase) + 1 :]
        return left + sum(self.expected(run, phase) or 0.0 for phase in later)
