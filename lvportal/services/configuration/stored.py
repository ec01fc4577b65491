"""What the database holds of the things a file names, read in a few large queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session, aliased

from lvportal.models import Account, Connection, EmailDomain, Feature, Revision, Tenant
from lvportal.services.configuration.wanted import Wanted

T = TypeVar("T")

# Three values each stay far below every engine's limit on bound values.
NAMES_AT_ONCE = 500

_ACCOUNT_COLUMNS = (
    Account.id, Account.tenant_id, Account.audience, Account.folded_login_name, Account.login_name,
    Account.email, Account.folded_email, Account.first_name, Account.last_name, Account.active, Account.role,
    Account.agent_team, Account.home_agent, Account.extension, Account.password_hash,
)  # fmt: skip

PersonKey = tuple[int, str, str]  # client, audience, folded login name


@dataclass(slots=True)
class Stored:
    """Rows by what a file calls them."""

    tenants: dict[str, Tenant] = field(default_factory=dict)
    features: dict[tuple[int, str], bool] = field(default_factory=dict)
    domain_owners: dict[str, int] = field(default_factory=dict)
    people: dict[PersonKey, dict[str, Any]] = field(default_factory=dict)
    connections: dict[int, Connection] = field(default_factory=dict)
    newest_revisions: dict[int, Revision] = field(default_factory=dict)  # by client


def load(session: Session, wanted: Wanted) -> Stored:
    """Read everything that ``wanted`` names."""
    found = Stored()
    for codes in chunks(client.code for client in wanted.clients):
        for tenant in session.scalars(select(Tenant).where(Tenant.code.in_(codes))):
            found.tenants[tenant.code] = tenant
    _load_features(session, wanted, found)
    _load_domains(session, wanted, found)
    _load_connections(session, wanted, found)
    _load_people(session, wanted, found)
    return found


def chunks(values: Iterable[T], size: int = NAMES_AT_ONCE) -> Iterator[list[T]]:
    """Yield the values in lists of at most ``size``."""
    remaining = iter(values)
    while part := list(islice(remaining, size)):
        yield part


def _load_features(session: Session, wanted: Wanted, found: Stored) -> None:
    named = (c for c in wanted.clients if (c.features or c.connection) and c.code in found.tenants)
    for ids in chunks(found.tenants[c.code].id for c in named):
        rows = session.execute(
            select(Feature.tenant_id, Feature.name, Feature.enabled).where(Feature.tenant_id.in_(ids))
        )
        for tenant_id, name, enabled in rows:
            found.features[tenant_id, name] = enabled


def _load_domains(session: Session, wanted: Wanted, found: Stored) -> None:
    for domains in chunks(domain for client in wanted.clients for domain, _ in client.email_domains):
        rows = session.execute(
            select(EmailDomain.domain, EmailDomain.tenant_id).where(EmailDomain.domain.in_(domains))
        )
        for domain, tenant_id in rows:
            found.domain_owners[domain] = tenant_id


def _load_connections(session: Session, wanted: Wanted, found: Stored) -> None:
    named = (c for c in wanted.clients if c.connection and c.code in found.tenants)
    other = aliased(Revision)
    newest = (
        select(func.max(other.number)).where(other.connection_id == Revision.connection_id).scalar_subquery()
    )
    for ids in chunks(found.tenants[c.code].id for c in named):
        rows = session.execute(
            select(Connection, Revision)
            .outerjoin(Revision, (Revision.connection_id == Connection.id) & (Revision.number == newest))
            .where(Connection.tenant_id.in_(ids))
        )
        for connection, revision in rows:
            found.connections[connection.tenant_id] = connection
            if revision is not None:
                found.newest_revisions[connection.tenant_id] = revision


def _load_people(session: Session, wanted: Wanted, found: Stored) -> None:
    keys = (
        (found.tenants[client.code].id, person.audience, person.folded_login_name)
        for client in wanted.clients
        if client.code in found.tenants
        for person in client.people
    )
    key = tuple_(Account.tenant_id, Account.audience, Account.folded_login_name)
    for part in chunks(keys):
        for row in session.execute(select(*_ACCOUNT_COLUMNS).where(key.in_(part))).mappings():
            found.people[row["tenant_id"], row["audience"], row["folded_login_name"]] = dict(row)
