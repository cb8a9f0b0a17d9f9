"""Whether a policy keeps its recovery point objective."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.exposure import Exposure
from lhbackupd.core.rpo import Judgement, Rpo, expected_at, judge, turns_at
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


HOURS = st.integers(-30, 30).map(lambda count: T0 + count * HOUR)
MAYBE = st.none() | HOURS


@given(
    since=MAYBE,
    doubt=MAYBE,
    next_due=st.none() | st.integers(1, 60).map(lambda count: T0 + count * HOUR),
    waits=st.sampled_from(["", "not yet", "waits", "goes on"]),
    moment=HOURS,
    took=st.integers(0, 5),
    later=st.floats(0, 1),
)
def test_a_verdict_holds_until_time_alone_may_change_it(
    *,
    since: datetime | None,
    doubt: datetime | None,
    next_due: datetime | None,
    waits: str,
    moment: datetime,
    took: int,
    later: float,
) -> None:
    known, rpo, seconds = replace(CLEAR, since=since, doubt=doubt), 26 * HOUR, took * 3600.0
    runs = {
        "": None,
        "not yet": run(not_before=moment),
        "waits": run(),
        "goes on": run(started_at=moment),
    }

    def verdict(now: datetime) -> Judgement:
        expected = expected_at(now=now, run=runs[waits], next_due=next_due, took=seconds)
        return judge(known, rpo, now, expected)

    turn = turns_at(known, rpo, T0, seconds)
    assert turn is None or turn >= T0
    end = turn or T0 + 99 * DAY
    between = T0 + later * (end - T0)
    if between < end:
        assert verdict(between) == verdict(T0)


def test_what_no_time_changes() -> None:
    assert turns_at(None, DAY, T0, 60) is None
    assert turns_at(replace(CLEAR, since=T0), None, T0, 60) is None
    assert turns_at(CLEAR, DAY, T0, 60) is None
    assert turns_at(replace(CLEAR, since=T0, doubt=T0 - HOUR), DAY, T0, 60) == T0 + DAY - HOUR - timedelta(seconds=60)
