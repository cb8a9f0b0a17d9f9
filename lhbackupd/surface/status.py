"""The one projection of what the daemon knows: `report` makes the value that everything else shows.

It reads, decides nothing that matters to a run, and touches neither Longhorn nor the journal. It takes copies of what
the loop changes before it looks at them, so it may be called from another thread.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from urllib.parse import urlsplit

from lhbackupd.clock import Clock
from lhbackupd.core.coverage import BARE, Cover, Covers
from lhbackupd.core.model import Mode, Origin, Run
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
from lhbackupd.surface.shelf import Shelf
from lhbackupd.surface.standing import Standing, alarming

#: how many volumes a policy has under a trigger
_Fires = Counter[tuple[str, CronTrigger]]

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
    #: the rows of the report before this one
    shelf: Shelf = field(default_factory=Shelf)


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
    schedules = sources.scheduler.schedules
    fires: _Fires = Counter(zip(map(itemgetter(0), schedules), schedules.values(), strict=True))
    upcoming = _upcoming((trigger for _, trigger in fires), now)
    sources.shelf.forget(schedules)
    volumes = sources.shelf.covered(sources.keeper, picture, schedules, rows.Times(now, upcoming))
    others = uncovered(sources)
    bare = tuple(row for row in others if row.cover in BARE)
    elsewhere = tuple(row for row in others if row.cover not in BARE)
    daemon, longhorn = _daemon(sources, now), _longhorn(sources, picture)
    paused = tuple(rows.paused(pause, now) for pause in sources.keeper.orders.pauses)
    troubled = bare or any(alarming(row.standing, row.rpo) for row in volumes) or any(one.overdue for one in paused)
    return Report(
        at=now,
        daemon=daemon,
        longhorn=longhorn,
        totals=_totals(volumes, bare, elsewhere),
        running=tuple(rows.running(run, picture.volumes.get(run.volume)) for run in _by_start(sources.keeper)),
        waiting=sources.shelf.waiting(sources.keeper, picture, now),
        volumes=volumes,
        uncovered=bare,
        elsewhere=elsewhere,
        unused=sources.keeper.coverage.covers.unused,
        schedules=len(schedules),
        next=_next(fires, upcoming),
        recent=tuple(rows.finished(run) for run in recent),
        day=_day(fires, now),
        paused=paused,
        objectives=rows.objectives(sources.keeper.rules.policies.values(), volumes),
        fine=daemon.ready and longhorn.reachable and not troubled,
    )


def _daemon(sources: Sources, now: datetime) -> DaemonState:
    unready = sources.unready()
    return DaemonState(
        instance=sources.origin.instance,
        origin=sources.origin.journal,
        version=sources.version,
        started=sources.started,
        adopted=tuple(sorted(sources.keeper.orders.origin.adopted)),
        ready=not unready,
        unready=unready,
        journal_trouble=sources.keeper.books.trouble,
        last_turn=now - timedelta(seconds=sources.clock.monotonic() - sources.keeper.turned),
    )


def _longhorn(sources: Sources, picture: Picture) -> LonghornState:
    scheduled = {volume for _, volume in sources.scheduler.schedules}
    bound = Counter(picture.volumes[name].backup_target for name in scheduled & picture.volumes.keys())
    fault = picture.fault.text if picture.fault else "" if picture.at else "it has not been polled yet"
    return LonghornState(
        url=_without_credentials(sources.url),
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
            TargetState(
                name=target.name, available=target.available, message=target.message, volumes=bound[target.name]
            )
            for _, target in sorted(picture.targets.items())
        ),
    )


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def covered(sources: Sources, *, only: str) -> tuple[CoveredVolume, ...]:
    """The volume that is named under its policies, worst first."""
    schedules = {key: trigger for key, trigger in sources.scheduler.schedules.items() if key[1] == only}
    now, picture = sources.clock.now(), sources.inventory.picture
    times = rows.Times(now, _upcoming(schedules.values(), now))
    return sources.shelf.covered(sources.keeper, picture, schedules, times)


def _upcoming(triggers: Iterable[CronTrigger], now: datetime) -> dict[CronTrigger, datetime]:
    """When each trigger fires next: many volumes share one, and to find a due time takes a while."""
    return {trigger: trigger.get_next_fire_time(None, now + _INSTANT) for trigger in set(triggers)}


_Rows = tuple[UncoveredVolume, ...]


def uncovered(sources: Sources, *, only: str | None = None) -> _Rows:
    """The volumes that no active policy backs up, or the one that is named if it is one; each with who does, or why."""
    picture, policies, covers = sources.inventory.picture, sources.keeper.rules.policies, sources.keeper.coverage.covers
    # one that has a schedule is covered by it, also while what the schedule hangs on is read anew
    active = {policy.name for policy in policies.values() if policy.mode is Mode.ACTIVE}
    scheduled = {volume for policy, volume in sources.scheduler.schedules if policy in active}
    found = {*picture.volumes, *picture.broken} - scheduled
    return tuple(_cover(name, covers, picture) for name in sorted(found if only is None else found & {only}))


def _cover(name: str, covers: Covers, picture: Picture) -> UncoveredVolume:
    known, volume = covers.volumes.get(name), picture.volumes.get(name)
    if volume is None:
        why = f"Longhorn's entry for it makes no sense: {picture.broken[name]}"
        return rows.uncovered(name, volume, Cover.UNKNOWN, why)
    if known is None:
        return rows.uncovered(name, volume, Cover.UNKNOWN, "it has just been found")
    if known.policies:
        return rows.uncovered(name, volume, Cover.UNKNOWN, "its schedule has not been made yet")
    return rows.uncovered(name, volume, known.cover, known.reason)


def _by_start(keeper: Keeper) -> list[Run]:
    return sorted(dict(keeper.active).values(), key=lambda run: (run.started_at or run.queued_at, run.id))


def _totals(volumes: Sequence[CoveredVolume], bare: _Rows, elsewhere: _Rows) -> Totals:
    # the last one counts, and they come worst first
    worst = {row.volume: row.standing for row in reversed(volumes) if row.standing is not Standing.SHADOW}
    count = Counter(worst.values())
    left = Counter(row.cover for row in elsewhere)
    return Totals(
        protected=count[Standing.PROTECTED],
        unprotected=count[Standing.UNPROTECTED],
        suspended=count[Standing.SUSPENDED],
        failing=count[Standing.FAILING],
        uncovered=len(bare),
        native=left[Cover.NATIVE],
        excluded=left[Cover.EXCLUDED],
    )


def _next(fires: _Fires, upcoming: Mapping[CronTrigger, datetime]) -> tuple[DueNext, ...]:
    """By policy and due time; moments of a spread count as the one due time that they belong to."""
    found: dict[tuple[datetime, str], Counter[datetime]] = defaultdict(Counter)
    for (policy, trigger), volumes in fires.items():
        found[upcoming[trigger] - trigger.offset, policy][upcoming[trigger]] += volumes
    rows = (
        DueNext(policy=policy, due=min(dues), until=max(dues), volumes=dues.total())
        for (_, policy), dues in found.items()
    )
    return tuple(sorted(rows, key=lambda row: (row.due, row.policy)))


def _day(fires: _Fires, now: datetime) -> tuple[DueNext, ...]:
    """What is due in the next 24 hours, by policy; moments of a spread belong to the due time before them."""
    by_policy: dict[str, Counter[CronTrigger]] = defaultdict(Counter)
    for (policy, trigger), volumes in fires.items():
        by_policy[policy][trigger] += volumes
    found: list[DueNext] = []
    for policy, triggers in by_policy.items():
        first, last = (choose(triggers, key=lambda one: one.offset) for choose in (min, max))
        due, wide, volumes = (
            first.get_next_fire_time(None, now + _INSTANT),
            last.offset - first.offset,
            triggers.total(),
        )
        for _ in range(MOST_DUES):
            if due > now + _DAY:
                break
            found.append(DueNext(policy=policy, due=due, until=due + wide, volumes=volumes))
            due = first.get_next_fire_time(None, due + _INSTANT)
    return tuple(sorted(found, key=lambda one: (one.due, one.policy)))
