"""Canaille: a provider by somebody else, in Python, with pages and habits of its own.

It never sends ``email_verified``: a connection to it accepts unmarked emails.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.providers.common import BASIC, Person, RegisteredClient, ServerProcess, new_client, post_json
from tests.support.light_browser import LightBrowser, Page

ROOT = Path(__file__).parents[2]


class Canaille(ServerProcess):
    """The running server."""

    def register(
        self, redirect_uris: Sequence[str], *, authentication: str = BASIC, has_secret: bool | None = None
    ) -> RegisteredClient:
        client = new_client(redirect_uris, authentication, has_secret)
        if client.client_secret is not None:
            # Authlib, which Canaille is built on, does not form-decode Basic credentials
            # (RFC 6749, section 2.3.1): with it only plain characters can work.
            client = RegisteredClient(
                client.client_id, secrets.token_urlsafe(24), authentication, tuple(redirect_uris)
            )
        metadata: dict[str, Any] = {
            "client_id": client.client_id,
            "redirect_uris": list(redirect_uris),
            "token_endpoint_auth_method": authentication,
        }
        if client.client_secret is not None:
            metadata["client_secret"] = client.client_secret
        post_json(self.address, "/_test/clients", metadata)
        return client

    def add_person(
        self, email: str | None, *, subject: str | None = None, email_verified: bool = True
    ) -> Person:
        assert email is not None, "Canaille wants an email of every person"
        person = Person(subject or f"person-{secrets.token_hex(6)}", email, None)
        post_json(
            self.address,
            "/_test/persons",
            {"sub": person.subject, "email": email, "password": person.password},
        )
        return person

    def sign_in(self, browser: LightBrowser, page: Page, person: Person) -> Page:
        page = browser.submit(page.form(with_field="login"), {"login": person.subject})
        return browser.submit(page.form(with_field="password"), {"password": person.password})

    def sign_in_by_hand(self, page: Any, person: Person) -> None:
        page.locator("input[name=login]").fill(person.subject)
        page.locator("input[name=login]").press("Enter")
        page.locator("input[name=password]").fill(person.password)
        page.locator("input[name=password]").press("Enter")
        page.wait_for_url(lambda url: not url.startswith(self.issuer))


def start() -> Canaille:
    """Start it on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.providers.canaille_server"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait(10)
        raise RuntimeError("Canaille ended at once: run 'python -m tests.providers.canaille_server'")
    return Canaille(process, json.loads(line)["issuer"])
