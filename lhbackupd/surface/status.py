"""The one projection of what the daemon knows: `report` makes the value that everything else shows.

It reads, decides nothing that matters to a run, and touches neither Longhorn nor the journal. It takes copies of what
the loop changes before it looks at them, so it may be called from another thread.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from lhbackupd.clock import Clock
from lhbackupd.core.model import Origin, Run
from lhbackupd.core.protection import Protection
from lhbackupd.core.selection import covering
from lhbackupd.core.timetable import parse_cron, parse_zone, previous_due
from lhbackupd.engine.events import Event, Moved
from lhbackupd.engine.inventory import Inventory, Picture
from lhbackupd.engine.keeper import Keeper
from lhbackupd.engine.scheduler import Scheduler
from lhbackupd.engine.trigger import CronTrigger
from lhbackupd.surface import rows, words
from lhbackupd.surface.report import (
    CoveredVolume,
    DaemonState,
    DueNext,
    LonghornState,
    NodeState,
    Report,
    TargetState,
    Totals,
    UncoveredVolume,
)
from lhbackupd.surface.standing import WORST_FIRST, Standing

_INSTANT = timedelta(microseconds=1)
_DAY = timedelta(hours=24)
#: due times of one policy that `Report.day` names
MOST_DUES = 49


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a report is made from."""

    keeper: Keeper
    inventory: Inventory
    scheduler: Scheduler
    clock: Clock
    origin: Origin
    #: Longhorn's address
    url: str
    #: of lhbackupd
    version: str
    #: when the daemon started
    started: datetime
    #: why it is not ready
    unready: Callable[[], tuple[str, ...]]


class Recent:
    """An event listener that remembers the last `limit` finished runs, newest first."""

    def __init__(self, *, history: Iterable[Run] = (), limit: int = 50) -> None:
        self._limit = limit
        self.runs = tuple(history)[:limit]

    def __call__(self, event: Event) -> None:
        if isinstance(event, Moved) and event.after.finished:
            self.runs = (event.after, *self.runs)[: self._limit]


def report(sources: Sources, recent: Iterable[Run] = ()) -> Report:
    """What there is to see now, with the `recent` finished runs, newest first."""
    now, picture = sources.clock.now(), sources.inventory.picture
    volumes = _covered(sources, picture, now)
    uncovered = _uncovered(sources, picture)
    return Report(
        at=now,
        daemon=_daemon(sources, now),
        longhorn=_longhorn(sources.url, picture),
        totals=_totals(volumes, uncovered),
        running=tuple(rows.running(run, picture.volumes.get(run.volume)) for run in _by_start(sources.keeper)),
        waiting=tuple(rows.waiting(run, picture.volumes.get(run.volume), now) for run in _by_due(sources.keeper)),
        volumes=volumes,
        uncovered=uncovered,
        schedules=len(sources.scheduler.schedules),
        next=_next(volumes),
        recent=tuple(rows.finished(run) for run in recent),
        day=_day(sources, now),
    )


def _daemon(sources: Sources, now: datetime) -> DaemonState:
    unready = sources.unready()
    return DaemonState(
        instance=sources.origin.instance,
        origin=sources.origin.journal,
        version=sources.version,
        started=sources.started,
        ready=not unready,
        unready=unready,
        journal_trouble=sources.keeper.books.trouble,
        last_turn=now - timedelta(seconds=sources.clock.monotonic() - sources.keeper.turned),
    )


def _longhorn(url: str, picture: Picture) -> LonghornState:
    fault = picture.fault.text if picture.fault else "" if picture.at else "it has not been polled yet"
    return LonghornState(
        url=_without_credentials(url),
        reachable=not fault,
        fault=fault,
        last_poll=picture.at,
        poll_seconds=picture.took,
        setting=picture.setting,
        setting_means=words.MEANING[picture.setting],
        nodes=tuple(
            NodeState(name=node.name, ready=node.ready, cordoned=node.cordoned, message=node.message)
            for _, node in sorted(picture.nodes.items())
        ),
        targets=tuple(
            TargetState(name=target.name, available=target.available, message=target.message)
            for _, target in sorted(picture.targets.items())
        ),
    )


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _covered(sources: Sources, picture: Picture, now: datetime) -> tuple[CoveredVolume, ...]:
    protections, schedules = dict(sources.keeper.books.protections), dict(sources.scheduler.schedules)
    # many volumes share a schedule, and to find a due time takes a while
    before = {trigger: _due_before_last(trigger, now) for trigger in set(schedules.values())}
    following = {trigger: trigger.get_next_fire_time(None, now + _INSTANT) for trigger in before}
    found = (
        rows.covered(
            protections.get(key) or Protection(policy=key[0], volume=key[1]),
            picture.volumes.get(key[1]),
            due_before_last=before[trigger],
            next_due=following[trigger],
        )
        for key, trigger in schedules.items()
    )
    return tuple(sorted(found, key=lambda row: (WORST_FIRST.index(row.standing), row.volume, row.policy)))


def _due_before_last(trigger: CronTrigger, now: datetime) -> datetime:
    cron, zone = parse_cron(trigger.cron), parse_zone(trigger.timezone)
    return previous_due(cron, zone, previous_due(cron, zone, now) - _INSTANT)


def _uncovered(sources: Sources, picture: Picture) -> tuple[UncoveredVolume, ...]:
    scheduled = {volume for _, volume in tuple(sources.scheduler.schedules)}
    reasons = {
        name: f"Longhorn's entry for it makes no sense: {reason}"
        for name, reason in picture.broken.items()
        if name not in scheduled
    }
    policies = tuple(sources.keeper.rules.policies.values())
    for name, volume in picture.volumes.items():
        if name not in scheduled and name not in reasons:
            cover = covering(policies, volume, picture.groups.get(name))
            undecided = "its groups have not been read yet" if cover.undecided else "no policy matches it"
            reasons[name] = "its schedule has not been made yet" if cover.policies else undecided
    return tuple(rows.uncovered(name, picture.volumes.get(name), why) for name, why in sorted(reasons.items()))


def _by_start(keeper: Keeper) -> list[Run]:
    return sorted(keeper.active.values(), key=lambda run: (run.started_at or run.queued_at, run.id))


def _by_due(keeper: Keeper) -> list[Run]:
    return sorted(keeper.waiting.values(), key=lambda run: (run.due, run.queued_at, run.volume, run.policy, run.id))


def _totals(volumes: Iterable[CoveredVolume], uncovered: tuple[UncoveredVolume, ...]) -> Totals:
    worst: dict[str, Standing] = {}
    for row in volumes:  # worst first
        worst.setdefault(row.volume, row.standing)
    count = Counter(worst.values())
    return Totals(
        protected=count[Standing.PROTECTED],
        unprotected=count[Standing.UNPROTECTED],
        suspended=count[Standing.SUSPENDED],
        failing=count[Standing.FAILING],
        uncovered=len(uncovered),
    )


def _next(volumes: Iterable[CoveredVolume]) -> tuple[DueNext, ...]:
    count = Counter((row.next_due, row.policy) for row in volumes if row.next_due is not None)
    return tuple(DueNext(policy=policy, due=due, volumes=number) for (due, policy), number in sorted(count.items()))


def _day(sources: Sources, now: datetime) -> tuple[DueNext, ...]:
    """What is due in the next 24 hours. The schedules of one policy are alike."""
    schedules = dict(sources.scheduler.schedules)
    volumes = Counter(policy for policy, _ in schedules)
    found: list[DueNext] = []
    for policy, trigger in {key[0]: trigger for key, trigger in schedules.items()}.items():
        due = trigger.get_next_fire_time(None, now + _INSTANT)
        for _ in range(MOST_DUES):
            if due > now + _DAY:
                break
            found.append(DueNext(policy=policy, due=due, volumes=volumes[policy]))
            due = trigger.get_next_fire_time(None, due + _INSTANT)
    return tuple(sorted(found, key=lambda one: (one.due, one.policy)))
