"""The real app on a database of its own, a provider to bend, and browsers with rules of their own.

Requests are handed to the app byte for byte, as a server would: a test client
that mends paths, hosts and cookies would mend the attack as well.
"""

from __future__ import annotations

import html
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode, urlsplit

from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session
from werkzeug.test import run_wsgi_app

from lvportal import factory, settings
from lvportal.database import prepare_sqlite
from lvportal.key_ring import new_key
from lvportal.models import Account, Base, SignInRecord, Tenant
from lvportal.services import audit, billing, connections
from lvportal.services.folding import fold
from lvportal.services.passwords import hash_password
from lvportal.services.transactions import writing
from tests.providers.common import NONE, RegisteredClient
from tests.providers.hostile import HostileProvider
from tests.support.light_browser import LightBrowser

HOSTS = {"portal": "portal.localhost:8000", "agent": "agent.localhost:8000"}
SESSION_COOKIE = "__Host-lv-session"
PENDING_COOKIE = "__Host-lv-pending-"
FORM = "application/x-www-form-urlencoded"

Pairs = list[tuple[str, str]]
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class SetCookie:
    """One Set-Cookie line, attribute names in small letters."""

    name: str
    value: str = field(repr=False)
    attributes: Mapping[str, str]

    @property
    def is_removal(self) -> bool:
        return self.attributes.get("max-age") == "0" or "1970" in self.attributes.get("expires", "")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the app answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def text(self) -> str:
        return html.unescape(self.body.decode())

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    @property
    def location(self) -> str:
        return self.header("location")

    @property
    def path(self) -> str:
        """Where a redirect leads, without query and origin."""
        return urlsplit(self.location).path

    @property
    def code(self) -> str | None:
        """The code that a refusal's page or an error's page shows."""
        found = re.search(r"<code[^>]*>\s*([a-z_]+\.[a-z_]+)\s*</code>", self.body.decode())
        return found[1] if found else None

    @property
    def reference(self) -> str | None:
        found = re.search(r">\s*([2-9A-HJ-NP-Z]{4})-([2-9A-HJ-NP-Z]{4})\s*<", self.body.decode())
        return found[1] + found[2] if found else None

    @property
    def cookies(self) -> list[SetCookie]:
        found = []
        for name, line in self.headers:
            if name.lower() == "set-cookie":
                pair, *attributes = (part.strip() for part in line.split(";"))
                key, _, value = pair.partition("=")
                split = (attribute.partition("=") for attribute in attributes)
                found.append(SetCookie(key, value, {key.lower(): value for key, _, value in split}))
        return found

    def cookie(self, name: str) -> SetCookie:
        return next(cookie for cookie in self.cookies if cookie.name == name)

    def hidden(self, name: str) -> str:
        """The value of the first hidden input of this name."""
        found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', self.body.decode())
        assert found is not None, f"no field {name}"
        return html.unescape(found[1])


@dataclass(slots=True)
class Client:
    """A client on stage, with its application at the provider."""

    code: str
    tenant_id: int
    application: RegisteredClient


class Stage:
    """One app, its database, and short ways to fill and to read it."""

    def __init__(self, folder: Path, provider: HostileProvider, **changes: Any) -> None:
        self.provider = provider
        url = str(changes.get("database_url") or f"sqlite:///{folder / 'stage.sqlite3'}")
        self.engine: Engine = create_engine(url)
        if self.engine.dialect.name == "sqlite":
            prepare_sqlite(self.engine)
        Base.metadata.create_all(self.engine)
        values: dict[str, Any] = {
            "environment": "test",
            "database_url": url,
            "encryption_keys": new_key("test"),
            "unsafe_provider_addresses": provider.address,
            **changes,
        }
        self.encryption_keys = str(values["encryption_keys"])
        self.app = factory.create_app(settings.load({}, **values))
        self.portal: factory.Portal = self.app.extensions["lvportal"]

    def close(self) -> None:
        self.portal.fetcher.close()
        with self.app.app_context():
            from lvportal.extensions import db

            db.engine.dispose()
        self.engine.dispose()

    # --- Filling ----------------------------------------------------------------

    def client(
        self, code: str = "acme", *, authentication: str = "client_secret_basic", **values: Any
    ) -> Client:
        """Write a client whose connection to the provider is live."""
        application = self.provider.register(
            [f"http://{host}/sso/{code}" for host in HOSTS.values()], authentication=authentication
        )
        now = datetime.now(UTC)
        given: dict[str, Any] = {
            "provider": "okta",
            "application_type": "native" if authentication == NONE else "web",
            "issuer": self.provider.issuer,
            "client_id": application.client_id,
            "client_authentication": authentication,
            "secret": application.client_secret,
        }
        with Session(self.engine) as session, writing(session):
            tenant = Tenant(code=code, name=f"{code.title()} Ltd", created_at=now)
            session.add(tenant)
            session.flush()
            self._feature(session, tenant, enabled=True)
            connections.save(
                session,
                tenant,
                connections.ConnectionValues(**(given | values)),
                key_ring=self.portal.key_ring,
                by=audit.COMMAND_LINE,
                now=now,
            )
            connections.set_enabled(session, tenant, enabled=True, by=audit.COMMAND_LINE, now=now)
            return Client(code, tenant.id, application)

    def operator(self) -> int:
        """Write the operator's own client without a connection; return its id."""
        with Session(self.engine) as session, writing(session):
            tenant = Tenant(code="operator", name="Operator", kind="operator", created_at=datetime.now(UTC))
            session.add(tenant)
            session.flush()
            return tenant.id

    def user(self, client: Client, email: str | None, *, role: str = "SYSADMIN", **values: Any) -> int:
        return self.account(client.tenant_id, "portal", email, role=role, **values)

    def agent(self, client: Client, email: str | None, **values: Any) -> int:
        return self.account(client.tenant_id, "agent", email, **values)

    def account(
        self, tenant_id: int, audience: str, email: str | None, *, password: str | None = None, **values: Any
    ) -> int:
        with Session(self.engine) as session, writing(session):
            login = (
                values.pop("login", None)
                or f"{(email or 'nobody').split('@')[0]}.{session.query(Account).count()}"
            )
            account = Account(
                tenant_id=tenant_id,
                audience=audience,
                login_name=login,
                folded_login_name=fold(login),
                email=email,
                folded_email=fold(email) if email else None,
                password_hash=hash_password(password) if password else None,
                created_at=datetime.now(UTC),
                **values,
            )
            session.add(account)
            session.flush()
            return account.id

    def change(self, model: type[Base], row_id: int, **values: Any) -> None:
        """Change a row, as an administrator somewhere else would."""
        with Session(self.engine) as session, writing(session):
            row = session.get_one(model, row_id)
            for name, value in values.items():
                setattr(row, name, value)

    def set_feature(self, client: Client, *, enabled: bool) -> None:
        with Session(self.engine) as session, writing(session):
            self._feature(session, session.get_one(Tenant, client.tenant_id), enabled=enabled)

    def set_enabled(self, client: Client, *, enabled: bool) -> None:
        with Session(self.engine) as session, writing(session):
            tenant = session.get_one(Tenant, client.tenant_id)
            connections.set_enabled(
                session, tenant, enabled=enabled, by=audit.COMMAND_LINE, now=datetime.now(UTC)
            )

    def new_revision(self, client: Client, **changes: Any) -> None:
        """Save another revision of the client's connection and put it live."""
        now = datetime.now(UTC)
        with Session(self.engine) as session, writing(session):
            tenant = session.get_one(Tenant, client.tenant_id)
            connection = connections.of_tenant(session, tenant.id)
            assert connection is not None
            assert connection.live_revision is not None
            kept = {name: getattr(connection.live_revision, name) for name in connections.PLAIN_FIELDS}
            values = connections.ConnectionValues(**(kept | changes))
            revision = connections.save(
                session, tenant, values, key_ring=self.portal.key_ring, by=audit.COMMAND_LINE, now=now
            )
            connections.put_live(session, tenant, revision.number, by=audit.COMMAND_LINE, now=now)

    @staticmethod
    def _feature(session: Session, tenant: Tenant, *, enabled: bool) -> None:
        billing.set_feature(
            session,
            tenant,
            "single_sign_on",
            enabled=enabled,
            ticket="1",
            by=audit.COMMAND_LINE,
            now=datetime.now(UTC),
        )

    # --- Reading ----------------------------------------------------------------

    def rows(self) -> Rows:
        """Return everything that is stored, table by table."""
        with self.engine.connect() as connection:
            return {
                table.name: [
                    tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))
                ]
                for table in Base.metadata.sorted_tables
            }

    def rows_without_alarm(self) -> Rows:
        """The same without what says that a provider refuses everybody: tests/services/test_warnings.py."""
        rows = self.rows()
        kind = [column.name for column in Base.metadata.tables["mail_messages"].columns].index("kind")
        rows["mail_messages"] = [row for row in rows["mail_messages"] if row[kind] != "failing"]
        names = [column.name for column in Base.metadata.tables["connections"].columns]
        rows["connections"] = [
            tuple(value for name, value in zip(names, row, strict=True) if not name.startswith("failing_"))
            for row in rows["connections"]
        ]
        return rows

    def records(self) -> list[SignInRecord]:
        with Session(self.engine) as session:
            return list(session.scalars(select(SignInRecord).order_by(SignInRecord.id)))

    def count(self, table: str) -> int:
        return len(self.rows()[table])

    # --- Requests ---------------------------------------------------------------

    def browser(self) -> Browser:
        return Browser(self)

    def call(
        self,
        method: str,
        target: str | bytes,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        length: str | None = None,
        stream: BinaryIO | None = None,
    ) -> Reply:
        """Hand one request to the app. ``headers`` name the Host too, or there is none.

        ``length`` replaces the body's honest one; ``stream`` is a body without one.
        """
        raw = target if isinstance(target, bytes) else target.encode("latin-1")
        path, _, query = raw.partition(b"?")
        request: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query.decode("latin-1"),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.7",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "CONTENT_LENGTH": str(len(body)),
        }
        for name, value in headers:
            key = name.upper().replace("-", "_")
            request[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        if length is not None:
            request["CONTENT_LENGTH"] = length
        if stream is not None:
            request |= {"CONTENT_LENGTH": "", "wsgi.input": stream, "wsgi.input_terminated": True}
        chunks, status, found = run_wsgi_app(self.app, request, buffered=True)
        return Reply(int(status.split()[0]), tuple(found.items()), b"".join(chunks))


@dataclass(slots=True)
class _Kept:
    value: str
    same_site: str


class Browser:
    """One person's browser: host-only cookies, kept and sent by the rules of browsers.

    ``cross_site`` marks a request that another site began: then cookies marked
    Lax come along with a GET alone, and only those marked None with a POST.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.jars: dict[str, dict[str, _Kept]] = {audience: {} for audience in HOSTS}
        self.asked: Pairs = []  # of the last authorization request

    # --- Cookies ------------------------------------------------------------------

    def cookie(self, host: str, name: str) -> str | None:
        kept = self.jars[host].get(name)
        return kept.value if kept else None

    def put_cookie(self, host: str, name: str, value: str, same_site: str = "Lax") -> None:
        self.jars[host][name] = _Kept(value, same_site)

    def pending(self, host: str = "portal") -> list[str]:
        return [name for name in self.jars[host] if name.startswith(PENDING_COOKIE)]

    def copy(self) -> Browser:
        """Return a browser that holds the same cookies: stolen ones, or a second tab's."""
        other = Browser(self.stage)
        for host, jar in self.jars.items():
            other.jars[host] = dict(jar)
        return other

    def _cookie_header(self, host: str, method: str, cross_site: bool) -> str:
        sent = {
            "Strict": not cross_site,
            "Lax": not cross_site or method in ("GET", "HEAD"),
            "None": True,
        }
        return "; ".join(
            f"{name}={kept.value}" for name, kept in self.jars[host].items() if sent[kept.same_site]
        )

    def _keep(self, host: str, reply: Reply) -> None:
        for cookie in reply.cookies:
            assert cookie.name.startswith("__Host-"), f"{cookie.name} could come from another host"
            assert "secure" in cookie.attributes, f"{cookie.name} is not Secure"
            assert cookie.attributes.get("path") == "/"
            assert "domain" not in cookie.attributes
            assert "httponly" in cookie.attributes, f"{cookie.name} can be read by scripts"
            if cookie.is_removal:
                self.jars[host].pop(cookie.name, None)
            else:
                self.jars[host][cookie.name] = _Kept(cookie.value, cookie.attributes.get("samesite", "Lax"))

    # --- Requests -----------------------------------------------------------------

    def open(
        self,
        method: str,
        target: str | bytes,
        *,
        host: str = "portal",
        body: bytes = b"",
        content_type: str = "",
        cross_site: bool = False,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Reply:
        sent = [("Host", HOSTS[host]), ("User-Agent", "a browser"), *headers]
        cookies = self._cookie_header(host, method, cross_site)
        if cookies:
            sent.append(("Cookie", cookies))
        if content_type:
            sent.append(("Content-Type", content_type))
        reply = self.stage.call(method, target, headers=sent, body=body)
        self._keep(host, reply)
        return reply

    def get(self, target: str | bytes, **how: Any) -> Reply:
        return self.open("GET", target, **how)

    def post(self, target: str | bytes, fields: Mapping[str, str] | Pairs | bytes = b"", **how: Any) -> Reply:
        if isinstance(fields, bytes):
            body = fields
        else:
            body = urlencode(list(fields.items()) if isinstance(fields, Mapping) else fields).encode()
        return self.open("POST", target, body=body, content_type=FORM, **how)

    def post_form(self, page: str, fields: Mapping[str, str], *, to: str = "", host: str = "portal") -> Reply:
        """Send a form with the CSRF token that ``page`` gives."""
        token = self.get(page, host=host).hidden("csrf_token")
        return self.post(to or page, {"csrf_token": token, **fields}, host=host)

    # --- Journeys -----------------------------------------------------------------

    def begin(self, code: str = "acme", *, host: str = "portal", query: str = "") -> Reply:
        """Visit the single sign-on address."""
        return self.get(f"/sso/{code}{query and '?' + query}", host=host)

    def ask_provider(self, departure: Reply) -> Pairs:
        """Go where the app sends us; return the parameters of the provider's answer, in order."""
        assert (departure.status, departure.code) == (303, None)
        self.asked = parse_qsl(urlsplit(departure.location).query, keep_blank_values=True)
        page = LightBrowser().get(departure.location, follow=False)
        if dict(self.asked).get("response_mode") == "form_post":
            return list(page.forms[0].fields.items())
        assert page.status == 302, page.text
        return parse_qsl(urlsplit(str(page.headers["Location"])).query, keep_blank_values=True)

    def answer(
        self,
        parameters: Pairs | Mapping[str, str],
        code: str = "acme",
        *,
        host: str = "portal",
        by: str = "query",
    ) -> Reply:
        """Bring the provider's answer back, as its redirect or its self-sent form would."""
        pairs = list(parameters.items()) if isinstance(parameters, Mapping) else parameters
        if by == "form_post":
            return self.post(f"/sso/{code}", pairs, host=host, cross_site=True)
        return self.get(f"/sso/{code}?{urlencode(pairs)}", host=host, cross_site=True)

    def sign_in(
        self, code: str = "acme", *, host: str = "portal", by: str = "query", query: str = ""
    ) -> Reply:
        """The whole journey; returns what the app says to the provider's answer."""
        departure = self.begin(code, host=host, query=query)
        if departure.status != 303:
            return departure
        return self.answer(self.ask_provider(departure), code, host=host, by=by)

    def is_signed_in(self, host: str = "portal") -> bool:
        page = self.get("/profile", host=host)
        assert page.status in (200, 303), page.text
        return page.status == 200


def assert_signed_in(browser: Browser, reply: Reply, *, host: str = "portal", to: str = "/") -> None:
    """The sign-in ended on the right page, and the person is in."""
    assert (reply.status, reply.code) == (303, None)
    assert reply.location == to
    assert browser.is_signed_in(host)


def assert_refused(
    browser: Browser,
    act: Callable[[], Reply],
    code: str,
    *,
    status: int = 403,
    host: str = "portal",
    is_recorded: bool = True,
) -> Reply:
    """``act`` is refused with its code on the page, leaves its record and nothing else, and no session."""
    before = browser.stage.rows_without_alarm()

    page = act()

    after = browser.stage.rows_without_alarm()
    assert (page.code, page.status) == (code, status)
    assert page.reference is not None
    records = after.pop("sign_in_records")
    kept = before.pop("sign_in_records")
    assert after == before, "a refusal wrote more than its record"
    assert records[: len(kept)] == kept
    if is_recorded:
        assert len(records) == len(kept) + 1
        record = browser.stage.records()[-1]
        assert (record.outcome, record.code, record.reference) == ("refused", code, page.reference)
    else:
        assert records == kept, "stored, although anybody could have sent it"
    assert not browser.is_signed_in(host)
    return page


def send_at_once(browsers: list[Browser], answer: Pairs) -> list[Reply]:
    """Bring one answer back from several browsers at the same instant."""
    replies: list[Reply] = []
    barrier = threading.Barrier(len(browsers))

    def finish(browser: Browser) -> None:
        barrier.wait(5)
        replies.append(browser.answer(answer))

    threads = [threading.Thread(target=finish, args=(browser,)) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(replies) == len(browsers)
    return replies


def quoted(text: str) -> str:
    """Return a value for a query, every character of it encoded that may be."""
    return quote(text, safe="")
