"""A client's link to its provider: a series of immutable revisions."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lvportal.models.base import Base, UtcDateTime
from lvportal.models.tenants import Tenant


class Connection(Base):
    """One client's link to one provider. What it says stands in its revisions.

    ``enabled`` is the switch "Enable Single Sign On"; ``live_revision_id`` is
    the one that signs people in.
    """

    __tablename__ = "connections"
    __table_args__ = (
        CheckConstraint("NOT enabled OR live_revision_id IS NOT NULL", name="enabled_needs_live"),
        CheckConstraint(
            "portal_passwords IN ('allowed', 'chosen', 'refused')", name="portal_passwords_known"
        ),
        CheckConstraint("agent_passwords IN ('allowed', 'chosen', 'refused')", name="agent_passwords_known"),
        UniqueConstraint("tenant_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    enabled: Mapped[bool] = mapped_column(default=False)
    enabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    live_revision_id: Mapped[int | None] = mapped_column(ForeignKey("revisions.id", use_alter=True))
    live_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    # The secret that takes the current one's place: tried when that is refused, or swapped in by hand.
    next_sealed_secret: Mapped[str | None] = mapped_column(String(4000))
    next_secret_set_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_secret_set_by: Mapped[str | None] = mapped_column(String(120))
    next_secret_expires_on: Mapped[date | None]

    # Since when the provider refuses us (not: one person), and with which of our codes.
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failing_code: Mapped[str | None] = mapped_column(String(60))

    # Whether a local password still signs in, per audience: allowed, chosen (not for
    # accounts marked ``sso_only``), refused.
    portal_passwords: Mapped[str] = mapped_column(String(8), default="allowed", server_default="allowed")
    agent_passwords: Mapped[str] = mapped_column(String(8), default="allowed", server_default="allowed")
    # The safety net: when ``reverts_at`` comes and nobody has proven the change, ``reverts_to`` returns.
    reverts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reverts_to: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    tenant: Mapped[Tenant] = relationship()
    live_revision: Mapped[Revision | None] = relationship(foreign_keys=[live_revision_id], post_update=True)
    revisions: Mapped[list[Revision]] = relationship(
        back_populates="connection", foreign_keys="Revision.connection_id", order_by="Revision.number"
    )


class Revision(Base):
    """One version of a connection's configuration. Never changed after it was written.

    The only column a command rewrites is ``sealed_secret``, to the same secret
    under a newer key of the ring.
    """

    __tablename__ = "revisions"
    __table_args__ = (
        UniqueConstraint("connection_id", "number"),
        CheckConstraint("issuer <> ''", name="issuer_not_blank"),
        CheckConstraint("client_id <> ''", name="client_id_not_blank"),
        CheckConstraint("email_claim <> ''", name="email_claim_not_blank"),
        CheckConstraint("standard IN ('oidc')", name="standard_known"),
        CheckConstraint("application_type IN ('web', 'native')", name="application_type_known"),
        CheckConstraint(
            "client_authentication IN ('none', 'client_secret_basic', 'client_secret_post')",
            name="client_authentication_known",
        ),
        CheckConstraint(
            "(client_authentication = 'none') = (sealed_secret IS NULL)", name="secret_as_authenticated"
        ),
        CheckConstraint("response_mode IN ('query', 'form_post')", name="response_mode_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connections.id"))
    number: Mapped[int]
    standard: Mapped[str] = mapped_column(String(8), default="oidc")
    provider: Mapped[str] = mapped_column(String(24))
    application_type: Mapped[str] = mapped_column(String(8))
    issuer: Mapped[str] = mapped_column(String(500))
    client_id: Mapped[str] = mapped_column(String(255))
    client_authentication: Mapped[str] = mapped_column(String(24))
    sealed_secret: Mapped[str | None] = mapped_column(String(4000))
    secret_set_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    secret_expires_on: Mapped[date | None]
    email_claim: Mapped[str] = mapped_column(String(120), default="email")
    scopes: Mapped[str] = mapped_column(String(500), default="openid email profile")
    response_mode: Mapped[str] = mapped_column(String(12), default="query")
    matches_case: Mapped[bool] = mapped_column(default=False)
    accepts_unverified_email: Mapped[bool] = mapped_column(default=False)
    accepts_email_verified_as_text: Mapped[bool] = mapped_column(default=False)
    required_hosted_domain: Mapped[str | None] = mapped_column(String(253))
    allows_hs256: Mapped[bool] = mapped_column(default=False)
    # Optional: a claim that lists groups, and which role each of them gives (``{group: role}``).
    groups_claim: Mapped[str] = mapped_column(String(120), default="", server_default="")
    role_mapping: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, server_default="{}")
    # Optional: an account is made at the first sign-in, for emails of proven domains.
    creates_users: Mapped[bool] = mapped_column(default=False, server_default=false())
    creates_agents: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(120))

    connection: Mapped[Connection] = relationship(back_populates="revisions", foreign_keys=[connection_id])
