"""Five-field cron expressions, as Longhorn's own jobs use them (robfig/cron's standard parser, UTC).

Fields: minute, hour, day of month, month, day of week (0 is Sunday). Lists, ranges, steps and names are
understood. If both day fields are restricted, either suffices.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lhbackupd.simulator.refusal import Refusal

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
DESCRIPTORS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
FIELDS = 5


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def fits(self, moment: datetime) -> bool:
        """Whether the minute of `moment` is one of these."""
        if moment.minute not in self.minutes or moment.hour not in self.hours or moment.month not in self.months:
            return False
        by_day, by_weekday = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_day and by_weekday
        return by_day or by_weekday

    def next(self, after: datetime) -> datetime | None:
        """The first fitting minute after `after`, within five years."""
        moment = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
        limit = moment + timedelta(days=5 * 366)
        while moment < limit:
            if self.fits(moment):
                return moment
            if moment.month not in self.months:
                moment = (moment.replace(day=1, hour=0, minute=0) + timedelta(days=32)).replace(day=1)
            elif moment.hour not in self.hours:
                moment = moment.replace(minute=0) + timedelta(hours=1)
            else:
                moment += timedelta(minutes=1)
        return None


def parse(text: str) -> Cron:
    """Parse; raises Refusal in the words of Longhorn's validator."""
    words = DESCRIPTORS.get(text, text).split()
    if len(words) != FIELDS:
        raise Refusal(f"invalid cron format({text}): Expected exactly 5 fields, found {len(words)}: {text}")
    try:
        return Cron(
            _field(words[0], 0, 59), _field(words[1], 0, 23), _field(words[2], 1, 31), _field(words[3], 1,
            12, MONTHS),
            frozenset(day % 7 for day in _field(words[4], 0, 7, DAYS)), _any(words[2]), _any(words[4]),
        )  # fmt: skip
    except ValueError as broken:
        raise Refusal(f"invalid cron format({text}): {broken}") from None


def _any(word: str) -> bool:
    return word in {"*", "?"} or word.startswith("*/")


def _field(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span in {"*", "?"}:
            start, end = low, high
        else:
            start = _number(first, names, low)
            end = _number(last, names, low) if dash else high if step else start
        if start < low or end > high or start > end:
            raise ValueError(f"value out of range ({start} - {end}): {part}")
        found.update(range(start, end + 1, _step(step)))
    return frozenset(found)


def _step(text: str) -> int:
    step = int(text) if text else 1
    if step < 1:
        raise ValueError(f"step of range should be a positive number: {text}")
    return step


def _number(text: str, names: tuple[str, ...], low: int) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + (1 if low == 1 else 0)
    if not text.isdigit():
        raise ValueError(f"failed to parse int from {text}")
    return int(text)
