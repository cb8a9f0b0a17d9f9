"""What would run when: the forecast of the coming days as a value of its own, for command line and JSON.

It is made by the functions by which the daemon decides, from what the daemon knows at that moment. Times are aware and
in UTC. `version` counts up when a field changes its meaning or goes, not when one comes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lhbackupd.config.values import duration
from lhbackupd.core.forecast import forecast
from lhbackupd.core.model import Mode, Policy
from lhbackupd.core.moves import opens
from lhbackupd.core.outlook import Miss, Outlook, Planned
from lhbackupd.surface.status import Sources

#: of the plan's shape
VERSION = 1

_SPAN = duration("1h", "31d")
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Most runs at once in some place, each of which holds a volume attached, and how many may be there."""

    name: str
    most: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would happen from `at` to `until`, as long as nothing else does."""

    version: int = VERSION
    at: datetime
    until: datetime
    #: whether `until` is what was asked for: a plan of very many runs ends earlier
    whole: bool
    #: by the time at which they begin, then those that do not
    runs: tuple[Planned, ...]
    cluster: Peak
    nodes: tuple[Peak, ...]
    targets: tuple[Peak, ...]
    #: RPOs that cannot be met, soonest first
    misses: tuple[Miss, ...]
    #: runs that go on past their policy's next due time, which is skipped
    overruns: int
    #: runs whose window closed before they had begun
    put_off: int


def read_span(text: str) -> timedelta:
    """How far a plan is to reach; raises ValueError with what is allowed."""
    span: timedelta = _SPAN.func(text)  # type: ignore[call-arg]  # it takes what it validates, and no more
    return span


def outlook(sources: Sources) -> Outlook:
    """What the daemon knows now; it takes copies, so it may be called from another thread."""
    keeper, picture = sources.keeper, sources.inventory.picture
    rules, triggers = keeper.rules, sources.scheduler.schedules

    def due(policy: Policy, volume: str, after: datetime) -> datetime:
        return triggers[policy.name, volume].get_next_fire_time(None, after + _INSTANT)

    def open_from(policy: Policy, at: datetime) -> datetime:
        return opens(policy, at) or at

    # a shadow takes a moment and no place
    active = {name for name, policy in rules.policies.items() if policy.mode is Mode.ACTIVE}
    return Outlook(
        at=sources.clock.now(),
        policies=rules.policies,
        opens=open_from,
        schedules=tuple(key for key in triggers if key[0] in active),
        volumes=picture.volumes,
        nodes=picture.nodes,
        limits=rules.limits,
        setting=picture.setting,
        durations=keeper.books.durations,
        waiting=tuple(run for run in dict(keeper.waiting).values() if run.policy in active),
        active=tuple(run for run in dict(keeper.active).values() if not run.finished),
        exposed=keeper.watch.exposed(),
        due=due,
    )


def plan(sources: Sources, span: timedelta) -> Plan:
    """The plan for the coming `span`."""
    known = outlook(sources)
    found = forecast(known, known.at + span)
    limits = known.limits
    return Plan(
        at=found.at,
        until=found.until,
        whole=found.whole,
        runs=found.runs,
        cluster=Peak(name="cluster", most=found.peak, limit=limits.cluster),
        nodes=tuple(Peak(name=name, most=most, limit=limits.per_node) for name, most in found.nodes.items()),
        targets=tuple(Peak(name=name, most=most, limit=limits.per_target) for name, most in found.targets.items()),
        misses=found.misses,
        overruns=sum(run.overruns is not None for run in found.runs),
        put_off=sum(run.put_off for run in found.runs),
    )
