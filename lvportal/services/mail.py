"""Messages to people: written beside the change they tell of, sent later (mail_sending.py)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lvportal.models import Account, MailMessage

ADMINISTRATOR_ROLES = ("SYSADMIN", "SUPERUSER")


def queue(
    session: Session,
    *,
    tenant_id: int,
    key: str,
    kind: str,
    recipient: str,
    subject: str,
    body: str,
    now: datetime,
) -> bool:
    """Leave a message to be sent; return False when one with this key exists already.

    ``key`` names the occasion and the recipient, as in ``secret-expiry:7:14:3``:
    the same warning is written once, however often it is found.
    """
    if session.scalar(select(MailMessage.id).where(MailMessage.key == key)) is not None:
        return False
    message = MailMessage(
        tenant_id=tenant_id,
        key=key,
        kind=kind,
        recipient=recipient,
        subject=one_line(subject)[:200],
        body=body.replace("\x00", ""),
        created_at=now,
        next_try_at=now,
    )
    try:
        with session.begin_nested():
            session.add(message)
    except IntegrityError:
        return False  # another process found the same occasion at the same instant
    return True


def queue_to_administrators(
    session: Session,
    *,
    tenant_id: int,
    key: str,
    kind: str,
    subject: str,
    body: str,
    now: datetime,
) -> int:
    """Leave the message for each administrator, the key completed by the account; return how many are new."""
    return sum(
        queue(
            session,
            tenant_id=tenant_id,
            key=f"{key}:{account_id}",
            kind=kind,
            recipient=email,
            subject=subject,
            body=body,
            now=now,
        )
        for account_id, email in administrators(session, tenant_id)
    )


def administrators(session: Session, tenant_id: int) -> list[tuple[int, str]]:
    """Return account and email of everybody who can mend the client's sign-in, oldest account first."""
    rows = session.execute(
        select(Account.id, Account.email)
        .where(
            Account.tenant_id == tenant_id,
            Account.audience == "portal",
            Account.role.in_(ADMINISTRATOR_ROLES),
            Account.active.is_(True),
            func.coalesce(Account.email, "") != "",
        )
        .order_by(Account.id)
    )
    return [(account_id, str(email)) for account_id, email in rows]


def one_line(text: str) -> str:
    """Return ``text`` as one line: a line break in a subject would begin another header (CWE-93)."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
