"""What may be deleted, and what never."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.cluster import Backup, Snapshot
from lhbackupd.core.retention import expired, newest_completed, stale_snapshots

from .examples import ORIGIN, T0, TWIN, backup, chain, made


def names(*backups: Backup, keep: int | None) -> list[str]:
    gone = expired(backups, volume="vol", policy="nightly", origin=ORIGIN, keep_last=keep)
    return [each.name for each in gone]


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
    gone = {b.name for b in expired(backups, volume="vol", policy="nightly", origin=ORIGIN, keep_last=keep)}
    mine = [b for b in backups if b.completed and b.labels == made()]
    assert gone <= {b.name for b in mine}
    assert len(mine) - len(gone) >= min(len(mine), max(1, keep))
    for group in (mine, [b for b in backups if b.completed]):
        if newest := newest_completed(group):
            assert newest.name not in gone
    left = [b for b in backups if b.name not in gone]
    assert not expired(left, volume="vol", policy="nightly", origin=ORIGIN, keep_last=keep)


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
