"""Which account a verified identity opens. Matching happens inside one client only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.engine import Connection

from lvportal.errors import AccountDuplicate, AccountInactive, NoAccount, SubjectChanged, SubjectTaken
from lvportal.models import Account, IdentityLink
from lvportal.models.base import table
from lvportal.models.prepared import Prepared, Transaction
from lvportal.services.folding import fold


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account that the identity's email or its subject points to."""

    account_id: int
    email: str
    active: bool
    linked_subject: str | None


_ACCOUNTS = table(Account).c
_LINKS = table(IdentityLink).c
_LINKED_ACCOUNT = (
    select(_LINKS.account_id)
    .where(
        _LINKS.tenant_id == bindparam("tenant_id"),
        _LINKS.audience == bindparam("audience"),
        _LINKS.issuer == bindparam("issuer"),
        _LINKS.subject == bindparam("subject"),
    )
    .scalar_subquery()
)
_CANDIDATES = Prepared(
    select(_ACCOUNTS.id, _ACCOUNTS.email, _ACCOUNTS.active, _LINKS.subject)
    .select_from(table(Account))
    .outerjoin(
        table(IdentityLink),
        and_(_LINKS.account_id == _ACCOUNTS.id, _LINKS.issuer == bindparam("issuer")),
    )
    .where(
        _ACCOUNTS.tenant_id == bindparam("tenant_id"),
        _ACCOUNTS.audience == bindparam("audience"),
        or_(_ACCOUNTS.folded_email == bindparam("email"), _ACCOUNTS.id == _LINKED_ACCOUNT),
    )
    # Two with this email are a refusal already; the linked one may be a third.
    .limit(50)
)


def candidates(
    database: Transaction | Connection,
    *,
    tenant_id: int,
    audience: str,
    issuer: str,
    subject: str,
    email: str,
) -> list[Candidate]:
    """Return every account that this email or this subject points to. One indexed read."""
    rows = _CANDIDATES.rows(
        database,
        {
            "tenant_id": tenant_id,
            "audience": audience,
            "issuer": issuer,
            "subject": subject,
            "email": fold(email),
        },
    )
    return [Candidate(id_, found or "", active, linked) for id_, found, active, linked in rows]


def judge_match(
    found: Sequence[Candidate], *, email: str, subject: str, matches_case: bool = False
) -> Candidate:
    """Return the one account this person may open.

    An inactive account beside an active one with the same email does not block
    the active one; two active ones do. Raises NoAccount, AccountInactive,
    AccountDuplicate, SubjectChanged or SubjectTaken.
    """
    same_email = [c for c in found if (c.email == email if matches_case else fold(c.email) == fold(email))]
    active = [c for c in same_email if c.active]
    if not same_email:
        raise NoAccount(email=email)
    if not active:
        raise AccountInactive(email=email)
    if len(active) > 1:
        raise AccountDuplicate(email=email)
    account = active[0]
    # Emails get recycled: whoever has this one now may be somebody else.
    if account.linked_subject not in (None, subject):
        raise SubjectChanged(email=email)
    if any(c.linked_subject == subject and c.account_id != account.account_id for c in found):
        raise SubjectTaken(email=email)
    return account
