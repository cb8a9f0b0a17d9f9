"""Pauses: a policy, or all of them, that starts nothing until somebody says so.

What is due meanwhile is queued and waits, so that nothing is skipped silently; what has begun goes on. A pause has a
time by which it was to be over. It does not end by itself then, because whoever paused had a reason that may still
hold: it is said loudly instead, until it is resumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

#: the name under which all policies are paused; no policy can be called so
ALL = "*"

#: how often an overdue pause is told
REMIND = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One pause. Times are aware and in UTC."""

    #: the policy's name, or ALL
    policy: str
    since: datetime
    #: when it was to be over
    until: datetime
    #: who said so
    by: str
    #: why, in that person's words; "" where none were given
    reason: str = ""

    @property
    def what(self) -> str:
        """What is paused, in words."""
        return "every policy is" if self.policy == ALL else f"policy {self.policy} is"

    def overdue(self, now: datetime) -> bool:
        """Whether it was to be over by now."""
        return now >= self.until

    def words(self, now: datetime) -> str:
        """Who paused what since when and why, and until when."""
        why = f": {self.reason}" if self.reason else ""
        until = f"it was to end at {_moment(self.until)}" if self.overdue(now) else f"until {_moment(self.until)}"
        return f"{self.what} paused since {_moment(self.since)} by {self.by}{why}; {until}"


@lru_cache(maxsize=64)  # thousands may wait for one pause to end
def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def in_force(pauses: Mapping[str, Pause], policy: str) -> Pause | None:
    """The pause that a policy is under: its own, or that of all."""
    return pauses.get(policy) or pauses.get(ALL)
