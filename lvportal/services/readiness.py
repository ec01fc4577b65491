"""Who could sign in through the provider, as far as our own data tell."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, not_, select
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused
from lvportal.models import Account
from lvportal.services.folding import fold
from lvportal.services.people import lists
from lvportal.services.people.lists import Viewer
from lvportal.services.people.values import email_problem

MOST_LINES = 100_000
_BETWEEN = re.compile(r"[\s,;]+")
_AROUND = "<>\"'()[]"


class TooManyLines(ChangeRefused):
    code = "readiness.too_many_lines"
    user_message = "That is more than 100,000 emails."
    next_step = "Paste them in several parts."
    field = "emails"


class NoEmails(ChangeRefused):
    code = "readiness.no_emails"
    user_message = "There is no email in this text."
    next_step = "Paste one on each line."
    field = "emails"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Active accounts of one audience that the viewer sees, counted.

    An account that is not ready is counted in one of ``without_email``,
    ``invalid_email`` and ``sharing_email``. The others are warnings: they may
    concern ready accounts too.
    """

    total: int
    without_email: int
    sharing_email: int
    invalid_email: int = 0
    unusual_domain: int = 0
    never_matched: int = 0
    administrators_at_risk: int = 0

    @property
    def ready(self) -> int:
        """How many have a valid email of their own."""
        return self.total - self.without_email - self.sharing_email - self.invalid_email


def of_audience(
    session: Session, tenant_id: int, audience: str, *, role: str = "SYSADMIN", with_warnings: bool = True
) -> Readiness:
    """Count the client's active accounts on one host, as far as a viewer of ``role`` sees them.

    ``administrators_at_risk`` are those who could enable single sign-on and
    then be locked out: no valid email of their own, or never matched yet.
    """
    viewer = Viewer(tenant_id, 0, role)
    mine = (*viewer.sees(audience), Account.active.is_(True))
    total, without, invalid = session.execute(
        select(
            func.count(),
            func.count().filter(lists.without_email()),
            func.count().filter(lists.with_invalid_email()),
        ).where(*mine)
    ).one()
    shared = Account.folded_email.in_(lists.shared_emails(tenant_id, audience))
    sharing = session.scalar(
        select(func.count()).where(*mine, and_(shared, not_(lists.with_invalid_email())))
    )
    counted = (int(total), int(without), int(sharing or 0), int(invalid))
    if not with_warnings:
        return Readiness(*counted)
    usual = lists.usual_domains(session, tenant_id, audience)
    unusual, never, at_risk = session.execute(
        select(
            func.count().filter(lists.condition_of("unusual", tenant_id, audience, usual)),
            func.count().filter(lists.condition_of("never", tenant_id, audience, usual)),
            func.count().filter(lists.condition_of("administrator", tenant_id, audience, usual)),
        ).where(*mine)
    ).one()
    return Readiness(*counted, int(unusual), int(never), int(at_risk))


@dataclass(frozen=True, slots=True)
class Unmatched:
    """An email of the provider's list that would be refused here, and why."""

    email: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unassigned:
    """An active account of ours whose email is not in the provider's list."""

    account_id: int
    audience: str
    login_name: str
    email: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The provider's list beside our accounts. Nothing of it is kept."""

    emails: int
    matched: int
    without_account: Sequence[str]
    refused: Sequence[Unmatched]
    unassigned: Sequence[Unassigned]


def compare(session: Session, viewer: Viewer, text: str, audiences: Sequence[str]) -> Comparison:
    """Compare the emails in ``text`` with the client's accounts on both hosts.

    An email matches when one active account of a host has it. ``unassigned``
    names accounts of ``audiences`` alone, those that the viewer sees. Accounts
    that the viewer does not see match like any other. Raises TooManyLines or NoEmails.
    """
    emails = emails_in(text)
    rows = session.execute(
        select(
            *(Account.id, Account.audience, Account.login_name, Account.email, Account.folded_email),
            *(Account.active, Account.role),
        )
        .where(Account.tenant_id == viewer.tenant_id)
        .order_by(Account.audience, Account.folded_login_name)
    ).all()
    holders: dict[str, list[bool]] = defaultdict(list)
    active: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        if row.folded_email:
            holders[row.folded_email].append(row.active)
            active[row.audience, row.folded_email] += row.active
    without: list[str] = []
    refused: list[Unmatched] = []
    for email in emails:
        on_hosts = [active.get((audience, email), 0) for audience in ("portal", "agent")]
        if email not in holders:
            problem = email_problem(email)
            if problem:
                refused.append(Unmatched(email, "This is no address."))
            else:
                without.append(email)
        elif 1 not in on_hosts:
            shared = max(on_hosts) > 1
            refused.append(
                Unmatched(email, "Several accounts share it." if shared else "The account is switched off.")
            )
    hides = viewer.role == "SUPERUSER"
    unassigned = [
        Unassigned(row.id, row.audience, row.login_name, row.email or "")
        for row in rows
        if row.active
        and row.audience in audiences
        and not (hides and row.role == "SYSADMIN")
        and (row.folded_email or "") not in emails
    ]
    return Comparison(len(emails), len(emails) - len(without) - len(refused), without, refused, unassigned)


def emails_in(text: str) -> dict[str, None]:
    """Return the emails of a pasted text, folded, each once, in order. Raises TooManyLines or NoEmails."""
    found: dict[str, None] = {}
    for part in _BETWEEN.split(text.replace("\x00", "")):
        email = fold(part.strip(_AROUND))
        if "@" in email and len(email) <= 254:
            found[email] = None
            if len(found) > MOST_LINES:
                raise TooManyLines
    if not found:
        raise NoEmails
    return found
