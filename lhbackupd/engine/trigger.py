"""The APScheduler trigger of a policy: asks `core.timetable` when the next run is due.

APScheduler's own CronTrigger counts weekdays from Monday, wants both day fields to fit, and fires a 02:30 job twice
in one night of the year and not at all in another. This one only adapts: all about time is decided in
`lhbackupd.core.timetable`. The job store pickles it, so its state is a small dictionary with a version; code may
change, stored schedules stay readable.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from typing_extensions import override

from lhbackupd.core.timetable import Cron, count_due, next_due, parse_cron, parse_zone, previous_due

_STATE_VERSION = 1
_INSTANT = timedelta(microseconds=1)


class CronTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """Fires when `cron` is due in `timezone`; equal to another with the same two texts.

    Raises ValueError for a cron line or a zone that does not exist.
    """

    __slots__ = ("_cron", "_zone", "cron", "timezone")

    cron: str
    timezone: str
    _cron: Cron
    _zone: ZoneInfo

    def __init__(self, *, cron: str, timezone: str) -> None:
        self._set(cron, timezone)

    def _set(self, cron: str, timezone: str) -> None:
        self.cron, self.timezone = cron, timezone
        self._cron, self._zone = parse_cron(cron), parse_zone(timezone)

    @override
    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The next due time, in UTC: after `previous_fire_time`, or else from `now` on.

        Of the times that were missed between the two only the last is named. They become one run anyway, and going
        through a month of them for each of a thousand volumes would hold up the start; `timetable.count_due` tells
        how many there were.
        """
        if previous_fire_time is None:
            return next_due(self._cron, self._zone, now - _INSTANT)
        missed = previous_due(self._cron, self._zone, now)
        return missed if missed > previous_fire_time else next_due(self._cron, self._zone, previous_fire_time)

    def count(self, after: datetime, until: datetime) -> int:
        """How often it was due after `after`, up to and with `until`."""
        return count_due(self._cron, self._zone, after, until)

    @override
    def __getstate__(self) -> dict[str, object]:
        return {"version": _STATE_VERSION, "cron": self.cron, "timezone": self.timezone}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        if state.get("version") != _STATE_VERSION:
            raise ValueError(f"a stored trigger of version {state.get('version')}; this program reads {_STATE_VERSION}")
        self._set(str(state["cron"]), str(state["timezone"]))

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, CronTrigger) and (self.cron, self.timezone) == (other.cron, other.timezone)

    @override
    def __hash__(self) -> int:
        return hash((self.cron, self.timezone))

    @override
    def __repr__(self) -> str:
        return f"CronTrigger(cron={self.cron!r}, timezone={self.timezone!r})"
