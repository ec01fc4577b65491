"""Carrying out a plan. Clients and people in bulk, features and connections through their services."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

from lvportal.key_ring import KeyRing
from lvportal.models import Account, AuditEvent, EmailDomain, PersonSession, Tenant
from lvportal.services import billing, connections
from lvportal.services.audit import COMMAND_LINE
from lvportal.services.configuration.planning import ClientPlan, ConnectionChange, PersonChange, Plan
from lvportal.services.configuration.stored import chunks

PROOF = "operator"
ROWS_AT_ONCE = 2000


def write(session: Session, plan: Plan, *, key_ring: KeyRing, now: datetime) -> None:
    """Write everything that ``plan`` holds. The caller's transaction decides whether it stays."""
    writer = _Writer(session, key_ring, now)
    tenants = writer.clients(plan.clients)
    for client in plan.clients:
        tenant = tenants[client.wanted.code]
        for feature in client.features:
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
        if client.connection is not None:
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

    def flush(self) -> None:
        """Write what was collected."""
        session = self._session
        session.flush()
        for rows in chunks(self._new_domains, ROWS_AT_ONCE):
            session.execute(insert(EmailDomain), rows)
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
        for rows in chunks(self._events, ROWS_AT_ONCE):
            session.execute(insert(AuditEvent), rows)

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
