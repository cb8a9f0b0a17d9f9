"""The APScheduler trigger of a policy and volume: asks `core.timetable` when the next run is due.

APScheduler's own CronTrigger counts weekdays from Monday, wants both day fields to fit, and fires a 02:30 job twice
in one night of the year and not at all in another. This one only adapts: all about time is decided in
`lhbackupd.core.timetable`. What it adds is the volume's `offset` in its policy's spread (`core.spread`): all due times
come so much later. The job store pickles it, so its state is a small dictionary with a version; code may change, stored
schedules stay readable.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from typing_extensions import override

from lhbackupd.core.timetable import count_due, next_due, parse_cron, parse_zone, previous_due

#: of the state that is written; version 1 had no offset
_STATE_VERSION = 2
_READABLE = frozenset({1, _STATE_VERSION})
_INSTANT = timedelta(microseconds=1)

# With a spread there is a trigger for each volume: what those of a policy have in common is worked out once.
_read_cron = lru_cache(maxsize=256)(parse_cron)


@lru_cache(maxsize=4096)
def _next_due(cron: str, zone: ZoneInfo, after: datetime) -> datetime:
    return next_due(_read_cron(cron), zone, after)


@lru_cache(maxsize=4096)
def _previous_due(cron: str, zone: ZoneInfo, at: datetime) -> datetime:
    return previous_due(_read_cron(cron), zone, at)


class CronTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """Fires `offset` after `cron` is due in `timezone`; equal to another with the same three.

    Raises ValueError for a cron line or a zone that does not exist.
    """

    __slots__ = ("_hash", "_zone", "cron", "offset", "timezone")

    cron: str
    timezone: str
    offset: timedelta
    _zone: ZoneInfo
    #: asked for whenever it is looked up, for each of thousands of volumes
    _hash: int

    def __init__(self, *, cron: str, timezone: str, offset: timedelta = timedelta(0)) -> None:
        self._set(cron, timezone, offset)

    def _set(self, cron: str, timezone: str, offset: timedelta) -> None:
        self.cron, self.timezone, self.offset = cron, timezone, offset
        _read_cron(cron)  # raises what is wrong with it
        self._zone = parse_zone(timezone)
        self._hash = hash(self.key)

    @override
    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The next due time, in UTC: after `previous_fire_time`, or else from `now` on.

        Of the times that were missed between the two only the last is named. They become one run anyway, and going
        through a month of them for each of a thousand volumes would hold up the start; `timetable.count_due` tells
        how many there were.
        """
        if previous_fire_time is None:
            return self._next(now - _INSTANT)
        missed = self.previous(now)
        return missed if missed > previous_fire_time else self._next(previous_fire_time)

    def _next(self, after: datetime) -> datetime:
        return _next_due(self.cron, self._zone, _minute(after - self.offset)) + self.offset

    def previous(self, at: datetime) -> datetime:
        """The last due time, `at` itself included, in UTC."""
        return _previous_due(self.cron, self._zone, _minute(at - self.offset)) + self.offset

    def due_before_last(self, at: datetime) -> datetime:
        """The due time before the last one, in UTC."""
        return self.previous(self.previous(at) - _INSTANT)

    def count(self, after: datetime, until: datetime) -> int:
        """How often it was due after `after`, up to and with `until`."""
        return count_due(_read_cron(self.cron), self._zone, after - self.offset, until - self.offset)

    @property
    def line(self) -> tuple[str, str]:
        """Cron line and zone: the part that all volumes of a policy share."""
        return self.cron, self.timezone

    @property
    def key(self) -> tuple[str, str, timedelta]:
        """All that there is to it."""
        return self.cron, self.timezone, self.offset

    @override
    def __getstate__(self) -> dict[str, object]:
        seconds = self.offset // timedelta(seconds=1)
        return {"version": _STATE_VERSION, "cron": self.cron, "timezone": self.timezone, "offset": seconds}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        if state.get("version") not in _READABLE:
            raise ValueError(f"a stored trigger of version {state.get('version')}; this program reads {_STATE_VERSION}")
        offset = timedelta(seconds=int(str(state.get("offset", 0))))
        self._set(str(state["cron"]), str(state["timezone"]), offset)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, CronTrigger) and self.key == other.key

    @override
    def __hash__(self) -> int:
        return self._hash

    @override
    def __repr__(self) -> str:
        later = f", offset={self.offset}" if self.offset else ""
        return f"CronTrigger(cron={self.cron!r}, timezone={self.timezone!r}{later})"


def _minute(moment: datetime) -> datetime:
    """The minute that `moment` lies in; a policy is only ever due at the beginning of one, so nothing lies between."""
    return moment.replace(second=0, microsecond=0)
