"""How long runs hold their places: what is expected of the next one, from the last ones.

What counts is the time from the slot to the end of runs that did what they were for; a run that failed or gave way says
nothing about how long the volume takes. Expected is the middle one of the last few of the volume under that policy;
without any, of the policy, then of all. It is no estimate to rely on: it puts runs in order and makes a forecast.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from .model import Outcome, Run

#: seconds of a run with 8 MiB of new data, as recorded, until something better is known
USUAL = 13.0
#: how many durations are remembered of a volume under a policy, and of a policy or all
_FEW, _MANY = 8, 64
#: outcomes of runs that went all the way
_WHOLE = frozenset({Outcome.COMPLETED, Outcome.UNCHANGED, Outcome.BELOW_THRESHOLD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What of a finished run tells how long it took."""

    policy: str
    volume: str
    outcome: Outcome | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(slots=True)
class Durations:
    """The last durations by (policy, volume), by (policy, "") and by ("", ""), in seconds; other threads may read."""

    known: dict[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, ended: Iterable[Ended]) -> "Durations":
        """What finished runs tell, oldest first."""
        made = cls()
        for run in ended:
            made.learn(run)
        return made

    def learn(self, run: Ended | Run) -> None:
        """A run has finished."""
        if run.outcome not in _WHOLE or run.started_at is None or run.finished_at is None:
            return
        seconds = max(0.0, (run.finished_at - run.started_at).total_seconds())
        for key, most in (((run.policy, run.volume), _FEW), ((run.policy, ""), _MANY), (("", ""), _MANY)):
            self.known[key] = (*self.known.get(key, ()), seconds)[-most:]

    def expected(self, policy: str, volume: str) -> float:
        """How many seconds a run of `volume` for `policy` is expected to hold its place."""
        for key in ((policy, volume), (policy, ""), ("", "")):
            if known := self.known.get(key):
                return sorted(known)[len(known) // 2]
        return USUAL

    def left(self, run: Run, now: datetime) -> float:
        """How many seconds `run` holds its place from `now` on; one that lasts longer than expected is half done."""
        expected = self.expected(run.policy, run.volume)
        gone = max(0.0, (now - run.started_at).total_seconds()) if run.started_at else 0.0
        return expected - gone if gone < expected else gone
