"""Transactions that write.

SQLite gives a transaction that began with a read no chance to wait for the
writer before it: it fails at once with "database is locked". So whoever means
to write says so first and waits its turn. PostgreSQL needs no such word.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from lvportal.database import WRITES


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
