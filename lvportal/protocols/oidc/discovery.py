"""The provider's own document (OpenID Connect Discovery 1.0; RFC 8414), judged.

Only the keys named here are read. Nothing in the document chooses TLS,
proxies, time-outs or how we prove ourselves (protocol line 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lvportal.errors import SignInRefused
from lvportal.protocols.addresses import AddressPolicy
from lvportal.protocols.http_errors import AddressRefused
from lvportal.protocols.oidc.values import (
    cut,
    read_boolean,
    read_json_object,
    read_string,
    read_strings,
    require_string,
)

WELL_KNOWN = "/.well-known/openid-configuration"

_WHAT = "the provider's document"


class MetadataRefused(SignInRefused):
    """The provider's document is missing, unreadable or not one we can trust."""

    code = "sign_in.metadata"
    status = 502
    user_message = "{provider} describes itself in a way that cannot be used."
    next_step = "Tell your administrator."
    administrator_step = "Check the Issuer URL on Security."
    step = 1


class MetadataMissing(MetadataRefused):
    """No document where the issuer says it is."""

    code = "sign_in.metadata_missing"
    user_message = "{provider} was not found at its address."
    administrator_step = (
        "{address} answers with status {status}. Copy the Issuer URL from the provider again."
    )


class MetadataMalformed(MetadataRefused):
    """Not JSON, or a value of the wrong type."""

    code = "sign_in.metadata_malformed"
    administrator_step = (
        "What stands at {address} is not a provider's document. "
        "Check that the Issuer URL leads to the provider itself, not to a login page or a proxy."
    )


class MetadataIncomplete(MetadataRefused):
    """A required key is missing (Discovery 1.0, section 3)."""

    code = "sign_in.metadata_incomplete"
    administrator_step = (
        "The provider's document names no {endpoint}. Turn on the authorization code flow at the provider."
    )


class MetadataIssuerDiffers(MetadataRefused):
    """The document belongs to another issuer (Discovery 1.0, section 4.3)."""

    code = "sign_in.metadata_issuer"
    user_message = "{provider} calls itself by another address than the one entered here."
    administrator_step = "Expected {expected}, got {got}. They must be equal, the last slash included."


class MetadataIssuerTemplate(MetadataIssuerDiffers):
    """The issuer holds a placeholder: any tenant of that provider could sign in."""

    code = "sign_in.metadata_issuer_template"
    user_message = "The address entered here stands for every organisation at {provider}, not for yours."
    administrator_step = (
        "Expected {expected}, got {got}. Take the Issuer URL with your own tenant's id in place of "
        "common, organizations or consumers."
    )


class EndpointRefused(MetadataRefused):
    """An address in the document is one we never call or send a browser to."""

    code = "sign_in.endpoint"
    user_message = "{provider} uses an address that is not allowed."
    administrator_step = (
        "The {endpoint} in the provider's document: {reason}. It must be a public https address."
    )


class KeysMissing(MetadataRefused):
    """No key document where the provider says it is."""

    code = "sign_in.keys_missing"
    user_message = "{provider} does not show its signing keys."
    administrator_step = "{address} answers with status {status}. Repair the jwks_uri at the provider."
    step = 4  # read when the first token is opened


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMetadata:
    """What a provider says about itself: judged, but still only its word.

    An empty tuple means that the document does not say.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    registration_endpoint: str | None = None
    pushed_authorization_request_endpoint: str | None = None
    authorization_response_iss_parameter_supported: bool = False
    backchannel_logout_supported: bool = False
    frontchannel_logout_supported: bool = False
    code_challenge_methods_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ()
    id_token_signing_alg_values_supported: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()
    response_modes_supported: tuple[str, ...] = ()
    response_types_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ()
    claims_supported: tuple[str, ...] = ()


def discovery_url(issuer: str) -> str:
    """Return where an issuer's document stands. Discovery 1.0, section 4."""
    return issuer.removesuffix("/") + WELL_KNOWN


def judge_metadata(document: bytes, issuer: str, policy: AddressPolicy) -> ProviderMetadata:
    """Read a provider's document and compare its issuer byte for byte.

    Raises a subclass of MetadataRefused. Discovery 1.0, sections 3 and 4.3.
    """
    fields = read_metadata(document, issuer)
    got = _text(fields, "issuer", issuer)
    if got is None:
        raise MetadataIncomplete("no issuer", endpoint="issuer")
    if "{" in got or "}" in got:
        raise MetadataIssuerTemplate("issuer is a template", expected=cut(issuer), got=cut(got))
    if got != issuer:
        raise MetadataIssuerDiffers("issuer differs", expected=cut(issuer), got=cut(got))
    return ProviderMetadata(
        issuer=issuer,
        authorization_endpoint=_required(fields, "authorization_endpoint", issuer, policy),
        token_endpoint=_required(fields, "token_endpoint", issuer, policy),
        jwks_uri=_required(fields, "jwks_uri", issuer, policy),
        userinfo_endpoint=_optional(fields, "userinfo_endpoint", issuer, policy),
        end_session_endpoint=_optional(fields, "end_session_endpoint", issuer, policy),
        registration_endpoint=_unless_refused(fields, "registration_endpoint", policy),
        pushed_authorization_request_endpoint=_unless_refused(
            fields, "pushed_authorization_request_endpoint", policy
        ),
        authorization_response_iss_parameter_supported=_flag(
            fields, "authorization_response_iss_parameter_supported", issuer
        ),
        backchannel_logout_supported=_flag(fields, "backchannel_logout_supported", issuer),
        frontchannel_logout_supported=_flag(fields, "frontchannel_logout_supported", issuer),
        code_challenge_methods_supported=_list(fields, "code_challenge_methods_supported", issuer),
        token_endpoint_auth_methods_supported=_list(fields, "token_endpoint_auth_methods_supported", issuer),
        id_token_signing_alg_values_supported=_list(fields, "id_token_signing_alg_values_supported", issuer),
        scopes_supported=_list(fields, "scopes_supported", issuer),
        response_modes_supported=_list(fields, "response_modes_supported", issuer),
        response_types_supported=_list(fields, "response_types_supported", issuer),
        grant_types_supported=_list(fields, "grant_types_supported", issuer),
        claims_supported=_list(fields, "claims_supported", issuer),
    )


def read_metadata(document: bytes, issuer: str) -> Mapping[str, Any]:
    """Read the document's JSON, unjudged. Raises MetadataMalformed."""
    try:
        return read_json_object(document, what=_WHAT, refused=MetadataMalformed)
    except MetadataMalformed as error:
        raise _malformed(error, issuer) from error


def named_issuer(document: bytes, issuer: str) -> str | None:
    """Return the issuer a document names, unjudged: to offer it, never to use it."""
    return _text(read_metadata(document, issuer), "issuer", issuer)


def _malformed(error: MetadataMalformed, issuer: str) -> MetadataMalformed:
    return MetadataMalformed(error.detail, address=cut(discovery_url(issuer)))


def _text(fields: Mapping[str, Any], name: str, issuer: str) -> str | None:
    try:
        return read_string(fields, name, what=_WHAT, refused=MetadataMalformed)
    except MetadataMalformed as error:
        raise _malformed(error, issuer) from error


def _required(fields: Mapping[str, Any], name: str, issuer: str, policy: AddressPolicy) -> str:
    if fields.get(name) is None:
        raise MetadataIncomplete(f"no {name}", endpoint=name)
    return _address(fields, name, issuer, policy)


def _optional(fields: Mapping[str, Any], name: str, issuer: str, policy: AddressPolicy) -> str | None:
    return None if fields.get(name) is None else _address(fields, name, issuer, policy)


def _address(fields: Mapping[str, Any], name: str, issuer: str, policy: AddressPolicy) -> str:
    try:
        url = require_string(fields, name, what=_WHAT, refused=MetadataMalformed)
        policy.judge(url)
    except MetadataMalformed as error:
        raise _malformed(error, issuer) from error
    except AddressRefused as error:
        raise EndpointRefused(
            f"{name}: {error.detail}", endpoint=name, reason=error.facts.get("reason", "not allowed")
        ) from error
    return url


def _unless_refused(fields: Mapping[str, Any], name: str, policy: AddressPolicy) -> str | None:
    """Leave out what no sign-in needs, in place of refusing every sign-in for it."""
    url = fields.get(name)
    try:
        policy.judge(url if isinstance(url, str) else "")
    except AddressRefused:
        return None
    return str(url)


def _flag(fields: Mapping[str, Any], name: str, issuer: str) -> bool:
    try:
        return read_boolean(fields, name, what=_WHAT, refused=MetadataMalformed) is True
    except MetadataMalformed as error:
        raise _malformed(error, issuer) from error


def _list(fields: Mapping[str, Any], name: str, issuer: str) -> tuple[str, ...]:
    try:
        return read_strings(fields, name, what=_WHAT, refused=MetadataMalformed) or ()
    except MetadataMalformed as error:
        raise _malformed(error, issuer) from error
