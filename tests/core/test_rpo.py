"""Whether a policy keeps its recovery point objective."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from lhbackupd.core.exposure import Exposure
from lhbackupd.core.rpo import Judgement, Rpo, expected_at, judge
from tests.core.examples import T0, run

HOUR = timedelta(hours=1)
DAY = 24 * HOUR
CLEAR = Exposure(policy="nightly", volume="vol", born=T0 - 99 * DAY, clear=T0)


@pytest.mark.parametrize(
    ("since", "doubt", "expected", "state", "misses"),
    [
        (None, None, None, Rpo.COMPLIANT, None),
        (T0, None, T0 + 20 * HOUR, Rpo.COMPLIANT, None),
        (T0, None, T0 + DAY, Rpo.COMPLIANT, None),
        (T0, None, T0 + 25 * HOUR, Rpo.AT_RISK, T0 + DAY),
        (T0, None, None, Rpo.AT_RISK, T0 + DAY),
        (T0 - 20 * HOUR, None, T0 + 5 * HOUR, Rpo.VIOLATED, T0 + 4 * HOUR),
        (None, T0, T0 + 20 * HOUR, Rpo.UNCERTAIN, None),
        (None, T0, T0 + 25 * HOUR, Rpo.UNCERTAIN, T0 + DAY),
        (T0, T0 - HOUR, T0 + 5 * HOUR, Rpo.UNCERTAIN, None),
        (T0 - HOUR, T0, T0 + 5 * HOUR, Rpo.COMPLIANT, None),
        (T0 - 20 * HOUR, T0 - DAY, None, Rpo.VIOLATED, T0 + 4 * HOUR),
    ],
)
def test_the_verdict(
    since: datetime | None, doubt: datetime | None, expected: datetime | None, state: Rpo, misses: datetime | None
) -> None:
    known = replace(CLEAR, since=since, doubt=doubt)
    assert judge(known, DAY, T0 + 4 * HOUR, expected) == Judgement(state=state, misses_at=misses)


def test_without_an_objective_there_is_no_verdict_and_without_knowledge_none_that_is_green() -> None:
    assert judge(CLEAR, None, T0, None).state is Rpo.NONE
    assert judge(None, DAY, T0, None).state is Rpo.UNCERTAIN


def test_when_a_volume_is_expected_to_be_protected() -> None:
    now, later = T0 + HOUR, T0 + 3 * HOUR
    started = run(started_at=T0)
    assert expected_at(now=now, run=started, next_due=None, took=7200) == T0 + 2 * HOUR
    assert expected_at(now=now, run=started, next_due=None, took=60) == now
    assert expected_at(now=now, run=run(), next_due=None, took=60) == now + timedelta(seconds=60)
    assert expected_at(now=now, run=run(not_before=later), next_due=None, took=60) == later + timedelta(seconds=60)
    assert expected_at(now=now, run=None, next_due=later, took=60) == later + timedelta(seconds=60)
    assert expected_at(now=now, run=None, next_due=None, took=60) is None
