"""Sessions of signed-in people: opened once, read at every request, ended by many."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

from lvportal.models import Account, Connection, Feature, PersonSession, Tenant
from lvportal.models.tenants import SINGLE_SIGN_ON

# Written at most this often, or every page view would be a database write.
SEEN_EVERY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that counted at the moment it was read, and whose it is."""

    session_id: int
    tenant_id: int
    client_code: str
    client_name: str
    client_time_zone: str
    is_operator: bool
    audience: str
    account_id: int
    login_name: str
    full_name: str
    email: str
    role: str | None
    method: str
    provider_label: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime

    @property
    def login_id(self) -> str:
        """Who this is, for Flask-Login: audience, client and verified email."""
        return login_id(self.audience, self.tenant_id, self.email)


def login_id(audience: str, tenant_id: int, email: str) -> str:
    """Return the id a session is keyed on. ``email`` is folded."""
    return f"{audience}:{tenant_id}:{email}"


@dataclass(frozen=True, slots=True)
class NewSession:
    """What to write for a person who has just signed in."""

    tenant_id: int
    audience: str
    account_id: int
    email: str  # folded; empty for a local account without one
    method: str  # "sso" or "password"
    address: str
    device: str
    connection_id: int | None = None
    revision_id: int | None = None
    provider_label: str = ""
    issuer: str | None = None
    subject: str | None = None
    provider_session: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A session just written. ``handle`` goes into the cookie and nowhere else."""

    handle: str = field(repr=False)
    login_id: str


_INSERT = insert(PersonSession)
_FIND = (
    select(
        PersonSession.id,
        PersonSession.tenant_id,
        Tenant.code,
        Tenant.name,
        Tenant.time_zone,
        Tenant.kind,
        PersonSession.audience,
        PersonSession.account_id,
        Account.login_name,
        Account.first_name,
        Account.last_name,
        PersonSession.email,
        Account.role,
        PersonSession.method,
        PersonSession.provider_label,
        PersonSession.created_at,
        PersonSession.last_seen_at,
        PersonSession.expires_at,
    )
    .join(Account, Account.id == PersonSession.account_id)
    .join(Tenant, Tenant.id == PersonSession.tenant_id)
    .outerjoin(Connection, Connection.id == PersonSession.connection_id)
    .outerjoin(Feature, and_(Feature.tenant_id == PersonSession.tenant_id, Feature.name == SINGLE_SIGN_ON))
    .where(
        PersonSession.handle_hash == bindparam("handle_hash"),
        PersonSession.audience == bindparam("audience"),
        PersonSession.ended_at.is_(None),
        PersonSession.expires_at > bindparam("now"),
        PersonSession.last_seen_at > bindparam("seen_after"),
        # A deactivation, a changed email, a deleted client, a connection or a
        # feature switched off: each ends the session at its next request.
        Account.active.is_(True),
        func.coalesce(Account.folded_email, "") == PersonSession.email,
        Tenant.deleted_at.is_(None),
        or_(
            PersonSession.method == "password",
            and_(Connection.enabled.is_(True), Feature.enabled.is_(True)),
        ),
    )
)


def open_session(session: Session, new: NewSession, *, absolute_seconds: int, now: datetime) -> Opened:
    """Write a session with a fresh random handle and return what the cookie needs."""
    handle = secrets.token_urlsafe(32)
    session.execute(
        _INSERT,
        {
            "handle_hash": hash_handle(handle),
            "tenant_id": new.tenant_id,
            "audience": new.audience,
            "account_id": new.account_id,
            "email": new.email,
            "method": new.method,
            "connection_id": new.connection_id,
            "revision_id": new.revision_id,
            "provider_label": new.provider_label,
            "issuer": new.issuer,
            "subject": new.subject,
            "provider_session": new.provider_session,
            "created_at": now,
            "last_seen_at": now,
            "expires_at": now + timedelta(seconds=absolute_seconds),
            "address": new.address,
            "device": new.device[:200],
        },
    )
    return Opened(handle, login_id(new.audience, new.tenant_id, new.email))


def find(
    session: Session, handle: str, *, audience: str, idle_seconds: int, now: datetime
) -> LiveSession | None:
    """Return the live session with this handle on this host, or None. One indexed read."""
    row = session.execute(
        _FIND,
        {
            "handle_hash": hash_handle(handle),
            "audience": audience,
            "now": now,
            "seen_after": now - timedelta(seconds=idle_seconds),
        },
    ).one_or_none()
    if row is None:
        return None
    (id_, tenant_id, code, name, zone, kind, aud, account_id, login, first, last, *rest) = row
    email, role, method, provider, created, seen, expires = rest
    full_name = f"{first} {last}".strip() or login
    return LiveSession(
        id_, tenant_id, code, name, zone, kind == "operator", aud, account_id, login, full_name,
        email, role, method, provider, created, seen, expires,
    )  # fmt: skip


def must_be_touched(live: LiveSession, now: datetime) -> bool:
    """Tell whether last-seen is old enough to be written again."""
    return (now - live.last_seen_at).total_seconds() >= SEEN_EVERY_SECONDS


def touch(session: Session, live: LiveSession, now: datetime) -> None:
    """Write when the session was last seen."""
    session.execute(update(PersonSession).where(PersonSession.id == live.session_id).values(last_seen_at=now))


def end(session: Session, live: LiveSession, *, reason: str, now: datetime) -> None:
    """End one session. Ending it twice keeps the first reason."""
    session.execute(
        update(PersonSession)
        .where(PersonSession.id == live.session_id, PersonSession.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason)
    )


def hash_handle(handle: str) -> str:
    """Return what is stored of a handle: a stolen database opens no session."""
    return hashlib.sha256(handle.encode()).hexdigest()
