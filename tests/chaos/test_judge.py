"""What the judge excuses, and what it does not."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.core.naming import LABEL_POLICY, LABEL_RUN
from lhbackupd.simulator.ledger import stamp
from tests.core.examples import T0, run

from .judge import Evidence, judge

GIVEN_UP = run(Phase.FINISHED, outcome=Outcome.YIELDED, backup="b", drop_backup=True, finished_at=T0)
NOTHING = Evidence(
    entries=(), volumes={}, runs=(), protections=(), lives=(), missed={}, crons={}, since=T0, until=T0,
    instance="lhbackupd", taken=frozenset(), notice=timedelta(0),
)  # fmt: skip


def entry(at: float, kind: str, **facts: Any) -> dict[str, Any]:
    return {"at": stamp(T0 + timedelta(seconds=at)), "kind": kind, "volume": "vol", **facts}


def deleted(by: Run, *, came_in: float, acted_on: float, hangs: float | None = None) -> list[str]:
    """What is said where the only backup of a policy, completed after 20 s, was deleted.

    A request for that came in and hung on its way, until it was acted on or for as long as is said.
    """
    struck = {"what": "delay", "request": "POST /v1/backupvolumes/{volume}?action=backupDelete"}
    entries = (
        entry(0, "backup-asked", backup="b", snapshot="s", labels={LABEL_POLICY: by.policy, LABEL_RUN: by.id}),
        entry(came_in, "fault-struck", seconds=acted_on - came_in if hangs is None else hangs, **struck),
        entry(20, "backup-completed", backup="b"),
        entry(acted_on, "backup-delete-asked", backup="b", by="api"),
    )
    entries = tuple(sorted(entries, key=lambda each: each["at"]))
    # that it has no successor is another promise
    return judge(replace(NOTHING, entries=entries, runs=(by,))).protected_unbacked


def test_a_backup_that_was_running_when_the_request_came_in_was_deleted_by_nobodys_fault() -> None:
    assert deleted(GIVEN_UP, came_in=10, acted_on=40) == []


@pytest.mark.parametrize("came_in", [24, 40])
def test_one_that_was_completed_by_then_should_have_been_left_alone(came_in: float) -> None:
    assert len(deleted(GIVEN_UP, came_in=came_in, acted_on=40)) == 1


def test_one_that_was_deleted_by_a_later_request_is_not_excused_by_one_that_still_hangs() -> None:
    assert len(deleted(GIVEN_UP, came_in=10, acted_on=40, hangs=60)) == 1


def test_nobody_but_the_run_that_gave_it_up_is_excused() -> None:
    claims = replace(GIVEN_UP, outcome=Outcome.COMPLETED, drop_backup=False)
    assert len(deleted(claims, came_in=10, acted_on=40)) == 1
    assert len(deleted(claims, came_in=20.5, acted_on=20.5)) == 1


def twice(*, taken: bool, deleted: float) -> list[str]:
    """What is said where a run asked for a second backup 30 s after the first, and the first was deleted sometime."""
    labels = {LABEL_POLICY: GIVEN_UP.policy, LABEL_RUN: GIVEN_UP.id}
    entries = [
        entry(at + delay, kind, backup=name, snapshot="s", labels=labels)
        for at, name in ((0, "b1"), (30, "b2"))
        for delay, kind in ((0, "backup-asked"), (5, "backup-completed"))
    ]
    entries.append(entry(deleted, "backup-delete-asked", backup="b1", by="api"))
    entries.sort(key=lambda each: str(each["at"]))
    known = replace(NOTHING, entries=tuple(entries), runs=(GIVEN_UP,), taken=frozenset({"b1"} if taken else ()))
    return judge(known).second_backups


def test_a_run_may_ask_again_once_somebody_else_has_deleted_its_backup_and_only_then() -> None:
    assert twice(taken=True, deleted=20) == []
    assert len(twice(taken=True, deleted=40)) == 1
    assert len(twice(taken=False, deleted=20)) == 1
