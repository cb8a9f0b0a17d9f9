"""An operator calls a run off, or pauses its policy: what is decided in every phase."""

from dataclasses import replace

import pytest

from lhbackupd.core.cluster import BackupProgress, Fault, FaultKind, SnapshotReadiness
from lhbackupd.core.commands import Command, Detach, DropBackup, Seen
from lhbackupd.core.holding import ASK_AGAIN
from lhbackupd.core.machine import EDGES, decide
from lhbackupd.core.model import Outcome, Phase, Policy, Run
from lhbackupd.core.retry import Retry, successor

from .examples import ORIGIN, POLICY, T0, at, attached, backup, detached, made, ours, run, seen, ticket

BLIND = Seen(fault=Fault(FaultKind.UNREACHABLE, "connection refused"))
MINE = run(Phase.ATTACHING).ticket
ASKED = run(Phase.BACKING_UP, asked_at=T0)
RUNNING = replace(ASKED, backup="backup-1")
UNFINISHED = backup(state="InProgress", snapshot="lhbackupd-r1", labels={})
ENTRY = BackupProgress(name="backup-1", snapshot="lhbackupd-r1", state="InProgress", progress=10)


def step(before: Run, look: Seen, *, idle: float = 0.0, policy: Policy | None = POLICY) -> tuple[Run, Command | None]:
    after, command = decide(before, look, at(idle=idle), policy, ORIGIN)
    assert after.phase is before.phase or (before.phase, after.phase) in EDGES
    return after, command


def cancelled(look: Seen) -> Seen:
    return replace(look, cancelled=True)


@pytest.mark.parametrize("look", [seen(detached()), seen(attached()), BLIND, Seen()])
@pytest.mark.parametrize("policy", [POLICY, None])
def test_a_run_that_waits_ends_at_once(look: Seen, policy: Policy | None) -> None:
    after, command = step(run(), cancelled(look), policy=policy)
    assert (after.phase, after.outcome, command) == (Phase.FINISHED, Outcome.CANCELLED, None)
    assert (after.reason, after.cancelled) == ("cancelled by an operator", True)


@pytest.mark.parametrize("phase", [Phase.ATTACHING, Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP])
@pytest.mark.parametrize("look", [seen(ours()), BLIND], ids=["seen", "blind"])
def test_a_run_that_holds_its_volume_gives_it_back(phase: Phase, look: Seen) -> None:
    after, command = step(run(phase), cancelled(look))
    assert (after.phase, after.outcome, command) == (Phase.DETACHING, Outcome.CANCELLED, Detach(ticket=MINE))
    assert not after.drop_backup, "none was asked for"


def test_what_was_written_down_is_obeyed_after_a_crash() -> None:
    assert step(run(Phase.INSPECTING, cancelled=True), seen(ours()))[0].outcome is Outcome.CANCELLED


def test_a_snapshot_that_longhorn_has_begun_is_waited_for() -> None:
    begun = seen(ours(), snapshot=SnapshotReadiness(ready=False))
    after, command = step(run(Phase.SNAPSHOTTING), cancelled(begun))
    assert (after.phase, after.cancelled, command) == (Phase.SNAPSHOTTING, True, None)
    ready = seen(ours(), snapshot=SnapshotReadiness(ready=True, created=T0))
    assert step(after, ready)[0].outcome is Outcome.CANCELLED


def test_a_backup_that_runs_is_deleted_once_our_ticket_is_withdrawn() -> None:
    after, command = step(RUNNING, cancelled(seen(ours(backups=(ENTRY,)))))
    assert (after.phase, after.outcome, after.drop_backup) == (Phase.DETACHING, Outcome.CANCELLED, True)
    assert command == Detach(ticket=MINE)
    assert step(after, seen(attached(), backups=(UNFINISHED,)))[1] == DropBackup(backup="backup-1")


def test_a_backup_of_a_volume_that_others_have_attached_is_deleted_too() -> None:
    live = replace(RUNNING, ticket="")
    after, command = step(live, cancelled(seen(attached(backups=(ENTRY,)))))
    assert (after.phase, command) == (Phase.DETACHING, None)
    assert step(after, seen(attached(), backups=(UNFINISHED,)))[1] == DropBackup(backup="backup-1")


def test_a_backup_that_was_not_seen_is_not_deleted_before_it_is() -> None:
    after, command = step(RUNNING, cancelled(BLIND))
    assert (after.drop_backup, command) == (True, Detach(ticket=MINE))
    assert step(after, seen(detached(), backups=(UNFINISHED,)))[1] == DropBackup(backup="backup-1")


def test_a_backup_that_is_completed_by_then_stays() -> None:
    done = backup(snapshot="lhbackupd-r1", labels=made(run_id="r1"))
    look = cancelled(seen(ours(), backups=(done,)))
    assert step(RUNNING, look)[0].outcome is Outcome.COMPLETED
    leaving, _ = step(RUNNING, cancelled(seen(ours(backups=(ENTRY,)))))
    after, command = step(leaving, seen(detached(), backups=(done,)))
    assert (after.outcome, after.drop_backup, command) == (Outcome.COMPLETED, False, None)


def test_a_request_for_a_backup_that_may_be_under_way_is_waited_for() -> None:
    nothing_yet = cancelled(seen(ours(), backups=()))
    after, command = step(ASKED, nothing_yet, idle=ASK_AGAIN - 1)
    assert (after.phase, command) == (Phase.BACKING_UP, None)
    after, command = step(after, nothing_yet, idle=ASK_AGAIN)
    assert (after.outcome, after.drop_backup, command) == (Outcome.CANCELLED, True, Detach(ticket=MINE))


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.YIELDED, Outcome.INTERRUPTED])
def test_a_run_that_is_on_its_way_out_keeps_its_outcome_and_has_no_successor(outcome: Outcome) -> None:
    leaving = run(Phase.DETACHING, outcome=outcome, reason="why", can_pass=True)
    assert successor(leaving, at(), Retry(), None) is not None
    after, _ = step(leaving, cancelled(seen(detached())))
    assert (after.phase, after.outcome, after.reason) == (Phase.FINISHED, outcome, "why")
    assert successor(after, at(), Retry(), None) is None


def test_a_cancelled_run_has_no_successor() -> None:
    after, _ = step(run(), cancelled(seen(detached())))
    assert successor(after, at(), Retry(), None) is None


def test_the_next_attempt_of_what_a_person_asked_for_is_still_that() -> None:
    failed = run(Phase.FINISHED, outcome=Outcome.FAILED, can_pass=True, manual=True)
    follows = successor(failed, at(), Retry(), None)
    assert follows is not None
    assert follows.manual


PAUSED = "policy nightly is paused"


@pytest.mark.parametrize("volume", [detached(), attached(), detached(standby=True)])
def test_a_run_of_a_paused_policy_waits_and_says_why(volume: object) -> None:
    after, command = step(run(), seen(volume, paused=PAUSED))  # type: ignore[arg-type]
    assert (after.phase, after.reason, command) == (Phase.QUEUED, f"waits: {PAUSED}", None)


def test_a_run_of_a_paused_policy_that_has_begun_goes_on() -> None:
    after, _ = step(run(Phase.ATTACHING), seen(ours(), paused=PAUSED))
    assert after.phase is Phase.INSPECTING
    done = backup(snapshot="lhbackupd-r1", labels=made(run_id="r1"))
    assert step(RUNNING, seen(ours(ticket()), backups=(done,), paused=PAUSED))[0].outcome is Outcome.COMPLETED


def test_a_run_of_a_paused_policy_can_be_cancelled_and_ends_with_its_volume() -> None:
    assert step(run(), cancelled(seen(detached(), paused=PAUSED)))[0].outcome is Outcome.CANCELLED
    assert step(run(), Seen(paused=PAUSED))[0].outcome is Outcome.GONE


def test_somebody_elses_backup_of_the_same_snapshot_is_not_dropped_with_ours() -> None:
    """While they run their labels are not shown: once ours is known by name, no other is taken for it."""
    leaving = replace(RUNNING, phase=Phase.DETACHING, outcome=Outcome.CANCELLED, drop_backup=True)
    other = backup(name="backup-2", state="InProgress", snapshot="lhbackupd-r1", labels={})
    assert step(leaving, seen(detached(), backups=(other,)))[1] is None
