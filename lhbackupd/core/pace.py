"""When to look again, so that a phase's end is seen soon without hammering Longhorn.

Each phase has learned how long it usually lasts. Until then looks are rare; from then on they are close, and past it
they grow rare again. Without experience the pauses grow with the time already spent.
"""

from collections import deque
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from statistics import median

from .model import Phase, Run

#: bounds of a pause, in seconds; the longest also bounds how late a workload that asks is noticed
SHORTEST, LONGEST = 0.1, 2.5
#: the longest pause where a workload must not wait, and where Longhorn does not take a volume back
ATTENTIVE, PATIENT = 1.0, 60.0
#: how many durations of a phase are remembered
_MEMORY = 32
#: seconds that phases last as long as nothing better is known (recorded: traces `attach-disablefrontend`, `backup`)
_USUAL = {Phase.ATTACHING: 2.1, Phase.SNAPSHOTTING: 5.0, Phase.BACKING_UP: 4.3, Phase.DETACHING: 1.9}
#: the phases in which a run holds a volume, in their order
_HOLDING = (Phase.ATTACHING, Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP)


def pause(elapsed: float, expected: float | None, *, longest: float = LONGEST) -> float:
    """Seconds until the next look at a phase that has lasted `elapsed` seconds and usually lasts `expected`."""
    if expected is None:
        wanted = elapsed / 4
    elif elapsed < expected:
        wanted = expected - elapsed
    else:
        wanted = max(0.15, (elapsed - expected) / 3)
    return min(longest, max(SHORTEST, wanted))


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

    def expected(self, run: Run, phase: Phase | None = None) -> float | None:
        """How long the phase of `run`, or another, usually lasts; None for what is not known at all."""
        phase = phase or run.phase
        known = self.durations.get((phase, run.volume)) or self.durations.get((phase, ""))
        return median(known) if known else _USUAL.get(phase)

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
