"""Workloads that ask for a volume that we hold, tickets that are renewed, volumes that are given back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lhbackupd.core.cluster import BackupProgress, Fault, FaultKind, Pod, Ticket, Volume
from lhbackupd.core.commands import Attach, Command, Detach, DropBackup, Seen
from lhbackupd.core.holding import ASK_AGAIN
from lhbackupd.core.machine import decide
from lhbackupd.core.model import Origin, Outcome, Phase, Policy, Run
from lhbackupd.core.naming import TicketName

from .examples import (
    ORIGIN,
    POLICY,
    T0,
    TWIN,
    at,
    attached,
    backup,
    detached,
    made,
    ours,
    pod_ticket,
    run,
    seen,
    ticket,
)

DOWN = Fault(FaultKind.UNREACHABLE, "connection refused")
MINE = run(Phase.ATTACHING).ticket
FINISH, YIELD = (replace(POLICY, give_way_after=seconds) for seconds in (None, 0.0))
WAITS = pod_ticket(satisfied=False)
HOLDING = [Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP]


def step(
    before: Run, look: Seen, *, idle: float = 0.0, seconds: float = 0.0, policy: Policy | None = POLICY
) -> tuple[Run, Command | None]:
    return decide(before, look, at(seconds, idle=idle), policy, ORIGIN)


def entry(state: str = "InProgress", name: str = "backup-1") -> BackupProgress:
    return BackupProgress(name=name, snapshot="lhbackupd-r1", state=state, progress=10)


def running(**changes: object) -> Run:
    known: dict[str, object] = {"backup": "backup-1", "asked_at": T0, "entered": {"backing-up": T0}}
    return run(Phase.BACKING_UP, **(known | changes))


def leaving(**changes: object) -> Run:
    return run(Phase.DETACHING, **({"outcome": Outcome.FAILED, "snapshot": "lhbackupd-r1"} | changes))


def its(**changes: object) -> Ticket:
    """Longhorn's own ticket for our backup."""
    return ticket(**({"id": "backup-controller-backup-1", "kind": "backup-controller"} | changes))


# Workloads


def test_a_workload_that_asks_is_noted_by_its_pod() -> None:
    pods = (Pod(name="old", status="Running"), Pod(name="db-0", status="Pending"))
    look = seen(ours(WAITS, pods=pods, pvc="data", pvc_namespace="shop", backups=(entry(),)))
    after, _ = step(running(), look, seconds=7, policy=FINISH)
    assert (after.waiter, after.waiting_since) == ("pod shop/db-0", at(7).wall)


@pytest.mark.parametrize(
    ("more", "waiter"),
    [
        ({"pods": (Pod(name="db-0", status="Running"),), "pvc_namespace": "shop"}, "pod shop/db-0"),
        ({"pvc": "data", "pvc_namespace": "shop"}, "a workload of PVC shop/data"),
        ({}, "ticket csi-1 on node-2"),
    ],
)
def test_a_workload_without_a_waiting_pod_is_named_by_what_is_known(more: dict[str, object], waiter: str) -> None:
    after, _ = step(running(), seen(ours(WAITS, backups=(entry(),), **more)), policy=FINISH)
    assert after.waiter == waiter


def test_the_wait_ends_when_the_ticket_is_gone_and_waits_add_up() -> None:
    before = running(waiting_since=at(10).wall, waiter="pod shop/db-0", waited=5.0)
    after, _ = step(before, seen(ours(backups=(entry(),))), seconds=30)
    assert (after.waited, after.waiting_since, after.waiter) == (25.0, None, "pod shop/db-0")


def test_a_look_that_failed_says_nothing_about_waits() -> None:
    before = running(waiting_since=T0, waiter="pod shop/db-0")
    after, _ = step(before, Seen(fault=DOWN), seconds=30, policy=FINISH)
    assert (after.waiting_since, after.waited) == (T0, 0.0)


def test_a_wait_that_began_later_than_now_begins_now() -> None:
    before = running(waiting_since=at(3600).wall, waiter="pod shop/db-0")
    after, _ = step(before, seen(ours(WAITS, backups=(entry(),)), remaining=10.0))
    assert after.waiting_since == T0


def test_nobody_waits_for_us_where_we_hold_nothing() -> None:
    attached_run = running(ticket="")
    after, _ = step(attached_run, seen(attached(WAITS, backups=(entry(),))))
    assert after.waiting_since is None


def test_a_workload_behind_longhorns_ticket_for_our_backup_waits_for_us() -> None:
    after, _ = step(running(), seen(attached(its(), WAITS, backups=(entry(),))), policy=FINISH)
    assert after.waiting_since == T0


@pytest.mark.parametrize("phase", HOLDING)
def test_under_yield_the_volume_is_left_at_once_and_the_run_queued_again(phase: Phase) -> None:
    after, command = step(run(phase), seen(ours(WAITS)), policy=YIELD)
    assert (after.phase, after.outcome, after.can_pass) == (Phase.DETACHING, Outcome.YIELDED, True)
    assert after.reason == "left to ticket csi-1 on node-2, which waits for the volume"
    assert command == Detach(ticket=MINE)
    assert after.drop_backup is (phase is Phase.BACKING_UP)


@pytest.mark.parametrize("state", ["InProgress", "Completed", "Error"])
def test_a_backup_seen_running_may_be_over_once_our_ticket_is_withdrawn_and_is_not_deleted_with_it(state: str) -> None:
    after, command = step(running(), seen(ours(WAITS, backups=(entry(state),))), policy=YIELD)
    assert (after.outcome, after.drop_backup) == (Outcome.YIELDED, True)
    assert command == Detach(ticket=MINE)


@pytest.mark.parametrize(
    ("waited", "remaining", "gives_way"),
    [(0, 100.0, False), (0, 300.0, False), (0, 301.0, True), (0, None, True), (250, 60.0, True), (300, 0.0, True)],
)
def test_finish_within_goes_on_only_if_it_will_be_over_in_time(
    waited: float, remaining: float | None, gives_way: bool
) -> None:
    before = running(waiting_since=T0, waiter="pod shop/db-0")
    after, _ = step(before, seen(ours(WAITS, backups=(entry(),)), remaining=remaining), seconds=waited)
    assert (after.outcome is Outcome.YIELDED) is gives_way


def test_finish_lets_it_wait() -> None:
    before = running(waiting_since=T0, waiter="pod shop/db-0")
    after, _ = step(before, seen(ours(WAITS, backups=(entry(),))), seconds=800, policy=FINISH)
    assert after.phase is Phase.BACKING_UP


# Renewal

DEADLINE = TicketName.parse(MINE).deadline  # type: ignore[union-attr]  # it is one of ours
SOON = (DEADLINE - T0).total_seconds() - 300
LATER = str(replace(TicketName.parse(MINE), deadline=at(SOON).wall + ORIGIN.lease))  # type: ignore[type-var]


def renewing(**changes: object) -> Run:
    return running(**({"ticket": LATER, "former": MINE} | changes))


def look(*tickets: Ticket) -> Seen:
    return seen(attached(*tickets, backups=(entry(),), frontend_disabled=True))


def test_a_ticket_near_its_deadline_is_renewed_on_its_node_before_the_old_one_goes() -> None:
    after, command = step(running(), look(ticket(node="node-2")), seconds=SOON)
    assert (after.ticket, after.former) == (LATER, MINE)
    assert command == Attach(node="node-2", ticket=LATER)


def test_before_that_nothing_is_renewed() -> None:
    after, command = step(running(), look(ticket()), seconds=SOON - 1)
    assert (after.former, command) == ("", None)


def test_a_deadline_too_far_away_is_renewed_as_well() -> None:
    after, command = step(running(), look(ticket()), seconds=-3600)
    assert after.former == MINE
    assert isinstance(command, Attach)


def test_the_old_ticket_goes_once_the_new_one_holds_the_volume() -> None:
    both = look(ticket(), ticket(id=LATER))
    assert step(renewing(), both, seconds=SOON) == (replace(renewing(), reason="waits for backup backup-1, at 10 %",
                                                            progress=10), Detach(ticket=MINE))  # fmt: skip


def test_until_then_it_stays() -> None:
    after, command = step(renewing(), look(ticket(), ticket(id=LATER, satisfied=False)), seconds=SOON)
    assert (after.former, command) == (MINE, None)


def test_a_new_ticket_that_was_not_heard_is_asked_for_again() -> None:
    after, command = step(renewing(), look(ticket(node="node-2")), seconds=SOON)
    assert (after.former, command) == (MINE, Attach(node="node-2", ticket=LATER))


def test_the_renewal_is_over_when_the_old_ticket_is_gone() -> None:
    after, command = step(renewing(), look(ticket(id=LATER)), seconds=SOON)
    assert (after.former, command) == ("", None)


def test_both_tickets_are_withdrawn_in_the_end() -> None:
    before = leaving(ticket=LATER, former=MINE)
    _, first = step(before, look(ticket(satisfied=False), ticket(id=LATER)))
    _, second = step(before, look(ticket()))
    assert (first, second) == (Detach(ticket=LATER), Detach(ticket=MINE))


def test_a_run_without_a_ticket_of_ours_there_renews_nothing() -> None:
    gone = running(ticket="something else")
    after, command = step(gone, look(its(), ticket(id="something else")), seconds=SOON)
    assert (after.former, command) == ("", None)
    assert step(running(), Seen(fault=DOWN), seconds=SOON)[1] is None
    assert step(running(), look(its()), seconds=SOON)[1] is None


# Handing over


def test_under_yield_the_ticket_is_given_back_once_longhorns_own_holds_the_volume() -> None:
    _, command = step(running(), look(ticket(), its()), policy=YIELD)
    assert command == Detach(ticket=MINE)


@pytest.mark.parametrize("tickets", [(ticket(),), (ticket(), its(satisfied=False)), (its(),)])
def test_without_it_or_without_ours_there_is_nothing_to_hand_over(tickets: tuple[Ticket, ...]) -> None:
    assert step(running(), look(*tickets), policy=YIELD)[1] is None


@pytest.mark.parametrize("policy", [POLICY, FINISH, None])
def test_otherwise_it_stays_until_the_backup_is_completed(policy: Policy | None) -> None:
    assert step(running(), look(ticket(), its()), policy=policy)[1] is None


def test_a_daemon_that_stops_hands_over_and_does_not_wait_for_ever() -> None:
    stopping = replace(look(ticket()), stopping=True)
    assert step(running(), stopping, idle=1)[1] is None
    assert step(running(), stopping, idle=ASK_AGAIN)[1] == Detach(ticket=MINE)
    assert step(running(), replace(look(ticket(), its()), stopping=True))[1] == Detach(ticket=MINE)


def test_a_look_that_failed_hands_nothing_over() -> None:
    assert step(running(), Seen(fault=DOWN, stopping=True), idle=60)[1] is None


# Giving back


def test_a_ticket_is_withdrawn_until_it_is_gone_and_the_run_is_stuck_after_a_while() -> None:
    after, command = step(leaving(), seen(ours()), idle=300)
    assert (after.stuck, command) == (False, Detach(ticket=MINE))
    after, command = step(leaving(), seen(ours()), idle=301)
    assert (after.stuck, command) == (True, Detach(ticket=MINE))
    assert step(after, Seen(fault=DOWN), idle=90_000) == (after, Detach(ticket=MINE))


def test_a_volume_that_is_gone_needs_no_giving_back() -> None:
    assert step(leaving(), Seen())[0].finished


def dropping(**changes: object) -> Run:
    return leaving(**({"drop_backup": True, "asked_at": T0, "backup": "backup-1"} | changes))


def test_a_backup_is_not_dropped_before_the_list_was_read() -> None:
    before = dropping()
    assert step(before, seen(attached(its()))) == (before, None)


def test_our_unfinished_backup_is_dropped_found_by_its_snapshot() -> None:
    listed = (
        backup("theirs", "s1", state="InProgress", labels={}),
        backup("mine", "lhbackupd-r1", state="New", labels={}),
    )
    found = step(dropping(backup=""), seen(attached(its()), backups=listed))
    assert found == (dropping(backup="mine"), None)
    assert step(found[0], seen(attached(its()), backups=listed)) == (found[0], DropBackup(backup="mine"))


def test_of_two_running_backups_of_our_snapshot_none_is_dropped_because_nobody_can_say_which_is_ours() -> None:
    listed = tuple(backup(name, "lhbackupd-r1", state="InProgress", labels={}) for name in ("mine", "theirs"))
    after, command = step(dropping(backup=""), seen(attached(its()), backups=listed))
    assert (after.finished, command) == (True, None)


def test_of_two_running_backups_of_our_snapshot_the_one_known_to_be_ours_is_dropped_and_then_no_other() -> None:
    mine, theirs = (backup(name, "lhbackupd-r1", state="InProgress", labels={}) for name in ("mine", "theirs"))
    before = dropping(backup="mine")
    assert step(before, seen(attached(its()), backups=(mine, theirs))) == (before, DropBackup(backup="mine"))
    after, command = step(before, seen(attached(its()), backups=(theirs,)))
    assert (after.finished, command) == (True, None)


@pytest.mark.parametrize(
    "other",
    [
        backup("old", "lhbackupd-r1", state="InProgress", labels={}),
        backup("labelled", "lhbackupd-r1", state="InProgress", labels=made(run_id="r0")),
        backup("twin", "lhbackupd-r1", state="InProgress", labels=made(run_id="r7", origin=TWIN)),
    ],
)
def test_others_backups_of_our_snapshot_are_not_dropped(other: object) -> None:
    before = dropping(known_backups=("old",), backup="")
    after, command = step(before, seen(detached(), backups=(other,)))
    assert (after.finished, command) == (True, None)


def test_a_backup_that_was_never_asked_for_is_nobodys() -> None:
    listed = (backup("theirs", "lhbackupd-r1", state="InProgress", labels={}),)
    after, command = step(dropping(asked_at=None, backup=""), seen(detached(), backups=listed))
    assert (after.finished, command) == (True, None)


def test_a_backup_that_is_completed_by_then_stays_and_the_run_says_so() -> None:
    done = backup("backup-1", "lhbackupd-r1", labels=made(run_id="r1"))
    after, command = step(dropping(outcome=Outcome.YIELDED), seen(attached(its()), backups=(done,)))
    assert (after.outcome, after.drop_backup, after.protected_until, command) == (
        Outcome.COMPLETED,
        False,
        done.snapshot_created,
        None,
    )


@pytest.mark.parametrize(
    ("volume", "idle", "over"),
    [
        (detached(), 0, True),
        (attached(its()), 0, False),
        (attached(its()), 301, True),
        (attached(ticket(id="snapshot-controller-lhbackupd-r1", kind="snapshot-controller")), 0, False),
        (attached(its(), pod_ticket()), 0, True),
        (detached(state="detaching"), 0, False),
    ],
)
def test_a_run_is_over_when_its_volume_is_detached_or_somebody_elses(volume: Volume, idle: float, over: bool) -> None:
    after, command = step(leaving(backup="backup-1"), seen(volume), idle=idle)
    assert (after.finished, command) == (over, None)


def test_leases_last_as_long_as_the_origin_says() -> None:
    short = replace(ORIGIN, lease=timedelta(minutes=3))
    name = TicketName.parse(MINE)
    assert name is not None
    holder = running(ticket=str(replace(name, deadline=at(180).wall)))
    held = look(ticket(id=holder.ticket))
    assert decide(holder, held, at(119), POLICY, short)[1] is None
    after, command = decide(holder, held, at(120), POLICY, short)
    assert isinstance(command, Attach)
    assert after.ticket.endswith("T020500Z")


@pytest.mark.parametrize("origin", [ORIGIN, TWIN])
def test_a_volume_that_a_ticket_of_ours_from_before_holds_is_not_taken_for_attached_by_others(origin: Origin) -> None:
    stale = TicketName(instance=origin.instance, journal=origin.journal, run="r0", deadline=T0)
    after, command = step(run(), seen(attached(ticket(id=str(stale)))))
    assert (after.phase, command) == (Phase.QUEUED, None)
    assert after.reason == "waits until the volume has settled: the ticket of run r0 is still there"


def test_a_ticket_of_another_instance_is_anybodys() -> None:
    foreign = TicketName(instance="elsewhere", journal="j0urnal", run="r0", deadline=T0)
    assert step(run(), seen(attached(ticket(id=str(foreign)))))[0].phase is Phase.INSPECTING
