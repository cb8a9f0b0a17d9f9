"""Who is let in, who waits for what, and what happens around a run."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.pausing import Pause
from lhbackupd.engine.events import Defect, JournalTrouble, Missed, Moved, Pruned, Rescheduled
from lhbackupd.engine.journal import JournalError
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

DAY = timedelta(days=1)


async def most_at_once(rig: Rig) -> tuple[int, Counter[str]]:
    """From the ledger: the most volumes that tickets of ours held at once, in all and by node."""
    held: dict[str, str] = {}
    most, nodes = 0, Counter[str]()
    for entry in await rig.ledger():
        if not str(entry.get("id", "")).startswith("lhbackupd:"):
            continue
        if entry["kind"] == "ticket-added":
            held[entry["id"]] = entry["node"]
        elif entry["kind"] == "ticket-removed":
            held.pop(entry["id"], None)
        most = max(most, len(held))
        for node, count in Counter(held.values()).items():
            nodes[node] = max(nodes[node], count)
    return most, nodes


async def test_no_more_volumes_are_held_at_once_than_the_limits_allow(rig: Rig) -> None:
    for number in range(6):
        await rig.volume(f"v{number}", data=MIB)
    policy = '[limits]\ncluster = 2\nper_node = 1\n[[policy]]\nname = "often"\ncron = "0 2 * * *"\n'
    async with rig.daemon(rig.config(policy)):
        await rig.finished(6)
    most, nodes = await most_at_once(rig)
    assert most == 2
    assert set(nodes.values()) == {1}
    assert set(rig.outcomes()) == {Outcome.COMPLETED}


async def test_who_waits_says_for_what(rig: Rig) -> None:
    for number in range(3):
        await rig.volume(f"v{number}", data=MIB)
    policy = '[limits]\ncluster = 1\n[[policy]]\nname = "often"\ncron = "0 2 * * *"\n'
    async with rig.daemon(rig.config(policy)) as engine:
        await rig.until(lambda: rig.phase(Phase.SNAPSHOTTING))
        reasons = {run.reason for run in engine.keeper.waiting.values()}
        assert reasons == {"waits for one of 1 places in the cluster (limits.cluster)"}
        await rig.finished(3)


async def test_two_policies_of_one_volume_take_turns(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    policies = "".join(f'[[policy]]\nname = "{name}"\ncron = "0 2 * * *"\n' for name in ("hourly", "nightly"))
    async with rig.daemon(rig.config(policies)):
        runs = await rig.finished(2)
    assert {run.policy for run in runs} == {"hourly", "nightly"}
    assert set(rig.outcomes()) == {Outcome.COMPLETED}
    first, second = runs
    assert second.started_at >= first.finished_at
    assert second.snapshot == first.snapshot, "the snapshot that is there holds all there is"


async def test_a_run_that_is_due_while_the_one_before_still_goes_is_skipped_and_told(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 150})
    async with rig.daemon(rig.config(cron='"* * * * *"')):
        await rig.finished(3)
    assert rig.outcomes()[:2] == [Outcome.SKIPPED, Outcome.SKIPPED]
    assert "was still going when this one was due" in rig.runs()[0].reason
    assert rig.outcomes()[2] is Outcome.COMPLETED


async def test_schedules_follow_the_volumes_there_are(rig: Rig) -> None:
    await rig.volume("a")
    async with rig.daemon(rig.config(cron='"0 5 * * *"')) as engine:
        await rig.until(lambda: len(engine.scheduler.schedules) == 1)
        await rig.volume("b")
        await rig.until(lambda: len(engine.scheduler.schedules) == 2)
        await rig.call("DELETE", "/v1/volumes/a")
        await rig.until(lambda: set(engine.scheduler.schedules) == {("often", "b")})
    changes = [event.changes for event in rig.events if isinstance(event, Rescheduled)]
    assert [change.removed for change in changes if change.removed] == [(("often", "a"),)]


async def test_a_list_that_lacks_volumes_for_one_poll_throws_no_schedule_away(rig: Rig) -> None:
    for number in range(4):
        await rig.volume(f"v{number}")
    async with rig.daemon(rig.config(cron='"0 5 * * *"')) as engine:
        await rig.until(lambda: len(engine.scheduler.schedules) == 4)
        await rig.call("POST", "/sim/faults", {"kind": "half-list", "times": 1, "match": {"path": "/v1/volumes"}})
        await rig.clock.sleep(40)
        assert len(engine.scheduler.schedules) == 4
    assert not [e for e in rig.events if isinstance(e, Rescheduled) and e.changes.removed]


async def test_what_was_missed_while_down_happens_once_at_start(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    config = rig.config()
    async with rig.daemon(config):
        await rig.finished(1)
    await rig.clock.sleep(3600)
    async with rig.daemon(config):
        await rig.finished(2)
        await rig.clock.sleep(5)
    assert len(rig.runs()) == 2
    (missed,) = [event for event in rig.events if isinstance(event, Missed)]
    assert missed.count == 29


async def test_a_journal_that_cannot_be_written_gives_volumes_back_and_starts_nothing(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.volume("web", data=8 * MIB)
    policy = '[limits]\ncluster = 1\n[[policy]]\nname = "often"\ncron = "0 2 * * *"\n'
    async with rig.daemon(rig.config(policy)) as engine:
        await rig.until(lambda: rig.phase(Phase.INSPECTING))
        with engine.journal.engine.begin() as connection:
            connection.execute(sa.text("PRAGMA query_only = 1"))
        await rig.clock.sleep(30)
        tickets = [e["kind"] for e in await rig.ledger() if str(e.get("id", "")).startswith("lhbackupd:")]
        assert tickets == ["ticket-added", "ticket-satisfied", "ticket-removed"]
        assert "readonly" in engine.keeper.books.trouble
        with engine.journal.engine.begin() as connection:
            connection.execute(sa.text("PRAGMA query_only = 0"))
        await rig.until(lambda: rig.outcomes().count(Outcome.COMPLETED) == 2)
    troubles = [event.text for event in rig.events if isinstance(event, JournalTrouble)]
    assert "readonly" in troubles[0]
    assert troubles[-1] == ""


async def test_a_defect_met_by_one_run_lets_go_of_no_other(rig: Rig) -> None:
    await rig.volume("good", data=MIB)
    await rig.volume("bad", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        look = engine.keeper._runner._hands.look

        async def broken(run):
            if (
                run.volume == "bad"
                and run.phase is Phase.INSPECTING
                and not any(isinstance(e, Defect) for e in rig.events)
            ):
                raise KeyError("a defect")
            return await look(run)

        engine.keeper._runner._hands = type(
            "Hands", (), {"look": staticmethod(broken), "act": engine.keeper._runner._hands.act}
        )()
        await rig.finished(2)
    assert set(rig.outcomes()) == {Outcome.COMPLETED}
    assert [event.run.volume for event in rig.events if isinstance(event, Defect)] == ["bad"]


async def test_only_so_many_backups_of_a_policy_are_kept(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(keep="{ last = 2 }")):
        for number in range(1, 5):
            await rig.until(lambda wanted=number: rig.outcomes().count(Outcome.COMPLETED) >= wanted)
            await rig.clock.sleep(10)
            await rig.call("POST", "/sim/volumes/db/prefill", {"bytes": MIB})
    completed = [run.backup for run in rig.runs() if run.outcome is Outcome.COMPLETED]
    assert sorted(backup["name"] for backup in await rig.backups("db")) == sorted(completed[-2:])
    pruned = [one.backup.name for event in rig.events if isinstance(event, Pruned) for one in event.deleted]
    assert pruned == completed[:-2]


async def test_what_is_known_of_a_volume_goes_when_it_has_been_gone_for_as_long_as_history_is_kept(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.volume("stays", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.finished(2)
        await rig.call("DELETE", "/v1/volumes/db")
        await rig.until(lambda: "db" not in {volume for _, volume in engine.scheduler.schedules})
        await engine.keeper.forget(rig.clock.now() - timedelta(days=1))
        assert {word.volume for word in engine.journal.protections()} == {"db", "stays"}
        await engine.keeper.forget(rig.clock.now())
        assert [word.volume for word in engine.journal.protections()] == ["stays"]
        assert [volume for _, volume in engine.keeper.books.protections] == ["stays"]
        assert "db" not in {volume for _, volume in engine.keeper.books.durations.known}
        assert "db" not in {volume for _, volume in engine.keeper._runner.experience.durations}


async def test_what_is_known_stays_where_the_journal_fails_to_forget_it(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.finished(1)
        await rig.call("DELETE", "/v1/volumes/db")
        await rig.until(lambda: not engine.scheduler.schedules)

        def fails(_gone: object) -> None:
            raise JournalError("disk I/O error")

        engine.journal.forget = fails  # type: ignore[method-assign]
        await engine.keeper.forget(rig.clock.now())
        assert [volume for _, volume in engine.keeper.books.protections] == ["db"]


async def test_stopping_in_the_middle_gives_back_and_queues_again(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    config = rig.config(cron='"0 2 * * *"')
    async with rig.daemon(config):
        await rig.until(lambda: rig.phase(Phase.SNAPSHOTTING))
    assert (await rig.shows("db"))["volumeAttachment"]["attachments"] == {}
    assert rig.outcomes() == [Outcome.INTERRUPTED]
    async with rig.daemon(config):
        await rig.finished(2)
    assert rig.outcomes() == [Outcome.INTERRUPTED, Outcome.COMPLETED]
    assert len(await rig.backups("db")) == 1


async def test_stopping_while_longhorn_backs_up_leaves_the_backup_to_longhorn_and_carries_on(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 60})
    config = rig.config(cron='"0 2 * * *"')
    async with rig.daemon(config):
        await rig.until(lambda: any(isinstance(e, Moved) and e.after.progress > 0 for e in rig.events))
    kinds = {ticket["attachmentType"] for ticket in (await rig.shows("db"))["volumeAttachment"]["attachments"].values()}
    assert kinds == {"backup-controller"}
    assert rig.outcomes() == []
    await rig.clock.sleep(120)
    async with rig.daemon(config):
        await rig.finished(1)
    assert rig.outcomes() == [Outcome.COMPLETED]
    assert len(await rig.backups("db")) == 1


async def test_a_volume_in_use_is_backed_up_without_a_ticket_of_ours(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/sim/pods", {"name": "db-0", "namespace": "shop", "volume": "db", "node": "node-1"})
    await rig.clock.sleep(30)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')):
        (run,) = await rig.finished(1)
    assert (run.outcome, run.ticket) == (Outcome.COMPLETED, "")
    assert not [e for e in await rig.ledger("ticket-added") if e["id"].startswith("lhbackupd:")]


async def test_a_pod_that_asks_waits_until_the_run_is_done_and_is_named(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 30})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')):
        await rig.until(lambda: rig.phase(Phase.BACKING_UP))
        await rig.call("POST", "/sim/pods", {"name": "db-0", "namespace": "shop", "volume": "db", "node": "node-3"})
        (run,) = await rig.finished(1)
        assert run.outcome is Outcome.COMPLETED
        assert run.waiter == "pod shop/db-0"
        assert 20 < run.waited < 40
        await rig.clock.sleep(60)
    pods = await rig.call("GET", "/sim/pods")
    assert "Running" in str(pods)


async def test_a_volume_that_a_workload_takes_first_is_left_to_it_and_backed_up_attached(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')):
        await rig.until(lambda: rig.clock.now().minute >= 59 and rig.clock.now().second >= 58)
        await rig.call("POST", "/sim/pods", {"name": "db-0", "namespace": "shop", "volume": "db", "node": "node-1"})
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes())
    assert not [e for e in await rig.ledger("ticket-satisfied") if e["id"].startswith("lhbackupd:")]


async def test_nothing_is_attached_for_a_target_that_is_not_available(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/sim/targets/default", {"available": False, "message": "connection refused"})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(Phase.QUEUED))
        await rig.clock.sleep(60)
        (run,) = engine.keeper.waiting.values()
        assert "backup target default is not available: connection refused" in run.reason
        assert await rig.ledger("ticket-added") == []
        await rig.call("POST", "/sim/targets/default", {"available": True})
        await rig.finished(1)
    assert rig.outcomes() == [Outcome.COMPLETED]


async def test_a_run_of_a_policy_that_is_gone_after_a_restart_ends_and_gives_back(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    begun = asyncio.Event()

    async def snapshotting() -> None:
        await rig.until(lambda: rig.phase(Phase.SNAPSHOTTING))
        begun.set()

    await rig.killed(rig.config(cron='"0 2 * * *"'), snapshotting())
    assert begun.is_set()
    async with rig.daemon(rig.config('[[policy]]\nname = "other"\ncron = "0 5 * * *"\n')):
        await rig.finished(1)
    assert rig.outcomes() == [Outcome.GONE]
    assert (await rig.shows("db"))["state"] == "detached"


async def test_a_run_whose_schedule_could_not_move_on_is_run_all_the_same(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config()) as engine:
        await rig.until(lambda: len(engine.scheduler.schedules) == 1)
        with engine.journal.engine.begin() as connection:
            connection.execute(
                sa.text("CREATE TRIGGER full BEFORE INSERT ON apscheduler_jobs BEGIN SELECT RAISE(ABORT, 'full'); END")
            )
        await rig.until(lambda: rig.phase(Phase.QUEUED))
        await rig.clock.sleep(10)
        assert engine.keeper.books.trouble
        with engine.journal.engine.begin() as connection:
            connection.execute(sa.text("DROP TRIGGER full"))
        await rig.finished(1, seconds=60)
    assert rig.outcomes() == [Outcome.COMPLETED]


async def test_a_first_list_that_lacks_volumes_loses_no_run_that_was_missed_meanwhile(rig: Rig) -> None:
    for name in ("a", "b", "c", "d"):
        await rig.volume(name, data=MIB)
    config = rig.config(cron='"0 2 * * *"')
    async with rig.daemon(config):
        await rig.clock.sleep(20)
    await rig.clock.sleep(3600)
    await rig.call("POST", "/sim/faults", {"kind": "half-list", "times": 1, "match": {"path": "/v1/volumes"}})
    async with rig.daemon(config):
        await rig.finished(4)
    assert {run.volume for run in rig.runs() if run.outcome is Outcome.COMPLETED} == {"a", "b", "c", "d"}


async def test_a_place_that_came_free_goes_past_one_that_has_to_wait_by_now_to_the_next(rig: Rig) -> None:
    """The one was ready at the last sweep, and nobody has told the keeper of what keeps it since."""
    for name in ("a", "b", "c"):
        await rig.volume(name, data=MIB)
    policies = "".join(
        f'[[policy]]\nname = "{name}"\ncron = "0 2 * * *"\nmatch = {{ name = [{volumes}] }}\n'
        for name, volumes in (("held", '"a", "b"'), ("free", '"c"'))
    )
    async with rig.daemon(rig.config(f"[limits]\ncluster = 1\n{policies}")) as engine:
        await rig.until(lambda: rig.phase(Phase.DETACHING, "a"))
        now = rig.clock.now()
        await engine.keeper.orders.pause(Pause(policy="held", since=now, until=now + DAY, by="me", reason="new disks"))
        (first,) = await rig.finished(1)
        await rig.until(lambda: rig.phase(Phase.ATTACHING, "c"), seconds=1)
        (waits,) = engine.keeper.waiting.values()
        assert (first.volume, waits.volume) == ("a", "b")
        assert "new disks" in waits.reason
        assert waits.not_before is None, "it was never let in"
        await rig.finished(2)


async def test_a_defect_of_a_turn_lets_go_of_no_run_and_the_next_turn_comes(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(Phase.SNAPSHOTTING))
        turn, faults = engine.keeper.trails.follow, iter([KeyError("a defect")] * 3)

        async def broken() -> None:
            for fault in faults:
                raise fault
            await turn()

        monkeypatch.setattr(engine.keeper.trails, "follow", broken)
        await rig.volume("late", data=MIB)
        await rig.finished(1)
        assert engine.keeper.stopping.is_set() is False
        await rig.until(lambda: ("often", "late") in engine.scheduler.schedules)
    assert [(event.run, type(event.error)) for event in rig.events if isinstance(event, Defect)] == [
        (None, KeyError)
    ] * 3
    assert rig.outcomes() == [Outcome.COMPLETED]


async def test_a_daemon_whose_turns_all_fail_gives_its_volumes_back_and_is_no_longer_alive(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(Phase.SNAPSHOTTING))

        async def broken() -> None:
            raise KeyError("a defect")

        monkeypatch.setattr(engine.keeper.trails, "follow", broken)
        before = engine.keeper.turned
        await rig.finished(1)
        await rig.clock.sleep(120)
        assert engine.keeper.turned - before < 15, "who looks at that sees that nothing is let in any more"
    assert rig.outcomes() == [Outcome.COMPLETED]


async def test_a_defect_in_letting_runs_in_shows_for_as_long_as_it_lasts(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: bool(engine.scheduler.schedules))

        def broken(*_: object) -> None:
            raise IndexError("a defect")

        monkeypatch.setattr(engine.keeper.lobby, "_admission", broken)
        await rig.until(lambda: bool(engine.keeper.waiting))
        await rig.clock.sleep(10)
        before = engine.keeper.turned
        await rig.clock.sleep(120)
        assert engine.keeper.turned == before
        monkeypatch.undo()
        await rig.finished(1)
        assert engine.keeper.turned > before
