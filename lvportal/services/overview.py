"""What pages show at a glance: sums over a client's own rows, and Care's list of clients."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from lvportal.errors import SignInRefused, tree
from lvportal.models import Account, Connection, Feature, Revision, SignInRecord, Tenant
from lvportal.models.tenants import SINGLE_SIGN_ON
from lvportal.services.folding import escape_like, fold

DAY_HOURS = 24


@dataclass(frozen=True, slots=True)
class Refusals:
    """How often one cause refused a sign-in. ``title`` is the error's own sentence, unfilled."""

    code: str
    title: str
    count: int


@dataclass(frozen=True, slots=True)
class LastDay:
    """Sign-ins of the last 24 hours."""

    signed_in: int
    refusals: tuple[Refusals, ...]

    @property
    def refused(self) -> int:
        """How many were refused."""
        return sum(cause.count for cause in self.refusals)


def last_day(session: Session, tenant_id: int, now: datetime) -> LastDay:
    """Count the client's sign-ins of the last 24 hours by how they ended. One indexed read."""
    rows = session.execute(
        select(SignInRecord.code, func.count())
        .where(SignInRecord.tenant_id == tenant_id, SignInRecord.at > now - timedelta(hours=DAY_HOURS))
        .group_by(SignInRecord.code)
    ).all()
    titles = {kind.code: kind.user_message for kind in tree(SignInRefused)}
    refusals = sorted(
        (Refusals(code, titles.get(code, code), count) for code, count in rows if code is not None),
        key=lambda cause: (-cause.count, cause.code),
    )
    return LastDay(sum(count for code, count in rows if code is None), tuple(refusals))


def has_email_alone(session: Session, tenant_id: int, audience: str, email: str) -> bool:
    """Tell whether exactly one active account of this host has the folded email."""
    if not email:
        return False
    found = session.scalar(
        select(func.count()).where(
            Account.tenant_id == tenant_id,
            Account.audience == audience,
            Account.folded_email == email,
            Account.active.is_(True),
        )
    )
    return found == 1


@dataclass(frozen=True, slots=True)
class ClientRow:
    """One client in Care's list. ``state``: live, off (kept), draft or none."""

    code: str
    name: str
    is_operator: bool
    state: str
    provider: str | None
    people: int
    feature_on: bool
    feature_changed_at: datetime | None
    ticket: str


@dataclass(frozen=True, slots=True)
class ClientTotals:
    """All clients, counted."""

    clients: int
    live: int


_FLAG = func.coalesce(Feature.enabled, False)
_STATE = case(
    (and_(Connection.enabled.is_(True), _FLAG.is_(True)), "live"),
    (Connection.live_revision_id.is_not(None), "off"),
    (Connection.id.is_not(None), "draft"),
    else_="none",
)


def clients(
    session: Session, *, text: str, state: str, flag: str, offset: int, limit: int
) -> tuple[list[ClientRow], int]:
    """Return some of the clients by name, filtered, and how many the filters leave. Three reads."""
    wanted: list[ColumnElement[bool]] = [Tenant.deleted_at.is_(None)]
    if text:
        pattern = f"%{escape_like(fold(text))}%"
        wanted.append(
            or_(func.lower(Tenant.name).like(pattern, escape="!"), Tenant.code.like(pattern, escape="!"))
        )
    if state:
        wanted.append(_STATE.in_([state]))
    if flag:
        wanted.append(_FLAG.is_(flag == "on"))
    joined = (
        select(Tenant, Feature, _STATE, Revision.provider)
        .outerjoin(Feature, and_(Feature.tenant_id == Tenant.id, Feature.name == SINGLE_SIGN_ON))
        .outerjoin(Connection, Connection.tenant_id == Tenant.id)
        .outerjoin(Revision, Revision.id == Connection.live_revision_id)
        .where(*wanted)
    )
    total = session.scalar(select(func.count()).select_from(joined.with_only_columns(Tenant.id).subquery()))
    found = session.execute(
        joined.order_by(func.lower(Tenant.name), Tenant.code).limit(limit).offset(offset)
    ).all()
    people = _people_of(session, [row[0].id for row in found])
    rows = [
        ClientRow(
            code=tenant.code,
            name=tenant.name,
            is_operator=tenant.kind == "operator",
            state=state_word,
            provider=provider,
            people=people.get(tenant.id, 0),
            feature_on=bool(feature and feature.enabled),
            feature_changed_at=feature.changed_at if feature else None,
            ticket=feature.ticket if feature else "",
        )
        for tenant, feature, state_word, provider in found
    ]
    return rows, int(total or 0)


def _people_of(session: Session, tenant_ids: list[int]) -> dict[int, int]:
    rows = session.execute(
        select(Account.tenant_id, func.count())
        .where(Account.tenant_id.in_(tenant_ids), Account.active.is_(True))
        .group_by(Account.tenant_id)
    )
    return {row[0]: row[1] for row in rows}


def client_totals(session: Session) -> ClientTotals:
    """Count all clients, and those whose people sign in through a provider."""
    everybody, live = session.execute(
        select(func.count(), func.count().filter(_STATE == "live"))
        .select_from(Tenant)
        .outerjoin(Feature, and_(Feature.tenant_id == Tenant.id, Feature.name == SINGLE_SIGN_ON))
        .outerjoin(Connection, Connection.tenant_id == Tenant.id)
        .where(Tenant.deleted_at.is_(None))
    ).one()
    return ClientTotals(int(everybody), int(live))
