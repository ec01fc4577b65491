"""A provider that is honest until a test bends one of its answers.

It consents at once, checks PKCE, redirect URI and client authentication, and
signs with real keys. A test changes one fact:

    hostile.bend_claims(email_verified=False)
    hostile.bend_claims(email=ABSENT)
    hostile.bend_header(alg="none")
    hostile.bend_discovery(token_endpoint="http://10.0.0.1/token")
    hostile.bend_answer_parameters(iss="https://elsewhere.example")
    hostile.answer("/token", Raw(status=500, body=b"<html>", content_type="text/html"))
    hostile.hang("/token"); hostile.flood("/userinfo"); hostile.redirect("/jwks", "http://...")

and ``hostile.straighten()`` makes it honest again. ``hostile.requests`` holds what arrived.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from tests.providers.common import (
    BASIC,
    POST,
    Person,
    RegisteredClient,
    address_of,
    new_client,
    post_form_onwards,
)
from tests.support.light_browser import LightBrowser, Page


class Absent:
    """Stands for a claim or parameter that is left out."""


ABSENT = Absent()
FLOOD_CHUNK = b" " * 65536
LONGEST_HANG_SECONDS = 60.0
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "HS256", "EdDSA"]


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer byte for byte."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    delay_seconds: float = 0.0
    hangs: bool = False  # sends nothing until the test is over
    floods: bool = False  # sends without end after ``body``
    trickles: bool = False  # one byte a tenth of a second, without end


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as it came."""

    method: str
    path: str
    parameters: tuple[tuple[str, str], ...] = field(repr=False)  # of the query or of the form
    headers: dict[str, str] = field(repr=False)  # names in small letters

    def first(self, name: str) -> str | None:
        return next((value for key, value in self.parameters if key == name), None)


@dataclass(slots=True)
class _Code:
    client_id: str
    redirect_uri: str
    challenge: str | None
    nonce: str | None
    person: Person
    used: bool = False


def bent(original: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return ``original`` with ``changes`` on top; ABSENT takes a name out."""
    return {k: v for k, v in {**original, **changes}.items() if not isinstance(v, Absent)}


def encode(part: object) -> str:
    """Return base64url without padding, of bytes or of anything JSON can say."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class HostileProvider:
    """The server and what a test may bend. Use it as a context manager."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.released = threading.Event()
        self.clients: dict[str, RegisteredClient] = {}
        self.persons: list[Person] = []
        self.keys: dict[str, RSAKey | ECKey] = {"rsa-1": RSAKey.generate_key(2048, {"kid": "rsa-1"})}
        self._honest_key = self.keys["rsa-1"]
        self.straighten()

    def __enter__(self) -> HostileProvider:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def address(self) -> str:
        return address_of(self.issuer)

    # --- What a test may bend -------------------------------------------------

    def straighten(self) -> None:
        """Make every answer honest again and forget what arrived."""
        self.released.set()
        self.released = threading.Event()
        self.keys = {"rsa-1": self._honest_key}
        self.published: list[dict[str, Any]] | None = None  # keys as /jwks shows them, if not its own
        self.signs_with = "rsa-1"
        self.puts_email_into_id_token = True
        self.requests: list[Arrived] = []
        self.sign: Callable[[dict[str, Any], dict[str, Any]], str] = self.sign_honestly
        self._codes: dict[str, _Code] = {}
        self._tokens: dict[str, _Code] = {}
        self._raw: dict[str, Raw] = {}
        self._claims: dict[str, Any] = {}
        self._userinfo: dict[str, Any] = {}
        self._header: dict[str, Any] = {}
        self._discovery: dict[str, Any] = {}
        self._token_answer: dict[str, Any] = {}
        self._answer_parameters: dict[str, Any] = {}
        self._more_parameters: list[tuple[str, str]] = []

    def bend_claims(self, **changes: Any) -> None:
        """Change claims of the ID token. A function gets the honest value."""
        self._claims |= changes

    def bend_userinfo(self, **changes: Any) -> None:
        self._userinfo |= changes

    def bend_header(self, **changes: Any) -> None:
        """Change the ID token's header; ``alg`` also decides how it is signed."""
        self._header |= changes

    def bend_discovery(self, **changes: Any) -> None:
        self._discovery |= changes

    def bend_token_answer(self, **changes: Any) -> None:
        self._token_answer |= changes

    def bend_answer_parameters(self, **changes: Any) -> None:
        """Change what /authorize sends back: ``code``, ``state``, ``iss``, ``error`` …"""
        self._answer_parameters |= changes

    def repeat_answer_parameter(self, name: str, value: str) -> None:
        """Send a parameter once more, or one that nobody asked for."""
        self._more_parameters.append((name, value))

    def refuse(self, error: str, description: str | Absent = ABSENT) -> None:
        """Answer the authorization request with an error."""
        self.bend_answer_parameters(code=ABSENT, error=error, error_description=description)

    def answer(self, path: str, raw: Raw) -> None:
        """Answer a path byte for byte."""
        self._raw[path] = raw

    def hang(self, path: str) -> None:
        self._raw[path] = Raw(hangs=True)

    def flood(self, path: str) -> None:
        self._raw[path] = Raw(body=b"{", floods=True)

    def redirect(self, path: str, to: str, *, status: int = 302) -> None:
        self._raw[path] = Raw(status=status, headers=(("Location", to),))

    def add_key(self, kid: str, key: RSAKey | ECKey, *, signs: bool = True) -> None:
        """Publish one more key, and sign with it from now on."""
        self.keys[kid] = key
        if signs:
            self.signs_with = kid

    # --- What every provider of the tests gives -------------------------------

    def register(
        self, redirect_uris: Sequence[str], *, authentication: str = BASIC, has_secret: bool | None = None
    ) -> RegisteredClient:
        client = new_client(redirect_uris, authentication, has_secret)
        self.clients[client.client_id] = client
        return client

    def add_person(
        self, email: str | None, *, subject: str | None = None, email_verified: bool = True
    ) -> Person:
        """Add a person; whoever was added last signs in, unless ``login_hint`` names another."""
        person = Person(subject or f"person-{secrets.token_hex(6)}", email, email_verified)
        self.persons.append(person)
        return person

    def sign_in(self, browser: LightBrowser, page: Page, person: Person) -> Page:
        """The redirect has happened already; only form_post leaves something to send."""
        return post_form_onwards(browser, page, self.address)

    def sign_in_by_hand(self, page: Any, person: Person) -> None:
        page.wait_for_url(lambda url: not url.startswith(self.issuer))

    # --- Answers ---------------------------------------------------------------

    def metadata(self) -> dict[str, Any]:
        honest = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/end-session",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "form_post"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ALGORITHMS,
            "token_endpoint_auth_methods_supported": [BASIC, POST, "none"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "email", "profile"],
            "authorization_response_iss_parameter_supported": True,
        }
        return bent(honest, self._discovery)

    def key_set(self) -> dict[str, Any]:
        if self.published is not None:
            return {"keys": self.published}
        own = [{**key.as_dict(private=False), "kid": kid, "use": "sig"} for kid, key in self.keys.items()]
        return {"keys": own}

    def authorize(self, asked: Arrived) -> list[tuple[str, str]]:
        """Return the parameters of the answer, in order."""
        client = self.clients.get(asked.first("client_id") or "")
        redirect_uri = asked.first("redirect_uri") or ""
        if client is None or redirect_uri not in client.redirect_uris:
            raise LookupError("unknown client or redirect URI")
        hint = asked.first("login_hint")
        person = next((p for p in self.persons if hint and p.email == hint), self.persons[-1])
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Code(
            client.client_id, redirect_uri, asked.first("code_challenge"), asked.first("nonce"), person
        )
        honest = {"code": code, "state": asked.first("state") or ABSENT, "iss": self.issuer}
        return [*bent(honest, self._answer_parameters).items(), *self._more_parameters]

    def exchange(self, asked: Arrived) -> tuple[int, dict[str, Any]]:
        """Judge a token request as an honest provider does; return status and answer."""
        client = self._authenticate(asked)
        if client is None:
            return 401, {"error": "invalid_client", "error_description": "Client authentication failed."}
        code = self._codes.get(asked.first("code") or "")
        verifier = asked.first("code_verifier") or ""
        challenge = encode(hashlib.sha256(verifier.encode()).digest())
        if (
            code is None
            or code.used
            or code.client_id != client.client_id
            or code.redirect_uri != asked.first("redirect_uri")
            or code.challenge != challenge
        ):
            return 400, {"error": "invalid_grant"}
        code.used = True
        access_token = secrets.token_urlsafe(24)
        self._tokens[access_token] = code
        honest = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": 3600,
            "id_token": self.id_token(client, code, access_token),
        }
        return 200, bent(honest, self._token_answer)

    def _authenticate(self, asked: Arrived) -> RegisteredClient | None:
        client_id, secret, method = asked.first("client_id"), asked.first("client_secret"), POST
        scheme, _, value = asked.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            text = base64.b64decode(value).decode()
            client_id, _, secret = (unquote_plus(part) for part in text.partition(":"))
            method = BASIC
        elif secret is None:
            method = "none"
        client = self.clients.get(client_id or "")
        fits = client is not None and client.authentication == method and client.client_secret == secret
        return client if fits else None

    def id_token(self, client: RegisteredClient, code: _Code, access_token: str) -> str:
        now = int(time.time())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        honest: dict[str, Any] = {
            "iss": self.issuer,
            "sub": code.person.subject,
            "aud": client.client_id,
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "at_hash": encode(half),
            "sid": secrets.token_hex(8),
            "nonce": code.nonce if code.nonce is not None else ABSENT,
        }
        if self.puts_email_into_id_token:
            honest |= self._email_claims(code.person)
        claims = bent(honest, _called(self._claims, honest))
        header = bent({"alg": "RS256", "kid": self.signs_with, "typ": "JWT"}, self._header)
        return self.sign(header, claims)

    def userinfo(self, asked: Arrived) -> tuple[int, dict[str, Any]]:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        code = self._tokens.get(token)
        if code is None:
            return 401, {"error": "invalid_token"}
        honest = {"sub": code.person.subject, **self._email_claims(code.person)}
        return 200, bent(honest, _called(self._userinfo, honest))

    @staticmethod
    def _email_claims(person: Person) -> dict[str, Any]:
        if person.email is None:
            return {}
        return {"email": person.email, "email_verified": person.email_verified}

    def sign_honestly(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """Sign with the key in use; ``none`` gives an empty signature, HS256 the public key's bytes."""
        algorithm = str(header.get("alg"))
        if algorithm == "none":
            return f"{encode(header)}.{encode(claims)}."
        key: Any = self.keys[self.signs_with]
        if algorithm.startswith("HS"):
            # The oldest confusion: the public key taken for a shared secret.
            key = OctKey.import_key(key.as_pem(private=False))
        return self.sign_with(key, header, claims)

    @staticmethod
    def sign_with(key: Any, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """Sign whatever header is given with a key, of this provider or not."""
        algorithm = str(header["alg"])
        payload = json.dumps(claims).encode()
        registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        return jws.serialize_compact(header, payload, key, algorithms=[algorithm], registry=registry)

    def raw_for(self, path: str) -> Raw | None:
        return self._raw.get(path)


def _called(changes: dict[str, Any], honest: dict[str, Any]) -> dict[str, Any]:
    return {k: v(honest.get(k)) if callable(v) else v for k, v in changes.items()}


def _handler_for(provider: HostileProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: queries hold codes."""

        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def _serve(self, method: str) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length).decode() if method == "POST" else parts.query
            arrived = Arrived(
                method,
                parts.path,
                tuple(parse_qsl(text, keep_blank_values=True)),
                {name.lower(): value for name, value in self.headers.items()},
            )
            provider.requests.append(arrived)
            raw = provider.raw_for(parts.path)
            try:
                if raw is not None:
                    self._send_raw(raw)
                else:
                    self._answer(arrived)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _answer(self, arrived: Arrived) -> None:
            if arrived.path == "/.well-known/openid-configuration":
                self._json(200, provider.metadata())
            elif arrived.path == "/jwks":
                self._json(200, provider.key_set())
            elif arrived.path == "/authorize":
                self._authorize(arrived)
            elif arrived.path == "/token":
                self._json(*provider.exchange(arrived))
            elif arrived.path == "/userinfo":
                self._json(*provider.userinfo(arrived))
            else:
                self._send_raw(Raw(404, b"{}"))

        def _authorize(self, arrived: Arrived) -> None:
            try:
                parameters = provider.authorize(arrived)
            except LookupError as wrong:
                self._send_raw(Raw(400, str(wrong).encode(), "text/plain"))
                return
            target = arrived.first("redirect_uri") or ""
            if arrived.first("response_mode") == "form_post":
                inputs = "".join(
                    f'<input type="hidden" name="{name}" value="{value}">' for name, value in parameters
                )
                script = "<script>document.forms[0].submit()</script>"
                body = f'<form method="post" action="{target}">{inputs}</form>{script}'
                self._send_raw(Raw(200, body.encode(), "text/html"))
            else:
                where = f"{target}?{urlencode(parameters)}"
                self._send_raw(Raw(302, headers=(("Location", where),)))

        def _json(self, status: int, content: dict[str, Any]) -> None:
            self._send_raw(Raw(status, json.dumps(content).encode()))

        def _send_raw(self, raw: Raw) -> None:
            released = provider.released
            if raw.hangs or raw.delay_seconds:
                released.wait(LONGEST_HANG_SECONDS if raw.hangs else raw.delay_seconds)
            self.send_response(raw.status)
            self.send_header("Content-Type", raw.content_type)
            for name, value in raw.headers:
                self.send_header(name, value)
            endless = raw.floods or raw.trickles
            if endless:
                self.send_header("Connection", "close")
                self.close_connection = True
            else:
                self.send_header("Content-Length", str(len(raw.body)))
            self.end_headers()
            self.wfile.write(raw.body)
            while endless and not released.is_set():
                self.wfile.write(FLOOD_CHUNK if raw.floods else b" ")
                if raw.trickles:
                    released.wait(0.1)

    return Handler


__all__ = ["ABSENT", "Absent", "Arrived", "HostileProvider", "Raw", "bent", "encode"]
