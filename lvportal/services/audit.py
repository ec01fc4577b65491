"""The audit record: written in the same transaction as the change it tells of.

Events are only ever added. A client's events are numbered from 1 without a gap,
and each holds the SHA-256 of the one before: whoever alters, removes or inserts
a row breaks the chain from there on, which ``lvportal audit verify`` names
(audit_chain.py). What the chain cannot show by itself is that its newest rows
are gone; for that its head is kept somewhere else (docs/audit.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, func, insert, select
from sqlalchemy.orm import Session

from lvportal.models import AuditEvent, Tenant
from lvportal.models.base import table

FIRST_HASH = "0" * 64
"""What the first event of a client names as the hash before it."""

ROWS_AT_ONCE = 500
_EVENTS = table(AuditEvent)
_TENANTS = table(Tenant)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change, and from where."""

    name: str
    account_id: int | None = None
    is_care: bool = False
    address: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to what. ``before`` and ``after`` hold the changed fields only, never a secret."""

    action: str
    subject: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


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
    change = Change(action, subject, before or {}, after or {})
    record_many(session, tenant_id=tenant_id, actor=actor, changes=[change], now=now)


def record_many(
    session: Session, *, tenant_id: int, actor: Actor, changes: Sequence[Change], now: datetime
) -> None:
    """Write the events of one client in their order: two reads, however many there are."""
    append(
        session,
        [
            {
                "tenant_id": tenant_id,
                "at": now,
                "actor": actor.name,
                "actor_account_id": actor.account_id,
                "by_care": actor.is_care,
                "address": actor.address,
                "action": change.action,
                "subject": change.subject,
                "before": change.before,
                "after": change.after,
            }
            for change in changes
        ],
    )


def append(session: Session, events: Sequence[Mapping[str, Any]]) -> None:
    """Add events, of any clients, to the ends of their clients' chains.

    ``events`` are rows without ``number``, ``previous_hash`` and ``hash``. Two
    transactions that add to one client's chain go one after the other: on SQLite
    a writing transaction stands alone, on PostgreSQL the client's row is locked
    until the end of this one. The unique number refuses whatever would slip by.
    """
    for start in range(0, len(events), ROWS_AT_ONCE):
        part = events[start : start + ROWS_AT_ONCE]
        heads = _heads(session, sorted({int(event["tenant_id"]) for event in part}))
        rows = []
        for event in part:
            number, previous = heads.get(event["tenant_id"], (0, FIRST_HASH))
            row = {**_storable(event), "number": number + 1, "previous_hash": previous}
            row["hash"] = hash_of(row)
            heads[event["tenant_id"]] = (number + 1, row["hash"])
            rows.append(row)
        # On the table, so that nothing else waiting in the session is sent early.
        session.execute(insert(_EVENTS), rows)


def hash_of(event: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an event in its canonical form, as 64 hexadecimal digits.

    JSON of every column but ``id`` and ``hash``: names in order, no spaces, ASCII,
    the moment in UTC with microseconds. Migration 0002 holds a copy of this form;
    it must never change for rows that exist.
    """
    told = {
        "tenant_id": event["tenant_id"],
        "number": event["number"],
        "previous_hash": event["previous_hash"],
        "at": _utc(event["at"]).isoformat(timespec="microseconds"),
        "actor": event["actor"],
        "actor_account_id": event["actor_account_id"],
        "by_care": bool(event["by_care"]),
        "address": event["address"],
        "action": event["action"],
        "subject": event["subject"],
        "before": event["before"],
        "after": event["after"],
    }
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _heads(session: Session, tenant_ids: list[int]) -> dict[int, tuple[int, str]]:
    """Lock the clients' chains and return number and hash of each one's last event."""
    # NO KEY UPDATE: it holds up other writers of the chain, and nobody who only
    # writes a row that points to the client, such as a sign-in. In the order of
    # the ids, so that two who lock several clients never wait for each other.
    session.execute(
        select(_TENANTS.c.id)
        .where(_TENANTS.c.id.in_(tenant_ids))
        .order_by(_TENANTS.c.id)
        .with_for_update(key_share=True)
    )
    last = (
        select(_EVENTS.c.tenant_id, func.max(_EVENTS.c.number).label("number"))
        .where(_EVENTS.c.tenant_id.in_(tenant_ids))
        .group_by(_EVENTS.c.tenant_id)
        .subquery()
    )
    found = session.execute(
        select(_EVENTS.c.tenant_id, _EVENTS.c.number, _EVENTS.c.hash).join(
            last, and_(_EVENTS.c.tenant_id == last.c.tenant_id, _EVENTS.c.number == last.c.number)
        )
    )
    return {tenant_id: (number, hash_) for tenant_id, number, hash_ in found}


def _storable(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row as the database will give it back: what is hashed must be what is kept."""
    row = {"actor_account_id": None, **event, "at": _utc(event["at"])}
    for name, length in (("actor", 120), ("address", 45), ("action", 60), ("subject", 200)):
        row[name] = str(row[name]).replace("\x00", "")[:length]  # PostgreSQL keeps no NUL character
    for name in ("before", "after"):
        row[name] = json.loads(json.dumps(dict(row[name])))
    return row


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
