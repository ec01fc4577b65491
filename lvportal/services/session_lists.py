"""Live sessions of a client, of a person; and the ways to end them from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from lvportal.errors import PageNotFound
from lvportal.models import Account, Connection, Feature, PersonSession
from lvportal.models.tenants import SINGLE_SIGN_ON, Tenant
from lvportal.services import audit, sessions
from lvportal.services.folding import escape_like, fold

ENDED_BY_ADMINISTRATOR = "ended by administrator"
ENDED_BY_THEMSELVES = "ended by oneself"
MOST_EXPORTED = 100_000
MOST_LISTED = 500  # people whom a search names one by one
MOST_COUNTED = 10_000  # a list counts no further: nobody reads past it; ``count`` does
LARGEST_ID = 2**31 - 1  # a number beyond it leaves the database's integers
SORTS = ("person", "started", "seen")
_SESSION = PersonSession


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose sessions a viewer sees, at which moment a session counts as live.

    ``idle_seconds`` per audience: a session last seen longer ago is over.
    """

    tenant_id: int
    audiences: tuple[str, ...]
    sees_sysadmins: bool
    idle_seconds: Mapping[str, int]
    longest_seconds: int
    now: datetime


def scope_of(
    role: str | None, *, tenant_id: int, idle_seconds: Mapping[str, int], longest_seconds: int, now: datetime
) -> Scope:
    """Return what a viewer of this role sees: a MANAGER agents alone, a SUPERUSER no SYSADMIN."""
    audiences = ("agent",) if role == "MANAGER" else ("portal", "agent")
    return Scope(tenant_id, audiences, role != "SUPERUSER", idle_seconds, longest_seconds, now)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list asks for; an empty value asks for nothing. ``sort`` with ``-`` descends."""

    text: str = ""
    audience: str = ""
    method: str = ""
    account_id: int | None = None
    sort: str = "-started"
    meant: tuple[int, ...] | None = None  # whom ``text`` means, where somebody has looked already


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One live session in a list."""

    session_id: int
    account_id: int
    audience: str
    login_name: str
    full_name: str
    email: str
    method: str
    provider: str
    address: str
    device: str
    created_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """How many sessions ended, and of how many people."""

    sessions: int
    people: int


def search(
    session: Session, scope: Scope, wanted: Wanted, *, limit: int, offset: int = 0
) -> tuple[list[SessionRow], int]:
    """Return one page of the live sessions that a viewer sees, and how many there are, up to MOST_COUNTED."""
    if wanted.text:
        # Whom the text means, found in the index that people's lists search; too many stay a part of all.
        meant = session.scalars(_meant(scope, wanted.text).limit(MOST_LISTED + 1)).all()
        wanted = replace(wanted, meant=tuple(id_ for id_ in meant)) if len(meant) <= MOST_LISTED else wanted
    ids = _live(scope, wanted).with_only_columns(_SESSION.id)
    # Each order has an index of its own; the rest is read for the rows of one page.
    by_start = wanted.sort.removeprefix("-") == "started"
    ordered = _live(scope, wanted, by_start=by_start).order_by(*_order(wanted.sort))
    page = session.scalars(ordered.with_only_columns(_SESSION.id).limit(limit).offset(offset)).all()
    found = {row.id: row for row in session.execute(_described().where(_SESSION.id.in_(page)))}
    rows = [_row(found[id_]) for id_ in page if id_ in found]
    if len(page) < limit and (page or not offset):
        return rows, offset + len(page)  # the last page: nothing is left to count
    total = session.scalar(select(func.count()).select_from(ids.limit(MOST_COUNTED).subquery()))
    return rows, int(total or 0)


def count(session: Session, scope: Scope, wanted: Wanted, *, but: int | None = None) -> Ended:
    """Count live sessions and their people, without the session ``but``."""
    query = _live(scope, wanted)
    if but is not None:
        query = query.where(_SESSION.id != but)
    row = session.execute(
        query.with_only_columns(
            func.count(), func.count(_SESSION.account_id.distinct()), maintain_column_froms=True
        )
    ).one()
    return Ended(int(row[0]), int(row[1]))


def of_account(session: Session, scope: Scope, account_id: int) -> list[SessionRow]:
    """Return the live sessions of one person, the newest first."""
    rows, _ = search(session, scope, Wanted(account_id=account_id), limit=200)
    return rows


def find(session: Session, scope: Scope, session_id: int, account_id: int | None = None) -> SessionRow:
    """Return one live session, of one person if ``account_id`` is given.

    Raises PageNotFound for one that the viewer does not see, or that is over.
    """
    wanted = Wanted(account_id=account_id)
    if session_id > LARGEST_ID:
        raise PageNotFound(host="portal")
    row = session.execute(_live(scope, wanted).where(_SESSION.id == session_id)).one_or_none()
    if row is None:
        raise PageNotFound(host="portal")
    return _row(row)


def name_of(session: Session, scope: Scope, account_id: int) -> str:
    """Return the login name of a person whose sessions a viewer sees. Raises PageNotFound for any other."""
    wanted = [
        Account.id == account_id,
        Account.tenant_id == scope.tenant_id,
        Account.audience.in_(scope.audiences),
    ]
    if not scope.sees_sysadmins:
        wanted.append(func.coalesce(Account.role, "") != "SYSADMIN")
    found = session.scalar(select(Account.login_name).where(*wanted)) if account_id <= LARGEST_ID else None
    if found is None:
        raise PageNotFound(host="portal")
    return found


def end_one(
    session: Session,
    scope: Scope,
    session_id: int,
    *,
    by: audit.Actor,
    account_id: int | None = None,
    reason: str = ENDED_BY_ADMINISTRATOR,
) -> SessionRow:
    """End one live session inside the caller's transaction. Raises PageNotFound as ``find``."""
    row = find(session, scope, session_id, account_id)
    _end(session, _SESSION.id == session_id, scope.now, reason)
    audit.record(
        session,
        tenant_id=scope.tenant_id,
        actor=by,
        action="session.ended",
        subject=f"{row.login_name} ({row.audience})",
        before={"started": _text(row.created_at), "opened": row.method, "from": row.address},
        after={"reason": reason},
        now=scope.now,
    )
    return row


def end_many(
    session: Session,
    scope: Scope,
    wanted: Wanted,
    *,
    but: int | None,
    by: audit.Actor,
    reason: str = ENDED_BY_ADMINISTRATOR,
    subject: str = "",
) -> Ended:
    """End every live session that ``wanted`` leaves, except ``but``, inside the caller's transaction.

    ``subject`` says in the audit record whose they were.
    """
    ended = count(session, scope, wanted, but=but)
    ids = _live(scope, wanted).with_only_columns(_SESSION.id)
    if but is not None:
        ids = ids.where(_SESSION.id != but)
    if ended.sessions:
        _end(session, _SESSION.id.in_(ids), scope.now, reason)
        audit.record(
            session,
            tenant_id=scope.tenant_id,
            actor=by,
            action="session.ended_all",
            subject=subject,
            after={"sessions": ended.sessions, "people": ended.people, "reason": reason},
            now=scope.now,
        )
    return ended


@dataclass(frozen=True, slots=True)
class HowItEnded:
    """Why a session is over, when it ended, and the zone of its client."""

    reason: str
    at: datetime
    client_name: str
    zone: str

    @property
    def words(self) -> str:
        """Who ended it, as the person reads it."""
        known = {
            ENDED_BY_ADMINISTRATOR: f"An administrator of {self.client_name} ended your session.",
            ENDED_BY_THEMSELVES: "You ended this session from another browser.",
            "email changed": "The email of your account was changed, so your sessions ended. Sign in again.",
            "account deactivated": "Your account was switched off.",
            "password changed": "The password of your account was changed. Sign in with the new one.",
            "passwords refused": f"{self.client_name} now requires single sign-on.",
            "single sign-on only": f"{self.client_name} now requires single sign-on of you.",
            "re-linked": "Your account was linked anew to the provider. Sign in again.",
        }
        return known.get(self.reason) or f"Your session has ended: {self.reason or 'no reason given'}."


def how_it_ended(session: Session, handle: str, *, audience: str) -> HowItEnded | None:
    """Return how the session with this handle ended, or None if it was not ended."""
    row = session.execute(
        select(_SESSION.end_reason, _SESSION.ended_at, Tenant.name, Tenant.time_zone)
        .join(Tenant, Tenant.id == _SESSION.tenant_id)
        .where(
            _SESSION.handle_hash == sessions.hash_handle(handle),
            _SESSION.audience == audience,
            _SESSION.ended_at.is_not(None),
        )
    ).one_or_none()
    return HowItEnded(row[0] or "", row[1], row[2], row[3]) if row and row[1] else None


def _live(scope: Scope, wanted: Wanted, *, by_start: bool = True) -> Select[*tuple[Any, ...]]:
    """Select what counts as live by the rules of ``sessions.find``, as far as the viewer sees."""
    seen = or_(
        *(
            and_(
                _SESSION.audience == audience,
                _SESSION.last_seen_at > scope.now - timedelta(seconds=scope.idle_seconds[audience]),
            )
            for audience in scope.audiences
        )
    )
    # Of one person, or a few: SQLite is kept from the client's index, for theirs is the shorter way.
    is_of_few = wanted.account_id is not None or wanted.meant is not None
    conditions: list[ColumnElement[bool]] = [
        (_SESSION.tenant_id + 0 if is_of_few else _SESSION.tenant_id) == scope.tenant_id,
        _SESSION.ended_at.is_(None),
        _SESSION.expires_at > scope.now,
        seen,
        Account.active.is_(True),
        func.coalesce(Account.folded_email, "") == _SESSION.email,
        or_(_SESSION.method != "sso", _signs_in(scope.tenant_id)),
    ]
    if by_start:
        # No session is older: what expired long ago is not even looked at.
        conditions.append(_SESSION.created_at > scope.now - timedelta(seconds=scope.longest_seconds))
    if not scope.sees_sysadmins:
        conditions.append(func.coalesce(Account.role, "") != "SYSADMIN")
    return _described().where(*conditions, *_filters(wanted))


def _described() -> Select[*tuple[Any, ...]]:
    return (
        select(
            *(_SESSION.id, _SESSION.account_id, _SESSION.audience, _SESSION.email, _SESSION.method),
            *(_SESSION.provider_label, _SESSION.address, _SESSION.device, _SESSION.created_at),
            *(_SESSION.last_seen_at, Account.login_name, Account.first_name, Account.last_name),
        )
        .select_from(_SESSION)
        .join(Account, Account.id == _SESSION.account_id)
    )


def _signs_in(tenant_id: int) -> ColumnElement[bool]:
    # A client has one connection: asked once, and not beside every session.
    return exists().where(
        Connection.tenant_id == tenant_id,
        Connection.enabled.is_(True),
        Feature.tenant_id == Connection.tenant_id,
        Feature.name == SINGLE_SIGN_ON,
        Feature.enabled.is_(True),
    )


def _filters(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.audience:
        conditions.append(_SESSION.audience == wanted.audience)
    if wanted.method:
        conditions.append(_SESSION.method == wanted.method)
    if wanted.account_id is not None:
        conditions.append(_SESSION.account_id == wanted.account_id)
    if wanted.meant is not None:
        conditions.append(_SESSION.account_id.in_(wanted.meant))
    elif wanted.text:
        conditions.append(_says(wanted.text))
    return conditions


def _says(text: str) -> ColumnElement[bool]:
    # The account's email: a session counts only while it has the same.
    pattern = f"%{escape_like(fold(text))}%"
    return or_(
        Account.folded_login_name.like(pattern, escape="!"),
        Account.folded_email.like(pattern, escape="!"),
        func.lower(Account.first_name + " " + Account.last_name).like(pattern, escape="!"),
    )


def _meant(scope: Scope, text: str) -> Select[int]:
    return select(Account.id).where(
        Account.tenant_id == scope.tenant_id, Account.audience.in_(scope.audiences), _says(text)
    )


def _order(sort: str) -> Sequence[ColumnElement[Any]]:
    columns: dict[str, ColumnElement[Any]] = {
        "person": _SESSION.email.expression,  # in an index of the sessions; names are not
        "started": _SESSION.created_at.expression,
        "seen": _SESSION.last_seen_at.expression,
    }
    column = columns[sort.removeprefix("-")]
    return (column.desc() if sort.startswith("-") else column.asc(), _SESSION.id.desc())


def _end(session: Session, which: ColumnElement[bool], now: datetime, reason: str) -> None:
    session.execute(
        update(_SESSION)
        .where(which, _SESSION.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason)
        .execution_options(synchronize_session=False)
    )


def _row(row: Any) -> SessionRow:
    return SessionRow(
        session_id=row.id,
        account_id=row.account_id,
        audience=row.audience,
        login_name=row.login_name,
        full_name=f"{row.first_name} {row.last_name}".strip() or row.login_name,
        email=row.email,
        method=row.method,
        provider=row.provider_label,
        address=row.address,
        device=row.device,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
    )


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
