"""When a row of the benchmark's table makes it fail."""

import pytest

from benchmarks.row import Kind, Row


def row(value: float, bound: float | None, kind: Kind) -> Row:
    return Row(name="n", what="w", unit="s", value=value, bound=bound, kind=kind)


@pytest.mark.parametrize(
    ("kind", "smoke", "fails"),
    [
        (Kind.RATIO, True, True),
        (Kind.COUNT, True, True),
        (Kind.ABSOLUTE, True, False),
        (Kind.RATIO, False, True),
        (Kind.COUNT, False, True),
        (Kind.ABSOLUTE, False, True),
    ],
)
def test_a_broken_bound_fails_unless_a_smoke_run_meets_seconds(kind: Kind, smoke: bool, fails: bool) -> None:
    assert row(2.0, 1.0, kind).fails(smoke=smoke) is fails


@pytest.mark.parametrize("kind", list(Kind))
def test_a_bound_that_is_just_reached_holds(kind: Kind) -> None:
    assert row(1.0, 1.0, kind).held is True
    assert not row(1.0, 1.0, kind).fails(smoke=False)


def test_a_row_without_a_bound_neither_holds_nor_fails() -> None:
    assert row(1.0, None, Kind.NONE).held is None
    assert not row(1.0, None, Kind.NONE).fails(smoke=False)
