"""How long to wait until the next look."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.model import Phase, Run
from lhbackupd.core.pace import LONGEST, SHORTEST, Experience, begins, pause

SECONDS = st.floats(0, 10_000)
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
RUN = Run(id="r", policy="p", volume="v", due=NOW, queued_at=NOW, ticket="t", phase=Phase.INSPECTING)


@given(elapsed=SECONDS, expected=st.none() | SECONDS)
def test_a_pause_stays_within_its_bounds(elapsed: float, expected: float | None) -> None:
    assert SHORTEST <= pause(elapsed, expected) <= LONGEST


@pytest.mark.parametrize(
    ("elapsed", "expected", "seconds"),
    [
        (0, None, SHORTEST),
        (4, None, 1.0),
        (100, None, LONGEST),
        (0, 100, LONGEST),
        (0, 1, 1),
        (9.6, 10, 0.4),
        (13, 10, 1.0),
        (90, 10, LONGEST),
        (1, 0, 1 / 3),
    ],
)
def test_looks_are_close_around_the_expected_end_only(elapsed: float, expected: float | None, seconds: float) -> None:
    assert pause(elapsed, expected) == pytest.approx(seconds)


def test_a_snapshot_is_expected_from_our_attach_on() -> None:
    assert not begins(RUN, replace(RUN, phase=Phase.SNAPSHOTTING))


def test_a_snapshot_of_a_volume_that_others_attached_is_expected_from_its_request_on() -> None:
    others = replace(RUN, ticket="")
    assert begins(others, replace(others, phase=Phase.SNAPSHOTTING))


def test_a_backup_is_expected_from_its_request_on() -> None:
    ready = replace(RUN, phase=Phase.BACKING_UP)
    assert begins(ready, replace(ready, asked_at=NOW))
    assert not begins(ready, replace(ready, progress=50))


def test_looking_begins_before_most_of_what_was_seen_had_ended() -> None:
    experience = Experience()
    for seconds in (4.0, 4.1, 4.2, 9.0, 30.0):
        experience.learn(Phase.BACKING_UP, seconds)
    expected = experience.expected(Phase.BACKING_UP)
    assert expected is not None
    assert expected <= 4.1


def test_experience_forgets_what_is_long_ago() -> None:
    known = Experience()
    known.learn(Phase.ATTACHING, 1.0)
    for _ in range(40):
        known.learn(Phase.ATTACHING, 5.0)
    assert known.expected(Phase.ATTACHING) == pytest.approx(5.0, abs=0.2)
    assert known.expected(Phase.QUEUED) is None
