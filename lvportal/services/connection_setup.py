"""Setting a connection up: what an administrator types is judged, tried at the provider, then enabled.

The steps between ``connections`` (which keeps revisions) and a provider that
may be slow, wrong or hostile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused
from lvportal.key_ring import KeyRing
from lvportal.models import AuditEvent, Revision, Tenant
from lvportal.protocols.addresses import AddressPolicy
from lvportal.protocols.http import Fetcher
from lvportal.protocols.oidc.configuration import (
    ClientAuthentication,
    RelyingPartyConfiguration,
    ResponseMode,
)
from lvportal.protocols.oidc.documents import ProviderDocuments
from lvportal.protocols.oidc.report import Check, ClientCredentials, Outcome, Report, Wanted, examine
from lvportal.services import audit, connections, enforcement, test_sign_ins
from lvportal.services.billing import is_on
from lvportal.services.connections import (
    PLAIN_FIELDS,
    ConnectionValues,
    FeatureOff,
    RevisionUnknown,
    SecretForAnotherIssuer,
)
from lvportal.services.transactions import writing


class ProviderNotReady(ChangeRefused):
    """The provider's report has dangers: with this revision, sign-ins would be refused."""

    code = "connection.provider_not_ready"
    user_message = "Nothing was changed: with these settings every sign-in would be refused."
    next_step = "Correct what the report below shows in red, then try again."

    def __init__(self, report: Report) -> None:
        super().__init__(", ".join(check.name for check in dangers(report)))
        self.report = report


class NotTested(ChangeRefused):
    """A revision that no test sign-in has passed on each host that has people."""

    code = "connection.not_tested"
    status = 409
    user_message = "Revision {number} has not passed a test sign-in on the {hosts}."
    next_step = "Test it in step 4: only a tested revision signs people in."


@dataclass(frozen=True, slots=True)
class Laboratory:
    """What a report needs besides the values: ways to the provider, and our keys."""

    key_ring: KeyRing
    fetcher: Fetcher
    documents: ProviderDocuments
    policy: AddressPolicy
    redirect_uri: str


def dangers(report: Report) -> tuple[Check, ...]:
    """Return the checks for which sign-ins would be refused."""
    return tuple(check for check in report.checks if check.outcome is Outcome.DANGER)


def values_of(revision: Revision) -> ConnectionValues:
    """Return what a revision says, its secret left aside."""
    return ConnectionValues(**{name: getattr(revision, name) for name in PLAIN_FIELDS})


def judge_values(values: ConnectionValues, *, stored_secret: str | None = None) -> RelyingPartyConfiguration:
    """Return the values as the protocol takes them. Raises ConfigurationRefused, which names the field."""
    keeps = values.secret or (None if values.removes_secret else stored_secret)
    method = ClientAuthentication(values.client_authentication)
    configuration = RelyingPartyConfiguration(
        issuer=values.issuer,
        client_id=values.client_id,
        client_secret=None if method is ClientAuthentication.NONE else keeps,
        client_authentication=method,
        scopes=tuple(values.scopes.split()),
        response_mode=ResponseMode(values.response_mode),
        email_claim=values.email_claim,
        accepts_unverified_email=values.accepts_unverified_email,
        accepts_email_verified_as_text=values.accepts_email_verified_as_text,
        required_hosted_domain=values.required_hosted_domain,
        groups_claim=values.groups_claim,
    )
    if not values.allows_hs256:
        return configuration
    return replace(configuration, allowed_algorithms=frozenset({"HS256"}))


def save_draft(
    session: Session,
    tenant: Tenant,
    values: ConnectionValues,
    *,
    key_ring: KeyRing,
    by: audit.Actor,
    now: datetime,
    based_on: int,
) -> Revision:
    """Write a new revision. Nothing that signs people in changes.

    Raises ConfigurationRefused, SecretMissing, SecretForAnotherIssuer or
    EditConflict.
    """
    connection = connections.of_tenant(session, tenant.id)
    newest = connections.newest_revision(session, connection) if connection else None
    stored = _stored_secret(key_ring, newest) if newest else None
    needs_secret = values.client_authentication != ClientAuthentication.NONE
    if needs_secret and not values.secret and not stored:
        raise connections.SecretMissing()
    judge_values(values, stored_secret=stored)
    if needs_secret and not values.secret and newest and newest.issuer != values.issuer:
        raise SecretForAnotherIssuer()
    return connections.save(session, tenant, values, key_ring=key_ring, by=by, now=now, based_on=based_on)


def examine_values(
    session: Session, tenant_id: int, values: ConnectionValues, laboratory: Laboratory, *, now: datetime
) -> Report:
    """Ask the provider about values that are not saved yet. Never raises for a bad one.

    The credentials are tried only as a whole, and a stored secret only at the
    issuer it was given for.
    """
    connection = connections.of_tenant(session, tenant_id)
    newest = connections.newest_revision(session, connection) if connection else None
    stored = None
    if newest is not None and newest.issuer == values.issuer:
        stored = _stored_secret(laboratory.key_ring, newest)
    session.rollback()  # The provider may be slow: no database connection waits for it.
    return _examine(values, values.secret or stored, laboratory, now)


def examine_revision(
    session: Session, revision: Revision, laboratory: Laboratory, *, now: datetime
) -> Report:
    """Ask the provider about a saved revision."""
    values, secret = values_of(revision), _stored_secret(laboratory.key_ring, revision)
    session.rollback()
    return _examine(values, secret, laboratory, now)


def examine_with(
    values: ConnectionValues, secret: str | None, laboratory: Laboratory, *, now: datetime
) -> Report:
    """Ask the provider about values with this secret. No database connection should wait for it."""
    return _examine(values, secret, laboratory, now)


def _examine(values: ConnectionValues, secret: str | None, laboratory: Laboratory, now: datetime) -> Report:
    method = ClientAuthentication(values.client_authentication)
    can_try = bool(values.client_id) and (method is ClientAuthentication.NONE or bool(secret))
    client = (
        ClientCredentials(
            client_id=values.client_id,
            client_secret=None if method is ClientAuthentication.NONE else secret,
            client_authentication=method,
            redirect_uri=laboratory.redirect_uri,
        )
        if can_try
        else None
    )
    return examine(
        values.issuer,
        fetcher=laboratory.fetcher,
        policy=laboratory.policy,
        now=now,
        documents=laboratory.documents,
        client=client,
        wanted=Wanted(values.response_mode, values.email_claim or "email"),
    )


def enable(
    session: Session, tenant_id: int, laboratory: Laboratory, *, by: audit.Actor, now: datetime
) -> Revision:
    """Let the provider sign people in, after asking it once more; return the revision that does.

    Raises FeatureOff, NothingToEnable, NotTested or ProviderNotReady.
    """
    tenant = session.get_one(Tenant, tenant_id)
    if not is_on(session, tenant_id):
        raise FeatureOff(client=tenant.name)
    connection = connections.of_tenant(session, tenant_id)
    revision = None
    if connection is not None:
        revision = connection.live_revision or connections.newest_revision(session, connection)
    if revision is None:
        raise connections.NothingToEnable()
    number = revision.number
    _refuse_untested(session, tenant_id, revision)
    _refuse_unless_ready(examine_revision(session, revision, laboratory, now=now))
    with writing(session):
        tenant = session.get_one(Tenant, tenant_id)
        # The revision that was examined, even if another was drafted meanwhile.
        live = connections.put_live(session, tenant, number, by=by, now=now)
        connections.set_enabled(session, tenant, enabled=True, by=by, now=now)
        enforcement.spread_net(session, tenant_id, now)
        return live


def put_live(
    session: Session, tenant_id: int, number: int, laboratory: Laboratory, *, by: audit.Actor, now: datetime
) -> Revision:
    """Let another revision sign people in.

    It must have passed its test sign-ins, or have signed people in before. A
    newer one is examined first while people depend on it. An older one is not:
    going back must work when the provider does not. Raises RevisionUnknown,
    NotTested, ProviderNotReady or WouldLockOut.
    """
    connection = connections.of_tenant(session, tenant_id)
    live = connection.live_revision if connection else None
    revision = _revision(session, connection.id, number) if connection else None
    if connection is None or revision is None:
        raise RevisionUnknown(str(number))
    _refuse_untested(session, tenant_id, revision)
    if connection.enabled and live is not None and number > live.number:
        _refuse_unless_ready(examine_revision(session, revision, laboratory, now=now))
    with writing(session):
        enforcement.one_at_a_time(session, tenant_id)
        before = enforcement.read_state(session, tenant_id, now)
        live = connections.put_live(session, session.get_one(Tenant, tenant_id), number, by=by, now=now)
        enforcement.spread_net(session, tenant_id, now)
        # Another issuer knows nobody yet: passwords may be refused until the net returns them, not for good.
        settled = enforcement.waits_until(session, tenant_id, now) or now
        enforcement.refuse_lock_out(before, enforcement.read_state(session, tenant_id, settled))
        return live


def disable(session: Session, tenant_id: int, *, by: audit.Actor, now: datetime) -> None:
    """End sign-in by the provider; every setting stays. Raises NothingToEnable or WouldLockOut."""
    with writing(session):
        enforcement.one_at_a_time(session, tenant_id)
        state = enforcement.read_state(session, tenant_id, now)
        enforcement.refuse_lock_out(state, replace(state, signs_in=False))
        connections.set_enabled(session, session.get_one(Tenant, tenant_id), enabled=False, by=by, now=now)


def untested_audiences(session: Session, tenant_id: int, revision: Revision) -> frozenset[str]:
    """Return the hosts on which the revision still needs a test; none for one that was live before."""
    missing = test_sign_ins.needed_audiences(session, tenant_id) - test_sign_ins.passed_audiences(
        session, revision.id
    )
    return missing if missing and not _was_live(session, tenant_id, revision) else frozenset()


def _refuse_untested(session: Session, tenant_id: int, revision: Revision) -> None:
    missing = untested_audiences(session, tenant_id, revision)
    if missing:
        hosts = " and the ".join(f"{name} host" for name in ("portal", "agent") if name in missing)
        raise NotTested(f"revision {revision.number}", number=revision.number, hosts=hosts)


def _was_live(session: Session, tenant_id: int, revision: Revision) -> bool:
    if revision.connection.live_revision_id == revision.id:
        return True
    # The audit record cannot be changed: what it says went live has signed people in.
    found = session.scalar(
        select(AuditEvent.id)
        .where(
            AuditEvent.tenant_id == tenant_id,
            AuditEvent.action == "connection.live",
            AuditEvent.subject == f"revision {revision.number}",
        )
        .limit(1)
    )
    return found is not None


def _revision(session: Session, connection_id: int, number: int) -> Revision | None:
    return session.scalars(
        select(Revision).where(Revision.connection_id == connection_id, Revision.number == number)
    ).one_or_none()


def _refuse_unless_ready(report: Report) -> None:
    if dangers(report):
        raise ProviderNotReady(report)


def _stored_secret(key_ring: KeyRing, revision: Revision) -> str | None:
    if not revision.sealed_secret:
        return None
    return key_ring.open(revision.sealed_secret, purpose=connections.secret_purpose(revision.connection_id))
