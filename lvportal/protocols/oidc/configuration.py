"""What an administrator decides about one connection, checked once when it is built."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from joserfc.jwk import OctKey

from lvportal.protocols.oidc.errors import (
    AlgorithmsUnusable,
    ClientIdUnusable,
    EmailClaimUnusable,
    GroupsClaimUnusable,
    HostedDomainUnusable,
    IssuerUnusable,
    LimitUnusable,
    ScopesUnusable,
    SecretUnusable,
)
from lvportal.protocols.oidc.values import has_hidden_characters, is_visible_ascii

ASYMMETRIC_ALGORITHMS = frozenset(
    {
        "RS256", "RS384", "RS512",
        "PS256", "PS384", "PS512",
        "ES256", "ES384", "ES512",
        "EdDSA", "Ed25519",
    }
)  # fmt: skip
"""Accepted unless told otherwise. Ed25519 is RFC 9864's name for what EdDSA means here."""

SYMMETRIC_ALGORITHMS = frozenset({"HS256"})

MIN_SYMMETRIC_SECRET_BYTES = 32  # RFC 7518, section 3.2: at least the size of the hash
MAX_LEEWAY_SECONDS = 300

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")  # RFC 6749, section 3.3
_SECRET = re.compile(r"[\x20-\x7e]{1,2000}")  # RFC 6749, appendix A.2
_DOMAIN = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")


class ClientAuthentication(StrEnum):
    """How we prove ourselves at the token endpoint (OpenID Connect Core 1.0, section 9)."""

    NONE = "none"
    CLIENT_SECRET_BASIC = "client_secret_basic"  # noqa: S105 (a method's name)
    CLIENT_SECRET_POST = "client_secret_post"  # noqa: S105 (a method's name)


class ResponseMode(StrEnum):
    """How the provider's answer travels through the browser."""

    QUERY = "query"
    FORM_POST = "form_post"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingPartyConfiguration:
    """Everything that decides about trust in one connection; metadata adds nothing to it.

    Building one checks it: raises a subclass of ConfigurationRefused that names
    the field.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    client_authentication: ClientAuthentication = ClientAuthentication.CLIENT_SECRET_BASIC
    scopes: tuple[str, ...] = ("openid", "email", "profile")  # openid is sent in any case
    response_mode: ResponseMode = ResponseMode.QUERY
    email_claim: str = "email"
    accepts_unverified_email: bool = False
    accepts_email_verified_as_text: bool = False  # "true" instead of true: Cognito
    required_hosted_domain: str | None = None  # Google's ``hd``
    groups_claim: str = ""  # which claim lists a person's groups; empty: none is read
    allowed_algorithms: frozenset[str] = ASYMMETRIC_ALGORITHMS
    trusted_audiences: frozenset[str] = frozenset()  # others an ID token may name beside us
    max_age_seconds: int | None = None  # asked and enforced when set
    required_acr_values: tuple[str, ...] = ()  # asked and enforced when set
    leeway_seconds: int = 60
    provider_label: str = ""

    def __post_init__(self) -> None:
        _check_issuer(self.issuer)
        if not is_visible_ascii_with_spaces(self.client_id) or len(self.client_id) > 1000:
            raise ClientIdUnusable()
        _check_secret(self.client_secret, self.client_authentication)
        if not self.email_claim or len(self.email_claim) > 200 or has_hidden_characters(self.email_claim):
            raise EmailClaimUnusable()
        if len(self.groups_claim) > 200 or has_hidden_characters(self.groups_claim):
            raise GroupsClaimUnusable()
        if not all(_SCOPE.fullmatch(scope) for scope in self.scopes):
            raise ScopesUnusable()
        if not all(_SCOPE.fullmatch(value) for value in self.required_acr_values):
            raise ScopesUnusable("an acr value has characters that are not allowed")
        _check_algorithms(self.allowed_algorithms, self.client_secret)
        domain = self.required_hosted_domain
        if domain is not None and not _DOMAIN.fullmatch(domain):
            raise HostedDomainUnusable()
        if not 0 <= self.leeway_seconds <= MAX_LEEWAY_SECONDS:
            raise LimitUnusable()
        if self.max_age_seconds is not None and self.max_age_seconds < 0:
            raise LimitUnusable()

    @property
    def is_confidential(self) -> bool:
        """Tell whether we prove ourselves with a secret."""
        return self.client_authentication is not ClientAuthentication.NONE

    @property
    def scope(self) -> str:
        """The scopes as sent: ``openid`` first, each once (Core 1.0, section 3.1.2.1)."""
        return " ".join(dict.fromkeys(("openid", *self.scopes)))


def is_visible_ascii_with_spaces(text: str) -> bool:
    """Tell whether a client id has printable ASCII only and is not blank or padded.

    RFC 6749, appendix A.1 allows spaces inside; around it they are a paste's.
    """
    return bool(text) and text.isascii() and text.isprintable() and text == text.strip()


def _check_issuer(issuer: str) -> None:
    # Whether plain http or a private address is allowed is the fetcher's
    # policy; here only what can never be an issuer (Discovery 1.0, section 3).
    if not is_visible_ascii(issuer) or len(issuer) > 1000:
        raise IssuerUnusable()
    try:
        parts = urlsplit(issuer)
        hostname = parts.hostname
    except ValueError as error:
        raise IssuerUnusable() from error
    if parts.scheme not in ("https", "http") or not hostname or "?" in issuer or "#" in issuer:
        raise IssuerUnusable()
    if "@" in parts.netloc:
        raise IssuerUnusable("the issuer carries user information")


def _check_secret(secret: str | None, authentication: ClientAuthentication) -> None:
    if secret is not None and (not _SECRET.fullmatch(secret) or secret != secret.strip()):
        raise SecretUnusable()
    if secret is None and authentication is not ClientAuthentication.NONE:
        raise SecretUnusable()


def _check_algorithms(allowed: frozenset[str], secret: str | None) -> None:
    # "none" is in neither set: no list can allow it.
    if not allowed or not allowed <= ASYMMETRIC_ALGORITHMS | SYMMETRIC_ALGORITHMS:
        raise AlgorithmsUnusable()
    if allowed & SYMMETRIC_ALGORITHMS:
        if len((secret or "").encode()) < MIN_SYMMETRIC_SECRET_BYTES:
            raise AlgorithmsUnusable("HS256 needs a secret of at least 32 bytes")
        try:
            OctKey.import_key(secret or "")
        except ValueError:
            raise AlgorithmsUnusable("the secret is a public key") from None
