"""Emergency accounts: users named in advance for the day the provider is down.

Each has a password and an authenticator app, and signs in on a page of its own
whatever the switches say. The session is short and confined (web/access.py), and
every administrator is told. Nothing locks such an account as a whole: an outsider
could shut the last door. Tries are limited per address, by the web part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import CursorResult, func, or_, select, update
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused, EmergencyRefused, PageNotFound
from lvportal.key_ring import KeyRing, NotOpened
from lvportal.models import Account, PersonSession, Tenant
from lvportal.services import audit, mail, sessions, sign_in_records, tenants, totp
from lvportal.services.enforcement import ADMINISTRATORS, REHEARSED_DAYS, keeps_a_way_in
from lvportal.services.folding import fold
from lvportal.services.passwords import PasswordChecker, hash_password
from lvportal.services.people.lists import Viewer
from lvportal.services.people.values import may_give_role
from lvportal.services.sign_in_records import Visitor
from lvportal.services.transactions import writing

MOST_ACCOUNTS = 5
SHORTEST_PASSWORD = 14
LONGEST_PASSWORD = 1024
SESSION_SECONDS = 3600
ENDED_BY_REMOVAL = "emergency account removed"
_NOBODYS = totp.new_secret()  # judged where there is no account, so that the answer takes as long


class TooMany(ChangeRefused):
    code = "emergency.too_many"
    user_message = f"There are {MOST_ACCOUNTS} emergency accounts already."
    next_step = "Remove one first."
    field = "account"


class NotEligible(ChangeRefused):
    code = "emergency.not_eligible"
    user_message = "This account cannot be an emergency account."
    next_step = "Choose an active SYSADMIN or SUPERUSER from the list."
    field = "account"


class AlreadySetUp(ChangeRefused):
    code = "emergency.already_set_up"
    user_message = "This account is set up already."
    next_step = "Start again to give it another password and app."


class PasswordTooShort(ChangeRefused):
    code = "emergency.password_short"
    user_message = f"It needs at least {SHORTEST_PASSWORD} characters."
    next_step = "Several words make a long one."
    field = "password"


class WrongCode(ChangeRefused):
    code = "emergency.wrong_code"
    user_message = "This is not the code the app shows now."
    next_step = "Wait for the next one, and check the phone's clock."
    field = "code"


@dataclass(frozen=True, slots=True)
class EmergencyAccount:
    """One named account. ``state``: "to set up", "to rehearse", "rehearsed" or "overdue"."""

    account_id: int
    login_name: str
    full_name: str
    role: str
    active: bool
    state: str
    rehearsed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the authenticator app is given, while the account is to be set up."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)

    @property
    def groups(self) -> str:
        """The secret in groups of four, to be typed."""
        return " ".join(self.secret[at : at + 4] for at in range(0, len(self.secret), 4))


def listed(session: Session, viewer: Viewer, now: datetime) -> list[EmergencyAccount]:
    """Return the client's emergency accounts that the viewer may manage."""
    rows = session.scalars(
        select(Account)
        .where(*viewer.sees("portal"), Account.is_emergency.is_(True))
        .order_by(Account.folded_login_name)
    )
    return [_shown(account, now) for account in rows if _may_manage(viewer, account)]


def candidates(session: Session, viewer: Viewer) -> list[tuple[int, str]]:
    """Return ``(id, name)`` of the active administrators who can be named."""
    rows = session.scalars(
        select(Account)
        .where(
            *viewer.sees("portal"),
            Account.is_emergency.is_(False),
            Account.active.is_(True),
            Account.role.in_(ADMINISTRATORS),
        )
        .order_by(Account.folded_login_name)
    )
    # Oneself last: whoever names themselves gives up their own ordinary password.
    return [
        (one.id, f"{one.full_name} ({one.login_name}, {one.role})")
        for one in sorted(rows, key=lambda one: one.id == viewer.account_id)
        if _may_manage(viewer, one)
    ]


def find(session: Session, viewer: Viewer, account_id: int, now: datetime) -> EmergencyAccount:
    """Return one emergency account. Raises PageNotFound for any other."""
    return _shown(_named(session, viewer, account_id), now)


def enrolment(session: Session, viewer: Viewer, account_id: int, key_ring: KeyRing) -> Enrolment | None:
    """Return what the app is given, or None once it was confirmed or where nothing opens."""
    account = _named(session, viewer, account_id)
    if account.totp_confirmed_at is not None:
        return None
    secret = _opened(key_ring, account.sealed_totp, purpose(account.tenant_id, account.id))
    if secret is None:
        return None
    client = session.get_one(Tenant, account.tenant_id).name
    return Enrolment(secret, totp.provisioning_uri(secret, account=account.login_name, client=client))


def purpose(tenant_id: int, account_id: int) -> str:
    """Return what an app's secret is sealed for: it opens in no other row."""
    return f"emergency totp {tenant_id} {account_id}"


def name(
    session: Session, viewer: Viewer, account_id: int, *, key_ring: KeyRing, by: audit.Actor, now: datetime
) -> None:
    """Make an administrator an emergency account, still to be set up.

    Its password no longer signs in on the ordinary page. Raises NotEligible,
    TooMany or WouldLockOut.
    """
    with writing(session):
        _name(session, viewer, account_id, key_ring, by=by, now=now)


@keeps_a_way_in
def _name(
    session: Session, viewer: Viewer, account_id: int, key_ring: KeyRing, *, by: audit.Actor, now: datetime
) -> None:
    # The client's row is locked: two at one instant would make a sixth.
    session.get_one(Tenant, viewer.tenant_id, with_for_update=True)
    if account_id not in [one for one, _ in candidates(session, viewer)]:
        raise NotEligible
    there = session.scalar(
        select(func.count())
        .select_from(Account)
        .where(Account.tenant_id == viewer.tenant_id, Account.is_emergency.is_(True))
    )
    if (there or 0) >= MOST_ACCOUNTS:
        raise TooMany
    account = session.get_one(Account, account_id)
    account.is_emergency = True
    _fresh_secret(account, key_ring)
    _note(
        session,
        account,
        "emergency.named",
        by,
        now,
        {"emergency account": "no"},
        {"emergency account": "yes"},
    )


def start_again(
    session: Session, viewer: Viewer, account_id: int, *, key_ring: KeyRing, by: audit.Actor, now: datetime
) -> None:
    """Give the account a new secret; it lets nobody in until that is set up.

    Raises PageNotFound or WouldLockOut.
    """
    with writing(session):
        _start_again(session, viewer, account_id, key_ring, by=by, now=now)


@keeps_a_way_in
def _start_again(
    session: Session, viewer: Viewer, account_id: int, key_ring: KeyRing, *, by: audit.Actor, now: datetime
) -> None:
    account = _named(session, viewer, account_id, locked=True)
    _fresh_secret(account, key_ring)
    _end_sessions(session, account, now)
    _note(session, account, "emergency.restarted", by, now, {}, {"totp": "changed"})


def set_up(
    session: Session,
    viewer: Viewer,
    account_id: int,
    *,
    password: str,
    code: str,
    key_ring: KeyRing,
    by: audit.Actor,
    now: datetime,
) -> None:
    """Set password and app together, shown to work by a code.

    Raises PageNotFound, AlreadySetUp, PasswordTooShort or WrongCode.
    """
    _named(session, viewer, account_id)
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise PasswordTooShort
    hashed = hash_password(password)  # Takes 100 ms: outside the transaction.
    with writing(session):
        account = _named(session, viewer, account_id, locked=True)
        if account.totp_confirmed_at is not None:
            raise AlreadySetUp
        secret = _opened(key_ring, account.sealed_totp, purpose(account.tenant_id, account.id))
        step = totp.matching_step(secret, code, last_step=None, now=now) if secret else None
        if step is None:
            raise WrongCode
        account.password_hash = hashed
        account.failed_attempts, account.locked_until = 0, None
        account.totp_confirmed_at, account.totp_last_step = now, step
        _note(
            session, account, "emergency.set_up", by, now,
            {"password": "unchanged", "totp": "none"}, {"password": "changed", "totp": "set"},
        )  # fmt: skip


def remove(session: Session, viewer: Viewer, account_id: int, *, by: audit.Actor, now: datetime) -> None:
    """Make it an ordinary account again; its emergency sessions end. Raises PageNotFound, WouldLockOut."""
    with writing(session):
        _remove(session, viewer, account_id, by=by, now=now)


@keeps_a_way_in
def _remove(session: Session, viewer: Viewer, account_id: int, *, by: audit.Actor, now: datetime) -> None:
    account = _named(session, viewer, account_id, locked=True)
    account.is_emergency = False
    _forget_app(account)
    _end_sessions(session, account, now)
    _note(
        session, account, "emergency.removed", by, now,
        {"emergency account": "yes"}, {"emergency account": "no"},
    )  # fmt: skip


def sign_in(
    session: Session,
    checker: PasswordChecker,
    *,
    client_code: str,
    login_name: str,
    password: str,
    code: str,
    key_ring: KeyRing,
    visitor: Visitor,
    now: datetime,
) -> sessions.Opened:
    """Open a confined session of one hour, whatever the provider, the flag and the rules say.

    Raises EmergencyRefused for every failure, without telling which and in the
    same time: password and code are both judged, even where there is no account.
    """
    tenant = None if "\x00" in client_code else tenants.find(session, client_code)
    account = _at_the_door(session, tenant, login_name)
    tenant_id, account_id = (tenant.id if tenant else None), (account.id if account else None)
    stored = account.password_hash if account else None
    sealed, last_step = (account.sealed_totp, account.totp_last_step) if account else (None, None)
    email = account.email if account else None
    session.rollback()  # The check takes 100 ms: no database connection waits for it.

    is_right = checker.is_right(
        password[:LONGEST_PASSWORD], stored if len(password) <= LONGEST_PASSWORD else None
    )
    secret = _opened(key_ring, sealed, purpose(tenant_id or 0, account_id or 0))
    step = totp.matching_step(secret or _NOBODYS, code.replace(" ", ""), last_step=last_step, now=now)

    if is_right and secret is not None and step is not None and account_id is not None:
        with writing(session):
            if _use(session, account_id, stored, sealed, step, visitor, now):
                return _open(session, account_id, step, visitor, now)
    refused = EmergencyRefused("wrong, used or unknown")
    if tenant_id is not None:  # with or without an account: the answer takes as long
        with writing(session):
            sign_in_records.write(
                session, tenant_id=tenant_id, audience="portal", method="emergency",
                visitor=visitor, now=now, refused=refused, account_id=account_id, email=email,
            )  # fmt: skip
    raise refused


def _at_the_door(session: Session, tenant: Tenant | None, login_name: str) -> Account | None:
    if "\x00" in login_name:  # PostgreSQL raises on one
        return None
    return session.scalars(
        select(Account).where(
            Account.tenant_id == (tenant.id if tenant else 0),
            Account.audience == "portal",
            Account.folded_login_name == fold(login_name.strip()),
            Account.is_emergency.is_(True),
            Account.active.is_(True),
            Account.totp_confirmed_at.is_not(None),
        )
    ).one_or_none()


def _use(
    session: Session,
    account_id: int,
    stored: str | None,
    sealed: str | None,
    step: int,
    visitor: Visitor,
    now: datetime,
) -> bool:
    """Use the code up. Judged by the database: of two with the same code at one instant one gets in."""
    used = session.execute(
        update(Account)
        .where(
            Account.id == account_id,
            Account.active.is_(True),
            Account.is_emergency.is_(True),
            Account.totp_confirmed_at.is_not(None),
            Account.password_hash == stored,
            Account.sealed_totp == sealed,
            or_(Account.totp_last_step.is_(None), Account.totp_last_step < step),
        )
        .values(
            totp_last_step=step,
            rehearsed_at=now,
            last_sign_in_at=now,
            last_address=visitor.address[:45],
        )
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[object]", used).rowcount == 1


def _open(session: Session, account_id: int, step: int, visitor: Visitor, now: datetime) -> sessions.Opened:
    account = session.get_one(Account, account_id)
    sign_in_records.write(
        session, tenant_id=account.tenant_id, audience="portal", method="emergency",
        visitor=visitor, now=now, account_id=account.id, email=account.email,
    )  # fmt: skip
    by = audit.Actor(account.full_name, account.id, address=visitor.address)
    _note(session, account, "emergency.signed_in", by, now, {}, {"minutes": SESSION_SECONDS // 60})
    until = now + timedelta(seconds=SESSION_SECONDS)
    mail.queue_to_administrators(
        session,
        tenant_id=account.tenant_id,
        key=f"emergency:{account.id}:{step}",
        kind="emergency",
        subject="Emergency access was used",
        body=(
            f"{account.login_name} signed in by emergency access at {now:%H:%M} UTC from {visitor.address}.\n"
            f"The session ends at {until:%H:%M} UTC at the latest and opens Security, Sign-ins and Sessions"
            " only.\n\nIf nobody of yours did this, end the session under Monitor, Sessions, and start the"
            " account again under Security, Emergency accounts.\n"
        ),
        now=now,
    )
    return sessions.open_session(
        session,
        sessions.NewSession(
            tenant_id=account.tenant_id,
            audience="portal",
            account_id=account.id,
            email=account.folded_email or "",
            method="emergency",
            address=visitor.address[:45],
            device=visitor.device,
        ),
        absolute_seconds=SESSION_SECONDS,
        now=now,
    )


def _named(session: Session, viewer: Viewer, account_id: int, *, locked: bool = False) -> Account:
    wanted = select(Account).where(
        *viewer.sees("portal"), Account.id == account_id, Account.is_emergency.is_(True)
    )
    account = session.scalars(wanted.with_for_update() if locked else wanted).one_or_none()
    if account is None or not _may_manage(viewer, account):
        raise PageNotFound(str(account_id))
    return account


def _may_manage(viewer: Viewer, account: Account) -> bool:
    # Whoever sets an account's password can become that account.
    return may_give_role(viewer.role, account.role or "", viewer.is_operator)


def _shown(account: Account, now: datetime) -> EmergencyAccount:
    if account.totp_confirmed_at is None or account.password_hash is None:
        state = "to set up"
    elif account.rehearsed_at is None:
        state = "to rehearse"
    else:
        is_overdue = account.rehearsed_at <= now - timedelta(days=REHEARSED_DAYS)
        state = "overdue" if is_overdue else "rehearsed"
    return EmergencyAccount(
        account.id,
        account.login_name,
        account.full_name,
        account.role or "",
        account.active,
        state,
        account.rehearsed_at,
    )


def _fresh_secret(account: Account, key_ring: KeyRing) -> None:
    _forget_app(account)
    account.sealed_totp = key_ring.seal(totp.new_secret(), purpose=purpose(account.tenant_id, account.id))


def _forget_app(account: Account) -> None:
    account.sealed_totp = account.totp_confirmed_at = account.totp_last_step = account.rehearsed_at = None


def _end_sessions(session: Session, account: Account, now: datetime) -> None:
    session.execute(
        update(PersonSession)
        .where(
            PersonSession.account_id == account.id,
            PersonSession.method == "emergency",
            PersonSession.ended_at.is_(None),
        )
        .values(ended_at=now, end_reason=ENDED_BY_REMOVAL)
        .execution_options(synchronize_session=False)
    )


def _opened(key_ring: KeyRing, sealed: str | None, for_what: str) -> str | None:
    try:
        return key_ring.open(sealed, purpose=for_what) if sealed else None
    except NotOpened:
        return None


def _note(
    session: Session,
    account: Account,
    action: str,
    by: audit.Actor,
    now: datetime,
    before: dict[str, object],
    after: dict[str, object],
) -> None:
    audit.record(
        session,
        tenant_id=account.tenant_id,
        actor=by,
        action=action,
        subject=f"{account.login_name} ({account.audience})",
        before=before,
        after=after,
        now=now,
    )
