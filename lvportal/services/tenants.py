"""Finding clients."""

from __future__ import annotations

import re

from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.models import EmailDomain, Tenant
from lvportal.services.folding import domain_of, fold

CODE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


def find(session: Session, code: str) -> Tenant | None:
    """Return the client with this code, in any case, or None. Deleted clients are not found."""
    folded = fold(code.strip())
    if not CODE.fullmatch(folded):
        return None
    return session.scalars(
        select(Tenant).where(Tenant.code == folded, Tenant.deleted_at.is_(None))
    ).one_or_none()


def by_email(session: Session, email: str) -> Tenant | None:
    """Return the client that has proven the email's domain. Domains compare whole, never by suffix."""
    domain = domain_of(email.strip())
    if not domain:
        return None
    return session.scalars(
        select(Tenant)
        .join(EmailDomain, EmailDomain.tenant_id == Tenant.id)
        .where(EmailDomain.domain == domain, Tenant.deleted_at.is_(None))
    ).one_or_none()
