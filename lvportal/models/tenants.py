"""Clients of the platform, their features and their proven email domains."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lvportal.models.base import Base, UtcDateTime

SINGLE_SIGN_ON = "single_sign_on"


class Tenant(Base):
    """A customer organisation ("client" on screen).

    A deleted one keeps its row, so that its code is never given out again.
    """

    __tablename__ = "tenants"
    __table_args__ = (
        CheckConstraint("code <> ''", name="code_not_blank"),
        CheckConstraint("kind IN ('client', 'operator')", name="kind_known"),
        CheckConstraint("max_failed_portal BETWEEN 1 AND 9", name="max_failed_portal_range"),
        CheckConstraint("max_failed_agent BETWEEN 1 AND 9", name="max_failed_agent_range"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(16), default="client")
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC")
    max_failed_portal: Mapped[int] = mapped_column(default=5)
    max_failed_agent: Mapped[int] = mapped_column(default=5)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    features: Mapped[list[Feature]] = relationship(back_populates="tenant")


class Feature(Base):
    """One line of Billing: whether Care has turned a feature on for a client."""

    __tablename__ = "features"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=False)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(120))
    ticket: Mapped[str] = mapped_column(String(40), default="")

    tenant: Mapped[Tenant] = relationship(back_populates="features")


class DomainClaim(Base):
    """A domain that a client says is its own, and the TXT record that would prove it.

    Any client may claim any domain; only a proof makes an ``EmailDomain``.
    """

    __tablename__ = "domain_claims"
    __table_args__ = (
        UniqueConstraint("tenant_id", "domain"),
        CheckConstraint("domain = lower(domain) AND domain <> ''", name="domain_lower"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    domain: Mapped[str] = mapped_column(String(253))
    token: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(120))
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_answer: Mapped[str] = mapped_column(String(500), default="")


class EmailDomain(Base):
    """A domain proven to belong to a client: it leads its people to their provider."""

    __tablename__ = "email_domains"
    __table_args__ = (CheckConstraint("domain = lower(domain) AND domain <> ''", name="domain_lower"),)

    domain: Mapped[str] = mapped_column(String(253), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), index=True)
    proof: Mapped[str] = mapped_column(String(20))
    proven_at: Mapped[datetime] = mapped_column(UtcDateTime)
