"""Whether and when a run that ended is tried again.

A run that gave way to somebody, or was stopped before its backup began, is queued again at once: nothing is lost. A
failure that can pass is tried again for its volume alone, after waits that double up to an hour, until the policy's
next due time takes over. Each attempt inspects anew. A run that an operator has called off is never tried again,
whatever it ended as.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .model import Now, Outcome, Phase, Run
from .naming import attempt_id

#: time for a volume that changed hands to settle
SETTLE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When a failed run is tried again, and until when."""

    first: timedelta = timedelta(minutes=1)
    longest: timedelta = timedelta(hours=1)


def successor(run: Run, now: Now, retry: Retry, next_due: datetime | None) -> Run | None:
    """The next attempt of a finished run, to be queued in the same moment; None where there is none."""
    start = _start(run, now, retry, next_due)
    if start is None:
        return None
    attempt = run.attempt + 1
    fresh = Run(
        id=attempt_id(run.id, attempt),
        policy=run.policy,
        volume=run.volume,
        due=run.due,
        manual=run.manual,
        queued_at=now.wall,
    )
    return replace(fresh, attempt=attempt, not_before=start, phase=Phase.QUEUED, reason=f"again after: {run.reason}")


def _start(run: Run, now: Now, retry: Retry, next_due: datetime | None) -> datetime | None:
    """When the next attempt may start; None where there is none."""
    if run.cancelled:
        return None
    match run.outcome:
        case Outcome.YIELDED | Outcome.INTERRUPTED:
            return now.wall + SETTLE
        case Outcome.FAILED | Outcome.REFUSED if run.can_pass:
            start = now.wall + min(retry.first * 2 ** min(run.attempt - 1, 16), retry.longest)
            return start if next_due is None or start < next_due else None
        case _:
            return None
