"""The last word on a volume."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.core.protection import Protection, after, not_after

from .examples import T0, run

BEFORE = Protection(
    policy="nightly",
    volume="vol",
    last_success=T0,
    last_backup="backup-0",
    last_check=T0,
    protected_until=T0,
    unprotected_bytes=9,
    failures=2,
)
LATER = T0 + timedelta(hours=1)


def ended(outcome: Outcome, **changes: object) -> Run:
    return run(Phase.FINISHED, outcome=outcome, reason="why", finished_at=LATER, **changes)


def test_every_end_is_the_last_one() -> None:
    word = after(BEFORE, ended(Outcome.GONE))
    assert (word.last_run, word.last_outcome, word.last_reason, word.last_at) == ("r1", Outcome.GONE, "why", LATER)
    assert (word.protected_until, word.last_success, word.failures) == (T0, T0, 2)


def test_a_completed_backup_protects_up_to_its_snapshots_time() -> None:
    taken = LATER - timedelta(minutes=5)
    word = after(BEFORE, ended(Outcome.COMPLETED, protected_until=taken, backup="backup-1", new_bytes=7))
    assert (word.protected_until, word.last_success, word.last_backup) == (taken, LATER, "backup-1")
    assert (word.unprotected_bytes, word.failures, word.last_check) == (0, 0, LATER)


def test_a_completed_backup_of_unknown_time_does_not_unsay_what_was_known() -> None:
    assert after(BEFORE, ended(Outcome.COMPLETED, protected_until=None)).protected_until == T0


def test_a_volume_found_unchanged_is_protected_as_of_that_look_without_a_new_backup() -> None:
    word = after(BEFORE, ended(Outcome.UNCHANGED, protected_until=LATER, new_bytes=0))
    assert (word.protected_until, word.last_success, word.last_backup) == (LATER, T0, "backup-0")


def test_below_the_threshold_the_bytes_are_told_and_protection_stands_where_it_was() -> None:
    word = after(BEFORE, ended(Outcome.BELOW_THRESHOLD, new_bytes=4096))
    assert (word.unprotected_bytes, word.protected_until, word.last_check) == (4096, T0, LATER)
    assert word.failures == 0, "it was looked into, and done with as its policy says"


def test_failures_are_counted_until_a_run_succeeds() -> None:
    word = after(BEFORE, ended(Outcome.FAILED))
    assert word.failures == 3
    assert word.unprotected_bytes == 9


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.INTERRUPTED, Outcome.YIELDED])
def test_a_run_that_inspected_has_checked_whatever_came_of_it(outcome: Outcome) -> None:
    word = after(BEFORE, ended(outcome, new_bytes=123))
    assert (word.last_check, word.unprotected_bytes, word.protected_until) == (LATER, 123, T0)
    assert after(BEFORE, ended(outcome)).last_check == T0


def test_the_first_word_starts_from_nothing() -> None:
    word = after(None, replace(ended(Outcome.SUSPENDED), finished_at=None))
    assert (word.policy, word.volume, word.last_at, word.last_check) == ("nightly", "vol", None, None)


def test_a_word_from_a_clock_that_was_ahead_claims_nothing_beyond_now() -> None:
    ahead, before = T0 + timedelta(days=365), T0 - timedelta(days=1)
    word = Protection(policy="p", volume="v", last_at=ahead, protected_until=ahead, last_success=before)
    kept = not_after(word, T0)
    assert (kept.last_at, kept.protected_until, kept.last_success, kept.last_check) == (T0, T0, before, None)


def test_a_word_without_times_beyond_now_stays_as_it_is() -> None:
    word = Protection(policy="p", volume="v", last_at=T0, protected_until=T0 - timedelta(days=1))
    assert not_after(word, T0) is word


def test_a_volume_found_unchanged_rests_on_the_backup_that_it_was_compared_with() -> None:
    word = after(replace(BEFORE, last_backup="", lost="gone"), ended(Outcome.UNCHANGED, base="backup-1", new_bytes=0))
    assert (word.last_backup, word.lost) == ("backup-1", "")
