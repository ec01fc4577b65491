"""The ID token: opened by its signature, then judged claim by claim.

Core 1.0, sections 2 and 3.1.3.7; RFC 7515; RFC 8725. Two functions for two
questions: ``open_id_token`` asks who signed, ``judge_claims`` what is said.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jws import CompactSignature, JWSRegistry, validate_compact

from lvportal.protocols.oidc.configuration import SYMMETRIC_ALGORITHMS, RelyingPartyConfiguration
from lvportal.protocols.oidc.errors import (
    AccessTokenHashWrong,
    AlgorithmRefused,
    AudienceUntrusted,
    AudienceWrong,
    AuthenticationContextWrong,
    AuthenticationTooOld,
    AuthorizedPartyWrong,
    ClockDisagrees,
    CriticalHeaderRefused,
    IssuerWrong,
    KeyMissing,
    NonceWrong,
    SignatureWrong,
    SubjectMissing,
    TokenEncrypted,
    TokenExpired,
    TokenMalformed,
    TokenTimeMalformed,
    TokenTypeWrong,
)
from lvportal.protocols.oidc.keys import KeySet, PublicKey
from lvportal.protocols.oidc.values import (
    JsonObject,
    are_equal,
    cut,
    decode_base64url,
    is_visible_ascii,
    read_json_object,
    read_number,
    read_string,
)

MAX_TOKEN_CHARACTERS = 128 * 1024
MAX_HEADER_BYTES = 8 * 1024  # certificates (x5c) make headers long; they are ignored, not refused
MAX_SIGNATURE_CHARACTERS = 2 * 1024
MAX_AGE_SECONDS = 600  # since ``iat``, at first use
MAX_CLOCK_ERROR_SECONDS = 3600  # a token older than this is called old, not its clock wrong
MAX_AUDIENCES = 50
MAX_CLAIM_NAMES = 100

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,100}")

# Explicit typing (RFC 8725, section 3.11): what has another type is another
# kind of token, whatever its claims say. JOSE means no more than "a token".
_ID_TOKEN_TYPES = frozenset({"jwt", "jose"})

_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

_HASHES: Mapping[str, Callable[[bytes], Any]] = {
    **{
        f"{family}{bits}": getattr(hashlib, f"sha{bits}")
        for family in ("RS", "PS", "ES")
        for bits in (256, 384, 512)
    },
    "HS256": hashlib.sha256,
    # Core 1.0 names the hash of "alg", and EdDSA names none: Ed25519 uses
    # SHA-512 (RFC 8032), which is what providers take. No other curve is accepted.
    "EdDSA": hashlib.sha512,
    "Ed25519": hashlib.sha512,
}


@dataclass(frozen=True, slots=True)
class OpenedIdToken:
    """A token whose signature is the provider's. Its claims have not been judged."""

    algorithm: str
    unjudged_claims: JsonObject = field(repr=False)


@dataclass(frozen=True, slots=True)
class IdTokenClaims:
    """What a genuine ID token says to us, about this sign-in, now: every check has passed."""

    issuer: str
    subject: str
    session: str | None
    authenticated_at: int | None  # Unix seconds
    claims: JsonObject = field(repr=False)


def name_claims(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of claims, sorted, at most a hundred, each fit to be shown."""
    # Nearly every name is a plain one, and every sign-in comes through here.
    return tuple(
        name if _PLAIN_NAME.fullmatch(name) else cut(name, 100) for name in sorted(claims)[:MAX_CLAIM_NAMES]
    )


class _AllowedHere(JWSRegistry):
    """joserfc's algorithms without its list and its warning of EdDSA: ``_judge_header`` has decided."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


_REGISTRY = _AllowedHere()


def open_id_token(token: str, keys: KeySet, configuration: RelyingPartyConfiguration) -> OpenedIdToken:
    """Verify the signature of a compact JWS and read its payload.

    The algorithm comes from the configuration's list and the key from ``keys``
    (HS256: the client secret); nothing in the header chooses either.

    Raises KeyMissing or SignatureWrong when newer keys may help; TokenMalformed,
    TokenEncrypted, AlgorithmRefused, CriticalHeaderRefused or TokenTypeWrong.
    Core 1.0, section 3.1.3.7, checks 6 to 8.
    """
    header_segment, payload_segment, signature_segment = _split(token)
    header_bytes = decode_base64url(header_segment, what="the ID token's header", refused=TokenMalformed)
    header = read_json_object(
        header_bytes, what="the ID token's header", max_bytes=MAX_HEADER_BYTES, refused=TokenMalformed
    )
    algorithm = _judge_header(header, configuration)
    payload = decode_base64url(payload_segment, what="the ID token's payload", refused=TokenMalformed)
    # joserfc is given the judged algorithm and nothing else of the header: its
    # reader takes duplicate names, and refuses the long headers of Entra's x5c.
    signed = CompactSignature({"alg": algorithm}, payload)
    signed.segments = {
        "header": header_segment.encode(),
        "payload": payload_segment.encode(),
        "signature": signature_segment.encode(),
    }
    _verify(signed, _find_keys(header, algorithm, keys, configuration))
    claims = read_json_object(
        payload, what="the ID token's payload", max_bytes=MAX_TOKEN_CHARACTERS, refused=TokenMalformed
    )
    return OpenedIdToken(algorithm, claims)


def judge_claims(
    token: OpenedIdToken,
    configuration: RelyingPartyConfiguration,
    *,
    nonce: str,
    access_token: str,
    started_at: int,
    now: datetime,
) -> IdTokenClaims:
    """Judge every claim that decides about trust. ``started_at`` is Unix seconds.

    Raises a subclass of TokenRejected. Core 1.0, section 3.1.3.7, checks 2 to 5
    and 9 to 13, and section 3.1.3.8.
    """
    claims = token.unjudged_claims
    at = int(now.timestamp())
    events = claims.get("events")
    if isinstance(events, dict) and _LOGOUT_EVENT in events:
        raise TokenTypeWrong("a logout token", got="logout")
    _judge_issuer(claims, configuration)
    _judge_audience(claims, configuration)
    subject = _judge_subject(claims)
    # The nonce first: once it is known to be ours, an impossible time proves
    # that the clocks disagree, not that the token is an old one.
    _judge_nonce(claims, nonce)
    _judge_times(claims, started_at, at, configuration.leeway_seconds)
    _judge_access_token_hash(claims, token.algorithm, access_token)
    authenticated_at = _judge_authentication(claims, configuration, at)
    session = read_string(claims, "sid", what="the ID token", max_length=1000, refused=TokenMalformed)
    return IdTokenClaims(configuration.issuer, subject, session, authenticated_at, claims)


def _split(token: str) -> tuple[str, str, str]:
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise TokenMalformed(f"the ID token is over {MAX_TOKEN_CHARACTERS} characters")
    if not token.isascii():
        raise TokenMalformed("the ID token is not ASCII")
    segments = token.split(".")
    if len(segments) == 5:
        raise TokenEncrypted()
    if len(segments) != 3:
        raise TokenMalformed(f"the ID token has {len(segments)} segments")
    header, payload, signature = segments
    if len(signature) > MAX_SIGNATURE_CHARACTERS:
        raise TokenMalformed("the ID token's signature is too long")
    return header, payload, signature


def _judge_header(header: JsonObject, configuration: RelyingPartyConfiguration) -> str:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise TokenMalformed("the ID token's header has no alg")
    # "none" can stand in no configuration; asked here again because everything
    # else in this file is worth nothing if it ever does.
    if algorithm not in configuration.allowed_algorithms or algorithm.lower() == "none":
        raise AlgorithmRefused(
            got=cut(algorithm, 40), expected=", ".join(sorted(configuration.allowed_algorithms))
        )
    # b64 (RFC 7797) and zip change what was signed; both must be critical where
    # they count, and a critical header is refused whatever it names.
    if not header.keys().isdisjoint(("crit", "b64", "zip", "enc")):
        raise CriticalHeaderRefused()
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _ID_TOKEN_TYPES:
        raise TokenTypeWrong(got=cut(kind, 40))
    return algorithm


def _find_keys(
    header: JsonObject, algorithm: str, keys: KeySet, configuration: RelyingPartyConfiguration
) -> tuple[PublicKey | OctKey, ...]:
    if algorithm in SYMMETRIC_ALGORITHMS:
        # The configuration vouches for a secret that is long enough and no
        # public key. A published key never gets here: no algorithm fits both.
        return (OctKey.import_key(configuration.client_secret or ""),)
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise TokenMalformed("the ID token's kid is not a string")
    candidates = keys.candidates(kid, algorithm)
    if not candidates:
        raise KeyMissing()
    return tuple(candidate.key for candidate in candidates)


def _verify(signed: CompactSignature, keys: tuple[PublicKey | OctKey, ...]) -> None:
    for key in keys:
        try:
            if validate_compact(signed, key, registry=_REGISTRY):
                return
        except (JoseError, ValueError):
            continue
    raise SignatureWrong()


def _judge_issuer(claims: JsonObject, configuration: RelyingPartyConfiguration) -> None:
    issuer = claims.get("iss")
    if issuer != configuration.issuer:
        got = cut(issuer) if isinstance(issuer, str) else "none"
        raise IssuerWrong(expected=configuration.issuer, got=got)


def _judge_audience(claims: JsonObject, configuration: RelyingPartyConfiguration) -> None:
    audience = claims.get("aud")
    entries = [audience] if isinstance(audience, str) else audience
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise AudienceWrong("aud is neither a string nor an array of strings", got="nobody")
    if len(entries) > MAX_AUDIENCES or configuration.client_id not in entries:
        raise AudienceWrong(got=cut(", ".join(entries[:5])) or "nobody")
    others = set(entries) - {configuration.client_id}
    untrusted = others - configuration.trusted_audiences
    if untrusted:
        raise AudienceUntrusted(got=cut(", ".join(sorted(untrusted))))
    party = claims.get("azp")
    if party is None and others:
        raise AuthorizedPartyWrong("several audiences and no azp", got="missing")
    if party is not None and party != configuration.client_id:
        raise AuthorizedPartyWrong(got=cut(party) if isinstance(party, str) else "malformed")


def _judge_subject(claims: JsonObject) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255:
        raise SubjectMissing()
    if not is_visible_ascii(subject.replace(" ", "")):
        raise SubjectMissing("sub is blank or not printable ASCII")
    return subject


def _judge_nonce(claims: JsonObject, expected: str) -> None:
    nonce = claims.get("nonce")
    # An empty expectation would let every token without a nonce through.
    if not expected or not isinstance(nonce, str) or not are_equal(expected, nonce):
        raise NonceWrong()


def _judge_times(claims: JsonObject, started_at: int, now: int, leeway: int) -> None:
    expires_at = _read_time(claims, "exp")
    issued_at = _read_time(claims, "iat")
    if expires_at is None or issued_at is None:
        raise TokenTimeMalformed("exp or iat is missing")
    not_before = _read_time(claims, "nbf")
    latest_start = max(issued_at, not_before if not_before is not None else issued_at)
    if latest_start > now + leeway:
        raise ClockDisagrees(seconds=int(latest_start - now), direction="ahead")
    is_past = expires_at <= now - leeway or issued_at < now - MAX_AGE_SECONDS - leeway
    behind = started_at - issued_at
    # Our nonce did not exist before the sign-in began, so that a token which
    # carries it and claims to be older was stamped by a clock that is behind.
    if is_past and leeway < behind <= MAX_CLOCK_ERROR_SECONDS:
        raise ClockDisagrees(seconds=int(behind), direction="behind")
    if is_past:
        too_old = max(now - expires_at, now - issued_at - MAX_AGE_SECONDS)
        raise TokenExpired(seconds=int(too_old))


def _read_time(claims: JsonObject, name: str) -> int | float | None:
    return read_number(claims, name, what="the ID token", refused=TokenTimeMalformed)


def _judge_access_token_hash(claims: JsonObject, algorithm: str, access_token: str) -> None:
    if "at_hash" not in claims:
        return
    expected = claims["at_hash"]
    hash_of = _HASHES.get(algorithm)
    if hash_of is None or not isinstance(expected, str):
        raise AccessTokenHashWrong("at_hash cannot be checked")
    digest: bytes = hash_of(access_token.encode("ascii", "replace")).digest()
    left_half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    if not are_equal(left_half, expected):
        raise AccessTokenHashWrong()


def _judge_authentication(
    claims: JsonObject, configuration: RelyingPartyConfiguration, now: int
) -> int | None:
    time = _read_time(claims, "auth_time")
    authenticated_at = None if time is None else int(time)
    max_age = configuration.max_age_seconds
    if max_age is not None:
        if authenticated_at is None or authenticated_at < now - max_age - configuration.leeway_seconds:
            raise AuthenticationTooOld()
        if authenticated_at > now + configuration.leeway_seconds:
            raise ClockDisagrees(seconds=authenticated_at - now, direction="ahead")
    required = configuration.required_acr_values
    context = claims.get("acr")
    if required and context not in required:
        got = cut(context, 100) if isinstance(context, str) else "none"
        raise AuthenticationContextWrong(expected=", ".join(required), got=got)
    return authenticated_at
