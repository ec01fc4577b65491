"""The next secret beside the current one: rotation without an outage.

Given for the app of the live revision at its issuer, and sent nowhere else: a
revision of another app going live drops it. It takes the current one's place
when somebody swaps it in, or by itself when the provider refuses the current
one and accepts it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused, ConnectionChanged, SecretUnreadable
from lvportal.key_ring import KeyRing, NotOpened
from lvportal.models import Connection, Revision, Tenant
from lvportal.protocols.oidc.configuration import ClientAuthentication
from lvportal.protocols.oidc.report import Check, Outcome
from lvportal.services import audit, connection_setup, connections, enforcement
from lvportal.services.connection_setup import Laboratory
from lvportal.services.connections import secret_purpose
from lvportal.services.transactions import writing

BY_ITSELF = audit.Actor(name="by itself")


class NothingToRotate(ChangeRefused):
    code = "connection.nothing_to_rotate"
    user_message = "There is no live revision with a secret yet."
    next_step = "Paste the secret in step 3 instead."
    field = "next_secret"


class NoNextSecret(ChangeRefused):
    code = "connection.no_next_secret"
    user_message = "There is no next secret."
    next_step = "Store one first."


class SameSecret(ChangeRefused):
    code = "connection.same_secret"
    user_message = "This is the current secret."
    next_step = "Make a new one at the provider and paste that."
    field = "next_secret"


class NextSecretRefused(ChangeRefused):
    code = "connection.next_secret_refused"
    user_message = "Nothing was changed: the provider did not accept the next secret. {said}"
    next_step = "Store the one that your provider shows now. The current one goes on."

    def __init__(self, check: Check) -> None:
        super().__init__(check.sentence, said=check.sentence)
        self.check = check


@dataclass(frozen=True, slots=True)
class Swapped:
    """What a swap made. ``is_live`` False: the provider could not tell, so a draft waits for its test."""

    number: int
    is_live: bool


def store(
    session: Session,
    tenant_id: int,
    secret: str,
    expires_on: date | None,
    *,
    key_ring: KeyRing,
    by: audit.Actor,
    now: datetime,
) -> None:
    """Keep the next secret, in the place of an earlier one. Nothing that signs people in changes.

    Raises NothingToRotate, SameSecret or ConfigurationRefused.
    """
    with writing(session):
        connection, live = _live(session, tenant_id)
        purpose = secret_purpose(connection.id)
        current = _opened(key_ring, live.sealed_secret, purpose)
        if current == secret:
            raise SameSecret()
        connection_setup.judge_values(replace(connection_setup.values_of(live), secret=secret))
        before = "set" if connection.next_sealed_secret else "none"
        connection.next_sealed_secret = key_ring.seal(secret, purpose=purpose)
        connection.next_secret_set_at, connection.next_secret_set_by = now, by.name
        connection.next_secret_expires_on = expires_on
        audit.record(
            session,
            tenant_id=tenant_id,
            actor=by,
            action="connection.next_secret_set",
            subject=f"revision {live.number}",
            before={"next secret": before},
            after={"next secret": "set", "expires on": expires_on.isoformat() if expires_on else None},
            now=now,
        )


def remove(session: Session, tenant_id: int, *, by: audit.Actor, now: datetime) -> None:
    """Forget the next secret. Raises NoNextSecret."""
    with writing(session):
        connection = connections.of_tenant(session, tenant_id)
        if connection is None or connection.next_sealed_secret is None:
            raise NoNextSecret()
        connections.clear_next_secret(connection)
        audit.record(
            session,
            tenant_id=tenant_id,
            actor=by,
            action="connection.next_secret_removed",
            before={"next secret": "set"},
            after={"next secret": "none"},
            now=now,
        )


def try_it(session: Session, tenant_id: int, laboratory: Laboratory, *, now: datetime) -> Check:
    """Ask the provider about the next secret with a code that cannot be valid; change nothing.

    Raises NoNextSecret, NothingToRotate or SecretUnreadable.
    """
    connection, live = _live(session, tenant_id)
    secret = _next_of(connection, laboratory.key_ring)
    values = replace(connection_setup.values_of(live), secret=secret)
    session.rollback()  # The provider may be slow: no database connection waits for it.
    report = connection_setup.examine_with(values, secret, laboratory, now=now)
    check = report.check("credentials")
    if check.sentence != "Not checked.":
        return check
    # The credentials are tried last: what came before stands in the way.
    return next((c for c in report.checks if c.outcome is Outcome.DANGER), check)


def swap(
    session: Session, tenant_id: int, laboratory: Laboratory, *, by: audit.Actor, now: datetime
) -> Swapped:
    """Let the next secret take the current one's place, if the provider accepts it.

    Live at once: nothing but the secret differs from what signs people in, and
    the provider has just accepted it. Where the provider does not tell, a draft
    is made instead. Raises NextSecretRefused, NoNextSecret or NothingToRotate.
    """
    connection, live = _live(session, tenant_id)
    secret, examined = _next_of(connection, laboratory.key_ring), live.id
    check = try_it(session, tenant_id, laboratory, now=now)
    if check.outcome is Outcome.DANGER:
        raise NextSecretRefused(check)
    tried = check.outcome is Outcome.OK
    with writing(session):
        connection, live = _live(session, tenant_id)
        if live.id != examined or _next_of(connection, laboratory.key_ring) != secret:
            raise NoNextSecret("another was stored, or another revision went live, meanwhile")
        number = _take_place(session, connection, live, laboratory.key_ring, secret, tried, by, now)
    return Swapped(number, tried)


@dataclass(frozen=True, slots=True)
class WaitingSecret:
    """The next secret as a sign-in of one revision asks for it: only once its own was refused."""

    engine: Engine = field(repr=False)
    key_ring: KeyRing = field(repr=False)
    connection_id: int
    revision_id: int

    def find(self) -> str | None:
        """Return the next secret, or None. Raises ConnectionChanged when another revision is live by now."""
        with Session(self.engine) as session:
            connection = session.get(Connection, self.connection_id)
            if connection is None or connection.live_revision_id is None:
                return None
            if connection.live_revision_id != self.revision_id:
                # Another sign-in was first: the person goes out once more, with what works.
                raise ConnectionChanged("another revision is live")
            if connection.next_sealed_secret is None:
                return None
            return _opened(self.key_ring, connection.next_sealed_secret, secret_purpose(connection.id))

    def take_its_place(self, secret: str, now: datetime) -> None:
        """Make it the live one, unless that has happened or something else went live meanwhile."""
        with Session(self.engine) as session, writing(session):
            connection = session.get(Connection, self.connection_id)
            if connection is None or connection.live_revision_id != self.revision_id:
                return
            waiting = connection.next_sealed_secret
            if waiting is None or secret != _opened(self.key_ring, waiting, secret_purpose(connection.id)):
                return
            live = session.get_one(Revision, self.revision_id)
            _take_place(session, connection, live, self.key_ring, secret, True, BY_ITSELF, now)


def _take_place(
    session: Session,
    connection: Connection,
    live: Revision,
    key_ring: KeyRing,
    secret: str,
    goes_live: bool,
    by: audit.Actor,
    now: datetime,
) -> int:
    newest = connections.newest_revision(session, connection)
    revision = connections.copy_of(live, number=(newest.number if newest else 0) + 1, by=by, now=now)
    revision.sealed_secret = key_ring.seal(secret, purpose=secret_purpose(connection.id))
    revision.secret_set_at = connection.next_secret_set_at or now
    revision.secret_expires_on = connection.next_secret_expires_on
    session.add(revision)
    session.flush()
    connections.clear_next_secret(connection)
    audit.record(
        session,
        tenant_id=connection.tenant_id,
        actor=by,
        action="connection.secret_rotated",
        subject=f"revision {revision.number}",
        before={"next secret": "set", "revision": live.number},
        after={"next secret": "none", "revision": revision.number, "secret": "changed"},
        now=now,
    )
    if goes_live:
        tenant = session.get_one(Tenant, connection.tenant_id)
        connections.put_live(session, tenant, revision.number, by=by, now=now)
        enforcement.spread_net(session, tenant.id, now)
    return revision.number


def _live(session: Session, tenant_id: int) -> tuple[Connection, Revision]:
    connection = connections.of_tenant(session, tenant_id)
    live = connection.live_revision if connection else None
    if connection is None or live is None or live.client_authentication == ClientAuthentication.NONE:
        raise NothingToRotate()
    return connection, live


def _next_of(connection: Connection, key_ring: KeyRing) -> str:
    if connection.next_sealed_secret is None:
        raise NoNextSecret()
    secret = _opened(key_ring, connection.next_sealed_secret, secret_purpose(connection.id))
    if secret is None:
        raise SecretUnreadable("the next secret")
    return secret


def _opened(key_ring: KeyRing, sealed: str | None, purpose: str) -> str | None:
    if sealed is None:
        return None
    try:
        return key_ring.open(sealed, purpose=purpose)
    except NotOpened:
        return None  # its key has left the ring
