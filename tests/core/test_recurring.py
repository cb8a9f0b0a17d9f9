"""Longhorn's own recurring jobs and the volumes in them."""

from lhbackupd.core.recurring import Membership, NativeJob, membership

NIGHTLY = NativeJob(name="nightly", task="backup", cron="0 2 * * *", groups=("default", "gold"))


def test_a_volume_without_jobs_belongs_to_default() -> None:
    assert membership().groups == {"default"}
    assert membership(groups=["default"]).groups == {"default"}


def test_a_job_or_a_group_of_its_own_takes_a_volume_out_of_default() -> None:
    assert membership(groups=["gold"]).groups == {"gold"}
    assert membership(jobs=["nightly"]) == Membership(jobs=frozenset({"nightly"}))
    assert membership(groups=["default", "gold"], jobs=["nightly"]).groups == {"default", "gold"}


def test_a_volume_is_in_a_job_by_itself_or_by_a_group() -> None:
    assert NIGHTLY.has(membership())
    assert NIGHTLY.has(membership(groups=["gold", "x"]))
    assert NIGHTLY.has(membership(jobs=["nightly"]))
    assert not NIGHTLY.has(membership(groups=["nightly"]))
    assert not NIGHTLY.has(membership(jobs=["gold"]))


def test_only_some_tasks_make_backups() -> None:
    found = {task for task in ("backup", "backup-force-create", "snapshot", "filesystem-trim", "system-backup", "")
             if NativeJob(name="j", task=task, cron="").backs_up}  # fmt: skip
    assert found == {"backup", "backup-force-create"}


def test_memberships_are_labels_of_the_volume() -> None:
    assert membership(groups=["gold"], jobs=["nightly"]).labels == {
        "recurring-job-group.longhorn.io/gold",
        "recurring-job.longhorn.io/nightly",
    }
