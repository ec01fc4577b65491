"""Test sign-ins: a revision run through the provider on one host, without a session.

The story is the one of ``sign_in``, with a revision that need not be live:
``prepare`` on the administrator's page, ``depart`` and ``arrive`` on the host
under test, ``open_result`` back on the page. The answer is judged by the
revision's own client and the same code as a real sign-in. All that is left
behind is the row of the test.

The values of claims are a person's: they are sealed, shown for a day, to the
tester alone, and only after the browser that made the test came back with the
key it was given. A test link sent to somebody else shows nothing about them.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import select, update
from sqlalchemy.engine import CursorResult, Engine
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused, NoAccount, PageNotFound, SignInExpired, SignInRefused
from lvportal.key_ring import KeyRing, NotOpened
from lvportal.models import Account, Revision, TestSignIn
from lvportal.protocols.contract import Answer, Departure, Evidence, ExternalIdentity, PendingSignIn
from lvportal.services import accounts, connections, provisioning, references
from lvportal.services.connections import ClientAtTheDoor, LiveConnection, RevisionUnknown
from lvportal.services.folding import fold
from lvportal.services.provisioning import Foreseen
from lvportal.services.sign_in import PENDING_SECONDS, Arrival, ConnectedProtocol, hash_state
from lvportal.services.transactions import writing, writing_at_once

TICKET_SECONDS = 600
CLAIMS_KEPT = timedelta(days=1)
MAX_CLAIMS = 100
MAX_CLAIM_CHARACTERS = 300

# Random values of this one sign-in: they say nothing, and two of them are ours to keep.
_NOT_SHOWN = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "jti", "sid", "session_state"})


class TestOver(SignInRefused):
    """The ticket was used, is too old, or belongs to another host or client."""

    __test__ = False
    code = "sign_in.test_over"
    user_message = "This test was already started, or its link is too old."
    next_step = "Go back to the Security page and start the test again."
    administrator_step = "Start the test again from step 4 of the Security page."
    step = 1


class ClaimUnfit(ChangeRefused):
    """No value of this test is known under that name, or it is no email."""

    code = "test.claim"
    user_message = "This test brought no email under that name."
    next_step = "Test again, and choose one of the claims that hold an email."


class WatchedProtocol(ConnectedProtocol, Protocol):
    """A protocol that also shows what an answer brought."""

    def arrive_watched(
        self,
        answer: Answer,
        pending: PendingSignIn,
        evidence: Evidence,
        *,
        redirect_uri: str,
        now: datetime,
    ) -> ExternalIdentity: ...


class WatchedProtocols(Protocol):
    """Where a revision's protocol object comes from: the shared registry."""

    def protocol_for(self, engine: Engine, connection: LiveConnection) -> WatchedProtocol: ...


@dataclass(frozen=True, slots=True)
class Tester:
    """Who tests. ``account_id`` is None for a guest with a set-up link."""

    __test__ = False
    account_id: int | None
    name: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A test that may start: once, within ten minutes."""

    reference: str
    ticket: str = field(repr=False)
    revision_number: int
    provider_label: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A test that has ended. ``key`` opens the values of its claims, once; empty when another has it."""

    reference: str
    key: str = field(repr=False)
    is_guests: bool = False  # made with a set-up link: its result is shown there


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim that arrived, its value as text."""

    name: str
    value: str = field(repr=False)
    source: str  # "ID token" or "UserInfo"

    @property
    def is_email(self) -> bool:
        """Tell whether the value could be matched with an account's email."""
        local, _, domain = self.value.partition("@")
        is_plain = self.value.isprintable() and " " not in self.value and len(self.value) <= 254
        return bool(local and domain) and "@" not in domain and is_plain


@dataclass(frozen=True, slots=True)
class Result:
    """A test as its tester sees it. ``claims`` is None when the values may not be shown (any more)."""

    test: TestSignIn
    revision: Revision
    claims: tuple[Claim, ...] | None
    account: Account | None
    same_email: tuple[Account, ...]


def prepare(
    session: Session,
    tenant_id: int,
    tester: Tester,
    *,
    audience: str,
    now: datetime,
    number: int | None = None,
) -> Prepared:
    """Write a test of one revision (the newest without ``number``) and return its one-use ticket.

    The feature may be off and the connection disabled. Raises RevisionUnknown.
    """
    ticket = secrets.token_urlsafe(32)
    with writing(session):
        revision = _revision(session, tenant_id, number)
        test = TestSignIn(
            reference=references.new_reference(),
            tenant_id=tenant_id,
            revision_id=revision.id,
            audience=audience,
            tester_account_id=tester.account_id,
            tester_name=tester.name[:120],
            ticket_hash=_hash(ticket),
            created_at=now,
        )
        session.add(test)
        session.flush()
        return Prepared(test.reference, ticket, revision.number, connections.label_of(revision.provider))


def depart(
    engine: Engine,
    protocols: WatchedProtocols,
    key_ring: KeyRing,
    ticket: str,
    *,
    client_code: str,
    audience: str,
    redirect_uri: str,
    now: datetime,
) -> Departure | Finished:
    """Use the ticket up and return the way to the provider, or the test's end if there is none.

    Raises UnknownClient or TestOver.
    """
    client = connections.look_up(engine, client_code)
    run = _take_ticket(engine, client, ticket, audience, now)
    try:
        protocol = protocols.protocol_for(engine, run.connection)
        departure = protocol.depart(
            redirect_uri=redirect_uri, revision_id=run.connection.revision_id, return_to="/", now=now
        )
    except SignInRefused as refused:
        refused.step = 1  # nobody went out
        return _finish(engine, key_ring, run, now, refused=refused)
    pending = replace(departure.pending, test_id=run.test_id)
    with Session(engine) as session, writing(session):
        session.get_one(TestSignIn, run.test_id).state_hash = hash_state(pending.state)
    return replace(departure, pending=pending)


def arrive(
    engine: Engine, protocols: WatchedProtocols, key_ring: KeyRing, arrival: Arrival, *, now: datetime
) -> Finished:
    """Judge the provider's answer to a test and write how it ended.

    Raises SignInExpired for an answer that belongs to no test of this browser,
    and UnknownClient. Every other refusal is what the test was made for.
    """
    client = connections.look_up(engine, arrival.client_code)
    pending = arrival.pending
    if pending is None or pending.test_id is None or not _is_in_time(pending, now):
        raise SignInExpired("no pending test with this state in this browser", client=client.client_name)
    run, is_first = _claim(engine, client, arrival.audience, pending)
    if not is_first:
        return Finished(run.reference, "", run.is_guests)
    evidence = Evidence()
    identity: ExternalIdentity | None = None
    foreseen = provisioning.NOTHING
    try:
        protocol = protocols.protocol_for(engine, run.connection)
        identity = protocol.arrive_watched(
            arrival.answer, pending, evidence, redirect_uri=arrival.redirect_uri, now=now
        )
        with Session(engine) as session:
            foreseen = provisioning.foresee(
                session, client.tenant_id, arrival.audience, identity, protocol.matching, now=now
            )
        account_id = None
        if not foreseen.creates:
            account_id = _match(engine, client, arrival.audience, identity, protocol.matching.matches_case)
    except SignInRefused as refused:
        # An administrator has no agent account, as a rule: that their own email
        # opens none says nothing against the revision.
        if isinstance(refused, NoAccount) and identity and run.is_own(arrival.audience, identity.email):
            return _finish(
                engine, key_ring, run, now, evidence=evidence, identity=identity, foreseen=foreseen
            )
        if identity is not None:
            refused.claim_names = refused.claim_names or identity.claim_names
            refused.facts.setdefault("email", identity.email)
        return _finish(engine, key_ring, run, now, evidence=evidence, refused=refused, foreseen=foreseen)
    return _finish(
        engine,
        key_ring,
        run,
        now,
        evidence=evidence,
        identity=identity,
        account_id=account_id,
        foreseen=foreseen,
    )


def claim_names_seen(session: Session, tenant_id: int) -> tuple[str, ...]:
    """Return the names of the claims that arrived in the client's last twenty tests, sorted."""
    seen = session.scalars(
        select(TestSignIn.claim_names)
        .where(TestSignIn.tenant_id == tenant_id)
        .order_by(TestSignIn.created_at.desc())
        .limit(20)
    )
    return tuple(sorted({name for names in seen for name in names}))


def unlock(session: Session, tenant_id: int, tester_account_id: int | None, reference: str, key: str) -> None:
    """Let the tester see the values of the claims: the browser that made the test has come back.

    A key that does not fit changes nothing.
    """
    with writing(session):
        session.execute(
            update(TestSignIn)
            .where(
                TestSignIn.tenant_id == tenant_id,
                TestSignIn.tester_account_id == tester_account_id,
                TestSignIn.reference == (references.read(reference) or ""),
                TestSignIn.finished_at.is_not(None),
                TestSignIn.ticket_hash == _hash(key),
            )
            .values(ticket_hash=None)
        )


def open_result(
    session: Session,
    key_ring: KeyRing,
    tenant_id: int,
    tester_account_id: int | None,
    reference: str,
    *,
    now: datetime,
) -> Result:
    """Return a test of this client to the one who made it. Raises PageNotFound for everybody else."""
    test = session.scalars(
        select(TestSignIn).where(
            TestSignIn.reference == (references.read(reference) or ""),
            TestSignIn.tenant_id == tenant_id,
            TestSignIn.tester_account_id == tester_account_id,
        )
    ).one_or_none()
    if test is None:
        raise PageNotFound("no such test of this person", host="Portal")
    revision = session.get_one(Revision, test.revision_id)
    found = _accounts_of(session, test)
    account = next((account for account in found if account.id == test.matched_account_id), None)
    return Result(test, revision, _open_claims(key_ring, test, now), account, tuple(found))


def open_guests_result(session: Session, reference: str, key: str, *, now: datetime) -> Result:
    """Return a test that was made with a set-up link, for a day, to the browser that made it.

    Without values and without accounts: a guest learns whether the set-up works, and
    nothing of the client's people. Raises PageNotFound for whoever lacks the key.
    """
    test = session.scalars(
        select(TestSignIn).where(
            TestSignIn.reference == (references.read(reference) or ""),
            TestSignIn.tester_account_id.is_(None),
            TestSignIn.ticket_hash == _hash(key),
            TestSignIn.finished_at > now - CLAIMS_KEPT,
        )
    ).one_or_none()
    if test is None:
        raise PageNotFound("no such test of this browser", host="Portal")
    return Result(test, session.get_one(Revision, test.revision_id), None, None, ())


def latest(session: Session, tenant_id: int, revision_id: int) -> dict[str, TestSignIn]:
    """Return the last finished test of a revision for each audience that has one."""
    found = session.scalars(
        select(TestSignIn)
        .where(
            TestSignIn.tenant_id == tenant_id,
            TestSignIn.revision_id == revision_id,
            TestSignIn.finished_at.is_not(None),
        )
        .order_by(TestSignIn.id)
    )
    return {test.audience: test for test in found}


def passed_audiences(session: Session, revision_id: int) -> frozenset[str]:
    """Return the audiences for which this very revision passed a test.

    A revision that differs from a tested one in a harmless field alone needs a
    test of its own: which fields are harmless is what a test finds out.
    """
    return frozenset(
        session.scalars(
            select(TestSignIn.audience)
            .where(TestSignIn.revision_id == revision_id, TestSignIn.outcome == "passed")
            .distinct()
        )
    )


def passed_by_revision(session: Session, tenant_id: int) -> dict[int, frozenset[str]]:
    """Return the audiences that each of the client's revisions has passed, for those that passed any."""
    found: dict[int, frozenset[str]] = {}
    for revision_id, audience in session.execute(
        select(TestSignIn.revision_id, TestSignIn.audience)
        .where(TestSignIn.tenant_id == tenant_id, TestSignIn.outcome == "passed")
        .distinct()
    ):
        found[revision_id] = found.get(revision_id, frozenset()) | {audience}
    return found


def needed_audiences(session: Session, tenant_id: int) -> frozenset[str]:
    """Return the audiences that need a passed test before a revision goes live.

    An audience without an active account needs none: there is nobody to let in,
    and nobody whose account a test could match. The portal always needs one.
    """
    has_agents = session.scalar(
        select(
            select(Account.id)
            .where(Account.tenant_id == tenant_id, Account.audience == "agent", Account.active.is_(True))
            .exists()
        )
    )
    return frozenset({"portal", "agent"} if has_agents else {"portal"})


def forget_claims(session: Session, *, now: datetime) -> int:
    """Drop the values of claims that nobody may see any more; return of how many tests."""
    with writing(session):
        dropped = session.execute(
            update(TestSignIn)
            .where(TestSignIn.sealed_claims.is_not(None), TestSignIn.finished_at < now - CLAIMS_KEPT)
            .values(sealed_claims=None)
        )
        return _met(dropped)


def email_claim(result: Result, name: str) -> str:
    """Return ``name`` if this test brought an email under it. Raises ClaimUnfit."""
    if not any(claim.name == name and claim.is_email for claim in result.claims or ()):
        raise ClaimUnfit(name[:40])
    return name


# --- What stands behind it ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Run:
    """A test under way, and its revision as the registry wants it."""

    test_id: int
    reference: str
    is_guests: bool
    connection: LiveConnection
    testers_email: str  # folded; empty for a guest and for a tester without one

    def is_own(self, audience: str, email: str) -> bool:
        """Tell whether it is the administrator's own email, on the host where they work for nobody."""
        return audience == "agent" and self.testers_email != "" and fold(email) == self.testers_email


def _revision(session: Session, tenant_id: int, number: int | None) -> Revision:
    connection = connections.of_tenant(session, tenant_id)
    if connection is None:
        raise RevisionUnknown("there is no connection")
    query = select(Revision).where(Revision.connection_id == connection.id)
    if number is not None:
        query = query.where(Revision.number == number)
    revision = session.scalars(query.order_by(Revision.number.desc()).limit(1)).one_or_none()
    if revision is None:
        raise RevisionUnknown(str(number))
    return revision


def _take_ticket(engine: Engine, client: ClientAtTheDoor, ticket: str, audience: str, now: datetime) -> _Run:
    with Session(engine) as session, writing(session):
        test = session.scalars(
            select(TestSignIn).where(
                TestSignIn.ticket_hash == _hash(ticket),
                TestSignIn.tenant_id == client.tenant_id,
                TestSignIn.audience == audience,
                TestSignIn.created_at > now - timedelta(seconds=TICKET_SECONDS),
            )
        ).one_or_none()
        if test is None:
            raise TestOver("no test waits for this ticket here", client=client.client_name)
        # Decided by the row, not by the look before: of two visits one starts the test.
        taken = session.execute(
            update(TestSignIn)
            .where(TestSignIn.id == test.id, TestSignIn.started_at.is_(None))
            .values(started_at=now, ticket_hash=None)
        )
        if not _met(taken):
            raise TestOver("the ticket was used", client=client.client_name)
        return _run_of(session, client, test)


def _claim(
    engine: Engine, client: ClientAtTheDoor, audience: str, pending: PendingSignIn
) -> tuple[_Run, bool]:
    """Find the test of this answer; the second value tells whether the answer came for the first time."""
    with Session(engine) as session, writing(session):
        test = session.scalars(
            select(TestSignIn).where(
                TestSignIn.id == pending.test_id,
                TestSignIn.tenant_id == client.tenant_id,
                TestSignIn.audience == audience,
                TestSignIn.revision_id == pending.revision_id,
            )
        ).one_or_none()
        if test is None:
            raise SignInExpired("no such test", client=client.client_name)
        claimed = session.execute(
            update(TestSignIn)
            .where(
                TestSignIn.id == test.id,
                TestSignIn.state_hash == hash_state(pending.state),
                TestSignIn.finished_at.is_(None),
            )
            .values(state_hash=None)
        )
        return _run_of(session, client, test), bool(_met(claimed))


def _run_of(session: Session, client: ClientAtTheDoor, test: TestSignIn) -> _Run:
    revision = session.get_one(Revision, test.revision_id)
    connection = LiveConnection(
        tenant_id=client.tenant_id,
        client_code=client.client_code,
        client_name=client.client_name,
        connection_id=revision.connection_id,
        revision_id=revision.id,
        provider_label=connections.label_of(revision.provider),
    )
    tester = session.get(Account, test.tester_account_id) if test.tester_account_id else None
    email = (tester.folded_email or "") if tester else ""
    return _Run(test.id, test.reference, test.tester_account_id is None, connection, email)


def _match(
    engine: Engine, client: ClientAtTheDoor, audience: str, identity: ExternalIdentity, matches_case: bool
) -> int:
    with writing_at_once(engine) as database:
        found = accounts.candidates(
            database,
            tenant_id=client.tenant_id,
            audience=audience,
            issuer=identity.issuer,
            subject=identity.subject,
            email=identity.email,
        )
    match = accounts.judge_match(
        found, email=identity.email, subject=identity.subject, matches_case=matches_case
    )
    return match.account_id


def _finish(
    engine: Engine,
    key_ring: KeyRing,
    run: _Run,
    now: datetime,
    *,
    evidence: Evidence | None = None,
    refused: SignInRefused | None = None,
    identity: ExternalIdentity | None = None,
    account_id: int | None = None,
    foreseen: Foreseen = provisioning.NOTHING,
) -> Finished:
    key = secrets.token_urlsafe(32)
    claims = _claims_of(evidence) if evidence else ()
    with Session(engine) as session, writing(session):
        test = session.get_one(TestSignIn, run.test_id)
        test.finished_at = now
        test.ticket_hash = _hash(key)
        test.state_hash = None
        test.matched_account_id = account_id
        test.claim_names = [claim.name for claim in claims]
        if claims:
            told = json.dumps([[claim.name, claim.value, claim.source] for claim in claims])
            test.sealed_claims = key_ring.seal(told, purpose=_purpose(test))
        if refused is None:
            test.outcome, test.step = "passed", 6
            test.facts = {"email": identity.email} if identity else {}
            if account_id is None and not foreseen.creates:
                test.facts["nobody"] = "yes"
            test.facts |= _told(foreseen)
        else:
            test.outcome, test.code, test.step = "refused", refused.code, refused.step
            test.detail = _storable(refused.detail)[:1000]
            test.provider_said = _storable(refused.provider_said)[:200]
            refused.facts.setdefault("client", run.connection.client_name)
            refused.facts.setdefault("provider", run.connection.provider_label)
            test.facts = {name: _storable(str(value)) for name, value in refused.facts.items()}
            test.facts |= _told(foreseen)
            test.claim_names = test.claim_names or list(refused.claim_names)
    return Finished(run.reference, key, run.is_guests)


def _told(foreseen: Foreseen) -> dict[str, str]:
    """Return what a sign-in would have changed, for the page of the test."""
    told = {
        "creates": "yes" if foreseen.creates else "",
        "role": foreseen.role,
        "not_created": foreseen.refused,
    }
    return {name: value for name, value in told.items() if value}


def _claims_of(evidence: Evidence) -> tuple[Claim, ...]:
    signed, described = evidence.id_token_claims, evidence.userinfo_claims
    found = [Claim(_cut(name, 100), _as_text(signed[name]), "ID token") for name in _names(signed)]
    found += [
        Claim(_cut(name, 100), _as_text(described[name]), "UserInfo")
        for name in _names(described)
        if signed.get(name) is None
    ]
    return tuple(found[:MAX_CLAIMS])


def _names(claims: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in claims if name not in _NOT_SHOWN and claims[name] is not None)


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _cut(text, MAX_CLAIM_CHARACTERS)


def _cut(text: str, length: int) -> str:
    shown = _storable(text)
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def _storable(text: str) -> str:
    # PostgreSQL keeps no NUL character, and JSON may carry halves of characters.
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _open_claims(key_ring: KeyRing, test: TestSignIn, now: datetime) -> tuple[Claim, ...] | None:
    if test.finished_at is None or test.ticket_hash is not None or test.sealed_claims is None:
        return None
    if now >= test.finished_at + CLAIMS_KEPT:
        return None
    try:
        told = json.loads(key_ring.open(test.sealed_claims, purpose=_purpose(test)))
    except NotOpened:
        return None  # its key has left the ring
    return tuple(Claim(name, value, source) for name, value, source in told)


def _purpose(test: TestSignIn) -> str:
    return f"test sign-in {test.tenant_id} {test.id} claims"


def _accounts_of(session: Session, test: TestSignIn) -> list[Account]:
    """Return the accounts that the test's email points to, and the one that matched."""
    email = test.facts.get("email")
    of_audience = select(Account).where(
        Account.tenant_id == test.tenant_id, Account.audience == test.audience
    )
    found = []
    if isinstance(email, str) and email:
        found = list(session.scalars(of_audience.where(Account.folded_email == fold(email)).limit(10)))
    if test.matched_account_id is not None and all(a.id != test.matched_account_id for a in found):
        found += session.scalars(of_audience.where(Account.id == test.matched_account_id))
    return found


def _is_in_time(pending: PendingSignIn, now: datetime) -> bool:
    return -1 <= now.timestamp() - pending.started_at <= PENDING_SECONDS


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _met(result: Any) -> int:
    return int(result.rowcount) if isinstance(result, CursorResult) else 0
