"""When: one persistent APScheduler job per (policy, volume), and nothing else in it.

APScheduler keeps the schedules and their next times in its SQLAlchemy job store, in the journal's database. It says
when, never what and never how long: a firing makes a queued run, which the keeper writes into the journal before the
schedule moves on, so that a crash between the two repeats the firing and the journal recognises it.

The waking up is ours, because APScheduler 3 loses its timer after one exception out of the job store, works through all
due jobs in one go on the event loop, one transaction each, and asks the operating system for the time.
"""

import logging
import pickle
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from apscheduler.job import Job
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.base import BaseScheduler
from typing_extensions import override

from lhbackupd.core.model import Policy, Run
from lhbackupd.core.spread import offset
from lhbackupd.engine.schema import upsert
from lhbackupd.engine.trigger import CronTrigger

_INSTANT = timedelta(microseconds=1)

#: a schedule: the names of policy and volume
Key = tuple[str, str]
#: what APScheduler stores of a job
State = dict[str, Any]


def schedule(policy: str, volume: str) -> Key:
    """The function that every job stores, with its arguments: the name of the schedule, and nothing else."""
    return policy, volume


def queued_run(key: Key, *, due: datetime, now: datetime) -> Run:
    """The run that a firing asks for. Its id sorts by due time; thousands that are due at once all have their own."""
    policy, volume = key
    run_id = f"{int(due.timestamp()):08x}{secrets.token_hex(6)}"
    return Run(id=run_id, policy=policy, volume=volume, due=due, queued_at=now)


class _Store(SQLAlchemyJobStore):  # type: ignore[misc]  # APScheduler 3 has no types
    """APScheduler's job store, reading a bounded batch and rewriting it in one transaction.

    Nobody else writes it, so what is due next is read again only after a change: the keeper asks at every turn.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._next: datetime | None = None
        self._known = False

    @override
    def get_next_run_time(self) -> datetime | None:
        if not self._known:
            self._next, self._known = super().get_next_run_time(), True
        return self._next

    def due_jobs(self, now: datetime, limit: int) -> list[Job]:
        if (upcoming := self.get_next_run_time()) is None or upcoming > now:
            return []
        query = (
            sa.select(self.jobs_t.c.job_state)
            .where(self.jobs_t.c.next_run_time <= now.timestamp())
            .order_by(self.jobs_t.c.next_run_time, self.jobs_t.c.id)
            .limit(limit)
        )
        with self.engine.begin() as connection:
            return [self._reconstitute_job(state) for state in connection.scalars(query)]

    def times(self) -> dict[str, datetime]:
        """When each job is due next, by its id."""
        with self.engine.begin() as connection:
            rows = connection.execute(sa.select(self.jobs_t.c.id, self.jobs_t.c.next_run_time))
            return {row.id: datetime.fromtimestamp(row.next_run_time, UTC) for row in rows}

    def put(self, states: Iterable[State]) -> None:
        """Write jobs in one transaction, in the place of those with the same ids."""
        rows = [
            {
                "id": state["id"],
                "next_run_time": state["next_run_time"].timestamp(),
                "job_state": pickle.dumps(state, self.pickle_protocol),
            }
            for state in states
        ]
        if rows:
            self._known = False
            with self.engine.begin() as connection:
                connection.execute(upsert(self.engine, self.jobs_t, "next_run_time", "job_state"), rows)

    def drop(self, ids: Iterable[str]) -> None:
        """Remove jobs in one transaction; one that is not there is no error."""
        rows = [{"key": job_id} for job_id in ids]
        if rows:
            self._known = False
            with self.engine.begin() as connection:
                connection.execute(self.jobs_t.delete().where(self.jobs_t.c.id == sa.bindparam("key")), rows)


class _Passive(BaseScheduler):  # type: ignore[misc]  # APScheduler 3 has no types
    """A scheduler that never wakes up by itself."""

    def shutdown(self, *, wait: bool = True) -> None:
        super().shutdown(wait)

    def wakeup(self) -> None:
        """Nothing to wake: the keeper asks."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What `sync` did to the job store."""

    added: tuple[Key, ...] = ()
    removed: tuple[Key, ...] = ()
    changed: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Firing:
    """A schedule that is due: the run it asks for, and how many due times before it were missed."""

    run: Run
    missed: int
    job: Job


class Scheduler:
    """All schedules. Synchronous, to be called through the journal's worker thread; raises SQLAlchemy's errors."""

    def __init__(self, *, engine: sa.Engine, now: Callable[[], datetime]) -> None:
        self._now = now
        self._store = _Store(engine=engine)
        self._scheduler = _Passive(timezone=UTC, logger=logging.getLogger("lhbackupd.apscheduler"))
        self._scheduler.add_jobstore(self._store, "default")
        self._common = self._any_job()
        self._declared: dict[Key, CronTrigger] = {}

    def start(self) -> None:
        """Read what is stored. Jobs that cannot be read are dropped by the store and added anew by `sync`."""
        self._scheduler.start(paused=True)
        self._declared = {tuple(job.args): _shared(*job.trigger.key) for job in self._store.get_all_jobs()}

    def sync(self, wanted: Mapping[Key, Policy]) -> Changes:
        """Make the stored schedules those of `wanted`, touching differences only: others keep what they have missed."""
        removed = tuple(sorted(self._declared.keys() - wanted.keys()))
        triggers = {key: _trigger(key, wanted[key]) for key in sorted(wanted)}
        fresh = {key: trigger for key, trigger in triggers.items() if self._declared.get(key) != trigger}
        changed = tuple(key for key in fresh if key in self._declared)
        added = tuple(key for key in fresh if key not in self._declared)
        times = self._store.times() if changed else {}
        dues = {key: self._due(key, trigger, times.get(_job_id(key))) for key, trigger in fresh.items()}
        self._store.put(self._state(key, trigger, dues[key]) for key, trigger in fresh.items())
        self._store.drop(map(_job_id, removed))
        if fresh or removed:
            self._declared = triggers
        return Changes(added, removed, changed)

    def _due(self, key: Key, trigger: CronTrigger, stored: datetime | None) -> datetime:
        """When a schedule is next due that is new, or had another trigger and was next due at `stored`.

        Where only its offset has changed, the due time of the policy that it waits for stays the same: a volume whose
        moment lay ahead and would now lie behind is due at once, and none is due twice.
        """
        former = self._declared.get(key)
        if former is not None and stored is not None and former.line == trigger.line:
            return stored - former.offset + trigger.offset
        return trigger.get_next_fire_time(None, self._now())

    def _state(self, key: Key, trigger: CronTrigger, due: datetime) -> State:
        """What is stored of a schedule that is next due at `due`."""
        name = _job_id(key)
        return {**self._common, "id": name, "name": name, "args": key, "trigger": trigger, "next_run_time": due}

    def _any_job(self) -> State:
        """What all jobs have in common. It is checked here once: APScheduler would do so anew for each of thousands."""
        job = Job(
            self._scheduler,
            id="any",
            trigger=_shared("0 0 * * *", "UTC", timedelta(0)),
            func=schedule,
            args=("policy", "volume"),
            kwargs={},
            executor="default",
            # what was missed becomes one run, however late: whether that is too late is not APScheduler's to say
            coalesce=True,
            misfire_grace_time=None,
            max_instances=1,
            next_run_time=None,
        )
        state: State = job.__getstate__()
        return state

    def due(self, limit: int) -> tuple[Firing, ...]:
        """At most `limit` schedules that are due, oldest first. Nothing moves on before `advance`."""
        now = self._now()
        return tuple(_firing(job, now) for job in self._store.due_jobs(now, limit))

    def advance(self, firings: Iterable[Firing]) -> None:
        """Move schedules on to their next times, once their runs are in the journal."""
        now = self._now()
        jobs: list[Job] = []
        for firing in firings:
            # the trigger would name a time missed between run and now again; that one is counted already
            upcoming = firing.job.trigger.get_next_fire_time(None, max(now, firing.run.due) + _INSTANT)
            firing.job._modify(next_run_time=upcoming)  # noqa: SLF001 -- APScheduler's own scheduler does the same
            jobs.append(firing.job)
        self._store.put(job.__getstate__() for job in jobs)

    def recompute(self) -> tuple[Key, ...]:
        """Bring forward what is scheduled later than its trigger is next due from now on; returns whose times moved.

        A clock that was ahead and has been set back leaves such times behind: by a year, and nothing runs for a year.
        """
        now, stored = self._now(), self._store.times()
        dues = {key: trigger.get_next_fire_time(None, now) for key, trigger in self._declared.items()}
        late = [key for key, due in dues.items() if stored.get(_job_id(key), due) > due]
        self._store.put(self._state(key, self._declared[key], dues[key]) for key in late)
        return tuple(late)

    def next_wakeup(self) -> datetime | None:
        """When the next schedule is due; None without schedules."""
        found: Any = self._store.get_next_run_time()
        return found.astimezone(UTC) if found else None

    def next_due(self, key: Key) -> datetime | None:
        """When a schedule is due after now; None for one that is not declared."""
        trigger = self._declared.get(key)
        return trigger.get_next_fire_time(None, self._now()) if trigger else None

    @property
    def schedules(self) -> Mapping[Key, CronTrigger]:
        """All declared schedules; once they change it is another mapping, so who has this one may walk through it."""
        return self._declared


def _trigger(key: Key, policy: Policy) -> CronTrigger:
    return _shared(policy.cron, policy.timezone, offset(*key, policy.spread))


@lru_cache(maxsize=2**15)
def _shared(cron: str, timezone: str, later: timedelta) -> CronTrigger:
    """One for all volumes that are due at the same times: what is the same object need not be compared."""
    return CronTrigger(cron=cron, timezone=timezone, offset=later)


def _job_id(key: Key) -> str:
    return "/".join(key)


def _firing(job: Job, now: datetime) -> Firing:
    times = job._get_run_times(now)  # noqa: SLF001 -- what APScheduler's own scheduler asks
    due = (times[-1] if times else job.next_run_time).astimezone(UTC)
    missed = job.trigger.count(job.next_run_time, due) if due > job.next_run_time else 0
    return Firing(run=queued_run(job.func(*job.args), due=due, now=now), missed=missed, job=job)
