"""What is new in a volume, and what is already in a backup."""

from dataclasses import replace

import pytest

from lhbackupd.core.cluster import VOLUME_HEAD, Backup, Chain, Snapshot, Volume
from lhbackupd.core.inspection import Finding, base_of, inspect
from lhbackupd.core.model import Outcome, Policy

from .examples import GIB, KIB4, ORIGIN, POLICY, TWIN, attached, backup, chain, made, ours


def look(
    snapshots: Chain,
    *backups: Backup,
    policy: Policy = POLICY,
    volume: Volume | None = None,
    live: bool = False,
) -> Finding:
    found = inspect(volume=volume or ours(), chain=snapshots, backups=backups, policy=policy, origin=ORIGIN, live=live)
    assert found is not None
    return found


def test_an_empty_head_on_the_bases_snapshot_is_unchanged() -> None:
    found = look(chain(("s1", KIB4)), backup())
    assert (found.skip, found.new_bytes) == (Outcome.UNCHANGED, 0)
    assert "backup-1" in found.reason


def test_data_in_the_head_is_new() -> None:
    found = look(chain(("s1", KIB4), head=2 * KIB4), backup())
    assert (found.skip, found.new_bytes, found.reuse) == (None, 2 * KIB4, None)


def test_data_in_a_snapshot_above_the_base_is_new_and_that_snapshot_is_backed_up() -> None:
    found = look(chain(("s1", KIB4), ("by-hand", 3 * KIB4)), backup())
    assert (found.skip, found.new_bytes) == (None, 3 * KIB4)
    assert found.reuse is not None
    assert found.reuse.name == "by-hand"


def test_a_snapshot_above_the_base_that_holds_nothing_changes_nothing() -> None:
    assert look(chain(("s1", KIB4), ("by-hand", 0)), backup()).skip is Outcome.UNCHANGED


def test_the_snapshot_of_a_failed_backup_is_new_data_and_reused_while_the_head_is_empty() -> None:
    failed = backup("backup-2", "ours-2", age=60, state="Error", labels={})
    line = (("s1", KIB4), ("ours-2", KIB4))
    found = look(chain(*line), backup(), failed)
    assert found.skip is None
    assert found.reuse is not None
    assert found.reuse.name == "ours-2"
    assert look(chain(*line, head=KIB4), backup(), failed).reuse is None


def test_a_snapshot_marked_for_removal_is_not_reused() -> None:
    leaving = Snapshot(name="s2", parent="s1", size=KIB4, removed=True)
    found = look(chain(("s1", 0), leaving), backup())
    assert (found.skip, found.reuse) == (None, None)


def test_after_a_revert_below_the_base_all_is_new() -> None:
    tree = dict(chain(("s1", KIB4)).snapshots) | {"s2": Snapshot(name="s2", parent="s1", size=9 * KIB4)}
    found = look(Chain(tree), backup("backup-2", "s2"))
    assert (found.skip, found.new_bytes) == (None, KIB4)
    assert "no longer below the volume head" in found.reason


def test_after_a_revert_to_the_bases_snapshot_nothing_is_new_whatever_other_branches_hold() -> None:
    tree = dict(chain(("s1", KIB4)).snapshots) | {"s2": Snapshot(name="s2", parent="s1", size=9 * KIB4)}
    assert look(Chain(tree), backup()).skip is Outcome.UNCHANGED


def test_a_base_whose_snapshot_was_purged_makes_all_new() -> None:
    found = look(chain(("s2", KIB4)), backup())
    assert (found.skip, found.new_bytes) == (None, KIB4)


def test_a_base_snapshot_marked_for_removal_is_still_an_ancestor() -> None:
    leaving = Snapshot(name="s1", parent="", size=KIB4, removed=True)
    assert look(chain(leaving), backup()).skip is Outcome.UNCHANGED


def test_a_volume_that_grew_is_new_as_a_whole_and_its_snapshot_is_taken_anew() -> None:
    found = look(chain(("s1", KIB4)), backup(), volume=ours(size=2 * GIB))
    assert (found.skip, found.reuse) == (None, None)
    assert "size changed" in found.reason


def test_a_brand_new_volume_has_nothing_to_back_up() -> None:
    assert look(chain()).skip is Outcome.UNCHANGED


def test_an_empty_head_with_the_data_of_an_image_beneath_is_backed_up() -> None:
    assert look(chain(), volume=ours(origin_data="image-1")).skip is None


def test_a_volume_without_a_base_is_new_as_a_whole() -> None:
    found = look(chain(("s1", KIB4), head=KIB4))
    assert (found.skip, found.new_bytes) == (None, 2 * KIB4)
    assert "no completed backup" in found.reason


def test_a_recreated_empty_volume_beside_an_old_backup_is_backed_up_rather_than_called_protected() -> None:
    assert look(chain(), backup()).skip is None


@pytest.mark.parametrize(
    "other",
    [
        backup(labels=made("weekly")),
        backup(labels=made(origin=TWIN)),
        backup(labels={"RecurringJob": "native"}),
        backup(volume="another"),
        backup(target="second"),
        backup(state="InProgress"),
        backup(state="Error"),
    ],
    ids=["other policy", "other origin", "native job", "other volume", "other target", "running", "failed"],
)
def test_a_backup_that_is_not_a_completed_one_of_this_policy_is_no_base(other: Backup) -> None:
    assert base_of(ours(), [other], policy="nightly", origin=ORIGIN) is None
    found = look(chain(("s1", KIB4)), other)
    assert found.skip is None
    assert found.reuse is not None
    assert found.reuse.name == "s1"


def test_the_base_is_the_backup_made_last_even_of_an_older_snapshot() -> None:
    before_revert = backup("backup-2", "s2", age=1000)
    later = backup("backup-3", "s1", age=9000, created=backup(age=0).created)
    base = base_of(ours(), [later, before_revert], policy="nightly", origin=ORIGIN)
    assert base is not None
    assert base.name == "backup-3"
    assert look(chain(("s1", KIB4)), before_revert, later).skip is Outcome.UNCHANGED


def test_new_data_up_to_min_new_bytes_is_below_the_threshold() -> None:
    policy = replace(POLICY, min_new_bytes=KIB4)
    found = look(chain(("s1", KIB4), head=KIB4), backup(), policy=policy)
    assert (found.skip, found.new_bytes) == (Outcome.BELOW_THRESHOLD, KIB4)
    assert look(chain(("s1", KIB4), head=KIB4 + 1), backup(), policy=policy).skip is None


def test_the_threshold_does_not_hold_without_a_base() -> None:
    assert look(chain(head=KIB4), policy=replace(POLICY, min_new_bytes=GIB)).skip is None


def test_a_live_volume_is_backed_up_although_its_head_is_empty() -> None:
    found = look(chain(("s1", KIB4)), backup(), volume=attached(), live=True)
    assert (found.skip, found.reuse) == (None, None)
    assert "not written yet" in found.reason


def test_a_live_empty_volume_is_backed_up_too() -> None:
    assert look(chain(), volume=attached(), live=True).skip is None


def test_a_live_volume_whose_policy_says_so_is_skipped_when_its_head_is_empty() -> None:
    policy = replace(POLICY, skip_unchanged_attached=True)
    assert look(chain(("s1", KIB4)), backup(), policy=policy, volume=attached(), live=True).skip is Outcome.UNCHANGED


def test_a_volume_that_others_attached_without_a_frontend_has_no_dirty_pages() -> None:
    volume = attached(frontend_disabled=True)
    assert look(chain(("s1", KIB4)), backup(), volume=volume, live=True).skip is Outcome.UNCHANGED


def test_an_answer_without_a_head_says_nothing() -> None:
    without = Chain({"s1": Snapshot(name="s1", parent="", size=0)})
    assert inspect(volume=ours(), chain=without, backups=(), policy=POLICY, origin=ORIGIN, live=False) is None
    assert inspect(volume=ours(), chain=Chain({}), backups=(), policy=POLICY, origin=ORIGIN, live=False) is None


def test_a_head_whose_parent_is_not_listed_is_not_an_empty_volume() -> None:
    torn = Chain({VOLUME_HEAD: Snapshot(name=VOLUME_HEAD, parent="s1", size=0)})
    assert look(torn).skip is None


def test_a_head_without_a_parent_beside_other_snapshots_is_not_an_empty_volume() -> None:
    odd = Chain(
        {
            VOLUME_HEAD: Snapshot(name=VOLUME_HEAD, parent="", size=0),
            "s1": Snapshot(name="s1", parent="", size=KIB4),
        }
    )
    assert look(odd).skip is None


def test_a_backup_that_claims_to_be_of_the_head_proves_nothing() -> None:
    assert look(chain(("s1", KIB4), head=KIB4), backup(snapshot=VOLUME_HEAD)).skip is None


def test_a_circle_of_parents_ends_and_is_never_unchanged() -> None:
    circle = Chain(
        {
            VOLUME_HEAD: Snapshot(name=VOLUME_HEAD, parent="a", size=0),
            "a": Snapshot(name="a", parent="b", size=0),
            "b": Snapshot(name="b", parent="a", size=0),
        }
    )
    assert look(circle, backup()).skip is None
    assert look(circle).skip is None
