"""Sign-in records: searched, counted by cause, and put into words again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, desc, func, or_, select, true, union
from sqlalchemy.orm import Session

from lvportal.errors import SignInRefused, fill, tree
from lvportal.models import Account, Revision, SignInRecord
from lvportal.services import connections, references, sign_in_records
from lvportal.services.folding import domain_of, escape_like, fold

MOST_COUNTED = 10_000
"""Counting stops here: nobody reads past it, and it would take longer than the page."""

MOST_EXPORTED = 50_000
ROWS_AT_ONCE = 500
MOST_PEOPLE = 200
"""A search text that fits more people than this should be longer."""

MOST_IDS = 5_000
"""Of the people that a text fits, at most so many sign-ins are looked at."""

DAY = timedelta(hours=24)
WEEK = timedelta(days=7)
_RECORD = SignInRecord


@dataclass(frozen=True, slots=True)
class Hidden:
    """People whose records a viewer does not see: their accounts, and their emails folded."""

    account_ids: tuple[int, ...] = ()
    emails: tuple[str, ...] = ()


def hidden_from(session: Session, tenant_id: int, role: str | None) -> Hidden:
    """Return whom a viewer of this role does not see: a SUPERUSER sees no SYSADMIN."""
    if role != "SUPERUSER":
        return Hidden()
    rows = session.execute(
        select(Account.id, Account.folded_email).where(
            Account.tenant_id == tenant_id, Account.audience == "portal", Account.role == "SYSADMIN"
        )
    ).all()
    return Hidden(tuple(row[0] for row in rows), tuple({row[1] for row in rows if row[1]}))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search asks for; an empty value asks for nothing."""

    text: str = ""
    outcome: str = ""  # "signed_in" or "refused"
    code: str = ""
    audience: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignInRow:
    """One sign-in in a list."""

    reference: str
    at: datetime
    audience: str
    method: str
    provider: str  # how the provider is called; empty for a password
    login_name: str
    email: str
    code: str | None
    step: int
    address: str
    device: str
    account_id: int | None

    @property
    def who(self) -> str:
        """The login name, else the email that arrived, else that nobody knows."""
        return self.login_name or self.email or "Unknown"


@dataclass(frozen=True, slots=True)
class Totals:
    """How the sign-ins that a search leaves ended, the newest MOST_COUNTED at most."""

    signed_in: int
    refused: int
    is_cut: bool

    @property
    def all(self) -> int:
        """Both together."""
        return self.signed_in + self.refused


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search, newest first."""

    rows: Sequence[SignInRow]
    totals: Totals
    fits_too_many: bool  # the text fits more people than were looked for


@dataclass(frozen=True, slots=True)
class Cause:
    """How often one cause refused a sign-in in the last day and the last week."""

    code: str
    title: str
    day: int
    week: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Sign-ins of the last day and the last week; refusals by cause, the most frequent first."""

    day: int
    week: int
    causes: tuple[Cause, ...]

    @property
    def refused_day(self) -> int:
        """Refusals of the last day."""
        return sum(cause.day for cause in self.causes)

    @property
    def refused_week(self) -> int:
        """Refusals of the last week."""
        return sum(cause.week for cause in self.causes)


def search(
    session: Session,
    tenant_id: int,
    wanted: Wanted,
    *,
    hidden: Hidden,
    limit: int,
    offset: int = 0,
) -> Found:
    """Return one page of a client's sign-ins, with how many there are by outcome."""
    conditions, too_many = _conditions(session, tenant_id, wanted, hidden)
    query = select(_RECORD.code).where(*conditions).limit(MOST_COUNTED + 1)
    if not wanted.outcome:
        query = query.order_by(_RECORD.at.desc())  # else the order says nothing, and costs the index by code
    counted = query.subquery()
    signed_in, both = session.execute(
        select(func.count().filter(counted.c.code.is_(None)), func.count()).select_from(counted)
    ).one()
    totals = Totals(signed_in, min(both, MOST_COUNTED + 1) - signed_in, both > MOST_COUNTED)
    rows = _rows(session, conditions, limit, offset) if offset < both else []
    return Found(rows, totals, too_many)


def newest(
    session: Session, tenant_id: int, wanted: Wanted, *, hidden: Hidden, limit: int = MOST_EXPORTED
) -> list[SignInRow]:
    """Return the newest rows of a search, for a file."""
    conditions, _ = _conditions(session, tenant_id, wanted, hidden)
    return _rows(session, conditions, limit, 0)


def summary(
    session: Session, tenant_id: int, *, client_name: str, provider: str | None, hidden: Hidden, now: datetime
) -> Summary:
    """Count the client's sign-ins of the last day and week by cause."""
    counted = _by_code(session, tenant_id, now, true())
    # All by an index that holds what is counted, less the few of hidden people by theirs:
    # leaving them out row by row would be a look at every row of the week.
    for condition in _concealed(hidden):
        for code, (day, week) in _by_code(session, tenant_id, now, condition).items():
            counted[code] = (counted[code][0] - day, counted[code][1] - week)
    causes = [
        Cause(code, title_of(code, client_name, provider), day, week)
        for code, (day, week) in counted.items()
        if code and week
    ]
    causes.sort(key=lambda cause: (-cause.day, -cause.week, cause.code))
    days, weeks = ([each[at] for each in counted.values()] for at in (0, 1))
    return Summary(sum(days), sum(weeks), tuple(causes))


def _by_code(
    session: Session, tenant_id: int, now: datetime, condition: ColumnElement[bool]
) -> dict[str, tuple[int, int]]:
    # Grouped by an expression: by the bare column SQLite would walk the index by code through all years.
    code = func.coalesce(_RECORD.code, "")
    rows = session.execute(
        select(code, func.count().filter(_RECORD.at > now - DAY), func.count())
        .where(_RECORD.tenant_id == tenant_id, _RECORD.at > now - WEEK, condition)
        .group_by(code)
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def find(session: Session, tenant_id: int, reference: str, *, hidden: Hidden) -> SignInRecord | None:
    """Return a client's record by its reference as somebody typed it, or None."""
    record = sign_in_records.find(session, reference, tenant_id=tenant_id)
    return None if record is None or _is_hidden(record, hidden) else record


def count_others(session: Session, record: SignInRecord, *, hidden: Hidden, now: datetime) -> int:
    """Count the client's other refusals with the record's cause in the last 24 hours."""
    found = session.scalar(
        select(func.count()).where(
            _RECORD.tenant_id == record.tenant_id,
            _RECORD.code == record.code,
            _RECORD.at > now - DAY,
            _RECORD.id != record.id,
            visible(hidden),
        )
    )
    return int(found or 0)


def accounts_of(session: Session, record: SignInRecord) -> list[Account]:
    """Return the accounts on the record's host that it concerns: its own, else those with its email."""
    if record.account_id is not None:
        fits = Account.id == record.account_id
    elif record.folded_email:
        fits = Account.folded_email == record.folded_email
    else:
        return []
    query = select(Account).where(
        Account.tenant_id == record.tenant_id, Account.audience == record.audience, fits
    )
    return list(session.scalars(query.order_by(Account.id).limit(10)))


def provider_of(session: Session, record: SignInRecord) -> str | None:
    """Return how the provider of the record's revision is called, or None for a password."""
    if record.revision_id is None:
        return None
    provider = session.scalar(select(Revision.provider).where(Revision.id == record.revision_id))
    return connections.label_of(provider) if provider else None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A refusal in its own words, filled with what the record keeps."""

    title: str
    next_step: str
    administrator_step: str


def explain(
    record: SignInRecord, *, client_name: str, provider: str | None, for_care: bool = False
) -> Explanation | None:
    """Put a record's refusal into words again, or return None when it was none or is no longer known.

    ``for_care`` leaves out what came from the provider about the person: of the
    email only the domain stays, of a claim's value nothing.
    """
    kind = kind_of(record.code)
    if kind is None:
        return None
    email = record.email
    kept = dict(record.facts or {})
    if for_care:
        domain = domain_of(email or "")
        email = f"an address at {domain}" if domain else None
        kept = {name: value for name, value in kept.items() if name not in ("got", "names")} | {
            "got": "another value",
            "names": "see below",
        }
    facts: dict[str, object] = {"names": ", ".join(record.claim_names), **kept}
    facts |= {"client": client_name, "provider": provider, "email": email}
    return Explanation(
        fill(kind.user_message, facts), fill(kind.next_step, facts), fill(kind.administrator_step, facts)
    )


def kind_of(code: str | None) -> type[SignInRefused] | None:
    """Return the error with this code, or None."""
    return next(
        (one for one in tree(SignInRefused) if one.code == code and issubclass(one, SignInRefused)), None
    )


def title_of(code: str, client_name: str, provider: str | None) -> str:
    """Return a cause in words without anybody's facts; a code nobody knows stays a code."""
    kind = kind_of(code)
    if kind is None:
        return code
    facts = {"client": client_name, "provider": provider, "seconds": "some"}
    return fill(kind.user_message, dict(facts))


def all_causes(client_name: str, provider: str | None, codes: Iterable[str]) -> list[tuple[str, str]]:
    """Return ``(code, words)`` of these causes by their words, for a filter."""
    named = ((code, title_of(code, client_name, provider)) for code in set(codes))
    return sorted(named, key=lambda cause: (cause[1], cause[0]))


def visible(hidden: Hidden) -> ColumnElement[bool]:
    """Return the condition that leaves out the records of hidden people.

    A refused sign-in belongs to no account yet: there the email decides.
    """
    if not hidden.account_ids:
        return true()
    nobody_yet = or_(_RECORD.folded_email.is_(None), _RECORD.folded_email.not_in(hidden.emails))
    return or_(
        _RECORD.account_id.not_in(hidden.account_ids),
        and_(_RECORD.account_id.is_(None), nobody_yet),
    )


def _concealed(hidden: Hidden) -> list[ColumnElement[bool]]:
    """Return conditions that together, none overlapping another, find what ``visible`` leaves out."""
    if not hidden.account_ids:
        return []
    return [
        _RECORD.account_id.in_(hidden.account_ids),
        and_(_RECORD.account_id.is_(None), _RECORD.folded_email.in_(hidden.emails)),
    ]


def _is_hidden(record: SignInRecord, hidden: Hidden) -> bool:
    if record.account_id is not None:
        return record.account_id in hidden.account_ids
    return record.folded_email in hidden.emails


def _conditions(
    session: Session, tenant_id: int, wanted: Wanted, hidden: Hidden
) -> tuple[list[ColumnElement[bool]], bool]:
    conditions: list[ColumnElement[bool]] = [_RECORD.tenant_id == tenant_id, visible(hidden)]
    if wanted.since is not None:
        conditions.append(_RECORD.at > wanted.since)
    if wanted.audience:
        conditions.append(_RECORD.audience == wanted.audience)
    if wanted.outcome:
        conditions.append(_RECORD.code > "" if wanted.outcome == "refused" else _RECORD.code.is_(None))
    if wanted.code:
        conditions.append(_RECORD.code == wanted.code)
    if not wanted.text:
        return conditions, False
    parts, too_many = _of_text(session, tenant_id, fold(wanted.text), wanted.text)
    ids = session.scalars(union(*parts).order_by(desc("id")).limit(MOST_IDS + 1)).all()
    # Without the client, which the ids have in common: with it the database walks through all its records.
    return [_RECORD.id.in_(ids[:MOST_IDS]), *conditions[1:]], too_many or len(ids) > MOST_IDS


def _of_text(session: Session, tenant_id: int, folded: str, typed: str) -> tuple[list[Select[int]], bool]:
    # People first, then their records by index: a text inside a million emails would be read row by row.
    pattern = f"%{escape_like(folded)}%"
    people = session.execute(
        select(Account.id, Account.folded_email)
        .where(
            Account.tenant_id == tenant_id,
            or_(
                Account.folded_login_name.like(pattern, escape="!"),
                Account.folded_email.like(pattern, escape="!"),
            ),
        )
        .order_by(Account.folded_login_name != folded, Account.id)
        .limit(MOST_PEOPLE + 1)
    ).all()
    ids = [row[0] for row in people[:MOST_PEOPLE]]
    emails = {row[1] for row in people[:MOST_PEOPLE] if row[1]} | {folded}
    parts = [
        # The ids are this client's already; its name besides would lead through all its records.
        select(_RECORD.id).where(_RECORD.account_id.in_(ids)),
        select(_RECORD.id).where(
            _RECORD.tenant_id == tenant_id,
            _RECORD.folded_email.in_(sorted(emails)),
        ),
    ]
    reference = references.read(typed)
    if reference is not None:
        parts.append(select(_RECORD.id).where(_RECORD.reference == reference, _RECORD.tenant_id == tenant_id))
    return parts, len(people) > MOST_PEOPLE


def _rows(
    session: Session, conditions: list[ColumnElement[bool]], limit: int, offset: int
) -> list[SignInRow]:
    # The page's ids first, from an index alone: what is skipped is never looked at.
    ids = session.scalars(
        select(_RECORD.id)
        .where(*conditions)
        .order_by(_RECORD.at.desc(), _RECORD.id.desc())
        .limit(limit)
        .offset(offset)
    ).all()
    found: list[Any] = []
    for start in range(0, len(ids), ROWS_AT_ONCE):
        found += session.execute(
            select(
                *(_RECORD.reference, _RECORD.at, _RECORD.audience, _RECORD.method, _RECORD.revision_id),
                *(Account.login_name, _RECORD.email, _RECORD.code, _RECORD.step, _RECORD.address),
                *(_RECORD.device, _RECORD.account_id),
            )
            .outerjoin(
                Account, and_(Account.id == _RECORD.account_id, Account.tenant_id == _RECORD.tenant_id)
            )
            .where(_RECORD.id.in_(ids[start : start + ROWS_AT_ONCE]))
            .order_by(_RECORD.at.desc(), _RECORD.id.desc())
        ).all()
    labels = _labels(session, {row.revision_id for row in found if row.revision_id})
    return [_row(row, labels) for row in found]


def _row(row: Any, labels: dict[int, str]) -> SignInRow:
    return SignInRow(
        reference=row.reference,
        at=row.at,
        audience=row.audience,
        method=row.method,
        provider=labels.get(row.revision_id, ""),
        login_name=row.login_name or "",
        email=row.email or "",
        code=row.code,
        step=row.step,
        address=row.address,
        device=row.device,
        account_id=row.account_id,
    )


def _labels(session: Session, revision_ids: set[int]) -> dict[int, str]:
    rows = session.execute(
        select(Revision.id, Revision.provider).where(Revision.id.in_(sorted(revision_ids)))
    )
    return {row[0]: connections.label_of(row[1]) for row in rows}
