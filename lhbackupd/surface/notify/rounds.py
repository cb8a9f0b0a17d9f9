"""When the runs of a policy begin, and when all have ended: what is pinged.

A policy is busy while any run of it is on its way, and a volume that was given up for somebody else is so until it has
had its turn. A run that failed and waits for its next attempt keeps nobody busy: that it failed is said now.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from enum import StrEnum

from lhbackupd.core.model import Outcome, Phase, Run


class Ping(StrEnum):
    """What is said of a policy, as the end of the URL that is called."""

    START = "start"
    SUCCESS = ""
    FAIL = "fail"


#: the volume is queued again at once, or its run before this one goes on
_NO_END = frozenset({Outcome.YIELDED, Outcome.INTERRUPTED, Outcome.SKIPPED})


class Rounds:
    """The rounds of all policies.

    When a round has ended, `verdict` is asked for what to say of a policy. `begun` is asked once, when the first run
    moves: for the runs of another process that its rounds wait for.
    """

    def __init__(self, *, begun: Callable[[], Iterable[Run]], verdict: Callable[[str], Ping]) -> None:
        self._begun = begun
        self._verdict = verdict
        self._busy: defaultdict[str, set[str]] | None = None

    def moved(self, run: Run) -> Ping | None:
        """Take note of where a run stands now; what is to be said of its policy."""
        if self._busy is None:
            self._busy = defaultdict(set)
            for other in (*self._begun(), *([run] if run.finished else ())):  # it may end with its first move
                self._busy[other.policy].add(other.volume)
        busy = self._busy[run.policy]
        if not run.finished:
            if run.phase is Phase.QUEUED and run.attempt > 1 and run.volume not in busy:
                return None  # it failed before, and waits for its time
            first = not busy
            busy.add(run.volume)
            return Ping.START if first else None
        if run.volume not in busy or run.outcome in _NO_END:
            return None
        busy.discard(run.volume)
        return None if busy else self._verdict(run.policy)
