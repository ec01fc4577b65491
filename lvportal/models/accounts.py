"""People: users of the portal host and agents of the agent host, and their links to a provider."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lvportal.models.base import Base, UtcDateTime
from lvportal.models.tenants import Tenant

ROLES = ("SYSADMIN", "SUPERUSER", "MANAGER", "IT_USER", "CLIENT_AUDITOR", "CARE")


class Account(Base):
    """A user (audience ``portal``) or an agent (audience ``agent``) of one client.

    An emergency account is a user named in advance for the day the provider is
    down: password, authenticator app (``sealed_totp``; the last step used is kept,
    so that a code works once) and a rehearsal. ``login_name`` is the User Name or
    the Logon ID. ``folded_*`` columns hold what is compared; see
    ``lvportal.services.folding``. Two accounts may share an email: that is a state
    a client must mend, and a sign-in refuses it.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("tenant_id", "audience", "folded_login_name"),
        # Lets a session or a link name account and client together, so that
        # the database itself refuses to join one client's row to another's.
        UniqueConstraint("id", "tenant_id", "audience"),
        Index("ix_accounts_email", "tenant_id", "audience", "folded_email"),
        # All that lists search and filter by: 50,000 agents are then searched without a look at
        # their rows. Nothing in it is written by a sign-in that goes well.
        Index(
            "ix_accounts_list",
            *("tenant_id", "audience", "folded_login_name", "folded_email", "active", "role"),
            *("locked_until", "first_name", "last_name"),
        ),
        CheckConstraint("audience IN ('portal', 'agent')", name="audience_known"),
        CheckConstraint("(audience = 'portal') = (role IS NOT NULL)", name="users_have_roles"),
        CheckConstraint(
            "role IN ('SYSADMIN', 'SUPERUSER', 'MANAGER', 'IT_USER', 'CLIENT_AUDITOR', 'CARE')",
            name="role_known",
        ),
        CheckConstraint("failed_attempts >= 0", name="failed_attempts_counted"),
        CheckConstraint("password_hash <> ''", name="password_hash_not_blank"),
        CheckConstraint("NOT is_emergency OR audience = 'portal'", name="emergency_users_only"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    audience: Mapped[str] = mapped_column(String(8))
    login_name: Mapped[str] = mapped_column(String(64))
    folded_login_name: Mapped[str] = mapped_column(String(64))
    email: Mapped[str | None] = mapped_column(String(254))
    folded_email: Mapped[str | None] = mapped_column(String(254))
    first_name: Mapped[str] = mapped_column(String(80), default="")
    last_name: Mapped[str] = mapped_column(String(80), default="")
    active: Mapped[bool] = mapped_column(default=True)
    role: Mapped[str | None] = mapped_column(String(16))
    agent_team: Mapped[str] = mapped_column(String(80), default="")
    home_agent: Mapped[bool] = mapped_column(default=False)
    extension: Mapped[str] = mapped_column(String(7), default="")
    password_hash: Mapped[str | None] = mapped_column(String(200))
    failed_attempts: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # A pilot: this person's password does not sign in while passwords are "not for chosen people".
    sso_only: Mapped[bool] = mapped_column(default=False, server_default=false())
    is_emergency: Mapped[bool] = mapped_column(default=False, server_default=false())
    sealed_totp: Mapped[str | None] = mapped_column(String(400))
    totp_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)
    rehearsed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    made_by_provider: Mapped[bool] = mapped_column(default=False, server_default=false())
    last_sign_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_address: Mapped[str] = mapped_column(String(45), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    tenant: Mapped[Tenant] = relationship()

    @property
    def full_name(self) -> str:
        """First and last name, or the login name of a person without one."""
        return f"{self.first_name} {self.last_name}".strip() or self.login_name


class IdentityLink(Base):
    """Which subject of which issuer an account belongs to, since the first match.

    One subject opens one account of an audience, and one account follows one
    subject of an issuer. The constraints decide a race, not a look beforehand.
    """

    __tablename__ = "identity_links"
    __table_args__ = (
        UniqueConstraint("tenant_id", "audience", "issuer", "subject"),
        UniqueConstraint("account_id", "issuer"),
        ForeignKeyConstraint(
            ["account_id", "tenant_id", "audience"],
            ["accounts.id", "accounts.tenant_id", "accounts.audience"],
            name="fk_identity_links_account",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int]
    audience: Mapped[str] = mapped_column(String(8))
    account_id: Mapped[int]
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(255))
    linked_at: Mapped[datetime] = mapped_column(UtcDateTime)
