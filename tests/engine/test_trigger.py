"""The trigger that APScheduler's job store keeps."""

import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.executors.base import BaseExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger
from hypothesis import given, settings
from hypothesis import strategies as st

from lhbackupd.core.timetable import next_due, parse_cron, parse_zone, previous_due
from lhbackupd.engine.trigger import CronTrigger

NOW = datetime(2026, 6, 10, 12, 0, 30, tzinfo=UTC)


class _Waits(BaseScheduler):  # type: ignore[misc]
    """A scheduler that is only looked at."""

    def wakeup(self) -> None: ...

    def shutdown(self, wait: bool = True) -> None: ...


class _Nothing(BaseExecutor):  # type: ignore[misc]
    def _do_submit_job(self, job: Any, run_times: Any) -> None: ...


def a_job() -> None: ...


def nightly() -> CronTrigger:
    return CronTrigger(cron="0 2 * * *", timezone="Europe/Berlin")


def spread(seconds: int) -> CronTrigger:
    return CronTrigger(cron="0 2 * * *", timezone="Europe/Berlin", offset=timedelta(seconds=seconds))


def test_it_first_fires_at_the_next_due_time() -> None:
    assert nightly().get_next_fire_time(None, NOW) == datetime(2026, 6, 11, 0, 0, tzinfo=UTC)


def test_a_trigger_made_at_its_due_time_fires_then() -> None:
    due = datetime(2026, 6, 11, 0, 0, tzinfo=UTC)
    assert nightly().get_next_fire_time(None, due) == due


def test_after_a_firing_comes_the_next_one() -> None:
    fired = datetime(2026, 6, 11, 0, 0, tzinfo=UTC)
    for late in (timedelta(0), timedelta(milliseconds=3), timedelta(hours=3)):
        assert nightly().get_next_fire_time(fired, fired + late) == fired + timedelta(days=1)


def test_of_many_missed_times_only_the_last_is_named() -> None:
    trigger = CronTrigger(cron="*/5 * * * *", timezone="UTC")
    missed = trigger.get_next_fire_time(NOW - timedelta(days=30), NOW)
    assert missed == datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
    assert trigger.get_next_fire_time(missed, NOW) == datetime(2026, 6, 10, 12, 5, tzinfo=UTC)


def test_a_clock_that_was_put_back_repeats_nothing() -> None:
    fired = datetime(2026, 6, 11, 0, 0, tzinfo=UTC)
    assert nightly().get_next_fire_time(fired, fired - timedelta(hours=5)) == fired + timedelta(days=1)


def test_with_an_offset_all_due_times_come_so_much_later() -> None:
    due = datetime(2026, 6, 11, 0, 1, 30, tzinfo=UTC)
    trigger = spread(90)
    assert trigger.get_next_fire_time(None, NOW) == due
    assert trigger.get_next_fire_time(None, due) == due
    assert trigger.get_next_fire_time(None, due - timedelta(seconds=89)) == due
    assert trigger.get_next_fire_time(due, due + timedelta(hours=3)) == due + timedelta(days=1)
    assert trigger.get_next_fire_time(due, due + timedelta(days=3)) == due + timedelta(days=3)
    assert trigger.previous(due) == due
    assert trigger.previous(due - timedelta(seconds=1)) == due - timedelta(days=1)
    assert trigger.due_before_last(due + timedelta(hours=3)) == due - timedelta(days=1)
    assert trigger.count(due, due + timedelta(days=3)) == 3
    assert trigger.count(due - timedelta(seconds=1), due) == 1


@settings(deadline=None)  # a machine may be busy
@given(
    st.sampled_from(["0 2 * * *", "*/15 * * * *", "30 1-3 * * 1-5", "0 0 1 * *", "0 */2 * * *"]),
    st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "UTC"]),
    st.integers(0, 7200),
    st.integers(0, 365 * 86400 * 10**6),
)
def test_an_offset_shifts_what_is_due_and_nothing_else(cron: str, zone: str, seconds: int, moment: int) -> None:
    now, later = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment), timedelta(seconds=seconds)
    trigger = CronTrigger(cron=cron, timezone=zone, offset=later)
    line, rules = parse_cron(cron), parse_zone(zone)
    assert trigger.previous(now) == previous_due(line, rules, now - later) + later
    assert (
        trigger.get_next_fire_time(None, now + timedelta(microseconds=1)) == next_due(line, rules, now - later) + later
    )


def test_zero_and_seven_are_sunday() -> None:
    for weekday in ("0", "7", "sun"):
        due = CronTrigger(cron=f"0 2 * * {weekday}", timezone="UTC").get_next_fire_time(None, NOW)
        assert due.strftime("%A") == "Sunday"


def test_equal_texts_are_equal_triggers() -> None:
    assert nightly() == nightly()
    assert hash(nightly()) == hash(nightly())
    assert nightly() != CronTrigger(cron="0 3 * * *", timezone="Europe/Berlin")
    assert nightly() != CronTrigger(cron="0 2 * * *", timezone="UTC")
    assert nightly() != "0 2 * * *"
    assert nightly() != spread(1)
    assert spread(90) == spread(90)
    assert repr(spread(90)) == "CronTrigger(cron='0 2 * * *', timezone='Europe/Berlin', offset=0:01:30)"
    assert repr(nightly()) == "CronTrigger(cron='0 2 * * *', timezone='Europe/Berlin')"


@pytest.mark.parametrize(
    "protocol", range(2, pickle.HIGHEST_PROTOCOL + 1)
)  # slots need 2, APScheduler uses the highest
def test_it_survives_being_pickled(protocol: int) -> None:
    again = pickle.loads(pickle.dumps(nightly(), protocol))
    assert again == nightly()
    assert again.get_next_fire_time(None, NOW) == nightly().get_next_fire_time(None, NOW)


def test_its_state_is_small_and_has_a_version() -> None:
    state = {"version": 2, "cron": "0 2 * * *", "timezone": "Europe/Berlin", "offset": 0}
    assert nightly().__getstate__() == state
    assert spread(90).__getstate__() == {**state, "offset": 90}


def test_a_state_from_before_there_were_offsets_is_read() -> None:
    trigger = spread(90)
    trigger.__setstate__({"version": 1, "cron": "0 2 * * *", "timezone": "Europe/Berlin"})
    assert trigger == nightly()


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 3; this program reads 2"):
        nightly().__setstate__({"version": 3, "cron": "0 2 * * *", "timezone": "UTC"})


def test_a_wrong_line_or_zone_makes_no_trigger() -> None:
    with pytest.raises(ValueError, match="the hour is"):
        CronTrigger(cron="0 25 * * *", timezone="UTC")
    with pytest.raises(ValueError, match="IANA"):
        CronTrigger(cron="0 2 * * *", timezone="Mars")


def test_a_real_job_store_gives_it_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    stores = [SQLAlchemyJobStore(url=url), SQLAlchemyJobStore(url=url)]
    triggers: list[BaseTrigger] = []
    for store in stores:
        scheduler = _Waits(timezone=UTC)
        scheduler.add_executor(_Nothing())
        scheduler.add_jobstore(store)
        scheduler.start(paused=True)
        if not scheduler.get_jobs():
            scheduler.add_job(a_job, nightly(), id="nightly:pvc-1")
        triggers.append(scheduler.get_job("nightly:pvc-1").trigger)
        store.shutdown()
    assert triggers == [nightly(), nightly()]
