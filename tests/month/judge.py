"""The verdict on a month of claims, taken at samples: what the daemon claims beside what is true.

A write that no look could show is no fault of the claim, but an inspection must reveal it; such writes are counted
apart. What happened after the last look cannot be known yet.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Run
from lhbackupd.core.rpo import Rpo

from .truth import TRACE, Truth, Write

Key = tuple[str, str]

#: Longhorn writes whole seconds, and a look takes a moment
SLACK = timedelta(seconds=3)


@dataclass(slots=True)
class Judge:
    """Counts over all samples; what was broken is kept in words, each case once."""

    truth: Truth
    period: timedelta
    #: when the volumes were listed
    looks: list[datetime] = field(default_factory=list)
    #: when a run of this key last looked into the volume, with the volume to itself
    inspected: dict[Key, datetime] = field(default_factory=dict)
    false_greens: dict[str, str] = field(default_factory=dict)
    later: dict[str, str] = field(default_factory=dict)
    earlier: dict[str, str] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)
    alarms: Counter[str] = field(default_factory=Counter)
    samples: int = 0
    uncertain: int = 0
    exposed: int = 0
    _ringing: dict[tuple[str, Key], bool] = field(default_factory=dict)

    def ran(self, run: Run) -> None:
        """A run has ended."""
        if run.ticket and run.new_bytes is not None and (looked := run.entered.get("inspecting")):
            self.inspected[run.policy, run.volume] = looked

    def sample(
        self, key: Key, known: Exposure, now: datetime, *, gaps: list[tuple[datetime, datetime]]
    ) -> Write | None:
        """Hold one claim against the truth; the oldest unprotected write, if there is one."""
        self.samples += 1
        missing = sorted(self.truth.unprotected(key[1], key[0]), key=lambda write: write.at)
        claim = known.unprotected_since
        self.exposed += known.since is not None
        self.uncertain += not known.certain
        looked = self.looks[-1] if self.looks else now
        for write in missing:
            case = f"{key[1]} under {key[0]}: written {write.at:%d %H:%M:%S}"
            if write.at + TRACE > looked:
                break
            if claim is None or claim > write.at:
                said = f"claimed {claim:%d %H:%M:%S} ({known.sign or known.why})" if claim else "claimed green"
                if self._visible(write, key):
                    (self.later if claim else self.false_greens).setdefault(
                        case, f"{case}, {said} at {now:%d %H:%M:%S}"
                    )
                else:
                    self.unseen.add(case)
        self._sign(key, known, gaps)
        return missing[0] if missing else None

    def _visible(self, write: Write, key: Key) -> bool:
        """Whether a look showed traces of a write, or an inspection has seen it since."""
        if not write.by_client:
            return True
        revealed = self.inspected.get(key)
        return (revealed is not None and revealed > write.at) or any(
            write.at <= look <= write.at + TRACE for look in self.looks
        )

    def _sign(self, key: Key, known: Exposure, gaps: list[tuple[datetime, datetime]]) -> None:
        """A claim is no earlier than the sign that caused it, as far as the look before it allows."""
        for claim in (known.since, known.doubt):
            if claim is None or claim in {known.born, known.clear}:
                continue
            around = (known.born, *self.truth.attached.get(key[1], ()))
            near = any(event - self.period - SLACK <= claim <= event + self.period + SLACK for event in around)
            if not near and not any(start - self.period - SLACK <= claim <= end for start, end in gaps):
                case = f"{key[1]} under {key[0]}: claimed {claim:%d %H:%M:%S}"
                self.earlier.setdefault(case, f"{case} ({known.sign}; {known.why}) and nothing happened then")

    def alarm(
        self,
        key: Key,
        *,
        rpo: timedelta,
        now: datetime,
        last_success: datetime | None,
        verdict: Rpo,
        oldest: Write | None,
    ) -> None:
        """Whether a plain age alarm rings, and ours, and whether either has a cause."""
        cause = oldest is not None and now - oldest.at > rpo
        age = last_success is None or now - last_success > rpo
        for name, rings in (("age", age), ("exposure", verdict is Rpo.VIOLATED)):
            was = self._ringing.get((name, key), False)
            if rings and not was:
                self.alarms[f"{name}, {'true' if cause else 'false'}"] += 1
            self._ringing[name, key] = rings
        if cause and verdict not in {Rpo.VIOLATED, Rpo.UNCERTAIN, Rpo.AT_RISK}:
            self.alarms["exposure, samples without an alarm that was due"] += 1

    @property
    def broken(self) -> bool:
        return bool(self.false_greens or self.later or self.earlier)
