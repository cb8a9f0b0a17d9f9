"""Faults of the journal: locked, read-only, full, corrupt, and not a database at all."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from lhbackupd.assembly import Engine
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.engine.events import JournalReplaced, JournalTrouble
from lhbackupd.engine.journal import JournalError
from lhbackupd.engine.wreck import put_aside
from tests.engine import promises
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

#: what the journal is like, and in which words it is told
TROUBLES = {"read-only": "readonly", "full": "full", "locked": "locked"}


def _pragma(engine: Engine, text: str) -> None:
    with engine.journal.engine.begin() as connection:
        connection.execute(sa.text(f"PRAGMA {text}"))


def _each(engine: Engine, statement: str) -> None:
    with engine.journal.engine.begin() as connection:
        for table in ("lhbackupd_runs", "lhbackupd_facts", "lhbackupd_protection", "apscheduler_jobs"):
            for change in ("INSERT", "UPDATE"):
                connection.execute(sa.text(statement.format(table, change)))


@contextmanager
def troubled(engine: Engine, file: Path, how: str) -> Iterator[None]:
    """The journal cannot be written for a while."""
    match how:
        case "read-only":
            _pragma(engine, "query_only = 1")
            yield
            _pragma(engine, "query_only = 0")
        case "full":
            # a page limit would let updates through that fit where they were; a full disk lets none through
            _each(engine, "CREATE TRIGGER {0}_{1} BEFORE {1} ON {0} BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
            yield
            _each(engine, "DROP TRIGGER {0}_{1}")
        case _:
            _pragma(engine, "busy_timeout = 0")  # in virtual time nobody waits for a lock
            with closing(sqlite3.connect(file, isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                yield
                other.execute("ROLLBACK")


@pytest.mark.parametrize("how", sorted(TROUBLES))
@pytest.mark.parametrize(
    "phase", [Phase.QUEUED, Phase.ATTACHING, Phase.SNAPSHOTTING, Phase.BACKING_UP, Phase.DETACHING]
)
async def test_a_journal_that_cannot_be_written_holds_no_volume_and_loses_no_run(
    rig: Rig, how: str, phase: Phase
) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        with troubled(engine, rig.folder / "state.db", how):
            await rig.clock.sleep(60)
            assert TROUBLES[how] in engine.keeper.books.trouble
            assert await promises.held(rig) == {}
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes())
        await rig.clock.sleep(10)
        await promises.hold(rig, engine)
        assert engine.keeper.books.trouble == ""
    told = [event.text for event in rig.events if isinstance(event, JournalTrouble)]
    assert TROUBLES[how] in told[0]
    assert told[-1] == ""


async def test_due_times_that_pass_while_the_journal_is_full_are_made_up_for(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config()) as engine:
        await rig.until(lambda: len(engine.scheduler.schedules) == 1)
        with troubled(engine, rig.folder / "state.db", "full"):
            await rig.clock.sleep(300)
            assert await rig.ledger("ticket-added") == []
        await rig.finished(1, seconds=60)
        await promises.hold(rig, engine)
    assert rig.outcomes() == [Outcome.COMPLETED]


def spoil(file: Path, *, at: int = 100, length: int | None = None) -> None:
    """Overwrite a file from a place behind its header on."""
    raw = file.read_bytes()
    end = len(raw) if length is None else at + length
    file.write_bytes(raw[:at] + b"\xa5" * (end - at) + raw[end:])


@pytest.mark.parametrize("damage", ["schema", "a-page", "cut", "wal-is-left"])
async def test_a_corrupt_journal_is_put_aside_and_backups_go_on(rig: Rig, damage: str) -> None:
    await rig.volume("db", data=MIB)
    config = rig.config()
    async with rig.daemon(config) as engine:
        await rig.finished(1)
        origin = engine.origin.journal
    file = rig.folder / "state.db"
    match damage:
        case "schema":
            spoil(file)
        case "a-page":
            spoil(file, at=4096, length=4096)
        case "cut":
            file.write_bytes(file.read_bytes()[:6000])
        case _:
            spoil(file)
            (rig.folder / "state.db-wal").write_bytes(b"left over")
    before = file.read_bytes()
    async with rig.daemon(config) as engine:
        assert engine.origin.journal != origin
        await rig.finished(2)
        await promises.hold(rig, engine)
    (told,) = [event.wreck for event in rig.events if isinstance(event, JournalReplaced)]
    assert told.aside.read_bytes() == before
    assert told.aside.name.startswith("state.db.corrupt-20260302T")
    assert told.why
    if damage == "wal-is-left":
        assert (rig.folder / f"{told.aside.name}-wal").read_bytes() == b"left over"


async def test_tickets_of_a_journal_that_was_lost_to_damage_are_given_back_when_their_time_has_come(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 30})
    config = rig.config(cron='"0 2 * * *"')
    begun = rig.until(lambda: rig.phase(Phase.BACKING_UP))
    await rig.killed(config, begun)
    spoil(rig.folder / "state.db")
    async with rig.daemon(config) as engine:
        await rig.clock.sleep(60)
        assert "come from another journal" in engine.keeper.housekeeper.blocked
        assert len(await promises.held(rig)) == 1
        await rig.clock.sleep(15 * 60)
        assert engine.keeper.housekeeper.blocked == ""
        await promises.hold(rig)


def test_a_sound_journal_and_what_is_no_database_are_left_where_they_are(tmp_path: Path) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    sound, other, empty = (tmp_path / name for name in ("state.db", "letter.txt", "empty.db"))
    with closing(sqlite3.connect(sound)) as connection:
        connection.execute("CREATE TABLE t (x)")
    other.write_text("Dear Sir or Madam, " * 300)
    empty.touch()
    for file in (sound, other, empty, tmp_path / "nothing.db", tmp_path):
        assert put_aside(f"sqlite:///{file}", now) is None
    assert put_aside("sqlite://", now) is None
    assert put_aside("postgresql://host/db", now) is None
    assert sorted(file.name for file in tmp_path.iterdir()) == ["empty.db", "letter.txt", "state.db"]


def test_a_locked_journal_is_not_taken_for_damaged(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("CREATE TABLE t (x)")
        holder.execute("BEGIN EXCLUSIVE")
        assert put_aside(f"sqlite:///{file}", datetime(2026, 3, 2, tzinfo=UTC)) is None
    assert file.exists()


async def test_a_file_that_is_no_database_stops_the_start_with_words(rig: Rig) -> None:
    file = rig.folder / "state.db"
    file.write_text("Dear Sir or Madam, " * 300)
    with pytest.raises(JournalError, match=r"state\.db cannot be opened: file is not a database"):
        await rig.assembled(rig.config())
    assert file.read_text().startswith("Dear Sir")


async def test_while_the_journal_cannot_be_written_no_new_ticket_is_asked_for(rig: Rig) -> None:
    """A crash would leave one that no run knows, and the run without the one that it knows."""
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 1500})
    config = rig.config(cron='"0 2 * * *"', on_workload='"finish"', patience='{ backup = "1h" }')
    async with rig.daemon(config) as engine:
        await rig.until(lambda: any(run.progress for run in engine.keeper.active.values()))
        before = await promises.held(rig)
        assert before
        with troubled(engine, rig.folder / "state.db", "full"):
            await rig.clock.sleep(900)
            assert await promises.held(rig) == before
        await rig.until(lambda: rig.phase(Phase.FINISHED), 3600)
        await promises.hold(rig, engine)
    assert rig.outcomes() == [Outcome.COMPLETED]
