"""Whether a policy keeps its recovery point objective (RPO) for a volume: by exposure, not by the age of a backup.

The RPO is kept as long as nothing has been unprotected for longer than it allows. It is at risk as soon as it
can be foreseen that the volume will be protected too late. What is in doubt is uncertain, and never kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .exposure import Exposure
from .model import Run


class Rpo(StrEnum):
    """How a volume stands to its policy's RPO, worst first."""

    #: data has been unprotected for longer than the RPO
    VIOLATED = "violated"
    #: it will have been, before the volume is expected to be protected
    AT_RISK = "at-risk"
    #: nobody knows
    UNCERTAIN = "uncertain"
    COMPLIANT = "compliant"
    #: the policy has none
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How a volume stands to its policy's RPO."""

    state: Rpo
    #: when the RPO was missed, or will be if all goes as expected; None where it is not
    misses_at: datetime | None = None


#: of a policy without an RPO
UNASKED = Judgement(state=Rpo.NONE)


def judge(known: Exposure | None, rpo: timedelta | None, now: datetime, expected: datetime | None) -> Judgement:
    """The verdict at `now`. `expected` is when the volume is expected to be protected next; None: nobody knows when."""
    if rpo is None:
        return UNASKED
    if known is None:
        return Judgement(state=Rpo.UNCERTAIN)
    miss = _miss(known.since, rpo, now, expected)
    if miss is not None:
        return Judgement(state=Rpo.VIOLATED if miss <= now else Rpo.AT_RISK, misses_at=miss)
    if not known.certain:
        return Judgement(state=Rpo.UNCERTAIN, misses_at=_miss(known.doubt, rpo, now, expected))
    return Judgement(state=Rpo.COMPLIANT)


def turns_at(known: Exposure | None, rpo: timedelta | None, now: datetime, took: float) -> datetime | None:
    """When time alone may change the verdict of `now`: it holds for every moment before that.

    As long, that is, as exposure, run and next due time stay the same, and the due time lies ahead. None: for ever.
    """
    if known is None or rpo is None:
        return None
    lasts = [since + rpo for since in (known.since, known.doubt) if since is not None]
    # a run that waits is expected to end `took` after now, which moves on with the time
    moments = (moment for last in lasts for moment in (last - timedelta(seconds=took), last))
    return min((moment for moment in moments if moment >= now), default=None)


def _miss(since: datetime | None, rpo: timedelta, now: datetime, expected: datetime | None) -> datetime | None:
    """When what is unprotected `since` then misses the RPO; None if it is expected not to."""
    if since is None:
        return None
    last = since + rpo
    return last if last <= now or expected is None or expected > last else None


def expected_at(*, now: datetime, run: Run | None, next_due: datetime | None, took: float) -> datetime | None:
    """When a volume is expected to be protected next: by its run if it has one, else by the next one that is due.

    `took` is how long a run of it takes, in seconds. The queue is not reckoned with.
    """
    usual = timedelta(seconds=took)
    if run is not None and run.started_at is not None:
        return max(now, run.started_at + usual)
    if run is not None:
        return max(now, run.not_before or now) + usual
    return next_due + usual if next_due else None
