"""A client's own domains: claimed, proven by a TXT record, given up.

A proof makes an ``EmailDomain``: it leads the domain's people to the client's
provider. A domain that another client has proven is refused until that client
or the operator removes it (docs/decisions/0015-a-proven-domain-stays.md).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import dns.resolver
import idna
from publicsuffixlist import PublicSuffixList
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused, PageNotFound
from lvportal.models import DomainClaim, EmailDomain
from lvportal.services import audit
from lvportal.services.domain_lookup import DnsAnswer, look_up
from lvportal.services.transactions import writing

MOST_CLAIMS = 100
RECORD_PREFIX = "lvportal-verification="


class DomainMalformed(ChangeRefused):
    code = "domain.malformed"
    user_message = "This is not a domain."
    next_step = "Enter what stands after the @ of your emails, for instance acme.example."
    field = "domain"


class DomainPublic(ChangeRefused):
    code = "domain.public_suffix"
    user_message = "Many organisations share this domain; nobody can own it."
    next_step = "Enter your own domain below it."
    field = "domain"


class DomainClaimed(ChangeRefused):
    code = "domain.claimed"
    user_message = "This domain is in your list already."
    next_step = "Check it below."
    field = "domain"


class TooManyDomains(ChangeRefused):
    code = "domain.too_many"
    user_message = f"A client has at most {MOST_CLAIMS} domains."
    next_step = "Remove one first."
    field = "domain"


class DomainTaken(ChangeRefused):
    code = "domain.taken"
    status = 409
    user_message = "Another client has proven this domain."
    next_step = "Ask Customer Care: they release it when it has changed hands."


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain as the page shows it; ``host`` and ``value`` are its TXT record, empty without a claim."""

    domain: str
    shown: str
    claim_id: int | None
    host: str
    value: str
    proof: str
    proven_at: datetime | None
    checked_at: datetime | None
    last_answer: str


def normalised(typed: str) -> str:
    """Return a domain in lower case and as A-labels (RFC 5891). Raises DomainMalformed or DomainPublic."""
    text = typed.strip().rstrip(".")
    text = text.rpartition("@")[2]
    if not text or len(text) > 253:
        raise DomainMalformed(text[:80])
    try:
        domain = idna.encode(text, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as wrong:
        raise DomainMalformed(text[:80]) from wrong
    labels = domain.split(".")
    if len(labels) < 2 or labels[-1].isdigit() or len(domain) > 253:
        raise DomainMalformed(text[:80])
    if _suffixes().publicsuffix(domain) == domain:
        raise DomainPublic(domain)
    return domain


def of_tenant(session: Session, tenant_id: int) -> Sequence[Domain]:
    """Return the client's domains by name, those the operator gave it included."""
    claims = {
        claim.domain: claim
        for claim in session.scalars(select(DomainClaim).where(DomainClaim.tenant_id == tenant_id))
    }
    proven = {
        row.domain: row
        for row in session.scalars(select(EmailDomain).where(EmailDomain.tenant_id == tenant_id))
    }
    return [
        _shown(name, claims.get(name), proven.get(name)) for name in sorted(claims.keys() | proven.keys())
    ]


def claim(session: Session, tenant_id: int, typed: str, *, by: audit.Actor, now: datetime) -> DomainClaim:
    """Note that the client says a domain is its own; nothing follows from it before the proof.

    Raises DomainMalformed, DomainPublic, DomainClaimed or TooManyDomains.
    """
    domain = normalised(typed)
    with writing(session):
        held = session.scalars(
            select(DomainClaim.domain).where(DomainClaim.tenant_id == tenant_id).limit(MOST_CLAIMS + 1)
        ).all()
        if domain in held:
            raise DomainClaimed(domain)
        if len(held) >= MOST_CLAIMS:
            raise TooManyDomains(domain)
        made = DomainClaim(
            tenant_id=tenant_id,
            domain=domain,
            token=secrets.token_urlsafe(24),
            created_at=now,
            created_by=by.name,
            last_answer="",
        )
        session.add(made)
        audit.record(session, tenant_id=tenant_id, actor=by, action="domain.claimed", subject=domain, now=now)
    return made


def check(
    session: Session,
    tenant_id: int,
    claim_id: int,
    *,
    by: audit.Actor,
    now: datetime,
    resolver: dns.resolver.Resolver | None = None,
) -> tuple[DnsAnswer, str]:
    """Ask the DNS for the claim's record; a first proof makes the domain the client's.

    Returns the answer and its words. Raises PageNotFound or DomainTaken.
    """
    wanted = _claim(session, tenant_id, claim_id)
    host, value = wanted.domain, f"{RECORD_PREFIX}{wanted.token}"
    session.rollback()  # no transaction stays open while a foreign server takes its time
    found = look_up(host, value, resolver=resolver)
    try:
        with writing(session):
            again = _claim(session, tenant_id, claim_id)  # it may have been removed meanwhile
            again.checked_at, again.last_answer = now, found.words(host)
            holder = session.get(EmailDomain, again.domain)
            taken = holder is not None and holder.tenant_id != tenant_id
            if found.answer is DnsAnswer.FOUND and taken:
                again.last_answer = f"{DomainTaken.user_message} {DomainTaken.next_step}"
            elif found.answer is DnsAnswer.FOUND and holder is None:
                session.add(EmailDomain(domain=again.domain, tenant_id=tenant_id, proof="dns", proven_at=now))
                audit.record(
                    session,
                    tenant_id=tenant_id,
                    actor=by,
                    action="domain.proven",
                    subject=again.domain,
                    after={"proof": "dns"},
                    now=now,
                )
    except IntegrityError as race:  # another client's proof came first
        raise DomainTaken(host) from race
    if found.answer is DnsAnswer.FOUND and taken:
        raise DomainTaken(host)
    return found.answer, found.words(host)


def remove(session: Session, tenant_id: int, domain: str, *, by: audit.Actor, now: datetime) -> None:
    """Give up a domain, its claim and its proof. Raises PageNotFound."""
    with writing(session):
        claimed = session.scalars(
            select(DomainClaim).where(DomainClaim.tenant_id == tenant_id, DomainClaim.domain == domain)
        ).one_or_none()
        proven = session.scalars(
            select(EmailDomain).where(EmailDomain.tenant_id == tenant_id, EmailDomain.domain == domain)
        ).one_or_none()
        if claimed is None and proven is None:
            raise PageNotFound(domain[:80])
        for row in (claimed, proven):
            if row is not None:
                session.delete(row)
        audit.record(
            session,
            tenant_id=tenant_id,
            actor=by,
            action="domain.removed",
            subject=domain,
            before={"proof": proven.proof if proven else "none"},
            now=now,
        )


def is_proven(session: Session, tenant_id: int, email: str) -> bool:
    """Tell whether the client has proven by DNS the very domain of ``email``, none above or below it."""
    domain = email.rpartition("@")[2].lower()
    found = session.scalars(
        select(EmailDomain.domain).where(
            EmailDomain.domain == domain, EmailDomain.tenant_id == tenant_id, EmailDomain.proof == "dns"
        )
    ).one_or_none()
    return found is not None


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=True)


def _claim(session: Session, tenant_id: int, claim_id: int) -> DomainClaim:
    found = session.scalars(
        select(DomainClaim).where(DomainClaim.id == claim_id, DomainClaim.tenant_id == tenant_id)
    ).one_or_none()
    if found is None:
        raise PageNotFound(str(claim_id))
    return found


def _shown(domain: str, claimed: DomainClaim | None, proven: EmailDomain | None) -> Domain:
    try:
        words = idna.decode(domain)
    except idna.IDNAError:
        words = domain
    return Domain(
        domain=domain,
        shown=words if words == domain else f"{words} ({domain})",
        claim_id=claimed.id if claimed else None,
        host=domain if claimed else "",
        value=f"{RECORD_PREFIX}{claimed.token}" if claimed else "",
        proof=proven.proof if proven else "",
        proven_at=proven.proven_at if proven else None,
        checked_at=claimed.checked_at if claimed else None,
        last_answer=claimed.last_answer if claimed else "",
    )
