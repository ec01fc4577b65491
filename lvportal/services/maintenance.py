"""What has to happen without anybody asking: warnings, messages, things that end by themselves, old rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lvportal.services import enforcement, mail_sending, retention, test_sign_ins, warnings
from lvportal.services.mail_sending import MailServer
from lvportal.services.people_import import running

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keep:
    """How many days rows are kept."""

    sessions_days: int = 30
    sign_ins_days: int = 180
    tests_days: int = 180
    links_days: int = 180
    messages_days: int = 400  # longer than a year: they are what a warning is not written twice by


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to be done. ``run`` returns in words what it did; empty: nothing to do."""

    name: str
    run: Callable[[Session, datetime], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one part ended."""

    name: str
    did: str
    failed: bool = False


def run_all(session: Session, parts: Sequence[Part], now: datetime) -> list[Outcome]:
    """Run each part by itself: one that fails is logged and stops no other."""
    outcomes = []
    for part in parts:
        try:
            did = part.run(session, now)
        except Exception as failure:
            log.exception("maintain.failed", extra={"part": part.name})
            outcomes.append(Outcome(part.name, f"failed: {type(failure).__name__}", failed=True))
        else:
            if did:
                log.info("maintain.done", extra={"part": part.name, "did": did})
            outcomes.append(Outcome(part.name, did))
        finally:
            session.rollback()
            session.expunge_all()
    return outcomes


def parts(server: MailServer | None, keep: Keep) -> list[Part]:
    """Return everything there is to do, what is pressing first."""
    removals: dict[str, Callable[[Session, datetime], int]] = {
        "claims of tests": lambda session, now: test_sign_ins.forget_claims(session, now=now),
        "imports": running.forget_old,
        "sessions": lambda session, now: retention.remove_sessions(
            session, before=now - timedelta(days=keep.sessions_days)
        ),
        "records of sign-ins": lambda session, now: retention.remove_sign_in_records(
            session, before=now - timedelta(days=keep.sign_ins_days)
        ),
        "test sign-ins": lambda session, now: retention.remove_tests(
            session, before=now - timedelta(days=keep.tests_days)
        ),
        "set-up links": lambda session, now: retention.remove_links(
            session, before=now - timedelta(days=keep.links_days)
        ),
        "messages": lambda session, now: retention.remove_messages(
            session, before=now - timedelta(days=keep.messages_days)
        ),
    }
    return [
        Part("password rules without proof", _revert_rules),
        Part("secrets that end", _warn_of_secrets),
        Part("mail", lambda session, now: _send(session, server, now)),
        *(_removal(what, remove) for what, remove in removals.items()),
    ]


def _removal(what: str, remove: Callable[[Session, datetime], int]) -> Part:
    def run(session: Session, now: datetime) -> str:
        count = remove(session, now)
        return f"{count} removed" if count else ""

    return Part(f"old {what}", run)


def _revert_rules(session: Session, now: datetime) -> str:
    count = enforcement.revert_overdue(session, now)
    return f"{count} returned" if count else ""


def _warn_of_secrets(session: Session, now: datetime) -> str:
    count = warnings.warn_of_ending_secrets(session, now)
    return f"{count} warnings written" if count else ""


def _send(session: Session, server: MailServer | None, now: datetime) -> str:
    if server is None:
        return ""
    done = mail_sending.send_waiting(session, server, now)
    if done == mail_sending.Sent():
        return ""
    words = f"{done.sent} sent, {done.to_retry} to be tried again, {done.given_up} given up"
    return f"{words} ({done.problem})" if done.problem else words
