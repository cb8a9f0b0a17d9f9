from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import structlog
from structlog.testing import CapturingLogger

from lhbackupd.core.audit import Loss
from lhbackupd.core.cluster import Backup, Fault, FaultKind, Setting, Target
from lhbackupd.core.coverage import Cover, Coverage, Covers
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.pausing import Pause
from lhbackupd.core.retention import Verdict
from lhbackupd.core.rpo import Judgement, Rpo
from lhbackupd.engine.events import (
    BackupLost,
    CoverChanged,
    Defect,
    Event,
    JournalTrouble,
    Missed,
    Moved,
    Ordered,
    PauseOverdue,
    Polled,
    Pruned,
    Rescheduled,
    RpoMoved,
)
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.scheduler import Changes
from lhbackupd.surface.narrator import LogListener
from tests.surface.house import NOON, TODAY, House, ended, queued, running

FAULT = Fault(FaultKind.UNREACHABLE, "GET /v1/volumes: ConnectError port 1")


class Said:
    """What was logged: level, sentence and fields."""

    def __init__(self, house: House) -> None:
        self._kept = CapturingLogger()
        wrapper = structlog.make_filtering_bound_logger("debug")
        log = structlog.wrap_logger(self._kept, wrapper_class=wrapper, processors=[lambda _l, _m, fields: ((), fields)])
        self._listener = LogListener(log=log.bind(), known=house.known)

    def after(self, *events: Event) -> list[tuple[str, str, dict[str, Any]]]:
        before = len(self._kept.calls)
        for event in events:
            self._listener(event)
        return [
            (call.method_name, call.kwargs["event"], {k: v for k, v in call.kwargs.items() if k != "event"})
            for call in self._kept.calls[before:]
        ]


@pytest.fixture
def said(house: House) -> Said:
    return Said(house)


def polled(*pictures: Picture) -> list[Event]:
    return [Polled(before, after) for before, after in pairwise(pictures)]


def test_every_move_is_one_line_with_its_facts(said: Said) -> None:
    [(level, text, fields)] = said.after(Moved(queued("pvc-a"), running("pvc-a", Phase.ATTACHING, reason="asks")))
    assert (level, text) == ("info", "run run-pvc-a of nightly for volume pvc-a: attaching: asks")
    assert fields == {
        "action": "run.attaching",
        "run": "run-pvc-a",
        "policy": "nightly",
        "volume": "pvc-a",
        "phase": "attaching",
        "reason": "asks",
        "attempt": 1,
        "node": "node-1",
    }


def test_what_happens_within_a_phase_is_for_debugging_and_nothing_is_said_twice(said: Said) -> None:
    run = running("pvc-a")
    [(level, _, fields)] = said.after(Moved(run, replace(run, progress=40)))
    assert (level, fields["action"], fields["progress"]) == ("debug", "run.goes-on", 40)
    assert said.after(Moved(run, replace(run, waited=1.0))) == []


def test_a_queued_run_says_when_it_was_due_and_another_attempt_why(said: Said) -> None:
    [(_, text, _)] = said.after(Moved(None, queued("pvc-a")))
    assert text.endswith("queued, due 2026-10-22 02:00:00 UTC")
    [(_, text, _)] = said.after(Moved(None, queued("pvc-a", attempt=2, reason="again after: no node")))
    assert text.endswith("attempt 2, again after: no node")


def test_a_workload_that_waits_is_named_at_once_and_at_the_end(said: Said) -> None:
    run = running("pvc-a")
    waits = replace(run, waiter="pod shop/db-0", waiting_since=NOON)
    [(level, text, _)] = said.after(Moved(run, waits))
    assert (level, text) == ("warning", "pod shop/db-0 waits for run run-pvc-a, which has volume pvc-a")
    assert said.after(Moved(waits, replace(waits, waited=0.5))) == []
    done = ended("pvc-a", Outcome.COMPLETED, waiter="pod shop/db-0", waited=12.0)
    (level, text, fields), _ = said.after(Moved(run, done))
    assert (level, text) == ("warning", "pod shop/db-0 waited 12 s for run run-pvc-a")
    assert (fields["seconds"], fields["waiter"]) == (12.0, "pod shop/db-0")


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        (Outcome.COMPLETED, "info"),
        (Outcome.FAILED, "error"),
        (Outcome.REFUSED, "warning"),
        (Outcome.SKIPPED, "warning"),
    ],
)
def test_an_end_is_said_as_loudly_as_it_matters(said: Said, outcome: Outcome, level: str) -> None:
    [(said_level, text, fields)] = said.after(Moved(running("pvc-a"), ended("pvc-a", outcome, "because")))
    assert (said_level, text) == (level, f"run run-pvc-a of nightly for volume pvc-a {outcome.value}: because")
    assert (fields["outcome"], fields["seconds"]) == (outcome.value, 39.0)


def test_the_end_of_a_run_says_how_the_volume_is_protected(said: Said, house: House) -> None:
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    run = replace(ended("pvc-a", Outcome.UNCHANGED, "nothing new"), id="run-2")
    house.knows(run)
    [(_, text, fields)] = said.after(Moved(running("pvc-a"), run))
    assert fields["protection"] == "protected, unchanged since 2026-10-22 02:00:40 UTC"
    assert text.endswith(f"unchanged: nothing new; {fields['protection']}")
    [(_, text, fields)] = said.after(Moved(None, replace(run, id="run-3", outcome=Outcome.SKIPPED)))
    assert "protection" not in fields


def test_a_setting_that_longhorn_does_not_know_is_said_once_and_loudly(said: Said) -> None:
    absent = Picture(at=NOON, setting=Setting.ABSENT)
    outage = replace(absent, setting=Setting.UNREAD, fault=FAULT)
    found = said.after(*polled(Picture(), absent, absent, outage, absent))
    [(level, text, _)] = [line for line in found if line[2]["action"] == "longhorn.setting"]
    assert level == "warning"
    assert "this Longhorn has no such setting" in text
    [(level, text, _)] = said.after(*polled(absent, replace(absent, setting=Setting.ALLOWED)))
    assert (level, text.endswith("is true: detached volumes are attached for their backups")) == ("info", True)


def test_an_outage_is_said_when_it_begins_and_when_it_ends(said: Said) -> None:
    well = Picture(at=NOON)
    down = replace(well, fault=FAULT)
    other_port = replace(well, fault=replace(FAULT, text="GET /v1/volumes: ConnectError port 2"))
    found = said.after(*polled(Picture(), well, down, other_port, down, well, well))
    assert [(level, fields["action"]) for level, _, fields in found] == [
        ("info", "longhorn.found"),
        ("warning", "longhorn.lost"),
        ("info", "longhorn.back"),
    ]
    refused = replace(well, fault=Fault(FaultKind.REFUSED, "401"))
    assert [fields["action"] for _, _, fields in said.after(*polled(down, refused))] == ["longhorn.lost"]


def test_broken_volumes_and_lost_targets_are_said_once_each(said: Said) -> None:
    well = Picture(at=NOON, targets={"default": Target(name="default", available=True)})
    ill = replace(
        well,
        broken={"pvc-a": "no size", "pvc-b": "no name"},
        targets={"default": Target(name="default", available=False, message="no NFS")},
    )
    found = said.after(*polled(well, ill, ill, well))
    assert [(level, fields["action"]) for level, _, fields in found] == [
        ("warning", "volume.broken"),
        ("warning", "volume.broken"),
        ("warning", "target.lost"),
        ("info", "target.back"),
    ]


def test_missed_pruned_and_rescheduled_are_said(said: Said) -> None:
    backups = [Backup(name=name, volume="pvc-a", snapshot="s", state="Completed") for name in ("b1", "b2")]
    gone = tuple(Verdict(backup, why="last 3: 3 are newer") for backup in backups)
    many = tuple(("nightly", f"pvc-{number}") for number in range(12))
    found = said.after(
        Missed(queued("pvc-a"), 3),
        Pruned("nightly", "pvc-a", gone, None),
        Pruned("nightly", "pvc-a", (), FAULT),
        Rescheduled(Changes(added=many, removed=(("nightly", "pvc-x"),))),
    )
    assert [(level, fields["action"]) for level, _, fields in found] == [
        ("warning", "schedule.missed"),
        ("info", "backup.pruned"),
        ("info", "backup.pruned"),
        ("warning", "backup.prune-failed"),
        ("info", "schedule.added"),
        ("info", "schedule.removed"),
    ]
    assert found[1][1] == "deleted backup b1 of volume pvc-a, made by nightly: last 3: 3 are newer"
    assert (found[1][2]["backup"], found[1][2]["reason"]) == ("b1", "last 3: 3 are newer")
    assert found[3][2]["reason"] == FAULT.text
    assert found[4][1].startswith("12 schedules added: nightly/pvc-0, ")
    assert found[4][1].endswith(" and 2 more")


def test_a_backup_that_somebody_deleted_is_an_error_with_the_next_step(said: Said) -> None:
    loss = Loss(policy="nightly", volume="pvc-a", backup="b2", left="", until=None)
    ((level, text, fields),) = said.after(BackupLost(loss))
    assert (level, fields["action"], fields["backup"]) == ("error", "backup.lost", "b2")
    assert "none of this policy is left; make one by `lhbackupd backup`" in text


def test_trouble_with_the_journal_and_defects_are_errors(said: Said) -> None:
    error = ValueError("x")
    found = said.after(JournalTrouble("disk is full"), JournalTrouble(""), Defect(running("pvc-a"), error))
    assert [(level, fields["action"]) for level, _, fields in found] == [
        ("error", "journal.trouble"),
        ("info", "journal.recovered"),
        ("error", "defect"),
    ]
    assert found[2][2]["exc_info"] is error


def test_giving_a_volume_back_says_with_what_outcome(said: Said) -> None:
    run = running("pvc-a")
    leaving = replace(run, phase=Phase.DETACHING, outcome=Outcome.YIELDED, reason="pod shop/db-0 asks for it")
    [(_, text, _)] = said.after(Moved(run, leaving))
    assert text.endswith("gives the volume back (yielded: pod shop/db-0 asks for it)")


def test_a_wait_that_outlasts_a_deleted_volume_is_said(said: Said) -> None:
    done = ended("pvc-a", Outcome.GONE, waiter="pod shop/db-0")
    assert done.finished_at is not None
    done = replace(done, waiting_since=done.finished_at - timedelta(seconds=4))
    assert said.after(Moved(running("pvc-a"), done))[0][1] == "pod shop/db-0 waited 4 s for run run-pvc-a"


def covers(unused: tuple[str, ...] = (), **volumes: Cover) -> Covers:
    found = {name: Coverage(cover=cover, reason=f"is {cover.value}") for name, cover in volumes.items()}
    return Covers(volumes=found, unused=unused)


def test_coverage_is_said_when_it_is_lost_or_doubled_and_when_it_is_well_again(said: Said) -> None:
    well = covers(a=Cover.POLICY, b=Cover.POLICY, c=Cover.NATIVE)
    ill = covers(a=Cover.NOTHING, b=Cover.DOUBLE, c=Cover.SHADOW)
    lost, double = said.after(CoverChanged(well, ill))
    assert (lost[0], lost[1]) == ("warning", "2 volumes are backed up by nobody: a, c")
    assert (lost[2]["action"], lost[2]["volumes"]) == ("volume.uncovered", ["a", "c"])
    assert lost[2]["reasons"] == {"a": "is nothing", "c": "is shadow"}
    assert (double[0], double[2]["action"], double[2]["volumes"]) == ("warning", "volume.double-covered", ["b"])
    assert said.after(CoverChanged(ill, ill)) == []
    again = said.after(CoverChanged(ill, well))
    assert [(level, fields["action"]) for level, _, fields in again] == [
        ("info", "volume.no-longer-uncovered"),
        ("info", "volume.no-longer-double-covered"),
    ]


def test_a_volume_that_is_gone_is_not_said_to_be_covered(said: Said) -> None:
    assert said.after(CoverChanged(covers(a=Cover.NOTHING), covers())) == []


def test_a_policy_that_matches_no_volume_is_said_once(said: Said) -> None:
    [(level, text, _)] = said.after(CoverChanged(covers(), covers(("lost",))))
    assert (level, text) == ("warning", "policy lost matches no volume")
    [(level, text, _)] = said.after(CoverChanged(covers(("lost",)), covers()))
    assert (level, text) == ("info", "policy lost matches a volume by now")


def test_orders_and_overdue_pauses_are_warnings_with_who_and_what(said: Said) -> None:
    pause = Pause(policy="nightly", since=TODAY, until=NOON, by="uid 0")
    found = said.after(
        Ordered("cancel", "uid 7", "run r1 is called off", {"run": "r1"}), PauseOverdue(pause, pause.words(NOON))
    )
    assert found[0] == (
        "warning", "run r1 is called off (uid 7)", {"action": "order.cancel", "by": "uid 7", "run": "r1"}
    )  # fmt: skip
    assert (found[1][0], found[1][2]) == ("warning", {"action": "pause.overdue", "policy": "nightly"})
    assert found[1][1].endswith("what is due waits until `lhbackupd resume`")


def test_a_run_that_a_person_asked_for_says_so(said: Said) -> None:
    [(_, text, _)] = said.after(Moved(None, replace(queued("pvc-a"), manual=True)))
    assert text == "run run-pvc-a of nightly for volume pvc-a: queued, asked for 2026-10-22 02:00:00 UTC"


def test_an_rpo_that_will_be_missed_is_missed_and_is_kept_again_is_one_line_each(said: Said) -> None:
    known = Exposure(policy="nightly", volume="pvc-a", born=TODAY, clear=TODAY, since=NOON, sign="it grew")
    hour = timedelta(hours=1)
    moves = ((Rpo.COMPLIANT, Rpo.AT_RISK), (Rpo.AT_RISK, Rpo.VIOLATED), (Rpo.VIOLATED, Rpo.COMPLIANT))
    events = [RpoMoved(known, hour, was, Judgement(state=state, misses_at=NOON + hour)) for was, state in moves]
    events[-1] = replace(events[-1], exposure=replace(known, since=None))
    lines = said.after(*events)
    assert [(level, fields["action"]) for level, _, fields in lines] == [
        ("warning", "rpo.at-risk"),
        ("error", "rpo.violated"),
        ("info", "rpo.compliant"),
    ]
    assert lines[0][1] == (
        "volume pvc-a under nightly: it will miss its RPO of 1 h at 2026-10-22 13:00:00 UTC; "
        "exposed since 2026-10-22 12:00:00 UTC: it grew"
    )
    assert lines[0][2]["unprotected_since"] == "2026-10-22T12:00:00+00:00"
    assert lines[2][1] == "volume pvc-a under nightly: its RPO of 1 h is kept"
