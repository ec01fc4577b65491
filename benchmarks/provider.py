"""A fast OpenID provider for measurements: it consents at once and signs with RS256.

Many tenants live on one port, each with an issuer of its own,
``http://127.0.0.1:PORT/TENANT``. Who signs in says the cookie ``person``: it
stands for the session that a browser has at its provider.

``POST /TENANT/behaviour`` with JSON sets ``token_delay_seconds`` (0 = none) and
``token_hangs`` (``/token`` never answers, until it is set to false: then the
waiting requests get their answers). ``GET /counts`` says how often each
endpoint was asked.

It runs on bare asyncio and not on a framework because it shares its core with
the client: what it costs, the storm cannot use.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CODE_LIFE_SECONDS = 60
TOKEN_LIFE_SECONDS = 300
MOST_BODY_BYTES = 65_536


def client_id(tenant: str) -> str:
    """Return the client id under which the relying parties are registered at ``tenant``."""
    return f"relying-party-of-{tenant}"


def client_secret(tenant: str) -> str:
    """Return the secret that goes with ``client_id``. It protects nothing: measurements only."""
    return f"benchmark-only-secret-of-{tenant}"


@dataclass(frozen=True, slots=True)
class Grant:
    """What stands behind a code until it is exchanged."""

    tenant: str
    redirect_uri: str
    nonce: str | None
    code_challenge: str | None
    person: str
    expires_at: float


@dataclass(slots=True)
class Behaviour:
    """What a tenant's provider does to ``/token``."""

    token_delay_seconds: float = 0.0
    token_hangs: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)


class Refused(Exception):
    """An answer that is not 200: OAuth error code and HTTP status."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.status = status


class Provider:
    """The state of all tenants: codes, access tokens, one signing key."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.grants: dict[str, Grant] = {}
        self.people: dict[str, str] = {}  # access token -> person
        self.behaviours: dict[str, Behaviour] = {}
        self.counts: Counter[str] = Counter()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._kid = secrets.token_hex(4)
        self._header = _encoded({"alg": "RS256", "kid": self._kid, "typ": "JWT"})

    def issuer(self, tenant: str) -> str:
        """Return the issuer of ``tenant``, without a slash at the end."""
        return f"{self.origin}/{tenant}"

    def behaviour(self, tenant: str) -> Behaviour:
        """Return how ``tenant``'s token endpoint behaves; well, unless told otherwise."""
        return self.behaviours.setdefault(tenant, Behaviour())

    def metadata(self, tenant: str) -> dict[str, object]:
        """Return the discovery document. OpenID Connect Discovery 1.0, section 3."""
        issuer = self.issuer(tenant)
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "jwks_uri": f"{issuer}/jwks",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "email", "profile"],
            "claims_supported": ["sub", "email", "email_verified"],
            "authorization_response_iss_parameter_supported": True,
        }

    def keys(self) -> dict[str, object]:
        """Return the JWK Set with the one public key. RFC 7517."""
        numbers = self._key.public_key().public_numbers()
        return {
            "keys": [
                {
                    "kty": "RSA",
                    "use": "sig",
                    "alg": "RS256",
                    "kid": self._kid,
                    "n": _base64url(numbers.n.to_bytes(256, "big")),
                    "e": _base64url(numbers.e.to_bytes(3, "big")),
                }
            ]
        }

    def authorize(self, tenant: str, query: Mapping[str, str], person: str, now: float) -> str:
        """Consent at once and return the address to send the browser to.

        ``now`` is Unix seconds. Raises Refused when the request cannot be
        answered by a redirect. OpenID Connect Core 1.0, 3.1.2; RFC 7636; RFC 9207.
        """
        if query.get("client_id") != client_id(tenant) or not query.get("redirect_uri"):
            raise Refused("invalid_client")
        if query.get("response_type") != "code" or "openid" not in query.get("scope", "").split():
            raise Refused("invalid_request")
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            raise Refused("invalid_request")
        if not person:
            raise Refused("login_required")
        code = secrets.token_urlsafe(24)
        self.grants[code] = Grant(
            tenant=tenant,
            redirect_uri=query["redirect_uri"],
            nonce=query.get("nonce"),
            code_challenge=query["code_challenge"],
            person=person,
            expires_at=now + CODE_LIFE_SECONDS,
        )
        answer = {"code": code, "iss": self.issuer(tenant)}
        if "state" in query:
            answer["state"] = query["state"]
        return f"{query['redirect_uri']}{'&' if '?' in query['redirect_uri'] else '?'}{urlencode(answer)}"

    def exchange(
        self, tenant: str, form: Mapping[str, str], authorization: str, now: float
    ) -> dict[str, object]:
        """Turn a code into tokens, once.

        ``now`` is Unix seconds. Raises Refused. RFC 6749, 4.1.3; RFC 7636, 4.6.
        """
        if not _is_our_client(tenant, form, authorization):
            raise Refused("invalid_client", 401)
        if form.get("grant_type") != "authorization_code":
            raise Refused("unsupported_grant_type")
        grant = self.grants.pop(form.get("code", ""), None)
        if grant is None or grant.tenant != tenant or grant.expires_at < now:
            raise Refused("invalid_grant")
        if form.get("redirect_uri") != grant.redirect_uri:
            raise Refused("invalid_grant")
        proof = _base64url(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if proof != grant.code_challenge:
            raise Refused("invalid_grant")
        access_token = secrets.token_urlsafe(24)
        self.people[access_token] = grant.person
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE_SECONDS,
            "scope": "openid email profile",
            "id_token": self._id_token(grant, int(now)),
        }

    def userinfo(self, authorization: str) -> dict[str, object]:
        """Return the claims of an access token's person. Raises Refused."""
        person = self.people.get(authorization.removeprefix("Bearer "))
        if person is None:
            raise Refused("invalid_token", 401)
        return _person_claims(person)

    def _id_token(self, grant: Grant, now: int) -> str:
        claims = {
            "iss": self.issuer(grant.tenant),
            "aud": client_id(grant.tenant),
            "iat": now,
            "exp": now + TOKEN_LIFE_SECONDS,
            "auth_time": now,
            **_person_claims(grant.person),
        }
        if grant.nonce is not None:
            claims["nonce"] = grant.nonce
        signed = f"{self._header}.{_encoded(claims)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64url(signature)}"


def _person_claims(email: str) -> dict[str, object]:
    subject = hashlib.sha256(email.encode()).hexdigest()[:24]
    return {"sub": subject, "email": email, "email_verified": True, "name": email.partition("@")[0]}


def _is_our_client(tenant: str, form: Mapping[str, str], authorization: str) -> bool:
    if authorization.startswith("Basic "):
        try:
            name, _, secret = base64.b64decode(authorization[6:], validate=True).decode().partition(":")
        except ValueError:
            return False
        name, secret = unquote_plus(name), unquote_plus(secret)
    else:
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
    return name == client_id(tenant) and hmac.compare_digest(secret, client_secret(tenant))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _encoded(value: object) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


# --- HTTP ---------------------------------------------------------------------

REASONS = {
    200: "OK",
    204: "No Content",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
}


class Connection(asyncio.Protocol):
    """One kept HTTP/1.1 connection; requests on it are answered one after the other."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._received = b""
        self._busy = False
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._busy:
            self._handle()

    def _handle(self) -> None:
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        length = int(headers.get("content-length", "0"))
        if length > MOST_BODY_BYTES:
            self._send(*_json({"error": "invalid_request"}, 400))
            return
        if len(rest) < length:
            return
        self._received = rest[length:]
        method, target, _ = lines[0].split(" ", 2)
        self._answer(method, target, headers, rest[:length])

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        parts = urlsplit(target)
        tenant, _, endpoint = parts.path.lstrip("/").partition("/")
        self._provider.counts[endpoint or tenant] += 1
        if method == "POST" and endpoint == "token":
            behaviour = self._provider.behaviour(tenant)
            if behaviour.token_hangs or behaviour.token_delay_seconds:
                self._busy = True
                self._waiting = asyncio.ensure_future(self._answer_late(tenant, behaviour, headers, body))
                return
        try:
            answer = self._route(method, tenant, endpoint, parts.query, headers, body)
        except Refused as refused:
            answer = _json({"error": refused.error}, refused.status)
        self._send(*answer)

    def _route(
        self, method: str, tenant: str, endpoint: str, query: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, str, bytes]:
        provider = self._provider
        if method == "GET" and endpoint == "authorize":
            person = _cookies(headers.get("cookie", "")).get("person", "")
            address = provider.authorize(tenant, dict(parse_qsl(query)), person, time.time())
            return 302, f"Location: {address}\r\n", b""
        if method == "POST" and endpoint == "token":
            return self._tokens(tenant, headers, body)
        if method == "GET" and endpoint == "userinfo":
            return _json(provider.userinfo(headers.get("authorization", "")))
        if method == "GET" and endpoint == ".well-known/openid-configuration":
            return _json(provider.metadata(tenant), cache=True)
        if method == "GET" and endpoint == "jwks":
            return _json(provider.keys(), cache=True)
        if method == "POST" and endpoint == "behaviour":
            return self._behave(tenant, body)
        if method == "GET" and (tenant, endpoint) == ("counts", ""):
            return _json(dict(provider.counts))
        raise Refused("not_found", 404)

    def _tokens(self, tenant: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        form = dict(parse_qsl(body.decode("latin-1")))
        return _json(self._provider.exchange(tenant, form, headers.get("authorization", ""), time.time()))

    def _behave(self, tenant: str, body: bytes) -> tuple[int, str, bytes]:
        wanted = json.loads(body)
        behaviour = self._provider.behaviour(tenant)
        behaviour.token_delay_seconds = float(wanted.get("token_delay_seconds", 0))
        behaviour.token_hangs = bool(wanted.get("token_hangs", False))
        if behaviour.token_hangs:
            behaviour.released.clear()
        else:
            behaviour.released.set()
        return 204, "", b""

    async def _answer_late(
        self, tenant: str, behaviour: Behaviour, headers: dict[str, str], body: bytes
    ) -> None:
        if behaviour.token_delay_seconds:
            await asyncio.sleep(behaviour.token_delay_seconds)
        if behaviour.token_hangs:
            await behaviour.released.wait()
        try:
            answer = self._tokens(tenant, headers, body)
        except Refused as refused:
            answer = _json({"error": refused.error}, refused.status)
        self._busy = False
        self._send(*answer)

    def _send(self, status: int, more_headers: str, body: bytes) -> None:
        if self._transport is None:
            return
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Length: {len(body)}\r\n{more_headers}\r\n"
        self._transport.write(head.encode("latin-1") + body)
        if self._received:
            asyncio.get_running_loop().call_soon(self._handle)


def _json(value: object, status: int = 200, *, cache: bool = False) -> tuple[int, str, bytes]:
    control = "max-age=3600" if cache else "no-store"
    headers = f"Content-Type: application/json\r\nCache-Control: {control}\r\n"
    return status, headers, json.dumps(value).encode()


def _cookies(header: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, _, value in pairs if name}


async def serve(port: int, token_delay_seconds: float, tenants: list[str]) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT."""
    provider = Provider(f"http://127.0.0.1:{port}")
    for tenant in tenants:
        provider.behaviour(tenant).token_delay_seconds = token_delay_seconds
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopped.set)
    server = await loop.create_server(lambda: Connection(provider), "127.0.0.1", port, backlog=4096)
    await stopped.wait()
    server.close()


def main() -> None:
    """Run the provider by itself: ``python -m benchmarks.provider --port 9000``."""
    parser = argparse.ArgumentParser(description="A fast test OpenID provider on 127.0.0.1.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token-delay-seconds", type=float, default=0.0, help="for --tenants")
    parser.add_argument("--tenants", nargs="*", default=["acme"], help="whose /token is delayed")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.token_delay_seconds, given.tenants))


if __name__ == "__main__":
    main()
