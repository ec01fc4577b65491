"""Comparing what a file asks for with what is stored. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

from lvportal.errors import ChangeRefused
from lvportal.key_ring import KeyRing, NotOpened
from lvportal.models import Revision, Tenant
from lvportal.models.tenants import SINGLE_SIGN_ON
from lvportal.protocols.oidc.configuration import (
    ASYMMETRIC_ALGORITHMS,
    SYMMETRIC_ALGORITHMS,
    ClientAuthentication,
    RelyingPartyConfiguration,
    ResponseMode,
)
from lvportal.providers import KNOWN
from lvportal.services.billing import FEATURE_LABELS
from lvportal.services.configuration.passwords import NEW_CLIENT, PasswordResults
from lvportal.services.configuration.problems import Fault, Path
from lvportal.services.configuration.stored import Stored
from lvportal.services.configuration.wanted import (
    PasswordHash,
    Wanted,
    WantedClient,
    WantedConnection,
    WantedFeature,
    WantedPerson,
)
from lvportal.services.connections import (
    PLAIN_FIELDS,
    ConnectionValues,
    FeatureOff,
    SecretMissing,
    secret_purpose,
)


@dataclass(frozen=True, slots=True)
class Field:
    """One value that changes, as words. A secret's value is "set" or "changed"."""

    name: str
    old: str | None  # None when there was nothing
    new: str

    def __str__(self) -> str:
        return f"{self.name}: {self.new}" if self.old is None else f"{self.name}: {self.old} → {self.new}"


@dataclass(frozen=True, slots=True)
class Change:
    """What changes of one thing."""

    client: str
    subject: str  # "" for the client itself
    creates: bool
    fields: tuple[Field, ...]

    def __str__(self) -> str:
        what = f"client {self.client}" + (f", {self.subject}" if self.subject else "")
        shown = "; ".join(map(str, self.fields))
        verb = "create" if self.creates else "change"
        return f"{verb} {what}: {shown}" if shown else f"{verb} {what}"


@dataclass(frozen=True, slots=True)
class PersonChange:
    """A person to write: ``account_id`` None for a new one."""

    person: WantedPerson
    account_id: int | None
    values: dict[str, Any]
    before: dict[str, Any]
    new_hash: PasswordHash | None


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """What to do with a connection: ``values`` None when no new revision is needed."""

    values: ConnectionValues | None
    goes_live: bool
    enabled: bool | None


@dataclass(slots=True)
class ClientPlan:
    """What one client needs. ``tenant`` None for a new one."""

    wanted: WantedClient
    tenant: Tenant | None
    values: dict[str, Any] = field(default_factory=dict)
    features: list[WantedFeature] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    people: list[PersonChange] = field(default_factory=list)
    connection: ConnectionChange | None = None


@dataclass(slots=True)
class Plan:
    """Everything a file would change, in words and as work."""

    clients: list[ClientPlan] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    named_people: int = 0


def make_plan(wanted: Wanted, stored: Stored, passwords: PasswordResults, key_ring: KeyRing) -> Plan:
    """Compare; what cannot be done stands in ``faults``, all of it."""
    plan = Plan(named_people=sum(len(client.people) for client in wanted.clients))
    for client in wanted.clients:
        planner = _ClientPlanner(client, stored, passwords, key_ring, plan)
        planner.run()
        plan.clients.append(planner.result)
    return plan


class _ClientPlanner:
    def __init__(
        self,
        wanted: WantedClient,
        stored: Stored,
        passwords: PasswordResults,
        key_ring: KeyRing,
        plan: Plan,
    ) -> None:
        self.result = ClientPlan(wanted, stored.tenants.get(wanted.code))
        self._wanted = wanted
        self._tenant = self.result.tenant
        self._tenant_id = self._tenant.id if self._tenant else NEW_CLIENT
        self._stored = stored
        self._passwords = passwords
        self._key_ring = key_ring
        self._plan = plan

    def run(self) -> None:
        if self._tenant is not None and self._tenant.deleted_at is not None:
            self._fault(("code",), "belonged to a deleted client and is never given out again")
            return
        self._client()
        for feature in self._wanted.features:
            self._feature(feature)
        for domain, path in self._wanted.email_domains:
            self._domain(domain, path)
        for person in self._wanted.people:
            self._person(person)
        if self._wanted.connection is not None:
            self._connection(self._wanted.connection)

    @property
    def _is_operator(self) -> bool:
        return (self._tenant.kind if self._tenant else self._wanted.values.get("kind")) == "operator"

    def _client(self) -> None:
        values = self._wanted.values
        if self._tenant is None:
            if "name" not in values:
                self._fault((), "needs name: there is no client with this code yet")
            self.result.values = dict(values)
            self._change("", True, [Field(n, None, show(v)) for n, v in values.items()])
            return
        if values.get("kind", self._tenant.kind) != self._tenant.kind:
            self._fault(("kind",), f"cannot change: this client is of kind {self._tenant.kind} for good")
        changed = {n: v for n, v in values.items() if n != "kind" and getattr(self._tenant, n) != v}
        self.result.values = changed
        self._change(
            "", False, [Field(n, show(getattr(self._tenant, n)), show(v)) for n, v in changed.items()]
        )

    def _feature(self, feature: WantedFeature) -> None:
        if feature.enabled == self._stored.features.get((self._tenant_id, feature.name), False):
            return
        self.result.features.append(feature)
        now = _switch(feature.enabled)
        shown = [Field(FEATURE_LABELS[feature.name], _switch(not feature.enabled), now)]
        self._change(
            "billing",
            False,
            shown + ([Field("ticket", None, show(feature.ticket))] if feature.ticket else []),
        )

    def _domain(self, domain: str, path: Path) -> None:
        owner = self._stored.domain_owners.get(domain)
        if owner is None:
            self.result.domains.append(domain)
            self._change("email domains", False, [Field(domain, None, "proven by the operator")])
        elif owner != self._tenant_id:
            self._plan.faults.append(Fault(path, "belongs to another client"))

    def _person(self, person: WantedPerson) -> None:
        key = (self._tenant_id, person.audience, person.folded_login_name)
        row = self._stored.people.get(key)
        if person.values.get("role") == "CARE" and not self._is_operator:
            self._plan.faults.append(
                Fault((*person.path, "role"), "CARE is for the operator's own client only")
            )
        if row is None and person.audience == "portal" and "role" not in person.values:
            self._plan.faults.append(Fault(person.path, "needs role: there is no such user yet"))
            return
        named = {"login_name": person.login_name, **person.values}
        changed = named if row is None else {n: v for n, v in named.items() if row[n] != v}
        before = {} if row is None else {n: row[n] for n in changed}
        stored_hash = row["password_hash"] if row else None
        new_hash = (
            self._passwords.change(self._wanted.code, key, person.password, stored_hash)
            if person.password is not None
            else None
        )
        if row is not None and not changed and new_hash is None:
            return
        self.result.people.append(PersonChange(person, row["id"] if row else None, changed, before, new_hash))
        shown = [
            Field(n, None if row is None else show(before[n]), show(v))
            for n, v in changed.items()
            if n != "folded_email" and not (row is None and n == "login_name")
        ]
        if new_hash is not None:
            shown.append(Field("password", None, _secret_word(stored_hash, new_hash.text)))
        self._change(person.title, row is None, shown)

    # --- The connection -----------------------------------------------------

    def _connection(self, wanted: WantedConnection) -> None:
        newest = self._stored.newest_revisions.get(self._tenant_id)
        connection = self._stored.connections.get(self._tenant_id)
        try:
            stored_secret = self._stored_secret(newest)
        except NotOpened:
            self._fault(
                ("connection",), "the stored secret does not open: its key is missing from the key ring"
            )
            return
        values = self._connection_values(wanted, newest)
        if values is None or not self._is_usable(values, stored_secret, wanted):
            return
        is_secret_new = values.secret is not None and values.secret != stored_secret
        changed = [n for n in PLAIN_FIELDS if newest is None or getattr(newest, n) != getattr(values, n)]
        needs_revision = bool(changed) or is_secret_new
        live_id = connection.live_revision_id if connection else None
        goes_live = wanted.goes_live and (needs_revision or newest is None or live_id != newest.id)
        is_enabled = connection.enabled if connection else False
        enabled = wanted.enabled if wanted.enabled is not None and wanted.enabled != is_enabled else None
        if enabled and not self._may_enable(live_id is not None or goes_live):
            return
        if not (needs_revision or goes_live or enabled is not None):
            return
        self.result.connection = ConnectionChange(values if needs_revision else None, goes_live, enabled)
        shown = [
            Field(n, None if newest is None else show(getattr(newest, n)), show(getattr(values, n)))
            for n in changed
            if newest is not None or n in wanted.values or n in ("provider", "client_authentication")
        ]
        if is_secret_new:
            shown.append(Field("secret", None, _secret_word(stored_secret, values.secret)))
        if goes_live:
            shown.append(Field("goes live without a test sign-in", None, "yes"))
        elif needs_revision:
            shown.append(Field("saved as a draft", None, "a test sign-in is missing"))
        if enabled is not None:
            shown.append(Field("Enable Single Sign On", _switch(is_enabled), _switch(enabled)))
        self._change("connection", newest is None, shown)

    def _connection_values(
        self, wanted: WantedConnection, newest: Revision | None
    ) -> ConnectionValues | None:
        """Return the stored values with the named ones in their place."""
        if newest is not None:
            values = {name: getattr(newest, name) for name in PLAIN_FIELDS} | wanted.values
        else:
            missing = [n for n in ("application_type", "issuer", "client_id") if n not in wanted.values]
            if missing:
                self._fault(("connection",), f"needs {', '.join(missing)}: there is no connection yet")
                return None
            values = _CONNECTION_DEFAULTS | wanted.values
            values.setdefault("client_authentication", _usual_authentication(values, wanted.secret))
        return ConnectionValues(**values, secret=wanted.secret)

    def _is_usable(
        self, values: ConnectionValues, stored_secret: str | None, wanted: WantedConnection
    ) -> bool:
        """Judge the values as the sign-in will; note what is wrong."""
        at = len(self._plan.faults)
        if values.provider not in KNOWN:
            self._fault(("connection", "provider"), f"is not known; known are {', '.join(sorted(KNOWN))}")
        if values.application_type == "web" and values.client_authentication == "none":
            self._fault(
                ("connection", "client_authentication"),
                'a web application has a secret; without one it is "native"',
            )
        if values.client_authentication == "none":
            secret = None
            if wanted.secret is not None:
                self._fault(("connection", "secret"), 'is named, but client_authentication is "none"')
        else:
            secret = values.secret or stored_secret
            if secret is None:
                self._fault(("connection",), f"needs secret: {SecretMissing.user_message}")
                return False
        try:
            RelyingPartyConfiguration(
                issuer=values.issuer,
                client_id=values.client_id,
                client_secret=secret,
                client_authentication=ClientAuthentication(values.client_authentication),
                scopes=tuple(values.scopes.split()),
                response_mode=ResponseMode(values.response_mode),
                email_claim=values.email_claim,
                required_hosted_domain=values.required_hosted_domain,
                allowed_algorithms=SYMMETRIC_ALGORITHMS if values.allows_hs256 else ASYMMETRIC_ALGORITHMS,
            )
        except ChangeRefused as refused:
            name = _FILE_NAMES.get(refused.field or "", refused.field or "")
            self._fault(("connection", name), f"{refused.user_message} {refused.next_step}")
        return len(self._plan.faults) == at

    def _may_enable(self, has_live: bool) -> bool:
        named = [f.enabled for f in self._wanted.features if f.name == SINGLE_SIGN_ON]
        feature_on = (
            named[0] if named else self._stored.features.get((self._tenant_id, SINGLE_SIGN_ON), False)
        )
        if not feature_on:
            self._fault(
                ("connection", "enabled"), f"{FeatureOff.user_message} Name features.single_sign_on too."
            )
        if not has_live:
            self._fault(
                ("connection", "enabled"),
                "no revision is live: test and enable it on the Security page, or let this one go live"
                " with goes_live_without_a_test_sign_in",
            )
        return feature_on and has_live

    def _stored_secret(self, newest: Revision | None) -> str | None:
        if newest is None or newest.sealed_secret is None:
            return None
        return self._key_ring.open(newest.sealed_secret, purpose=secret_purpose(newest.connection_id))

    # --- Notes --------------------------------------------------------------

    def _fault(self, path: Path, reason: str) -> None:
        self._plan.faults.append(Fault((*self._wanted.path, *path), reason))

    def _change(self, subject: str, creates: bool, shown: list[Field]) -> None:
        if shown or creates:
            self._plan.changes.append(Change(self._wanted.code, subject, creates, tuple(shown)))


_CONNECTION_DEFAULTS: dict[str, Any] = {
    f.name: f.default
    for f in fields(ConnectionValues)
    if f.name in PLAIN_FIELDS and isinstance(f.default, str | bool)
} | {"provider": "other", "secret_expires_on": None, "required_hosted_domain": None}

# The protocol's names of fields that a file calls otherwise.
_FILE_NAMES = {"client_secret": "secret", "allowed_algorithms": "allows_hs256"}


def _usual_authentication(values: dict[str, Any], secret: str | None) -> str:
    return "none" if values["application_type"] == "native" and secret is None else "client_secret_basic"


def show(value: object) -> str:
    """Return a value as words: texts in quotes, nothing as "none"."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        f'"{value}"'
        if isinstance(value, str)
        else value.isoformat()
        if isinstance(value, date)
        else str(value)
    )


def _switch(on: bool) -> str:
    return "on" if on else "off"


def _secret_word(old: str | None, new: str | None) -> str:
    return "removed" if new is None else "set" if old is None else "changed"
