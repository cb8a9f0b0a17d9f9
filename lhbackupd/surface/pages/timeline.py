"""The coming 24 hours: a lane per policy, a mark where it is due, and the same in words for whoever does not see it.

Drawn with the widths of SVG, because the page's own security policy forbids styles in elements.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from lhbackupd.surface.markup import Html, el, join
from lhbackupd.surface.pages.parts import when
from lhbackupd.surface.report import DueNext

SPAN = timedelta(hours=24)
#: due times of a lane that are drawn one by one; more of them are a band
_SINGLE = 48
#: hours between two lines with a time
_EVERY = 6


def timeline(dues: Iterable[DueNext], now: datetime) -> Html:
    """What is due in the 24 hours from `now` on."""
    lanes: dict[str, list[DueNext]] = defaultdict(list)
    for due in dues:
        if now <= (due.until or due.due) and due.due <= now + SPAN:
            lanes[due.policy].append(due)
    rows = (
        el("li", el("span", policy, class_="lane"), _drawn(found, now), el("span", _words(found, now), class_="due"))
        for policy, found in sorted(lanes.items(), key=lambda lane: lane[1][0].due)
    )
    return el("ol", *rows, _scale(now), class_="timeline")


def _words(found: list[DueNext], now: datetime) -> Html:
    first = found[0]
    volumes = "1 volume" if first.volumes == 1 else f"{first.volumes:,} volumes"
    times = f"more than {_SINGLE}" if len(found) > _SINGLE else f"{len(found)}"
    more = f", {times} times in 24 h" if len(found) > 1 else ""
    return join((when(first.due, now), f": {volumes}{more}"))


def _percent(moment: datetime, now: datetime) -> str:
    return f"{100 * ((moment - now) / SPAN):.2f}%"


def _drawn(found: list[DueNext], now: datetime) -> Html:
    if len(found) > _SINGLE:
        marks = [el("rect", x=_percent(found[0].due, now), y="7", width="100%", height="10", class_="band")]
    else:
        marks = [_mark(due, now) for due in found]
    return el("svg", *_lines(now), *marks, width="100%", height="24", aria_hidden="true")


def _mark(due: DueNext, now: datetime) -> Html:
    """A point in time, or the length of a spread."""
    if due.until is None or due.until == due.due:
        return el("circle", cx=_percent(due.due, now), cy="12", r="4", class_="mark")
    wide = f"{100 * min((due.until - due.due) / SPAN, (now + SPAN - due.due) / SPAN):.2f}%"
    return el("rect", x=_percent(due.due, now), y="8", width=wide, height="8", rx="4", class_="mark")


def _hours(now: datetime) -> list[datetime]:
    """The full hours that have a line."""
    first = now.replace(hour=now.hour - now.hour % _EVERY, minute=0, second=0, microsecond=0)
    hours = (first + timedelta(hours=_EVERY * number) for number in range(1, 24 // _EVERY + 1))
    return [hour for hour in hours if now < hour <= now + SPAN]


def _lines(now: datetime) -> Iterable[Html]:
    for hour in _hours(now):
        yield el("line", x1=_percent(hour, now), x2=_percent(hour, now), y1="0", y2="24", class_="hour")


def _scale(now: datetime) -> Html:
    texts = [
        el("text", f"{hour:%H:%M}", x=_percent(hour, now), y="12", text_anchor="middle")
        for hour in _hours(now)
        if timedelta(hours=1) <= hour - now <= SPAN - timedelta(hours=1)
    ]
    drawn = el("svg", *texts, width="100%", height="16")
    return el("li", el("span", "UTC", class_="lane"), drawn, el("span"), class_="scale", aria_hidden="true")
