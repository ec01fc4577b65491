"""Checking that nobody altered, removed or inserted an event of the audit record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.models import AuditEvent
from lvportal.models.base import table
from lvportal.services.audit import FIRST_HASH, hash_of

ROWS_AT_ONCE = 1000
_EVENTS = table(AuditEvent)


@dataclass(frozen=True, slots=True)
class Head:
    """Number and hash of an event: kept elsewhere, it shows later that nothing up to it has changed."""

    number: int
    hash: str

    def __str__(self) -> str:
        """Return ``17:9f…``, as :meth:`read` takes it."""
        return f"{self.number}:{self.hash}"

    @classmethod
    def read(cls, text: str) -> Head:
        """Return the head that ``text`` writes. Raises ValueError."""
        number, _, hash_ = text.strip().partition(":")
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise ValueError("must be NUMBER:HASH, as 'lvportal audit head' prints it")
        if len(hash_) != 64 or set(hash_) - set("0123456789abcdef"):
            raise ValueError("must be NUMBER:HASH, the hash with 64 hexadecimal digits")
        return cls(int(number), hash_)


START = Head(0, FIRST_HASH)


@dataclass(frozen=True, slots=True)
class Break:
    """The first event at which a chain is not what was written, and in words why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What checking one client's chain found: ``head`` is the last event that holds."""

    checked: int
    head: Head
    first_break: Break | None = None


def head_of(session: Session, tenant_id: int) -> Head:
    """Return the newest event of a client's chain; ``START`` when there is none."""
    row = session.execute(
        select(_EVENTS.c.number, _EVENTS.c.hash)
        .where(_EVENTS.c.tenant_id == tenant_id)
        .order_by(_EVENTS.c.number.desc())
        .limit(1)
    ).one_or_none()
    return Head(row.number, row.hash) if row else START


def verify(session: Session, tenant_id: int, *, kept: Head | None = None, after: Head = START) -> Verdict:
    """Walk a client's chain from its first event to its last.

    ``kept`` is a head that was written down earlier: only it shows that the newest
    events were removed, or everything written anew. ``after`` is the last event
    that was removed on purpose, by whoever owns the database: the chain begins
    behind it.
    """
    last, checked = after, 0
    while True:
        rows = session.execute(
            select(_EVENTS)
            .where(
                _EVENTS.c.tenant_id == tenant_id, _EVENTS.c.number > (last.number if checked else -(2**31))
            )
            .order_by(_EVENTS.c.number)
            .limit(ROWS_AT_ONCE)
        ).all()
        for row in rows:
            reason = _judge(dict(row._mapping), last)
            if reason is None and kept is not None and row.number == kept.number and row.hash != kept.hash:
                reason = "is not the event of the kept head: it was replaced, and all after it with it"
            if reason is not None:
                # A gap is named by the event that is missing, anything else by the one that is there.
                number = last.number + 1 if row.number > last.number + 1 else row.number
                return Verdict(checked, last, Break(number, reason))
            last, checked = Head(row.number, row.hash), checked + 1
        if len(rows) < ROWS_AT_ONCE:
            break
    if kept is not None and kept.number > last.number:
        reason = f"was removed, and every one up to {kept.number}, the kept head"
        return Verdict(checked, last, Break(last.number + 1, reason))
    return Verdict(checked, last)


def _judge(event: dict[str, Any], last: Head) -> str | None:
    """Tell what is wrong with ``event`` as the one after ``last``; None: nothing."""
    number: int = event["number"]
    if number > last.number + 1:
        return (
            "was removed" if number == last.number + 2 else f"was removed, and every one up to {number - 1}"
        )
    if number <= last.number:
        return "was inserted: the chain begins later"
    if event["hash"] != hash_of(event):
        return "was altered, or inserted by hand: its hash does not fit what it says"
    if event["previous_hash"] != last.hash:
        return f"does not follow event {last.number}: it was inserted or replaced"
    return None
