"""The audit record as people read it: each act in words, searched, page by page or as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, String, and_, cast, func, or_, select
from sqlalchemy.orm import Session

from lvportal.models import Account, AuditEvent
from lvportal.models.base import table
from lvportal.models.tenants import SINGLE_SIGN_ON
from lvportal.services.connections import FIELD_LABELS

MOST_LISTED = 10_000
MOST_EXPORTED = 100_000
ROWS_AT_ONCE = 2000
HIDDEN_ACTOR = "An administrator"

ACTIONS: dict[str, str] = {
    "account.changed": "Changed an account",
    "account.created": "Created an account",
    "billing.feature": "Changed a feature",
    "care.sign_in_viewed": "Looked up a sign-in record",
    "client.changed": "Changed the client",
    "client.created": "Created the client",
    "connection.disabled": "Switched single sign-on off",
    "connection.enabled": "Switched single sign-on on",
    "connection.live": "Put a revision live",
    "connection.next_secret_removed": "Removed the next secret",
    "connection.next_secret_set": "Stored the next secret",
    "connection.passwords": "Changed who signs in by password",
    "connection.passwords_returned": "Password sign-in returned by itself",
    "connection.saved": "Saved a revision",
    "connection.secret_rotated": "Swapped the next secret in",
    "domain.claimed": "Claimed a domain",
    "domain.proven": "Proved a domain",
    "domain.removed": "Removed a domain",
    "emergency.named": "Named an emergency account",
    "emergency.removed": "Removed an emergency account",
    "emergency.restarted": "Started an emergency account again",
    "emergency.set_up": "Set up an emergency account",
    "emergency.signed_in": "Signed in by emergency access",
    "people.import": "Imported people",
    "session.ended": "Ended a session",
    "session.ended_all": "Ended every session",
    "setup_link.ended": "Typed too many wrong codes of a set-up link",
    "setup_link.made": "Made a set-up link",
    "setup_link.opened": "Opened a set-up link",
    "setup_link.revoked": "Ended a set-up link",
    "setup_link.submitted": "Submitted values by a set-up link",
}
"""Every action that is written anywhere in the portal, as pages name it; a test compares."""

KINDS: dict[str, str] = {
    "connection": "Single sign-on",
    "account": "Accounts",
    "people": "Imports",
    "session": "Sessions",
    "billing": "Billing",
    "domain": "Domains",
    "setup_link": "Set-up links",
    "emergency": "Emergency access",
    "client": "Client",
    "care": "Customer Care",
}
"""What actions are about: the part before the dot, in the order of the filter."""

_EVENTS = table(AuditEvent)
_LABELS = {
    **FIELD_LABELS,
    "sso_only": "Single sign-on only",
    "portal_passwords": "Passwords of users",
    "agent_passwords": "Passwords of agents",
}
_SUBJECTS = {SINGLE_SIGN_ON: "Single Sign On"}
_SECRETS = frozenset(
    {"secret", "next_secret", "password", "totp", "sealed_totp", "recovery_codes", "token", "code"}
)
_WORDS_OF_SECRETS = frozenset({"changed", "set", "none", "removed", "unchanged"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. Empty values leave nothing out; ``until`` is the first moment that is out."""

    text: str = ""
    kind: str = ""
    person: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of an act, before and after, as texts; an empty one was or is not there."""

    label: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Event:
    """One act, as a page shows it."""

    number: int
    at: datetime
    actor: str
    by_care: bool
    address: str
    action: str
    words: str
    subject: str
    before: Mapping[str, Any] = field(repr=False)
    after: Mapping[str, Any] = field(repr=False)
    previous_hash: str | None = None  # None: not every column of the row is shown
    hash: str | None = None

    @property
    def about(self) -> str:
        """What the act was done to, as pages name it; ``subject`` is what is hashed."""
        return _SUBJECTS.get(self.subject, self.subject)

    @property
    def changes(self) -> list[FieldChange]:
        """The fields that changed, in the order in which they were written down."""
        names = list(dict.fromkeys([*self.before, *self.after]))
        return [
            FieldChange(
                label_of(name), _shown(name, self.before.get(name)), _shown(name, self.after.get(name))
            )
            for name in names
        ]


class Reader:
    """One client's events, as one role may see them.

    ``hides_sysadmins``: a SUPERUSER sees no SYSADMIN (screens.md). Acts on a
    SYSADMIN's account are left out; what a SYSADMIN did to the client stays,
    because it concerns everybody, without name and address. Neither can be found
    by searching for what is hidden.
    """

    def __init__(self, session: Session, tenant_id: int, *, hides_sysadmins: bool) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._hidden_ids: frozenset[int] = frozenset()
        self._hidden_subjects: list[ColumnElement[bool]] = []
        if hides_sysadmins:
            self._hide_sysadmins()

    def page(self, wanted: Wanted, *, offset: int, limit: int) -> tuple[list[Event], int]:
        """Return events, the newest first, and how many there are, counted up to ``MOST_LISTED + 1``.

        One scan, which ends when enough are found: a client with 50,000 people has 100,000 events.
        """
        numbers = self._session.scalars(
            select(_EVENTS.c.number)
            .where(*self._where(wanted))
            .order_by(*self._order(wanted))
            .limit(MOST_LISTED + 1)
        ).all()
        shown = numbers[:MOST_LISTED][offset : offset + limit]
        rows = self._session.execute(
            select(_EVENTS)
            .where(_EVENTS.c.tenant_id == self._tenant_id, _EVENTS.c.number.in_(shown))
            .order_by(_EVENTS.c.number.desc())
        )
        return [self._event(row) for row in rows], len(numbers)

    def newest(self, wanted: Wanted, *, most: int = MOST_EXPORTED) -> Iterator[Event]:
        """Yield at most ``most`` events, the newest first, read in steps."""
        before: int | None = None
        while most > 0:
            where = self._where(wanted)
            if before is not None:
                where.append(_EVENTS.c.number < before)
            rows = self._session.execute(
                select(_EVENTS).where(*where).order_by(_EVENTS.c.number.desc()).limit(min(ROWS_AT_ONCE, most))
            ).all()
            yield from map(self._event, rows)
            if len(rows) < min(ROWS_AT_ONCE, most):
                return
            most, before = most - len(rows), rows[-1].number

    def _hide_sysadmins(self) -> None:
        rows = self._session.execute(
            select(Account.id, Account.login_name).where(
                Account.tenant_id == self._tenant_id,
                Account.audience == "portal",
                Account.role == "SYSADMIN",
            )
        ).all()
        self._hidden_ids = frozenset(row.id for row in rows)
        for row in rows:
            # As services name an account: "user NAME", "NAME (portal)", either with more behind it.
            for name in (f"user {row.login_name}", f"{row.login_name} (portal)"):
                self._hidden_subjects += [
                    _EVENTS.c.subject == name,
                    _EVENTS.c.subject.startswith(f"{name} ", autoescape=True),
                    _EVENTS.c.subject.startswith(f"{name}:", autoescape=True),
                ]
        for told in (_EVENTS.c.before, _EVENTS.c.after):
            # Whoever was one, or has become one.
            self._hidden_subjects.append(func.coalesce(told["role"].as_string(), "") == "SYSADMIN")

    @staticmethod
    def _order(wanted: Wanted) -> list[ColumnElement[Any]]:
        """Return the newest first, by the index that the filters use: else everything is sorted."""
        if wanted.since is None and wanted.until is None:
            return [_EVENTS.c.number.desc()]
        return [_EVENTS.c.at.desc(), _EVENTS.c.number.desc()]

    def _like(self, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
        """Return whether the column holds the text, whatever its case."""
        # SQLite's LIKE does not tell cases apart, and lower() would double what a search costs.
        if self._session.get_bind().dialect.name == "sqlite":
            return column.contains(text, autoescape=True)
        return column.icontains(text, autoescape=True)

    def _where(self, wanted: Wanted) -> list[ColumnElement[bool]]:
        where: list[ColumnElement[bool]] = [_EVENTS.c.tenant_id == self._tenant_id]
        if self._hidden_subjects:
            where.append(~or_(*self._hidden_subjects))
        if wanted.kind:
            where.append(_EVENTS.c.action.startswith(f"{wanted.kind}.", autoescape=True))
        if wanted.since is not None:
            where.append(_EVENTS.c.at >= wanted.since)
        if wanted.until is not None:
            where.append(_EVENTS.c.at < wanted.until)
        if wanted.person:
            where.append(self._seen(self._like(_EVENTS.c.actor, wanted.person)))
        if wanted.text:
            where.append(self._holds(wanted.text))
        return where

    def _seen(self, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        """Return ``condition`` where the actor is shown."""
        if not self._hidden_ids:
            return condition
        is_shown = or_(
            _EVENTS.c.actor_account_id.is_(None), _EVENTS.c.actor_account_id.not_in(self._hidden_ids)
        )
        return and_(is_shown, condition)

    def _holds(self, text: str) -> ColumnElement[bool]:
        in_words = [action for action, words in ACTIONS.items() if text.lower() in words.lower()]
        as_json = json.dumps(text)[1:-1]  # as it stands in the column
        return or_(
            self._like(_EVENTS.c.subject, text),
            _EVENTS.c.action.in_(in_words),
            self._like(cast(_EVENTS.c.before, String), as_json),
            self._like(cast(_EVENTS.c.after, String), as_json),
            self._seen(or_(self._like(_EVENTS.c.actor, text), self._like(_EVENTS.c.address, text))),
        )

    def _event(self, row: Row[Any]) -> Event:
        is_hidden = row.actor_account_id in self._hidden_ids
        return Event(
            number=row.number,
            at=row.at,
            actor=HIDDEN_ACTOR if is_hidden else row.actor,
            by_care=row.by_care,
            address="" if is_hidden else row.address,
            action=row.action,
            words=words_of(row.action),
            subject=row.subject,
            before=row.before,
            after=row.after,
            previous_hash=None if is_hidden else row.previous_hash,
            hash=None if is_hidden else row.hash,
        )


def words_of(action: str) -> str:
    """Return an action in words; one that has none yet by its own name."""
    return ACTIONS.get(action) or action.replace(".", " ").replace("_", " ").capitalize()


def label_of(name: str) -> str:
    """Return a field's name as forms show it."""
    return _LABELS.get(name) or name.replace("_", " ").capitalize()


def _shown(name: str, value: Any) -> str:
    """Return a value as text. A net below the rule that no secret is written down."""
    if name in _SECRETS and isinstance(value, str) and value not in _WORDS_OF_SECRETS:
        return "changed"
    if value is None or value == "" or value == [] or value == {}:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(_shown("", one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shown(key, one)}" for key, one in value.items())
    return str(value)
