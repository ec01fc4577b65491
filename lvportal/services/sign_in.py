"""The story of one sign-in through a client's provider: begin, finish.

Nothing is written before the provider has answered, and no database connection
waits for it. What must be remembered meanwhile travels in the browser, sealed;
what the answer leaves behind is one transaction: a session and its record, or
the record of a refusal.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy import bindparam, insert, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from lvportal.errors import (
    ConnectionChanged,
    InitiatorRefused,
    SignInExpired,
    SignInRefused,
    SingleSignOnOff,
)
from lvportal.models import Account, IdentityLink
from lvportal.models.base import table
from lvportal.models.prepared import PreparedWrite, Transaction
from lvportal.protocols.contract import Answer, Departure, ExternalIdentity, PendingSignIn, SignInProtocol
from lvportal.services import accounts, audit, connections, provisioning, sessions, sign_in_records, warnings
from lvportal.services.connections import ClientAtTheDoor, LiveConnection
from lvportal.services.folding import fold
from lvportal.services.matching import MatchingRules
from lvportal.services.sign_in_records import Visitor
from lvportal.services.transactions import writing_at_once

PENDING_SECONDS = 600

_LINK = PreparedWrite(insert(table(IdentityLink)).inline())
_SEEN = PreparedWrite(
    update(table(Account))
    .where(table(Account).c.id == bindparam("of_account"))
    .values(last_sign_in_at=bindparam("at"), last_address=bindparam("address"))
)


class ConnectedProtocol(SignInProtocol, Protocol):
    """A protocol bound to one revision, with the rules of matching, which are not the protocol's."""

    @property
    def issuer(self) -> str: ...

    @property
    def matching(self) -> MatchingRules: ...

    @property
    def provider_label(self) -> str: ...


class Protocols(Protocol):
    """Where a live connection's protocol object comes from: the shared registry."""

    def protocol_for(self, engine: Engine, connection: LiveConnection) -> ConnectedProtocol: ...


@dataclass(frozen=True, slots=True)
class Start:
    """A wish to sign in at one client on one host."""

    client_code: str
    redirect_uri: str
    return_to: str = "/"
    initiator_issuer: str | None = None  # ``iss`` of a third-party start
    login_hint: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """The provider's answer at the same address, and what this browser remembers of the start."""

    client_code: str
    audience: str
    redirect_uri: str
    answer: Answer
    pending: PendingSignIn | None
    visitor: Visitor


@dataclass(frozen=True, slots=True)
class Welcome:
    """A finished sign-in: the session to hand out and the page to open."""

    opened: sessions.Opened = field(repr=False)
    return_to: str
    client_code: str


def begin(engine: Engine, protocols: Protocols, start: Start, *, now: datetime) -> Departure:
    """Prepare the way to the provider. Reads, and writes nothing but that an outage has begun.

    Raises UnknownClient, SingleSignOnOff, InitiatorRefused, or what the
    protocol raises when the provider cannot be used.
    """
    connection = connections.for_sign_in(engine, start.client_code)
    protocol = protocols.protocol_for(engine, connection)

    if start.initiator_issuer is not None and start.initiator_issuer != protocol.issuer:
        raise InitiatorRefused("iss is not this connection's issuer", client=connection.client_name)
    try:
        return protocol.depart(
            redirect_uri=start.redirect_uri,
            revision_id=connection.revision_id,
            return_to=start.return_to,
            now=now,
            login_hint=start.login_hint,
        )
    except SignInRefused as refused:
        refused.step = 1  # a document that cannot be had is a later step's cause, but nobody went out
        _named(refused, connection)
        if connection.failing_code is None and warnings.is_sign_of_failure(refused):
            # Once per outage: everybody can start a sign-in, as often as they like.
            with writing_at_once(engine) as database:
                warnings.note_refusal(database, connection.tenant_id, refused, now, known_code=None)
        raise


def finish(
    engine: Engine,
    protocols: Protocols,
    arrival: Arrival,
    *,
    absolute_seconds: int,
    now: datetime,
) -> Welcome:
    """Judge the provider's answer and open a session for the person it names.

    Raises SignInRefused; when the answer belonged to a sign-in of this browser,
    the refusal is recorded and carries its reference.
    """
    client = connections.look_up(engine, arrival.client_code)
    pending = _still_pending(arrival, now)
    try:
        connection = _unchanged(client, pending)
        protocol = protocols.protocol_for(engine, connection)

        identity = protocol.arrive(arrival.answer, pending, redirect_uri=arrival.redirect_uri, now=now)
        vouched = _Vouched(arrival, pending, connection, identity, protocol.matching)
        if vouched.rules.may_change(arrival.audience):
            _provision(engine, vouched, now)
        opened = _welcome(engine, vouched, absolute_seconds, now)
        return Welcome(opened, pending.return_to, client.client_code)
    except ConnectionChanged:
        raise
    except SignInRefused as refused:
        _record_refusal(engine, arrival, client, pending, _named(refused, client), now)
        raise


def _still_pending(arrival: Arrival, now: datetime) -> PendingSignIn:
    pending = arrival.pending
    # An answer that nobody here waited for is counted in the log, never
    # stored: anybody can send one.
    # Neither does a test end here: its answer opens no session.
    if pending is None or pending.test_id is not None:
        raise SignInExpired("no pending sign-in with this state in this browser")
    if not 0 <= now.timestamp() - pending.started_at + 1 <= PENDING_SECONDS + 1:
        raise SignInExpired("no pending sign-in with this state in this browser")
    return pending


def _unchanged(client: ClientAtTheDoor, pending: PendingSignIn) -> LiveConnection:
    if client.live is None:
        raise SingleSignOnOff(client=client.client_name)
    if client.live.revision_id != pending.revision_id:
        # An answer is judged by the revision that asked for it, and only the
        # live one signs people in: so the person goes out once more.
        raise ConnectionChanged("another revision is live", client=client.client_name)
    return client.live


@dataclass(frozen=True, slots=True)
class _Vouched:
    """A person the provider vouches for, and the attempt it did so in."""

    arrival: Arrival
    pending: PendingSignIn
    connection: LiveConnection
    identity: ExternalIdentity
    rules: MatchingRules


def _welcome(engine: Engine, vouched: _Vouched, absolute_seconds: int, now: datetime) -> sessions.Opened:
    for is_last_try in (False, False, True):
        try:
            with writing_at_once(engine) as database:
                return _open(database, vouched, absolute_seconds, now)
        except IntegrityError as clash:
            # Either this very answer was finished a moment ago, or somebody
            # was linked meanwhile: one more look tells which, with its code.
            if is_last_try or (_is_of_state(clash) and not _outlives_its_twin(engine, vouched.pending)):
                raise SignInExpired("this answer was already used") from clash
        except SignInRefused as refused:
            refused.claim_names = refused.claim_names or vouched.identity.claim_names
            refused.facts.setdefault("email", vouched.identity.email)
            raise
    raise AssertionError("unreachable")


def _provision(engine: Engine, vouched: _Vouched, now: datetime) -> None:
    arrival, connection = vouched.arrival, vouched.connection
    by = audit.Actor(name=f"sign-in through {connection.provider_label}", address=arrival.visitor.address)
    provisioning.carry_out(
        engine, connection.tenant_id, arrival.audience, vouched.identity, vouched.rules, by=by, now=now
    )


def _outlives_its_twin(engine: Engine, pending: PendingSignIn) -> bool:
    """Free the state if what holds it is a refusal because its code was not exchanged.

    Of one answer sent twice at once the provider exchanges the code once, and
    its refusal of the other is written sooner than this sign-in's end: both
    would be refused, and a double click would keep people out.
    """
    with writing_at_once(engine) as database:
        return sign_in_records.free_state(database, hash_state(pending.state))


def _open(database: Transaction, vouched: _Vouched, absolute_seconds: int, now: datetime) -> sessions.Opened:
    arrival, connection, identity = vouched.arrival, vouched.connection, vouched.identity
    account = accounts.judge_match(
        accounts.candidates(
            database,
            tenant_id=connection.tenant_id,
            audience=arrival.audience,
            issuer=identity.issuer,
            subject=identity.subject,
            email=identity.email,
        ),
        email=identity.email,
        subject=identity.subject,
        matches_case=vouched.rules.matches_case,
    )
    if account.linked_subject is None:
        _LINK.run(
            database,
            {
                "tenant_id": connection.tenant_id,
                "audience": arrival.audience,
                "account_id": account.account_id,
                "issuer": identity.issuer,
                "subject": identity.subject,
                "linked_at": now,
            },
        )
    sign_in_records.write(
        database,
        tenant_id=connection.tenant_id,
        audience=arrival.audience,
        method="sso",
        visitor=arrival.visitor,
        now=now,
        account_id=account.account_id,
        email=identity.email,
        revision_id=vouched.pending.revision_id,
        state_hash=hash_state(vouched.pending.state),
        claim_names=identity.claim_names,
        harmless_claims=dict(identity.harmless_claims),
    )
    _SEEN.run(
        database,
        {"of_account": account.account_id, "at": now, "address": arrival.visitor.address[:45]},
    )
    if connection.failing_code is not None:
        warnings.note_success(database, connection.tenant_id)
    return sessions.open_session(
        database,
        sessions.NewSession(
            tenant_id=connection.tenant_id,
            audience=arrival.audience,
            account_id=account.account_id,
            email=fold(identity.email),
            method="sso",
            address=arrival.visitor.address[:45],
            device=arrival.visitor.device,
            connection_id=connection.connection_id,
            revision_id=connection.revision_id,
            provider_label=connection.provider_label,
            issuer=identity.issuer,
            subject=identity.subject,
            provider_session=identity.provider_session,
        ),
        absolute_seconds=absolute_seconds,
        now=now,
    )


def _record_refusal(
    engine: Engine,
    arrival: Arrival,
    client: ClientAtTheDoor,
    pending: PendingSignIn,
    refused: SignInRefused,
    now: datetime,
) -> None:
    try:
        with writing_at_once(engine) as database:
            sign_in_records.write(
                database,
                tenant_id=client.tenant_id,
                audience=arrival.audience,
                method="sso",
                visitor=arrival.visitor,
                now=now,
                refused=refused,
                revision_id=pending.revision_id,
                state_hash=hash_state(pending.state),
            )
            if client.live is not None:
                known = client.live.failing_code
                warnings.note_refusal(database, client.tenant_id, refused, now, known_code=known)
    except IntegrityError as clash:
        # The same answer sent again: it left its record the first time.
        raise SignInExpired("this answer was already used", client=client.client_name) from clash


def _named(refused: SignInRefused, client: ClientAtTheDoor | LiveConnection) -> SignInRefused:
    """Give a refusal the names its sentences need."""
    live = client if isinstance(client, LiveConnection) else client.live
    refused.facts.setdefault("client", client.client_name)
    if live is not None:
        refused.facts.setdefault("provider", live.provider_label)
    return refused


def _is_of_state(clash: IntegrityError) -> bool:
    return "state_hash" in str(clash.orig)


def hash_state(state: str) -> str:
    """Return what is stored of a state to make it single-use."""
    return hashlib.sha256(state.encode()).hexdigest()
