"""What ours is held to beside Longhorn's own job, and the job to its recording."""

import pytest

from benchmarks.native import RATIOS, SMOKE, Ran, _rows

RECORDED = Ran(seconds=60.0, cycles=12)


def broken(ours: Ran, job: Ran, ratio: float = RATIOS[0]) -> list[str]:
    """Names of the rows that end a smoke run with a failure."""
    return [row.name for row in _rows("changed", ours, job, ratio, SMOKE) if row.fails(smoke=True)]


def test_the_job_as_recorded_breaks_nothing() -> None:
    assert broken(Ran(seconds=40.0, cycles=6), RECORDED) == []


@pytest.mark.parametrize("seconds", [53.0, 67.0])
def test_a_job_that_is_off_the_recording_is_no_yardstick(seconds: float) -> None:
    assert broken(Ran(seconds=10.0, cycles=6), Ran(seconds=seconds, cycles=12)) == ["native-recorded-changed"]


def test_a_job_with_other_cycles_than_recorded_is_no_yardstick() -> None:
    assert broken(Ran(seconds=40.0, cycles=6), Ran(seconds=60.0, cycles=6)) == ["native-recorded-cycles-changed"]


@pytest.mark.parametrize(("seconds", "ratio"), [(43.3, RATIOS[0]), (16.3, RATIOS[1])])
def test_ours_may_take_so_much_of_what_the_job_takes_and_no_more(seconds: float, ratio: float) -> None:
    assert broken(Ran(seconds=seconds, cycles=6), RECORDED, ratio) == ["native-changed"]
    assert broken(Ran(seconds=seconds - 0.2, cycles=6), RECORDED, ratio) == []
