"""Removing what is older than it needs to be, in steps that hold no writer up for long."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from lvportal.models import MailMessage, PersonSession, SetupLink, SignInRecord, TestSignIn
from lvportal.services.transactions import writing

ROWS_AT_ONCE = 500


def remove_sessions(session: Session, *, before: datetime, rows_at_once: int = ROWS_AT_ONCE) -> int:
    """Remove sessions that expired before the moment; return how many.

    One that was ended early goes when it would have expired, hours later: so
    one index serves both.
    """
    return _remove(session, PersonSession.id, PersonSession.expires_at < before, rows_at_once)


def remove_sign_in_records(session: Session, *, before: datetime, rows_at_once: int = ROWS_AT_ONCE) -> int:
    """Remove records of sign-ins from before the moment; return how many.

    ``before`` must lie further back than a pending sign-in lives: a record's
    state hash is what refuses the same answer a second time.
    """
    return _remove(session, SignInRecord.id, SignInRecord.at < before, rows_at_once)


def remove_tests(session: Session, *, before: datetime, rows_at_once: int = ROWS_AT_ONCE) -> int:
    """Remove test sign-ins from before the moment; return how many.

    A draft that was tested so long ago is tested again before it goes live.
    """
    return _remove(session, TestSignIn.id, TestSignIn.created_at < before, rows_at_once)


def remove_links(session: Session, *, before: datetime, rows_at_once: int = ROWS_AT_ONCE) -> int:
    """Remove set-up links that expired before the moment; return how many."""
    return _remove(session, SetupLink.id, SetupLink.expires_at < before, rows_at_once)


def remove_messages(session: Session, *, before: datetime, rows_at_once: int = ROWS_AT_ONCE) -> int:
    """Remove messages from before the moment, sent or given up; return how many.

    With a message goes the memory that it was written: before must lie further
    back than anything is warned of.
    """
    old = (MailMessage.created_at < before) & MailMessage.next_try_at.is_(None)
    return _remove(session, MailMessage.id, old, rows_at_once)


def _remove(
    session: Session, id_: InstrumentedAttribute[int], old: ColumnElement[bool], rows_at_once: int
) -> int:
    removed = 0
    while True:
        with writing(session):
            ids = session.scalars(select(id_).where(old).limit(rows_at_once)).all()
            session.execute(delete(id_.class_).where(id_.in_(ids)))
        removed += len(ids)
        if len(ids) < rows_at_once:
            return removed
