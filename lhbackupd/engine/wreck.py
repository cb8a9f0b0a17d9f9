"""A journal whose file is damaged is put aside, so that backups go on with a new one.

Only what is plainly an SQLite database and malformed is touched, and it is renamed, never deleted: somebody may want to
read what is left of it. A file that is no database at all may be anybody's, and is refused by whoever opens it. The new
journal has another origin: tickets of the lost one then fall under the rule for lost disks (`core.leases`).
"""

import contextlib
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

#: how every SQLite file begins (sqlite.org/fileformat.html)
MAGIC = b"SQLite format 3\0"

#: what SQLite says of a file that it cannot make sense of
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

#: what SQLite keeps beside the file
_COMPANIONS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wreck:
    """A damaged journal, where it was put, and what SQLite says is wrong with it."""

    file: Path
    aside: Path
    why: str


def put_aside(url: str, now: datetime) -> Wreck | None:
    """Rename the journal at `url` if it is a damaged SQLite file; None where it is not, or cannot be looked at.

    To be called by whoever holds the journal's lock. Raises OSError where a damaged file cannot be renamed.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    file = Path(parsed.database)
    if not (why := _damage(file)):
        return None
    aside = file.with_name(f"{file.name}.corrupt-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    for ending in _COMPANIONS:
        companion = file.with_name(file.name + ending)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + ending))
    file.rename(aside)
    return Wreck(file=file, aside=aside, why=why)


def _damage(file: Path) -> str:
    """What is wrong with an SQLite file, in SQLite's words; "" where nothing is, or it is none or cannot be read."""
    try:
        with file.open("rb") as opened:
            if opened.read(len(MAGIC)) != MAGIC:
                return ""
        # read-only: at its end a writer would write the log that is left into what is damaged
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        # extended codes hold the plain one in their last byte; a lock or a full disk is no damage
        return str(error) if error.sqlite_errorcode & 0xFF in _DAMAGED else ""
    except OSError:
        return ""
    return "" if found == "ok" else " ".join(str(found).split())[:256]
