"""What is written down: every sign-in that a provider answered, and every change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lvportal.models.base import Base, UtcDateTime


class SignInRecord(Base):
    """How one sign-in ended. Written once, with the session if there is one.

    ``state_hash`` is unique: of two answers to one sign-in, sent at the same
    instant to two workers, one writes its record and the other nothing.
    """

    __tablename__ = "sign_in_records"
    __table_args__ = (
        CheckConstraint("outcome IN ('signed_in', 'refused')", name="outcome_known"),
        CheckConstraint("(outcome = 'refused') = (code IS NOT NULL)", name="refusals_have_codes"),
        # With code and host, so that they are counted without a look at the rows.
        Index("ix_sign_in_records_tenant_at", "tenant_id", "at", "code", "audience"),
        Index("ix_sign_in_records_tenant_code", "tenant_id", "code", "at"),
        Index("ix_sign_in_records_account", "account_id", "at"),
        Index("ix_sign_in_records_email", "tenant_id", "folded_email", "at"),
        Index("ix_sign_in_records_at", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(8), unique=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    audience: Mapped[str] = mapped_column(String(8))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(12))
    method: Mapped[str] = mapped_column(String(12))
    code: Mapped[str | None] = mapped_column(String(60))
    step: Mapped[int]
    account_id: Mapped[int | None]
    email: Mapped[str | None] = mapped_column(String(254))
    folded_email: Mapped[str | None] = mapped_column(String(254))
    revision_id: Mapped[int | None]
    state_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    claim_names: Mapped[list[str]] = mapped_column(JSON, default=list)
    harmless_claims: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    provider_said: Mapped[str] = mapped_column(String(200), default="")
    detail: Mapped[str] = mapped_column(Text, default="")
    # What the refusal's sentences need besides names of client and provider: never a secret.
    facts: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, server_default="{}")
    address: Mapped[str] = mapped_column(String(45))
    device: Mapped[str] = mapped_column(String(200))


class AuditEvent(Base):
    """One change: who, what, from where, before and after. Secrets stand as "changed".

    A client's events are numbered and chained: each holds the hash of the one
    before, so that a removed or altered row shows (services/audit.py).
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_tenant_at", "tenant_id", "at"),
        UniqueConstraint("tenant_id", "number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(120))
    actor_account_id: Mapped[int | None]
    by_care: Mapped[bool] = mapped_column(default=False)
    address: Mapped[str] = mapped_column(String(45), default="")
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(200), default="")
    before: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    after: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    number: Mapped[int]
    previous_hash: Mapped[str] = mapped_column(String(64), default="", server_default="")
    hash: Mapped[str] = mapped_column(String(64), default="", server_default="")
