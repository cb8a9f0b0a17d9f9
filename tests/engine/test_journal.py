"""The journal on a real SQLite file."""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core import protection
from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.engine.journal import Journal, JournalError
from lhbackupd.engine.schema import VERSION

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


def a_run(run_id: str = "r1", *, volume: str = "db", due: datetime = NOW, attempt: int = 1) -> Run:
    return Run(id=run_id, policy="nightly", volume=volume, due=due, queued_at=NOW, attempt=attempt)


def finished(run: Run, outcome: Outcome = Outcome.COMPLETED, at: datetime = NOW) -> Run:
    return replace(run, phase=Phase.FINISHED, outcome=outcome, finished_at=at, protected_until=at, backup="backup-1")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(url=f"sqlite:///{tmp_path}/state.db")
    made.open()
    yield made
    made.close()


def reopened(journal: Journal) -> Journal:
    journal.close()
    journal.open()
    return journal


def test_what_was_enqueued_is_there_after_a_restart(journal: Journal) -> None:
    assert journal.enqueue([a_run()]) == {"r1"}
    assert reopened(journal).unfinished() == (a_run(),)


def test_the_same_due_time_of_a_schedule_is_enqueued_once(journal: Journal) -> None:
    journal.enqueue([a_run("r1")])
    assert journal.enqueue([a_run("r2"), a_run("r3", volume="other")]) == {"r3"}
    assert [run.id for run in journal.unfinished()] == ["r1", "r3"]


def test_a_run_with_the_id_of_another_is_no_run_that_is_known_already(journal: Journal) -> None:
    journal.enqueue([a_run("r1")])
    with pytest.raises(JournalError, match=r"cannot be written: UNIQUE constraint failed: lhbackupd_runs\.id"):
        journal.enqueue([a_run("r2", volume="third"), a_run("r1", volume="other")])
    assert journal.unfinished() == (a_run("r1"),)


def test_a_move_is_read_back_as_it_was_written(journal: Journal) -> None:
    journal.enqueue([a_run()])
    moved = replace(
        a_run(),
        phase=Phase.BACKING_UP,
        entered={"attaching": NOW},
        known_backups=("backup-0",),
        asked_at=NOW,
        waiting_since=NOW,
        waited=1.5,
    )
    journal.save(moved)
    assert reopened(journal).unfinished() == (moved,)


def test_end_protection_and_successor_are_one_transaction(journal: Journal) -> None:
    journal.enqueue([a_run()])
    end = finished(a_run(), Outcome.FAILED)
    word = protection.after(None, end)
    with journal.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE lhbackupd_protection RENAME TO aside"))
    with pytest.raises(JournalError, match="cannot be written"):
        journal.finish(end, word, a_run("r1-2", attempt=2))
    with journal.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE aside RENAME TO lhbackupd_protection"))
    assert journal.unfinished() == (a_run(),)
    journal.finish(end, word, a_run("r1-2", attempt=2))
    assert [run.id for run in journal.unfinished()] == ["r1-2"]
    assert journal.protections() == (word,)


def test_history_is_newest_first_and_can_be_narrowed(journal: Journal) -> None:
    runs = [a_run(f"r{n}", volume=f"v{n % 2}", due=NOW + timedelta(hours=n)) for n in range(4)]
    journal.enqueue([finished(run, at=run.due) for run in runs])
    assert [run.id for run in journal.history()] == ["r3", "r2", "r1", "r0"]
    assert [run.id for run in journal.history(volume="v1", limit=1)] == ["r3"]
    assert journal.history(policy="other") == ()


def test_pruning_drops_old_ends_and_no_unfinished_run(journal: Journal) -> None:
    journal.enqueue([finished(a_run("old", due=NOW - timedelta(days=9)), at=NOW - timedelta(days=9)), a_run("open")])
    assert journal.prune(NOW - timedelta(days=1)) == 1
    assert [run.id for run in journal.unfinished()] == ["open"]


def test_notes_are_kept_by_kind_and_name_and_replaced_or_taken_away(journal: Journal) -> None:
    journal.note("pause", {"nightly": NOW, "hourly": NOW})
    journal.note("other", {"nightly": NOW})
    journal.note("pause", {"nightly": NOW + timedelta(days=1), "hourly": None, "never-there": None})
    assert reopened(journal).notes("pause", datetime) == {"nightly": NOW + timedelta(days=1)}
    assert journal.notes("other", datetime) == {"nightly": NOW}


def test_the_origin_stays_and_the_file_is_for_its_owner_only(journal: Journal, tmp_path: Path) -> None:
    origin = journal.origin
    assert len(origin) == 8
    assert reopened(journal).origin == origin
    assert stat.S_IMODE((tmp_path / "state.db").stat().st_mode) == 0o600


#: the schema of version 1, as the first release made it
VERSION_1 = """
CREATE TABLE lhbackupd_facts (name VARCHAR(32) NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name));
CREATE TABLE lhbackupd_runs (id VARCHAR(40) NOT NULL, policy VARCHAR(63) NOT NULL, volume VARCHAR(253) NOT NULL,
  due FLOAT NOT NULL, attempt INTEGER NOT NULL, phase VARCHAR(16) NOT NULL, finished FLOAT, document TEXT NOT NULL,
  PRIMARY KEY (id), UNIQUE (policy, volume, due, attempt));
CREATE INDEX ix_lhbackupd_runs_volume ON lhbackupd_runs (volume);
CREATE INDEX ix_lhbackupd_runs_finished ON lhbackupd_runs (finished);
CREATE INDEX ix_lhbackupd_runs_phase ON lhbackupd_runs (phase);
CREATE TABLE lhbackupd_protection (policy VARCHAR(63) NOT NULL, volume VARCHAR(253) NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (policy, volume));
INSERT INTO lhbackupd_facts VALUES ('version', '1'), ('origin', '0badc0de');
"""
#: a run in flight as version 1 wrote it: without the fields that came later
IN_FLIGHT = (
    '{"id":"r1","policy":"nightly","volume":"db","due":"2026-03-02T02:00:00Z","attempt":1,"phase":"snapshotting",'
    '"outcome":null,"reason":"8388608 bytes","can_pass":false,"queued_at":"2026-03-02T02:00:00Z","node":"node-1",'
    '"ticket":"lhbackupd:lhbackupd:0badc0de:r1:20260302T021500Z","snapshot":"lhbackupd-r1","own_snapshot":true}'
)


def test_an_older_journal_is_migrated_with_its_runs_in_flight(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with closing(sqlite3.connect(file)) as old:
        old.executescript(VERSION_1)
        row = ("r1", "nightly", "db", NOW.timestamp(), 1, "snapshotting", None, IN_FLIGHT)
        old.execute("INSERT INTO lhbackupd_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        old.commit()
    journal = Journal(url=f"sqlite:///{file}")
    journal.open()
    (run,) = journal.unfinished()
    assert (run.phase, run.snapshot, run.node) == (Phase.SNAPSHOTTING, "lhbackupd-r1", "node-1")
    assert journal.origin == "0badc0de"
    with journal.engine.begin() as connection:
        facts = dict(connection.execute(sa.text("SELECT name, value FROM lhbackupd_facts")).all())
        indexes = set(connection.scalars(sa.text("SELECT name FROM sqlite_master WHERE type = 'index'")))
    assert facts["version"] == str(VERSION)
    assert "lhbackupd_runs_by_volume" in indexes
    assert "ix_lhbackupd_runs_volume" not in indexes
    journal.open()
    assert journal.unfinished() == (run,)
    journal.close()


def test_a_newer_schema_is_refused_with_what_to_do(journal: Journal) -> None:
    with journal.engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE lhbackupd_facts SET value = '{VERSION + 1}' WHERE name = 'version'"))
    with pytest.raises(JournalError, match=r"newer lhbackupd made.*install the newer one again"):
        journal.open()


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.write_text("this is not a database, and long enough to look at its header" * 20)
    before = file.read_bytes()
    journal = Journal(url=f"sqlite:///{file}")
    with pytest.raises(JournalError, match=r"state\.db cannot be opened: file is not a database"):
        journal.open()
    journal.close()
    assert file.read_bytes() == before


def test_reading_a_journal_that_does_not_exist_makes_none(tmp_path: Path) -> None:
    journal = Journal(url=f"sqlite:///{tmp_path}/nothing.db", readonly=True)
    with pytest.raises(JournalError, match="there is no such file"):
        journal.history()
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_whose_journal_it_is_can_be_read_without_changing_it(journal: Journal, tmp_path: Path) -> None:
    journal.close()
    before = (tmp_path / "state.db").read_bytes()
    reader = Journal(url=f"sqlite:///{tmp_path}/state.db", readonly=True)
    reader.identify()
    reader.close()
    assert reader.origin == journal.origin
    assert (tmp_path / "state.db").read_bytes() == before


def test_a_path_is_no_url_where_a_journal_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "backups #1"
    folder.mkdir()
    made = Journal(url=f"sqlite:///{folder}/state.db")
    made.open()
    made.enqueue([finished(a_run())])
    reader = Journal(url=f"sqlite:///{folder}/state.db", readonly=True)
    assert reader.history() == (finished(a_run()),)
    reader.close()
    made.close()


def test_a_journal_of_a_newer_version_is_not_identified(journal: Journal, tmp_path: Path) -> None:
    with journal.engine.begin() as connection:
        connection.execute(sa.text("UPDATE lhbackupd_facts SET value = :v WHERE name = 'version'"), {"v": VERSION + 1})
    reader = Journal(url=f"sqlite:///{tmp_path}/state.db", readonly=True)
    with pytest.raises(JournalError, match="a newer lhbackupd made"):
        reader.identify()
    reader.close()


_TEXT = st.text(max_size=40)


@given(
    reason=_TEXT,
    backup=_TEXT,
    known=st.lists(_TEXT, max_size=3),
    waited=st.floats(0, 1e9),
    phase=st.sampled_from(Phase),
)
def test_any_run_survives_the_journal(reason: str, backup: str, known: list[str], waited: float, phase: Phase) -> None:
    journal = Journal(url="sqlite://")
    journal.open()
    run = replace(a_run(), reason=reason, backup=backup, known_backups=tuple(known), waited=waited)
    journal.enqueue([run])
    run = replace(run, phase=phase, finished_at=NOW if phase is Phase.FINISHED else None)
    journal.save(run)
    assert (*journal.unfinished(), *journal.history()) == (run,)
    journal.close()


def test_ends_that_were_due_after_now_are_dropped_and_open_runs_stay(journal: Journal) -> None:
    later = NOW + timedelta(days=365)
    journal.enqueue(
        [finished(a_run("ahead", due=later)), a_run("open", volume="b", due=later), finished(a_run("past"))]
    )
    assert journal.forget_after(NOW) == 1
    assert [run.id for run in journal.unfinished()] == ["open"]
    assert [run.id for run in journal.history()] == ["past"]


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:hush@db/lh", "postgresql:///lh?host=db&user=u&password=hush", "postgresql+none://u:hush@/lh"],
)
def test_a_password_is_in_no_name_and_no_error_wherever_the_url_has_it(url: str) -> None:
    try:
        words = Journal(url=url).name
    except JournalError as error:  # the driver may not be here
        words = str(error)
    assert "lh" in words
    assert "hush" not in words


def test_a_driver_of_sqlite_that_there_is_not_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="wants a driver that is not here"):
        Journal(url=f"sqlite+nope:///{tmp_path}/state.db")
