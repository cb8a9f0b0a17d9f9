"""Each volume's own moment: stable, even, and nobody else's business."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from math import erfc, sqrt
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.spread import offset

TWO_HOURS = timedelta(hours=2)
MINUTES = 120
MANY = 10_000

names = st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=40)
spreads = st.integers(1, 7 * 86400).map(lambda seconds: timedelta(seconds=seconds))


def minutes(volumes: Iterable[str], policy: str = "nightly") -> list[int]:
    return [offset(policy, volume, TWO_HOURS) // timedelta(minutes=1) for volume in volumes]


def chance(found: Iterable[int], classes: int) -> float:
    """The p value of Pearson's chi-squared test against all classes alike (Wilson and Hilferty's approximation)."""
    count = Counter(found)
    share = count.total() / classes
    chi2 = sum((count[one] - share) ** 2 for one in range(classes)) / share
    freedom = classes - 1
    z = ((chi2 / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / sqrt(2 / (9 * freedom))
    return erfc(z / sqrt(2)) / 2


#: as Longhorn, a StatefulSet, and people name volumes
NAMES = {
    "pvc": [f"pvc-{UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)}" for number in range(MANY)],
    "numbered": [f"data-db-{number}" for number in range(MANY)],
    "padded": [f"vol-{number:05}" for number in range(MANY)],
    "long": [f"{'x' * 200}-{number}" for number in range(MANY)],
}


def test_the_p_value_is_right_where_tables_know_it() -> None:
    # the 0.999 quantile of chi-squared with 119 degrees of freedom is 173.6: a value of that has p = 0.001
    share, classes = 1000, 120
    off = round(sqrt(173.6 * share / classes))
    found = [one for one in range(classes) for _ in range(share + (off if one % 2 else -off))]
    assert chance(found, classes) == pytest.approx(0.001, rel=0.2)
    assert chance((one for one in range(classes) for _ in range(share)), classes) > 0.999


@pytest.mark.parametrize("kind", NAMES)
def test_volumes_are_spread_evenly(kind: str) -> None:
    found = minutes(NAMES[kind])
    assert chance(found, MINUTES) > 0.001
    assert max(Counter(found).values()) <= 1.6 * MANY / MINUTES
    assert len(set(found)) == MINUTES


@pytest.mark.parametrize("kind", NAMES)
def test_two_policies_do_not_meet_at_the_same_moments(kind: str) -> None:
    pairs = zip(minutes(NAMES[kind]), minutes(NAMES[kind], "weekly"), strict=True)
    assert chance(((one - other) % MINUTES for one, other in pairs), MINUTES) > 0.001


def test_neighbours_in_name_are_none_in_time() -> None:
    found = minutes(NAMES["numbered"])
    steps = [(later - earlier) % MINUTES for earlier, later in pairwise(found)]
    assert chance(steps, MINUTES) > 0.001


@pytest.mark.parametrize(
    ("policy", "volume", "spread", "seconds"),
    [
        ("nightly", "pvc-1", timedelta(hours=2), 576),
        ("nightly", "pvc-2", timedelta(hours=2), 3013),
        ("weekly", "pvc-1", timedelta(hours=2), 6196),
        ("nightly", "pvc-1", timedelta(hours=4), 1153),
    ],
)
def test_a_volume_keeps_its_moment_for_ever(policy: str, volume: str, spread: timedelta, seconds: int) -> None:
    assert offset(policy, volume, spread) == timedelta(seconds=seconds)


def test_without_a_spread_all_are_due_at_once() -> None:
    assert offset("nightly", "pvc-1", None) == timedelta(0)


@given(names, names, spreads)
def test_a_moment_lies_within_the_spread_on_a_whole_second(policy: str, volume: str, spread: timedelta) -> None:
    found = offset(policy, volume, spread)
    assert timedelta(0) <= found < spread
    assert found % timedelta(seconds=1) == timedelta(0)


@given(names, names, spreads, spreads)
def test_another_spread_keeps_the_order_of_volumes(one: str, other: str, spread: timedelta, changed: timedelta) -> None:
    if offset("nightly", one, spread) < offset("nightly", other, spread):
        assert offset("nightly", one, changed) <= offset("nightly", other, changed)
