"""Users and agents of one client: searched, filtered, ordered, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, not_, or_, select
from sqlalchemy.orm import Session, aliased

from lvportal.errors import PageNotFound
from lvportal.models import Account, EmailDomain, IdentityLink, PersonSession
from lvportal.services.folding import domain_of, escape_like, fold

MOST_EXPORTED = 100_000
LARGEST_ID = 2**31 - 1  # a number beyond it leaves the database's integers
ADMINISTRATORS = ("SYSADMIN", "SUPERUSER")
STATUSES = ("active", "inactive", "locked", "provider")
READINESS = ("ready", "no_email", "invalid", "shared", "unusual", "never", "administrator")
FACTORS = ("set", "unset")
SORTS = {
    "portal": ("login", "name", "email", "role", "seen"),
    "agent": ("login", "name", "email", "team", "seen"),
}
# A domain that so many of the people with an email use is usual, proven or not.
USUAL_SHARE = 0.25
SAMPLE = 2000
MOST_LISTED = 500


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, for the rules about roles: a SUPERUSER sees no SYSADMIN, a MANAGER agents alone."""

    tenant_id: int
    account_id: int
    role: str
    is_operator: bool = False

    def sees(self, audience: str) -> list[ColumnElement[bool]]:
        """Return the conditions of the accounts on one host that this person sees."""
        mine: list[ColumnElement[bool]] = [
            Account.tenant_id == self.tenant_id,
            Account.audience == audience,
        ]
        if audience == "portal" and self.role == "SUPERUSER":
            mine.append(Account.role != "SYSADMIN")
        if audience == "portal" and self.role == "MANAGER":
            mine.append(Account.id == -1)
        return mine


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list asks for; an empty value asks for nothing. ``sort`` with ``-`` descends."""

    text: str = ""
    role: str = ""
    status: str = ""
    readiness: str = ""
    factor: str = ""
    sort: str = "login"


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person in a list. ``readiness`` is the most pressing of READINESS."""

    id: int
    login_name: str
    email: str
    first_name: str
    last_name: str
    role: str
    agent_team: str
    active: bool
    is_locked: bool
    has_second_factor: bool
    home_agent: bool
    extension: str
    last_sign_in_at: datetime | None
    readiness: str = ""

    @property
    def full_name(self) -> str:
        """First and last name, empty for a person without one."""
        return f"{self.first_name} {self.last_name}".strip()


def search(
    session: Session,
    viewer: Viewer,
    audience: str,
    wanted: Wanted,
    *,
    now: datetime,
    limit: int,
    offset: int = 0,
) -> tuple[list[PersonRow], int]:
    """Return one page of the people that the filters leave, and how many there are."""
    usual = usual_domains(session, viewer.tenant_id, audience)
    if wanted.readiness in ("ready", "shared", "administrator"):
        # Found once for the page and its count; too many for a list stay a part of both.
        emails = session.scalars(shared_emails(viewer.tenant_id, audience).limit(MOST_LISTED + 1)).all()
        shared = Account.folded_email.in_(emails) if len(emails) <= MOST_LISTED else None
    else:
        shared = None
    conditions = _conditions(viewer, audience, wanted, usual, now, shared)
    # First the ids, from the index alone; then the rows of this page.
    ids = session.scalars(
        select(Account.id).where(*conditions).order_by(*_order(wanted.sort)).limit(limit).offset(offset)
    ).all()
    by_id = {row.id: row for row in session.execute(_columns().where(Account.id.in_(ids)))}
    rows = [by_id[id_] for id_ in ids if id_ in by_id]
    if len(rows) < limit and (rows or not offset):
        total = offset + len(rows)  # the last page: nothing is left to count
    else:
        total = session.scalar(select(func.count()).select_from(Account).where(*conditions)) or 0
    return _judged(session, viewer, audience, rows, usual, now), int(total)


def everybody(
    session: Session, viewer: Viewer, audience: str, wanted: Wanted, *, now: datetime
) -> Iterator[PersonRow]:
    """Yield all that the filters leave, in order, MOST_EXPORTED at most. Their readiness is not judged."""
    usual = usual_domains(session, viewer.tenant_id, audience) if wanted.readiness else ()
    rows = session.execute(
        _columns()
        .where(*_conditions(viewer, audience, wanted, usual, now))
        .order_by(*_order(wanted.sort))
        .limit(MOST_EXPORTED)
    )
    for row in rows.yield_per(2000):
        yield _row(row, now)


def find(session: Session, viewer: Viewer, audience: str, account_id: int) -> Account:
    """Return one account. Raises PageNotFound for one that the viewer does not see."""
    if not 0 < account_id <= LARGEST_ID:
        raise PageNotFound(host="portal")
    account = session.scalars(
        select(Account).where(Account.id == account_id, *viewer.sees(audience))
    ).one_or_none()
    if account is None:
        raise PageNotFound(host="portal")
    return account


@dataclass(frozen=True, slots=True)
class Chosen:
    """How many of the chosen the viewer sees, how many of them are what, and their live sessions."""

    people: int
    active: int
    locked: int
    sso_only: int
    sessions: int

    @property
    def with_password(self) -> int:
        """How many are not single sign-on only."""
        return self.people - self.sso_only


def count_of(session: Session, viewer: Viewer, audience: str, ids: Sequence[int], *, now: datetime) -> Chosen:
    """Count what an act on the chosen would touch."""
    mine = (Account.id.in_(ids), *viewer.sees(audience))
    locked = or_(Account.locked_until > now, Account.failed_attempts > 0)
    row = session.execute(
        select(
            func.count(),
            func.count().filter(Account.active.is_(True)),
            func.count().filter(locked),
            func.count().filter(Account.sso_only.is_(True)),
        ).where(*mine)
    ).one()
    live = (
        select(func.count())
        .select_from(PersonSession)
        .where(
            PersonSession.account_id.in_(select(Account.id).where(*mine)),
            PersonSession.ended_at.is_(None),
            PersonSession.expires_at > now,
        )
    )
    return Chosen(int(row[0]), int(row[1]), int(row[2]), int(row[3]), int(session.scalar(live) or 0))


def usual_domains(session: Session, tenant_id: int, audience: str) -> tuple[str, ...]:
    """Return the domains that are no surprise in an email: proven ones, and those that many people use."""
    proven = session.scalars(select(EmailDomain.domain).where(EmailDomain.tenant_id == tenant_id)).all()
    email = Account.folded_email
    # A sample, active or not, so that the index alone answers it: it is read for every page.
    sample = (
        select(email)
        .where(Account.tenant_id == tenant_id, Account.audience == audience, email > "")
        .limit(SAMPLE)
        .subquery()
    )
    email_in_sample = sample.c.folded_email
    if session.get_bind().dialect.name == "postgresql":
        domain = func.split_part(email_in_sample, "@", 2)
    else:
        domain = func.substr(email_in_sample, func.instr(email_in_sample, "@") + 1)
    found = session.execute(select(domain, func.count()).group_by(domain)).all()
    people = sum(row[1] for row in found)
    common = [row[0] for row in found if row[0] and row[1] >= people * USUAL_SHARE]
    return tuple(sorted({*proven, *common}))


def without_email() -> ColumnElement[bool]:
    """Tell in SQL whether an account has no email."""
    return func.coalesce(Account.folded_email, "") == ""


def with_invalid_email() -> ColumnElement[bool]:
    """Tell in SQL whether an account has an email that no provider sends.

    What the editor and the import take was checked fully; this finds what came
    in by other ways and has no name, no domain, spaces or stray full stops.
    """
    email = Account.folded_email
    wrong = ("% %", "%@%@%", "%..%", "%.@%", "%@.%", "%@-%", ".%", "%.")
    return and_(
        func.coalesce(email, "") != "", or_(email.not_like("%_@_%._%"), *(email.like(part) for part in wrong))
    )


def shared_emails(tenant_id: int, audience: str) -> Select[str | None]:
    """Select the folded emails that several active accounts have, seen by the viewer or not."""
    # Those that several have, active or not, come from the index alone; only their rows are looked at.
    several, other = aliased(Account), aliased(Account)
    repeated = (
        select(several.folded_email)
        .where(several.tenant_id == tenant_id, several.audience == audience, several.folded_email > "")
        .group_by(several.folded_email)
        .having(func.count() > 1)
    )
    return (
        select(other.folded_email)
        .where(
            other.tenant_id == tenant_id,
            other.audience == audience,
            other.active.is_(True),
            other.folded_email.in_(repeated),
        )
        .group_by(other.folded_email)
        .having(func.count() > 1)
    )


def of_unusual_domain(usual: Sequence[str]) -> ColumnElement[bool]:
    """Tell in SQL whether an email is of none of the usual domains."""
    if not usual:
        return Account.id == -1
    known = (Account.folded_email.like(f"%@{escape_like(domain)}", escape="!") for domain in usual)
    return and_(func.coalesce(Account.folded_email, "") != "", not_(or_(*known)))


def ever_matched() -> ColumnElement[bool]:
    """Tell in SQL whether a sign-in through a provider has ever matched an account."""
    return exists().where(IdentityLink.account_id == Account.id)


def condition_of(
    readiness: str,
    tenant_id: int,
    audience: str,
    usual: Sequence[str],
    shared: ColumnElement[bool] | None = None,
) -> ColumnElement[bool]:
    """Return one readiness as a condition: all of them concern active accounts alone."""
    active = Account.active.is_(True)
    if shared is None:
        shared = Account.folded_email.in_(shared_emails(tenant_id, audience))
    if readiness == "no_email":
        return and_(active, without_email())
    if readiness == "invalid":
        return and_(active, with_invalid_email())
    if readiness == "shared":
        return and_(active, shared, not_(with_invalid_email()))
    if readiness == "unusual":
        return and_(active, of_unusual_domain(usual))
    if readiness == "never":
        return and_(active, not_(ever_matched()))
    broken = or_(without_email(), with_invalid_email(), shared)
    if readiness == "administrator":
        return and_(active, Account.role.in_(ADMINISTRATORS), or_(broken, not_(ever_matched())))
    return and_(active, not_(broken))


def _conditions(
    viewer: Viewer,
    audience: str,
    wanted: Wanted,
    usual: Sequence[str],
    now: datetime,
    shared: ColumnElement[bool] | None = None,
) -> list[ColumnElement[bool]]:
    conditions = viewer.sees(audience)
    if wanted.text:
        pattern = f"%{escape_like(fold(wanted.text))}%"
        names = func.lower(Account.first_name + " " + Account.last_name)
        conditions.append(
            or_(
                Account.folded_login_name.like(pattern, escape="!"),
                Account.folded_email.like(pattern, escape="!"),
                names.like(pattern, escape="!"),
            )
        )
    if wanted.role:
        conditions.append(Account.role == wanted.role)
    if wanted.status == "active":
        conditions.append(Account.active.is_(True))
    elif wanted.status == "inactive":
        conditions.append(Account.active.is_(False))
    elif wanted.status == "locked":
        conditions.append(Account.locked_until > now)
    elif wanted.status == "provider":
        conditions.append(Account.sso_only.is_(True))
    if wanted.factor:
        has = Account.totp_confirmed_at.is_not(None)
        conditions.append(has if wanted.factor == "set" else not_(has))
    if wanted.readiness:
        conditions.append(condition_of(wanted.readiness, viewer.tenant_id, audience, usual, shared))
    return conditions


def _columns() -> Select[*tuple[Any, ...]]:
    return select(
        *(Account.id, Account.login_name, Account.email, Account.folded_email, Account.first_name),
        *(Account.last_name, Account.role, Account.agent_team, Account.active, Account.locked_until),
        *(Account.totp_confirmed_at, Account.home_agent, Account.extension, Account.last_sign_in_at),
    )


def _order(sort: str) -> list[ColumnElement[Any]]:
    columns: dict[str, list[ColumnElement[Any]]] = {
        "login": [Account.folded_login_name.expression],
        "name": [Account.last_name.expression, Account.first_name.expression],
        "email": [Account.folded_email.expression],
        "role": [Account.role.expression],
        "team": [Account.agent_team.expression],
        "seen": [Account.last_sign_in_at.expression],
    }
    key = sort.removeprefix("-")
    chosen: list[ColumnElement[Any]] = [
        column.desc() if sort.startswith("-") else column.asc() for column in columns[key]
    ]
    return chosen if key == "login" else [*chosen, Account.folded_login_name.asc()]


def _row(row: Any, now: datetime, readiness: str = "") -> PersonRow:
    return PersonRow(
        id=row.id,
        login_name=row.login_name,
        email=row.email or "",
        first_name=row.first_name,
        last_name=row.last_name,
        role=row.role or "",
        agent_team=row.agent_team,
        active=row.active,
        is_locked=row.locked_until is not None and row.locked_until > now,
        has_second_factor=row.totp_confirmed_at is not None,
        home_agent=row.home_agent,
        extension=row.extension,
        last_sign_in_at=row.last_sign_in_at,
        readiness=readiness,
    )


def _judged(
    session: Session, viewer: Viewer, audience: str, rows: Sequence[Any], usual: Sequence[str], now: datetime
) -> list[PersonRow]:
    """Judge the readiness of one page of rows: three reads by index, however many people there are."""
    ids = [row.id for row in rows]
    if not ids:
        return []
    emails = {row.folded_email for row in rows if row.folded_email}
    shared = set(
        session.scalars(
            select(Account.folded_email)
            .where(
                Account.tenant_id == viewer.tenant_id,
                Account.audience == audience,
                Account.folded_email.in_(emails),
                Account.active.is_(True),
            )
            .group_by(Account.folded_email)
            .having(func.count() > 1)
        )
    )
    invalid = set(session.scalars(select(Account.id).where(Account.id.in_(ids), with_invalid_email())))
    linked = set(session.scalars(select(IdentityLink.account_id).where(IdentityLink.account_id.in_(ids))))

    def readiness(row: Any) -> str:
        if not row.folded_email:
            return "no_email"
        if row.id in invalid:
            return "invalid"
        if row.active and row.folded_email in shared:
            return "shared"
        if usual and domain_of(row.folded_email) not in usual:
            return "unusual"
        return "ready" if row.id in linked else "never"

    return [_row(row, now, readiness(row)) for row in rows]
