"""A client's connection: drafting revisions, putting one live, switching sign-in on and off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, bindparam, func, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused, EditConflict, SecretUnreadable, SingleSignOnOff, UnknownClient
from lvportal.key_ring import KeyRing, NotOpened
from lvportal.models import Account, Connection, Feature, Revision, Tenant
from lvportal.models.base import table
from lvportal.models.prepared import Prepared, engine_of
from lvportal.models.tenants import SINGLE_SIGN_ON
from lvportal.protocols.oidc.configuration import (
    ClientAuthentication,
    RelyingPartyConfiguration,
    ResponseMode,
)
from lvportal.providers import KNOWN
from lvportal.services import audit
from lvportal.services.billing import is_on
from lvportal.services.tenants import CODE


class FeatureOff(ChangeRefused):
    code = "connection.feature_off"
    user_message = "Single Sign On is not turned on for this client."
    next_step = "Ask Customer Care and quote the client code; see Billing."


class NothingToEnable(ChangeRefused):
    code = "connection.no_revision"
    user_message = "There is no connection yet."
    next_step = "Fill in step 3 and save it first."


class SecretMissing(ChangeRefused):
    code = "connection.secret_missing"
    user_message = "This application type needs the Authorization Secret."
    next_step = "Paste the secret your provider shows."
    field = "secret"


class SecretForAnotherIssuer(ChangeRefused):
    code = "connection.secret_for_another_issuer"
    user_message = "The Issuer URL has changed, and the stored secret was given for the old one."
    next_step = "Paste the secret of the new provider."
    field = "secret"


class RevisionUnknown(ChangeRefused):
    code = "connection.revision_unknown"
    status = 404
    user_message = "This connection has no such revision."
    next_step = "Choose one from the list."


@dataclass(frozen=True, slots=True)
class LiveConnection:
    """What a sign-in needs to know of a client before it goes out."""

    tenant_id: int
    client_code: str
    client_name: str
    connection_id: int
    revision_id: int
    provider_label: str
    failing_code: str | None = None  # why the provider refuses everybody at the moment (warnings.py)


@dataclass(frozen=True, slots=True)
class ClientAtTheDoor:
    """A client, and its connection if that signs people in at this moment."""

    tenant_id: int
    client_code: str
    client_name: str
    live: LiveConnection | None


@dataclass(frozen=True, slots=True)
class ConnectionValues:
    """What an administrator (or a file) says of a connection.

    ``secret`` None keeps the stored one; ``removes_secret`` drops it.
    """

    provider: str
    application_type: str
    issuer: str
    client_id: str
    client_authentication: str
    email_claim: str = "email"
    scopes: str = "openid email profile"
    response_mode: str = "query"
    secret_expires_on: date | None = None
    matches_case: bool = False
    accepts_unverified_email: bool = False
    accepts_email_verified_as_text: bool = False
    required_hosted_domain: str | None = None
    allows_hs256: bool = False
    groups_claim: str = ""
    role_mapping: Mapping[str, str] = field(default_factory=dict)  # {group: role}
    creates_users: bool = False
    creates_agents: bool = False
    secret: str | None = field(default=None, repr=False)
    removes_secret: bool = False


FIELD_LABELS = {
    "provider": "Provider",
    "application_type": "Application type",
    "issuer": "Issuer URL",
    "client_id": "Authorization ID",
    "client_authentication": "Client authentication",
    "secret": "Authorization Secret",
    "secret_expires_on": "Secret expires on",
    "email_claim": "Email Attribute",
    "scopes": "Scopes",
    "response_mode": "Response mode",
    "matches_case": "Match case",
    "accepts_unverified_email": "Accept emails not marked verified",
    "accepts_email_verified_as_text": 'Accept "true" written as text',
    "required_hosted_domain": "Hosted domain",
    "allows_hs256": "Tokens signed with the secret (HS256)",
    "groups_claim": "Groups claim",
    "role_mapping": "Roles by group",
    "creates_users": "Create users at their first sign-in",
    "creates_agents": "Create agents at their first sign-in",
}

PLAIN_FIELDS = tuple(f.name for f in fields(ConnectionValues) if f.name not in ("secret", "removes_secret"))

PROVISIONING_FIELDS = ("groups_claim", "role_mapping", "creates_users", "creates_agents")
"""What decides about roles and new accounts: kept as it is by whoever saves the other values."""

_TENANTS = table(Tenant)
_CONNECTIONS = table(Connection)
_FEATURES = table(Feature)
_REVISIONS = table(Revision)
_FOR_SIGN_IN = Prepared(
    select(
        _TENANTS.c.id,
        _TENANTS.c.code,
        _TENANTS.c.name,
        _CONNECTIONS.c.id,
        _CONNECTIONS.c.live_revision_id,
        _CONNECTIONS.c.enabled,
        _FEATURES.c.enabled,
        _REVISIONS.c.provider,
        _CONNECTIONS.c.failing_code,
    )
    .select_from(_TENANTS)
    .outerjoin(_CONNECTIONS, _CONNECTIONS.c.tenant_id == _TENANTS.c.id)
    .outerjoin(_REVISIONS, _REVISIONS.c.id == _CONNECTIONS.c.live_revision_id)
    .outerjoin(_FEATURES, and_(_FEATURES.c.tenant_id == _TENANTS.c.id, _FEATURES.c.name == SINGLE_SIGN_ON))
    .where(_TENANTS.c.code == bindparam("code"), _TENANTS.c.deleted_at.is_(None))
)


def look_up(database: Session | Engine, client_code: str) -> ClientAtTheDoor:
    """Return the client with exactly this code: it is part of a redirect URI.

    Raises UnknownClient. One indexed read.
    """
    # What cannot be a code is not asked for: PostgreSQL raises on a NUL character.
    is_code = CODE.fullmatch(client_code)
    row = _FOR_SIGN_IN.row(engine_of(database), {"code": client_code}) if is_code else None
    if row is None:
        raise UnknownClient(client_code[:40])
    tenant_id, code, name, connection_id, revision_id, enabled, feature_on, provider, failing_code = row
    live = None
    if enabled and feature_on and revision_id:
        live = LiveConnection(
            tenant_id, code, name, connection_id, revision_id, label_of(provider), failing_code
        )
    return ClientAtTheDoor(tenant_id, code, name, live)


def for_sign_in(database: Session | Engine, client_code: str) -> LiveConnection:
    """Return the connection that signs this client's people in.

    Raises UnknownClient, or SingleSignOnOff when the feature, the switch or the
    connection itself is missing.
    """
    client = look_up(database, client_code)
    if client.live is None:
        raise SingleSignOnOff(client=client.client_name)
    return client.live


def label_of(provider: str) -> str:
    """Return a provider's name as people read it."""
    known = KNOWN.get(provider)
    return known.label if known else "your sign-in provider"


def secret_purpose(connection_id: int) -> str:
    """Return what a connection's secret is sealed for: it opens in no other row."""
    return f"connection {connection_id} secret"


def load_configuration(session: Session, key_ring: KeyRing, revision_id: int) -> RelyingPartyConfiguration:
    """Return a revision as the protocol wants it, its secret opened.

    Raises RevisionUnknown or SecretUnreadable.
    """
    revision = session.get(Revision, revision_id)
    if revision is None:
        raise RevisionUnknown(str(revision_id))
    secret = None
    if revision.sealed_secret:
        try:
            secret = key_ring.open(revision.sealed_secret, purpose=secret_purpose(revision.connection_id))
        except NotOpened as missing:
            raise SecretUnreadable(f"revision {revision.number}: {missing}") from missing
    extra: dict[str, Any] = {}
    if revision.allows_hs256:
        extra["allowed_algorithms"] = frozenset({"HS256"})
    return RelyingPartyConfiguration(
        issuer=revision.issuer,
        client_id=revision.client_id,
        client_secret=secret,
        client_authentication=ClientAuthentication(revision.client_authentication),
        scopes=tuple(revision.scopes.split()),
        response_mode=ResponseMode(revision.response_mode),
        email_claim=revision.email_claim,
        accepts_unverified_email=revision.accepts_unverified_email,
        accepts_email_verified_as_text=revision.accepts_email_verified_as_text,
        required_hosted_domain=revision.required_hosted_domain,
        groups_claim=revision.groups_claim,
        provider_label=label_of(revision.provider),
        **extra,
    )


def of_tenant(session: Session, tenant_id: int) -> Connection | None:
    """Return the client's connection, or None before anything was saved."""
    return session.scalars(select(Connection).where(Connection.tenant_id == tenant_id)).one_or_none()


def newest_revision(session: Session, connection: Connection) -> Revision | None:
    """Return the revision saved last: the draft, or the live one when nothing was drafted since."""
    return session.scalars(
        select(Revision)
        .where(Revision.connection_id == connection.id)
        .order_by(Revision.number.desc())
        .limit(1)
    ).one_or_none()


def differences(one: Revision, other: Revision) -> list[str]:
    """Return the labels of the fields in which two revisions differ; the secret by when it was set."""
    found = [FIELD_LABELS[name] for name in PLAIN_FIELDS if getattr(one, name) != getattr(other, name)]
    if one.secret_set_at != other.secret_set_at:
        found.append(FIELD_LABELS["secret"])
    return found


def save(
    session: Session,
    tenant: Tenant,
    values: ConnectionValues,
    *,
    key_ring: KeyRing,
    by: audit.Actor,
    now: datetime,
    based_on: int | None = None,
) -> Revision:
    """Write a new revision and return it; the newest one when nothing differs.

    ``based_on`` is the number of the revision the editor saw (0 for none);
    raises EditConflict when another was saved since. Raises SecretMissing, and
    SecretForAnotherIssuer when a stored secret would follow to a changed issuer.
    """
    connection = of_tenant(session, tenant.id)
    if connection is None:
        connection = Connection(tenant_id=tenant.id, created_at=now, enabled=False)
        session.add(connection)
        session.flush()
    newest = newest_revision(session, connection)
    if based_on is not None and based_on != (newest.number if newest else 0):
        raise EditConflict(f"based on {based_on}")
    revision = Revision(
        connection_id=connection.id,
        number=(newest.number if newest else 0) + 1,
        standard="oidc",
        created_at=now,
        created_by=by.name,
        **{name: getattr(values, name) for name in PLAIN_FIELDS},
    )
    _carry_secret(revision, newest, values, key_ring, now)
    if newest is not None and not differences(newest, revision):
        session.expunge(revision) if revision in session else None
        return newest
    session.add(revision)
    session.flush()
    audit.record(
        session,
        tenant_id=tenant.id,
        actor=by,
        action="connection.saved",
        subject=f"revision {revision.number}",
        before=_changes(newest, revision) if newest else {},
        after=_changes(revision, newest),
        now=now,
    )
    return revision


def provisioning_of(revision: Revision | None) -> dict[str, Any]:
    """Return the PROVISIONING_FIELDS of a revision, for values that leave them as they are."""
    return {name: getattr(revision, name) for name in PROVISIONING_FIELDS} if revision else {}


def copy_of(revision: Revision, *, number: int, by: audit.Actor, now: datetime) -> Revision:
    """Return a new revision that says the same, its secret included. Not added to a session yet."""
    kept = {
        column.key: getattr(revision, column.key)
        for column in Revision.__mapper__.column_attrs
        if column.key not in ("id", "number", "created_at", "created_by")
    }
    return Revision(**kept, number=number, created_at=now, created_by=by.name)


def _carry_secret(
    revision: Revision, newest: Revision | None, values: ConnectionValues, key_ring: KeyRing, now: datetime
) -> None:
    if values.client_authentication == ClientAuthentication.NONE:
        return
    if values.secret:
        purpose = secret_purpose(revision.connection_id)
        revision.sealed_secret = key_ring.seal(values.secret, purpose=purpose)
        is_same = newest is not None and _opens_to(newest, values.secret, key_ring, purpose)
        revision.secret_set_at = newest.secret_set_at if newest and is_same else now
    elif newest is not None and newest.sealed_secret and not values.removes_secret:
        # A secret that nobody may read must not be sent to an address that somebody
        # chose afterwards.
        if newest.issuer != values.issuer:
            raise SecretForAnotherIssuer()
        revision.sealed_secret, revision.secret_set_at = newest.sealed_secret, newest.secret_set_at
    else:
        raise SecretMissing()


def _opens_to(revision: Revision, secret: str, key_ring: KeyRing, purpose: str) -> bool:
    if revision.sealed_secret is None:
        return False
    try:
        return key_ring.open(revision.sealed_secret, purpose=purpose) == secret
    except NotOpened:
        return False  # its key has left the ring: the new secret takes its place


def _changes(one: Revision, other: Revision | None) -> dict[str, Any]:
    changed = {
        name: _plain(getattr(one, name))
        for name in PLAIN_FIELDS
        if other is None or getattr(one, name) != getattr(other, name)
    }
    if other is None or one.secret_set_at != other.secret_set_at:
        changed["secret"] = "set" if one.sealed_secret else "none"
    return changed


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def put_live(session: Session, tenant: Tenant, number: int, *, by: audit.Actor, now: datetime) -> Revision:
    """Let a revision sign people in from now on; going back is the same act. Raises RevisionUnknown."""
    connection = of_tenant(session, tenant.id)
    if connection is None:
        raise RevisionUnknown(str(number))
    revision = session.scalars(
        select(Revision).where(Revision.connection_id == connection.id, Revision.number == number)
    ).one_or_none()
    if revision is None:
        raise RevisionUnknown(str(number))
    if connection.live_revision_id == revision.id:
        return revision
    live = connection.live_revision
    before = live.number if live else None
    if live is not None and (live.issuer, live.client_id) != (revision.issuer, revision.client_id):
        _drop_next_secret(session, connection, by=by, now=now)
    connection.live_revision_id, connection.live_since = revision.id, now
    connection.failing_since = connection.failing_code = None  # what failed was the other revision
    audit.record(
        session,
        tenant_id=tenant.id,
        actor=by,
        action="connection.live",
        subject=f"revision {revision.number}",
        before={"revision": before},
        after={"revision": revision.number},
        now=now,
    )
    return revision


def _drop_next_secret(session: Session, connection: Connection, *, by: audit.Actor, now: datetime) -> None:
    """Forget the next secret: it was given for the app of another revision, at its issuer."""
    if connection.next_sealed_secret is None:
        return
    clear_next_secret(connection)
    audit.record(
        session,
        tenant_id=connection.tenant_id,
        actor=by,
        action="connection.next_secret_removed",
        before={"next secret": "set"},
        after={"next secret": "none", "reason": "the revision that goes live is of another app"},
        now=now,
    )


def copy_to_draft(
    session: Session, tenant_id: int, number: int, *, by: audit.Actor, now: datetime
) -> Revision:
    """Write a new revision that says what revision ``number`` says, its secret included.

    The newest one is returned as it is when it says the same already. Raises RevisionUnknown.
    """
    connection = of_tenant(session, tenant_id)
    newest = newest_revision(session, connection) if connection else None
    wanted = session.scalars(
        select(Revision).where(
            Revision.connection_id == (connection.id if connection else 0), Revision.number == number
        )
    ).one_or_none()
    if newest is None or wanted is None:
        raise RevisionUnknown(str(number))
    if not differences(newest, wanted):
        return newest
    revision = copy_of(wanted, number=newest.number + 1, by=by, now=now)
    session.add(revision)
    session.flush()
    audit.record(
        session,
        tenant_id=tenant_id,
        actor=by,
        action="connection.saved",
        subject=f"revision {revision.number}, copied from {number}",
        before=_changes(newest, revision),
        after=_changes(revision, newest),
        now=now,
    )
    return revision


def clear_next_secret(connection: Connection) -> None:
    """Leave the place of the next secret empty."""
    connection.next_sealed_secret = connection.next_secret_set_at = None
    connection.next_secret_set_by = connection.next_secret_expires_on = None


def set_enabled(session: Session, tenant: Tenant, *, enabled: bool, by: audit.Actor, now: datetime) -> bool:
    """Switch sign-in through the provider on or off; return whether anything changed.

    Off ends the sessions that the provider opened, at their next request, and
    keeps every setting. Raises FeatureOff or NothingToEnable.
    """
    connection = of_tenant(session, tenant.id)
    if enabled and not is_on(session, tenant.id):
        raise FeatureOff(client=tenant.name)
    newest = newest_revision(session, connection) if connection else None
    if connection is None or (enabled and newest is None):
        raise NothingToEnable()
    if enabled and newest and connection.live_revision_id is None:
        put_live(session, tenant, newest.number, by=by, now=now)
    if connection.enabled == enabled:
        return False
    connection.enabled = enabled
    connection.enabled_at = now if enabled else None
    audit.record(
        session,
        tenant_id=tenant.id,
        actor=by,
        action="connection.enabled" if enabled else "connection.disabled",
        before={"enabled": not enabled},
        after={"enabled": enabled},
        now=now,
    )
    return True


def people_depending(session: Session, tenant_id: int) -> tuple[int, int]:
    """Return how many active accounts the client has, and how many of them have no password."""
    everybody, without = session.execute(
        select(func.count(), func.count().filter(Account.password_hash.is_(None))).where(
            Account.tenant_id == tenant_id, Account.active.is_(True)
        )
    ).one()
    return int(everybody), int(without)
