"""Whether local passwords still sign in, and that no change shuts the last administrator out.

A stricter rule holds at once and undoes itself: unless an administrator signs
in through the provider within ``SAFETY_MINUTES``, the previous one returns. The
return is judged wherever the rule is read, so that it needs no clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused
from lvportal.models import Account, Connection, Feature, IdentityLink, PersonSession, Revision
from lvportal.models.tenants import SINGLE_SIGN_ON
from lvportal.services import audit
from lvportal.services.transactions import writing

Act = ParamSpec("Act")
Result = TypeVar("Result")

SAFETY_MINUTES = 15
REHEARSED_DAYS = 90
ADMINISTRATORS = ("SYSADMIN", "SUPERUSER")
STRICTNESS = {"allowed": 0, "chosen": 1, "refused": 2}
ENDED_BY_RULE = "passwords refused"
_WAYS_IN = 0x4C56  # the kind of our advisory locks
SAFETY_NET = audit.Actor(name="safety net")


class NotSigningIn(ChangeRefused):
    code = "enforcement.not_live"
    user_message = "Single Sign On does not sign people in at the moment, so passwords stay."
    next_step = "Enable Single Sign On first."


class NoWayBack(ChangeRefused):
    """Nobody has shown that an administrator can still enter without a password."""

    code = "enforcement.no_way_back"
    user_message = "No administrator has yet shown a way in without the ordinary password."
    next_step = "Sign in once through your provider, or rehearse an emergency account, then try again."


class NotRehearsed(NoWayBack):
    """The provider may fail on any day, and passwords would then be no way in."""

    code = "enforcement.not_rehearsed"
    user_message = "No emergency account was rehearsed in the last 90 days."
    next_step = "Name one under Emergency accounts, set it up and sign in with it once, then try again."


class WouldLockOut(ChangeRefused):
    code = "enforcement.lock_out"
    user_message = "After this change no administrator could sign in."
    next_step = "First give another administrator a way in: a password, the provider or an emergency account."


@dataclass(frozen=True, slots=True)
class Rules:
    """Per audience: allowed, chosen (not for accounts marked ``sso_only``) or refused."""

    portal: str = "allowed"
    agent: str = "allowed"

    def of(self, audience: str) -> str:
        """Return the rule of one audience."""
        return self.portal if audience == "portal" else self.agent


@dataclass(frozen=True, slots=True)
class Administrator:
    """What decides whether one administrator can enter. ``is_linked``: the provider has let this one in."""

    account_id: int
    active: bool = True
    has_password: bool = False
    sso_only: bool = False
    has_email: bool = False
    is_linked: bool = False
    is_emergency: bool = False  # set up, and rehearsed in the last 90 days
    is_named: bool = False  # an emergency account, ready or not: the ordinary form refuses it


@dataclass(frozen=True, slots=True)
class State:
    """Everything that decides who can enter. ``passwords`` is what is set for the portal."""

    signs_in: bool
    passwords: str
    administrators: tuple[Administrator, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """Whom refusing passwords on one host concerns: active accounts."""

    people: int
    without_email: int
    never_matched: int
    sessions: int


def ways_in(state: State) -> frozenset[tuple[int, str]]:
    """Return each administrator's account with each way that lets it in: sso, password or emergency.

    The provider counts for those alone whom it has let in before: an email that
    looks right is a hope.
    """
    found = set()
    rule = state.passwords if state.signs_in else "allowed"
    for person in state.administrators:
        if not person.active:
            continue
        if state.signs_in and person.has_email and person.is_linked:
            found.add((person.account_id, "sso"))
        takes_password = rule == "allowed" or (rule == "chosen" and not person.sso_only)
        if person.has_password and takes_password and not (person.is_named or person.is_emergency):
            found.add((person.account_id, "password"))
        if person.has_password and person.is_emergency:
            found.add((person.account_id, "emergency"))
    return frozenset(found)


def one_at_a_time(session: Session, tenant_id: int) -> None:
    """Let acts on a client's ways in go one after the other, until this transaction ends.

    Two at once, each right by itself, could shut out the last two administrators. On
    SQLite a writing transaction stands alone anyway. Called before any row is locked:
    a lock of its own, so that no order of rows can make two wait for each other.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_WAYS_IN, tenant_id)))


def read_state(session: Session, tenant_id: int, now: datetime) -> State:
    """Return the client's state. A rule that waits for its proof counts as it is set."""
    connection = _of_tenant(session, tenant_id)
    signs_in = connection is not None and _signs_in(session, connection)
    issuer = ""
    if connection is not None and connection.live_revision_id is not None:
        issuer = session.get_one(Revision, connection.live_revision_id).issuer
    linked = select(IdentityLink.account_id).where(
        IdentityLink.tenant_id == tenant_id, IdentityLink.issuer == issuer
    )
    people = session.execute(
        select(Account, Account.id.in_(linked)).where(
            Account.tenant_id == tenant_id,
            Account.audience == "portal",
            Account.role.in_(ADMINISTRATORS),
        ),
        # An import changes rows past the session, which would go on showing what it had read.
        execution_options={"populate_existing": True},
    )
    return State(
        signs_in,
        rules(session, tenant_id, now).portal,
        tuple(
            Administrator(
                account.id,
                active=account.active,
                has_password=account.password_hash is not None,
                sso_only=account.sso_only,
                has_email=bool(account.folded_email),
                is_linked=bool(is_linked),
                is_emergency=account.is_emergency
                and account.totp_confirmed_at is not None
                and account.rehearsed_at is not None
                and account.rehearsed_at > now - timedelta(days=REHEARSED_DAYS),
                is_named=account.is_emergency,
            )
            for account, is_linked in people
        ),
    )


def would_lock_out(
    session: Session, tenant_id: int, *, without_account_id: int | Collection[int], now: datetime
) -> bool:
    """Tell whether nobody could enter any more without these accounts, though somebody can now."""
    leaving = {without_account_id} if isinstance(without_account_id, int) else set(without_account_id)
    state = read_state(session, tenant_id, now)
    staying = tuple(one for one in state.administrators if one.account_id not in leaving)
    return bool(ways_in(state)) and not ways_in(replace(state, administrators=staying))


def keeps_a_way_in(act: Callable[Act, Result]) -> Callable[Act, Result]:
    """Wrap an act on people, ``act(session, viewer, ..., now=)``: one that locks everybody out is undone.

    Judged by what the act has done, inside its transaction, so that no case is
    forgotten: the wrapped function raises WouldLockOut and the caller's
    transaction takes everything back.
    """

    @wraps(act)
    def guarded(*args: Act.args, **named: Act.kwargs) -> Result:
        session, viewer, now = cast(Session, args[0]), cast(Any, args[1]), cast(datetime, named["now"])
        one_at_a_time(session, viewer.tenant_id)
        before = read_state(session, viewer.tenant_id, now)
        result = act(*args, **named)
        session.flush()
        refuse_lock_out(before, read_state(session, viewer.tenant_id, now))
        return result

    return guarded


def refuse_lock_out(before: State, after: State) -> None:
    """Raise WouldLockOut for a change after which nobody can enter, though somebody can now."""
    if ways_in(before) and not ways_in(after):
        raise WouldLockOut


def rules(session: Session, tenant_id: int, now: datetime) -> Rules:
    """Return what holds at this moment: without a connection that signs people in, passwords are allowed."""
    connection = _of_tenant(session, tenant_id)
    if connection is None or not _signs_in(session, connection):
        return Rules()
    if _is_overdue(connection, now) and not _is_proven(session, connection):
        return _previous(connection)
    return Rules(connection.portal_passwords, connection.agent_passwords)


def waits_until(session: Session, tenant_id: int, now: datetime) -> datetime | None:
    """Return when the previous rule returns unless proven; None when nothing waits."""
    connection = _of_tenant(session, tenant_id)
    if connection is None or connection.reverts_at is None or connection.reverts_at <= now:
        return None
    if not _signs_in(session, connection) or _is_proven(session, connection):
        return None
    return connection.reverts_at


def effect_of(session: Session, tenant_id: int, audience: str, now: datetime) -> Effect:
    """Return whom refusing passwords on this host concerns."""
    linked = select(IdentityLink.account_id).where(IdentityLink.tenant_id == tenant_id)
    people, without_email, never_matched = session.execute(
        select(
            func.count(),
            func.count().filter(func.coalesce(Account.folded_email, "") == ""),
            func.count().filter(Account.id.not_in(linked)),
        ).where(
            Account.tenant_id == tenant_id,
            Account.audience == audience,
            Account.active.is_(True),
            Account.is_emergency.is_(False),
        )
    ).one()
    sessions = session.scalar(
        select(func.count())
        .select_from(PersonSession)
        .where(
            PersonSession.tenant_id == tenant_id,
            PersonSession.audience == audience,
            PersonSession.method == "password",
            PersonSession.ended_at.is_(None),
            PersonSession.expires_at > now,
        )
    )
    return Effect(people, without_email, never_matched, int(sessions or 0))


def set_rules(session: Session, tenant_id: int, wanted: Rules, *, by: audit.Actor, now: datetime) -> Rules:
    """Set whether passwords sign in, per audience; return what held before.

    Where they become refused, password sessions end in the same transaction,
    but for emergency accounts and for ``by``, who stays until the rule is proven.
    Raises NotSigningIn, NoWayBack or WouldLockOut.
    """
    with writing(session):
        one_at_a_time(session, tenant_id)
        connection = _of_tenant(session, tenant_id, locked=True)
        if connection is None or not _signs_in(session, connection):
            raise NotSigningIn
        _settle(session, connection, now)
        before = Rules(connection.portal_passwords, connection.agent_passwords)
        if wanted == before:
            return before
        if wanted.portal == "refused" and before.portal != "refused":
            _refuse_without_way_back(session, tenant_id, now)
        state = read_state(session, tenant_id, now)
        refuse_lock_out(state, replace(state, passwords=wanted.portal))
        _put(connection, wanted)
        if _is_stricter(wanted, before):
            # A second change while the first still waits goes back to what was proven, not half way.
            if connection.reverts_at is None:
                connection.reverts_to = {
                    "portal": before.portal, "agent": before.agent, "by": by.account_id,
                }  # fmt: skip
            connection.reverts_at = now + timedelta(minutes=SAFETY_MINUTES)
        elif not _is_stricter(wanted, _previous(connection)):
            connection.reverts_at = connection.reverts_to = None
        for audience in ("portal", "agent"):
            if wanted.of(audience) == "refused" != before.of(audience):
                _end_password_sessions(session, tenant_id, audience, now, but=by.account_id)
        _record(session, connection, "connection.passwords", before, wanted, by, now)
        return before


def spread_net(session: Session, tenant_id: int, now: datetime) -> None:
    """Let passwords return unless the provider is proven anew: switched on, or with another revision.

    Part of the caller's transaction. Without it, a revision that lets nobody in
    would meet a rule that was proven with another one.
    """
    connection = _of_tenant(session, tenant_id, locked=True)
    if connection is None:
        return
    _settle(session, connection, now)
    if _is_stricter(Rules(connection.portal_passwords, connection.agent_passwords), Rules()):
        if connection.reverts_at is None:
            connection.reverts_to = {"portal": "allowed", "agent": "allowed"}
        connection.reverts_at = now + timedelta(minutes=SAFETY_MINUTES)


def revert_overdue(session: Session, now: datetime) -> int:
    """Put back every rule whose time is over unproven; return how many. Forgets the nets of the proven."""
    count = 0
    with writing(session):
        waiting = session.scalars(
            select(Connection).where(Connection.reverts_at.is_not(None)).order_by(Connection.id)
        ).all()
        for connection in waiting:
            count += _settle(session, connection, now)
    return count


def _settle(session: Session, connection: Connection, now: datetime) -> bool:
    """Write down what time and sign-ins have decided; return whether the previous rule returned."""
    if connection.reverts_at is None:
        return False
    if _is_proven(session, connection):
        connection.reverts_at = connection.reverts_to = None
        for audience in ("portal", "agent"):
            if Rules(connection.portal_passwords, connection.agent_passwords).of(audience) == "refused":
                _end_password_sessions(session, connection.tenant_id, audience, now, but=None)
        return False
    if not _is_overdue(connection, now):
        return False
    was, previous = Rules(connection.portal_passwords, connection.agent_passwords), _previous(connection)
    _put(connection, previous)
    connection.reverts_at = connection.reverts_to = None
    _record(session, connection, "connection.passwords_returned", was, previous, SAFETY_NET, now)
    return True


def _of_tenant(session: Session, tenant_id: int, *, locked: bool = False) -> Connection | None:
    wanted = select(Connection).where(Connection.tenant_id == tenant_id)
    return session.scalars(wanted.with_for_update() if locked else wanted).one_or_none()


def _signs_in(session: Session, connection: Connection) -> bool:
    feature = session.get(Feature, (connection.tenant_id, SINGLE_SIGN_ON))
    return connection.enabled and feature is not None and feature.enabled


def _is_overdue(connection: Connection, now: datetime) -> bool:
    return connection.reverts_at is not None and connection.reverts_at <= now


def _is_proven(session: Session, connection: Connection) -> bool:
    """Tell whether an administrator came in through the provider between the change and its end."""
    if connection.reverts_at is None:
        return True
    since = connection.reverts_at - timedelta(minutes=SAFETY_MINUTES)
    return (
        session.scalar(
            select(PersonSession.id)
            .join(Account, Account.id == PersonSession.account_id)
            .where(
                PersonSession.tenant_id == connection.tenant_id,
                PersonSession.connection_id == connection.id,
                PersonSession.audience == "portal",
                PersonSession.method == "sso",
                PersonSession.created_at > since,
                PersonSession.created_at <= connection.reverts_at,
                Account.role.in_(ADMINISTRATORS),
            )
            .limit(1)
        )
        is not None
    )


def _previous(connection: Connection) -> Rules:
    kept = connection.reverts_to or {}
    return Rules(kept.get("portal", "allowed"), kept.get("agent", "allowed"))


def _put(connection: Connection, wanted: Rules) -> None:
    connection.portal_passwords, connection.agent_passwords = wanted.portal, wanted.agent


def _is_stricter(one: Rules, other: Rules) -> bool:
    return (
        STRICTNESS[one.portal] > STRICTNESS[other.portal] or STRICTNESS[one.agent] > STRICTNESS[other.agent]
    )


def has_emergency_access(session: Session, tenant_id: int, now: datetime) -> bool:
    """Tell whether somebody could enter through a rehearsed emergency account."""
    return "emergency" in {way for _, way in ways_in(read_state(session, tenant_id, now))}


def _refuse_without_way_back(session: Session, tenant_id: int, now: datetime) -> None:
    state = read_state(session, tenant_id, now)
    ways = {way for _, way in ways_in(state)}
    if not ways & {"sso", "emergency"}:
        raise NoWayBack
    if "emergency" not in ways:
        raise NotRehearsed


def _end_password_sessions(
    session: Session, tenant_id: int, audience: str, now: datetime, *, but: int | None
) -> None:
    emergency = select(Account.id).where(Account.tenant_id == tenant_id, Account.is_emergency.is_(True))
    session.execute(
        update(PersonSession)
        .where(
            PersonSession.tenant_id == tenant_id,
            PersonSession.audience == audience,
            PersonSession.method == "password",
            PersonSession.ended_at.is_(None),
            PersonSession.account_id.not_in(emergency),
            PersonSession.account_id != (but or 0),
        )
        .values(ended_at=now, end_reason=ENDED_BY_RULE)
        .execution_options(synchronize_session=False)
    )


def _record(
    session: Session,
    connection: Connection,
    action: str,
    before: Rules,
    after: Rules,
    by: audit.Actor,
    now: datetime,
) -> None:
    audit.record(
        session,
        tenant_id=connection.tenant_id,
        actor=by,
        action=action,
        before={"users' passwords": before.portal, "agents' passwords": before.agent},
        after={"users' passwords": after.portal, "agents' passwords": after.agent},
        now=now,
    )
