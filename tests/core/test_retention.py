"""What may be deleted, and what never."""

from dataclasses import replace
from datetime import UTC, timedelta, tzinfo
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.cluster import Backup, Snapshot
from lhbackupd.core.model import Keep
from lhbackupd.core.retention import expired, newest_completed, stale_snapshots, verdicts

from .examples import ORIGIN, T0, TWIN, backup, chain, made


def names(*backups: Backup, keep: int | None) -> list[str]:
    gone = expired(
        verdicts(
            backups,
            volume="vol",
            policy="nightly",
            origin=ORIGIN,
            keep=None if keep is None else Keep(last=keep),
            zone=UTC,
        )
    )
    return [each.backup.name for each in gone]


OLD, MIDDLE, NEW = backup("old", "s1", age=300), backup("middle", "s2", age=200), backup("new", "s3", age=100)


def test_the_oldest_beyond_the_count_go() -> None:
    assert names(NEW, OLD, MIDDLE, keep=1) == ["old", "middle"]
    assert names(NEW, OLD, MIDDLE, keep=2) == ["old"]
    assert names(NEW, OLD, MIDDLE, keep=3) == []


def test_without_a_count_all_stay() -> None:
    assert names(NEW, OLD, MIDDLE, keep=None) == []


def test_the_newest_stays_even_when_none_is_to_be_kept() -> None:
    assert names(OLD, NEW, keep=0) == ["old"]


def test_what_others_made_neither_goes_nor_counts() -> None:
    others = (
        backup("native", age=900, labels={"RecurringJob": "j"}),
        backup("twin", age=901, labels=made(origin=TWIN)),
        backup("weekly", age=902, labels=made("weekly")),
        backup("elsewhere", age=903, volume="another"),
        backup("failed", age=904, state="Error"),
    )
    assert names(*others, OLD, keep=1) == []
    assert names(*others, OLD, NEW, keep=1) == ["old"]


def test_a_backup_of_unknown_age_is_never_deleted() -> None:
    undated = backup("undated", created=None, snapshot_created=None)
    assert names(undated, OLD, NEW, keep=1) == ["old"]


def test_the_backup_made_after_a_revert_stays_although_its_snapshot_is_older() -> None:
    after_revert = replace(backup("after-revert", "s1", age=5000), created=T0)
    assert names(after_revert, NEW, keep=1) == ["new"]
    assert newest_completed([after_revert, NEW]) == after_revert


@given(
    backups=st.lists(
        st.builds(
            lambda number, policy, origin, state, age, taken: backup(
                f"b{number}",
                f"s{number}",
                labels=made(policy, origin=origin),
                state=state,
                snapshot_created=T0 - timedelta(seconds=taken),
                created=T0 - timedelta(seconds=age),
            ),
            st.integers(0, 999),
            st.sampled_from(["nightly", "weekly"]),
            st.sampled_from([ORIGIN, TWIN]),
            st.sampled_from(["Completed", "Error", "InProgress"]),
            st.integers(0, 50),
            st.integers(0, 50),
        ),
        unique_by=lambda b: b.name,
    ),
    keep=st.integers(0, 4),
)
def test_what_goes_is_ours_and_neither_the_newest_of_policy_nor_of_volume(backups: list[Backup], keep: int) -> None:
    gone = {
        b.backup.name
        for b in expired(
            verdicts(
                backups,
                volume="vol",
                policy="nightly",
                origin=ORIGIN,
                keep=None if keep is None else Keep(last=keep),
                zone=UTC,
            )
        )
    }
    mine = [b for b in backups if b.completed and b.labels == made()]
    assert gone <= {b.name for b in mine}
    assert len(mine) - len(gone) >= min(len(mine), max(1, keep))
    for group in (mine, [b for b in backups if b.completed]):
        if newest := newest_completed(group):
            assert newest.name not in gone
    left = [b for b in backups if b.name not in gone]
    assert not expired(
        verdicts(
            left,
            volume="vol",
            policy="nightly",
            origin=ORIGIN,
            keep=None if keep is None else Keep(last=keep),
            zone=UTC,
        )
    )


def snap(name: str, parent: str = "", **changes: object) -> Snapshot:
    known: dict[str, object] = {"name": name, "parent": parent, "size": 0, "labels": made()}
    return Snapshot(**(known | changes))  # type: ignore[arg-type]  # a test's shorthand


def stale(snapshots: list[Snapshot], *backups: Backup) -> tuple[str, ...]:
    return stale_snapshots(chain(*snapshots), backups, policy="nightly", origin=ORIGIN)


def test_a_snapshot_whose_backup_is_no_longer_the_newest_is_stale() -> None:
    assert stale([snap("s1"), snap("s2", "s1")], OLD, MIDDLE) == ("s1",)


def test_a_snapshot_without_any_backup_is_stale() -> None:
    assert stale([snap("s1"), snap("s2", "s1")], OLD) == ("s2",)


def test_the_snapshot_of_an_unfinished_backup_is_needed_and_that_of_a_failed_one_is_not() -> None:
    running = backup("running", "s2", state="InProgress", labels={}, created=None)
    failed = backup("failed", "s3", state="Error", labels={}, created=None)
    odd = backup("odd", "s4", state="Unknown", labels={}, created=None)
    line = [snap("s1"), snap("s2", "s1"), snap("s3", "s2"), snap("s4", "s3")]
    assert stale(line, OLD, running, failed, odd) == ("s3",)


def test_snapshots_of_others_and_those_already_leaving_are_left_alone() -> None:
    line = [
        snap("theirs", labels={"RecurringJob": "native"}),
        snap("twins", "theirs", labels=made(origin=TWIN)),
        snap("weekly", "twins", labels=made("weekly")),
        snap("leaving", "weekly", removed=True),
    ]
    assert stale(line) == ()


def test_a_newer_backup_of_a_twin_does_not_make_our_last_snapshot_stale() -> None:
    twins = backup("twins", "elsewhere", age=10, labels=made(origin=TWIN))
    assert stale([snap("s1")], OLD, twins) == ()


def test_a_newer_backup_on_another_target_does_not_make_the_last_snapshot_on_this_one_stale() -> None:
    other = backup("other", "s2", age=10, target="second")
    assert stale([snap("s1"), snap("s2", "s1")], OLD, other) == ()


def test_our_snapshot_stays_while_another_policys_last_backup_is_of_it() -> None:
    weekly = backup("weekly", "s1", age=250, labels=made("weekly"))
    assert stale([snap("s1"), snap("s2", "s1")], OLD, MIDDLE, weekly) == ()


# the rules by which backups are thinned out


def nights(count: int, *, hour: int = 2) -> list[Backup]:
    """One backup a night, the newest first: n0 is the night of T0's day."""
    start = T0.replace(hour=hour, minute=0)
    return [
        replace(backup(f"n{n}", f"s{n}"), created=start - timedelta(days=n), snapshot_created=start - timedelta(days=n))
        for n in range(count)
    ]


def left(backups: list[Backup], keep: Keep, zone: tzinfo = UTC) -> list[str]:
    found = verdicts(backups, volume="vol", policy="nightly", origin=ORIGIN, keep=keep, zone=zone)
    return [verdict.backup.name for verdict in found if verdict.kept_by]


def test_the_newest_of_each_of_the_last_periods_stays() -> None:
    kept = left(nights(400), Keep(daily=3, weekly=3, monthly=2, yearly=2))
    days = [T0.date() - timedelta(days=int(name[1:])) for name in kept]
    assert kept[:3] == ["n0", "n1", "n2"]
    assert len({(day.isocalendar().year, day.isocalendar().week) for day in days}) >= 3
    assert len({(day.year, day.month) for day in days}) >= 2
    assert len({day.year for day in days}) == 2
    assert len(kept) <= 3 + 3 + 2 + 2


def test_periods_without_a_backup_are_not_counted() -> None:
    sparse = [night for night in nights(100) if int(night.name[1:]) % 10 == 0]
    assert left(sparse, Keep(daily=3)) == ["n0", "n10", "n20"]


def test_a_clock_that_was_a_year_ahead_once_deletes_no_history() -> None:
    ahead = replace(backup("ahead", "s-ahead"), created=T0 + timedelta(days=366), snapshot_created=T0)
    assert left([ahead, *nights(7)], Keep(daily=4)) == ["ahead", "n0", "n1", "n2"]


def test_within_counts_back_from_the_newest_backup() -> None:
    assert left(nights(10), Keep(within=timedelta(days=3))) == ["n0", "n1", "n2", "n3"]


def test_a_period_is_one_of_the_policys_zone() -> None:
    late, early = nights(1, hour=23)[0], replace(nights(2, hour=1)[0], name="early")
    assert left([late, early], Keep(daily=2)) == ["n0"]
    assert left([late, early], Keep(daily=2), ZoneInfo("Europe/Berlin")) == ["n0", "early"]


def test_so_many_stay_whatever_the_rules_say() -> None:
    assert left(nights(9), Keep(last=1, minimum=4)) == ["n0", "n1", "n2", "n3"]


def test_each_backup_says_which_rules_keep_it() -> None:
    found = verdicts(nights(3), volume="vol", policy="nightly", origin=ORIGIN, keep=Keep(last=1, daily=2), zone=UTC)
    day = f"{T0:%Y-%m-%d}"
    assert [verdict.kept_by for verdict in found] == [
        ("newest of the policy", "minimum 1", "last 1", f"daily {day}", "newest of the volume"),
        (f"daily {T0 - timedelta(days=1):%Y-%m-%d}",),
        (),
    ]


COUNTS = st.integers(0, 5)
KEEPS = st.builds(
    Keep,
    last=COUNTS,
    hourly=COUNTS,
    daily=COUNTS,
    weekly=COUNTS,
    monthly=COUNTS,
    yearly=COUNTS,
    within=st.none() | st.timedeltas(timedelta(0), timedelta(days=400)),
    minimum=COUNTS,
)
HISTORIES = st.lists(st.integers(0, 20_000), unique=True, max_size=40).map(
    lambda hours: [
        replace(
            backup(f"b{h}", f"s{h}"),
            created=T0 - timedelta(hours=h),
            snapshot_created=T0 - timedelta(hours=h, minutes=1),
        )
        for h in hours
    ]
)


@given(backups=HISTORIES, keep=KEEPS, order=st.randoms())
def test_what_is_kept_depends_on_no_order_and_is_kept_again(backups: list[Backup], keep: Keep, order: Random) -> None:
    kept = left(backups, keep)
    shuffled = list(backups)
    order.shuffle(shuffled)
    assert left(shuffled, keep) == kept
    assert left([each for each in backups if each.name in kept], keep) == kept
    assert not backups or max(backups, key=lambda each: each.created).name in kept
    assert len(kept) >= min(len(backups), max(1, keep.minimum, keep.last))


@given(backups=HISTORIES, keep=KEEPS, more=st.sampled_from(["last", "hourly", "daily", "weekly", "monthly", "yearly"]))
def test_a_larger_rule_never_keeps_less(backups: list[Backup], keep: Keep, more: str) -> None:
    larger = replace(keep, **{more: getattr(keep, more) + 1})
    assert set(left(backups, keep)) <= set(left(backups, larger))


def why(*backups: Backup, keep: Keep) -> dict[str, str]:
    found = verdicts(backups, volume="vol", policy="nightly", origin=ORIGIN, keep=keep, zone=UTC)
    assert all(bool(verdict.why) is not bool(verdict.kept_by) for verdict in found)
    return {verdict.backup.name: verdict.why for verdict in found if verdict.why}


def test_what_goes_says_why_no_rule_keeps_it() -> None:
    hour, day = 3600, 86400
    taken = [backup(f"b{n}", age=age) for n, age in enumerate((hour, 3 * hour, day, 9 * day))]
    assert why(*taken, keep=Keep(last=1, daily=2, within=timedelta(hours=1))) == {
        "b2": "last 1: 2 are newer; within 1:00:00: 23:00:00 older than the newest; "
        "daily 2: another of its period is newer",
        "b3": "last 1: 3 are newer; within 1:00:00: 8 days, 23:00:00 older than the newest; "
        "daily 2: 2 newer periods have one",
    }
    assert why(OLD, NEW, keep=Keep()) == {"old": "minimum 1: 1 are newer"}


def test_backups_of_an_adopted_journal_are_kept_and_let_go_as_ours() -> None:
    lost = backup("lost", age=900, labels=made(origin=TWIN))
    heir = replace(ORIGIN, adopted=frozenset({TWIN.journal}))
    found = verdicts([lost, NEW], volume="vol", policy="nightly", origin=heir, keep=Keep(last=1), zone=UTC)
    assert [(verdict.backup.name, bool(verdict.kept_by)) for verdict in found] == [("new", True), ("lost", False)]
    assert why(lost, NEW, keep=Keep(last=1)) == {}


def test_the_backup_by_which_data_is_called_protected_stays_though_a_clock_was_ahead_when_others_were_made() -> None:
    ahead = [backup(f"ahead{number}", f"s{number}", age=-86400 * number) for number in (1, 2)]
    last = backup("last", "s9", age=10)
    keep = Keep(last=2, daily=1)
    of = {"volume": "vol", "policy": "nightly", "origin": ORIGIN, "keep": keep, "zone": UTC}
    assert [each.backup.name for each in expired(verdicts([*ahead, last, NEW], **of))] == ["new", "last"]
    assert [each.backup.name for each in expired(verdicts([*ahead, last, NEW], **of, claimed="last"))] == ["new"]
    assert expired(verdicts([*ahead, last], **of, claimed="of another")) != ()
