"""What the page of one person shows besides its fields: identity, last sign-ins, whether they can sign in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lvportal.models import Account, Connection, IdentityLink, SignInRecord
from lvportal.services import billing, connections, sign_in_search
from lvportal.services.people import verdict
from lvportal.services.people.editing import is_valid
from lvportal.services.people.verdict import Verdict

SIGN_INS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Identity:
    """Which subject of which issuer the account belongs to, since when."""

    issuer: str
    subject: str
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class SignIn:
    """One of the last sign-ins. ``cause`` is empty for one that went well."""

    reference: str
    at: datetime
    method: str
    cause: str


@dataclass(frozen=True, slots=True)
class Person:
    """All of it. ``email_claim`` is what emails are matched with, empty without a live revision."""

    verdict: Verdict
    is_locked: bool
    identities: Sequence[Identity]
    sign_ins: Sequence[SignIn]
    provider: str
    email_claim: str


def read(session: Session, account: Account, now: datetime) -> Person:
    """Return what is known of an account. Some reads by index."""
    connection = connections.of_tenant(session, account.tenant_id)
    live = connection.live_revision if connection else None
    provider = (connections.label_of(live.provider) if live else "") or "the provider"
    client = account.tenant.name
    links = session.scalars(
        select(IdentityLink).where(IdentityLink.account_id == account.id).order_by(IdentityLink.linked_at)
    )
    records = session.scalars(
        select(SignInRecord)
        .where(SignInRecord.account_id == account.id, SignInRecord.tenant_id == account.tenant_id)
        .order_by(SignInRecord.at.desc())
        .limit(SIGN_INS_SHOWN)
    )
    is_locked = account.locked_until is not None and account.locked_until > now
    return Person(
        verdict=verdict.judge(_facts(session, account, connection, provider, client, is_locked)),
        is_locked=is_locked,
        identities=[Identity(link.issuer, link.subject, link.linked_at) for link in links],
        sign_ins=[
            SignIn(
                record.reference,
                record.at,
                record.method,
                sign_in_search.title_of(record.code, client, provider) if record.code else "",
            )
            for record in records
        ],
        provider=provider,
        email_claim=live.email_claim if live else "",
    )


def _facts(
    session: Session,
    account: Account,
    connection: Connection | None,
    provider: str,
    client: str,
    is_locked: bool,
) -> verdict.Facts:
    passwords = "allowed"
    if connection is not None:
        of_users = account.audience == "portal"
        passwords = connection.portal_passwords if of_users else connection.agent_passwords
    return verdict.Facts(
        client=client,
        provider=provider,
        is_active=account.active,
        single_sign_on=(
            connection is not None
            and connection.enabled
            and connection.live_revision_id is not None
            and billing.is_on(session, account.tenant_id)
        ),
        is_failing=connection is not None and connection.failing_since is not None,
        email=account.email or "",
        email_is_valid=is_valid(account.email or ""),
        sharing=_sharing(session, account),
        passwords=passwords,
        has_password=account.password_hash is not None,
        sso_only=account.sso_only,
        is_locked=is_locked,
    )


def _sharing(session: Session, account: Account) -> int:
    """Count the other active accounts with the same email."""
    if not account.folded_email:
        return 0
    return int(
        session.scalar(
            select(func.count())
            .select_from(Account)
            .where(
                Account.tenant_id == account.tenant_id,
                Account.audience == account.audience,
                Account.folded_email == account.folded_email,
                Account.active.is_(True),
                Account.id != account.id,
            )
        )
        or 0
    )
