"""The journal's tables, how a row takes the place of another, and what leads from older tables to them.

The schema carries a version: an older one is migrated at start, a newer one refused. No SQL that PostgreSQL would
refuse.
"""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

#: the schema's version; `MIGRATIONS` leads here from every older one
VERSION = 3

METADATA = sa.MetaData()
FACTS = sa.Table(
    "lhbackupd_facts",
    METADATA,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
RUNS = sa.Table(
    "lhbackupd_runs",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("policy", sa.String(63), nullable=False),
    sa.Column("volume", sa.String(253), nullable=False),
    sa.Column("due", sa.Float(53), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("phase", sa.String(16), nullable=False, index=True),
    sa.Column("finished", sa.Float(53), nullable=True, index=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.UniqueConstraint("policy", "volume", "due", "attempt"),
)
#: since version 2: the history of one volume among many, newest first
_by_volume = sa.Index("lhbackupd_runs_by_volume", RUNS.c.volume, RUNS.c.finished)
PROTECTION = sa.Table(
    "lhbackupd_protection",
    METADATA,
    sa.Column("policy", sa.String(63), primary_key=True),
    sa.Column("volume", sa.String(253), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)
#: since version 3: for example what is paused, and the exposure of every volume
NOTES = sa.Table(
    "lhbackupd_notes",
    METADATA,
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(320), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)


def insert(engine: sa.Engine, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can be told what to do about rows that are there."""
    return postgresql.insert(table) if engine.dialect.name == "postgresql" else sqlite.insert(table)


def upsert(engine: sa.Engine, table: sa.Table, *columns: str) -> sa.Executable:
    """An INSERT that puts `columns` in the place of those of a row with the same primary key."""
    put = insert(engine, table)
    new = {name: put.excluded[name] for name in columns}
    return put.on_conflict_do_update(index_elements=table.primary_key, set_=new)


def _index_history(connection: sa.Connection) -> None:
    """From version 1 to 2: runs are looked up by volume and end, not by volume alone."""
    connection.execute(sa.text("DROP INDEX IF EXISTS ix_lhbackupd_runs_volume"))
    _by_volume.create(connection, checkfirst=True)


def _nothing(_connection: sa.Connection) -> None:
    """From a version to one that only has more tables, which are made when the journal is opened."""


#: what leads from each older version to the next one
MIGRATIONS: dict[int, Callable[[sa.Connection], None]] = {1: _index_history, 2: _nothing}
