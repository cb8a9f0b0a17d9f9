"""Which backups are looked for, when, and what follows where one is gone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lhbackupd.core.audit import EVERY, Loss, missing, turn
from lhbackupd.core.cluster import Backup, Volume
from lhbackupd.core.exposure import Exposure, lost
from lhbackupd.core.model import Outcome
from lhbackupd.core.protection import Protection, without

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
VOLUME = Volume(name="db", size=1, state="detached")
BACKUP = Backup(name="b1", volume="db", snapshot="s", state="Completed")
LOSS = Loss(policy="p", volume="db", backup="b2", left="b1", until=NOON)


@pytest.mark.parametrize(
    ("claimed", "listed", "gone"),
    [
        ("b1", BACKUP, False),
        ("b2", BACKUP, True),
        ("", BACKUP, False),
        ("b1", replace(BACKUP, state="Deleting"), True),
        ("b1", replace(BACKUP, target="elsewhere"), True),
    ],
)
def test_a_backup_is_there_if_it_is_listed_as_completed_on_the_target_of_its_volume(
    claimed: str, listed: Backup, gone: bool
) -> None:
    assert missing(claimed, VOLUME, [listed]) is gone


@settings(max_examples=25)
@given(count=st.integers(1, 150), period=st.sampled_from([5.0, 20.0, 120.0, 3600.0]))
def test_all_volumes_come_round_once_a_day_and_none_is_asked_for_in_vain(count: int, period: float) -> None:
    names = {f"v{number}" for number in range(count)}
    looked: dict[str, float] = {}
    turns = int(EVERY.total_seconds() / period)
    most = 0
    for number in range(min(turns, count)):
        due = turn(looked, names, period=period)
        most = max(most, len(due))
        looked.update(dict.fromkeys(due, number * period))
    assert looked.keys() == names
    assert most < count * period / EVERY.total_seconds() + 1


def test_who_was_looked_at_longest_ago_comes_first() -> None:
    assert turn({"a": 3.0, "b": 1.0, "c": 2.0}, "abc", period=20) == ["b"]
    assert turn({}, (), period=20) == []


@pytest.mark.parametrize(("until", "since"), [(NOON, NOON), (None, NOON - timedelta(days=9))])
def test_what_was_written_since_the_backup_that_is_left_is_exposed(until: datetime | None, since: datetime) -> None:
    known = Exposure(policy="p", volume="db", born=NOON - timedelta(days=9), clear=NOON + timedelta(hours=1))
    after = lost(known, until, LOSS.words)
    assert (after.since, after.clear, after.certain) == (since, until, True)


def test_the_last_word_says_what_became_of_the_backup_until_a_run_makes_it_good() -> None:
    word = Protection(policy="p", volume="db", last_outcome=Outcome.COMPLETED, last_backup="b2", protected_until=NOON)
    after = without(word, LOSS)
    assert (after.last_backup, after.protected_until) == ("b1", NOON)
    assert after.lost == LOSS.words
    assert "b2" in after.lost
    assert "b1" in after.lost
    assert "none of this policy is left" in replace(LOSS, left="").words
