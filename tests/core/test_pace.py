"""How long to wait until the next look."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.model import Phase, Run
from lhbackupd.core.pace import LONGEST, SHORTEST, Experience, begins, pause

SECONDS = st.floats(0, 10_000)
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def a_run(phase: Phase, *, volume: str = "db", progress: int = 0) -> Run:
    return Run(id="r", policy="p", volume=volume, due=NOW, queued_at=NOW, phase=phase, progress=progress)


RUN = replace(a_run(Phase.INSPECTING), ticket="t")


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
        (10, 10, 0.2),
        (13, 10, 1.0),
        (90, 10, LONGEST),
        (1, 0, 1 / 3),
    ],
)
def test_looks_are_close_around_the_expected_end_only(elapsed: float, expected: float | None, seconds: float) -> None:
    assert pause(elapsed, expected) == pytest.approx(seconds)


def test_experience_is_the_quickest_quarter_of_what_lasted_recently_less_the_time_it_takes_to_be_seen() -> None:
    known = Experience()
    for seconds in (1, 2, 3, 4, 30):
        known.learn(a_run(Phase.ATTACHING), seconds)
    assert known.expected(a_run(Phase.ATTACHING)) == pytest.approx(2 - SHORTEST)
    for _ in range(40):
        known.learn(a_run(Phase.ATTACHING), 5)
    assert known.expected(a_run(Phase.ATTACHING)) == pytest.approx(5 - SHORTEST)


def test_without_experience_phases_last_as_long_as_was_recorded() -> None:
    assert Experience().expected(a_run(Phase.SNAPSHOTTING)) == 5.0
    assert Experience().expected(a_run(Phase.INSPECTING)) is None


def test_looks_at_a_phase_that_always_lasts_the_same_do_not_drift() -> None:
    known = Experience()
    for _ in range(200):
        elapsed = 0.0
        while elapsed < 5.0:
            elapsed += pause(elapsed, known.expected(a_run(Phase.SNAPSHOTTING)))
        known.learn(a_run(Phase.SNAPSHOTTING), elapsed)
        assert elapsed < 5.3


def test_a_backup_is_expected_to_last_as_long_as_this_volumes_did() -> None:
    known = Experience()
    known.learn(a_run(Phase.BACKING_UP, volume="large"), 600.1)
    for _ in range(3):
        known.learn(a_run(Phase.BACKING_UP, volume="small"), 4.1)
    assert known.expected(a_run(Phase.BACKING_UP, volume="large")) == pytest.approx(600)
    assert known.expected(a_run(Phase.BACKING_UP, volume="new")) == pytest.approx(4)


@pytest.mark.parametrize(
    ("run", "elapsed", "seconds"),
    [
        (a_run(Phase.QUEUED), 5, None),
        (a_run(Phase.DETACHING), 1, None),
        (a_run(Phase.SNAPSHOTTING), 1, 4.0 + 4.2),
        (a_run(Phase.BACKING_UP), 1, 3.2),
        (a_run(Phase.BACKING_UP), 60, 60),
        (a_run(Phase.BACKING_UP, progress=25), 60, 180),
        (a_run(Phase.BACKING_UP, progress=100), 60, 0),
    ],
)
def test_what_remains_goes_by_experience_and_progress(run: Run, elapsed: float, seconds: float | None) -> None:
    assert Experience().remaining(run, elapsed) == (None if seconds is None else pytest.approx(seconds))


def test_a_snapshot_is_expected_from_our_attach_on() -> None:
    assert not begins(RUN, replace(RUN, phase=Phase.SNAPSHOTTING))


def test_a_snapshot_of_a_volume_that_others_attached_is_expected_from_its_request_on() -> None:
    others = replace(RUN, ticket="")
    assert begins(others, replace(others, phase=Phase.SNAPSHOTTING))


def test_a_backup_is_expected_from_its_request_on() -> None:
    ready = replace(RUN, phase=Phase.BACKING_UP)
    assert begins(ready, replace(ready, asked_at=NOW))
    assert not begins(ready, replace(ready, progress=50))


def test_of_a_volume_that_is_gone_nothing_is_known_any_more() -> None:
    known, run = Experience(), replace(RUN, phase=Phase.BACKING_UP)
    known.learn(run, 60.0)
    known.learn(replace(run, volume="other"), 20.0)
    known.forget(run.volume)
    assert [volume for _, volume in known.durations] == ["", "other"]
    known.forget(run.volume)
