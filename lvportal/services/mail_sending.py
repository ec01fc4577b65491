"""Sending what waits in the outbox, over SMTP (RFC 5321)."""

from __future__ import annotations

import hashlib
import logging
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lvportal.models import MailMessage
from lvportal.models.base import table
from lvportal.services.mail import one_line
from lvportal.services.transactions import writing
from lvportal.settings import Settings

log = logging.getLogger(__name__)

RETRY_MINUTES = (1, 5, 30, 120, 720)
"""How long to wait after each failed try; after one more the message is given up."""

LEASE_MINUTES = 10  # longer than one message can take; after it, whoever claimed it must have died
TOO_OLD_DAYS = 3  # a mail server that is set up later does not send last year's warnings
TIMEOUT_SECONDS = 20

_MESSAGES = table(MailMessage)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where messages are handed over, and as whom."""

    host: str
    port: int
    security: str  # "starttls", "tls" or "none"
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)
    ca_bundle: str | None = None
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def of(cls, settings: Settings) -> MailServer | None:
        """Return the server that the settings name, or None."""
        if not settings.sends_mail:
            return None
        return cls(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            sender=settings.mail_sender,
            user=settings.smtp_user,
            password=settings.smtp_password.get_secret_value(),
            ca_bundle=settings.smtp_ca_bundle,
        )


@dataclass(frozen=True, slots=True)
class Sent:
    """What one round did, in messages. ``problem`` is what stopped it, or empty."""

    sent: int = 0
    to_retry: int = 0
    given_up: int = 0
    problem: str = ""


class _NotTaken(Exception):
    """This message was not taken; the next one may be. ``is_final``: it never will be."""

    def __init__(self, reason: str, *, is_final: bool) -> None:
        super().__init__(reason)
        self.is_final = is_final


class _ServerUnusable(Exception):
    """No message can be handed over at the moment."""


def send_waiting(session: Session, server: MailServer, now: datetime, *, limit: int = 100) -> Sent:
    """Hand over at most ``limit`` messages that are due, each in transactions of its own.

    A message is claimed before it is sent and settled afterwards, so two
    processes never send the same one; no transaction is open while the server
    answers. A server that cannot be used ends the round after one message.
    """
    given_up = _give_up_old(session, now)
    sent = to_retry = 0
    for _ in range(limit):
        message = _claim(session, now)
        if message is None:
            break
        try:
            _hand_over(server, message, now)
        except _NotTaken as refused:
            is_last = _settle_failure(session, message, str(refused), now, is_final=refused.is_final)
            given_up, to_retry = given_up + is_last, to_retry + (not is_last)
        except _ServerUnusable as problem:
            is_last = _settle_failure(session, message, str(problem), now, is_final=False)
            return Sent(sent, to_retry + (not is_last), given_up + is_last, str(problem))
        else:
            with writing(session):
                _set(session, message.id, sent_at=now, next_try_at=None, last_error="")
            sent += 1
    return Sent(sent, to_retry, given_up)


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: int
    key: str
    recipient: str
    subject: str
    body: str = field(repr=False)
    attempts: int


def _claim(session: Session, now: datetime) -> _Claimed | None:
    """Take the message that has been due longest, for as long as the lease lasts."""
    while True:
        with writing(session):
            row = session.execute(
                select(_MESSAGES)
                .where(_MESSAGES.c.sent_at.is_(None), _MESSAGES.c.next_try_at <= now)
                .order_by(_MESSAGES.c.next_try_at, _MESSAGES.c.id)
                .limit(1)
            ).one_or_none()
            if row is None:
                return None
            taken = session.execute(
                update(_MESSAGES)
                # Another process may have claimed it since it was read (PostgreSQL).
                .where(_MESSAGES.c.id == row.id, _MESSAGES.c.next_try_at == row.next_try_at)
                .values(attempts=row.attempts + 1, next_try_at=now + timedelta(minutes=LEASE_MINUTES))
            )
            is_ours = taken.rowcount == 1  # type: ignore[attr-defined]
        if is_ours:
            return _Claimed(row.id, row.key, row.recipient, row.subject, row.body, row.attempts + 1)


def _settle_failure(
    session: Session, message: _Claimed, reason: str, now: datetime, *, is_final: bool
) -> bool:
    """Write down why and when to try again; return whether the message is given up."""
    is_last = is_final or message.attempts > len(RETRY_MINUTES)
    retry_at = None if is_last else now + timedelta(minutes=RETRY_MINUTES[message.attempts - 1])
    with writing(session):
        _set(session, message.id, next_try_at=retry_at, last_error=one_line(reason)[:300])
    log.warning(
        "mail.given_up" if is_last else "mail.not_sent",
        extra={"message_id": message.id, "attempts": message.attempts, "reason": one_line(reason)[:300]},
    )
    return is_last


def _give_up_old(session: Session, now: datetime) -> int:
    with writing(session):
        old = session.execute(
            update(_MESSAGES)
            .where(
                _MESSAGES.c.sent_at.is_(None),
                _MESSAGES.c.next_try_at <= now,
                _MESSAGES.c.created_at < now - timedelta(days=TOO_OLD_DAYS),
            )
            .values(next_try_at=None, last_error="too old to be sent")
        )
        return int(old.rowcount)  # type: ignore[attr-defined]


def _set(session: Session, message_id: int, **values: object) -> None:
    session.execute(update(_MESSAGES).where(_MESSAGES.c.id == message_id).values(**values))


def compose(message: _Claimed, sender: str, now: datetime) -> EmailMessage:
    """Return the message as it travels (RFC 5322). Raises ValueError when an address is none.

    Every header is made by the standard library, which refuses line breaks; the
    recipient is parsed as one address, so that a comma adds nobody.
    """
    made = EmailMessage(policy=SMTP)
    made["From"] = Address("LV Portal", addr_spec=sender)
    made["To"] = Address(addr_spec=message.recipient)
    made["Subject"] = one_line(message.subject)
    made["Date"] = format_datetime(now)
    # The same for each try: a mailbox that got it twice can show it once.
    digest = hashlib.sha256(message.key.encode()).hexdigest()[:24]
    made["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes in return
    made.set_content(message.body)
    return made


def _hand_over(server: MailServer, message: _Claimed, now: datetime) -> None:
    try:
        composed = compose(message, server.sender, now)
    except Exception as wrong:  # the parser of addresses fails in several ways
        raise _NotTaken(f"the address or subject cannot be written: {wrong}", is_final=True) from wrong
    with _connected(server) as connection:
        try:
            connection.send_message(composed, server.sender, [message.recipient])
        except smtplib.SMTPRecipientsRefused as refused:
            code, text = next(iter(refused.recipients.values()))
            raise _NotTaken(f"recipient refused: {code} {_text(text)}", is_final=code >= 500) from refused
        except smtplib.SMTPDataError as refused:
            reason = f"message refused: {refused.smtp_code} {_text(refused.smtp_error)}"
            raise _NotTaken(reason, is_final=refused.smtp_code >= 500) from refused
        except smtplib.SMTPNotSupportedError as refused:
            raise _NotTaken(f"the server cannot take this address: {refused}", is_final=True) from refused


@contextmanager
def _connected(server: MailServer) -> Iterator[smtplib.SMTP]:
    """Open, protect and sign in a connection. Raises _ServerUnusable for whatever goes wrong with it."""
    try:
        connection = _open(server)
        try:
            yield connection
        finally:
            _say_goodbye(connection)
    except (OSError, smtplib.SMTPException) as wrong:
        if isinstance(wrong, smtplib.SMTPResponseException):
            reason = f"{wrong.smtp_code} {_text(wrong.smtp_error)}"
        else:
            reason = str(wrong) or type(wrong).__name__
        raise _ServerUnusable(f"mail server {server.host}:{server.port}: {reason}") from wrong


def _open(server: MailServer) -> smtplib.SMTP:
    # The defaults verify name and certificate, and take TLS 1.2 or later.
    context = ssl.create_default_context()
    if server.ca_bundle:
        context.load_verify_locations(server.ca_bundle)
    # With a name of ours: the default asks DNS for this machine's.
    domain = server.sender.rpartition("@")[2]
    timeout = server.timeout_seconds
    connection: smtplib.SMTP
    if server.security == "tls":
        connection = smtplib.SMTP_SSL(server.host, server.port, domain, timeout=timeout, context=context)
    else:
        connection = smtplib.SMTP(server.host, server.port, domain, timeout)
    try:
        if server.security == "starttls":
            # Raises when the server does not offer it: who is on the way could have taken the offer out.
            connection.starttls(context=context)
        if server.user:
            connection.login(server.user, server.password)
    except BaseException:
        connection.close()
        raise
    return connection


def _say_goodbye(connection: smtplib.SMTP) -> None:
    try:
        connection.quit()
    except (OSError, smtplib.SMTPException):
        connection.close()


def _text(said: bytes | str) -> str:
    return one_line(said.decode("utf-8", "replace") if isinstance(said, bytes) else said)
