"""What the benchmark makes of costs that grow, and how it draws them."""

from xml.etree import ElementTree as ET

import pytest

from benchmarks.growth import Cost, _rows, plotted
from benchmarks.plot import logarithmic

SVG = "{http://www.w3.org/2000/svg}"


def costs(*seconds: float) -> list[Cost]:
    return [Cost(volumes=100 * 10**number, rest=each, night=1.0) for number, each in enumerate(seconds)]


@pytest.mark.parametrize(
    ("seconds", "held"),
    [((0.1, 0.3, 0.9), [None, True, True]), ((0.1, 1.0, 13.0), [None, True, False])],
    ids=["less than in proportion", "more"],
)
def test_each_size_is_held_to_the_one_before_it(seconds: tuple[float, ...], held: list[bool | None]) -> None:
    rows = list(_rows("rest", "a minute of rest", costs(*seconds)))
    assert [row.held for row in rows] == held
    assert [row.fails(smoke=True) for row in rows] == [each is False for each in held]


def test_the_drawing_has_a_line_for_each_cost_and_every_size_on_it() -> None:
    rows = [*_rows("rest", "rest", costs(0.1, 0.3, 0.9)), *_rows("night", "a night", costs(1, 1, 1))]
    drawn = ET.fromstring(plotted(rows))
    assert len(drawn.findall(f"{SVG}circle")) == 6
    words = {text.text for text in drawn.findall(f"{SVG}text")}
    assert {"volumes", "100", "1,000", "10,000", "a minute of rest"} <= words


def test_a_line_that_grows_in_proportion_lies_on_its_dotted_one() -> None:
    drawn = ET.fromstring(logarithmic({"a": [(1, 10), (100, 1000)]}, across="n", up="ms"))
    dotted, line = (each.get("points") for each in drawn.findall(f"{SVG}polyline")[-2:])
    assert dotted == line
