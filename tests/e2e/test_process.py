"""The daemon as a process: killed, stopped, reloaded, started twice, its disk full, at every phase of a run.

Each phase is held by something that Longhorn does not answer or takes long for, until the signal was sent.
"""

import contextlib
import resource
import signal
import socket
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from lhbackupd.core.model import Outcome, Phase
from tests.e2e.harness import Daemon, Stage, outcomes, policy
from tests.e2e.processes import until
from tests.e2e.simulated import MIB, Simulated

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True, slots=True)
class Hold:
    """What keeps a run in a phase, and how it is seen that it has got there."""

    phase: str
    arm: Callable[[Simulated], Awaitable[None]]
    #: entry of the ledger that must be there as well
    seen: str = ""


def unanswered(**match: str) -> Callable[[Simulated], Awaitable[None]]:
    """Longhorn does not hear requests of a kind."""

    async def arm(longhorn: Simulated) -> None:
        await longhorn.fault("status", match=match, status=503)

    return arm


async def slow_attach(longhorn: Simulated) -> None:
    await longhorn.timing(replica_start=60.0)


async def slow_backup(longhorn: Simulated) -> None:
    await longhorn.slow_backups("db", 60.0)


async def very_slow_backup(longhorn: Simulated) -> None:
    await longhorn.slow_backups("db", 300.0)


async def unheard_backup(longhorn: Simulated) -> None:
    await longhorn.slow_backups("db", 60.0)
    await longhorn.fault("reset", match={"action": "snapshotBackup"}, act="after", times=1)


HOLDS = {
    "queued": Hold("queued", unanswered(path="/v1/settings/*")),
    "attaching-before-the-ticket": Hold("attaching", unanswered(action="attach")),
    "attaching": Hold("attaching", slow_attach, "attaching"),
    "inspecting": Hold("inspecting", unanswered(action="snapshotList")),
    "snapshotting-before-the-snapshot": Hold("snapshotting", unanswered(action="snapshotCRCreate")),
    "snapshotting": Hold("snapshotting", unanswered(action="snapshotCRGet"), "snapshot-asked"),
    "backing-up-before-asking": Hold("backing-up", unanswered(action="snapshotBackup")),
    "backing-up-unanswered": Hold("backing-up", unheard_backup, "backup-asked"),
    "backing-up": Hold("backing-up", slow_backup, "backup-started"),
    "detaching": Hold("detaching", unanswered(action="detach")),
}
every_phase = pytest.mark.parametrize("hold", HOLDS.values(), ids=HOLDS.keys())


async def held(stage: Stage, hold: Hold) -> Daemon:
    """A daemon with a run that is held in a phase."""
    await hold.arm(stage.longhorn)
    daemon = await stage.daemon()
    await daemon.due("db")
    await daemon.in_phase(hold.phase, "db")
    if hold.seen:
        await stage.longhorn.happens(hold.seen, "db")
    return daemon


async def release(longhorn: Simulated) -> None:
    await longhorn.clear()
    await longhorn.timing(replica_start=0.85)


async def all_is_well(longhorn: Simulated) -> None:
    """The volume is detached, no ticket of ours is left, and exactly one backup holds all there is."""
    await longhorn.at_rest("db")
    assert await longhorn.held_by_us() == []
    assert len(await longhorn.backups("db")) == 1
    assert len(await longhorn.ledger("backup-completed", "db")) == 1
    assert await longhorn.protected("db")
    assert await longhorn.asked_once()


@every_phase
async def test_after_sigkill_the_next_start_carries_the_run_on(stage: Stage, hold: Hold) -> None:
    killed = await held(stage, hold)
    await killed.kill()
    await release(stage.longhorn)
    daemon = await stage.daemon()
    assert outcomes(await daemon.finished()) == [Outcome.COMPLETED]
    await all_is_well(stage.longhorn)
    assert (await stage.longhorn.account("db"))["attach_cycles"] == 1
    assert await daemon.stop() == 0


@every_phase
async def test_at_sigterm_the_volume_is_given_back_and_the_next_start_completes_the_run(
    stage: Stage, hold: Hold
) -> None:
    longhorn = stage.longhorn
    stopped = await held(stage, hold)
    stopped.process.signal(signal.SIGTERM)
    if hold.phase == "detaching":
        await release(longhorn)
    assert await stopped.process.ended() == 0
    assert await longhorn.held_by_us() == []
    assert "no volume is held by us" in stopped.process.lines[-1]
    await release(longhorn)
    daemon = await stage.daemon()
    runs = await daemon.finished()
    assert runs[-1].outcome is Outcome.COMPLETED
    assert [run.outcome for run in runs[:-1]] in ([], [Outcome.INTERRUPTED])
    await all_is_well(longhorn)


async def test_a_backup_that_runs_at_sigterm_goes_on_without_us(stage: Stage) -> None:
    longhorn = stage.longhorn
    hold = replace(HOLDS["backing-up"], arm=very_slow_backup)
    daemon = await held(stage, hold)
    assert await daemon.stop() == 0
    assert [run.phase for run in daemon.runs()] == [Phase.BACKING_UP]
    (returned,) = await longhorn.ours("ticket-removed", "db")
    (completed,) = await longhorn.happens("backup-completed", "db")
    assert returned["seq"] < completed["seq"]
    await longhorn.at_rest("db")
    daemon = await stage.daemon()
    assert outcomes(await daemon.finished()) == [Outcome.COMPLETED]
    await all_is_well(longhorn)


async def test_what_longhorn_does_not_take_back_is_named_at_the_end_and_the_next_start_gives_it_back(
    stage: Stage,
) -> None:
    longhorn = stage.longhorn
    daemon = await held(stage, HOLDS["detaching"])
    assert await daemon.stop(seconds=90) == 1
    (ticket,) = await longhorn.held_by_us()
    assert f"db (ticket {ticket})" in daemon.process.lines[-1]
    await release(longhorn)
    assert outcomes(await (await stage.daemon()).finished()) == [Outcome.COMPLETED]
    await all_is_well(longhorn)


async def test_a_run_missed_while_the_daemon_was_down_happens_once_at_start(stage: Stage) -> None:
    first = await stage.daemon()
    due = await first.due("db")
    await first.kill()
    await stage.passes(due + timedelta(seconds=60))
    daemon = await stage.daemon()
    runs = await daemon.finished()
    assert (runs[-1].due, runs[-1].outcome) == (due, Outcome.COMPLETED)
    assert len(runs) == 1
    await all_is_well(stage.longhorn)


async def test_sighup_puts_a_good_file_in_force_and_removes_what_it_lacks(stage: Stage) -> None:
    daemon = await stage.daemon(policy("old"))
    await daemon.scheduled("db", name="old")
    await daemon.reload(policy("new"))

    async def swapped() -> bool:
        return set(daemon.schedules()) == {("new", "db")}

    await until("the schedules to be those of the new file", swapped)


@pytest.mark.parametrize(
    ("bad", "said"), [({"cron": "61 * * * *"}, "cron"), ({"ping_url_file": f'"/{"a" * 300}"'}, "file name too long")]
)
async def test_sighup_with_a_bad_file_leaves_the_old_policies_in_force_and_says_so(
    stage: Stage, bad: dict[str, str], said: str
) -> None:
    daemon = await stage.daemon()
    await daemon.scheduled("db")
    await daemon.reload(policy("once", **bad))
    line = await daemon.process.says("the old policies stay in force")
    assert said in line
    assert set(daemon.schedules()) == {("once", "db")}
    await daemon.due("db")
    assert outcomes(await daemon.finished()) == [Outcome.COMPLETED]


async def test_a_reload_takes_the_policies_and_says_what_it_cannot_take(stage: Stage) -> None:
    daemon = await stage.daemon()
    await daemon.scheduled("db")
    await daemon.reload(policy("other"), '[notify]\ndigest = "off"\n')
    line = await daemon.process.says("which a reload does not take")
    assert "notify.digest" in line
    await daemon.process.says("policies reloaded")


async def test_a_bad_file_ends_the_start_with_code_2_and_one_line_per_fault(stage: Stage) -> None:
    daemon = await stage.daemon(policy(cron="61 * * * *", colour='"red"'), ready=False)
    assert await daemon.process.ended() == 2
    assert len(daemon.process.lines) == 2


async def test_a_second_daemon_on_the_same_journal_refuses_to_start(stage: Stage) -> None:
    first = await stage.daemon()
    second = await stage.daemon(ready=False)
    assert await second.process.ended() == 1
    assert "another lhbackupd uses the journal" in second.process.lines[-1]
    await first.due("db")
    assert outcomes(await first.finished()) == [Outcome.COMPLETED]


async def test_the_daemon_starts_while_longhorn_is_down_and_works_once_it_is_there(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    daemon = await stage.daemon(url=f"http://127.0.0.1:{port}")
    await stage.passes(stage.clock.now() + timedelta(seconds=60))
    assert daemon.process.code is None
    longhorn = await stage.another(port=port)
    await longhorn.allow(True)
    await longhorn.create("db", data=8 * MIB)
    await daemon.scheduled("db")
    await daemon.due("db")
    assert outcomes(await daemon.finished()) == [Outcome.COMPLETED]
    await all_is_well(longhorn)


def no_room(daemon: Daemon, *, full: bool) -> None:
    """Let no file of the daemon grow or be written to, as on a full disk; or let it again."""
    limit = 0 if full else resource.RLIM_INFINITY
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


@pytest.mark.parametrize("name", ["inspecting", "snapshotting", "backing-up-before-asking", "backing-up"])
async def test_with_a_full_disk_the_volume_is_given_back_and_no_run_begins(stage: Stage, name: str) -> None:
    longhorn, hold = stage.longhorn, HOLDS[name]
    await hold.arm(longhorn)
    daemon = await stage.daemon(policy(cron="* * * * *"))
    await daemon.in_phase(hold.phase, "db")
    if hold.seen:
        await longhorn.happens(hold.seen, "db")
    no_room(daemon, full=True)
    await release(longhorn)
    await longhorn.at_rest("db")
    given_back = await longhorn.seq()
    await stage.passes(stage.clock.now() + timedelta(minutes=3))
    assert await longhorn.ledger("ticket-added", since=given_back) == []
    assert not await daemon.ready()
    no_room(daemon, full=False)

    async def completed() -> bool:
        return Outcome.COMPLETED in outcomes(daemon.runs())

    await until("a completed run", completed)
    assert await daemon.ready()
    await daemon.reload(policy())
    await daemon.finished()
    await all_is_well(longhorn)
    with contextlib.closing(sqlite3.connect(stage.folder / "state.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
