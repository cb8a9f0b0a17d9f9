"""What interrupts a run from outside, and what must have become of it afterwards.

Pods, nodes, engines, targets and volumes come and go while a run is under way. Counted from the
simulator's ledger: our tickets, backups by state, attach cycles.
"""

from datetime import timedelta
from typing import Any

import pytest

from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.core.pace import LONGEST
from tests.e2e.harness import SPEED, Daemon, Stage, backing_up, outcomes
from tests.e2e.simulated import MIB, OURS, Simulated

pytestmark = pytest.mark.timeout(120)


async def pod_with_data(longhorn: Simulated) -> None:
    """A pod that has written something since the last backup."""
    await longhorn.start_pod("db", "node-1")
    await longhorn.pod_runs()
    await longhorn.write("db", 8 * MIB, 16 * MIB)


# Pods


@pytest.mark.parametrize("setting", [False, True], ids=["off", "on"])
async def test_a_pod_scaled_down_mid_backup_leaves_a_completed_backup_and_a_detached_volume(
    stage: Stage, setting: bool
) -> None:
    longhorn = stage.longhorn
    await longhorn.allow(setting)
    await pod_with_data(longhorn)
    daemon = await backing_up(stage)
    await longhorn.stop_pod()
    assert outcomes(await daemon.finished()) == [Outcome.COMPLETED]
    await longhorn.at_rest("db")
    assert len(await longhorn.backups("db")) == 1
    assert await longhorn.protected("db")
    assert await longhorn.ours() == []
    assert (await longhorn.account("db"))["attach_cycles"] == 1


async def test_after_a_pod_was_scaled_down_nothing_is_attached_again_while_the_setting_is_off(stage: Stage) -> None:
    longhorn = stage.longhorn
    await longhorn.allow(False)
    await pod_with_data(longhorn)
    daemon = await backing_up(stage)
    await longhorn.stop_pod()
    await daemon.finished()
    await longhorn.at_rest("db")
    await daemon.due("db")
    assert outcomes(await daemon.finished(2)) == [Outcome.COMPLETED, Outcome.SUSPENDED]
    assert (await longhorn.account("db"))["attach_cycles"] == 1


async def test_a_volume_with_a_pod_is_backed_up_without_a_ticket_of_ours(stage: Stage) -> None:
    longhorn = stage.longhorn
    await pod_with_data(longhorn)
    daemon = await stage.daemon()
    await daemon.due("db")
    assert outcomes(await daemon.finished()) == [Outcome.COMPLETED]
    assert await longhorn.ours() == []
    assert await longhorn.protected("db")
    shown = await longhorn.volume("db")
    assert (shown["state"], shown["disableFrontend"]) == ("attached", False)
    assert [entry["kind"] for entry in await longhorn.ledger(volume="db") if entry["kind"] == "detached"] == []


async def waited_for_us(stage: Stage) -> tuple[Daemon, Run]:
    """A pod asks for the volume while a run has it, and gets it afterwards."""
    daemon = await backing_up(stage)
    await stage.longhorn.start_pod("db", "node-1")
    (run,) = await daemon.finished()
    await stage.longhorn.pod_runs()
    return daemon, run


async def test_a_pod_that_asks_while_we_hold_the_volume_waits_until_the_run_is_done(stage: Stage) -> None:
    _, run = await waited_for_us(stage)
    longhorn = stage.longhorn
    assert run.outcome is Outcome.COMPLETED
    (running,) = await longhorn.ledger("pod-running", "db")
    (returned,) = await longhorn.ours("ticket-removed", "db")
    (completed,) = await longhorn.ledger("backup-completed", "db")
    assert completed["seq"] < returned["seq"] < running["seq"]
    assert any(ticket.startswith(OURS) for ticket in running["behind"])
    assert (await longhorn.ledger("ticket-interrupted")) == []


async def test_the_wait_of_a_pod_is_in_the_journal_by_name_and_length(stage: Stage) -> None:
    _, run = await waited_for_us(stage)
    (asked,) = await stage.longhorn.ledger("pod-waiting", "db")
    (returned,) = await stage.longhorn.ours("ticket-removed", "db")
    assert run.waiter == "pod shop/db-0"
    # a look every 2.5 s at the latest, and a fifth of a real second for requests and journal, which the clock speeds up
    assert run.waited == pytest.approx(returned["t"] - asked["t"], abs=LONGEST + SPEED / 5)


async def test_the_wait_of_a_pod_is_logged_by_name(stage: Stage) -> None:
    daemon, run = await waited_for_us(stage)
    line = await daemon.process.says("pod shop/db-0 waited ")
    assert f"pod shop/db-0 waited {run.waited:.0f} s for run {run.id}" in line


async def test_our_ticket_is_withdrawn_when_a_pod_asks_before_we_have_the_volume(stage: Stage) -> None:
    longhorn = stage.longhorn
    await longhorn.timing(replica_start=60.0)
    daemon = await stage.daemon()
    await daemon.due("db")
    await longhorn.happens("attaching", "db")
    await longhorn.start_pod("db", "node-2")
    await longhorn.timing(replica_start=0.85)
    await longhorn.pod_runs()
    runs = await daemon.finished(2)
    assert outcomes(runs) == [Outcome.YIELDED, Outcome.COMPLETED]
    (withdrawn,) = await longhorn.ours("ticket-removed", "db")
    (running,) = await longhorn.ledger("pod-running", "db")
    assert withdrawn["seq"] < running["seq"]
    assert len(await longhorn.ours()) == 1  # the second attempt found the volume attached


# Nodes and engines


async def power_off(longhorn: Simulated, node: str) -> None:
    await longhorn.node(node, power="off")


async def restart(longhorn: Simulated, node: str) -> None:
    await longhorn.node(node, power="restart")


async def kill_engine(longhorn: Simulated, _node: str) -> None:
    await longhorn.call("POST", "/sim/volumes/db/engine/kill", {})


@pytest.mark.parametrize("blow", [power_off, restart, kill_engine])
async def test_a_blow_mid_backup_fails_the_run_and_the_retry_ends_in_exactly_one_completed_backup(
    stage: Stage, blow: Any
) -> None:
    longhorn = stage.longhorn
    # the second attempt is to meet what polls have shown: polls that take long come every two minutes
    daemon = await backing_up(stage, more='[retry]\nfirst = "5m"\n')
    (ours,) = await longhorn.ours("ticket-satisfied", "db")
    await blow(longhorn, ours["node"])
    first, second = await daemon.finished(2)
    assert (first.outcome, first.attempt) == (Outcome.FAILED, 1)
    assert (second.outcome, second.attempt) == (Outcome.COMPLETED, 2)
    returned = await longhorn.ours("ticket-removed", "db")
    assert {entry["id"] for entry in returned} == {first.ticket, second.ticket}
    assert len(await longhorn.backups("db")) == 1
    assert await longhorn.protected("db")
    assert await longhorn.asked_once()
    await longhorn.at_rest("db")


async def test_a_failed_backup_is_told_in_longhorns_own_words(stage: Stage) -> None:
    longhorn = stage.longhorn
    await longhorn.fault("backup-error-at-start", message="no space left on the target")
    daemon = await stage.daemon()
    await daemon.due("db")
    first, second = await daemon.finished(2)
    assert first.outcome is Outcome.FAILED
    assert "no space left on the target" in first.reason
    assert second.outcome is Outcome.COMPLETED
    assert len(await longhorn.backups("db")) == 1
    await longhorn.at_rest("db")


# Volumes, targets, policies


async def test_a_volume_deleted_mid_run_ends_its_run_and_no_other(stage: Stage) -> None:
    longhorn = stage.longhorn
    await longhorn.create("web", data=8 * MIB)
    daemon = await backing_up(stage, "db", "web")
    await longhorn.call("DELETE", "/v1/volumes/db")
    await daemon.finished(2)
    assert outcomes(daemon.runs("db")) == [Outcome.GONE]
    assert outcomes(daemon.runs("web")) == [Outcome.COMPLETED]
    await longhorn.at_rest("web")
    assert daemon.process.code is None


async def test_a_run_waits_for_its_backup_target_without_attaching_the_volume(stage: Stage) -> None:
    longhorn = stage.longhorn
    await longhorn.call("POST", "/sim/targets/default", {"available": False, "message": "connection refused"})
    daemon = await stage.daemon()
    due = await daemon.due("db")
    await stage.passes(due + timedelta(seconds=60))
    assert [run.phase for run in daemon.runs("db")] == [Phase.QUEUED]
    assert await longhorn.ours() == []
    await longhorn.call("POST", "/sim/targets/default", {"available": True})
    assert outcomes(await daemon.finished()) == [Outcome.COMPLETED]
    await longhorn.at_rest("db")


async def test_a_target_that_goes_away_before_the_backup_is_asked_for_costs_an_attempt_and_no_backup(
    stage: Stage,
) -> None:
    longhorn = stage.longhorn
    await longhorn.fault("status", match={"action": "snapshotCRGet"}, status=503)
    daemon = await stage.daemon()
    await daemon.due("db")
    await daemon.in_phase("snapshotting", "db")
    await longhorn.call("POST", "/sim/targets/default", {"available": False, "message": "connection refused"})
    await longhorn.clear()
    await daemon.finished_attempt(1)
    await longhorn.at_rest("db")
    await longhorn.call("POST", "/sim/targets/default", {"available": True})
    first, *_, last = await daemon.finished(2)
    assert (first.outcome, last.outcome) == (Outcome.FAILED, Outcome.COMPLETED)
    assert "backup target default is not available" in first.reason
    assert len(await longhorn.backups("db")) == 1
    assert await longhorn.asked_once()


async def test_two_policies_on_one_volume_take_turns(stage: Stage) -> None:
    longhorn = stage.longhorn
    daemon = await stage.daemon()
    await daemon.due("db", names=("hourly", "nightly"))
    runs = await daemon.finished(2)
    assert {run.policy: run.outcome for run in runs} == {"hourly": Outcome.COMPLETED, "nightly": Outcome.COMPLETED}
    turns = [
        (entry["kind"], entry["id"])
        for kind in ("ticket-added", "ticket-removed")
        for entry in await longhorn.ours(kind)
    ]
    assert len(turns) == 4
    entries = [e for e in await longhorn.ledger(volume="db") if e.get("id", "").startswith(OURS)]
    kinds = [entry["kind"] for entry in entries if entry["kind"] in ("ticket-added", "ticket-removed")]
    assert kinds == ["ticket-added", "ticket-removed", "ticket-added", "ticket-removed"]
    assert len(await longhorn.backups("db")) == 2
    await longhorn.at_rest("db")


async def test_of_a_policys_backups_the_newest_two_stay_and_nobody_elses_goes(stage: Stage) -> None:
    longhorn = stage.longhorn
    foreign = await longhorn.call(
        "POST",
        "/sim/targets/default/backups",
        {
            "volume": "db",
            "labels": {"lhbackupd.io/policy": "once", "lhbackupd.io/origin": "other", "lhbackupd.io/run": "x"},
        },
    )
    daemon = await stage.daemon()
    made: list[str] = []
    for number in range(1, 4):
        await longhorn.prefill("db", MIB, number * 10 * MIB)
        await daemon.due("db", keep="{ last = 2 }")
        made.append((await daemon.finished(number))[-1].backup)
    await longhorn.happens("backup-deleted", "db")
    assert {backup["name"] for backup in await longhorn.backups("db")} == {foreign["backup"], *made[1:]}
    assert [entry["backup"] for entry in await longhorn.ledger("backup-deleted")] == made[:1]
    assert await longhorn.protected("db")
    await longhorn.at_rest("db")
