"""What administrators are warned of before anybody calls: a provider that refuses us, secrets that end."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import and_, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from lvportal.errors import SignInRefused, fill, tree
from lvportal.models import Account, Connection, Feature, MailMessage, Revision, Tenant
from lvportal.models.base import table
from lvportal.models.prepared import Prepared, PreparedWrite, Transaction
from lvportal.models.tenants import SINGLE_SIGN_ON
from lvportal.providers import KNOWN
from lvportal.services import mail
from lvportal.services.transactions import writing

log = logging.getLogger(__name__)

# --- The provider refuses us --------------------------------------------------

PASSING_CODES = frozenset(
    {
        "sign_in.unreachable",
        "sign_in.name_unknown",
        "sign_in.slow",
        "sign_in.token_unavailable",
    }
)
"""Causes that may be over in a minute: the mail waits, and is dropped when somebody gets in before."""

FAILING_CODES = PASSING_CODES | frozenset(
    {
        # what we are to the provider
        "sign_in.bad_secret",
        "sign_in.secret_expired",
        "sign_in.secret_missing",
        "sign_in.secret_unwanted",
        "sign_in.secret_unreadable",
        "sign_in.grant_off",
        # its address
        "sign_in.address",
        "sign_in.certificate",
        "sign_in.tls",
        "sign_in.redirected",
        # what it publishes
        "sign_in.document",
        "sign_in.metadata",
        "sign_in.metadata_missing",
        "sign_in.metadata_malformed",
        "sign_in.metadata_incomplete",
        "sign_in.metadata_issuer",
        "sign_in.metadata_issuer_template",
        "sign_in.endpoint",
        "sign_in.keys",
        "sign_in.keys_missing",
        # its tokens
        "sign_in.token_answer",
        "sign_in.id_token_missing",
        "sign_in.token_malformed",
        "sign_in.token_encrypted",
        "sign_in.token_type",
        "sign_in.algorithm",
        "sign_in.key_missing",
        "sign_in.signature",
        "sign_in.issuer",
        "sign_in.audience",
        "sign_in.clock",
    }
)
"""Refusals that meet everybody who signs in at the client.

Each is what the provider told this server over TLS. What a browser carries (an
error in the address, another issuer, a code of another place) is in no way a
sign: anybody could start an alarm with it.
"""

PASSING_MINUTES = 5

_CONNECTIONS = table(Connection)
_ACCOUNTS = table(Account)
_TENANTS = table(Tenant)
_MESSAGES = table(MailMessage)

_SET_FAILING = PreparedWrite(
    update(_CONNECTIONS)
    .where(_CONNECTIONS.c.tenant_id == bindparam("of_tenant"), _CONNECTIONS.c.failing_since.is_(None))
    .values(failing_since=bindparam("since"), failing_code=bindparam("with_code"))
)
_SET_CODE = PreparedWrite(
    update(_CONNECTIONS)
    .where(_CONNECTIONS.c.tenant_id == bindparam("of_tenant"))
    .values(failing_code=bindparam("with_code"))
)
_CLEAR_FAILING = PreparedWrite(
    update(_CONNECTIONS)
    .where(_CONNECTIONS.c.tenant_id == bindparam("of_tenant"))
    .values(failing_since=bindparam("nothing"), failing_code=bindparam("no_code"))
)
_DROP_WAITING = PreparedWrite(
    update(_MESSAGES)
    .where(
        _MESSAGES.c.tenant_id == bindparam("of_tenant"),
        _MESSAGES.c.kind == bindparam("of_kind"),
        _MESSAGES.c.sent_at.is_(None),
        _MESSAGES.c.attempts == 0,
        _MESSAGES.c.next_try_at.is_not(None),
    )
    .values(next_try_at=bindparam("nothing"), last_error=bindparam("reason"))
)
_WHOM_TO_TELL = Prepared(
    select(_ACCOUNTS.c.id, _ACCOUNTS.c.email, _TENANTS.c.name)
    .select_from(_ACCOUNTS)
    .join(_TENANTS, _TENANTS.c.id == _ACCOUNTS.c.tenant_id)
    .where(
        _ACCOUNTS.c.tenant_id == bindparam("tenant_id"),
        _ACCOUNTS.c.audience == "portal",
        or_(*(_ACCOUNTS.c.role == role for role in mail.ADMINISTRATOR_ROLES)),
        _ACCOUNTS.c.active.is_(True),
        func.coalesce(_ACCOUNTS.c.email, "") != "",
    )
)
_MESSAGE = PreparedWrite(insert(_MESSAGES).inline())


def is_sign_of_failure(refused: SignInRefused) -> bool:
    """Tell whether a refusal is about the client's connection and not about one person."""
    return refused.code in FAILING_CODES


def note_refusal(
    database: Transaction, tenant_id: int, refused: SignInRefused, now: datetime, *, known_code: str | None
) -> bool:
    """Remember since when the provider refuses everybody; return whether an episode begins.

    ``known_code`` is the one that the connection is known to fail with, None when
    it works. The beginning leaves one message for each administrator.
    """
    if not is_sign_of_failure(refused) or refused.code == known_code:
        return False
    if known_code is not None:
        _SET_CODE.run(database, {"of_tenant": tenant_id, "with_code": refused.code})
        return False
    begins = _SET_FAILING.run(database, {"of_tenant": tenant_id, "since": now, "with_code": refused.code})
    if begins:
        _tell_administrators(database, tenant_id, refused, now)
    return bool(begins)


def note_success(database: Transaction, tenant_id: int) -> None:
    """Remember that the provider signs people in again; drop the messages that have not left yet.

    To be called only when the connection was known to fail: a sign-in on a good
    day pays nothing for this.
    """
    _CLEAR_FAILING.run(database, {"of_tenant": tenant_id, "nothing": None, "no_code": None})
    _DROP_WAITING.run(
        database,
        {"of_tenant": tenant_id, "of_kind": "failing", "nothing": None, "reason": "over before it was sent"},
    )


def _tell_administrators(
    database: Transaction, tenant_id: int, refused: SignInRefused, now: datetime
) -> None:
    passes = refused.code in PASSING_CODES
    for account_id, email, client in _WHOM_TO_TELL.rows(database, {"tenant_id": tenant_id}):
        facts = {"client": client, **refused.facts}
        provider = str(facts.get("provider") or "your sign-in provider")
        _MESSAGE.run(
            database,
            {
                "tenant_id": tenant_id,
                "key": f"failing:{tenant_id}:{now.isoformat(timespec='microseconds')}:{account_id}",
                "kind": "failing",
                "recipient": email,
                "subject": mail.one_line(f"Sign-in through {provider} fails for {client}")[:200],
                "body": (
                    f"Since {now:%d %b %Y, %H:%M} UTC nobody of {client} gets in through {provider}.\n\n"
                    f"Cause: {fill(refused.user_message, facts)}\n"
                    f"What to do: {fill(refused.administrator_step, facts)}\n"
                    f"Code: {refused.code}\n\n"
                    "Configure > Client > Security shows how it stands, Monitor > Sign-ins each try.\n"
                    "You get one message until somebody has signed in again.\n"
                ).replace("\x00", ""),
                "created_at": now,
                "attempts": 0,
                "next_try_at": now + timedelta(minutes=PASSING_MINUTES if passes else 0),
                "sent_at": None,
                "last_error": "",
            },
        )


# What stands in a sentence for what only the record of a sign-in knows.
_PLAIN_FACTS: dict[str, object] = {
    "address": "the provider's address",
    "direction": "off",
    "method": "the one chosen here",
    "seconds": "too many",
}
LOOK_AT_THE_RECORD = (
    "Check the issuer under Security, and open the last refused sign-in: it says what arrived."
)


@dataclass(frozen=True, slots=True)
class FailureWords:
    """Why a connection fails and what mends it, in sentences."""

    cause: str
    fix: str


def words_of(code: str, *, client: str, provider: str) -> FailureWords:
    """Return the words of a failing connection's code; what only a record knows is left to it."""
    error = _errors().get(code, SignInRefused)
    facts = _PLAIN_FACTS | {"client": client, "provider": provider}
    template = re.sub(r" \(\{reason\}\)|: \{reason\}", "", error.administrator_step)
    # A sentence about what arrived stays out: only the record of a sign-in knows that.
    known = [
        sentence
        for sentence in re.split(r"(?<=[.!?])\s+", template.removeprefix("{address}. "))
        if set(re.findall(r"{(\w+)}", sentence)) <= set(facts)
    ]
    fix = fill(" ".join(known), facts) if known else LOOK_AT_THE_RECORD
    return FailureWords(fill(error.user_message, facts), fix[:1].upper() + fix[1:])


@cache
def _errors() -> dict[str, type[SignInRefused]]:
    return {error.code: error for error in tree(SignInRefused) if issubclass(error, SignInRefused)}


# --- Secrets that end ---------------------------------------------------------

WARNED_DAYS = (60, 30, 14, 7, 1, 0)
"""How many days before a secret ends administrators are written to; 0: when it has ended."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """A secret that ends soon, and whose it is."""

    tenant_id: int
    client: str
    provider: str
    connection_id: int
    is_next: bool
    has_next: bool
    on: date
    days: int


def warn_of_ending_secrets(session: Session, now: datetime) -> int:
    """Leave the messages that are due today; return how many are new.

    Each step of ``WARNED_DAYS`` is told once to each administrator, for the
    current and for the next secret. Steps that passed while nobody ran this are
    left out: the nearest one says it all.
    """
    count = 0
    for ending in _endings(session, now):
        step = min(days for days in WARNED_DAYS if ending.days <= days)
        which = "next" if ending.is_next else "current"
        with writing(session):
            count += mail.queue_to_administrators(
                session,
                tenant_id=ending.tenant_id,
                key=f"secret:{ending.connection_id}:{which}:{ending.on.isoformat()}:{step}",
                kind="secret_expiry",
                subject=_subject(ending),
                body=_body(ending),
                now=now,
            )
    return count


def _endings(session: Session, now: datetime) -> list[_Ending]:
    # A day more than the first step, for zones that are a day ahead.
    horizon = now.date() + timedelta(days=WARNED_DAYS[0] + 1)
    live = aliased(Revision)
    rows = session.execute(
        select(
            Tenant.id.label("tenant_id"),
            Tenant.name,
            Tenant.time_zone,
            Connection.id.label("connection_id"),
            Connection.next_sealed_secret.is_not(None).label("has_next"),
            Connection.next_secret_expires_on,
            live.provider,
            live.secret_expires_on,
        )
        .join(Connection, Connection.tenant_id == Tenant.id)
        .join(live, live.id == Connection.live_revision_id)
        .join(Feature, and_(Feature.tenant_id == Tenant.id, Feature.name == SINGLE_SIGN_ON))
        .where(
            Tenant.deleted_at.is_(None),
            Connection.enabled.is_(True),
            Feature.enabled.is_(True),
            or_(live.secret_expires_on <= horizon, Connection.next_secret_expires_on <= horizon),
        )
        .order_by(Tenant.id)
    ).all()
    found = []
    for row in rows:
        both = [(False, row.secret_expires_on), (True, row.next_secret_expires_on if row.has_next else None)]
        found += [_ending(row, is_next, on, now) for is_next, on in both if on is not None]
    return [one for one in found if one.days <= WARNED_DAYS[0]]


def _ending(row: Any, is_next: bool, on: date, now: datetime) -> _Ending:
    known = KNOWN.get(row.provider)
    return _Ending(
        tenant_id=row.tenant_id,
        client=row.name,
        provider=known.label if known else "your sign-in provider",
        connection_id=row.connection_id,
        is_next=is_next,
        has_next=row.has_next,
        on=on,
        days=(on - now.astimezone(_zone(row.time_zone)).date()).days,
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _when(days: int) -> str:
    if days < 0:
        return "has expired"
    return {0: "expires today", 1: "expires tomorrow"}.get(days, f"expires in {days} days")


def _subject(ending: _Ending) -> str:
    which = "next secret" if ending.is_next else "secret"
    return f"{ending.client}: the {which} of {ending.provider} {_when(ending.days)}"


def _body(ending: _Ending) -> str:
    which = "next secret" if ending.is_next else "secret"
    on = f"{ending.on.day} {ending.on:%b %Y}"
    lines = [f"The {which} that {ending.client} uses at {ending.provider} {_when(ending.days)} ({on}).", ""]
    if ending.is_next:
        lines.append("Make another one at the provider and store it in its place, or swap it in before then.")
    elif ending.has_next:
        lines.append("A next secret is stored already: test it and swap it in.")
    else:
        lines.append("Make a new secret at the provider, store it as the next one, test it and swap it in.")
    if not ending.is_next:
        gone = ending.days < 0
        lines.append(
            f"{'Nobody can' if gone else 'After that nobody can'} sign in through {ending.provider}"
            f"{' until then' if gone else ''}."
        )
    lines += ["", "Configure > Client > Security, step 3 and Rotate secret.", ""]
    return "\n".join(lines)
