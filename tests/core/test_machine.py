"""Every phase of a run: what is seen, and what is decided on it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from lhbackupd.core.admission import Slot
from lhbackupd.core.cluster import (
    Backup,
    BackupProgress,
    Chain,
    Engine,
    Fault,
    FaultKind,
    Pod,
    Setting,
    SnapshotReadiness,
    Target,
    Ticket,
    Volume,
)
from lhbackupd.core.commands import AskBackup, Attach, Command, CreateSnapshot, Detach, Seen, View
from lhbackupd.core.holding import ASK_AGAIN
from lhbackupd.core.machine import EDGES, decide, views
from lhbackupd.core.model import Detached, Outcome, Phase, Policy, Run
from lhbackupd.core.naming import TicketName

from .examples import (
    KIB4,
    ORIGIN,
    POLICY,
    T0,
    at,
    attached,
    backup,
    chain,
    detached,
    made,
    ours,
    pod_ticket,
    run,
    seen,
    ticket,
)

DOWN = Fault(FaultKind.UNREACHABLE, "connection refused")
CUT = Fault(FaultKind.UNREACHABLE, "timed out", ambiguous=True)
NO = Fault(FaultKind.REFUSED, "500: node not ready")
BLIND = Seen(fault=DOWN)
GONE = Seen()
MINE = run(Phase.ATTACHING).ticket

HOLDING = [Phase.ATTACHING, Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP]


def step(
    before: Run, look: Seen, *, idle: float = 0.0, seconds: float = 0.0, policy: Policy | None = POLICY
) -> tuple[Run, Command | None]:
    after, command = decide(before, look, at(seconds, idle=idle), policy, ORIGIN)
    assert after.phase is before.phase or (before.phase, after.phase) in EDGES
    return after, command


def backing_up(**changes: object) -> Run:
    return run(Phase.BACKING_UP, **({"entered": {"backing-up": T0}} | changes))


def asked(**changes: object) -> Run:
    return backing_up(**({"asked_at": T0} | changes))


def running(**changes: object) -> Run:
    return asked(**({"backup": "backup-1"} | changes))


def entry(name: str = "backup-1", state: str = "InProgress", progress: int = 10, error: str = "") -> BackupProgress:
    return BackupProgress(name=name, snapshot="lhbackupd-r1", state=state, progress=progress, error=error)


def mine(state: str = "Completed", **changes: object) -> Backup:
    """The backup of the run under test, as the backup volume lists it."""
    labels = made(run_id="r1") if state == "Completed" else {}
    known: dict[str, object] = {"snapshot": "lhbackupd-r1", "state": state, "labels": labels, "age": -30}
    return backup(**(known | changes))  # type: ignore[arg-type]  # a test's shorthand


# QUEUED


def test_a_queued_run_with_a_slot_asks_for_the_detached_volume() -> None:
    after, command = step(run(), seen(detached()))
    assert (after.phase, after.node, after.target, after.started_at) == (Phase.ATTACHING, "node-1", "default", T0)
    assert command == Attach(node="node-1", ticket=after.ticket)
    name = TicketName(instance="lhbackupd", journal="j0urnal", run="r1", deadline=T0 + ORIGIN.lease)
    assert TicketName.parse(after.ticket) == name


def test_a_queued_run_of_an_attached_volume_attaches_nothing() -> None:
    after, command = step(run(), seen(attached()))
    assert (after.phase, after.ticket, after.node, command) == (Phase.INSPECTING, "", "node-1", None)


def test_a_queued_run_without_a_slot_waits() -> None:
    assert step(run(), seen(detached(), slot=None)) == (run(), None)


def test_a_queued_run_waits_while_the_daemon_stops() -> None:
    assert step(run(), seen(detached(), stopping=True)) == (run(), None)


def test_a_slot_on_another_node_than_the_engines_is_no_leave_to_start() -> None:
    moved = attached(engines=(Engine(node="node-2", running=True),))
    after, command = step(run(), seen(moved, places=("node-2",)))
    assert (after.phase, command) == (Phase.QUEUED, None)
    assert after.reason == "waits for a place on node-2, where it is attached by now"
    assert step(run(), seen(moved, slot=Slot(node="", target="")))[0].phase is Phase.INSPECTING  # as the lobby asks


def test_a_slot_on_another_node_than_the_best_ones_for_a_volume_detached_by_now_is_no_leave_to_start() -> None:
    after, command = step(run(), seen(detached(), places=("node-2", "node-3")))
    assert (after.phase, command) == (Phase.QUEUED, None)
    assert after.reason == "waits for a place on node-2 or node-3, now that it is detached"
    after, _ = step(run(), seen(detached(), places=()))
    assert after.reason == "waits for a place on a node that is Ready, now that it is detached"
    assert step(run(), seen(detached(), places=("node-1", "node-2")))[0].phase is Phase.ATTACHING


def test_a_queued_run_of_a_policy_or_volume_that_is_gone_ends() -> None:
    for look, policy in ((seen(detached()), None), (GONE, POLICY)):
        after, command = step(run(), look, policy=policy)
        assert (after.phase, after.outcome, after.finished_at, command) == (Phase.FINISHED, Outcome.GONE, T0, None)


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (BLIND, "connection refused"),
        (seen(detached(state="detaching")), "it is detaching"),
        (seen(detached(state="")), "it is new"),
        (seen(detached(tickets=(pod_ticket(satisfied=False),))), "wanted by csi-attacher ticket csi-1 on node-2"),
        (seen(attached(engines=(Engine(node="node-1", running=False),))), "it is attached"),
        (seen(detached(), setting=Setting.UNREAD), "can be read"),
        (seen(attached(backups=(entry("theirs"),))), "waits for backup theirs"),
        (seen(detached(), target=Target(name="s3", available=False, message="no route")), "s3 is not available: no"),
        (seen(attached(), target=Target(name="s3", available=False)), "s3 is not available"),
    ],
)
def test_a_queued_run_waits_and_says_for_what(look: Seen, words: str) -> None:
    after, command = step(run(), look)
    assert (after.phase, command) == (Phase.QUEUED, None)
    assert words in after.reason


def test_a_backup_that_has_ended_is_not_waited_for() -> None:
    done = (entry("a", "Completed"), entry("b", "Error"))
    assert step(run(), seen(attached(backups=done)))[0].phase is Phase.INSPECTING


@pytest.mark.parametrize("setting", [Setting.FORBIDDEN, Setting.ABSENT])
def test_a_detached_volume_is_suspended_unless_the_setting_allows(setting: Setting) -> None:
    after, command = step(run(), seen(detached(), setting=setting))
    assert (after.phase, after.outcome, command) == (Phase.FINISHED, Outcome.SUSPENDED, None)
    assert step(run(), seen(attached(), setting=setting))[0].phase is Phase.INSPECTING


def test_a_policy_may_override_the_setting() -> None:
    always, never = (replace(POLICY, detached=how) for how in (Detached.ALWAYS, Detached.NEVER))
    assert step(run(), seen(detached(), setting=Setting.UNREAD), policy=always)[0].phase is Phase.ATTACHING
    assert step(run(), seen(detached()), policy=never)[0].outcome is Outcome.SUSPENDED


def test_a_volume_that_must_not_be_touched_is_refused() -> None:
    after, command = step(run(), seen(detached(restoring=True)))
    assert (after.phase, after.outcome, after.can_pass, command) == (Phase.FINISHED, Outcome.REFUSED, True, None)
    assert step(run(), seen(attached(standby=True)))[0].can_pass is False


# ATTACHING


def test_attached_is_when_our_own_ticket_is_satisfied_and_the_engine_runs() -> None:
    after, command = step(run(Phase.ATTACHING), seen(ours()))
    assert (after.phase, command) == (Phase.INSPECTING, None)


@pytest.mark.parametrize(
    "volume",
    [
        attached(ticket(satisfied=False)),
        ours(state="attaching"),
        ours(engines=(Engine(node="node-1", running=False),)),
        detached(tickets=(ticket(satisfied=False, message="node is down"),)),
    ],
)
def test_anything_less_is_not_attached(volume: Volume) -> None:
    after, command = step(run(Phase.ATTACHING), seen(volume))
    assert (after.phase, command) == (Phase.ATTACHING, None)
    assert after.reason.startswith("waits for the volume to be attached to node-1")


def test_what_longhorn_says_of_our_ticket_is_passed_on() -> None:
    after, _ = step(run(Phase.ATTACHING), seen(detached(tickets=(ticket(satisfied=False, message="node is down"),))))
    assert after.reason.endswith("node is down")


def test_a_ticket_that_longhorn_does_not_show_is_asked_for_again() -> None:
    after, command = step(run(Phase.ATTACHING), seen(detached()))
    assert after.phase is Phase.ATTACHING
    assert command == Attach(node="node-1", ticket=MINE)


@pytest.mark.parametrize(
    ("look", "outcome"),
    [
        (seen(detached(standby=True)), Outcome.REFUSED),
        (seen(detached(), setting=Setting.FORBIDDEN), Outcome.SUSPENDED),
        (seen(detached(state="detaching")), None),
        (seen(replace(attached(), tickets=())), None),
        (seen(detached(), setting=Setting.UNREAD), None),
        (seen(detached(), target=Target(name="s3", available=False)), None),
    ],
)
def test_a_volume_is_not_asked_for_again_once_it_may_not_be_attached(look: Seen, outcome: Outcome | None) -> None:
    after, command = step(run(Phase.ATTACHING), look)
    assert after.outcome is outcome
    assert not isinstance(command, Attach)
    late, command = step(run(Phase.ATTACHING), look, idle=301)
    assert (late.phase, command) == (Phase.DETACHING, Detach(ticket=MINE))


@pytest.mark.parametrize(
    "rival",
    [
        pod_ticket(satisfied=False),
        pod_ticket(kind="share-manager-controller", satisfied=False),
        ticket(id="ui", node="node-2"),
        ticket(id="backup-controller-b", kind="backup-controller"),
    ],
)
def test_a_volume_that_somebody_else_has_or_a_workload_wants_is_left_to_them(rival: Ticket) -> None:
    after, command = step(run(Phase.ATTACHING), seen(detached(tickets=(ticket(satisfied=False), rival))))
    assert (after.phase, after.outcome, after.can_pass) == (Phase.DETACHING, Outcome.YIELDED, True)
    assert command == Detach(ticket=MINE)
    assert rival.id in after.reason


def test_somebody_elses_wish_that_is_no_workloads_is_no_reason_to_leave() -> None:
    wish = ticket(id="ui", node="node-2", satisfied=False)
    assert step(run(Phase.ATTACHING), seen(detached(tickets=(ticket(satisfied=False), wish))))[0].outcome is None


def test_an_attach_that_longhorn_refuses_fails_and_may_be_tried_again() -> None:
    after, command = step(run(Phase.ATTACHING), seen(detached(), answer=NO))
    assert (after.outcome, after.can_pass, after.reason) == (Outcome.FAILED, True, NO.text)
    assert command == Detach(ticket=MINE)


def test_an_attach_that_did_not_get_through_is_asked_again() -> None:
    for answer in (DOWN, CUT):
        assert isinstance(step(run(Phase.ATTACHING), seen(detached(), answer=answer))[1], Attach)


# what all phases share that hold the volume


@pytest.mark.parametrize("phase", HOLDING)
def test_every_phase_has_its_patience(phase: Phase) -> None:
    limit = getattr(POLICY.patience, {"attaching": "attach", "inspecting": "inspect", "snapshotting": "snapshot"}.get(
        phase, "backup"
    ))  # fmt: skip
    waits, command = step(run(phase), BLIND, idle=limit)
    assert (waits.phase, command) == (phase, None)
    assert "connection refused" in waits.reason
    leaves, command = step(run(phase), BLIND, idle=limit + 1)
    assert (leaves.outcome, leaves.can_pass, command) == (Outcome.FAILED, True, Detach(ticket=MINE))
    assert f"waited {limit:.0f} s" in leaves.reason


@pytest.mark.parametrize("phase", HOLDING)
def test_a_deleted_volume_ends_the_run(phase: Phase) -> None:
    after, command = step(run(phase), GONE)
    assert (after.phase, after.outcome, command) == (Phase.DETACHING, Outcome.GONE, Detach(ticket=MINE))


@pytest.mark.parametrize("phase", HOLDING)
@pytest.mark.parametrize(
    ("look", "policy", "outcome"),
    [
        (seen(ours(), stopping=True), POLICY, Outcome.INTERRUPTED),
        (seen(ours(), journal_down=True), POLICY, Outcome.INTERRUPTED),
        (seen(ours()), None, Outcome.GONE),
    ],
)
def test_before_its_backup_is_asked_for_a_run_gives_the_volume_back(
    phase: Phase, look: Seen, policy: Policy | None, outcome: Outcome
) -> None:
    after, command = step(run(phase), replace(look, backups=()), policy=policy)
    assert (after.phase, after.outcome, command) == (Phase.DETACHING, outcome, Detach(ticket=MINE))


@pytest.mark.parametrize("phase", HOLDING[1:])
def test_a_ticket_that_somebody_else_removed_ends_the_run(phase: Phase) -> None:
    after, command = step(run(phase), seen(attached(), backups=(), chain=chain()))
    assert (after.outcome, after.can_pass, command) == (Outcome.FAILED, True, Detach(ticket=MINE))


@pytest.mark.parametrize("phase", HOLDING[1:])
def test_a_volume_that_somebody_else_got_instead_of_us_is_left_to_them(phase: Phase) -> None:
    volume = attached(ticket(satisfied=False), pod_ticket())
    after, command = step(run(phase), seen(volume, backups=(), chain=chain()))
    assert (after.outcome, after.can_pass, command) == (Outcome.YIELDED, True, Detach(ticket=MINE))


@pytest.mark.parametrize("phase", HOLDING[1:])
def test_a_volume_that_others_had_attached_and_that_is_detached_ends_the_run_at_once(phase: Phase) -> None:
    after, command = step(run(phase, ticket=""), seen(detached(), backups=()))
    assert (after.phase, after.outcome, after.can_pass, command) == (
        Phase.FINISHED,
        Outcome.INTERRUPTED,
        True,
        None,
    )


@pytest.mark.parametrize("phase", HOLDING[1:])
@pytest.mark.parametrize("volume", [detached(tickets=(ticket(satisfied=False),)), attached(ticket(satisfied=False))])
def test_nothing_is_made_while_the_engine_or_our_ticket_is_not_there(phase: Phase, volume: Volume) -> None:
    after, command = step(run(phase), seen(volume, chain=chain(head=1), backups=(), answer=None))
    assert (after.phase, command) == (phase, None)


# INSPECTING


def inspecting(snapshots: Chain, backups: Iterable[Backup] = (), **changes: object) -> tuple[Run, Command | None]:
    look = seen(ours(), chain=snapshots, backups=tuple(backups), **changes)
    return step(run(Phase.INSPECTING), look, seconds=60)


def test_new_data_is_snapshotted_and_stale_snapshots_are_asked_to_go() -> None:
    stale = replace(chain(("lhbackupd-r0", 0)).snapshots["lhbackupd-r0"], labels=made())
    after, command = inspecting(chain(stale, head=KIB4))
    assert (after.phase, after.new_bytes) == (Phase.SNAPSHOTTING, KIB4)
    assert (after.snapshot, after.own_snapshot) == ("lhbackupd-r1", True)
    assert command == CreateSnapshot(name="lhbackupd-r1", labels=made(run_id="r1"), delete=("lhbackupd-r0",))


def test_a_snapshot_that_holds_all_is_backed_up_as_it_is() -> None:
    theirs = backup("theirs", "s2", labels={"RecurringJob": "native"})
    after, command = inspecting(chain(("s2", KIB4)), [theirs])
    assert (after.phase, after.snapshot, after.own_snapshot, command) == (Phase.BACKING_UP, "s2", False, None)


def test_an_unchanged_volume_is_protected_as_of_the_look_and_given_back() -> None:
    after, command = inspecting(chain(("s1", KIB4)), [backup()])
    assert (after.outcome, after.protected_until, after.new_bytes) == (Outcome.UNCHANGED, at(60).wall, 0)
    assert (after.phase, command) == (Phase.DETACHING, Detach(ticket=MINE))


def test_below_the_threshold_nothing_more_is_called_protected() -> None:
    look = seen(ours(), chain=chain(("s1", 0), head=KIB4), backups=(backup(),))
    after, command = step(run(Phase.INSPECTING), look, policy=replace(POLICY, min_new_bytes=KIB4))
    assert (after.outcome, after.protected_until, after.new_bytes) == (Outcome.BELOW_THRESHOLD, None, KIB4)
    assert command == Detach(ticket=MINE)


@pytest.mark.parametrize(
    "unread",
    [{"chain": None}, {"backups": None}, {"chain": Chain({})}, {"chain": None, "backups": None, "fault": DOWN}],
)
def test_what_cannot_be_read_is_never_unchanged(unread: dict[str, object]) -> None:
    look = replace(seen(ours(), chain=chain(("s1", 0)), backups=(backup(),)), **unread)  # type: ignore[arg-type]
    after, command = step(run(Phase.INSPECTING), look)
    assert (after.phase, after.outcome, command) == (Phase.INSPECTING, None, None)
    assert step(run(Phase.INSPECTING), look, idle=301)[0].outcome is Outcome.FAILED


def test_a_backup_that_somebody_else_started_meanwhile_is_waited_for() -> None:
    look = seen(ours(backups=(entry("theirs"),)), chain=chain(head=1), backups=())
    after, command = step(run(Phase.INSPECTING), look, idle=301)
    assert (after.phase, command) == (Phase.INSPECTING, None)
    assert "theirs" in after.reason
    assert step(run(Phase.INSPECTING), look, idle=901)[0].outcome is Outcome.FAILED


def test_a_volume_in_use_is_backed_up_although_its_head_is_empty() -> None:
    look = seen(attached(), chain=chain(("s1", 0)), backups=(backup(),))
    after, command = step(run(Phase.INSPECTING, ticket=""), look)
    assert after.phase is Phase.SNAPSHOTTING
    assert isinstance(command, CreateSnapshot)


# SNAPSHOTTING


def snapshotting(**changes: object) -> tuple[Run, Command | None]:
    return step(run(Phase.SNAPSHOTTING), seen(ours(), **changes))


def test_a_ready_snapshot_leads_on_to_its_backup() -> None:
    after, command = snapshotting(snapshot=SnapshotReadiness(ready=True, created=T0))
    assert (after.phase, after.snapshot_holds, command) == (Phase.BACKING_UP, T0, None)


def test_a_snapshot_that_is_not_ready_is_waited_for_whatever_came_of_asking_twice() -> None:
    for answer in (None, NO, CUT):
        after, command = snapshotting(snapshot=SnapshotReadiness(ready=False), answer=answer)
        assert (after.phase, command) == (Phase.SNAPSHOTTING, None)


def test_a_snapshot_that_failed_fails_the_run_in_longhorns_words() -> None:
    after, command = snapshotting(snapshot=SnapshotReadiness(ready=False, error="no space"))
    assert (after.outcome, after.can_pass, command) == (Outcome.FAILED, True, Detach(ticket=MINE))
    assert after.reason.endswith("no space")


def test_a_snapshot_that_longhorn_does_not_know_is_asked_for_again() -> None:
    for answer in (None, DOWN, CUT):
        after, command = snapshotting(answer=answer)
        assert command == CreateSnapshot(name="lhbackupd-r1", labels=made(run_id="r1"))
        assert after.phase is Phase.SNAPSHOTTING


def test_a_snapshot_that_longhorn_refuses_fails_the_run() -> None:
    after, command = snapshotting(answer=NO)
    assert (after.outcome, after.reason, command) == (Outcome.FAILED, NO.text, Detach(ticket=MINE))


def test_a_snapshot_that_could_not_be_looked_up_is_not_made_again() -> None:
    assert snapshotting(fault=DOWN)[1] is None


# BACKING_UP, asking


def test_a_backup_is_never_asked_for_without_having_looked() -> None:
    assert step(backing_up(), seen(ours(), fault=DOWN)) [1] is None  # fmt: skip
    after, command = step(backing_up(), seen(ours(), backups=()))
    assert command == AskBackup(snapshot="lhbackupd-r1", labels=made(run_id="r1"))
    assert (after.asked_at, after.phase) == (T0, Phase.BACKING_UP)


def test_what_is_listed_before_we_asked_is_not_ours() -> None:
    theirs = replace(mine("Completed", name="theirs", labels={}), snapshot="s9")
    look = seen(ours(), backups=(theirs,), snapshot=SnapshotReadiness(ready=True, created=T0))
    after, command = step(backing_up(snapshot="s9", own_snapshot=False), look)
    assert (after.backup, after.known_backups) == ("", ("theirs",))
    assert isinstance(command, AskBackup)


def test_a_backup_of_a_reused_snapshot_is_not_asked_for_before_longhorn_knows_the_snapshot() -> None:
    """Longhorn refuses it until the engine's next poll (recording 204)."""
    reusing = backing_up(snapshot="s9", own_snapshot=False)
    assert views(reusing, ours()) == {View.BACKUPS, View.SNAPSHOT}
    after, command = step(reusing, seen(ours(), backups=()), idle=60, seconds=60)
    assert (after.phase, after.asked_at, command) == (Phase.BACKING_UP, None, None)
    assert after.reason == "waits for Longhorn to notice snapshot s9, which its engine has"
    after, command = step(after, seen(ours(), backups=()), idle=301, seconds=301)
    assert (after.phase, after.outcome, command) == (Phase.DETACHING, Outcome.FAILED, Detach(ticket=MINE))
    known = seen(ours(), backups=(), snapshot=SnapshotReadiness(ready=False, error="not attached"))
    after, command = step(reusing, known)
    assert isinstance(command, AskBackup)
    assert views(after, ours()) == {View.BACKUPS}, "it need not be looked at again"


def test_somebody_elses_running_backup_is_waited_for_before_asking() -> None:
    for look in (
        seen(ours(backups=(entry("theirs"),)), backups=()),
        seen(ours(), backups=(mine("Pending", name="theirs"),)),
    ):
        after, command = step(backing_up(), look)
        assert (after.asked_at, after.backup, command) == (None, "", None)
        assert "theirs" in after.reason


@pytest.mark.parametrize("state", ["", "New", "Pending", "InProgress", "Completed"])
def test_a_backup_of_our_snapshot_that_came_after_asking_is_ours(state: str) -> None:
    after, command = step(asked(), seen(ours(), backups=(mine(state),)))
    assert (after.backup, command) == ("backup-1", None)


def test_of_several_the_completed_one_counts_and_until_then_none_is_called_ours() -> None:
    failed, runs, done = mine("Error", name="f"), mine("InProgress", name="r", progress=30), mine("Completed", name="c")
    assert step(asked(), seen(ours(), backups=(failed, runs, done)))[0].backup == "c"
    after, command = step(asked(), seen(ours(), backups=(failed, runs)))
    assert (after.phase, after.backup, after.progress, command) == (Phase.BACKING_UP, "", 30, None)
    assert after.reason == "waits for backups f, r of snapshot lhbackupd-r1, one of which is ours"
    assert step(asked(), seen(ours(), backups=(failed,)))[0].backup == "f"


def test_several_that_all_ended_without_success_are_a_failure_that_can_pass() -> None:
    several = (mine("Error", name="f"), mine("Unknown", name="u"))
    after, _ = step(asked(), seen(ours(), backups=several))
    assert (after.phase, after.outcome, after.can_pass, after.backup) == (Phase.DETACHING, Outcome.FAILED, True, "")
    assert "f, u" in after.reason


@pytest.mark.parametrize(
    "other",
    [
        mine(snapshot="another"),
        mine(labels=made(run_id="r0")),
        mine(labels={"RecurringJob": "native"}),
        mine("InProgress", name="known"),
    ],
)
def test_a_backup_of_another_snapshot_or_with_others_labels_or_known_before_is_not_ours(other: Backup) -> None:
    after, command = step(asked(known_backups=("known",)), seen(ours(), backups=(other,)))
    assert (after.backup, command) == ("", None)


def test_it_is_asked_again_only_after_a_while_without_a_sign() -> None:
    for answer in (None, CUT, DOWN):
        early = seen(ours(), backups=(), answer=answer)
        assert step(asked(), early, idle=ASK_AGAIN - 0.1, seconds=14.9)[1] is None
    after, command = step(asked(), seen(ours(), backups=()), idle=ASK_AGAIN, seconds=15)
    assert isinstance(command, AskBackup)
    assert after.asked_at == at(15).wall


def test_asking_again_and_again_ends_with_the_phases_patience() -> None:
    after, command = step(asked(), seen(ours(), backups=()), idle=ASK_AGAIN, seconds=901)
    assert (after.outcome, after.can_pass, command) == (Outcome.FAILED, True, Detach(ticket=MINE))


def test_a_refused_backup_fails_the_run_in_longhorns_words() -> None:
    after, command = step(asked(), seen(ours(), backups=(), answer=NO))
    assert (after.outcome, after.reason, command) == (Outcome.FAILED, NO.text, Detach(ticket=MINE))


@pytest.mark.parametrize(
    ("changes", "policy"), [({"stopping": True}, POLICY), ({"journal_down": True}, POLICY), ({}, None)]
)
def test_a_request_that_may_be_under_way_is_looked_for_but_not_repeated_once_unwanted(
    changes: dict[str, object], policy: Policy | None
) -> None:
    look = seen(ours(), backups=(), **changes)
    early, command = step(asked(), look, idle=ASK_AGAIN - 1, policy=policy)
    assert (early.phase, command) == (Phase.BACKING_UP, None)
    late, command = step(asked(), look, idle=ASK_AGAIN, policy=policy)
    assert (late.phase, command) == (Phase.DETACHING, Detach(ticket=MINE))


# BACKING_UP, waiting


def test_a_backup_is_completed_when_it_is_completed_and_listed() -> None:
    after, command = step(running(), seen(ours(), backups=(mine(),)))
    assert (after.outcome, after.progress, command) == (Outcome.COMPLETED, 100, Detach(ticket=MINE))
    assert after.protected_until == mine().snapshot_created


def test_what_the_run_knows_of_its_snapshots_time_goes_before_the_lists_word() -> None:
    after, _ = step(running(snapshot_holds=T0), seen(ours(), backups=(mine(snapshot_created=at(60).wall),)))
    assert after.protected_until == T0


@pytest.mark.parametrize("backups", [None, ()])
def test_the_backup_status_alone_proves_nothing(backups: tuple[Backup, ...] | None) -> None:
    after, command = step(running(), seen(ours(backups=(entry(state="Completed", progress=100),)), backups=backups))
    assert (after.phase, after.outcome, command) == (Phase.BACKING_UP, None, None)


def test_progress_is_the_highest_seen() -> None:
    after, _ = step(running(progress=40), seen(ours(backups=(entry(progress=57),))))
    assert after.progress == 57
    after, _ = step(after, seen(ours(backups=(entry(progress=12),))))
    assert after.progress == 57
    after, _ = step(after, seen(ours(), backups=(mine("InProgress", progress=80),)))
    assert after.progress == 80
    assert "80 %" in after.reason


def test_a_backup_without_progress_is_given_up_after_its_patience() -> None:
    look = seen(ours(backups=(entry(),)))
    assert step(running(), look, idle=900)[0].outcome is None
    assert step(running(progress=10), look, idle=901)[0].outcome is Outcome.FAILED


@pytest.mark.parametrize("state", ["Error", "Unknown", "Deleting"])
def test_a_backup_that_ended_otherwise_fails_in_longhorns_words(state: str) -> None:
    listed = seen(ours(), backups=(mine(state, error="disk full"),))
    shown = seen(ours(backups=(entry(state=state, error="disk full"),)), backups=())
    for look in (listed, shown):
        after, command = step(running(), look)
        assert (after.outcome, after.can_pass, command) == (Outcome.FAILED, True, Detach(ticket=MINE))
        assert after.reason == f"backup backup-1 ended as {state}: disk full"
    assert "no reason" in step(running(), seen(ours(), backups=(mine("Error"),)))[0].reason


def test_a_backup_that_is_neither_shown_nor_listed_has_vanished() -> None:
    after, _ = step(running(), seen(ours(), backups=()))
    assert (after.outcome, after.can_pass) == (Outcome.FAILED, True)
    assert "vanished" in after.reason


def test_a_backup_that_could_not_be_looked_up_has_not_vanished() -> None:
    for look in (BLIND, seen(ours(), fault=DOWN)):
        after, command = step(running(), look)
        assert (after.phase, after.outcome, command) == (Phase.BACKING_UP, None, None)


def test_a_backup_goes_on_without_our_ticket_and_without_its_policy() -> None:
    for volume in (attached(pod_ticket()), detached()):
        look = seen(volume, backups=(mine("InProgress"),), journal_down=True)
        after, command = step(running(), look, policy=None)
        assert (after.phase, command) == (Phase.BACKING_UP, None)


def test_a_backup_that_turns_out_to_be_somebody_elses_is_let_go_of() -> None:
    theirs = mine(labels={"RecurringJob": "native"})
    after, command = step(running(own_snapshot=False), seen(ours(), backups=(theirs,)))
    assert (after.phase, after.backup, after.known_backups, command) == (Phase.BACKING_UP, "", ("backup-1",), None)


def test_a_backup_of_a_reused_snapshot_is_ours_only_when_its_labels_say_so() -> None:
    unlabelled = seen(ours(), backups=(mine(labels={}),))
    assert step(running(own_snapshot=False), unlabelled)[0].outcome is None
    assert step(running(own_snapshot=True), unlabelled)[0].outcome is Outcome.COMPLETED


def test_while_stopping_our_ticket_is_handed_over_once_longhorns_own_holds_the_volume() -> None:
    own = ticket(id="backup-controller-backup-1", kind="backup-controller")
    look = seen(ours(own, backups=(entry(),)), stopping=True)
    after, command = step(running(), look)
    assert (after.phase, command) == (Phase.BACKING_UP, Detach(ticket=MINE))
    not_yet = seen(ours(replace(own, satisfied=False), backups=(entry(),)), stopping=True)
    assert step(running(), not_yet)[1] is None
    assert step(running(), not_yet, idle=ASK_AGAIN)[1] == Detach(ticket=MINE)
    assert step(running(), seen(attached(own, backups=(entry(),)), stopping=True))[1] is None


# DETACHING


LEAVING = run(Phase.DETACHING, outcome=Outcome.COMPLETED, reason="done", backup="backup-1", snapshot="s1")


def test_our_ticket_is_withdrawn_until_longhorn_shows_it_gone() -> None:
    for idle in (0.0, 10_000.0):
        after, command = step(LEAVING, seen(ours()), idle=idle)
        assert (after.phase, command) == (Phase.DETACHING, Detach(ticket=MINE))


def test_without_a_look_it_is_asked_again_for_ever() -> None:
    after, command = step(LEAVING, BLIND, idle=10_000)
    assert (after.phase, command) == (Phase.DETACHING, Detach(ticket=MINE))


def test_the_volume_is_ours_until_it_is_detached() -> None:
    remains = (
        ticket(id="backup-controller-backup-1", kind="backup-controller"),
        ticket(id="snapshot-controller-s1", kind="snapshot-controller"),
    )
    for volume in (attached(*remains), detached(state="detaching")):
        assert step(LEAVING, seen(volume)) == (LEAVING, None)


@pytest.mark.parametrize(
    ("look", "idle"),
    [
        (seen(detached()), 0),
        (seen(attached(pod_ticket())), 0),
        (seen(detached(state="detaching", tickets=(pod_ticket(satisfied=False),))), 0),
        (seen(detached(state="detaching")), 301),
        (GONE, 0),
    ],
)
def test_a_run_ends_when_the_volume_is_detached_or_somebody_elses(look: Seen, idle: float) -> None:
    after, command = step(LEAVING, look, idle=idle, seconds=5)
    assert (after.phase, after.outcome, after.reason, command) == (Phase.FINISHED, Outcome.COMPLETED, "done", None)
    assert after.finished_at == at(5).wall


def test_a_finished_run_stays_as_it_is() -> None:
    done = run(Phase.FINISHED, outcome=Outcome.COMPLETED)
    assert step(done, BLIND) == (done, None)


# what a workload's wait costs


def test_the_wait_of_a_workload_is_measured_and_named() -> None:
    wants = pod_ticket(satisfied=False)
    pods = (Pod(name="db-0", status="Pending"), Pod(name="db-1", status="Running"))
    held = ours(wants, pods=pods, pvc_namespace="shop", pvc="data")
    first, _ = step(LEAVING, seen(held), seconds=10)
    assert (first.waiting_since, first.waiter) == (at(10).wall, "pod shop/db-0")
    still, _ = step(first, seen(held), seconds=15)
    assert still == first
    assert step(first, BLIND, seconds=15)[0] == first
    over, _ = step(first, seen(attached(wants)), seconds=22)
    assert (over.waiting_since, over.waited) == (None, 12.0)
    assert step(first, GONE, seconds=22)[0].waited == 12.0
    assert step(first, seen(attached(wants)), seconds=-3600)[0].waited == 0.0


@pytest.mark.parametrize(
    ("changes", "waiter"),
    [
        ({"pods": (Pod(name="web", status="Running"),), "pvc_namespace": "shop"}, "pod shop/web"),
        ({"pvc_namespace": "shop", "pvc": "data"}, "a workload of PVC shop/data"),
        ({}, "ticket csi-1 on node-2"),
    ],
)
def test_a_waiter_is_named_by_what_is_known_of_it(changes: dict[str, object], waiter: str) -> None:
    after, _ = step(LEAVING, seen(ours(pod_ticket(satisfied=False), **changes)))
    assert after.waiter == waiter


def test_a_workload_that_has_the_volume_or_that_we_do_not_hold_up_does_not_wait_for_us() -> None:
    for volume in (attached(pod_ticket(satisfied=False)), ours(pod_ticket(satisfied=True))):
        assert step(LEAVING, seen(volume))[0].waiting_since is None


# views


def test_only_what_the_phase_needs_is_looked_at() -> None:
    both = frozenset({View.CHAIN, View.BACKUPS})
    assert views(run(Phase.INSPECTING), ours()) == both
    assert views(run(Phase.INSPECTING), detached()) == frozenset()
    assert views(run(Phase.SNAPSHOTTING), ours()) == {View.SNAPSHOT}
    assert views(backing_up(), ours()) == {View.BACKUPS}
    assert views(running(), ours(backups=(entry(),))) == frozenset()
    assert views(running(), ours(backups=(entry(state="Completed"),))) == {View.BACKUPS}
    assert views(running(), None) == {View.BACKUPS}
    for phase in (Phase.QUEUED, Phase.ATTACHING, Phase.DETACHING, Phase.FINISHED):
        assert views(run(phase), ours()) == frozenset()


def test_a_run_gets_on_when_its_phase_backup_or_progress_changes() -> None:
    assert running().mark != asked().mark != backing_up().mark
    assert running().mark != running(progress=1).mark
    assert replace(running(), reason="x", queued_at=T0 + timedelta(1)).mark == running().mark
