"""How long to wait until the next look."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.pace import LONGEST, SHORTEST, Experience, pause

SECONDS = st.floats(0, 10_000)


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
        (0, 1, 1.0),
        (9.6, 10, 0.4),
        (10, 10, 0.15),
        (13, 10, 1.0),
        (90, 10, LONGEST),
        (1, 0, 1 / 3),
    ],
)
def test_looks_are_close_around_the_expected_end_only(elapsed: float, expected: float | None, seconds: float) -> None:
    assert pause(elapsed, expected) == pytest.approx(seconds)


def test_experience_is_the_median_of_what_lasted_recently_less_the_time_it_takes_to_be_seen() -> None:
    known = Experience()
    for seconds in (1, 2, 30):
        known.learn("attaching", seconds)
    assert known.expected("attaching") == pytest.approx(2 - SHORTEST)
    for _ in range(40):
        known.learn("attaching", 5)
    assert known.expected("attaching") == pytest.approx(5 - SHORTEST)


def test_without_experience_phases_last_as_long_as_was_recorded() -> None:
    assert Experience().expected("snapshotting") == 5.0
    assert Experience().expected("inspecting") is None


def test_looks_at_a_phase_that_always_lasts_the_same_do_not_drift() -> None:
    known = Experience()
    for _ in range(200):
        elapsed = 0.0
        while elapsed < 5.0:
            elapsed += pause(elapsed, known.expected("snapshotting"))
        known.learn("snapshotting", elapsed)
        assert elapsed < 5.3
