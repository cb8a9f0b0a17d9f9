"""A few days of the month, with every kind of thing that happens in it."""

from pathlib import Path

import pytest

from .play import Month, Size, lines


@pytest.mark.looptime
async def test_no_claim_is_later_than_the_truth_nor_green_where_a_look_could_know_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lhbackupd.engine.keeper.TURN", 60.0)
    month = Month(tmp_path, Size(days=1.5, volumes=20, seed=3))
    await month.play()
    said = "\n".join(lines(month))
    assert not month.judge.broken, said
    # and it has seen what it is for
    assert month.judge.samples > 3000, said
    assert month.judge.exposed, said
    assert month.judge.uncertain, said
    assert month.counts["completed"] > 50, said
    assert month.counts["unchanged"] > 50, said
