"""APScheduler's job store as we use it, with the pitfalls of APScheduler 3 that were met."""

import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from apscheduler.job import Job
from apscheduler.schedulers.blocking import BlockingScheduler

from lhbackupd.core.model import Policy
from lhbackupd.engine.journal import Journal
from lhbackupd.engine.scheduler import Firing, Key, Scheduler, queued_run, schedule
from lhbackupd.engine.trigger import CronTrigger

START = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


class Desk:
    """A scheduler on a real SQLite file, with a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.now = START
        self.folder = folder
        self.journal = Journal(url=f"sqlite:///{folder}/state.db")
        self.journal.open()
        self.scheduler = self.restarted()

    def restarted(self) -> Scheduler:
        self.scheduler = Scheduler(engine=self.journal.engine, now=lambda: self.now)
        self.scheduler.start()
        return self.scheduler

    def fire(self) -> list[tuple[str, datetime]]:
        """All that is due now, moved on."""
        fired: list[tuple[str, datetime]] = []
        while firings := self.scheduler.due(2):
            self.scheduler.advance(firings)
            fired += [(firing.run.volume, firing.run.due) for firing in firings]
        return fired

    def next_times(self) -> dict[str, float]:
        with self.journal.engine.begin() as connection:
            rows = connection.execute(sa.text("SELECT id, next_run_time FROM apscheduler_jobs"))
            return {row.id: row.next_run_time for row in rows}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.journal.close()


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}+00:00")


def nightly(*volumes: str, cron: str = "0 2 * * *", zone: str = "UTC") -> dict[Key, Policy]:
    return {("nightly", volume): Policy(name="nightly", cron=cron, timezone=zone) for volume in volumes}


def test_a_schedule_fires_once_at_its_due_time_and_moves_on(desk: Desk) -> None:
    desk.scheduler.sync(nightly("db"))
    assert desk.fire() == []
    desk.now = at("02T02:00:00")
    assert desk.fire() == [("db", at("02T02:00:00"))]
    assert desk.fire() == []
    assert desk.scheduler.next_wakeup() == at("03T02:00:00")


def test_runs_that_are_due_in_one_second_have_ids_of_their_own() -> None:
    many = 50_000
    assert len({queued_run(("nightly", f"v{one}"), due=START, now=START).id for one in range(many)}) == many


def test_a_firing_that_was_not_moved_on_is_found_again(desk: Desk) -> None:
    desk.scheduler.sync(nightly("db"))
    desk.now = at("02T02:00:00")
    first = desk.scheduler.due(10)
    again = desk.restarted().due(10)
    assert [firing.run.due for firing in first] == [firing.run.due for firing in again] == [at("02T02:00:00")]


def test_what_was_missed_while_down_becomes_one_run_for_the_last_due_time(desk: Desk) -> None:
    desk.scheduler.sync(nightly("db"))
    desk.now = at("09T12:00:00")
    (firing,) = desk.restarted().due(10)
    assert (firing.run.due, firing.missed) == (at("09T02:00:00"), 7)
    desk.scheduler.advance([firing])
    assert desk.scheduler.next_wakeup() == at("10T02:00:00")


def test_a_start_with_unchanged_policies_keeps_what_was_missed(desk: Desk) -> None:
    desk.scheduler.sync(nightly("db"))
    desk.now = at("05T12:00:00")
    desk.restarted()
    assert desk.scheduler.sync(nightly("db")).added == ()
    assert desk.fire() == [("db", at("05T02:00:00"))]


def test_only_differences_are_written(desk: Desk) -> None:
    desk.scheduler.sync(nightly("a", "b", "c"))
    changes = desk.scheduler.sync({**nightly("b"), **nightly("c", cron="30 2 * * *"), **nightly("d")})
    assert changes.added == (("nightly", "d"),)
    assert changes.removed == (("nightly", "a"),)
    assert changes.changed == (("nightly", "c"),)
    times = desk.next_times()
    assert times == {
        "nightly/b": at("02T02:00:00").timestamp(),
        "nightly/c": at("02T02:30:00").timestamp(),
        "nightly/d": at("02T02:00:00").timestamp(),
    }


def test_who_has_the_schedules_may_walk_through_them_and_sees_by_identity_whether_they_are_the_same(desk: Desk) -> None:
    desk.scheduler.sync(nightly("a", "b"))
    had = desk.scheduler.schedules
    walked = dict(had)
    desk.scheduler.sync(nightly("a", "b"))
    assert desk.scheduler.schedules is had
    desk.scheduler.sync(nightly("b", "c"))
    assert had == walked
    assert set(desk.scheduler.schedules) == {("nightly", "b"), ("nightly", "c")}


def test_due_schedules_come_in_bounded_batches_and_none_is_left_out(desk: Desk) -> None:
    desk.scheduler.sync(nightly(*(f"v{n}" for n in range(5))))
    desk.now = at("02T02:00:00")
    assert len(desk.scheduler.due(2)) == 2
    assert sorted(volume for volume, _ in desk.fire()) == [f"v{n}" for n in range(5)]


def test_a_database_error_leaves_the_schedule_due(desk: Desk) -> None:
    desk.scheduler.sync(nightly("db"))
    desk.now = at("02T02:00:00")
    firings = desk.scheduler.due(10)
    with desk.journal.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE apscheduler_jobs RENAME TO aside"))
    with pytest.raises(sa.exc.OperationalError):
        desk.scheduler.advance(firings)
    with desk.journal.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE aside RENAME TO apscheduler_jobs"))
    assert desk.fire() == [("db", at("02T02:00:00"))]


def test_a_stored_job_that_cannot_be_read_is_scheduled_anew(desk: Desk) -> None:
    desk.scheduler.sync(nightly("a", "b"))
    with desk.journal.engine.begin() as connection:
        connection.execute(sa.text("UPDATE apscheduler_jobs SET job_state = x'00' WHERE id = 'nightly/a'"))
    desk.restarted()
    assert desk.scheduler.sync(nightly("a", "b")).added == (("nightly", "a"),)
    desk.now = at("02T02:00:00")
    assert sorted(volume for volume, _ in desk.fire()) == ["a", "b"]


def test_a_job_stores_the_names_of_its_schedule_and_nothing_else(desk: Desk) -> None:
    desk.scheduler.sync(nightly("db"))
    desk.now = at("02T02:00:00")
    (firing,) = desk.scheduler.due(1)
    assert isinstance(firing, Firing)
    assert firing.job.func_ref == "lhbackupd.engine.scheduler:schedule"
    assert (firing.job.args, firing.job.kwargs) == (("nightly", "db"), {})


def test_weekdays_count_from_sunday_as_in_cron(desk: Desk) -> None:
    desk.scheduler.sync(nightly("db", cron="0 2 * * 0"))
    due = desk.scheduler.next_wakeup()
    assert due == at("08T02:00:00")
    assert due.isoweekday() == 7


@pytest.mark.parametrize(
    ("night", "zone", "expected"),
    [
        ("2026-03-28T12:00:00", "Europe/Berlin", ["2026-03-29T01:00:00"]),
        ("2026-10-24T12:00:00", "Europe/Berlin", ["2026-10-25T00:30:00"]),
    ],
)
def test_half_past_two_happens_once_in_both_nights_when_clocks_move(
    desk: Desk, night: str, zone: str, expected: list[str]
) -> None:
    desk.now = datetime.fromisoformat(f"{night}+00:00")
    desk.scheduler.sync(nightly("db", cron="30 2 * * *", zone=zone))
    fired: list[str] = []
    until = desk.now + timedelta(hours=24)
    while (due := desk.scheduler.next_wakeup()) and due < until:
        desk.now = due
        fired += [moment.strftime("%Y-%m-%dT%H:%M:%S") for _, moment in desk.fire()]
    assert fired == expected


def test_a_schedule_is_stored_as_apscheduler_itself_would_store_it(desk: Desk) -> None:
    desk.scheduler.sync(nightly("one", "two"))
    by_hand = Job(
        BlockingScheduler(timezone=UTC), id="nightly/two", name="nightly/two", func=schedule, args=("nightly", "two"),
        trigger=CronTrigger(cron="0 2 * * *", timezone="UTC"), kwargs={}, executor="default", coalesce=True,
        misfire_grace_time=None, max_instances=1, next_run_time=at("02T02:00:00"),
    )  # fmt: skip
    with desk.journal.engine.begin() as connection:
        query = sa.text("SELECT job_state FROM apscheduler_jobs WHERE id = 'nightly/two'")
        assert pickle.loads(connection.scalars(query).one()) == by_hand.__getstate__()


def test_times_that_a_clock_ahead_has_left_are_worked_out_anew_and_no_others(desk: Desk) -> None:
    desk.scheduler.sync(nightly("missed"))
    desk.now = at("02T12:00:00") + timedelta(days=365)
    desk.scheduler.sync({**nightly("missed"), **nightly("ahead")})
    desk.now = at("02T12:00:00")
    assert desk.scheduler.recompute() == (("nightly", "ahead"),)
    assert desk.next_times() == {
        "nightly/missed": at("02T02:00:00").timestamp(),
        "nightly/ahead": at("03T02:00:00").timestamp(),
    }
    assert desk.scheduler.recompute() == ()
