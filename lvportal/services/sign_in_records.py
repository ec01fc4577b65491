"""What a sign-in leaves behind: one record, with a reference that can be looked up."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from string import Formatter

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from lvportal.errors import STEPS, SignInRefused
from lvportal.models import SignInRecord
from lvportal.models.base import table
from lvportal.models.prepared import PreparedWrite, Transaction
from lvportal.services import references
from lvportal.services.folding import fold
from lvportal.services.transactions import Database, connection_of

log = logging.getLogger(__name__)

LONGEST_FACT = 500  # an issuer's longest (models/connections.py)
_IN_COLUMNS = {"client", "provider", "email"}

_RECORDS = table(SignInRecord)
_INSERT = PreparedWrite(insert(_RECORDS).inline())
_FREE_STATE = PreparedWrite(
    update(_RECORDS)
    .where(
        _RECORDS.c.state_hash == bindparam("of_state"),
        _RECORDS.c.outcome == "refused",
        _RECORDS.c.step == STEPS.index("code exchanged") + 1,
    )
    .values(state_hash=None)
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a request came from, for records and the list of sessions."""

    address: str
    device: str


def write(
    database: Database,
    *,
    tenant_id: int,
    audience: str,
    method: str,
    visitor: Visitor,
    now: datetime,
    refused: SignInRefused | None = None,
    account_id: int | None = None,
    email: str | None = None,
    revision_id: int | None = None,
    state_hash: str | None = None,
    claim_names: tuple[str, ...] = (),
    harmless_claims: dict[str, str] | None = None,
) -> str:
    """Write one record and return its reference.

    Raises IntegrityError when a record with this ``state_hash`` exists: the
    sign-in was finished already.
    """
    reference = references.new_reference()
    email = (email or _email_of(refused))[:254] or None
    _INSERT.run(
        connection_of(database),
        {
            "reference": reference,
            "tenant_id": tenant_id,
            "audience": audience,
            "at": now,
            "outcome": "refused" if refused else "signed_in",
            "method": method,
            "code": refused.code if refused else None,
            "step": refused.step if refused else len(STEPS),
            "account_id": account_id,
            "email": email,
            "folded_email": fold(email) if email else None,
            "revision_id": revision_id,
            "state_hash": state_hash,
            "claim_names": list(refused.claim_names if refused else claim_names),
            "harmless_claims": harmless_claims or {},
            "provider_said": refused.provider_said[:200] if refused else "",
            "detail": refused.detail[:1000] if refused else "",
            "facts": facts_of(refused) if refused else {},
            "address": visitor.address[:45],
            "device": visitor.device[:200],
        },
    )
    if refused is not None:
        refused.reference, refused.is_recorded = reference, True
    return reference


def facts_of(refused: SignInRefused) -> dict[str, str]:
    """Return what the refusal's own sentences need to be said again later, as short texts.

    Only what a sentence names: a fact that none asks for is not kept. Client,
    provider and email stand in columns of their own.
    """
    kind = type(refused)
    templates = kind.user_message + kind.next_step + kind.administrator_step
    named = {name for _, name, _, _ in Formatter().parse(templates) if name} - _IN_COLUMNS
    return {
        name: str(refused.facts[name]).replace("\x00", "")[:LONGEST_FACT]
        for name in sorted(named)
        if refused.facts.get(name) not in (None, "")
    }


def free_state(database: Transaction, state_hash: str) -> bool:
    """Let a state be used after all if its record says that the code was not exchanged.

    The record stays, with its reference. Returns whether there was one.
    """
    return bool(_FREE_STATE.run(database, {"of_state": state_hash}))


def find(session: Session, reference: str, *, tenant_id: int | None = None) -> SignInRecord | None:
    """Return a record by its reference as somebody typed it; of one client, or of any for Care."""
    plain = references.read(reference)
    if plain is None:
        return None
    query = select(SignInRecord).where(SignInRecord.reference == plain)
    if tenant_id is not None:
        query = query.where(SignInRecord.tenant_id == tenant_id)
    return session.scalars(query).one_or_none()


def log_refusal(refused: SignInRefused, *, client_code: str, audience: str) -> None:
    """Log a refusal; one that is not recorded gets a reference that stands in the log alone."""
    if refused.reference is None:
        refused.reference = references.new_reference()
    log.warning(
        "sign_in.refused",
        extra={
            "tenant": client_code[:40],
            "audience": audience,
            "error": refused.code,
            "reference": refused.reference,
            "detail": refused.detail[:300],
        },
    )


def _email_of(refused: SignInRefused | None) -> str:
    return str(refused.facts.get("email") or "") if refused else ""
