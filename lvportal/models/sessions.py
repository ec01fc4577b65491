"""Sessions: the row decides whether a cookie is worth anything."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from lvportal.models.base import Base, UtcDateTime

_LIVE = text("ended_at IS NULL")


class PersonSession(Base):
    """One signed-in browser. Its handle is random, known to the cookie, hashed here."""

    __tablename__ = "sessions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "tenant_id", "audience"],
            ["accounts.id", "accounts.tenant_id", "accounts.audience"],
            name="fk_sessions_account",
        ),
        CheckConstraint("method IN ('sso', 'password', 'emergency')", name="method_known"),
        CheckConstraint("(method = 'sso') = (connection_id IS NOT NULL)", name="sso_has_connection"),
        Index("ix_sessions_account", "account_id"),
        Index("ix_sessions_provider", "connection_id", "subject"),
        Index("ix_sessions_expires", "expires_at"),
        Index("ix_sessions_tenant", "tenant_id", "created_at"),
        # For lists in another order: only sessions that nobody has ended, a few of all that are kept.
        *(
            Index(
                f"ix_sessions_live_{column}", "tenant_id", column, sqlite_where=_LIVE, postgresql_where=_LIVE
            )
            for column in ("email", "last_seen_at")
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    handle_hash: Mapped[str] = mapped_column(String(64), unique=True)
    tenant_id: Mapped[int]
    audience: Mapped[str] = mapped_column(String(8))
    account_id: Mapped[int]
    email: Mapped[str] = mapped_column(String(254))
    method: Mapped[str] = mapped_column(String(12))
    connection_id: Mapped[int | None]
    revision_id: Mapped[int | None]
    provider_label: Mapped[str] = mapped_column(String(60), default="")
    issuer: Mapped[str | None] = mapped_column(String(500))
    subject: Mapped[str | None] = mapped_column(String(255))
    provider_session: Mapped[str | None] = mapped_column(String(1000))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_reason: Mapped[str | None] = mapped_column(String(24))
    address: Mapped[str] = mapped_column(String(45))
    device: Mapped[str] = mapped_column(String(200))
