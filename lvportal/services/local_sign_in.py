"""Sign-in with a password of ours: one answer for every failure, in the same time.

Tries are limited twice: per network address (by the web part) and per account
(here, in the database, so that every process counts together). A pause blocks
the password alone: nobody can lock a person out of single sign-on.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lvportal.errors import PasswordRefused, PortalError
from lvportal.models import Account, Tenant
from lvportal.services import enforcement, sessions, sign_in_records, tenants
from lvportal.services.folding import fold
from lvportal.services.passwords import PasswordChecker, hash_password, needs_rehash
from lvportal.services.sign_in_records import Visitor
from lvportal.services.transactions import writing

PAUSE_MINUTES = 15
LONGEST_PASSWORD = 1024


class SingleSignOnRequired(PortalError):
    """The client's people sign in through its provider: said before any account is looked up."""

    code = "sign_in.required"
    status = 403
    user_message = "{client} signs in through {provider}."
    next_step = "Continue with the button below. Passwords do not sign in here."


def sign_in(
    session: Session,
    checker: PasswordChecker,
    *,
    client_code: str,
    login_name: str,
    password: str,
    audience: str,
    visitor: Visitor,
    absolute_seconds: int,
    now: datetime,
) -> sessions.Opened:
    """Open a session for the person with this name and password.

    Raises SingleSignOnRequired where the client refuses passwords on this host,
    and PasswordRefused for every other case, without telling which.
    """
    tenant = tenants.find(session, client_code)
    rule = enforcement.rules(session, tenant.id, now).of(audience) if tenant else "allowed"
    if tenant is not None and rule == "refused":
        raise SingleSignOnRequired(client=tenant.name)
    account = _find(session, tenant, audience, login_name) if tenant else None
    stored = account.password_hash if account else None
    account_id = account.id if account else None
    paused = account is not None and account.locked_until is not None and account.locked_until > now
    active = account is not None and account.active and not (rule == "chosen" and account.sso_only)
    # A password alone never opens an emergency account: that has a page and a second factor of its own.
    active = active and not (account is not None and account.is_emergency)
    session.rollback()  # The check takes 100 ms: no database connection waits for it.

    usable = stored if len(password) <= LONGEST_PASSWORD else None
    is_right = checker.is_right(password[:LONGEST_PASSWORD], usable)

    if tenant is None or account_id is None or paused or not active or not is_right:
        refused = PasswordRefused("paused" if paused else "wrong or unknown")
        if tenant is not None and account_id is not None and not paused:
            _count_failure(session, tenant.id, account_id, audience, refused, visitor, now)
        raise refused
    with writing(session):
        # Read again: while the password was checked, passwords may have become refused.
        if enforcement.rules(session, tenant.id, now).of(audience) == "refused":
            raise SingleSignOnRequired(client=tenant.name)
        return _open(session, account_id, password, audience, visitor, absolute_seconds, now)


def _find(session: Session, tenant: Tenant, audience: str, login_name: str) -> Account | None:
    if "\x00" in login_name:  # PostgreSQL raises on one
        return None
    return session.scalars(
        select(Account).where(
            Account.tenant_id == tenant.id,
            Account.audience == audience,
            Account.folded_login_name == fold(login_name.strip()),
        )
    ).one_or_none()


def _open(
    session: Session,
    account_id: int,
    password: str,
    audience: str,
    visitor: Visitor,
    absolute_seconds: int,
    now: datetime,
) -> sessions.Opened:
    account = session.get_one(Account, account_id)
    account.failed_attempts, account.locked_until = 0, None
    account.last_sign_in_at, account.last_address = now, visitor.address[:45]
    if account.password_hash and needs_rehash(account.password_hash):
        account.password_hash = hash_password(password)
    sign_in_records.write(
        session,
        tenant_id=account.tenant_id,
        audience=audience,
        method="password",
        visitor=visitor,
        now=now,
        account_id=account.id,
        email=account.email,
    )
    return sessions.open_session(
        session,
        sessions.NewSession(
            tenant_id=account.tenant_id,
            audience=audience,
            account_id=account.id,
            email=account.folded_email or "",
            method="password",
            address=visitor.address[:45],
            device=visitor.device,
        ),
        absolute_seconds=absolute_seconds,
        now=now,
    )


def _count_failure(
    session: Session,
    tenant_id: int,
    account_id: int,
    audience: str,
    refused: PasswordRefused,
    visitor: Visitor,
    now: datetime,
) -> None:
    with writing(session):
        tenant = session.get_one(Tenant, tenant_id)
        allowed = tenant.max_failed_portal if audience == "portal" else tenant.max_failed_agent
        # Counted by the database: two wrong tries at one instant are two.
        session.execute(
            update(Account)
            .where(Account.id == account_id)
            .values(failed_attempts=Account.failed_attempts + 1)
        )
        account = session.get_one(Account, account_id, populate_existing=True)
        if account.failed_attempts >= allowed:
            account.failed_attempts = 0
            account.locked_until = now + timedelta(minutes=PAUSE_MINUTES)
        sign_in_records.write(
            session,
            tenant_id=tenant_id,
            audience=audience,
            method="password",
            visitor=visitor,
            now=now,
            refused=refused,
            account_id=account_id,
            email=account.email,
        )
