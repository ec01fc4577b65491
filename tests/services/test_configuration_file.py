from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from sqlalchemy import create_engine, func, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from lvportal.cli.apply import load_schema
from lvportal.database import prepare_sqlite
from lvportal.key_ring import KeyRing, new_key
from lvportal.models import (
    Account,
    AuditEvent,
    Base,
    Connection,
    EmailDomain,
    Feature,
    PersonSession,
    Revision,
    Tenant,
)
from lvportal.services import audit, billing, configuration, connections, passwords, sessions
from lvportal.services.configuration.json_lines import Lines, read_json
from lvportal.services.configuration.planning import Plan
from lvportal.services.configuration.problems import FileRefused
from lvportal.services.configuration.quick_check import compile_check
from lvportal.services.configuration.reading import inline
from lvportal.services.passwords import PasswordChecker
from lvportal.services.transactions import writing

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 24, 12, 5, tzinfo=UTC)
SCHEMA = load_schema()
SECRET = "a client secret as the provider shows it"
PASSWORD = "correct horse battery staple"
ENVIRON = {"ACME_SECRET": SECRET, "PAT_PASSWORD": PASSWORD, "OTHER_SECRET": "another secret of the client"}

MISSING = object()

CONNECTION: dict[str, Any] = {
    "provider": "okta",
    "application_type": "web",
    "issuer": "https://login.acme.example",
    "client_id": "0oa1",
    "secret": {"environment": "ACME_SECRET"},
    "enabled": True,
    "goes_live_without_a_test_sign_in": True,
}
ACME: dict[str, Any] = {
    "code": "acme",
    "name": "Acme",
    "time_zone": "Europe/London",
    "features": {"single_sign_on": {"enabled": True, "ticket": "CARE-7"}},
    "email_domains": ["acme.example"],
    "users": [
        {
            "user_name": "Pat",
            "email": "Pat@acme.example",
            "role": "SYSADMIN",
            "first_name": "Pat",
        }
    ],
    "agents": [{"logon_id": "a.lee", "email": "a.lee@acme.example", "extension": "1234"}],
    "connection": CONNECTION,
}


def acme(**changes: Any) -> dict[str, Any]:
    """Return the entry of Acme; a value None leaves the name out."""
    entry = deepcopy(ACME) | changes
    return {name: value for name, value in entry.items() if value is not None}


def acme_connection(**changes: Any) -> dict[str, Any]:
    connection = deepcopy(CONNECTION) | changes
    return acme(connection={name: value for name, value in connection.items() if value is not ...})


def acme_with_password(password: object = MISSING) -> dict[str, Any]:
    named = {"environment": "PAT_PASSWORD"} if password is MISSING else password
    return acme(users=[ACME["users"][0] | {"password": named}])


class World:
    """One database and short ways to apply files to it."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.key_ring = KeyRing(new_key("k1"))
        self.checker = PasswordChecker(2)
        self.session = Session(engine)

    def read(self, *clients: dict[str, Any], text: str | None = None) -> Any:
        data = (text if text is not None else json.dumps({"clients": clients}, indent=1)).encode()
        return configuration.read(data, schema=SCHEMA, folder=self.folder, environ=ENVIRON)

    def apply(self, *clients: dict[str, Any], now: datetime = NOW) -> Plan:
        wanted = self.read(*clients)
        return configuration.apply(
            self.session, wanted, key_ring=self.key_ring, checker=self.checker, now=now
        )

    def plan(self, *clients: dict[str, Any]) -> Plan:
        return configuration.plan(
            self.session, self.read(*clients), key_ring=self.key_ring, checker=self.checker
        )

    def refusal(self, *clients: dict[str, Any]) -> list[str]:
        """Apply and return the reasons of the refusal, without lines."""
        with pytest.raises(FileRefused) as refused:
            self.apply(*clients)
        return [f"{problem.where}: {problem.reason}" for problem in refused.value.problems]

    def count(self, model: type[Base]) -> int:
        return self.session.scalar(select(func.count()).select_from(model)) or 0

    def account(self, folded_login_name: str) -> Account:
        self.session.expire_all()
        return self.session.scalars(
            select(Account).where(Account.folded_login_name == folded_login_name)
        ).one()

    def tenant(self, code: str = "acme") -> Tenant:
        self.session.expire_all()
        return self.session.scalars(select(Tenant).where(Tenant.code == code)).one()

    def connection(self) -> Connection:
        self.session.expire_all()
        return self.session.scalars(select(Connection)).one()

    def revisions(self) -> list[Revision]:
        return list(self.session.scalars(select(Revision).order_by(Revision.number)))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = create_engine("sqlite://")
    prepare_sqlite(engine)
    Base.metadata.create_all(engine)
    world = World(engine, tmp_path)
    yield world
    world.session.close()
    engine.dispose()


def words(plan: Plan) -> str:
    return "\n".join(map(str, plan.changes))


# --- What applying does -----------------------------------------------------


def test_a_file_creates_a_client_with_everything_it_names(world):
    world.apply(acme())

    tenant = world.tenant()
    assert (tenant.name, tenant.kind, tenant.time_zone) == ("Acme", "client", "Europe/London")
    assert world.session.get_one(EmailDomain, "acme.example").tenant_id == tenant.id
    assert world.session.get_one(Feature, (tenant.id, "single_sign_on")).ticket == "CARE-7"
    pat, lee = world.account("pat"), world.account("a.lee")
    assert (pat.audience, pat.login_name, pat.folded_email) == ("portal", "Pat", "pat@acme.example")
    assert (lee.audience, lee.role, lee.extension, lee.password_hash) == ("agent", None, "1234", None)
    connection = world.connection()
    assert connection.enabled
    assert connection.live_revision_id == world.revisions()[0].id


def test_a_second_run_changes_nothing(world):
    world.apply(acme())
    events = world.count(AuditEvent)

    second = world.apply(acme())

    assert second.changes == []
    assert world.count(AuditEvent) == events
    assert len(world.revisions()) == 1


def test_what_a_file_does_not_name_stays(world):
    world.apply(acme())

    world.apply({"code": "acme", "agents": [{"logon_id": "a.lee", "active": False}]})

    lee = world.account("a.lee")
    assert (lee.active, lee.email, lee.extension) == (False, "a.lee@acme.example", "1234")
    assert world.tenant().name == "Acme"
    assert world.connection().enabled
    assert world.account("pat").active


def test_a_changed_value_is_shown_old_and_new(world):
    world.apply(acme())

    changed = world.apply(acme(name="Acme Limited"))

    assert words(changed) == 'change client acme: name: "Acme" → "Acme Limited"'
    assert world.tenant().name == "Acme Limited"


def test_a_plan_says_what_applying_will_do_and_does_not_do_it(world):
    planned = world.plan(acme())

    assert world.count(Tenant) == 0
    assert words(world.apply(acme())) == words(planned)


def test_an_email_is_taken_away_by_null(world):
    world.apply(acme())

    world.apply({"code": "acme", "agents": [{"logon_id": "a.lee", "email": None}]})

    lee = world.account("a.lee")
    assert (lee.email, lee.folded_email) == (None, None)


def test_turning_the_feature_off_keeps_the_connection(world):
    world.apply(acme())

    world.apply({"code": "acme", "features": {"single_sign_on": False}})

    tenant = world.tenant()
    assert not billing.is_on(world.session, tenant.id)
    assert len(world.revisions()) == 1


def test_every_change_is_audited_without_secrets(world):
    world.apply(acme_with_password())

    told = world.session.scalars(select(AuditEvent)).all()

    assert {event.action for event in told} == {
        "client.created",
        "billing.feature",
        "domain.proven",
        "account.created",
        "connection.saved",
        "connection.live",
        "connection.enabled",
    }
    assert {event.actor for event in told} == {"command line"}
    everything = json.dumps([[event.before, event.after] for event in told])
    assert SECRET not in everything
    assert PASSWORD not in everything
    assert "argon2" not in everything


def test_a_new_clients_rows_are_those_the_services_would_write(world):
    world.apply(acme(code="bulk", email_domains=None, users=None, agents=None))
    by_service = Tenant(code="service", name="Acme", created_at=NOW)
    values = connections.ConnectionValues(
        provider="okta",
        application_type="web",
        issuer="https://login.acme.example",
        client_id="0oa1",
        client_authentication="client_secret_basic",
        secret=SECRET,
    )
    by: dict[str, Any] = {"by": audit.COMMAND_LINE, "now": NOW}
    with writing(world.session) as session:
        session.add(by_service)
        session.flush()
        billing.set_feature(session, by_service, "single_sign_on", enabled=True, ticket="CARE-7", **by)
        saved = connections.save(session, by_service, values, key_ring=world.key_ring, **by)
        connections.put_live(session, by_service, saved.number, **by)
        connections.set_enabled(session, by_service, enabled=True, **by)

    assert rows_of(world, "bulk") == rows_of(world, "service")


def rows_of(world: World, code: str) -> list[dict[str, Any]]:
    """Return the client's feature, connection, revision and events, without what differs by nature."""
    tenant = world.tenant(code)
    connection = world.session.scalars(select(Connection).where(Connection.tenant_id == tenant.id)).one()
    revision = world.session.scalars(select(Revision).where(Revision.connection_id == connection.id)).one()
    feature = world.session.get_one(Feature, (tenant.id, "single_sign_on"))
    events = world.session.scalars(
        select(AuditEvent)
        .where(AuditEvent.tenant_id == tenant.id, AuditEvent.action != "client.created")
        .order_by(AuditEvent.action)
    )
    assert connection.live_revision_id == revision.id
    assert revision.sealed_secret is not None
    opened = world.key_ring.open(revision.sealed_secret, purpose=connections.secret_purpose(connection.id))
    own = ("id", "tenant_id", "connection_id", "live_revision_id", "sealed_secret")
    in_chain = ("number", "previous_hash", "hash")
    return [
        {
            column.name: getattr(row, column.name)
            for column in row.__table__.columns
            if column.name not in own + (in_chain if isinstance(row, AuditEvent) else ())
        }
        for row in (connection, revision, feature, *events)
    ] + [{"secret": opened}]


# --- Connections ------------------------------------------------------------


def test_a_connection_without_leave_to_go_live_is_saved_as_a_draft(world):
    draft = acme_connection(goes_live_without_a_test_sign_in=False, enabled=False)

    applied = world.apply(draft)

    assert len(world.revisions()) == 1
    assert world.connection().live_revision_id is None
    assert "saved as a draft: a test sign-in is missing" in words(applied)


def test_enabling_is_refused_while_no_revision_is_live(world):
    refused = world.refusal(acme_connection(goes_live_without_a_test_sign_in=False))

    assert refused[0].startswith("clients[0].connection.enabled: no revision is live")
    assert world.count(Tenant) == 0


def test_a_later_draft_leaves_the_live_revision_alone(world):
    world.apply(acme())
    live = world.connection().live_revision_id

    world.apply(acme_connection(client_id="0oa2", goes_live_without_a_test_sign_in=False))

    assert [revision.client_id for revision in world.revisions()] == ["0oa1", "0oa2"]
    assert world.connection().live_revision_id == live
    assert world.connection().enabled


def test_a_draft_goes_live_by_a_later_file(world):
    world.apply(acme_connection(goes_live_without_a_test_sign_in=False, enabled=False))

    world.apply(acme())

    assert len(world.revisions()) == 1
    assert world.connection().live_revision_id == world.revisions()[0].id
    assert world.connection().enabled


def test_enabling_is_refused_while_the_feature_is_off(world):
    refused = world.refusal(acme(features={"single_sign_on": False}))

    assert refused == [
        (
            "clients[0].connection.enabled: Single Sign On is not turned on for this client."
            " Name features.single_sign_on too."
        )
    ]


def test_a_new_secret_makes_a_revision_and_the_same_secret_none(world):
    world.apply(acme())

    same = world.apply(acme())
    changed = world.apply(acme_connection(secret={"environment": "OTHER_SECRET"}), now=LATER)

    assert same.changes == []
    assert words(changed) == (
        "change client acme, connection: secret: changed; goes live without a test sign-in: yes"
    )
    assert len(world.revisions()) == 2


def test_a_connection_whose_secret_is_not_named_keeps_it(world):
    world.apply(acme())

    world.apply(acme_connection(secret=..., client_id="0oa2"))

    one, two = (
        world.key_ring.open(r.sealed_secret or "", purpose=connections.secret_purpose(r.connection_id))
        for r in world.revisions()
    )
    assert one == two == SECRET


def test_a_new_web_application_needs_its_secret(world):
    refused = world.refusal(acme_connection(secret=...))

    assert refused == [
        "clients[0].connection: needs secret: This application type needs the Authorization Secret."
    ]


def test_a_native_application_needs_no_secret(world):
    world.apply(acme_connection(application_type="native", secret=...))

    assert world.revisions()[0].client_authentication == "none"
    assert world.revisions()[0].sealed_secret is None


def test_a_native_application_may_have_a_secret(world):
    world.apply(acme_connection(application_type="native"))

    assert world.revisions()[0].client_authentication == "client_secret_basic"


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"issuer": "login.acme.example"}, "connection.issuer: The Issuer URL is missing or is no address."),
        ({"client_id": " 0oa1"}, "connection.client_id: The Authorization ID is missing"),
        ({"scopes": "openid \u00e9"}, "connection.scopes: A scope is empty or has characters"),
        ({"email_claim": "e mail\n"}, "connection.email_claim: The Email Attribute is missing"),
        ({"required_hosted_domain": "acme"}, "connection.required_hosted_domain: The hosted domain is no"),
        ({"provider": "acme-idp"}, "connection.provider: is not known; known are"),
        ({"client_authentication": "none"}, "connection.client_authentication: a web application has a sec"),
        ({"secret_expires_on": "2027-02-30"}, "connection.secret_expires_on: is no day of the calendar"),
        ({"allows_hs256": True, "secret": {"environment": "SHORT"}}, "connection.secret: the environment"),
    ],
)
def test_a_connection_that_could_not_work_is_refused(world, changes, reason):
    refused = world.refusal(acme_connection(**changes))

    assert any(line.startswith(f"clients[0].{reason}") for line in refused), refused
    assert world.count(Tenant) == 0


def test_a_stored_secret_whose_key_is_gone_is_said(world):
    world.apply(acme())
    world.key_ring = KeyRing(new_key("k2"))

    refused = world.refusal(acme())

    assert refused == [
        "clients[0].connection: the stored secret does not open: its key is missing from the key ring"
    ]


# --- People -----------------------------------------------------------------


def test_a_named_password_signs_the_person_in(world):
    world.apply(acme_with_password())

    assert world.checker.is_right(PASSWORD, world.account("pat").password_hash)


def test_the_same_password_is_not_hashed_again(world):
    world.apply(acme_with_password())
    before = world.account("pat").password_hash

    second = world.apply(acme_with_password())

    assert second.changes == []
    assert world.account("pat").password_hash == before


def test_another_password_replaces_the_hash_ends_the_pause_and_password_sessions(world):
    world.apply(acme_with_password({"argon2": passwords.hash_password("old")}))
    pat = world.account("pat")
    pat.failed_attempts, pat.locked_until = 5, NOW
    new = sessions.NewSession(pat.tenant_id, "portal", pat.id, "pat@acme.example", "password", "", "")
    sessions.open_session(world.session, new, absolute_seconds=3600, now=NOW)
    world.session.commit()

    changed = world.apply(acme_with_password())

    pat = world.account("pat")
    assert words(changed) == "change client acme, user Pat: password: changed"
    assert world.checker.is_right(PASSWORD, pat.password_hash)
    assert (pat.failed_attempts, pat.locked_until) == (0, None)
    assert world.session.scalars(select(PersonSession.end_reason)).all() == ["password changed"]


def test_a_hash_made_elsewhere_is_stored_as_it_is(world):
    made = passwords.hash_password("something long")
    user = {"user_name": "kim", "role": "MANAGER", "password": {"argon2": made}}

    world.apply(acme(users=[user]))

    assert world.account("kim").password_hash == made


def test_null_takes_the_password_away(world):
    world.apply(acme_with_password())

    removed = world.apply({"code": "acme", "users": [{"user_name": "pat", "password": None}]})

    assert world.account("pat").password_hash is None
    assert 'login_name: "Pat" → "pat"; password: removed' in words(removed)


def test_secrets_come_from_files_beside_the_applied_one(world):
    (world.folder / "secrets").mkdir()
    (world.folder / "secrets" / "acme").write_text(SECRET + "\n")

    world.apply(acme_connection(secret={"file": "secrets/acme"}))

    revision = world.revisions()[0]
    opened = world.key_ring.open(
        revision.sealed_secret or "", purpose=connections.secret_purpose(revision.connection_id)
    )
    assert opened == SECRET


@pytest.mark.parametrize(
    "content, reason",
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "must hold one line, the secret, and nothing else"),
        (b"one\ntwo\n", "must hold one line, the secret, and nothing else"),
        (b"\xff\xfe", "cannot be read: not UTF-8"),
        (b"a" * 70_000, "must hold one line, the secret, and nothing else"),
    ],
)
def test_a_secrets_file_that_is_no_secret_is_refused(world, content, reason):
    if content is not None:
        (world.folder / "secret").write_bytes(content)

    refused = world.refusal(acme_connection(secret={"file": "secret"}))

    assert refused == [f"clients[0].connection.secret: the file secret {reason}"]


def test_care_is_a_role_of_the_operators_client_only(world):
    care = {"user_name": "care", "email": "care@operator.example", "role": "CARE"}

    refused = world.refusal(acme(users=[care]))
    world.apply({"code": "operator", "name": "Operator", "kind": "operator", "users": [care]})

    assert refused == ["clients[0].users[0].role: CARE is for the operator's own client only"]
    assert world.account("care").role == "CARE"


def test_a_new_user_needs_a_role_and_a_known_one_does_not(world):
    world.apply(acme())

    refused = world.refusal({"code": "acme", "users": [{"user_name": "kim"}]})
    world.apply({"code": "acme", "users": [{"user_name": "PAT", "last_name": "Moss"}]})

    assert refused == ["clients[0].users[0]: needs role: there is no such user yet"]
    assert world.account("pat").last_name == "Moss"


# --- Clients ----------------------------------------------------------------


def test_a_new_client_needs_a_name(world):
    assert world.refusal({"code": "acme"}) == [
        "clients[0]: needs name: there is no client with this code yet"
    ]


def test_a_deleted_clients_code_is_never_given_out_again(world):
    world.apply(acme())
    world.tenant().deleted_at = NOW
    world.session.commit()

    refused = world.refusal(acme())

    assert refused == ["clients[0].code: belonged to a deleted client and is never given out again"]


def test_a_clients_kind_is_for_good(world):
    world.apply(acme())

    refused = world.refusal(acme(kind="operator"))

    assert refused == ["clients[0].kind: cannot change: this client is of kind client for good"]


def test_a_domain_belongs_to_one_client(world):
    world.apply(acme())

    refused = world.refusal({"code": "globex", "name": "Globex", "email_domains": ["acme.example"]})

    assert refused == ["clients[0].email_domains[0]: belongs to another client"]


# --- Files ------------------------------------------------------------------


def test_every_error_is_told_with_its_line(world):
    text = """{
 "clients": [
  {"code": "acme",
   "name": "Acme",
   "users": [
    {"user_name": "pat",
     "role": "BOSS"},
    {"user_name": "kim",
     "role": "MANAGER",
     "emial": "kim@acme.example"}
   ],
   "agents": [{}]
  },
  {"code": "Globex", "time_zone": 3}
 ]
}"""

    with pytest.raises(FileRefused) as refused:
        world.read(text=text)

    assert [(problem.line, problem.where) for problem in refused.value.problems] == [
        (7, "clients[0].users[0].role"),
        (10, "clients[0].users[1].emial"),
        (12, "clients[0].agents[0]"),
        (14, "clients[1].code"),
        (14, "clients[1].time_zone"),
    ]
    reasons = [problem.reason for problem in refused.value.problems]
    assert reasons[0].startswith("must be SYSADMIN, SUPERUSER")
    assert reasons[1].startswith("is not a name we know; known are active, email, first_name")
    assert reasons[2] == "needs logon_id"


def test_errors_that_show_only_against_the_database_have_lines_too(world):
    text = '{"clients": [\n {"code": "acme",\n  "name": "Acme",\n  "users": [\n   {"user_name": "pat"}]}]}'

    wanted = world.read(text=text)
    with pytest.raises(FileRefused) as refused:
        configuration.plan(world.session, wanted, key_ring=world.key_ring, checker=world.checker)

    assert str(refused.value.problems[0]) == (
        "line 5: clients[0].users[0]: needs role: there is no such user yet"
    )


@pytest.mark.parametrize(
    "text, line, reason",
    [
        ('{"clients": [\n{"code": "a",\n "code": "b"}]}', 3, '"code" comes twice in one object'),
        ('[{"a": 1,\n "a": 2}', 2, "is not JSON: Expecting ',' delimiter"),
        ('[{"a": 1,\n "a": 2}] []', 2, "is not JSON: Extra data"),
        ('{"clients": [\n}', 2, "is not JSON: Expecting value"),
        ('{"clients": [NaN]}', 1, "has a number that JSON does not know"),
        ('{"clients":\n [{"code": "a", "name": "\\ud800"}]}', 2, "has half a character (a lone surrogate)"),
        ("[" * 100_000, 1, "is nested too deeply"),
        ('{"clients":' + "[" * 200 + "]" * 200 + "}", 1, "is nested too deeply"),
        ("[]", 1, 'must be an object with "clients"'),
        ('{"clients": 1' + "0" * 5000 + "}", 1, "has a number that JSON does not know"),
    ],
)
def test_what_is_no_json_of_ours_is_refused(world, text, line, reason):
    with pytest.raises(FileRefused) as refused:
        world.read(text=text)

    assert (refused.value.problems[0].line, refused.value.problems[0].reason) == (line, reason)


def test_a_file_that_is_not_utf_8_is_refused_and_one_with_a_mark_in_front_is_read(world):
    good = json.dumps({"clients": [{"code": "acme"}]}).encode("utf-8-sig")

    with pytest.raises(FileRefused, match="line 2: is not UTF-8"):
        configuration.read(b'{"clients":\n"\xff"}', schema=SCHEMA, folder=world.folder, environ={})

    assert configuration.read(good, schema=SCHEMA, folder=world.folder, environ={}).clients[0].code == "acme"


@pytest.mark.parametrize(
    "value", [PASSWORD, {"hunter2": "x"}, {"text": PASSWORD}, {"file": "a", "environment": "B"}]
)
@pytest.mark.parametrize("place", ["password", "secret"])
def test_a_secret_in_the_file_itself_is_refused_and_not_repeated(world, place, value):
    entry = (
        acme_connection(secret=value)
        if place == "secret"
        else acme(users=[{"user_name": "pat", "role": "MANAGER", "password": value}])
    )

    refused = world.refusal(entry)

    assert PASSWORD not in "".join(refused)
    assert "hunter2" not in "".join(refused)
    assert "never the " in refused[0]


@pytest.mark.parametrize(
    "changes, where",
    [
        ({"code": "acme\n"}, "code"),
        ({"code": "-acme"}, "code"),
        ({"name": "   "}, "name"),
        ({"time_zone": "Europe/Nowhere"}, "time_zone"),
        ({"max_failed_agent": 10}, "max_failed_agent"),
        ({"email_domains": ["Acme.example"]}, "email_domains[0]"),
        ({"email_domains": ["acme.example", "acme.example"]}, "email_domains[1]"),
        ({"agents": [{"logon_id": "A.Lee"}]}, "agents[0].logon_id"),
        ({"agents": [{"logon_id": "a", "extension": "12"}]}, "agents[0].extension"),
        ({"agents": [{"logon_id": "a", "email": "a@b@c"}]}, "agents[0].email"),
        ({"agents": [{"logon_id": "a"}, {"logon_id": "a"}]}, "agents[1].logon_id"),
        ({"users": [{"user_name": "Pat", "role": "MANAGER"}, {"user_name": "pAT"}]}, "users[1].user_name"),
        ({"users": [{"user_name": " pat", "role": "MANAGER"}]}, "users[0].user_name"),
        ({"features": {"single_sign_on": "yes"}}, "features.single_sign_on"),
        ({"features": {"single_sign_on": {"ticket": "1"}}}, "features.single_sign_on"),
    ],
)
def test_a_value_out_of_bounds_is_refused_and_the_same_file_without_it_accepted(world, changes, where):
    refused = world.refusal(acme(**changes))
    world.apply(acme())

    assert [line.split(": ")[0] for line in refused] == [f"clients[0].{where}"]


def test_two_entries_for_one_client_are_refused(world):
    assert world.refusal(acme(), acme(email_domains=None)) == ["clients[1].code: comes twice in this file"]


def test_one_wrong_client_keeps_all_others_out(world):
    world.refusal(acme(), {"code": "globex"})

    assert world.count(Tenant) == 0
    assert world.count(Account) == 0


def test_a_failure_while_writing_leaves_nothing_behind(world, monkeypatch):
    def fail(*_args: Any, **_named: Any) -> None:
        raise RuntimeError("the disk is full")

    world.apply({"code": "acme", "name": "Acme"})
    monkeypatch.setattr(connections, "put_live", fail)

    with pytest.raises(RuntimeError):
        world.apply(acme(name="Acme Limited"))

    assert world.tenant().name == "Acme"
    assert world.count(Account) == 0


# --- The reader and the quick check -----------------------------------------


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(JSON_VALUES, st.sampled_from([None, 1]))
def test_the_slow_parser_walks_whatever_the_quick_one_reads(value, indent):
    text = json.dumps(value, indent=indent)

    lines = Lines(text)

    assert lines.repeated == []
    assert 1 <= lines.of(()) <= text.count("\n") + 1


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_a_document_or_a_refusal(data):
    try:
        document, text = read_json(data)
    except FileRefused:
        return

    assert json.loads(text) == document


def test_the_line_of_a_value_is_the_line_it_begins_on():
    text = '{"a": [\n1,\n {"b":\n "c"}]}'

    lines = Lines(text)

    assert [lines.of(path) for path in [("a",), ("a", 0), ("a", 1), ("a", 1, "b"), ("a", 1, "z")]] == [
        1, 2, 3, 4, 3,
    ]  # fmt: skip


SCHEMA_INLINED = inline(SCHEMA, SCHEMA["$defs"])
QUICK = compile_check(SCHEMA_INLINED)
VALIDATOR = Draft202012Validator(SCHEMA_INLINED)
PATHS: list[tuple[str | int, ...]] = [
    ("code",), ("name",), ("kind",), ("max_failed_portal",), ("features", "single_sign_on"),
    ("email_domains",), ("email_domains", 0), ("users",), ("users", 0, "email"), ("users", 0, "role"),
    ("users", 0, "password"), ("agents", 0, "active"), ("agents", 0, "extension"), ("connection",),
    ("connection", "secret"), ("connection", "issuer"), ("connection", "enabled"), ("unknown",),
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PATHS), JSON_VALUES | st.sampled_from(["acme", "a@b", True, {"file": "x"}, 5, "123"]))
def test_the_quick_check_never_accepts_what_the_schema_refuses(path, value):
    document = {"clients": [deepcopy(ACME)]}
    target: Any = document["clients"][0]
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value

    accepted = QUICK(document)

    assert not accepted or VALIDATOR.is_valid(document)


def test_the_quick_check_accepts_a_right_file():
    assert QUICK({"clients": [ACME]})


def test_the_quick_check_refuses_to_overlook_a_keyword():
    with pytest.raises(NotImplementedError, match="uniqueItems"):
        compile_check({"type": "array", "uniqueItems": True})


def test_the_words_of_every_schema_rule_end_a_sentence():
    described = re.findall(r'"description": "((?:[^"\\]|\\.)*)"', json.dumps(SCHEMA["$defs"]))

    assert len(described) > 30
    assert [text for text in described if text.endswith(".")] == []
