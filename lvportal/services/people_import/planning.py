"""What a file would do to a client's accounts: rows compared with what is there. Writes nothing."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.models import Account, IdentityLink, PersonSession
from lvportal.models.base import table
from lvportal.services.folding import fold
from lvportal.services.people.values import may_give_role
from lvportal.services.people_import.columns import words_of
from lvportal.services.people_import.judging import Judged, Problem

OUTCOMES = ("new", "changed", "same", "refused")
TAKEN = "This {words} is taken. Choose another."

Found = defaultdict[int, list[Problem]]
Changes = dict[int, dict[str, list[Any]]]

_ACCOUNTS = table(Account).c
_LINKS = table(IdentityLink).c
_SESSIONS = table(PersonSession).c
_FIELDS = {
    "portal": ("role", "first_name", "last_name", "email", "active"),
    "agent": ("email", "first_name", "last_name", "agent_team", "active", "home_agent", "extension"),
}


@dataclass(frozen=True, slots=True)
class Importer:
    """Whose import it is, for the rules about roles."""

    account_id: int
    role: str
    is_operator: bool


class Existing(NamedTuple):
    """An account as it is now."""

    id: int
    login_name: str
    folded_login_name: str
    email: str | None
    folded_email: str | None
    first_name: str
    last_name: str
    active: bool
    role: str | None
    agent_team: str
    home_agent: bool
    extension: str
    is_emergency: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A client's accounts on one host at one moment."""

    by_login: Mapping[str, Existing]
    sessions: Mapping[int, int]  # how many live ones, by account
    linked: frozenset[int]  # accounts that a subject of the provider belongs to


@dataclass(slots=True)
class Plan:
    """What would be done, each row as the database keeps it for the preview."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in OUTCOMES})
    emails_changed: int = 0
    links_dropped: int = 0
    sessions_ended: int = 0
    deactivated: int = 0

    def fingerprint(self) -> str:
        """Return a hash of all that would be written: the same only when nothing changed in between."""
        digest = hashlib.sha256()
        for outcome in ("new", "changed"):
            for row in self.rows[outcome]:
                digest.update(json.dumps(row, sort_keys=True).encode())
                digest.update(b"\n")
        return digest.hexdigest()

    def numbers(self) -> dict[str, int]:
        """Return the counts that the preview and the audit record show."""
        return {name: len(self.rows[name]) for name in OUTCOMES} | {
            "emails_changed": self.emails_changed,
            "links_dropped": self.links_dropped,
            "sessions_ended": self.sessions_ended,
            "deactivated": self.deactivated,
        }


def snapshot(session: Session, tenant_id: int, audience: str, now: datetime, *, locks: bool) -> Snapshot:
    """Read the accounts. With ``locks`` nobody else changes them before the transaction ends."""
    mine = (_ACCOUNTS.tenant_id == tenant_id, _ACCOUNTS.audience == audience)
    found = select(*(_ACCOUNTS[name] for name in Existing._fields)).where(*mine)
    if locks:
        # In the order of the ids, so that two who lock several never wait for each other.
        found = found.order_by(_ACCOUNTS.id).with_for_update(key_share=True)
    by_login = {}
    for row in session.execute(found).yield_per(2000):
        existing = Existing(*row)
        by_login[existing.folded_login_name] = existing
    live: dict[int, int] = defaultdict(int)
    sessions = select(_SESSIONS.account_id).where(
        _SESSIONS.tenant_id == tenant_id,
        _SESSIONS.audience == audience,
        _SESSIONS.ended_at.is_(None),
        _SESSIONS.expires_at > now,
    )
    for account_id in session.scalars(sessions).yield_per(5000):
        live[account_id] += 1
    links = select(_LINKS.account_id).where(_LINKS.tenant_id == tenant_id, _LINKS.audience == audience)
    return Snapshot(by_login, live, frozenset(session.scalars(links).yield_per(5000)))


def plan(rows: list[Judged], before: Snapshot, audience: str, by: Importer) -> Plan:
    """Compare the rows with the accounts and tell what each would do, or why it may not.

    Takes the rows out of the list as it goes: 50,000 are in memory once, not twice.
    """
    words = words_of(audience)
    # Only of rows that have any: of 50,000 most are right.
    found: Found = defaultdict(list)
    changes: Changes = {}
    for row in rows:
        existing = before.by_login.get(row.login)
        problems, made = _compare(row, existing, audience, by, words)
        if problems:
            found[row.number] = problems
        if made:
            changes[row.number] = made
    refused = -1
    # Each rule counts on rows that the other may refuse.
    while refused != len(found):
        refused = len(found)
        _refuse_shared_emails(rows, before, found, changes)
        if audience == "portal":
            _keep_a_sysadmin(rows, before, found, changes)
    return _tell(rows, before, found, changes, words)


def _compare(
    row: Judged, existing: Existing | None, audience: str, by: Importer, words: dict[str, str]
) -> tuple[list[Problem], dict[str, list[Any]]]:
    """Return what is wrong with the row, and each field's old and new value."""
    if existing is None:
        problems = row.problems + row.problems_if_new
        if row.given.get("role") and not may_give_role(by.role, row.given["role"], by.is_operator):
            problems.append(("role", "You cannot give this role. Choose another."))
        return problems, {}
    if audience == "portal" and not may_give_role(by.role, existing.role or "", by.is_operator):
        # Said alike of every such row: an importer learns no more than that the name is in use.
        return [("login_name", TAKEN.format(words=words["login_name"]))], {}
    changes = _changes(row, existing, audience)
    # What a row leaves as it is cannot be wrong with it.
    problems = [(name, said) for name, said in row.problems if name not in row.given or name in changes]
    problems += [(name, said) for name, said in row.problems if name == "login_name" and name in row.given]
    problems += _not_allowed(existing, changes, audience, by)
    return problems, changes


def _changes(row: Judged, existing: Existing, audience: str) -> dict[str, list[Any]]:
    changes = {}
    for name in _FIELDS[audience]:
        if name in row.given:
            old = getattr(existing, name)
            if row.given[name] != ("" if old is None else old):
                changes[name] = [old, row.given[name]]
    return changes


def _not_allowed(
    existing: Existing, changes: dict[str, list[Any]], audience: str, by: Importer
) -> list[Problem]:
    problems: list[Problem] = []
    if audience != "portal":
        return problems
    if "role" in changes and not may_give_role(by.role, changes["role"][1], by.is_operator):
        problems.append(("role", "You cannot give this role. Choose another."))
    if existing.id == by.account_id:
        told = {
            "role": "You cannot change your own role. Another administrator can.",
            "active": "You cannot deactivate yourself. Another administrator can.",
            "email": "A file does not change your own email. Change it on the page of your user.",
        }
        problems += [(name, sentence) for name, sentence in told.items() if name in changes]
    elif existing.is_emergency:
        told = dict.fromkeys(
            ("role", "active"), "This is an emergency account. End that under Security first."
        )
        problems += [(name, sentence) for name, sentence in told.items() if name in changes]
    return problems


def _is_active(row: Judged, existing: Existing | None) -> bool:
    return bool(row.given.get("active", existing.active if existing else True))


def _refuse_shared_emails(
    rows: Sequence[Judged],
    before: Snapshot,
    found: Found,
    changes: Changes,
) -> None:
    """Refuse rows after which two active accounts would share an email.

    Whether an account gives its email up depends on whether its own row is
    valid, so a refusal may bring the next one.
    """
    holders: dict[str, list[Existing]] = defaultdict(list)
    for existing in before.by_login.values():
        if existing.active and existing.folded_email:
            holders[existing.folded_email].append(existing)
    by_login = {row.login: row for row in rows if row.login}
    wanted: dict[str, list[Judged]] = defaultdict(list)
    for row in rows:
        existing_or_none = before.by_login.get(row.login)
        email = _email_after(row, existing_or_none)
        if email and row.login and _takes_email(row, existing_or_none, changes):
            wanted[email].append(row)
    for same in wanted.values():
        if len(same) > 1:
            for row in same:
                others = ", ".join(str(other.number) for other in same[:4] if other is not row)
                found[row.number].append(
                    ("email", f"Row {others} has the same email. Give each person their own.")
                )
    waiting = list(wanted)
    while waiting:
        email = waiting.pop()
        staying = [
            one
            for one in holders.get(email, ())
            if not _gives_up(by_login.get(one.folded_login_name), one, found, changes)
        ]
        for row in wanted[email]:
            other = next((one for one in staying if one.folded_login_name != row.login), None)
            if other is None or row.number in found:
                continue
            beside = by_login.get(other.folded_login_name)
            said = f"Row {beside.number} has the same email." if beside else "This email is taken."
            found[row.number].append(("email", f"{said} Give each person their own."))
            mine = before.by_login.get(row.login)
            if mine and mine.folded_email in wanted:
                waiting.append(mine.folded_email)


def _email_after(row: Judged, existing: Existing | None) -> str:
    """Return the folded email that the account has after the row."""
    return fold(row.given.get("email") or (existing.email if existing else None) or "")


def _takes_email(row: Judged, existing: Existing | None, changes: Changes) -> bool:
    """Tell whether the row brings an active account to its email, or an account with one back to life."""
    made = changes.get(row.number, {})
    return _is_active(row, existing) and (existing is None or "email" in made or "active" in made)


def _gives_up(
    row: Judged | None,
    existing: Existing,
    found: Found,
    changes: Changes,
) -> bool:
    """Tell whether the holder's own, valid row takes the email away from it or deactivates it."""
    if row is None or row.number in found:
        return False
    return _email_after(row, existing) != existing.folded_email or not _is_active(row, existing)


def _keep_a_sysadmin(
    rows: Sequence[Judged],
    before: Snapshot,
    found: Found,
    changes: Changes,
) -> None:
    """Refuse every row that takes a SYSADMIN away when none would be left."""
    there = {login for login, one in before.by_login.items() if one.role == "SYSADMIN" and one.active}
    leaving = []
    staying = set(there)
    for row in rows:
        if row.number in found:
            continue
        existing = before.by_login.get(row.login)
        role = row.given.get("role", existing.role if existing else None)
        if role == "SYSADMIN" and _is_active(row, existing):
            staying.add(row.login)
        elif row.login in there:
            staying.discard(row.login)
            leaving.append(row)
    if there and not staying:
        for row in leaving:
            name = "role" if "role" in changes.get(row.number, {}) else "active"
            found[row.number].append((name, "One active SYSADMIN must be left. Keep this one."))


def _tell(
    rows: list[Judged],
    before: Snapshot,
    found: Found,
    changes: Changes,
    words: dict[str, str],
) -> Plan:
    made = Plan()
    rows.reverse()
    while rows:
        row = rows.pop()
        existing = before.by_login.get(row.login)
        told: dict[str, Any] = {"row": row.number}
        if row.number in found:
            places = ["", *words]
            unique = sorted(dict.fromkeys(found[row.number]), key=lambda problem: places.index(problem[0]))
            told["name"] = row.given.get("login_name", "")[:64]
            told["cells"] = list(row.cells)
            told["problems"] = [[words.get(name, ""), sentence] for name, sentence in unique]
            made.rows["refused"].append(told)
        elif existing is None:
            told["name"] = row.given["login_name"]
            told["values"] = {name: value for name, value in row.given.items() if name != "login_name"}
            made.rows["new"].append(told)
        elif row.number in changes:
            told |= {"id": existing.id, "name": existing.login_name, "changes": changes.pop(row.number)}
            if existing.role:
                told["role"] = existing.role
            _count(made, told, existing, before)
            made.rows["changed"].append(told)
        else:
            told["name"] = existing.login_name
            made.rows["same"].append(told)
    return made


def moves_email(changes: dict[str, list[Any]]) -> bool:
    """Tell whether the account is found by another email afterwards; its case alone changes nothing."""
    old, new = changes.get("email", (None, None))
    return fold(old or "") != fold(new or "")


def _count(made: Plan, told: dict[str, Any], existing: Existing, before: Snapshot) -> None:
    changes = told["changes"]
    moves = moves_email(changes)
    stops = changes.get("active", [None, True])[1] is False
    made.deactivated += stops
    if moves:
        made.emails_changed += bool(existing.folded_email)
        made.links_dropped += existing.id in before.linked
    if moves or stops:
        ended = before.sessions.get(existing.id, 0)
        made.sessions_ended += ended
