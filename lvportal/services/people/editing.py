"""Making and changing users and agents, by the rules about roles. Every change is audited.

All functions run inside the caller's writing transaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused, EditConflict
from lvportal.models import Account, IdentityLink, PersonSession
from lvportal.services import audit
from lvportal.services.enforcement import keeps_a_way_in, rules
from lvportal.services.folding import fold
from lvportal.services.people import lists
from lvportal.services.people.lists import Viewer
from lvportal.services.people.values import AgentValues, UserValues, email_problem, may_give_role, problems

Values = UserValues | AgentValues
EMAIL_CHANGED = "email changed"
DEACTIVATED = "account deactivated"
SSO_ONLY = "single sign-on only"
_USER_FIELDS = ("login_name", "email", "first_name", "last_name", "role", "active")
_AGENT_FIELDS = (
    *("login_name", "email", "first_name", "last_name", "agent_team", "active"),
    *("home_agent", "extension"),
)


class ValuesWrong(ChangeRefused):
    """Fields that are wrong by themselves: ``problems`` has a sentence for each."""

    code = "people.values"
    user_message = "Some fields are not right."
    next_step = "Correct them and save again."

    def __init__(self, found: dict[str, str]) -> None:
        super().__init__(", ".join(found))
        self.problems = found


class LoginNameTaken(ChangeRefused):
    code = "people.login_name_taken"
    user_message = "This name is taken."
    next_step = "Choose another."
    field = "login_name"


class EmailTaken(ChangeRefused):
    """Another active account has the email: a sign-in through the provider would refuse both."""

    code = "people.email_taken"
    user_message = "Another active account has this email."
    next_step = "Give each person their own."
    field = "email"


class RoleNotGiven(ChangeRefused):
    """The actor's role does not reach this role."""

    code = "people.role"
    status = 403
    user_message = "You cannot give this role."
    next_step = "Choose another, or ask a SYSADMIN."
    field = "role"


class OwnRole(ChangeRefused):
    code = "people.own_role"
    user_message = "You cannot change your own role."
    next_step = "Another administrator can."
    field = "role"


class OwnAccount(ChangeRefused):
    code = "people.own_account"
    user_message = "You cannot deactivate yourself."
    next_step = "Another administrator can."
    field = "active"


class LastSysadmin(ChangeRefused):
    code = "people.last_sysadmin"
    user_message = "This is the last active SYSADMIN."
    next_step = "Make another one first."
    field: ClassVar[str | None] = "role"


class EmergencyAccount(ChangeRefused):
    code = "people.emergency"
    user_message = "This is an emergency account."
    next_step = "End that under Security first."
    field = "active"


class ConfirmationNeeded(ChangeRefused):
    """A changed email ends sessions and a link: the person has to say yes to the numbers first."""

    code = "people.confirm"
    user_message = "Changing the email ends sessions."
    next_step = "Confirm it."

    def __init__(self, effect: Effect) -> None:
        super().__init__()
        self.effect = effect


@dataclass(frozen=True, slots=True)
class Effect:
    """What a changed email does besides: sessions that end, links to the provider that are dropped."""

    sessions: int
    links: int


def of_account(account: Account) -> Values:
    """Return an account's values as a form shows them."""
    common = (account.login_name, account.email or "", account.first_name, account.last_name)
    if account.audience == "portal":
        return UserValues(*common, role=account.role or "", active=account.active)
    return AgentValues(
        *common,
        agent_team=account.agent_team,
        active=account.active,
        home_agent=account.home_agent,
        extension=account.extension,
    )


def version_of(account: Account) -> str:
    """Return what changes whenever a field that an editor shows changes: 32 hexadecimal digits."""
    told = json.dumps([_value(account, name) for name in _fields(account.audience)])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def create(session: Session, viewer: Viewer, values: Values, *, by: audit.Actor, now: datetime) -> Account:
    """Make a user or an agent. Raises a ChangeRefused of this module."""
    audience = "portal" if isinstance(values, UserValues) else "agent"
    _judge(values)
    if isinstance(values, UserValues) and not may_give_role(viewer.role, values.role, viewer.is_operator):
        raise RoleNotGiven
    account = Account(
        tenant_id=viewer.tenant_id, audience=audience, created_at=now, agent_team="", extension=""
    )
    _put(account, values)
    _refuse_taken(session, account, None)
    session.add(account)
    _flush(session)
    audit.record(
        session,
        tenant_id=viewer.tenant_id,
        actor=by,
        action="account.created",
        subject=subject_of(account),
        after={name: _value(account, name) for name in _fields(audience)},
        now=now,
    )
    return account


@keeps_a_way_in
def change(
    session: Session,
    viewer: Viewer,
    audience: str,
    account_id: int,
    values: Values,
    *,
    version: str,
    is_confirmed: bool,
    by: audit.Actor,
    now: datetime,
) -> Effect:
    """Change one account, and return what ended with it.

    Raises PageNotFound, EditConflict when the account is no longer as
    ``version`` saw it, ConfirmationNeeded for a new email in the place of
    another, or another ChangeRefused of this module.
    """
    account = _locked(session, viewer, audience, account_id)
    if version != version_of(account):
        raise EditConflict
    before = {name: _value(account, name) for name in _fields(audience)}
    after = {name: getattr(values, name) for name in _fields(audience)}
    changed = [name for name in before if before[name] != after[name]]
    # What stays as it was cannot be what is wrong with the change.
    wrong = {name: words for name, words in problems(values).items() if name in changed}
    if wrong:
        raise ValuesWrong(wrong)
    _refuse_by_role(session, viewer, account, after, changed)
    moves = "email" in changed and bool(account.folded_email)
    stops = "active" in changed and not after["active"]
    effect = effect_of(session, account, now)
    if moves and not is_confirmed:
        raise ConfirmationNeeded(effect)
    old = (account.folded_login_name, account.folded_email, account.active)
    _put(account, values)
    with session.no_autoflush:
        _refuse_taken(session, account, old)
    _flush(session)
    if moves:
        # The provider's subject was matched by the old email: whose it is now must be proven anew.
        session.execute(delete(IdentityLink).where(IdentityLink.account_id == account.id))
    if moves or stops:
        _end_sessions(session, [account.id], now, EMAIL_CHANGED if moves else DEACTIVATED)
    if changed:
        told = {name: after[name] for name in changed}
        if moves or stops:
            told["sessions_ended"] = effect.sessions
        if moves:
            told["links_dropped"] = effect.links
        audit.record(
            session,
            tenant_id=viewer.tenant_id,
            actor=by,
            action="account.changed",
            subject=subject_of(account),
            before={name: before[name] for name in changed},
            after=told,
            now=now,
        )
    return effect if moves or stops else Effect(0, 0)


def unlock(
    session: Session, viewer: Viewer, audience: str, ids: Sequence[int], *, by: audit.Actor, now: datetime
) -> int:
    """Let passwords be tried again. Returns how many accounts were locked or had failed tries."""
    done = []
    for account in _chosen(session, viewer, audience, ids):
        if account.failed_attempts or account.locked_until:
            locked = account.locked_until.isoformat(timespec="seconds") if account.locked_until else None
            before = {"failed_attempts": account.failed_attempts, "locked_until": locked}
            account.failed_attempts, account.locked_until = 0, None
            after = {"failed_attempts": 0, "locked_until": None}
            done.append(audit.Change("account.changed", subject_of(account), before, after))
    audit.record_many(session, tenant_id=viewer.tenant_id, actor=by, changes=done, now=now)
    return len(done)


@keeps_a_way_in
def deactivate(
    session: Session, viewer: Viewer, audience: str, ids: Sequence[int], *, by: audit.Actor, now: datetime
) -> int:
    """Switch accounts off and end their sessions. Returns how many were active.

    All or none: raises OwnAccount, EmergencyAccount or LastSysadmin.
    """
    accounts = [account for account in _chosen(session, viewer, audience, ids) if account.active]
    for account in accounts:
        _refuse_to_stop(viewer, account)
    if any(account.role == "SYSADMIN" for account in accounts):
        _keep_a_sysadmin(session, viewer.tenant_id, [account.id for account in accounts])
    for account in accounts:
        account.active = False
    _end_sessions(session, [account.id for account in accounts], now, DEACTIVATED)
    done = [
        audit.Change("account.changed", subject_of(account), {"active": True}, {"active": False})
        for account in accounts
    ]
    audit.record_many(session, tenant_id=viewer.tenant_id, actor=by, changes=done, now=now)
    return len(done)


@keeps_a_way_in
def set_sso_only(
    session: Session,
    viewer: Viewer,
    audience: str,
    ids: Sequence[int],
    *,
    required: bool,
    by: audit.Actor,
    now: datetime,
) -> int:
    """Say for whom a password is not enough while the host's rule is "not for chosen people".

    While it is, sessions that those people opened by password end. All or none:
    raises EmergencyAccount or WouldLockOut. Returns how many accounts changed.
    """
    accounts = [one for one in _chosen(session, viewer, audience, ids) if one.sso_only is not required]
    if required and any(account.is_emergency for account in accounts):
        raise EmergencyAccount
    for account in accounts:
        account.sso_only = required
    if required and rules(session, viewer.tenant_id, now).of(audience) == "chosen":
        _end_sessions(session, [one.id for one in accounts], now, SSO_ONLY, method="password")
    done = [
        audit.Change(
            "account.changed", subject_of(account), {"sso_only": not required}, {"sso_only": required}
        )
        for account in accounts
    ]
    audit.record_many(session, tenant_id=viewer.tenant_id, actor=by, changes=done, now=now)
    return len(accounts)


@keeps_a_way_in
def relink(
    session: Session, viewer: Viewer, audience: str, account_id: int, *, by: audit.Actor, now: datetime
) -> int:
    """Forget which of the provider's identities the account belongs to: the next sign-in decides anew.

    Ends the sessions that the forgotten identity opened. Returns how many links there were.
    """
    account = _locked(session, viewer, audience, account_id)
    _refuse_beyond_role(viewer, account)
    mine = IdentityLink.account_id == account.id
    links = session.scalars(select(IdentityLink).where(mine)).all()
    if links:
        session.execute(delete(IdentityLink).where(mine))
        _end_sessions(session, [account.id], now, "re-linked", method="sso")
        audit.record(
            session,
            tenant_id=viewer.tenant_id,
            actor=by,
            action="account.changed",
            subject=subject_of(account),
            before={"issuer": ", ".join(link.issuer for link in links)},
            after={"issuer": None},
            now=now,
        )
    return len(links)


def effect_of(session: Session, account: Account, now: datetime) -> Effect:
    """Count what a changed email would end."""
    live = (
        PersonSession.account_id == account.id,
        PersonSession.ended_at.is_(None),
        PersonSession.expires_at > now,
    )
    sessions = session.scalar(select(func.count()).select_from(PersonSession).where(*live))
    links = session.scalar(
        select(func.count()).select_from(IdentityLink).where(IdentityLink.account_id == account.id)
    )
    return Effect(int(sessions or 0), int(links or 0))


def subject_of(account: Account) -> str:
    """Return how the audit record names an account."""
    return f"{account.login_name} ({account.audience})"


def _judge(values: Values) -> None:
    found = problems(values)
    if found:
        raise ValuesWrong(found)


def _fields(audience: str) -> tuple[str, ...]:
    return _USER_FIELDS if audience == "portal" else _AGENT_FIELDS


def _value(account: Account, name: str) -> Any:
    value = getattr(account, name)
    return "" if value is None else value


def _put(account: Account, values: Values) -> None:
    for name in _fields(account.audience):
        setattr(account, name, getattr(values, name))
    account.email = values.email or None
    account.folded_email = fold(values.email) if values.email else None
    account.folded_login_name = fold(values.login_name)


def _locked(session: Session, viewer: Viewer, audience: str, account_id: int) -> Account:
    """Return the account, as it is now and until the end of the transaction."""
    account = lists.find(session, viewer, audience, account_id)
    session.refresh(account, with_for_update={"key_share": True})
    return account


def _chosen(session: Session, viewer: Viewer, audience: str, ids: Sequence[int]) -> Sequence[Account]:
    """Return those of the accounts that the viewer sees and may change, locked in the order of their ids."""
    within = [one for one in ids if 0 < one <= lists.LARGEST_ID]
    found = session.scalars(
        select(Account)
        .where(Account.id.in_(within), *viewer.sees(audience))
        .order_by(Account.id)
        .with_for_update(key_share=True)
    ).all()
    for account in found:
        _refuse_beyond_role(viewer, account)
    return found


def _refuse_beyond_role(viewer: Viewer, account: Account) -> None:
    if account.role is not None and not may_give_role(viewer.role, account.role, viewer.is_operator):
        raise RoleNotGiven


def _refuse_by_role(
    session: Session, viewer: Viewer, account: Account, after: dict[str, Any], changed: Sequence[str]
) -> None:
    _refuse_beyond_role(viewer, account)
    if "role" in changed:
        if account.id == viewer.account_id:
            raise OwnRole
        if not may_give_role(viewer.role, after["role"], viewer.is_operator):
            raise RoleNotGiven
        if account.is_emergency:
            raise EmergencyAccount
    stops = "active" in changed and not after["active"]
    if stops:
        _refuse_to_stop(viewer, account)
    if account.role == "SYSADMIN" and account.active and ("role" in changed or stops):
        _keep_a_sysadmin(session, viewer.tenant_id, [account.id])


def _refuse_to_stop(viewer: Viewer, account: Account) -> None:
    if account.id == viewer.account_id:
        raise OwnAccount
    if account.is_emergency:
        raise EmergencyAccount


def _keep_a_sysadmin(session: Session, tenant_id: int, leaving: Sequence[int]) -> None:
    # All of them locked: two who demote each other at one instant go one after the other.
    there = session.scalars(
        select(Account.id)
        .where(
            Account.tenant_id == tenant_id,
            Account.audience == "portal",
            Account.role == "SYSADMIN",
            Account.active.is_(True),
        )
        .order_by(Account.id)
        .with_for_update(key_share=True)
    ).all()
    if not set(there) - set(leaving):
        raise LastSysadmin


def _refuse_taken(session: Session, account: Account, old: tuple[str, str | None, bool] | None) -> None:
    mine = (Account.tenant_id == account.tenant_id, Account.audience == account.audience)
    same_name = select(Account.id).where(*mine, Account.folded_login_name == account.folded_login_name)
    if (old is None or old[0] != account.folded_login_name) and session.scalar(same_name.limit(1)):
        raise LoginNameTaken
    takes = old is None or old[1] != account.folded_email or not old[2]
    if account.active and account.folded_email and takes:
        holders = select(Account.id).where(
            *mine, Account.folded_email == account.folded_email, Account.active.is_(True)
        )
        if account.id is not None:
            holders = holders.where(Account.id != account.id)
        if session.scalar(holders.limit(1)):
            raise EmailTaken


def _flush(session: Session) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        # Somebody else took the name between the look and the write.
        raise LoginNameTaken from error


def _end_sessions(
    session: Session, ids: Sequence[int], now: datetime, reason: str, method: str | None = None
) -> None:
    ending = update(PersonSession).where(PersonSession.account_id.in_(ids), PersonSession.ended_at.is_(None))
    if method is not None:
        ending = ending.where(PersonSession.method == method)
    session.execute(
        ending.values(ended_at=now, end_reason=reason).execution_options(synchronize_session=False)
    )


def is_valid(email: str) -> bool:
    """Tell whether an address that is there is one."""
    return not email or email_problem(email) is None
