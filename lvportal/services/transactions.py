"""Transactions that write.

SQLite gives a transaction that began with a read no chance to wait for the
writer before it: it fails at once with "database is locked". So whoever means
to write says so first and waits its turn. PostgreSQL needs no such word.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import Session

from lvportal.database import WRITES
from lvportal.models.prepared import Transaction

Database = Session | Transaction
"""Where a statement on tables is run: in a use case's session, or in the sign-in's bare transaction."""


def connection_of(database: Database) -> Connection | Transaction:
    """Return what ``database`` runs its prepared statements on."""
    return database.connection() if isinstance(database, Session) else database


@contextmanager
def writing(session: Session) -> Iterator[Session]:
    """Run the block as one writing transaction: committed at its end, undone by an exception."""
    session.rollback()
    session.connection(execution_options={WRITES: True})
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise


@contextmanager
def writing_at_once(engine: Engine) -> Iterator[Transaction]:
    """Run the block as one writing transaction of prepared statements alone, for the hot path.

    On the driver's own connection: the bookkeeping of a session or of a
    connection of SQLAlchemy costs as much as the statements do.
    """
    pooled = engine.raw_connection()
    try:
        if engine.dialect.name == "sqlite":
            pooled.cursor().execute("BEGIN IMMEDIATE")
        try:
            yield Transaction(engine.dialect, pooled)
            pooled.commit()
        except BaseException:
            pooled.rollback()
            raise
    finally:
        pooled.close()
