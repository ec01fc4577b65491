"""The audit record: written in the same transaction as the change it tells of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from lvportal.models import AuditEvent


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change, and from where."""

    name: str
    account_id: int | None = None
    is_care: bool = False
    address: str = ""


COMMAND_LINE = Actor(name="command line")


def record(
    session: Session,
    *,
    tenant_id: int,
    actor: Actor,
    action: str,
    now: datetime,
    subject: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write one event. ``before`` and ``after`` hold the changed fields only, never a secret."""
    session.add(
        AuditEvent(
            tenant_id=tenant_id,
            at=now,
            actor=actor.name,
            actor_account_id=actor.account_id,
            by_care=actor.is_care,
            address=actor.address,
            action=action,
            subject=subject,
            before=before or {},
            after=after or {},
        )
    )
