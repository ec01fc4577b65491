"""What the set-up of a connection leaves behind: test sign-ins and links for somebody without an account."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lvportal.models.base import Base, UtcDateTime


class TestSignIn(Base):
    """One run of a revision through the provider, without a session.

    The one row that is written before the provider answers: its one-use ticket
    carries the test from the administrator's host to the other.
    """

    __tablename__ = "test_sign_ins"
    __table_args__ = (
        CheckConstraint("audience IN ('portal', 'agent')", name="audience_known"),
        CheckConstraint("outcome IN ('passed', 'refused')", name="outcome_known"),
        Index("ix_test_sign_ins_revision", "revision_id", "audience"),
        Index("ix_test_sign_ins_tenant_at", "tenant_id", "created_at"),
    )
    __test__ = False  # not a class of tests, whatever its name

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(8), unique=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"))
    audience: Mapped[str] = mapped_column(String(8))
    tester_account_id: Mapped[int | None]  # None: by a set-up link
    tester_name: Mapped[str] = mapped_column(String(120))
    ticket_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(String(8))
    code: Mapped[str | None] = mapped_column(String(60))
    step: Mapped[int | None]
    detail: Mapped[str] = mapped_column(Text, default="")
    provider_said: Mapped[str] = mapped_column(String(200), default="")
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    claim_names: Mapped[list[str]] = mapped_column(JSON, default=list)
    sealed_claims: Mapped[str | None] = mapped_column(Text)  # for the tester alone, a day long
    matched_account_id: Mapped[int | None]


class SetupLink(Base):
    """A link for the person who runs the provider and has no account here: one purpose, and it ends."""

    __tablename__ = "setup_links"
    __table_args__ = (
        CheckConstraint("purpose IN ('connect', 'rotate_secret')", name="purpose_known"),
        Index("ix_setup_links_tenant", "tenant_id", "created_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    code_hash: Mapped[str] = mapped_column(String(200))
    purpose: Mapped[str] = mapped_column(String(16))
    for_whom: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(120))
    created_by_account_id: Mapped[int | None]
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    wrong_codes: Mapped[int] = mapped_column(default=0)
    browser_hash: Mapped[str | None] = mapped_column(String(64))  # bound to the first browser with the code
    first_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    submitted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revision_id: Mapped[int | None]
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_reason: Mapped[str] = mapped_column(String(24), default="")
