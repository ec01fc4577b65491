"""The operator's own client and its first Care account."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused
from lvportal.models import Account, Tenant
from lvportal.services import audit
from lvportal.services.folding import fold
from lvportal.services.local_sign_in import LONGEST_PASSWORD
from lvportal.services.passwords import hash_password
from lvportal.services.tenants import CODE
from lvportal.services.transactions import writing

SHORTEST_PASSWORD = 12

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
_NAME = re.compile(r"[^\s\x00-\x1f\x7f]+(?: [^\s\x00-\x1f\x7f]+)*")


class CareAccountExists(ChangeRefused):
    code = "care.exists"
    status = 409
    user_message = "The operator's client has a user with this name already."
    next_step = "Choose another name."
    field = "user_name"


class CareEmailWrong(ChangeRefused):
    code = "care.email"
    user_message = "This is no email address."
    next_step = "Enter one address of at most 254 characters."
    field = "email"


class CareNameWrong(ChangeRefused):
    code = "care.user_name"
    user_message = "This is no user name."
    next_step = "Enter 1 to 64 characters without spaces at either end."
    field = "user_name"


class CarePasswordWeak(ChangeRefused):
    code = "care.password"
    user_message = f"The password needs {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."
    next_step = "Choose a longer one: this account can change every client."
    field = "password"


class OperatorCodeTaken(ChangeRefused):
    code = "care.client_code"
    user_message = "This code cannot be the operator's: it belongs to a client, or is no client code."
    next_step = "Choose another with --client-code."
    field = "client_code"


@dataclass(frozen=True, slots=True)
class NewCareAccount:
    """Who gets the account. Code and name count only when the operator's client is made now."""

    email: str
    user_name: str
    password: str = field(repr=False)
    first_name: str = ""
    last_name: str = ""
    client_code: str = "operator"
    client_name: str = "Operator"


def create_care_account(session: Session, new: NewCareAccount, *, now: datetime) -> str:
    """Write the account, and the operator's client if there is none; return its code.

    Raises a subclass of ChangeRefused.
    """
    _judge(new)
    password_hash = hash_password(new.password)
    with writing(session):
        tenant = _operator(session, new, now)
        taken = select(Account.id).where(
            Account.tenant_id == tenant.id,
            Account.audience == "portal",
            Account.folded_login_name == fold(new.user_name),
        )
        if session.scalar(taken) is not None:
            raise CareAccountExists()
        session.add(
            Account(
                tenant_id=tenant.id,
                audience="portal",
                login_name=new.user_name,
                folded_login_name=fold(new.user_name),
                email=new.email,
                folded_email=fold(new.email),
                first_name=new.first_name,
                last_name=new.last_name,
                role="CARE",
                password_hash=password_hash,
                created_at=now,
            )
        )
        audit.record(
            session,
            tenant_id=tenant.id,
            actor=audit.COMMAND_LINE,
            action="account.created",
            subject=f"user {new.user_name}",
            after={"email": new.email, "role": "CARE", "password": "changed"},
            now=now,
        )
        return tenant.code


def _judge(new: NewCareAccount) -> None:
    if not _EMAIL.fullmatch(new.email) or len(new.email) > 254:
        raise CareEmailWrong()
    if not _NAME.fullmatch(new.user_name) or len(new.user_name) > 64:
        raise CareNameWrong()
    if not SHORTEST_PASSWORD <= len(new.password) <= LONGEST_PASSWORD:
        raise CarePasswordWeak()


def _operator(session: Session, new: NewCareAccount, now: datetime) -> Tenant:
    found = session.scalars(
        select(Tenant)
        .where(Tenant.kind == "operator", Tenant.deleted_at.is_(None))
        .order_by(Tenant.id)
        .limit(1)
    ).one_or_none()
    if found is not None:
        return found
    taken = session.scalar(select(Tenant.id).where(Tenant.code == new.client_code))
    if taken is not None or not CODE.fullmatch(new.client_code):
        raise OperatorCodeTaken()
    tenant = Tenant(code=new.client_code, name=new.client_name, kind="operator", created_at=now)
    session.add(tenant)
    session.flush()
    audit.record(
        session,
        tenant_id=tenant.id,
        actor=audit.COMMAND_LINE,
        action="client.created",
        after={"name": new.client_name, "kind": "operator"},
        now=now,
    )
    return tenant
