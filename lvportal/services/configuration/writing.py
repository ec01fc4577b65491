"""Carrying out a plan. Clients and people in bulk, features and connections through their services."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

from lvportal.key_ring import KeyRing
from lvportal.models import (
    Account,
    Connection,
    EmailDomain,
    Feature,
    PersonSession,
    Revision,
    Tenant,
)
from lvportal.services import audit, billing, connections, enforcement
from lvportal.services.audit import COMMAND_LINE
from lvportal.services.configuration.planning import ClientPlan, ConnectionChange, PersonChange, Plan
from lvportal.services.configuration.stored import chunks
from lvportal.services.connections import ConnectionValues

PROOF = "operator"
ROWS_AT_ONCE = 2000


def write(session: Session, plan: Plan, *, key_ring: KeyRing, now: datetime) -> None:
    """Write everything that ``plan`` holds. The caller's transaction decides whether it stays."""
    writer = _Writer(session, key_ring, now)
    tenants = writer.clients(plan.clients)
    for client in plan.clients:
        tenant = tenants[client.wanted.code]
        if client.tenant is None:
            writer.first_features(tenant, client)
        for feature in client.features if client.tenant is not None else ():
            billing.set_feature(
                session,
                tenant,
                feature.name,
                enabled=feature.enabled,
                ticket=feature.ticket,
                by=COMMAND_LINE,
                now=now,
            )
        writer.domains(tenant, client.domains)
        writer.people(tenant, client.people)
        if client.connection is not None and client.tenant is None:
            writer.first_connection(tenant, client.connection)
        elif client.connection is not None:
            writer.connection(tenant, client.connection)
    writer.flush()


class _Writer:
    """Collects rows of the same kind and writes them many at once."""

    def __init__(self, session: Session, key_ring: KeyRing, now: datetime) -> None:
        self._session = session
        self._key_ring = key_ring
        self._now = now
        self._new_accounts: list[dict[str, Any]] = []
        self._changed_accounts: dict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
        self._new_passwords: list[int] = []
        self._new_domains: list[dict[str, Any]] = []
        self._new_features: list[dict[str, Any]] = []
        self._new_connections: list[tuple[Tenant, ConnectionChange]] = []
        self._events: list[dict[str, Any]] = []

    def clients(self, plans: list[ClientPlan]) -> dict[str, Tenant]:
        """Create the new clients, change the others, and return all by code."""
        tenants = {plan.wanted.code: plan.tenant for plan in plans if plan.tenant is not None}
        new = [plan for plan in plans if plan.tenant is None]
        for part in chunks(new):
            self._session.execute(
                insert(Tenant),
                [
                    {**_TENANT_DEFAULTS, "code": p.wanted.code, "created_at": self._now, **p.values}
                    for p in part
                ],
            )
            made = select(Tenant).where(Tenant.code.in_([plan.wanted.code for plan in part]))
            tenants |= {tenant.code: tenant for tenant in self._session.scalars(made)}
        for plan in plans:
            tenant = tenants[plan.wanted.code]
            if plan.tenant is None:
                self._event(tenant, "client.created", "", {}, plan.values)
            elif plan.values:
                before = {name: getattr(tenant, name) for name in plan.values}
                for name, value in plan.values.items():
                    setattr(tenant, name, value)
                self._event(tenant, "client.changed", "", before, plan.values)
        return tenants

    def domains(self, tenant: Tenant, domains: list[str]) -> None:
        for domain in domains:
            self._new_domains.append(
                {"domain": domain, "tenant_id": tenant.id, "proof": PROOF, "proven_at": self._now}
            )
            self._event(tenant, "domain.proven", domain, {}, {"proof": PROOF})

    def people(self, tenant: Tenant, changes: list[PersonChange]) -> None:
        for change in changes:
            person, values = change.person, dict(change.values)
            if change.new_hash is not None:
                # A pause belongs to the password that was tried too often.
                values |= {"password_hash": change.new_hash.text, "failed_attempts": 0, "locked_until": None}
            if change.account_id is None:
                self._new_accounts.append(
                    {
                        **_ACCOUNT_DEFAULTS,
                        "tenant_id": tenant.id,
                        "audience": person.audience,
                        "folded_login_name": person.folded_login_name,
                        "created_at": self._now,
                        **values,
                    }
                )
            else:
                self._changed_accounts[frozenset(values)].append(
                    {"account_id": change.account_id} | {f"new_{n}": v for n, v in values.items()}
                )
                if change.new_hash is not None:
                    self._new_passwords.append(change.account_id)
            after = _told(change.values)
            if change.new_hash is not None:
                after["password"] = "removed" if change.new_hash.text is None else "changed"
            action = "account.created" if change.account_id is None else "account.changed"
            self._event(tenant, action, person.title, _told(change.before), after)

    def first_features(self, tenant: Tenant, plan: ClientPlan) -> None:
        """Collect the features of a new client, as ``billing.set_feature`` would write them."""
        for feature in plan.features:
            self._new_features.append(
                {
                    "tenant_id": tenant.id,
                    "name": feature.name,
                    "enabled": feature.enabled,
                    "changed_at": self._now,
                    "changed_by": COMMAND_LINE.name,
                    "ticket": feature.ticket,
                }
            )
            after = {"enabled": feature.enabled, "ticket": feature.ticket}
            self._event(tenant, "billing.feature", feature.name, {"enabled": False}, after)

    def first_connection(self, tenant: Tenant, change: ConnectionChange) -> None:
        """Collect the connection of a new client."""
        self._new_connections.append((tenant, change))

    def connection(self, tenant: Tenant, change: ConnectionChange) -> None:
        by, now, session = COMMAND_LINE, self._now, self._session
        if change.values is not None:
            number = connections.save(
                session, tenant, change.values, key_ring=self._key_ring, by=by, now=now
            ).number
        else:
            connection = connections.of_tenant(session, tenant.id)
            newest = connection and connections.newest_revision(session, connection)
            number = newest.number if newest else 0
        if change.goes_live:
            connections.put_live(session, tenant, number, by=by, now=now)
        if change.enabled is not None:
            connections.set_enabled(session, tenant, enabled=change.enabled, by=by, now=now)
        if change.goes_live or change.enabled:
            enforcement.spread_net(session, tenant.id, now)

    def flush(self) -> None:
        """Write what was collected."""
        session = self._session
        session.flush()
        for rows in chunks(self._new_domains, ROWS_AT_ONCE):
            session.execute(insert(EmailDomain), rows)
        for rows in chunks(self._new_features, ROWS_AT_ONCE):
            session.execute(insert(Feature), rows)
        for part in chunks(self._new_connections):
            self._write_first_connections(part)
        for rows in chunks(self._new_accounts, ROWS_AT_ONCE):
            session.execute(insert(Account), rows)
        table = cast(Table, Account.__table__)
        for names, changed in self._changed_accounts.items():
            statement = (
                update(table)
                .where(table.c.id == bindparam("account_id"))
                .values({name: bindparam(f"new_{name}") for name in names})
            )
            for rows in chunks(changed, ROWS_AT_ONCE):
                session.connection().execute(statement, rows)
        for ids in chunks(self._new_passwords):
            # Whoever knew the old password may be who the new one keeps out.
            session.execute(
                update(PersonSession)
                .where(
                    PersonSession.account_id.in_(ids),
                    PersonSession.method == "password",
                    PersonSession.ended_at.is_(None),
                )
                .values(ended_at=self._now, end_reason="password changed")
            )
        audit.append(session, self._events)

    def _write_first_connections(self, part: list[tuple[Tenant, ConnectionChange]]) -> None:
        """Write what ``connections.save``, ``put_live`` and ``set_enabled`` would, for many new clients.

        One by one takes 7 ms a client (measured), most of it looking for what cannot be there yet.
        """
        session, now = self._session, self._now
        ids = [tenant.id for tenant, _ in part]
        session.execute(
            insert(Connection), [{"tenant_id": id_, "enabled": False, "created_at": now} for id_ in ids]
        )
        found = session.execute(
            select(Connection.tenant_id, Connection.id).where(Connection.tenant_id.in_(ids))
        )
        connection_ids = {row.tenant_id: row.id for row in found}
        session.execute(
            insert(Revision),
            [
                self._first_revision(connection_ids[tenant.id], change.values)
                for tenant, change in part
                if change.values is not None
            ],
        )
        first = select(Revision.connection_id, Revision.id).where(
            Revision.connection_id.in_(connection_ids.values())
        )
        revision_ids = {row.connection_id: row.id for row in session.execute(first)}
        live = []
        for tenant, change in part:
            connection_id = connection_ids[tenant.id]
            self._tell_of_first_connection(tenant, change)
            if change.goes_live:
                live.append(
                    {
                        "id": connection_id,
                        "live_revision_id": revision_ids[connection_id],
                        "live_since": now,
                        "enabled": bool(change.enabled),
                        "enabled_at": now if change.enabled else None,
                    }
                )
        if live:
            session.execute(update(Connection), live)

    def _first_revision(self, connection_id: int, values: ConnectionValues) -> dict[str, Any]:
        is_secret = values.secret is not None
        return {
            "connection_id": connection_id,
            "number": 1,
            "standard": "oidc",
            "created_at": self._now,
            "created_by": COMMAND_LINE.name,
            "sealed_secret": self._key_ring.seal(
                values.secret, purpose=connections.secret_purpose(connection_id)
            )
            if values.secret is not None
            else None,
            "secret_set_at": self._now if is_secret else None,
            **{name: getattr(values, name) for name in connections.PLAIN_FIELDS},
        }

    def _tell_of_first_connection(self, tenant: Tenant, change: ConnectionChange) -> None:
        values = change.values
        if values is None:
            return
        after = {name: getattr(values, name) for name in connections.PLAIN_FIELDS}
        if values.secret_expires_on is not None:
            after["secret_expires_on"] = values.secret_expires_on.isoformat()
        after["secret"] = "none" if values.secret is None else "set"
        self._event(tenant, "connection.saved", "revision 1", {}, after)
        if change.goes_live:
            self._event(tenant, "connection.live", "revision 1", {"revision": None}, {"revision": 1})
        if change.enabled:
            self._event(tenant, "connection.enabled", "", {"enabled": False}, {"enabled": True})

    def _event(
        self, tenant: Tenant, action: str, subject: str, before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        self._events.append(
            {
                "tenant_id": tenant.id,
                "at": self._now,
                "actor": COMMAND_LINE.name,
                "by_care": False,
                "address": "",
                "action": action,
                "subject": subject,
                "before": before,
                "after": after,
            }
        )


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Return what of an account's values the audit record keeps."""
    return {name: value for name, value in values.items() if not name.startswith("folded_")}


# Written out, so that rows of one insert have the same columns: then it is one statement.
_TENANT_DEFAULTS: dict[str, Any] = {
    "name": "", "kind": "client", "time_zone": "UTC", "max_failed_portal": 5, "max_failed_agent": 5,
}  # fmt: skip
_ACCOUNT_DEFAULTS: dict[str, Any] = {
    "email": None, "folded_email": None, "first_name": "", "last_name": "", "active": True, "role": None,
    "agent_team": "", "home_agent": False, "extension": "", "password_hash": None, "failed_attempts": 0,
    "locked_until": None, "last_address": "",
}  # fmt: skip
