"""Set-up links: for the person who runs the client's provider and has no account here.

A link and a six-digit code are sent apart. The link has one purpose, belongs to
the first browser that brings its code, ends at its time, at five wrong codes,
when it is revoked or when its work is sent. It never enables anything.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused, PageNotFound, PortalError
from lvportal.key_ring import KeyRing
from lvportal.models import SetupLink, Tenant
from lvportal.protocols.oidc.configuration import ClientAuthentication
from lvportal.services import audit, connection_setup, connections, next_secret
from lvportal.services.connections import ConnectionValues
from lvportal.services.transactions import writing

PURPOSES = {"connect": "Connect a provider", "rotate_secret": "Rotate the secret"}
DAYS = (1, 7, 30)
MOST_WRONG_CODES = 5
MOST_SHOWN = 100


class LinkEnded(PortalError):
    """Also for a token that never was: a stranger learns nothing of either."""

    code = "setup_link.ended"
    status = 410
    user_message = "This link has ended."
    next_step = "Ask {client} for a new one."


class LinkInUse(PortalError):
    code = "setup_link.in_use"
    status = 403
    user_message = "This link was opened in another browser."
    next_step = "Go on there, or ask {client} for a new one."


class WrongCode(ChangeRefused):
    code = "setup_link.wrong_code"
    user_message = "This is not the code."
    next_step = f"It has six digits and came apart from the link. {MOST_WRONG_CODES} wrong ones end the link."
    field = "code"


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A new link's token and code: the only time they are known."""

    link_id: int
    token: str = field(repr=False)
    code: str = field(repr=False)


def make(
    session: Session,
    tenant_id: int,
    *,
    for_whom: str,
    purpose: str,
    days: int,
    key_ring: KeyRing,
    by: audit.Actor,
    now: datetime,
) -> MadeLink:
    """Make a link that ends after ``days`` days; only hashes of token and code are kept."""
    token, code = secrets.token_urlsafe(32), f"{secrets.randbelow(1_000_000):06}"
    with writing(session):
        link = SetupLink(
            tenant_id=tenant_id,
            token_hash=_sha256(token),
            code_hash=_code_hash(key_ring.signing_keys("set-up link code")[0], token, code),
            purpose=purpose,
            for_whom=for_whom,
            created_at=now,
            created_by=by.name,
            created_by_account_id=by.account_id,
            expires_at=now + timedelta(days=days),
        )
        session.add(link)
        session.flush()
        link_id = link.id
        _note(
            session, link, "setup_link.made", by=by, now=now, after={"purpose": purpose, "ends in days": days}
        )
    return MadeLink(link_id, token, code)


def of_tenant(session: Session, tenant_id: int) -> Sequence[SetupLink]:
    """Return the client's links, newest first."""
    return session.scalars(
        select(SetupLink)
        .where(SetupLink.tenant_id == tenant_id)
        .order_by(SetupLink.created_at.desc(), SetupLink.id.desc())
        .limit(MOST_SHOWN)
    ).all()


def state_of(link: SetupLink, now: datetime) -> str:
    """Return the link's state in words."""
    if link.submitted_at is not None:
        return "Submitted"
    if link.ended_at is not None:
        return {"revoked": "Revoked", "wrong codes": "Ended by wrong codes"}.get(link.end_reason, "Ended")
    if link.expires_at <= now:
        return "Expired"
    return "Opened" if link.browser_hash else "Not opened"


def revoke(session: Session, tenant_id: int, link_id: int, *, by: audit.Actor, now: datetime) -> None:
    """End a link; a second time changes nothing. Raises PageNotFound."""
    with writing(session):
        link = session.scalars(
            select(SetupLink).where(SetupLink.id == link_id, SetupLink.tenant_id == tenant_id)
        ).one_or_none()
        if link is None:
            raise PageNotFound(str(link_id))
        if link.ended_at is None and link.submitted_at is None:
            link.ended_at, link.end_reason = now, "revoked"
            _note(session, link, "setup_link.revoked", by=by, now=now)


def find(session: Session, token: str, now: datetime) -> tuple[SetupLink, Tenant]:
    """Return a link that still lasts, or was submitted, and its client. Raises LinkEnded."""
    link = session.scalars(
        select(SetupLink).where(SetupLink.token_hash == _sha256(token)).with_for_update()
    ).one_or_none()
    if link is None:
        raise LinkEnded()
    tenant = session.get_one(Tenant, link.tenant_id)
    if tenant.deleted_at is not None or link.ended_at is not None or link.expires_at <= now:
        raise LinkEnded(client=tenant.name)
    return link, tenant


def enter(session: Session, token: str, code: str, *, key_ring: KeyRing, address: str, now: datetime) -> str:
    """Judge the code and bind the link to this browser: return the key it is to keep.

    Raises LinkEnded, LinkInUse or WrongCode. The fifth wrong code ends the link.
    """
    refusal: PortalError | None = None
    key = secrets.token_urlsafe(32)
    with writing(session):
        link, tenant = find(session, token, now)
        if link.browser_hash is not None:
            raise LinkInUse(client=tenant.name)
        keys = key_ring.signing_keys("set-up link code")
        if any(hmac.compare_digest(link.code_hash, _code_hash(known, token, code)) for known in keys):
            link.browser_hash, link.first_used_at = _sha256(key), now
            _note(session, link, "setup_link.opened", by=_guest(link, address), now=now)
        else:
            link.wrong_codes += 1
            refusal = WrongCode()
            if link.wrong_codes >= MOST_WRONG_CODES:
                link.ended_at, link.end_reason = now, "wrong codes"
                refusal = LinkEnded(client=tenant.name)
                _note(session, link, "setup_link.ended", by=_guest(link, address), now=now)
    if refusal is not None:  # after the commit: the count must outlive the refusal
        raise refusal
    return key


def opened(session: Session, token: str, key: str | None, now: datetime) -> tuple[SetupLink, Tenant, bool]:
    """Return the link, its client, and whether this browser has brought the code.

    Raises LinkEnded, or LinkInUse when another browser has.
    """
    link, tenant = find(session, token, now)
    if link.browser_hash is None:
        return link, tenant, False
    if key is None or not hmac.compare_digest(link.browser_hash, _sha256(key)):
        raise LinkInUse(client=tenant.name)
    return link, tenant, True


def submit_values(
    session: Session,
    token: str,
    key: str | None,
    values: ConnectionValues,
    *,
    based_on: int,
    key_ring: KeyRing,
    address: str,
    now: datetime,
) -> None:
    """Save what was pasted as a draft for the client's administrators, and end the link's work.

    Whom the client trusts stays as its newest revision has it: a guest decides none
    of that. Raises what ``save_draft`` raises, LinkEnded or LinkInUse.
    """
    with writing(session):
        link, tenant = _working(session, token, key, "connect", now)
        if values.client_authentication != ClientAuthentication.NONE and not values.secret:
            # Without this, a guest's draft would carry the client's stored secret.
            raise connections.SecretMissing()
        connection = connections.of_tenant(session, tenant.id)
        newest = connections.newest_revision(session, connection) if connection else None
        values = replace(
            values,
            removes_secret=False if values.secret else values.removes_secret,
            matches_case=bool(newest and newest.matches_case),
            accepts_unverified_email=bool(newest and newest.accepts_unverified_email),
            accepts_email_verified_as_text=bool(newest and newest.accepts_email_verified_as_text),
            allows_hs256=bool(newest and newest.allows_hs256),
            **connections.provisioning_of(newest),
        )
        guest = _guest(link, address)
        revision = connection_setup.save_draft(
            session, tenant, values, key_ring=key_ring, by=guest, now=now, based_on=based_on
        )
        session.flush()
        link.submitted_at, link.revision_id = now, revision.id
        _note(session, link, "setup_link.submitted", by=guest, now=now, after={"draft": revision.number})


def submit_secret(
    session: Session,
    token: str,
    key: str | None,
    secret: str,
    expires_on: date | None,
    *,
    key_ring: KeyRing,
    address: str,
    now: datetime,
) -> None:
    """Store the next secret beside the current one, and end the link's work.

    Raises what ``next_secret.store`` raises, LinkEnded or LinkInUse.
    """
    link, tenant = _working(session, token, key, "rotate_secret", now)
    guest, tenant_id = _guest(link, address), tenant.id
    next_secret.store(session, tenant_id, secret, expires_on, key_ring=key_ring, by=guest, now=now)
    with writing(session):
        link, _ = _working(session, token, key, "rotate_secret", now)
        link.submitted_at = now
        _note(session, link, "setup_link.submitted", by=guest, now=now, after={"next secret": "set"})


def _working(
    session: Session, token: str, key: str | None, purpose: str, now: datetime
) -> tuple[SetupLink, Tenant]:
    link, tenant, is_open = opened(session, token, key, now)
    if not is_open or link.purpose != purpose or link.submitted_at is not None:
        raise LinkEnded(client=tenant.name)
    return link, tenant


def _guest(link: SetupLink, address: str) -> audit.Actor:
    return audit.Actor(name=f"set-up link for {link.for_whom}"[:120], address=address)


def _note(
    session: Session,
    link: SetupLink,
    action: str,
    *,
    by: audit.Actor,
    now: datetime,
    after: dict[str, object] | None = None,
) -> None:
    audit.record(
        session,
        tenant_id=link.tenant_id,
        actor=by,
        action=action,
        subject=f"set-up link {link.id} for {link.for_whom}",
        after=after,
        now=now,
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _code_hash(key: str, token: str, code: str) -> str:
    # Keyed: a million codes are tried in a second by whoever reads the database alone.
    told = f"{_sha256(token)}:{code}".encode("utf-8", "surrogatepass")
    return hmac.new(key.encode(), told, hashlib.sha256).hexdigest()
