"""Which finished runs are tried again, and when."""

from datetime import datetime, timedelta

import pytest

from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.core.retry import SETTLE, Retry, successor

from .examples import T0, at, run

AGAIN = {Outcome.YIELDED, Outcome.INTERRUPTED, Outcome.FAILED, Outcome.REFUSED}


def ended(outcome: Outcome, **changes: object) -> Run:
    return run(Phase.FINISHED, outcome=outcome, reason="why", **changes)


def wait(finished: Run, next_due: datetime | None = None) -> timedelta | None:
    follows = successor(finished, at(), Retry(), next_due)
    return follows.not_before - T0 if follows and follows.not_before else None


@pytest.mark.parametrize("outcome", [Outcome.YIELDED, Outcome.INTERRUPTED])
def test_a_run_that_gave_way_is_queued_again_at_once(outcome: Outcome) -> None:
    assert wait(ended(outcome)) == SETTLE
    assert wait(ended(outcome), T0) == SETTLE


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.REFUSED])
def test_a_failure_is_tried_again_only_if_it_can_pass(outcome: Outcome) -> None:
    assert wait(ended(outcome, can_pass=True)) == timedelta(minutes=1)
    assert wait(ended(outcome, can_pass=False)) is None


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - AGAIN))
def test_nothing_else_is_tried_again(outcome: Outcome) -> None:
    assert wait(ended(outcome, can_pass=True)) is None


@pytest.mark.parametrize(
    ("attempt", "minutes"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (8, 60), (10_000, 60)]
)
def test_waits_double_up_to_an_hour(attempt: int, minutes: int) -> None:
    assert wait(ended(Outcome.FAILED, can_pass=True, attempt=attempt)) == timedelta(minutes=minutes)


def test_the_policys_next_due_time_takes_over() -> None:
    finished = ended(Outcome.FAILED, can_pass=True)
    assert wait(finished, T0 + timedelta(seconds=60)) is None
    assert wait(finished, T0 + timedelta(seconds=61)) == timedelta(minutes=1)


def test_a_successor_starts_anew_under_the_next_number() -> None:
    finished = ended(
        Outcome.FAILED, can_pass=True, id="k3v9-2", attempt=2, backup="backup-1", snapshot="s", new_bytes=7
    )
    follows = successor(finished, at(), Retry(), None)
    assert follows is not None
    assert (follows.id, follows.attempt, follows.phase, follows.due) == ("k3v9-3", 3, Phase.QUEUED, finished.due)
    assert (follows.ticket, follows.snapshot, follows.backup, follows.new_bytes) == ("", "", "", None)
    assert follows.reason == "again after: why"
