"""Features of a client, as Billing shows them. Care turns them on and off."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.models import Feature, Tenant
from lvportal.models.tenants import SINGLE_SIGN_ON
from lvportal.services import audit, enforcement

FEATURE_LABELS = {
    SINGLE_SIGN_ON: "Single Sign On",
}


def feature(session: Session, tenant_id: int, name: str = SINGLE_SIGN_ON) -> Feature | None:
    """Return the feature's row, or None when Care never touched it."""
    return session.get(Feature, (tenant_id, name))


def is_on(session: Session, tenant_id: int, name: str = SINGLE_SIGN_ON) -> bool:
    """Tell whether the client may use the feature."""
    row = feature(session, tenant_id, name)
    return row is not None and row.enabled


def set_feature(
    session: Session,
    tenant: Tenant,
    name: str,
    *,
    enabled: bool,
    ticket: str,
    by: audit.Actor,
    now: datetime,
) -> bool:
    """Turn a feature on or off; return whether anything changed.

    Turning Single Sign On off ends sign-in by the provider, and every session
    it opened, at the next request: both read this row. The connection stays, and
    so does the rule about passwords: turned on again, it has to be proven anew.
    """
    row = session.scalars(
        select(Feature).where(Feature.tenant_id == tenant.id, Feature.name == name).with_for_update()
    ).one_or_none()
    was = row is not None and row.enabled
    if was == enabled and row is not None:
        return False
    if row is None:
        row = Feature(tenant_id=tenant.id, name=name)
        session.add(row)
    row.enabled, row.changed_at, row.changed_by, row.ticket = enabled, now, by.name, ticket
    audit.record(
        session,
        tenant_id=tenant.id,
        actor=by,
        action="billing.feature",
        subject=name,
        before={"enabled": was},
        after={"enabled": enabled, "ticket": ticket},
        now=now,
    )
    if enabled and name == SINGLE_SIGN_ON:
        enforcement.spread_net(session, tenant.id, now)
    return True
