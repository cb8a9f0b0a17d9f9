"""How old the protected state of a volume was, over thirty days.

It grows until a run backs the volume up, or finds nothing new in it, and falls then to the age of what that run saw.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from lhbackupd.core.model import PROTECTED, Run
from lhbackupd.surface.markup import Html, el, join
from lhbackupd.surface.pages.strip import DAYS
from lhbackupd.surface.words import span

_WIDE, _HIGH = 1000, 100

#: a moment, and seconds that the protected state was old then
Point = tuple[datetime, float]


def ages(runs: Sequence[Run], now: datetime) -> list[Point]:
    """The corners of the line, from finished runs, newest first; none before the first run that protected anything."""
    points: list[Point] = []
    until: datetime | None = None
    for run in reversed(runs):
        if run.outcome not in PROTECTED or run.protected_until is None or run.finished_at is None:
            continue
        if until is not None:
            points.append((run.finished_at, (run.finished_at - until).total_seconds()))
        until = max(until, run.protected_until) if until else run.protected_until
        points.append((run.finished_at, (run.finished_at - until).total_seconds()))
    if until is not None:
        points.append((now, (now - until).total_seconds()))
    return [(moment, max(0.0, age)) for moment, age in points]


def plot(runs: Sequence[Run], now: datetime) -> Html:
    """The line, with its highest and its last value in words; nothing where nothing was ever protected."""
    start = now - timedelta(days=DAYS)
    points = [point for point in ages(runs, now) if point[0] >= start]
    if not points:
        return Html()
    most, last = max(age for _, age in points), points[-1][1]
    words = f"The protected state is {span(last)} old now; in {DAYS} days it was at most {span(most)} old."
    line = [(_WIDE * ((at - start) / (now - start)), _HIGH * (1 - age / (most or 1))) for at, age in points]
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
    area = f"{line[0][0]:.1f},{_HIGH} {corners} {line[-1][0]:.1f},{_HIGH}"
    drawn = el(
        "svg",
        el("polygon", points=Html(area), class_="area"),
        el("polyline", points=Html(corners), class_="line", vector_effect="non-scaling-stroke"),
        viewBox=f"0 0 {_WIDE} {_HIGH}",
        preserveAspectRatio="none",
        role="img",
        aria_label=words,
        class_="plot",
    )
    axis = el("p", el("span", f"{start:%Y-%m-%d}"), el("span", f"{now:%Y-%m-%d}"), class_="axis", aria_hidden="true")
    return join((el("p", words), drawn, axis))
