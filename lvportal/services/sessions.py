"""Sessions of signed-in people: opened once, read at every request, ended by many."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, func, insert, or_, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from lvportal.models import Account, Connection, Feature, PersonSession, Tenant
from lvportal.models.base import table
from lvportal.models.prepared import Prepared, PreparedWrite, engine_of
from lvportal.models.tenants import SINGLE_SIGN_ON
from lvportal.services.transactions import Database, connection_of

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
    agent_team: str
    extension: str
    home_agent: bool
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
    method: str  # "sso", "password" or "emergency"
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


_SESSIONS = table(PersonSession)
_ACCOUNTS = table(Account)
_TENANTS = table(Tenant)
_CONNECTIONS = table(Connection)
_FEATURES = table(Feature)
_INSERT = PreparedWrite(insert(_SESSIONS).inline())
_FIND = Prepared(
    select(
        _SESSIONS.c.id,
        _SESSIONS.c.tenant_id,
        _TENANTS.c.code,
        _TENANTS.c.name,
        _TENANTS.c.time_zone,
        _TENANTS.c.kind,
        _SESSIONS.c.audience,
        _SESSIONS.c.account_id,
        _ACCOUNTS.c.login_name,
        _ACCOUNTS.c.first_name,
        _ACCOUNTS.c.last_name,
        _SESSIONS.c.email,
        _ACCOUNTS.c.role,
        _ACCOUNTS.c.agent_team,
        _ACCOUNTS.c.extension,
        _ACCOUNTS.c.home_agent,
        _SESSIONS.c.method,
        _SESSIONS.c.provider_label,
        _SESSIONS.c.created_at,
        _SESSIONS.c.last_seen_at,
        _SESSIONS.c.expires_at,
    )
    .select_from(_SESSIONS)
    .join(_ACCOUNTS, _ACCOUNTS.c.id == _SESSIONS.c.account_id)
    .join(_TENANTS, _TENANTS.c.id == _SESSIONS.c.tenant_id)
    .outerjoin(_CONNECTIONS, _CONNECTIONS.c.id == _SESSIONS.c.connection_id)
    .outerjoin(
        _FEATURES, and_(_FEATURES.c.tenant_id == _SESSIONS.c.tenant_id, _FEATURES.c.name == SINGLE_SIGN_ON)
    )
    .where(
        _SESSIONS.c.handle_hash == bindparam("handle_hash"),
        _SESSIONS.c.audience == bindparam("audience"),
        _SESSIONS.c.ended_at.is_(None),
        _SESSIONS.c.expires_at > bindparam("now"),
        _SESSIONS.c.last_seen_at > bindparam("seen_after"),
        # A deactivation, a changed email, a deleted client, a connection or a
        # feature switched off: each ends the session at its next request.
        _ACCOUNTS.c.active.is_(True),
        func.coalesce(_ACCOUNTS.c.folded_email, "") == _SESSIONS.c.email,
        _TENANTS.c.deleted_at.is_(None),
        or_(
            _SESSIONS.c.method != "sso",
            and_(_CONNECTIONS.c.enabled.is_(True), _FEATURES.c.enabled.is_(True)),
        ),
    )
)
_TOUCH = (
    update(_SESSIONS)
    .where(_SESSIONS.c.id == bindparam("session_id"))
    .values(last_seen_at=bindparam("seen_at"))
)
_END = (
    update(_SESSIONS)
    .where(_SESSIONS.c.id == bindparam("session_id"), _SESSIONS.c.ended_at.is_(None))
    .values(ended_at=bindparam("at"), end_reason=bindparam("reason"))
)


def open_session(database: Database, new: NewSession, *, absolute_seconds: int, now: datetime) -> Opened:
    """Write a session with a fresh random handle and return what the cookie needs."""
    handle = secrets.token_urlsafe(32)
    _INSERT.run(
        connection_of(database),
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
    database: Session | Engine, handle: str, *, audience: str, idle_seconds: int, now: datetime
) -> LiveSession | None:
    """Return the live session with this handle on this host, or None. One indexed read."""
    row = _FIND.row(
        engine_of(database),
        {
            "handle_hash": hash_handle(handle),
            "audience": audience,
            "now": now,
            "seen_after": now - timedelta(seconds=idle_seconds),
        },
    )
    if row is None:
        return None
    (id_, tenant_id, code, name, zone, kind, aud, account_id, login, first, last, *rest) = row
    return LiveSession(
        id_,
        tenant_id,
        code,
        name,
        zone,
        kind == "operator",
        aud,
        account_id,
        login,
        f"{first} {last}".strip() or login,
        *rest,
    )


def must_be_touched(live: LiveSession, now: datetime) -> bool:
    """Tell whether last-seen is old enough to be written again."""
    return (now - live.last_seen_at).total_seconds() >= SEEN_EVERY_SECONDS


def touch(session: Session, live: LiveSession, now: datetime) -> None:
    """Write when the session was last seen."""
    session.connection().execute(_TOUCH, {"session_id": live.session_id, "seen_at": now})


def end(session: Session, live: LiveSession, *, reason: str, now: datetime) -> None:
    """End one session. Ending it twice keeps the first reason."""
    session.connection().execute(_END, {"session_id": live.session_id, "at": now, "reason": reason})


def hash_handle(handle: str) -> str:
    """Return what is stored of a handle: a stolen database opens no session."""
    return hashlib.sha256(handle.encode()).hexdigest()
