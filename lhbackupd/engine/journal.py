"""The journal: what has been decided about every run, written down before it is acted on.

One table of runs, each with its whole state as a JSON document beside the columns that are searched; one of protection,
the last word on every (policy, volume), which outlives the history; one of notes, small documents of several kinds that
outlive a restart; one of facts about the journal itself (`schema`). Everything here is synchronous and called through
one worker thread, so that no disk ever stops the event loop.
"""

import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

from lhbackupd.core.durations import Ended
from lhbackupd.core.model import Phase, Run
from lhbackupd.core.protection import Protection
from lhbackupd.engine.schema import FACTS, METADATA, MIGRATIONS, NOTES, PROTECTION, RUNS, VERSION, insert, upsert

T = TypeVar("T")

#: how long a write waits for another process's lock on the file, in seconds
BUSY = 5.0

_NEWEST_FIRST = sa.select(RUNS.c.document).where(RUNS.c.finished.is_not(None)).order_by(RUNS.c.finished.desc())
# made once: to put a statement together takes longer than to carry it out
_MOVE = RUNS.update().where(RUNS.c.id == sa.bindparam("run"))
_UNSAY = NOTES.delete().where((NOTES.c.kind == sa.bindparam("key")) & (NOTES.c.name == sa.bindparam("which")))


class JournalError(Exception):
    """The journal could not be read or written; the text says which one, why, and what to do."""


class Journal:
    """Runs and protection in one database. Making one and every method raise JournalError and nothing else."""

    def __init__(self, *, url: str, readonly: bool = False) -> None:
        self._url = sa.make_url(url)
        file = self._url.database if self._url.get_backend_name() == "sqlite" else None
        #: the path of its file, or its URL without the password, which may be among its parameters
        self.name = file or self._url.set(query={}).render_as_string(hide_password=True)
        if readonly and self._url.get_backend_name() == "sqlite":
            # without this SQLite would make an empty file of a name that does not exist
            self._url = self._url.set(
                database=f"file:{quote(self._url.database or '')}", query={"mode": "ro", "uri": "true"}
            )
        self.engine = self._engine()
        # leaves alone what is known already, and nothing else: an id that another run has is an error
        self._new = insert(self.engine, RUNS).on_conflict_do_nothing(
            index_elements=["policy", "volume", "due", "attempt"]
        )
        self._word, self._note = (upsert(self.engine, table, "document") for table in (PROTECTION, NOTES))
        #: random, made with the journal; "" until `open`
        self.origin = ""

    def _engine(self) -> sa.Engine:
        here = self._url.get_backend_name() == "sqlite"
        ways: dict[str, Any] = {"pool_pre_ping": True}
        if here:
            arguments = {"timeout": BUSY, "check_same_thread": False}
            ways = {"connect_args": arguments, "poolclass": sa.pool.StaticPool}
        try:
            engine = sa.create_engine(self._url, **ways)
        except (ImportError, NoSuchModuleError) as error:
            why = f"it wants a driver that is not here ({error}); install one beside lhbackupd"
            raise JournalError(f"journal {self.name} cannot be used: {why}") from error
        if not here:
            return engine

        @sa.event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: object) -> None:
            # a commit is on disk before it is acted on, so that a power cut takes nothing back
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")

        return engine

    def open(self) -> None:
        """Create, check or migrate the schema."""
        with self._errors("opened"):
            self._protect_file()
            with self.engine.begin() as connection:
                METADATA.create_all(connection)
                facts = {row.name: row.value for row in connection.execute(sa.select(FACTS))}
                if not facts:
                    facts = {"version": str(VERSION), "origin": secrets.token_hex(4)}
                    connection.execute(FACTS.insert(), [{"name": k, "value": v} for k, v in facts.items()])
                self._migrate(connection, int(facts["version"]))
        self.origin = facts["origin"]

    def identify(self) -> None:
        """Learn `origin` from a journal that is there, without changing anything; one that is too new is an error."""
        with self._errors("read"), self.engine.begin() as connection:
            facts = {row.name: row.value for row in connection.execute(sa.select(FACTS))}
        self._refuse_newer(int(facts["version"]))
        self.origin = facts["origin"]

    def _refuse_newer(self, version: int) -> None:
        if version > VERSION:
            raise JournalError(
                f"journal {self.name} has schema version {version}, which a newer lhbackupd made; this one knows "
                f"{VERSION}: install the newer one again, or give this one a journal of its own (state.url)"
            )

    def _migrate(self, connection: sa.Connection, version: int) -> None:
        self._refuse_newer(version)
        for step in range(version, VERSION):
            MIGRATIONS[step](connection)
        if version < VERSION:
            connection.execute(FACTS.update().where(FACTS.c.name == "version").values(value=str(VERSION)))

    def _protect_file(self) -> None:
        file = self._url.database
        if self._url.get_backend_name() == "sqlite" and file and file != ":memory:":
            Path(file).touch(mode=stat.S_IRUSR | stat.S_IWUSR)
            Path(file).chmod(stat.S_IRUSR | stat.S_IWUSR)

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError, msgspec.MsgspecError) as error:
            cause = (str(getattr(error, "orig", None) or error).splitlines() or [""])[0][:256]
            raise JournalError(f"journal {self.name} cannot be {what}: {self._absent() or cause}") from error

    def _absent(self) -> str:
        """That there is no file; "" while there is, or it is no file, or nobody may look."""
        try:
            if self._url.get_backend_name() == "sqlite":
                Path(self.name).stat()
        except FileNotFoundError:
            return "there is no such file, and the first `lhbackupd run` makes it"
        except OSError:
            pass
        return ""

    def enqueue(self, runs: Sequence[Run]) -> frozenset[str]:
        """Write down new runs in one transaction, and return the ids of those that were new.

        A run of the same policy, volume, due time and attempt that is there already is left as it is.
        """
        if not runs:
            return frozenset()
        with self._errors("written"), self.engine.begin() as connection:
            connection.execute(self._new, [_row(run) for run in runs])
            return frozenset(connection.scalars(sa.select(RUNS.c.id).where(RUNS.c.id.in_([run.id for run in runs]))))

    def save(self, run: Run) -> None:
        """Write down a run's new state."""
        with self._errors("written"), self.engine.begin() as connection:
            connection.execute(_MOVE, {"run": run.id, **_row(run)})

    def finish(self, run: Run, protection: Protection, successor: Run | None) -> None:
        """Write down in one transaction how a run ended, what is known now, and the run that follows it."""
        with self._errors("written"), self.engine.begin() as connection:
            connection.execute(_MOVE, {"run": run.id, **_row(run)})
            if successor is not None:
                connection.execute(self._new, _row(successor))
            connection.execute(self._word, _said(protection))

    def say(self, protection: Protection) -> None:
        """Write down what is known of a volume under a policy now."""
        with self._errors("written"), self.engine.begin() as connection:
            connection.execute(self._word, _said(protection))

    def probe(self) -> None:
        """Write something that changes nothing, to learn whether the journal can be written again."""
        with self._errors("written"), self.engine.begin() as connection:
            connection.execute(FACTS.update().where(FACTS.c.name == "version").values(value=FACTS.c.value))

    def _documents(self, query: sa.Select[Any], type_: type[T]) -> tuple[T, ...]:
        """What a query of documents finds, read one by one: there may be many, and of each only a little wanted."""
        with self._errors("read"), self.engine.begin() as connection:
            found = connection.execution_options(yield_per=500).scalars(query)
            return tuple(msgspec.json.decode(text, type=type_) for text in found)

    def unfinished(self) -> tuple[Run, ...]:
        """All runs that have not finished, oldest due time first."""
        query = sa.select(RUNS.c.document).where(RUNS.c.phase != Phase.FINISHED.value).order_by(RUNS.c.due)
        return self._documents(query, Run)

    def find(self, run: str) -> Run | None:
        """The run of this id, if there is one (still)."""
        return next(iter(self._documents(sa.select(RUNS.c.document).where(RUNS.c.id == run), Run)), None)

    def history(self, *, volume: str | None = None, policy: str | None = None, limit: int = 100) -> tuple[Run, ...]:
        """Finished runs, newest first, at most `limit`."""
        wanted = ((RUNS.c.volume, volume), (RUNS.c.policy, policy))
        here = [column == value for column, value in wanted if value is not None]
        return self._documents(_NEWEST_FIRST.where(*here).limit(limit), Run)

    def ended(self, limit: int) -> tuple[Ended, ...]:
        """How the last `limit` finished runs ended and when, oldest first."""
        return self._documents(_NEWEST_FIRST.limit(limit), Ended)[::-1]

    def protections(self) -> tuple[Protection, ...]:
        """The last word on every (policy, volume)."""
        return self._documents(sa.select(PROTECTION.c.document), Protection)

    def forget(self, gone: Sequence[tuple[str, str]]) -> None:
        """Drop the protection of (policy, volume) pairs that are no more."""
        with self._errors("written"), self.engine.begin() as connection:
            for policy, volume in gone:
                here = (PROTECTION.c.policy == policy) & (PROTECTION.c.volume == volume)
                connection.execute(PROTECTION.delete().where(here))

    def notes(self, kind: str, type_: type[T]) -> dict[str, T]:
        """All notes of a kind, by name."""
        query = sa.select(NOTES.c.name, NOTES.c.document).where(NOTES.c.kind == kind)
        with self._errors("read"), self.engine.begin() as connection:
            return {row.name: msgspec.json.decode(row.document, type=type_) for row in connection.execute(query)}

    def note(self, kind: str, changes: Mapping[str, object]) -> None:
        """Write notes in one transaction, in the place of those with their names; None takes one away."""
        rows = [
            {"kind": kind, "name": name, "document": _encode(value)}
            for name, value in changes.items()
            if value is not None
        ]
        gone = [{"key": kind, "which": name} for name, value in changes.items() if value is None]
        with self._errors("written"), self.engine.begin() as connection:
            if rows:
                connection.execute(self._note, rows)
            if gone:
                connection.execute(_UNSAY, gone)

    def prune(self, before: datetime) -> int:
        """Drop runs that finished before `before`; returns how many."""
        old = RUNS.c.finished.is_not(None) & (RUNS.c.finished < before.timestamp())
        with self._errors("written"), self.engine.begin() as connection:
            return connection.execute(RUNS.delete().where(old)).rowcount

    def forget_after(self, now: datetime) -> int:
        """Drop finished runs that were due after `now`, which only a clock that was ahead can have made.

        Their due times are yet to come, and would be taken for done. Returns how many.
        """
        ahead = RUNS.c.finished.is_not(None) & (RUNS.c.due > now.timestamp())
        with self._errors("written"), self.engine.begin() as connection:
            return connection.execute(RUNS.delete().where(ahead)).rowcount

    def close(self) -> None:
        self.engine.dispose()


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _said(protection: Protection) -> dict[str, object]:
    return {"policy": protection.policy, "volume": protection.volume, "document": _encode(protection)}


def _row(run: Run) -> dict[str, object]:
    return {
        "id": run.id,
        "policy": run.policy,
        "volume": run.volume,
        "due": run.due.timestamp(),
        "attempt": run.attempt,
        "phase": run.phase.value,
        "finished": run.finished_at.timestamp() if run.finished_at else None,
        "document": _encode(run),
    }
