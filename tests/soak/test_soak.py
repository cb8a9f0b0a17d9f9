"""A day with a thousand volumes; and what the judge of it takes for growth."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from .gauge import Sample, lines, verdicts

FLAT = Sample(
    memory=100,
    objects=1000,
    files=12,
    tasks=5,
    runs=600,
    protections=50,
    notes=1000,
    overdue=0,
    journal=4096,
    series=900,
    ghosts=0,
)


@pytest.mark.timeout(400)
def test_a_day_of_a_thousand_volumes_leaves_nothing_behind() -> None:
    # in a process of its own: memory that tests before it have left is used again as it goes on, and looks like growth
    command = (sys.executable, "-m", "tests.soak", "--volumes", "1000", "--json")
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode in {0, 1}, ended.stderr
    said = json.loads(ended.stdout)
    samples, outcomes = [Sample(**sample) for sample in said["samples"]], said["runs"]
    found = list(verdicts(samples))
    assert [each.what for each in found if not each.held] == [], "\n".join(lines(found))
    assert ended.returncode == 0
    assert said["differing"] == [0] * 12
    # and it has seen what it is for
    assert outcomes["completed"] > 50
    assert outcomes["unchanged"] > 400
    assert min(sample.runs for sample in samples) > 500


def test_what_stays_as_it_is_is_held() -> None:
    assert all(each.held for each in verdicts([FLAT] * 12))


@pytest.mark.parametrize("what", ["memory", "objects", "runs", "protections", "notes", "journal", "series"])
def test_what_grows_by_more_than_a_twentieth_is_broken(what: str) -> None:
    grown = [replace(FLAT, **{what: int(getattr(FLAT, what) * (1 + number / 50))}) for number in range(12)]
    assert [each.what for each in verdicts(grown) if not each.held] == [what]


@pytest.mark.parametrize("what", ["files", "tasks"])
def test_one_file_or_task_left_behind_is_broken(what: str) -> None:
    left = [FLAT] * 11 + [replace(FLAT, **{what: getattr(FLAT, what) + 1})]
    assert [each.what for each in verdicts(left) if not each.held] == [what]


@pytest.mark.parametrize("what", ["overdue", "ghosts"])
def test_what_should_be_forgotten_is_broken_at_any_time(what: str) -> None:
    left = [replace(FLAT, **{what: 1})] + [FLAT] * 11
    assert [each.what for each in verdicts(left) if not each.held] == [what]
