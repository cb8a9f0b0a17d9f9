"""The picture of `lhbackupd status --watch`: what is in it, and that nothing is cut without a sign."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.cli.view import View, progress_bar, shares, shares_bar
from lhbackupd.core.model import Outcome
from lhbackupd.surface.report import Report
from tests.page.scene import furnish
from tests.surface.house import House, ended, house, queued, volume

NASTY = "\x1b[2J\x1b]0;owned\x07 first\nsecond \u202e[red]"


@pytest.fixture(name="house")
def _house() -> Iterator[House]:
    with house() as made:
        yield made


def drawn(report: Report | None, *, width: int = 200, height: int = 60, trouble: str = "") -> list[str]:
    lines = View(report=report, trouble=trouble, silent=12).lines(width, height)
    assert len(lines) <= height
    assert all(line.cell_len <= width for line in lines)
    return [line.plain for line in lines]


def test_it_shows_promises_troubles_runs_and_the_queue_with_reasons(house: House) -> None:
    furnish(house)
    said = "\n".join(drawn(house.report()))
    assert "6 protected, 2 unprotected, 1 failing, 1 suspended, 1 uncovered" in said
    assert (
        "  nightly         1 d 2 h  [============~~????!!]  1 violated, 1 at-risk, 2 uncertain, 5 compliant; longest "
        "exposed is pvc-mail, for 3 d (277 % of the RPO)" in said
    )
    assert "  hourly          none                             it promises nothing: no rpo is set" in said
    assert (
        "  backing-up  [############........]   62 %  9 h 59 min  shop/cart   nightly: pod shop/cart-0 WAITS for it; "
        "backup backup-77aa is uploading" in said
    )
    assert "  3 min  shop/search  nightly: waits for one of 1 places on node-1 (limits.per_node)" in said
    assert "  suspended    shop/parked" in said
    assert "  uncovered    pvc-5b1d9c1e-77aa-4c0e-9d3e-0a4b7b1f9f6e  no policy matches it" in said


@pytest.mark.parametrize("height", [8, 9, 12, 13, 20, 23, 24, 60])
def test_on_a_small_terminal_what_is_left_out_is_counted(house: House, height: int) -> None:
    furnish(house)
    lines = drawn(house.report(), height=height)
    titles = ("RPO by policy: 3", "not protected: 5", "running: 2", "waiting: 2")
    assert [title for title in titles if any(line.startswith(title) for line in lines)] == list(titles)
    hidden = [int(line.split()[2]) for line in lines if line.startswith("  … and ")]
    rows = sum(line.startswith("  ") for line in lines) - len(hidden)
    assert all(count > 1 for count in hidden), "the line would have been room for the one"
    if height < 12:  # where a part has but its title, that has the number
        assert rows + sum(hidden) < 12
    else:
        assert rows + sum(hidden) == 12
    assert bool(hidden) is (9 <= height < 20)


@pytest.mark.parametrize("height", range(1, 8))
def test_a_terminal_that_has_no_room_for_the_titles_says_that_it_is_too_small(house: House, height: int) -> None:
    furnish(house)
    lines = drawn(house.report(), height=height)
    assert len(lines) == height
    assert lines[-1] == f"… and {8 - height + 1} more lines: the terminal is too small"


def test_a_queue_without_room_says_how_many_more_wait(house: House) -> None:
    house.has(volume("pvc-a"))
    for number in range(400):
        house.keeper.waiting[str(number)] = replace(queued("pvc-a", reason="waits for its turn"), id=str(number))
    lines = drawn(house.report(), height=20)
    rows = [line for line in lines if line.endswith("waits for its turn")]
    assert lines[-1] == f"  … and {400 - len(rows)} more"
    assert "waiting: 400  for how long, and for what" in lines


def test_words_that_do_not_fit_end_in_an_ellipsis(house: House) -> None:
    furnish(house)
    for long, short in zip(drawn(house.report(), width=400), drawn(house.report(), width=50), strict=True):
        assert short == long or (short.endswith("…") and long.startswith(short[:-1]))


def test_a_daemon_that_does_not_answer_is_the_first_thing_that_is_said(house: House) -> None:
    furnish(house)
    lines = drawn(house.report(), trouble="the daemon does not answer at http://127.0.0.1:1/: refused")
    assert lines[0] == "NO ANSWER for 12 s: the daemon does not answer at http://127.0.0.1:1/: refused"
    assert "what is shown is as it was at 2026-10-22 12:00:00 UTC" in lines[1]
    assert drawn(None, trouble="refused")[0] == "NO ANSWER for 12 s: refused"
    assert drawn(None) == ["asking the daemon; Ctrl-C ends this"]


def test_foreign_text_neither_breaks_a_line_nor_steers_the_terminal(house: House) -> None:
    house.has(volume("pvc-a", pvc=NASTY))
    house.knows(ended("pvc-a", Outcome.FAILED, NASTY))
    house.keeper.waiting["a"] = queued("pvc-a", reason=NASTY)
    lines = drawn(house.report(), width=400, trouble=NASTY)
    assert sum("first\\nsecond \\u202e[red]" in line for line in lines) == 3
    assert all(line.isprintable() for line in lines)


@given(st.lists(st.integers(0, 5000), min_size=4, max_size=4))
def test_a_bar_of_volumes_is_always_as_wide_and_leaves_no_state_out(counts: list[int]) -> None:
    bar = shares_bar(counts)
    assert len(bar) == 22
    for sign, count in zip("=~?!", counts, strict=True):
        assert (sign in bar) is bool(count)
    assert (" " in bar) is (sum(counts) == 0)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(0, 120))
def test_parts_share_the_room_and_none_gets_more_than_it_wants(wants: list[int], room: int) -> None:
    got = shares(wants, room)
    assert sum(got) == min(room, sum(wants))
    assert all(had <= want for had, want in zip(got, wants, strict=True))
    short = [had for had, want in zip(got, wants, strict=True) if had < want]
    assert not short or max(got) - min(short) <= max(wants) - min(short)
    assert all(had >= max(got) - 1 for had in short), "who gets less than it wants gets as much as any other"


@pytest.mark.parametrize(("percent", "full"), [(0, 0), (62, 12), (100, 20), (250, 20), (-3, 0)])
def test_a_progress_bar_stays_within_its_ends(percent: int, full: int) -> None:
    assert progress_bar(percent) == f"[{'#' * full}{'.' * (20 - full)}]"
