"""``plan`` says what a file would change; ``apply`` makes it so, in one transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from lvportal.key_ring import KeyRing
from lvportal.services.configuration.passwords import PasswordResults
from lvportal.services.configuration.planning import Plan, make_plan
from lvportal.services.configuration.reading import refuse
from lvportal.services.configuration.stored import load
from lvportal.services.configuration.wanted import Wanted
from lvportal.services.configuration.writing import write
from lvportal.services.passwords import PasswordChecker
from lvportal.services.transactions import writing


def plan(session: Session, wanted: Wanted, *, key_ring: KeyRing, checker: PasswordChecker) -> Plan:
    """Return what applying the file would change. Changes nothing. Raises FileRefused."""
    try:
        return _judged(wanted, make_plan(wanted, load(session, wanted), PasswordResults(checker), key_ring))
    finally:
        session.rollback()


def apply(
    session: Session, wanted: Wanted, *, key_ring: KeyRing, checker: PasswordChecker, now: datetime
) -> Plan:
    """Make the database as the file wants it, whole or not at all, and return what changed.

    Raises FileRefused.
    """
    passwords = PasswordResults(checker)
    if wanted.has_plain_passwords:
        passwords.prepare(wanted, load(session, wanted))
        session.rollback()
    with writing(session):
        done = _judged(wanted, make_plan(wanted, load(session, wanted), passwords, key_ring))
        write(session, done, key_ring=key_ring, now=now)
    return done


def _judged(wanted: Wanted, found: Plan) -> Plan:
    if found.faults:
        refuse(found.faults, wanted.text)
    return found
