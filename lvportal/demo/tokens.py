"""Codes, ID tokens and UserInfo of the demo provider, honest or with one fact bent."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from lvportal.demo import failures
from lvportal.demo.failures import Failure
from lvportal.demo.persons import Person
from lvportal.demo.store import Application

CODE_LIFE_SECONDS = 60
TOKEN_LIFE_SECONDS = 3600
CLOCK_OFF_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Grant:
    """A person's consent to one sign-in, between /authorize and /token."""

    application: Application
    redirect_uri: str
    person: Person
    failure: Failure
    nonce: str | None
    challenge: str | None
    granted_at: int  # Unix seconds


class Handles:
    """Random handles for grants, in memory only: codes are taken once, tokens are looked up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._codes: dict[str, Grant] = {}
        self._tokens: dict[str, Grant] = {}

    def add_code(self, grant: Grant, now: int) -> str:
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._codes = {
                key: kept for key, kept in self._codes.items() if kept.granted_at > now - CODE_LIFE_SECONDS
            }
            self._codes[code] = grant
        return code

    def take_code(self, code: str, now: int) -> Grant | None:
        """Return the grant of a code that is fresh and unused; it is used now."""
        with self._lock:
            grant = self._codes.pop(code, None)
        fresh = grant is not None and grant.granted_at > now - CODE_LIFE_SECONDS
        return grant if fresh else None

    def add_token(self, grant: Grant, now: int) -> str:
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens = {
                key: kept for key, kept in self._tokens.items() if kept.granted_at > now - TOKEN_LIFE_SECONDS
            }
            self._tokens[token] = grant
        return token

    def find_token(self, token: str) -> Grant | None:
        with self._lock:
            return self._tokens.get(token)


def challenge_of(verifier: str) -> str:
    """Return the S256 code challenge of a verifier. RFC 7636, section 4.6."""
    return _encode(hashlib.sha256(verifier.encode()).digest())


def id_token(grant: Grant, access_token: str, *, issuer: str, key: RSAKey, now: int) -> str:
    """Return a signed ID token. OpenID Connect Core 1.0, section 2."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": grant.person.subject,
        "aud": grant.application.client_id,
        "iat": now,
        "exp": now + TOKEN_LIFE_SECONDS,
        "auth_time": grant.granted_at,
        "at_hash": _encode(hashlib.sha256(access_token.encode()).digest()[:16]),
        "amr": ["demo"],
        **person_claims(grant),
    }
    if grant.nonce is not None:
        claims["nonce"] = grant.nonce
    match grant.failure:
        case failures.WRONG_ISSUER:
            claims["iss"] = "https://login.globex.example"
        case failures.WRONG_NONCE:
            claims["nonce"] = secrets.token_urlsafe(16)
        case failures.WRONG_AUDIENCE:
            claims["aud"] = "another-application"
        case failures.CLOCK:
            claims |= {name: claims[name] + CLOCK_OFF_SECONDS for name in ("iat", "exp", "auth_time")}
        case failures.EXPIRED:
            claims |= {"iat": now - 2 * TOKEN_LIFE_SECONDS, "exp": now - TOKEN_LIFE_SECONDS}
        case _:
            pass
    signs = RSAKey.generate_key(2048) if grant.failure is failures.FORGED else key
    return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "JWT"}, claims, signs)


def person_claims(grant: Grant) -> dict[str, Any]:
    """Return the claims about the person, as the token and UserInfo carry them."""
    claims: dict[str, Any] = {"name": grant.person.name, "preferred_username": grant.person.email}
    if grant.failure is not failures.NO_EMAIL:
        claims["email"] = grant.person.email
        claims["email_verified"] = grant.failure is not failures.UNVERIFIED
    return claims


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
