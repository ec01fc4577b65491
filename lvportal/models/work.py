"""Work that waits: messages to be sent, files of people to be imported."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from lvportal.models.base import Base, UtcDateTime


class MailMessage(Base):
    """One message to one person, kept until it is sent or given up.

    ``key`` is unique: a warning that was written once is not written again.
    """

    __tablename__ = "mail_messages"
    __table_args__ = (Index("ix_mail_messages_waiting", "sent_at", "next_try_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    key: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(40))
    recipient: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # None: sent or given up
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str] = mapped_column(String(300), default="")


class PeopleImport(Base):
    """A file of users or agents: read, shown, then written in one transaction or dropped.

    ``run`` names the thread at work on it and ``seen_at`` when that last gave a
    sign of life: a process that ended leaves both behind.
    """

    __tablename__ = "people_imports"
    __table_args__ = (
        CheckConstraint("audience IN ('portal', 'agent')", name="audience_known"),
        CheckConstraint(
            "state IN ('reading', 'read', 'writing', 'written', 'cancelled', 'failed')", name="state_known"
        ),
        Index("ix_people_imports_tenant", "tenant_id", "created_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    audience: Mapped[str] = mapped_column(String(8))
    created_by_account_id: Mapped[int]
    created_by: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    file_name: Mapped[str] = mapped_column(String(120))
    content: Mapped[bytes | None] = mapped_column(LargeBinary)  # gone when it has been written or dropped
    state: Mapped[str] = mapped_column(String(12))
    rows_done: Mapped[int] = mapped_column(default=0)
    rows_total: Mapped[int] = mapped_column(default=0)
    summary: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    run: Mapped[str] = mapped_column(String(32), default="", server_default="")
    seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PeopleImportPart(Base):
    """Up to fifty rows of an import with one outcome: one page of its preview, and of what was written."""

    __tablename__ = "people_import_parts"
    __table_args__ = (
        CheckConstraint("outcome IN ('new', 'changed', 'same', 'refused')", name="outcome_known"),
        UniqueConstraint("import_id", "outcome", "number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("people_imports.id"))
    outcome: Mapped[str] = mapped_column(String(8))
    number: Mapped[int]  # from 1
    rows: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
