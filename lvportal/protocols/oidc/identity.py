"""From verified claims to a person: which email, confirmed by whom, of whose domain."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from lvportal.protocols.contract import ExternalIdentity
from lvportal.protocols.oidc.configuration import RelyingPartyConfiguration
from lvportal.protocols.oidc.errors import EmailMalformed, EmailUnverified, HostedDomainWrong, NoEmail
from lvportal.protocols.oidc.id_token import IdTokenClaims, name_claims
from lvportal.protocols.oidc.values import JsonObject, cut, has_hidden_characters, is_true

MAX_GROUPS = 1000
MAX_GROUP_CHARACTERS = 256
MAX_EMAIL_CHARACTERS = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets

_CONFIRMED = "confirmed"
_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

HARMLESS_CLAIMS = ("acr", "amr", "auth_time", "email_verified", "hd", "iss")
"""Claims whose values may be shown to administrators: they tell how, not who."""


def merge_claims(id_token: IdTokenClaims, userinfo: Mapping[str, Any]) -> JsonObject:
    """Join both sources; the signed one wins where both speak.

    An ``email_verified`` of UserInfo counts for the ID token's email only when
    UserInfo names the same email, or none: it would confirm another address.
    """
    signed = {name: value for name, value in id_token.claims.items() if value is not None}
    claims = {**userinfo, **signed}
    described = userinfo.get("email")
    is_about_another = described is not None and not _are_same_email(described, claims["email"])
    if is_about_another and "email_verified" not in signed:
        claims.pop("email_verified", None)
    return claims


def judge_identity(
    id_token: IdTokenClaims,
    claims: JsonObject,
    configuration: RelyingPartyConfiguration,
    *,
    raw_id_token: str = "",
) -> ExternalIdentity:
    """Return the person that ``claims`` (of ``merge_claims``) describe.

    Raises HostedDomainWrong, NoEmail, EmailMalformed or EmailUnverified.
    Core 1.0, sections 5.1 and 5.7.
    """
    _judge_hosted_domain(id_token, configuration)
    email = _judge_email(claims, configuration)
    if not configuration.accepts_unverified_email:
        _judge_verification(email, claims, configuration)
    return ExternalIdentity(
        issuer=id_token.issuer,
        subject=id_token.subject,
        email=email,
        provider_session=id_token.session,
        authenticated_at=id_token.authenticated_at,
        claim_names=name_claims(claims),
        harmless_claims=show_harmless(claims),
        id_token=raw_id_token,
        email_is_verified=_verification_of(email, claims, configuration) == _CONFIRMED,
        groups=read_groups(claims, configuration.groups_claim),
        given_name=_name(claims.get("given_name")),
        family_name=_name(claims.get("family_name")),
    )


def show_harmless(claims: Mapping[str, Any]) -> dict[str, str]:
    """Return the values that may be shown, as text, cut."""
    return {name: _as_text(claims[name]) for name in HARMLESS_CLAIMS if claims.get(name) is not None}


def _judge_hosted_domain(id_token: IdTokenClaims, configuration: RelyingPartyConfiguration) -> None:
    required = configuration.required_hosted_domain
    if required is None:
        return
    # In the ID token only, and whole: acme.example.evil.example ends nowhere near it.
    domain = id_token.claims.get("hd")
    if not isinstance(domain, str) or domain.lower() != required.lower():
        got = cut(domain, 100) if isinstance(domain, str) else "a personal account"
        raise HostedDomainWrong(expected=required, got=got)


def _judge_email(claims: JsonObject, configuration: RelyingPartyConfiguration) -> str:
    name = configuration.email_claim
    email = claims.get(name)
    if email is None or email == "":
        raise NoEmail(expected=name, names=cut(", ".join(name_claims(claims)), 1000) or "none")
    # Two at-signs, spaces and invisible characters are read differently by
    # different readers: one address here, another one there.
    if not isinstance(email, str) or len(email) > MAX_EMAIL_CHARACTERS or has_hidden_characters(email):
        raise EmailMalformed("not a string, too long, or with hidden characters", expected=name)
    local, _, domain = email.partition("@")
    if not local or not domain or "@" in domain:
        raise EmailMalformed("not exactly one @ with something on both sides", expected=name)
    return email


def read_groups(claims: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """Return the groups that the claim ``name`` lists; None when none is named, or it is absent or unusable.

    A string counts as one group, what is not a string not at all. Entra leaves
    the claim out for people in too many groups: that says nothing about them.
    """
    listed = claims.get(name) if name else None
    entries = [listed] if isinstance(listed, str) else listed
    if not isinstance(entries, list):
        return None
    return tuple(
        entry
        for entry in entries[:MAX_GROUPS]
        if isinstance(entry, str) and len(entry) <= MAX_GROUP_CHARACTERS
    )


def _judge_verification(email: str, claims: JsonObject, configuration: RelyingPartyConfiguration) -> None:
    got = _verification_of(email, claims, configuration)
    if got != _CONFIRMED:
        raise EmailUnverified(got=got)


def _verification_of(email: str, claims: JsonObject, configuration: RelyingPartyConfiguration) -> str:
    """Return _CONFIRMED, or what the provider says instead."""
    verified = claims.get("email_verified")
    if configuration.accepts_email_verified_as_text and verified == "true":
        verified = True
    if not is_true(verified):
        return "missing" if verified is None else _as_text(verified)
    # email_verified speaks of the claim "email". With another Email Attribute
    # it says nothing about that one, unless both hold the same address.
    if claims.get("email") is not None and not _are_same_email(claims["email"], email):
        return "true, for another address"
    return _CONFIRMED


def _name(value: object) -> str:
    # For a new account alone; what cannot be a name is none.
    if not isinstance(value, str) or len(value) > 80 or not value.isprintable():
        return ""
    return value.strip()


def _are_same_email(one: object, other: object) -> bool:
    # ASCII alone is folded: casefold() makes the Kelvin sign a "k", and with it
    # one person's confirmed address another's.
    return isinstance(one, str) and isinstance(other, str) and _fold(one) == _fold(other)


def _fold(text: str) -> str:
    return text.translate(_ASCII_LOWER)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return cut(", ".join(item for item in value[:10] if isinstance(item, str)))
    if isinstance(value, str | int | float):
        return cut(value)
    return "not a simple value"
