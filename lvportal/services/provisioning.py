"""What a provider's word changes before a person is let in: another role, or a new account.

Nothing here decides who may enter: afterwards the person is matched as ever
(services/accounts.py), and a refusal there takes nothing back.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused, NoAccount, SignInRefused
from lvportal.models import Account, Tenant
from lvportal.protocols.contract import ExternalIdentity
from lvportal.services import accounts, audit, domains
from lvportal.services.enforcement import ADMINISTRATORS, read_state, ways_in
from lvportal.services.folding import fold
from lvportal.services.matching import LEAST_ROLE, MatchingRules, login_names, mapped_role
from lvportal.services.people import editing
from lvportal.services.people.lists import Viewer
from lvportal.services.people.values import LONGEST, AgentValues, UserValues
from lvportal.services.transactions import writing

_LONGEST_LOGON_ID = 20

logger = logging.getLogger("lvportal.provisioning")


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a sign-in of this person would change. ``role`` is a user's, afterwards.

    ``account_id`` None with a ``refused``: nothing is made, and in words why.
    """

    account_id: int | None = None
    creates: bool = False
    role: str | None = None
    refused: str = ""

    @property
    def changes(self) -> bool:
        """Tell whether anything would be different."""
        return self.creates or self.role is not None


NOTHING = Foreseen()


def foresee(
    session: Session,
    tenant_id: int,
    audience: str,
    identity: ExternalIdentity,
    rules: MatchingRules,
    *,
    now: datetime,
) -> Foreseen:
    """Tell what a sign-in would change, and change nothing."""
    if not rules.may_change(audience):
        return NOTHING
    found = accounts.candidates(
        session.connection(),
        tenant_id=tenant_id,
        audience=audience,
        issuer=identity.issuer,
        subject=identity.subject,
        email=identity.email,
    )
    wanted = mapped_role(identity.groups, rules.roles) if audience == "portal" else None
    try:
        match = accounts.judge_match(
            found, email=identity.email, subject=identity.subject, matches_case=rules.matches_case
        )
    except NoAccount:
        # Somebody whom the email or the subject points to, in whatever way, is not a new person.
        if found or audience not in rules.creates:
            return NOTHING
        return _foresee_account(session, tenant_id, audience, identity, wanted)
    except SignInRefused:
        return NOTHING
    if wanted is None:
        return NOTHING
    account = session.get_one(Account, match.account_id)
    is_out_of_reach = account.is_emergency or account.role in ("SYSADMIN", "CARE")
    if is_out_of_reach or account.role == wanted or _is_operator(session, tenant_id):
        return NOTHING
    if wanted not in ADMINISTRATORS and _is_last_administrator(session, tenant_id, account, now):
        return NOTHING
    return Foreseen(account.id, role=wanted)


def carry_out(
    engine: Engine,
    tenant_id: int,
    audience: str,
    identity: ExternalIdentity,
    rules: MatchingRules,
    *,
    by: audit.Actor,
    now: datetime,
) -> None:
    """Make what ``foresee`` tells. What a rule of the portal refuses is left as it is, and logged."""
    with Session(engine) as session:
        if not foresee(session, tenant_id, audience, identity, rules, now=now).changes:
            return
    for _ in range(2):  # two first sign-ins at once: one makes the account, the other finds it
        try:
            with Session(engine) as session, writing(session):
                foreseen = foresee(session, tenant_id, audience, identity, rules, now=now)
                if foreseen.creates:
                    _create(session, tenant_id, audience, identity, foreseen, by, now)
                elif foreseen.role is not None:
                    _change_role(session, tenant_id, foreseen, by, now)
            return
        except ChangeRefused as refused:
            logger.warning("not changed at a sign-in: %s", refused.code)
            if not isinstance(refused, editing.LoginNameTaken):
                return


def _foresee_account(
    session: Session, tenant_id: int, audience: str, identity: ExternalIdentity, wanted: str | None
) -> Foreseen:
    if not identity.email_is_verified:
        return Foreseen(refused=f"the provider has not confirmed {identity.email}")
    if not domains.is_proven(session, tenant_id, identity.email):
        return Foreseen(refused="the domain of this email is not proven by DNS")
    if _is_operator(session, tenant_id):
        return NOTHING
    return Foreseen(creates=True, role=(wanted or LEAST_ROLE) if audience == "portal" else None)


def _create(
    session: Session,
    tenant_id: int,
    audience: str,
    identity: ExternalIdentity,
    foreseen: Foreseen,
    by: audit.Actor,
    now: datetime,
) -> None:
    name = _free_name(session, tenant_id, audience, identity.email)
    person = (name, identity.email, identity.given_name, identity.family_name)
    values = AgentValues(*person) if foreseen.role is None else UserValues(*person, role=foreseen.role)
    account = editing.create(session, _viewer(tenant_id), values, by=by, now=now)
    account.made_by_provider = True


def _free_name(session: Session, tenant_id: int, audience: str, email: str) -> str:
    names = login_names(email, _LONGEST_LOGON_ID if audience == "agent" else LONGEST["login_name"])
    taken = set(
        session.scalars(
            select(Account.folded_login_name).where(
                Account.tenant_id == tenant_id,
                Account.audience == audience,
                Account.folded_login_name.in_([fold(name) for name in names]),
            )
        )
    )
    return next((name for name in names if fold(name) not in taken), names[0])


def _change_role(
    session: Session, tenant_id: int, foreseen: Foreseen, by: audit.Actor, now: datetime
) -> None:
    account = session.get_one(Account, foreseen.account_id)
    values = editing.of_account(account)
    if not isinstance(values, UserValues) or foreseen.role is None:
        raise AssertionError("only users have roles")
    editing.change(
        session,
        _viewer(tenant_id),
        "portal",
        account.id,
        replace(values, role=foreseen.role),
        version=editing.version_of(account),
        is_confirmed=True,
        by=by,
        now=now,
    )


def _is_last_administrator(session: Session, tenant_id: int, account: Account, now: datetime) -> bool:
    # Not only when a way in is lost: one who never came through the provider has none yet to lose.
    if account.role not in ADMINISTRATORS:
        return False
    state = read_state(session, tenant_id, now)
    others = tuple(one for one in state.administrators if one.account_id != account.id)
    return not ways_in(replace(state, administrators=others))


def _viewer(tenant_id: int) -> Viewer:
    # With a SUPERUSER's reach: every rule that keeps one from SYSADMINs keeps the provider from them.
    return Viewer(tenant_id, account_id=0, role="SUPERUSER")


def _is_operator(session: Session, tenant_id: int) -> bool:
    # Whoever runs the operator's provider must not make staff that sees every client.
    return session.get_one(Tenant, tenant_id).kind == "operator"
