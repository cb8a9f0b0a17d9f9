"""When a policy is due: five cron fields in a zone of their own, and the nights in which clocks are moved.

Fields are read as Longhorn reads them: its webhook asks robfig/cron `ParseStandard`, and Kubernetes, which fires
Longhorn's jobs, asks the same library's version 3. So `@daily` and its like, `?` for `*`, `N/step` for `N-last/step`,
and names are fine; 7 is Sunday as well as 0, as cron has it. If both day fields are restricted, one that fits is
enough; `*/2` restricts, as it does there (unlike in Vixie cron).

When clocks move, Vixie cron's rule holds. *Named* hours (`2`, `1-5`) happen once: at the gap's end if the gap
swallowed them, in the first pass if they come twice. *Wildcard* hours (`*`, `*/n`, all 24) keep their rhythm in real
time: they happen in both passes, and what the gap swallowed happens as though the clock had not been moved yet (where
another time is due at that moment anyway, the two are one).
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_ANY_DAY = date(2001, 1, 1)
#: leap days are at most eight years apart (1896 to 1904, 2096 to 2104)
_HORIZON = 366 * 9

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LONGEST_MONTH = {month: 29 if month == 2 else 30 if month in {4, 6, 9, 11} else 31 for month in range(1, 13)}  # noqa: PLR2004
_ITEM = re.compile(r"(\*|\?|[0-9]{1,4}|[a-z]{3})(?:-([0-9]{1,4}|[a-z]{3}))?(?:/([0-9]{1,4}))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A parsed cron line; made by `parse_cron`, equal if it means the same."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    #: 0 is Sunday
    weekdays: frozenset[int]
    #: both day fields are restricted: one that fits is enough
    either_day: bool
    #: the hour is a wildcard: keep the rhythm in real time when clocks move
    wildcard_hour: bool

    def on(self, day: date) -> bool:
        """Whether any time of that local day is meant."""
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_date or by_weekday if self.either_day else by_date and by_weekday


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    least: int
    #: what `*` and `N/step` go up to
    last: int
    #: what may be written
    most: int
    names: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        names = f", or {self.names[0]} to {self.names[-1]}" if self.names else ""
        return f"the {self.name} is {self.least} to {self.most}{names}"

    def number(self, text: str) -> int:
        if text in self.names:
            return self.names.index(text) + self.least
        if not text.isdecimal() or not self.least <= int(text) <= self.most:
            raise ValueError(self.allowed)
        return int(text)


_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FIELDS = (
    _Field(name="minute", least=0, last=59, most=59),
    _Field(name="hour", least=0, last=23, most=23),
    _Field(name="day of the month", least=1, last=31, most=31),
    _Field(name="month", least=1, last=12, most=12, names=_MONTH_NAMES),
    _Field(name="weekday", least=0, last=6, most=7, names=("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


def parse_cron(text: str) -> Cron:
    """Read a cron line; raises ValueError with what is allowed, in one line of words."""
    words = _MACROS.get(text.strip(), text).lower().split()
    _refuse_other_dialects(text.strip(), len(words))
    minutes, hours, days, months, weekdays = (_read(word, field) for word, field in zip(words, _FIELDS, strict=True))
    cron = Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=frozenset(weekday % 7 for weekday in weekdays),
        either_day=not _starred(words[2]) and not _starred(words[4]),
        wildcard_hour=any(item[0] in "*?" for item in words[1].split(",")) or len(hours) == 24,  # noqa: PLR2004
    )
    if not cron.either_day and not any(min(days) <= _LONGEST_MONTH[month] for month in months):
        raise ValueError("it never fires: no such month has that day")
    return cron


def _refuse_other_dialects(text: str, words: int) -> None:
    """What robfig/cron accepts beside five fields and has no place here, and what it refuses."""
    if text.upper().startswith(("TZ=", "CRON_TZ=")):
        raise ValueError('the zone belongs into "timezone"')
    if text.startswith("@every"):
        raise ValueError('"@every" is no time of day: write for example "*/15 * * * *"')
    if text.startswith("@") and text not in _MACROS:
        raise ValueError(f"five fields, or one of {', '.join(_MACROS)}")
    if words != len(_FIELDS):
        raise ValueError(f"five fields (minute, hour, day of the month, month, weekday), not {words}")


def _read(word: str, field: _Field) -> frozenset[int]:
    return frozenset(value for item in word.split(",") for value in _read_item(item, field))


def _read_item(item: str, field: _Field) -> range:
    """`*`, `N`, `N-M`, each also with `/step`."""
    match = _ITEM.fullmatch(item)
    if match is None or (match[1] in "*?" and match[2]):
        raise ValueError(f"{field.allowed}; a list (1,3), a range (1-5), * or a step (*/2) of them")
    if match[1] in "*?":
        first, last = field.least, field.last
    elif match[2]:
        first, last = field.number(match[1]), field.number(match[2])
    else:
        # a single 7 is Sunday, also where a step goes on from it
        first = 0 if field.number(match[1]) > field.last else field.number(match[1])
        last = field.last if match[3] else first
    step = int(match[3] or 1)
    if step == 0:
        raise ValueError(f"the step of the {field.name} is 1 or more")
    if first > last:
        raise ValueError(f"a range of the {field.name} goes upwards")
    return range(first, last + 1, step)


def _starred(word: str) -> bool:
    """Whether a day field restricts nothing: `*/1` does not, `*/2` does (robfig/cron v3, `getRange`)."""
    return any(item in {"*", "?", "*/1", "?/1"} for item in word.split(","))


def parse_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name; raises ValueError with what is allowed."""
    # `right/` counts leap seconds, and `localtime` means something else on the next machine
    if name.split("/", maxsplit=1)[0] not in {"right", "posix", "localtime", "posixrules"}:
        try:
            return ZoneInfo(name)
        except (ValueError, KeyError, OSError):
            pass
    raise ValueError('an IANA name such as "UTC" or "Europe/Berlin"')


def next_due(cron: Cron, zone: ZoneInfo, after: datetime) -> datetime:
    """The first moment after `after` (aware; the moment itself does not count) at which `cron` is due; aware, in UTC.

    Raises ValueError for a naive `after`, OverflowError at the end of the calendar.
    """
    # one day back, because a zone's second pass of an hour, or its end of a gap, may lie on another date
    start = _local_date(after, zone) - _DAY
    for day in (start + _DAY * offset for offset in range(_HORIZON)):
        # a gap or a second pass around midnight can put a moment of the next date first
        both = (_due_on(cron, zone, day), _due_on(cron, zone, day + _DAY))
        found = [times[index] for times in both if (index := bisect_right(times, after)) < len(times)]
        if found:
            return min(found)
    raise OverflowError("no due time within nine years")  # pragma: no cover -- parse_cron refuses those


def previous_due(cron: Cron, zone: ZoneInfo, at: datetime) -> datetime:
    """The last moment at which `cron` was due, `at` itself included; aware, in UTC. Raises as `next_due` does."""
    start = _local_date(at, zone) + _DAY
    for day in (start - _DAY * offset for offset in range(_HORIZON)):
        both = (_due_on(cron, zone, day), _due_on(cron, zone, day - _DAY))
        found = [times[index - 1] for times in both if (index := bisect_right(times, at)) > 0]
        if found:
            return max(found)
    raise OverflowError("no due time within nine years")  # pragma: no cover -- parse_cron refuses those


def longest_gap(cron: Cron, zone: ZoneInfo, after: datetime, times: int) -> timedelta:
    """The longest time between two of the next `times` + 1 due moments after `after`. Raises as `next_due` does."""
    longest, due = timedelta(0), next_due(cron, zone, after)
    for _ in range(times):
        longest, due = max(longest, (following := next_due(cron, zone, due)) - due), following
    return longest


def count_due(cron: Cron, zone: ZoneInfo, after: datetime, until: datetime) -> int:
    """How often `cron` was due after `after`, up to and with `until` (both aware)."""
    first, last = _local_date(after, zone) - _DAY, _local_date(until, zone) + _DAY
    days = (first + _DAY * offset for offset in range((last - first).days + 1))
    # a set: the end of a gap at midnight can be a moment of two dates
    return len({due for day in days for due in _due_on(cron, zone, day) if after < due <= until})


def shortest_gap(cron: Cron) -> timedelta:
    """The shortest time between two due times, but for nights in which clocks move."""
    times = [timedelta(hours=hour, minutes=minute) for hour in cron.hours for minute in cron.minutes]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    gaps += [later - earlier + times[0] - times[-1] for earlier, later in pairwise(_all_days(cron))]
    return min(gaps)


def minutes_of_week(cron: Cron) -> frozenset[int]:
    """The minutes of a week at which `cron` may be due, from Monday 00:00 on, on the wall's clock."""
    times = [hour * 60 + minute for hour in cron.hours for minute in cron.minutes]
    weekdays = {day.weekday() for day in _all_days(cron)}
    return frozenset(weekday * 24 * 60 + time_of_day for weekday in weekdays for time_of_day in times)


def _all_days(cron: Cron) -> list[date]:
    """The days that are meant, of 28 years: in those every date has been every weekday."""
    return [day for day in (_ANY_DAY + _DAY * count for count in range(28 * 366)) if cron.on(day)]


def _local_date(moment: datetime, zone: ZoneInfo) -> date:
    if moment.tzinfo is None:
        raise ValueError("a naive datetime: which zone is meant?")
    return moment.astimezone(zone).date()


def _due_on(cron: Cron, zone: ZoneInfo, day: date) -> tuple[datetime, ...]:
    return _moments(cron, zone, day) if cron.on(day) else ()


@lru_cache(maxsize=1024)
def _moments(cron: Cron, zone: ZoneInfo, day: date) -> tuple[datetime, ...]:
    """The due moments that a local date stands for, in order, in UTC; kept, since many volumes share a policy."""
    local = (datetime.combine(day, time(hour, minute), zone) for hour in cron.hours for minute in cron.minutes)
    return tuple(sorted({moment for when in local for moment in _real(when, wildcard=cron.wildcard_hour)}))


def _real(local: datetime, *, wildcard: bool) -> Iterator[datetime]:
    """The moments of one local time: usually one; two or a moved one when clocks move (PEP 495 tells which)."""
    first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    if first == second:
        yield first
    elif first < second:  # this local time comes twice
        yield first
        if wildcard:
            yield second
    else:  # this local time never comes: `first` reads it by the offset before the gap, `second` by the one after
        gap_end = offset_change(local.tzinfo, second, first)
        assert gap_end is not None  # one lies before it and one after
        yield first if wildcard else gap_end


def offset_change(zone: tzinfo | None, before: datetime, after: datetime) -> datetime | None:
    """The first second at which the offset of `after` holds, from a moment `before` on; None if it holds there already.

    The two are so close together that clocks move at most once between them.
    """
    new = after.astimezone(zone).utcoffset()
    if before.astimezone(zone).utcoffset() == new:
        return None
    seconds = range(int((after - before).total_seconds()) + 1)
    index = bisect_right(seconds, 0, key=lambda s: (before + timedelta(seconds=s)).astimezone(zone).utcoffset() == new)
    return before + timedelta(seconds=index)
