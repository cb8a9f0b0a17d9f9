"""What is known of one volume under one policy, after its last run: the word that outlives the history of runs."""

from dataclasses import dataclass, replace
from datetime import datetime

from .audit import Loss
from .model import PROTECTED, Outcome, Run

#: outcomes of a run that has looked into the volume
_INSPECTED = frozenset({Outcome.COMPLETED, Outcome.UNCHANGED, Outcome.BELOW_THRESHOLD})
#: outcomes after which what was protected is so still; only those of `PROTECTED` protect anew
UPHELD = PROTECTED | {Outcome.NOT_INSPECTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The state of a volume's protection by a policy. Times are aware and in UTC."""

    policy: str
    volume: str
    last_run: str = ""
    last_outcome: Outcome | None = None
    last_reason: str = ""
    last_at: datetime | None = None
    #: when a backup was last completed
    last_success: datetime | None = None
    last_backup: str = ""
    #: when the volume was last inspected, whatever came of it
    last_check: datetime | None = None
    #: when the last run that attached the volume got it, by Longhorn's clock, if that run has protected it
    attached_at: datetime | None = None
    #: runs that have let the volume alone since it was last inspected
    let_alone: int = 0
    #: inspections that found data after such runs which no sign had shown
    hidden: int = 0
    #: up to when its data is in a backup: the time of its snapshot, or of the last look that found nothing new
    protected_until: datetime | None = None
    #: bytes that the last inspection found and no backup holds
    unprotected_bytes: int = 0
    #: failed runs since one did what its policy asks
    failures: int = 0
    #: what became of the backup that held its data, where that is gone; "" while it is there
    lost: str = ""


def after(known: Protection | None, run: Run) -> Protection:
    """What is known once `run` has finished."""
    state = known or Protection(policy=run.policy, volume=run.volume)
    state = replace(
        state,
        last_run=run.id,
        last_outcome=run.outcome,
        last_reason=run.reason,
        last_at=run.finished_at or state.last_at,
    )
    if run.outcome in _INSPECTED or run.new_bytes is not None:
        state = replace(state, last_check=run.finished_at, let_alone=0, hidden=state.hidden + run.hidden)
    if run.outcome is Outcome.NOT_INSPECTED:
        state = replace(state, let_alone=state.let_alone + 1)
    if run.outcome in PROTECTED or run.attached_at is not None:
        state = replace(state, attached_at=run.attached_at if run.outcome in PROTECTED else None)
    if run.outcome in PROTECTED:
        until = run.protected_until or state.protected_until
        state = replace(state, protected_until=until, unprotected_bytes=0, failures=0, lost="")
    elif run.new_bytes is not None:
        state = replace(state, unprotected_bytes=run.new_bytes)
    if run.outcome is Outcome.COMPLETED:
        state = replace(state, last_success=run.finished_at, last_backup=run.backup)
    if run.outcome is Outcome.UNCHANGED:
        state = replace(state, last_backup=run.base or state.last_backup)
    if run.outcome is Outcome.BELOW_THRESHOLD:
        state = replace(state, failures=0)
    if run.outcome is Outcome.FAILED:
        state = replace(state, failures=state.failures + 1)
    return state


def without(word: Protection, loss: Loss) -> Protection:
    """What is known once the backup that protected the volume turned out to be gone."""
    return replace(word, last_backup=loss.left, protected_until=loss.until, lost=loss.words)


def not_after(word: Protection, now: datetime) -> Protection:
    """`word` without times later than `now`, which a clock that was ahead has left: protection is not claimed ahead.

    It is `word` itself where there are none.
    """
    times = (word.last_at, word.last_success, word.last_check, word.protected_until)
    if all(moment is None or moment <= now for moment in times):
        return word
    last_at, last_success, last_check, until = (min(moment, now) if moment else None for moment in times)
    return replace(word, last_at=last_at, last_success=last_success, last_check=last_check, protected_until=until)
