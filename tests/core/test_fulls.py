"""Which backup is a full one: completed backups of one volume are counted, and nothing else."""

from dataclasses import replace

import pytest

from lhbackupd.core.cluster import Backup, SnapshotReadiness
from lhbackupd.core.commands import AskBackup, CreateSnapshot
from lhbackupd.core.fulls import full_is_due, next_number
from lhbackupd.core.machine import decide
from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.core.naming import LABEL_NUMBER

from .examples import ORIGIN, POLICY, T0, TWIN, at, backup, chain, detached, made, ours, run, seen


def number(*backups: Backup) -> int:
    return next_number(detached(), backups, policy="nightly", origin=ORIGIN)


def numbered(text: str, **changes: object) -> Backup:
    return backup(**({"labels": {**made(), LABEL_NUMBER: text}} | changes))


def test_the_first_backup_is_number_one() -> None:
    assert number() == 1


def test_the_highest_number_counts_also_where_retention_has_left_few_backups() -> None:
    assert number(numbered("6"), numbered("4", name="backup-2")) == 7
    assert number(backup(name="backup-3"), numbered("6"), backup(name="backup-2")) == 7


def test_backups_without_a_number_are_counted() -> None:
    assert number(backup(), backup(name="backup-2")) == 3


@pytest.mark.parametrize("text", ["", "six", "-6", "٦", "6.0", "9" * 40])
def test_a_label_that_makes_no_sense_counts_as_one_backup(text: str) -> None:
    assert number(numbered(text)) == 2


@pytest.mark.parametrize(
    "other",
    [
        numbered("6", state="Error"),
        numbered("6", volume="other"),
        numbered("6", target="second"),
        backup(labels={**made("weekly"), LABEL_NUMBER: "6"}),
        backup(labels={**made(origin=TWIN), LABEL_NUMBER: "6"}),
        backup(labels={}),
    ],
)
def test_other_volumes_policies_origins_and_targets_are_not_counted(other: Backup) -> None:
    assert number(other) == 1


def test_every_so_many_th_is_full() -> None:
    weekly = replace(POLICY, full_every=7)
    assert [n for n in range(1, 30) if full_is_due(weekly, n)] == [7, 14, 21, 28]
    assert not any(full_is_due(POLICY, n) for n in range(30))
    assert all(full_is_due(replace(POLICY, full_every=1), n) for n in range(1, 5))


SECOND = replace(POLICY, full_every=2)


@pytest.mark.parametrize("reuse", [False, True])
def test_a_run_that_makes_the_full_one_asks_for_it(reuse: bool) -> None:
    line = chain(("s1", 4096), ("s2", 4096), head=0) if reuse else chain(("s1", 4096), head=4096)
    look = seen(ours(), chain=line, backups=(backup(),))
    after, command = decide(run(Phase.INSPECTING), look, at(), SECOND, ORIGIN)
    assert (after.number, after.full) == (2, True)
    known = seen(ours(), backups=(backup(),), snapshot=SnapshotReadiness(ready=True, created=T0))
    if isinstance(command, CreateSnapshot):
        assert command.labels[LABEL_NUMBER] == "2"
        after, _ = decide(after, known, at(), SECOND, ORIGIN)
    _, ask = decide(after, known, at(), SECOND, ORIGIN)
    assert isinstance(ask, AskBackup)
    assert (ask.full, ask.labels[LABEL_NUMBER]) == (True, "2")


def test_without_full_every_nothing_is_numbered() -> None:
    look = seen(ours(), chain=chain(("s1", 4096), head=4096), backups=(backup(),))
    after, command = decide(run(Phase.INSPECTING), look, at(), POLICY, ORIGIN)
    assert (after.number, after.full) == (0, False)
    assert isinstance(command, CreateSnapshot)
    assert LABEL_NUMBER not in command.labels


FULL = run(Phase.BACKING_UP, asked_at=T0, backup="backup-1", number=2, full=True)


def completed(before: Run, mode: str) -> Run:
    done = backup(snapshot="lhbackupd-r1", labels=made(run_id="r1"), mode=mode)
    after, _ = decide(before, seen(ours(), backups=(done,)), at(), SECOND, ORIGIN)
    assert after.outcome is Outcome.COMPLETED
    return after


def test_full_is_only_said_of_a_backup_that_longhorn_lists_as_one() -> None:
    after = completed(FULL, "full")
    assert (after.full, after.reason) == (True, "backup backup-1 is completed and listed, a full one")
    for mode in ("incremental", ""):
        after = completed(FULL, mode)
        assert not after.full
        assert after.reason.endswith("it was to be a full one, and this Longhorn made an incremental one")
    assert completed(replace(FULL, full=False), "incremental").reason == "backup backup-1 is completed and listed"
