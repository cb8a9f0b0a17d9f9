"""A plot on logarithmic scales, as an SVG that needs nothing but a browser."""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10

#: width and height in all, and of the margin on each side
_WIDE, _HIGH, _EDGE = 640, 400, 60
_COLOURS = ("#1f5fa8", "#b3541e", "#3a7d44")

#: what was counted, and what it came to; both more than 0
Point = tuple[float, float]


def logarithmic(lines: Mapping[str, Sequence[Point]], *, across: str, up: str) -> str:
    """All lines by their names, the axes named, and dotted what each would be if it grew in proportion."""
    points = [point for line in lines.values() for point in line]
    left, right = _decades([x for x, _ in points])
    low, high = _decades([y for _, y in points])

    def at(x: float, y: float) -> tuple[float, float]:
        along = (log10(x) - left) / (right - left) * (_WIDE - 2 * _EDGE)
        above = (log10(y) - low) / (high - low) * (_HIGH - 2 * _EDGE)
        return round(_EDGE + along, 1), round(_HIGH - _EDGE - above, 1)

    drawn = [_line([at(10.0**decade, 10.0**low), at(10.0**decade, 10.0**high)]) for decade in range(left, right + 1)]
    drawn += [_line([at(10.0**left, 10.0**decade), at(10.0**right, 10.0**decade)]) for decade in range(low, high + 1)]
    for decade in range(left, right + 1):
        x, y = at(10.0**decade, 10.0**low)
        drawn.append(_text(x, y + 18, f"{10**decade:,}", "middle"))
    for decade in range(low, high + 1):
        x, y = at(10.0**left, 10.0**decade)
        drawn.append(_text(x - 6, y + 4, f"{10.0**decade:,g}", "end"))
    drawn += [_text(_WIDE / 2, _HIGH - 12, across, "middle"), _text(_EDGE, _EDGE - 36, up)]
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        (x, y), (most, _) = line[0], line[-1]
        drawn.append(_line([at(x, y), at(most, min(y * most / x, 10.0**high))], colour, dotted=True))
        drawn.append(_line([at(*point) for point in line], colour, wide=2))
        drawn += [f'<circle cx="{cx}" cy="{cy}" r="3" fill="{colour}"/>' for cx, cy in (at(*point) for point in line)]
        drawn.append(_text(_EDGE + 8, _EDGE + 16 * (number + 1), name, colour=colour))
    box = f'viewBox="0 0 {_WIDE} {_HIGH}" font-family="sans-serif" font-size="12" role="img"'
    title = f"<title>{up}, by {across}</title>"
    ground = f'<rect width="{_WIDE}" height="{_HIGH}" fill="#fff"/>'
    return "\n".join((f'<svg xmlns="http://www.w3.org/2000/svg" {box}>', title, ground, *drawn, "</svg>\n"))


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten around all values; at least one decade."""
    low = floor(log10(min(values)))
    return low, max(low + 1, ceil(log10(max(values))))


def _line(points: Sequence[Point], colour: str = "#ddd", *, wide: int = 1, dotted: bool = False) -> str:
    corners = " ".join(f"{x},{y}" for x, y in points)
    dashes = ' stroke-dasharray="3 4"' if dotted else ""
    return f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="{wide}"{dashes}/>'


def _text(x: float, y: float, words: str, anchor: str = "start", colour: str = "#333") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{words}</text>'
