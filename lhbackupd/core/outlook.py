"""What a forecast is made from, and what it says, as values."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .cluster import Node, Setting, Volume
from .durations import Durations
from .model import Limits, Outcome, Policy, Run
from .order import following


def next_due(policy: Policy, _volume: str, after: datetime) -> datetime:
    """When `policy` is due next, for any volume."""
    return following(policy.cron, policy.timezone, after)


def always_open(_policy: Policy, at: datetime) -> datetime:
    """Runs may begin at any time."""
    return at


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is known now, from which what comes follows."""

    at: datetime
    policies: Mapping[str, Policy]
    #: names of policy and volume
    schedules: Collection[tuple[str, str]] = ()
    volumes: Mapping[str, Volume]
    nodes: Mapping[str, Node]
    limits: Limits
    setting: Setting
    durations: Durations = field(default_factory=Durations)
    waiting: Collection[Run] = ()
    active: Collection[Run] = ()
    #: by policy and volume, since when there may be data that no backup holds; what is not named counts from `at`
    exposed: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    #: when a policy is due next for a volume, after a moment
    due: Callable[[Policy, str, datetime], datetime] = next_due
    #: when a policy lets runs begin, that moment or the first one after it
    opens: Callable[[Policy, datetime], datetime] = always_open


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One run, as it is expected to go."""

    policy: str
    volume: str
    due: datetime
    #: both None where it does not begin within the forecast
    start: datetime | None = None
    end: datetime | None = None
    node: str = ""
    target: str = ""
    #: how it would end, if that can be known; None where it looks into the volume, and backs up what is new
    outcome: Outcome | None = None
    #: why it would end so, or does not begin, in words
    reason: str = ""
    #: the first due time of its own policy that passes before it ends, and is skipped
    overruns: datetime | None = None
    #: its policy's window closed before it had begun
    put_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """An RPO that cannot be met, if the volume is written all the time."""

    policy: str
    volume: str
    #: when it is violated, or has been
    at: datetime
    #: when the run ends that makes it good; None where none does within the forecast
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What would happen from `at` to `until`, as long as nothing else does."""

    at: datetime
    until: datetime
    #: whether `until` is what was asked for; a plan of too many runs ends earlier
    whole: bool
    #: by the time at which they begin, then those that do not
    runs: tuple[Planned, ...]
    #: most runs at once, by node, by backup target, and in all
    nodes: Mapping[str, int]
    targets: Mapping[str, int]
    peak: int
    #: soonest first
    misses: tuple[Miss, ...]
