"""Writing what was planned: statements for many rows at once, in the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, update
from sqlalchemy.orm import Session

from lvportal.models import Account, IdentityLink, PersonSession
from lvportal.models.base import table
from lvportal.services.folding import fold
from lvportal.services.people.editing import DEACTIVATED, EMAIL_CHANGED
from lvportal.services.people_import.planning import Plan, moves_email

ROWS_AT_ONCE = 1_000
IDS_AT_ONCE = 500  # as many parameters as every SQLite takes in one statement

_ACCOUNTS = table(Account)
_LINKS = table(IdentityLink)
_SESSIONS = table(PersonSession)


def apply(session: Session, tenant_id: int, audience: str, plan: Plan, now: datetime) -> None:
    """Make the new accounts and change the others; a changed email or a deactivation ends sessions."""
    for some in _pieces(plan.rows["new"], ROWS_AT_ONCE):
        session.execute(insert(_ACCOUNTS), [_new(row, tenant_id, audience, now) for row in some])
    by_fields: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    moved, stopped = [], []
    for row in plan.rows["changed"]:
        values = _changed(row["changes"])
        fields = tuple(sorted(values))
        alike = by_fields[fields]
        alike.append({f"to_{name}": value for name, value in values.items()} | {"of": row["id"]})
        if len(alike) == ROWS_AT_ONCE:
            _change(session, tenant_id, fields, by_fields.pop(fields))
        if moves_email(row["changes"]):
            moved.append(row["id"])
        if row["changes"].get("active", [None, True])[1] is False:
            stopped.append(row["id"])
    for fields, rows in by_fields.items():
        _change(session, tenant_id, fields, rows)
    for ids in _pieces(moved, IDS_AT_ONCE):
        # Whoever has the new address now may be somebody else at the provider.
        session.execute(delete(_LINKS).where(_LINKS.c.account_id.in_(ids), _LINKS.c.tenant_id == tenant_id))
    _end_sessions(session, tenant_id, moved, EMAIL_CHANGED, now)
    _end_sessions(session, tenant_id, stopped, DEACTIVATED, now)


def _change(
    session: Session, tenant_id: int, fields: tuple[str, ...], rows: Sequence[dict[str, Any]]
) -> None:
    """Change the same fields of many accounts: one statement, prepared once."""
    session.execute(
        update(_ACCOUNTS)
        .where(_ACCOUNTS.c.id == bindparam("of"), _ACCOUNTS.c.tenant_id == tenant_id)
        .values({name: bindparam(f"to_{name}") for name in fields}),
        list(rows),
    )


def _new(row: dict[str, Any], tenant_id: int, audience: str, now: datetime) -> dict[str, Any]:
    values = row["values"]
    email = values.get("email")
    return {
        "tenant_id": tenant_id,
        "audience": audience,
        "login_name": row["name"],
        "folded_login_name": fold(row["name"]),
        "email": email,
        "folded_email": fold(email) if email else None,
        "first_name": values.get("first_name", ""),
        "last_name": values.get("last_name", ""),
        "active": values.get("active", True),
        "role": values.get("role"),
        "agent_team": values.get("agent_team", ""),
        "home_agent": values.get("home_agent", False),
        "extension": values.get("extension", ""),
        "created_at": now,
    }


def _changed(changes: dict[str, list[Any]]) -> dict[str, Any]:
    values = {name: new for name, (_, new) in changes.items()}
    if "email" in values:
        values["folded_email"] = fold(values["email"])
    return values


def _end_sessions(
    session: Session, tenant_id: int, account_ids: Sequence[int], reason: str, now: datetime
) -> None:
    for ids in _pieces(account_ids, IDS_AT_ONCE):
        session.execute(
            update(_SESSIONS)
            .where(
                _SESSIONS.c.account_id.in_(ids),
                _SESSIONS.c.tenant_id == tenant_id,
                _SESSIONS.c.ended_at.is_(None),
            )
            .values(ended_at=now, end_reason=reason)
        )


def _pieces(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
