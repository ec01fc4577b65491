"""The app in this process: both hosts, a client with single sign-on, one without, and the operator."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from lvportal.extensions import db
from lvportal.factory import create_app
from lvportal.key_ring import new_key
from lvportal.models import Account, AuditEvent, Base, EmailDomain, Revision, Tenant
from lvportal.services import audit, billing, connections, passwords
from lvportal.services.folding import fold
from lvportal.services.transactions import writing
from lvportal.settings import Settings, load
from tests.support import tested

PORTAL = "http://portal.localhost:8000"
AGENT = "http://agent.localhost:8000"
ISSUER = "https://login.acme.example"
SECRET = "a-secret-of-at-least-thirty-two-characters"
PASSWORD = "a password for tests"
ROLES = ("SYSADMIN", "SUPERUSER", "MANAGER", "IT_USER", "CLIENT_AUDITOR")


@cache
def password_hash() -> str:
    """Return the hash of PASSWORD, made once: each takes a tenth of a second."""
    return passwords.hash_password(PASSWORD)


class Page:
    """An answer, read as a person reads it."""

    def __init__(self, response: TestResponse) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.location = response.headers.get("Location", "")
        self.html = response.get_data(as_text=True)

    @property
    def text(self) -> str:
        """The words of the page, tags and runs of white space taken out."""
        plain = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", self.html, flags=re.DOTALL)
        return html.unescape(re.sub(r"\s+", " ", plain))

    @property
    def title(self) -> str:
        """What the tab shows."""
        found = re.search(r"<title>(.*?)</title>", self.html, re.DOTALL)
        return html.unescape(found[1].strip()) if found else ""

    @property
    def links(self) -> list[str]:
        """Every address the page links to."""
        return [html.unescape(link) for link in re.findall(r'<a\b[^>]*?href="([^"]*)"', self.html)]

    def value(self, name: str) -> str:
        """Return the value of the input with this name."""
        tag = re.search(rf'<input\b[^>]*?\bname="{re.escape(name)}"[^>]*>', self.html, re.DOTALL)
        assert tag is not None, f"no input {name}"
        found = re.search(r'\bvalue="([^"]*)"', tag[0])
        return html.unescape(found[1]) if found else ""


class Visitor:
    """One browser on one host."""

    def __init__(self, client: FlaskClient, origin: str) -> None:
        self._client = client
        self._origin = origin
        self._csrf_token = ""

    def get(self, path: str) -> Page:
        page = Page(self._client.get(path, base_url=self._origin))
        return self._keep_token(page)

    def post(self, path: str, *, csrf_token: str | None = None, **values: Any) -> Page:
        """Send a form with the token of the page that was seen last."""
        token = self._csrf_token if csrf_token is None else csrf_token
        data = {"csrf_token": token} | values
        return self._keep_token(Page(self._client.post(path, data=data, base_url=self._origin)))

    def copy(self) -> Visitor:
        """Return another browser with the same cookies: what it drops stays here."""
        twin = Visitor(self._client.application.test_client(), self._origin)
        twin._client._cookies = dict(self._client._cookies or {})
        twin._csrf_token = self._csrf_token
        return twin

    def cookie(self, name: str) -> str | None:
        found = self._client.get_cookie(name, domain=self._origin.partition("//")[2].partition(":")[0])
        return found.value if found else None

    def set_cookie(self, name: str, value: str) -> None:
        self._client.set_cookie(name, value, domain=self._origin.partition("//")[2].partition(":")[0])

    def remember_client(self, code: str) -> None:
        self.set_cookie("__Host-lv-client", code)

    def _keep_token(self, page: Page) -> Page:
        if 'name="csrf_token"' in page.html:
            self._csrf_token = page.value("csrf_token")
        return page


class House:
    """The app with three clients: acme (live), globex (nothing yet) and the operator."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings: Settings = load(
            {},
            environment="test",
            portal_origin=PORTAL,
            agent_origin=AGENT,
            database_url=f"sqlite:///{folder}/house.sqlite3",
            encryption_keys=new_key("test"),
            local_sign_ins_per_minute=settings.pop("local_sign_ins_per_minute", 1000),
            **settings,
        )
        self.app: Flask = create_app(self.settings)
        self.now = datetime.now(UTC)
        with self.app.app_context():
            Base.metadata.create_all(db.engine)
            with writing(db.session()):
                self._fill()

    @property
    def key_ring(self) -> Any:
        return self.app.extensions["lvportal"].key_ring

    def portal(self) -> Visitor:
        return Visitor(self.app.test_client(), PORTAL)

    def agent(self) -> Visitor:
        return Visitor(self.app.test_client(), AGENT)

    def user(self, role: str, client: str = "acme") -> Visitor:
        """Return a browser in which a user of this role is signed in."""
        return self._signed_in(self.portal(), client, role.lower())

    def care(self) -> Visitor:
        return self._signed_in(self.portal(), "operator", "care")

    def signed_in_agent(self, client: str = "acme", logon_id: str = "desk_114") -> Visitor:
        return self._signed_in(self.agent(), client, logon_id)

    def _signed_in(self, visitor: Visitor, client: str, login_name: str) -> Visitor:
        visitor.get("/sign-in?way=code")
        page = visitor.post("/sign-in", way="code", client=client, login_name=login_name, password=PASSWORD)
        assert (page.status, page.location) == (303, "/"), page.text
        return visitor

    def set_feature(self, code: str, enabled: bool) -> None:
        with self.app.app_context(), writing(db.session()) as session:
            self._set_feature(self._tenant(code), enabled)
            session.flush()

    def save_draft(self, code: str, **changes: Any) -> int:
        """Save a revision with these changes, and return its number."""
        with self.app.app_context(), writing(db.session()):
            return self._save(self._tenant(code), **changes).number

    def pass_tests(self, code: str, audiences: Iterable[str] = tested.BOTH) -> None:
        """Let the newest revision have passed its test sign-ins."""
        with self.app.app_context(), writing(db.session()) as session:
            tenant = self._tenant(code)
            connection = connections.of_tenant(session, tenant.id)
            revision = connections.newest_revision(session, connection) if connection else None
            assert revision is not None
            tested.record_passed_tests(session, tenant.id, revision, audiences, self.now)

    def put_live(self, code: str, number: int) -> None:
        with self.app.app_context(), writing(db.session()) as session:
            connections.put_live(session, self._tenant(code), number, by=audit.COMMAND_LINE, now=self.now)

    def state_of(self, code: str) -> tuple[bool, int | None, int]:
        """Return whether single sign-on is enabled, the live revision's number, and how many there are."""
        with self.app.app_context():
            connection = connections.of_tenant(db.session(), self._tenant(code).id)
            if connection is None:
                return False, None, 0
            live = connection.live_revision.number if connection.live_revision else None
            return connection.enabled, live, len(connection.revisions)

    def newest(self, code: str) -> Revision:
        """Return the newest revision, detached."""
        with self.app.app_context():
            connection = connections.of_tenant(db.session(), self._tenant(code).id)
            assert connection is not None
            revision = connections.newest_revision(db.session(), connection)
            assert revision is not None
            db.session.expunge(revision)
            return revision

    def secret_of(self, revision: Revision) -> str:
        """Return a revision's secret, opened."""
        purpose = connections.secret_purpose(revision.connection_id)
        return str(self.key_ring.open(revision.sealed_secret, purpose=purpose))

    def feature_is_on(self, code: str) -> bool:
        with self.app.app_context():
            return billing.is_on(db.session(), self._tenant(code).id)

    def audited(self, code: str) -> list[AuditEvent]:
        """Return the client's audit events, oldest first."""
        with self.app.app_context():
            events = db.session.scalars(
                select(AuditEvent)
                .where(AuditEvent.tenant_id == self._tenant(code).id)
                .order_by(AuditEvent.id)
            ).all()
            return list(events)

    def add_account(self, code: str, audience: str, login_name: str, **values: Any) -> None:
        with self.app.app_context(), writing(db.session()):
            self._add(self._tenant(code), audience, login_name, **values)

    def _fill(self) -> None:
        acme = self._add_client("acme", "Acme", "Europe/Berlin")
        globex = self._add_client("globex", "Globex", "Europe/London")
        operator = self._add_client("operator", "Operator", "UTC", kind="operator")
        self._add(operator, "portal", "care", role="CARE", email="care@operator.example")
        for tenant in (acme, globex):
            for role in ROLES:
                self._add(
                    tenant, "portal", role.lower(), role=role, email=f"{role.lower()}@{tenant.code}.example"
                )
        self._add(
            acme, "agent", "desk_114", email="desk.114@acme.example", first_name="Desk", last_name="114",
            agent_team="Renewals", extension="41140",
        )  # fmt: skip
        self._add(globex, "agent", "desk_1", email="desk.1@globex.example")
        db.session.add(
            EmailDomain(domain="acme.example", tenant_id=acme.id, proof="operator", proven_at=self.now)
        )
        db.session.add(
            EmailDomain(domain="globex.example", tenant_id=globex.id, proof="operator", proven_at=self.now)
        )
        self._set_feature(acme, True)
        self._save(acme)
        connections.set_enabled(db.session(), acme, enabled=True, by=audit.COMMAND_LINE, now=self.now)

    def _add_client(self, code: str, name: str, zone: str, kind: str = "client") -> Tenant:
        tenant = Tenant(code=code, name=name, time_zone=zone, kind=kind, created_at=self.now)
        db.session.add(tenant)
        db.session.flush()
        return tenant

    def _add(self, tenant: Tenant, audience: str, login_name: str, **values: Any) -> None:
        email = values.pop("email", None)
        values.setdefault("password_hash", password_hash())
        db.session.add(
            Account(
                tenant_id=tenant.id,
                audience=audience,
                login_name=login_name,
                folded_login_name=fold(login_name),
                email=email,
                folded_email=fold(email) if email else None,
                created_at=self.now,
                **values,
            )
        )

    def _set_feature(self, tenant: Tenant, enabled: bool) -> None:
        billing.set_feature(
            db.session(), tenant, "single_sign_on",
            enabled=enabled, ticket="T-1", by=audit.COMMAND_LINE, now=self.now,
        )  # fmt: skip

    def _save(self, tenant: Tenant, **changes: Any) -> Revision:
        values: dict[str, Any] = {
            "provider": "okta",
            "application_type": "web",
            "issuer": ISSUER,
            "client_id": "0oa1example",
            "client_authentication": "client_secret_basic",
            "secret": SECRET,
        }
        return connections.save(
            db.session(),
            tenant,
            connections.ConnectionValues(**(values | changes)),
            key_ring=self.key_ring,
            by=audit.COMMAND_LINE,
            now=self.now,
        )

    def _tenant(self, code: str) -> Tenant:
        return db.session.scalars(select(Tenant).where(Tenant.code == code)).one()
