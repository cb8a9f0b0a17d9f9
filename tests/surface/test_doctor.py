"""Each finding of the doctor, from facts; a cluster in which all is well is the place to start from."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from lhbackupd.core.cluster import Backup, Node, Setting, Target, Ticket, Volume
from lhbackupd.core.model import Detached, Exclude, Match, Outcome, Policy
from lhbackupd.core.naming import LABEL_ORIGIN, TicketName
from lhbackupd.core.pausing import Pause
from lhbackupd.core.protection import after
from lhbackupd.core.recurring import NativeJob, membership
from lhbackupd.engine.survey import Survey
from lhbackupd.longhorn.api import Release
from lhbackupd.longhorn.wire import Broken
from lhbackupd.surface import rows
from lhbackupd.surface.doctor import diagnose
from lhbackupd.surface.findings import DaemonFacts, Facts, Finding, JournalFacts, Level, names, worst
from lhbackupd.surface.report import Report
from tests.surface.house import NIGHTLY, NOON, ORIGIN, House, ended, running, volume

MINE = {LABEL_ORIGIN: ORIGIN.journal}


def ticket(instance: str = ORIGIN.instance, journal: str = ORIGIN.journal, *, minutes: float = 10) -> Ticket:
    deadline: datetime = NOON + timedelta(minutes=minutes)
    name = TicketName(instance=instance, journal=journal, run="r1", deadline=deadline)
    return Ticket(id=str(name), kind="longhorn-api", node="node-1")


def holding(*tickets: Ticket, name: str = "pvc-db") -> Volume:
    return volume(name, tickets=tickets)


def backup(name: str, **fields: Any) -> Backup:
    made = Backup(name=name, volume="pvc-db", snapshot="s1", state="Completed", labels=MINE, created=NOON)
    return replace(made, **fields)


@pytest.fixture
def report(house: House) -> Report:
    return house.report()


@pytest.fixture
def facts(report: Report) -> Facts:
    survey = Survey(
        volumes=(volume("pvc-db"),),
        release=Release.NEW,
        setting=Setting.ALLOWED,
        nodes=(Node(name="node-1", ready=True),),
        targets=(Target(name="default", available=True),),
        backups=(backup("b1"),),
        jobs=(),
        server_date=NOON,
        read_at=NOON,
    )
    return Facts(
        now=NOON,
        version=report.daemon.version,
        instance=ORIGIN.instance,
        url="http://longhorn-backend:9500",
        policies=(NIGHTLY,),
        journal=JournalFacts(name="/var/lib/lhbackupd/state.db", origin=ORIGIN.journal),
        daemon=DaemonFacts(report=report),
        survey=survey,
    )


def shown(facts: Facts, **fields: Any) -> Facts:
    assert facts.survey is not None
    return replace(facts, survey=replace(facts.survey, **fields))


def journal(facts: Facts, **fields: Any) -> Facts:
    return replace(facts, journal=replace(facts.journal, **fields))


def daemon(facts: Facts, **fields: Any) -> Facts:
    told = facts.daemon.report
    assert told is not None
    said = structs.replace(told, daemon=structs.replace(told.daemon, **fields))
    return replace(facts, daemon=DaemonFacts(report=said))


def down(facts: Facts) -> Facts:
    return replace(facts, daemon=DaemonFacts(control="no daemon answers at /run/lhbackupd/control.sock"))


def only(facts: Facts) -> Finding:
    """The one finding that is not ok."""
    (finding,) = [finding for finding in diagnose(facts) if finding.level is not Level.OK]
    assert finding.next, "it says what to do next"
    return finding


def says(facts: Facts, check: str, level: Level, *parts: str) -> None:
    finding = only(facts)
    assert (finding.check, finding.level) == (check, level), finding.text
    for part in parts:
        assert part in f"{finding.text} → {finding.next}"


def test_where_all_is_well_every_line_is_ok(facts: Facts) -> None:
    findings = diagnose(facts)
    assert worst(findings) is Level.OK
    checks = ["config", "journal", "daemon", "longhorn", "clock", "setting", "targets", "nodes", "tickets"]
    assert [finding.check for finding in findings] == [*checks, "volumes", "backups", "jobs"]


def test_without_policies_nothing_is_backed_up(facts: Facts) -> None:
    found = diagnose(replace(facts, policies=()))
    assert [f.text for f in found if f.check == "config"] == ["there is no policy, so nothing is ever backed up"]
    assert worst(found) is Level.WARNING


def test_a_journal_that_is_not_there_yet_is_no_fault(facts: Facts) -> None:
    fresh = journal(facts, made=False)
    says(fresh, "journal", Level.WARNING, "there is no /var/lib/lhbackupd/state.db yet")


def test_a_journal_that_cannot_be_read_is_one(facts: Facts) -> None:
    says(journal(facts, fault="journal x cannot be read: denied"), "journal", Level.FAULT, "denied", "sudo -u")


def test_a_journal_that_the_daemon_cannot_write_is_one(facts: Facts) -> None:
    says(daemon(facts, journal_trouble="disk full"), "journal", Level.FAULT, "disk full")


def test_a_daemon_that_is_down_is_a_fault_and_the_rest_is_looked_at_all_the_same(facts: Facts) -> None:
    says(down(facts), "daemon", Level.FAULT, "no daemon answers", "systemctl start lhbackupd")
    assert len(diagnose(down(facts))) == len(diagnose(facts))


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("twin: 1 attachment ticket(s)", "lhbackupd adopt"),
        ("left: `lhbackupd leave` was called", "systemctl restart"),
        ("journal: disk full", "disk"),
        ("configuration: x", "config check"),
        ("scheduler: its loop has not turned", "restart"),
        ("something new", "journalctl"),
    ],
)
def test_a_daemon_that_is_not_ready_says_why_and_how_to_cure_it(facts: Facts, reason: str, cure: str) -> None:
    says(daemon(facts, ready=False, unready=(reason,)), "daemon", Level.FAULT, reason, cure)


def test_a_daemon_without_a_control_socket_is_a_warning(facts: Facts) -> None:
    without = replace(facts, daemon=replace(facts.daemon, control="no daemon answers at /run/x"))
    says(without, "daemon", Level.WARNING, "it takes no orders", "control.socket")


def test_a_daemon_of_another_version_is_a_warning(facts: Facts) -> None:
    says(replace(facts, version="9.9"), "daemon", Level.WARNING, "of version 0.1.0, this command of 9.9")


def test_a_daemon_with_another_journal_is_a_warning(facts: Facts) -> None:
    says(journal(facts, origin="0ther"), "daemon", Level.WARNING, "has journal 5eed0001, this configuration 0ther")


def test_a_longhorn_that_cannot_be_reached_ends_the_list(facts: Facts) -> None:
    away = replace(facts, survey=None, unreachable="no route to host")
    says(away, "longhorn", Level.FAULT, "no route to host", "curl -sS http://longhorn-backend:9500/v1")
    assert diagnose(away)[-1].check == "longhorn"


@pytest.mark.parametrize("release", [Release.OLD, Release.MIDDLE])
def test_a_longhorn_without_recordings_is_called_unverified(facts: Facts, release: Release) -> None:
    says(shown(facts, release=release), "longhorn", Level.WARNING, "unverified", "upgrade Longhorn")


def test_what_could_not_be_read_is_a_fault(facts: Facts) -> None:
    says(shown(facts, faults=("nodes: 503",), nodes=()), "longhorn", Level.FAULT, "nodes: 503")


def test_a_volume_that_makes_no_sense_is_a_fault(facts: Facts) -> None:
    broken = (Broken(name="odd", reason="size is no number"),)
    says(shown(facts, broken=broken), "longhorn", Level.FAULT, "odd", "size is no number")


@pytest.mark.parametrize(("minutes", "words"), [(6, "6 min ahead of"), (-60, "1 h behind")])
def test_a_clock_more_than_five_minutes_off_is_a_fault(facts: Facts, minutes: int, words: str) -> None:
    says(shown(facts, read_at=NOON + timedelta(minutes=minutes)), "clock", Level.FAULT, words, "timedatectl")


def test_a_clock_five_minutes_off_will_do(facts: Facts) -> None:
    assert worst(diagnose(shown(facts, read_at=NOON + timedelta(minutes=5)))) is Level.OK


def test_answers_without_a_date_are_a_warning(facts: Facts) -> None:
    says(shown(facts, server_date=None), "clock", Level.WARNING, "no date")


@pytest.mark.parametrize("setting", [Setting.FORBIDDEN, Setting.ABSENT])
def test_a_setting_that_keeps_policies_from_detached_volumes_is_a_warning(facts: Facts, setting: Setting) -> None:
    says(shown(facts, setting=setting), "setting", Level.WARNING, "that is policies nightly", 'detached = "always"')


def test_a_setting_that_no_policy_follows_is_none(facts: Facts) -> None:
    always: Policy = replace(NIGHTLY, detached=Detached.ALWAYS)
    assert worst(diagnose(shown(replace(facts, policies=(always,)), setting=Setting.FORBIDDEN))) is Level.OK


def test_a_setting_that_could_not_be_read_is_a_fault(facts: Facts) -> None:
    says(shown(facts, setting=Setting.UNREAD), "setting", Level.FAULT, "could not be read")


def test_a_target_that_is_not_available_is_a_fault_if_volumes_need_it(facts: Facts) -> None:
    targets = (Target(name="default", available=False, message="no bucket"), Target(name="b", available=True))
    says(shown(facts, targets=targets), "targets", Level.FAULT, "default is not available: no bucket")
    other = shown(facts, targets=targets, volumes=(volume("pvc-db", backup_target="b"),))
    says(other, "targets", Level.WARNING, "no bucket")


def test_a_target_that_longhorn_does_not_list_is_a_fault(facts: Facts) -> None:
    says(shown(facts, volumes=(volume("pvc-db", backup_target="lost"),)), "targets", Level.FAULT, "lost")


def test_a_node_that_is_not_ready_is_a_warning_and_none_that_is_a_fault(facts: Facts) -> None:
    bad = Node(name="node-2", ready=False, message="kubelet stopped")
    says(
        shown(facts, nodes=(Node(name="node-1", ready=True), bad)), "nodes", Level.WARNING, "node-2", "kubelet stopped"
    )
    says(shown(facts, nodes=(bad,)), "nodes", Level.FAULT, "none is ready")


def test_a_ticket_of_a_run_is_ok_until_it_is_too_old_or_the_daemon_is_down(facts: Facts) -> None:
    held = ticket()
    ours = journal(shown(facts, volumes=(holding(held),)), runs=(running("pvc-db", ticket=held.id),))
    assert worst(diagnose(ours)) is Level.OK
    says(replace(ours, now=NOON + timedelta(minutes=12)), "tickets", Level.WARNING, "too old", "expired 2 min ago")
    dead = [f for f in diagnose(down(ours)) if f.check == "tickets"]
    assert [(f.level, "no daemon runs: 1 on pvc-db" in f.text) for f in dead] == [(Level.FAULT, True)]
    assert "lhbackupd leave" in dead[0].next


def test_a_ticket_that_replaced_another_leaves_both_to_the_run(facts: Facts) -> None:
    old, new = ticket(minutes=1), ticket(minutes=15)
    run = running("pvc-db", ticket=new.id, former=old.id)
    assert worst(diagnose(journal(shown(facts, volumes=(holding(old, new),)), runs=(run,)))) is Level.OK


def test_a_ticket_of_ours_without_a_run_is_given_back_by_the_daemon_or_else_by_hand(facts: Facts) -> None:
    stray = shown(facts, volumes=(holding(ticket()),))
    says(stray, "tickets", Level.WARNING, "no run holds them", "at its next poll")
    assert [f.level for f in diagnose(down(stray)) if f.check == "tickets"] == [Level.FAULT]


def test_a_young_ticket_of_another_journal_is_a_fault_and_an_old_one_a_warning(facts: Facts) -> None:
    twin = shown(facts, volumes=(holding(ticket(journal="10570000")),))
    says(twin, "tickets", Level.FAULT, "another journal (10570000), so no work starts", "lhbackupd adopt")
    lost = shown(facts, volumes=(holding(ticket(journal="10570000", minutes=-1)),))
    says(lost, "tickets", Level.WARNING, "no run holds them", "expired 1 min ago")


def test_a_ticket_of_another_instance_is_reported_with_its_age_and_never_touched(facts: Facts) -> None:
    young = shown(facts, volumes=(holding(ticket("site-b", "0b")),))
    assert worst(diagnose(young)) is Level.OK
    assert any("of other instances (site-b)" in finding.text for finding in diagnose(young))
    old = shown(facts, volumes=(holding(ticket("site-b", "0b", minutes=-180)),))
    says(old, "tickets", Level.WARNING, "too old, of other instances (site-b)", "expired 3 h ago", "over there")


def test_a_volume_that_no_policy_covers_is_a_warning(facts: Facts) -> None:
    both = (volume("pvc-db"), volume("stray", pvc_namespace="lab"))
    says(
        shown(facts, volumes=both),
        "volumes",
        Level.WARNING,
        "1 backed up by nobody: stray; stray: no policy matches it",
    )


def test_a_volume_whose_runs_fail_is_a_fault_with_its_reason(facts: Facts) -> None:
    failing = after(None, ended("pvc-db", Outcome.FAILED, "backup error: no space"))
    gone = after(None, ended("pvc-gone", Outcome.FAILED, "whatever"))
    said = journal(facts, protections=(failing, gone))
    says(said, "volumes", Level.FAULT, "pvc-db (nightly) failed: backup error: no space", "lhbackupd history pvc-db")


def test_two_completed_backups_of_one_snapshot_are_doubles_if_both_are_ours(facts: Facts) -> None:
    says(shown(facts, backups=(backup("b1"), backup("b2"))), "backups", Level.WARNING, "pvc-db", "b1, b2")
    for other in (
        backup("b2", labels={LABEL_ORIGIN: "0ther"}),
        backup("b2", state="Error"),
        backup("b2", snapshot="s2"),
        backup("b2", target="second"),
        backup("b2", volume="pvc-web"),
    ):
        assert worst(diagnose(shown(facts, backups=(backup("b1"), other)))) is Level.OK


def test_a_native_job_on_a_volume_of_ours_is_a_warning(facts: Facts) -> None:
    job = NativeJob(name="daily", task="backup", cron="0 2 * * *", groups=("default",))
    both = shown(facts, jobs=(job,), groups={"pvc-db": membership()})
    says(both, "jobs", Level.WARNING, "recurring job daily backs up pvc-db as well")
    for other in (replace(job, task="snapshot"), replace(job, groups=("gold",))):
        assert worst(diagnose(shown(both, jobs=(other,)))) is Level.OK


def test_a_native_job_beside_no_policy_of_ours_is_none(facts: Facts) -> None:
    job = NativeJob(name="daily", task="backup", cron="0 2 * * *", groups=("default",))
    stray = volume("stray", pvc_namespace="lab")
    fine = shown(facts, volumes=(volume("pvc-db"), stray), jobs=(job,),
                 groups={"stray": membership(), "pvc-db": membership(groups=["own"])})  # fmt: skip
    assert worst(diagnose(fine)) is Level.OK
    assert "1 left to Longhorn's own jobs: stray" in {finding.text for finding in diagnose(fine)}


def test_native_jobs_that_are_not_known_are_a_warning(facts: Facts) -> None:
    says(shown(facts, jobs=None), "jobs", Level.WARNING, "recurring jobs are not known", "before 1.2")


def test_a_volume_excluded_on_purpose_is_well_with_its_number(facts: Facts) -> None:
    match = Match(name=("stray",))
    facts = replace(facts, excludes=(Exclude(match=match, reason="scratch"),))
    facts = shown(facts, volumes=(volume("pvc-db"), volume("stray", pvc_namespace="lab")))
    assert worst(diagnose(facts)) is Level.OK
    assert "1 excluded on purpose: stray" in {finding.text for finding in diagnose(facts)}


def test_groups_that_could_not_be_read_leave_volumes_open(facts: Facts) -> None:
    grouped = Policy(name="grouped", cron="@daily", match=Match(group=("gold",)))
    open_ = shown(
        replace(facts, policies=(NIGHTLY, grouped)), volumes=(volume("pvc-db"), volume("stray", pvc_namespace="lab"))
    )
    says(open_, "volumes", Level.WARNING, "who backs up stray is not known: its groups have not been read yet")


def test_a_policy_that_matches_no_volume_is_a_warning(facts: Facts) -> None:
    lost = replace(NIGHTLY, name="lost", match=Match(namespace=("shpo",)))
    says(replace(facts, policies=(NIGHTLY, lost)), "volumes", Level.WARNING, "policy lost matches no volume")


def test_many_names_are_cut(facts: Facts) -> None:
    assert names(f"v{number}" for number in range(8)) == "v0, v1, v2, v3, v4 and 3 more"
    strays = tuple(volume(f"stray-{number:03}", pvc_namespace="lab") for number in range(1000))
    says(
        shown(facts, volumes=(volume("pvc-db"), *strays)),
        "volumes",
        Level.WARNING,
        "1000 backed up by nobody",
        "and 995 more",
    )


@pytest.mark.parametrize(("hours", "level"), [(1, Level.WARNING), (0, Level.FAULT)])
@pytest.mark.parametrize(("policy", "option"), [("nightly", "--policy nightly"), ("*", "--all")])
def test_a_pause_is_told_and_is_a_fault_once_it_should_be_over(
    facts: Facts, hours: int, level: Level, policy: str, option: str
) -> None:
    assert facts.daemon.report is not None
    pause = Pause(policy=policy, since=facts.now, until=facts.now + timedelta(hours=hours), by="uid 0")
    report = structs.replace(facts.daemon.report, paused=(rows.paused(pause, facts.now),))
    paused = replace(facts, daemon=replace(facts.daemon, report=report))
    says(paused, "daemon", level, "is paused since", "what is due waits", f"lhbackupd resume {option}")


def test_backups_of_other_origins_are_named_until_they_are_adopted(facts: Facts) -> None:
    lost = replace(backup("b1"), labels={LABEL_ORIGIN: "10570000"})
    found = shown(facts, backups=(lost,))
    said = [finding.text for finding in diagnose(found) if finding.check == "backups"]
    assert said == [
        "0 of ours are listed",
        "1 of other origins (10570000) are left alone; of a lost journal: lhbackupd adopt --origin",
    ]
    said = [finding.text for finding in diagnose(daemon(found, adopted=("10570000",))) if finding.check == "backups"]
    assert said == ["1 of ours are listed, with those of the adopted origins 10570000"]
