"""Storms of few kinds, in virtual time: what a mixed one brings together only once in hundreds."""

from pathlib import Path

import pytest

from .judge import judge
from .plan import narrow
from .virtual import played

SECONDS = 900.0


@pytest.mark.looptime
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(8))
async def test_every_promise_is_kept_in_a_storm_of_few_kinds(tmp_path: Path, seed: int) -> None:
    evidence, defects = await played(tmp_path, seed=seed, seconds=SECONDS, mix=narrow(seed))
    assert judge(evidence).words() == []
    assert defects == []
    assert evidence.runs


def test_a_narrow_storm_is_made_of_few_kinds_and_from_its_seed_alone() -> None:
    assert narrow(1) == narrow(1)
    assert narrow(1) != narrow(2)
    assert all(sum(weight > 0 for weight in narrow(seed).values()) <= 7 for seed in range(100))
