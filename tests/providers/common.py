"""What every test provider gives, whoever wrote it."""

from __future__ import annotations

import http.client
import json
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from tests.support.light_browser import LightBrowser, Page
from tests.support.ports import end

BASIC = "client_secret_basic"
POST = "client_secret_post"
NONE = "none"


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """An application as the provider knows it."""

    client_id: str
    client_secret: str | None = field(repr=False)
    authentication: str
    redirect_uris: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in at the provider."""

    subject: str
    email: str | None
    email_verified: bool | None = True
    password: str = field(default="correct horse battery", repr=False)


class RunningProvider(Protocol):
    """A provider that answers on 127.0.0.1."""

    issuer: str

    @property
    def address(self) -> str:
        """``host:port`` for LVPORTAL_UNSAFE_PROVIDER_ADDRESSES."""
        ...

    def register(
        self, redirect_uris: Sequence[str], *, authentication: str = BASIC, has_secret: bool | None = None
    ) -> RegisteredClient:
        """Register an application: Web (basic, post) or Native (none). A secret unless none is used."""
        ...

    def add_person(
        self, email: str | None, *, subject: str | None = None, email_verified: bool = True
    ) -> Person: ...

    def sign_in(self, browser: LightBrowser, page: Page, person: Person) -> Page:
        """From its first page on, sign a person in; return the first page that is not its own."""
        ...

    def sign_in_by_hand(self, page: Any, person: Person) -> None:
        """The same in a real browser (a Playwright page), by keyboard and buttons."""
        ...


def address_of(issuer: str) -> str:
    """Return ``host:port`` of an issuer that names its port."""
    return urlsplit(issuer).netloc


def new_client(
    redirect_uris: Sequence[str], authentication: str, has_secret: bool | None
) -> RegisteredClient:
    """Draw an id and, unless the client has none, a secret with characters that need encoding."""
    secret = f"s+/ %:{secrets.token_urlsafe(24)}" if has_secret or authentication != NONE else None
    return RegisteredClient(f"app-{secrets.token_hex(6)}", secret, authentication, tuple(redirect_uris))


def post_json(address: str, path: str, content: object) -> None:
    """POST to a test server's own control address. Raises AssertionError when it refuses."""
    host, _, port = address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("POST", path, json.dumps(content), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status < 300, answer.read()
    finally:
        connection.close()


def post_form_onwards(browser: LightBrowser, page: Page, own_address: str) -> Page:
    """Send the self-submitting form of response mode form_post, as a script would."""
    if urlsplit(page.url).netloc == own_address:
        for form in page.forms:
            if urlsplit(form.action).netloc != own_address:
                return browser.submit(form)
    return page


class ServerProcess:
    """A provider in a process of its own, ended with the test session."""

    def __init__(self, process: subprocess.Popen[bytes], issuer: str) -> None:
        self.process = process
        self.issuer = issuer

    @property
    def address(self) -> str:
        return address_of(self.issuer)

    def stop(self) -> None:
        end(self.process)
