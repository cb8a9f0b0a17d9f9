from datetime import timedelta

from lhbackupd.core.pausing import ALL, Pause, in_force

from .examples import T0

NIGHTLY = Pause(policy="nightly", since=T0, until=T0 + timedelta(hours=8), by="uid 0", reason="new disks")
EVERY = Pause(policy=ALL, since=T0, until=T0 + timedelta(hours=8), by="uid 0")


def test_a_pause_says_who_why_and_until_when() -> None:
    assert NIGHTLY.words(T0) == (
        "policy nightly is paused since 2026-03-01 02:00:00 UTC by uid 0: new disks; until 2026-03-01 10:00:00 UTC"
    )
    assert EVERY.words(T0 + timedelta(hours=8)) == (
        "every policy is paused since 2026-03-01 02:00:00 UTC by uid 0; it was to end at 2026-03-01 10:00:00 UTC"
    )


def test_a_pause_is_overdue_from_its_time_on() -> None:
    assert not NIGHTLY.overdue(NIGHTLY.until - timedelta(seconds=1))
    assert NIGHTLY.overdue(NIGHTLY.until)


def test_a_policys_own_pause_is_in_force_before_that_of_all() -> None:
    assert in_force({}, "nightly") is None
    assert in_force({"nightly": NIGHTLY, ALL: EVERY}, "nightly") is NIGHTLY
    assert in_force({"nightly": NIGHTLY, ALL: EVERY}, "hourly") is EVERY
    assert in_force({"nightly": NIGHTLY}, "hourly") is None
