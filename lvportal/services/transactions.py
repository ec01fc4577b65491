"""Transactions that write.

SQLite gives a transaction that began with a read no chance to wait for the
writer before it: it fails at once with "database is locked". So whoever means
to write says so first and waits its turn. PostgreSQL needs no such word.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from lvportal.database import WRITES
from lvportal.models.prepared import engine_of

Database = Session | Connection
"""Where a statement on tables is run: in a use case's session, or in the sign-in's bare transaction."""


def connection_of(database: Database) -> Connection:
    """Return the connection that ``database`` runs its statements on."""
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
def writing_at_once(session: Session) -> Iterator[Connection]:
    """Run the block as one writing transaction of tables alone, for the hot path.

    The session is left out of it: it holds nothing of what is written here, and
    its own bookkeeping costs as much as the statements do.
    """
    session.rollback()
    with engine_of(session).connect() as connection:
        writing_connection = connection.execution_options(**{WRITES: True})
        with writing_connection.begin():
            yield writing_connection
