"""Every planted bug is caught by the judge that finds nothing in the daemon as it is."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.chaos.judge import Verdict, judge
from tests.chaos.plan import plan
from tests.chaos.virtual import played

from .planted import BUGS

pytestmark = [pytest.mark.looptime, pytest.mark.timeout(120)]

SEED = 3


async def verdict(folder: Path, mix: Mapping[str, float], seconds: float) -> Verdict:
    """What the judge says of one storm."""
    evidence, _ = await played(folder, seed=SEED, seconds=seconds, mix=mix)
    return judge(evidence)


@pytest.mark.parametrize("name", BUGS)
async def test_a_planted_bug_is_caught(tmp_path: Path, name: str) -> None:
    bug = BUGS[name]
    remove = bug.plant()
    try:
        found = await verdict(tmp_path, bug.mix, bug.seconds)
    finally:
        remove()
    assert found.counts()[bug.shows] > 0, found.words()


#: the storms that bring the bugs out, each once
STORMS = list({repr((bug.mix, bug.seconds)): (bug.mix, bug.seconds) for bug in BUGS.values()}.values())


@pytest.mark.parametrize(("mix", "seconds"), STORMS, ids=["+".join(mix) or "plain" for mix, _ in STORMS])
async def test_the_daemon_without_a_planted_bug_passes_the_same_storm(
    tmp_path: Path, mix: Mapping[str, float], seconds: float
) -> None:
    found = await verdict(tmp_path, mix, seconds)
    assert found.words() == []


def test_every_promise_has_a_planted_bug() -> None:
    assert {bug.shows for bug in BUGS.values()} == set(Verdict().counts())


def test_a_plan_is_made_from_its_seed_alone() -> None:
    assert plan(1, 600) == plan(1, 600)
    assert plan(1, 600) != plan(2, 600)
