from dataclasses import replace
from datetime import timedelta

import pytest

from lhbackupd.core.admission import Slot, admit
from lhbackupd.core.cluster import BackupProgress, Engine, Fault, FaultKind, Node, Setting, Target, Ticket
from lhbackupd.core.commands import Seen
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.machine import decide
from lhbackupd.core.model import Limits, Now, Outcome, Run
from lhbackupd.core.pausing import ALL, Pause
from lhbackupd.core.protection import after
from lhbackupd.core.windows import parse_window
from lhbackupd.surface.standing import Standing, Wait, overdue, standing, waits_for, why
from tests.surface.house import NIGHTLY, NOON, ORIGIN, ended, queued, running, volume

VOLUME = volume("pvc-a", engines=(), replicas=())
READY = {"node-1": Node(name="node-1", ready=True)}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.COMPLETED, Standing.PROTECTED),
        (Outcome.UNCHANGED, Standing.PROTECTED),
        (Outcome.BELOW_THRESHOLD, Standing.UNPROTECTED),
        (Outcome.SUSPENDED, Standing.SUSPENDED),
        (Outcome.REFUSED, Standing.UNPROTECTED),
        (Outcome.YIELDED, Standing.UNPROTECTED),
        (Outcome.INTERRUPTED, Standing.UNPROTECTED),
        (Outcome.GONE, Standing.UNPROTECTED),
        (Outcome.CANCELLED, Standing.UNPROTECTED),
        (Outcome.FAILED, Standing.FAILING),
    ],
)
def test_only_a_look_that_found_all_in_a_backup_protects(outcome: Outcome, expected: Standing) -> None:
    assert standing(after(None, ended("pvc-a", outcome)), beyond=False) is expected


def test_a_volume_keeps_failing_until_it_is_protected() -> None:
    failing = after(None, ended("pvc-a", Outcome.FAILED, "no node"))
    assert standing(after(failing, ended("pvc-a", Outcome.YIELDED)), beyond=False) is Standing.FAILING
    assert standing(after(failing, ended("pvc-a", Outcome.UNCHANGED)), beyond=False) is Standing.PROTECTED


def test_a_volume_that_is_let_alone_stands_as_it_stood_and_says_what_that_rests_on() -> None:
    known = after(None, ended("pvc-a", Outcome.UNCHANGED))
    alone = after(known, ended("pvc-a", Outcome.NOT_INSPECTED, "no attach but ours in Longhorn's events"))
    assert standing(alone, beyond=False) is Standing.PROTECTED
    assert why(alone, beyond="") == "no attach but ours in Longhorn's events"
    assert standing(alone, beyond=True) is Standing.UNPROTECTED


def test_old_protection_is_none_where_something_may_have_been_written_since() -> None:
    word = after(None, ended("pvc-a", Outcome.COMPLETED))
    touched = Exposure(policy="nightly", volume="pvc-a", born=NOON, clear=NOON, since=NOON, sign="x")
    words = "overdue: no run has finished since 2026-10-22 02:00:40 UTC"
    for known in (None, touched, replace(touched, since=None, doubt=NOON)):
        assert overdue(word, NOON, known) == words
    assert standing(word, beyond=True) is Standing.UNPROTECTED
    assert why(word, beyond=words) == words


def test_a_volume_that_nothing_touched_is_protected_by_its_last_backup_however_old() -> None:
    word = after(None, ended("pvc-a", Outcome.COMPLETED))
    assert not overdue(word, NOON, Exposure(policy="nightly", volume="pvc-a", born=NOON, clear=NOON))


def test_a_failure_says_how_often_and_why() -> None:
    word = after(after(None, ended("pvc-a", Outcome.FAILED, "x")), ended("pvc-a", Outcome.FAILED, "no node"))
    assert why(word, beyond="") == "failed (2 times): no node"


def decided(seen: Seen) -> Run:
    return decide(queued("pvc-a"), seen, Now(wall=NOON), NIGHTLY, ORIGIN)[0]


UNREACHABLE = Fault(FaultKind.UNREACHABLE, "GET /v1/volumes/pvc-a: ConnectError")
SOUND = replace(
    VOLUME, state="attached", engines=(Engine(node="node-1", running=True),), tickets=(), pvc="a", robustness="healthy"
)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Seen(fault=UNREACHABLE), Wait.LONGHORN),
        (Seen(volume=replace(VOLUME, state="detaching")), Wait.SETTLING),
        (Seen(volume=replace(VOLUME, tickets=(Ticket(id="x", kind="csi-attacher", node="n"),))), Wait.SETTLING),
        (Seen(volume=VOLUME, setting=Setting.UNREAD), Wait.SETTING),
        (
            Seen(
                volume=replace(
                    SOUND, backups=(BackupProgress(name="b", snapshot="s", state="InProgress", progress=3),)
                ),
            ),
            Wait.BACKUP,
        ),
        (Seen(volume=SOUND, target=Target(name="default", available=False, message="no NFS")), Wait.TARGET),
    ],
)
def test_what_decide_lets_wait_has_its_class(seen: Seen, expected: Wait) -> None:
    assert waits_for(decided(replace(seen, slot=Slot(node="", target=""))), NOON) is expected


@pytest.mark.parametrize(
    ("limits", "active", "nodes", "expected"),
    [
        (Limits(), (running("pvc-a"),), READY, Wait.VOLUME),
        (Limits(cluster=1), (running("pvc-b"),), READY, Wait.CLUSTER),
        (Limits(per_target=1), (running("pvc-b", target="default"),), READY, Wait.TARGET),
        (Limits(), (running("pvc-b"),), READY, Wait.NODE),
        (Limits(), (), {"node-1": Node(name="node-1", ready=False)}, Wait.NODE),
        (Limits(), (), {}, Wait.NODE),
    ],
)
def test_what_admission_lets_wait_has_its_class(
    limits: Limits, active: tuple[Run, ...], nodes: dict[str, Node], expected: Wait
) -> None:
    run = queued("pvc-a")
    answer = admit([run], active, volumes={"pvc-a": VOLUME}, nodes=nodes, limits=limits)
    assert waits_for(replace(run, reason=answer.waits[run.id]), NOON) is expected


def test_a_run_outside_its_window_waits_for_that() -> None:
    night = replace(NIGHTLY, window=(parse_window("22:00-06:00"),))
    look = Seen(volume=SOUND, slot=Slot(node="", target=""))
    run, _ = decide(queued("pvc-a"), look, Now(wall=NOON), night, ORIGIN)
    assert waits_for(run, NOON) is Wait.WINDOW


def test_a_strict_local_volume_waits_for_its_node_and_an_unlisted_one_for_longhorn() -> None:
    run, strict = queued("pvc-a"), replace(VOLUME, data_locality="strict-local")
    answer = admit([run], (), volumes={"pvc-a": strict}, nodes=READY, limits=Limits())
    assert waits_for(replace(run, reason=answer.waits[run.id]), NOON) is Wait.NODE
    answer = admit([run], (), volumes={}, nodes=READY, limits=Limits())
    assert waits_for(replace(run, reason=answer.waits[run.id]), NOON) is Wait.LONGHORN


def test_a_run_that_is_not_to_start_yet_waits_for_its_time_and_a_new_one_for_its_turn() -> None:
    again = queued("pvc-a", reason="again after: no node", not_before=NOON + timedelta(minutes=1))
    assert waits_for(again, NOON) is Wait.TIME
    assert waits_for(again, NOON + timedelta(minutes=2)) is Wait.TURN
    assert waits_for(queued("pvc-a"), NOON) is Wait.TURN


@pytest.mark.parametrize("name", ["nightly", ALL])
def test_a_run_of_a_paused_policy_waits_for_it_to_be_resumed(name: str) -> None:
    pause = Pause(policy=name, since=NOON, until=NOON, by="uid 0")
    seen = Seen(volume=VOLUME, paused=pause.words(NOON), slot=Slot(node="", target=""))
    assert waits_for(decided(seen), NOON) is Wait.PAUSE
