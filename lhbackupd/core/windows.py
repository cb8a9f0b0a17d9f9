"""When runs of a policy may start: `window` and `blackout`, as the clocks on the wall of its zone show them.

A window is `22:00-06:00`, or `sat,sun 00:00-24:00`, `mon-fri 22:00-06:00`: days by which it begins, all without them,
and two times, of which the second is not in it any more. It goes past midnight if it ends no later than it begins. Days
go round the week (`fri-mon`). Without a window any time is one; a blackout wins over a window.

A time is open if the clock on the wall says so then, which makes nights in which clocks move plain: a window
02:00-03:00 does not come in the spring night of Berlin, which has no such hour, and lasts two hours in the autumn one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from .timetable import offset_change

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 60
_WEEK = 7 * _DAY
_TEXT = re.compile(r"(?:([a-z,-]+)\s+)?(\d\d):(\d\d)\s*-\s*(\d\d):(\d\d)", re.ASCII)
_ALLOWED = 'such as "22:00-06:00", "mon-fri 22:00-06:00" or "sat,sun 00:00-24:00"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of the day on the wall's clock; made by `parse_window`, equal if it means the same."""

    #: on which it begins, 0 is Monday
    days: frozenset[int]
    #: minutes since midnight
    start: int
    #: minutes since that same midnight, more than `start` and at most a day more; not in it any more
    end: int


def parse_window(text: str) -> Window:
    """Read a window or blackout; raises ValueError with what is allowed, in one line of words."""
    match = _TEXT.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(_ALLOWED)
    start, end = _minutes(match[2], match[3]), _minutes(match[4], match[5])
    if start == end:
        raise ValueError('two times that differ; the whole day is "00:00-24:00"')
    if start == _DAY:
        raise ValueError('a beginning from 00:00 to 23:59: midnight is "00:00" there')
    return Window(days=_days(match[1]), start=start, end=end if end > start else end + _DAY)


def _minutes(hour: str, minute: str) -> int:
    minutes = int(hour) * 60 + int(minute)
    if int(minute) >= 60 or minutes > _DAY:  # noqa: PLR2004
        raise ValueError(f"times from 00:00 to 24:00, {_ALLOWED}")
    return minutes


def _days(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    found: set[int] = set()
    for item in text.split(","):
        first, dash, last = item.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            raise ValueError(f"days from mon to sun, as a list (sat,sun) or a range (mon-fri), {_ALLOWED}")
        begin = _DAYS.index(first)
        length = (_DAYS.index(last) - begin) % 7 if dash else 0
        found |= {(begin + more) % 7 for more in range(length + 1)}
    return frozenset(found)


@lru_cache(maxsize=256)
def open_week(windows: tuple[Window, ...], blackouts: tuple[Window, ...]) -> bytes:
    """All minutes of a week on the wall's clock, from Monday 00:00 on: 1 for an open one, else 0."""
    shut, opened = _covered(blackouts), _covered(windows) if windows else b"\1" * _WEEK
    return bytes(is_open and not is_shut for is_open, is_shut in zip(opened, shut, strict=True))


def _covered(windows: Iterable[Window]) -> bytes:
    week = bytearray(_WEEK)
    for window in windows:
        for day in window.days:
            for minute in range(window.start, window.end):
                week[(day * _DAY + minute) % _WEEK] = 1
    return bytes(week)


def open_at(windows: tuple[Window, ...], blackouts: tuple[Window, ...], zone: ZoneInfo, moment: datetime) -> bool:
    """Whether runs may start at `moment` (aware)."""
    return bool(open_week(windows, blackouts)[_minute_of_week(moment.astimezone(zone))])


@lru_cache(maxsize=256)
def next_open(
    windows: tuple[Window, ...], blackouts: tuple[Window, ...], zone: ZoneInfo, moment: datetime
) -> datetime | None:
    """The first moment from `moment` (aware) on at which runs may start; in UTC, None where there is none at all.

    Kept, since many runs ask for the same policy in the same turn.
    """
    week = open_week(windows, blackouts)
    if not any(week):
        return None
    local = moment.astimezone(zone)
    if week[_minute_of_week(local)]:
        return moment.astimezone(UTC)
    at = moment.astimezone(UTC) - timedelta(seconds=local.second, microseconds=local.microsecond)
    while True:
        now = _minute_of_week(at.astimezone(zone))
        ahead = at + timedelta(minutes=_minutes_until_open(week, now))
        # should clocks move on the way, the wall shows other times from then on, open ones perhaps
        change = offset_change(zone, at, ahead)
        if change is None:
            return ahead
        at = change


def _minutes_until_open(week: bytes, now: int) -> int:
    found = week.find(1, now)
    return (found if found >= 0 else week.index(1) + _WEEK) - now


def _minute_of_week(local: datetime) -> int:
    return local.weekday() * _DAY + local.hour * 60 + local.minute
