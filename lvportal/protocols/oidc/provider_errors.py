"""From a provider's error to our cause: OAuth's codes first, then what vendors write beside them.

A fragment decides only between causes of a refusal, never whether there is one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from lvportal.protocols.oidc.configuration import ClientAuthentication, RelyingPartyConfiguration
from lvportal.protocols.oidc.errors import (
    AccessDenied,
    AccountBlocked,
    AccountElsewhere,
    ClientNotAllowed,
    ClientUnknown,
    CodeExchangeRefused,
    CodeRefused,
    ConsentRequired,
    Declined,
    GrantOff,
    LoginRequired,
    NotAssigned,
    PolicyRefused,
    ProviderRefused,
    ProviderUnavailable,
    RedirectMismatch,
    RequestRefused,
    ScopeRefused,
    SecretExpired,
    SecretMissing,
    SecretRefused,
    SecretUnwanted,
    TokenEndpointUnavailable,
)
from lvportal.protocols.oidc.values import cut

_AUTHORIZATION_CODES: dict[str, type[ProviderRefused]] = {
    # RFC 6749, section 4.1.2.1
    "access_denied": AccessDenied,
    "invalid_request": RequestRefused,
    "unauthorized_client": ClientNotAllowed,
    "unsupported_response_type": ClientNotAllowed,
    "invalid_scope": ScopeRefused,
    "server_error": ProviderUnavailable,
    "temporarily_unavailable": ProviderUnavailable,
    # OpenID Connect Core 1.0, section 3.1.2.6
    "login_required": LoginRequired,
    "interaction_required": LoginRequired,
    "account_selection_required": LoginRequired,
    "consent_required": ConsentRequired,
    "request_not_supported": RequestRefused,
    "request_uri_not_supported": RequestRefused,
    # RFC 9470, section 5
    "unmet_authentication_requirements": PolicyRefused,
}

_TOKEN_CODES: dict[str, type[CodeExchangeRefused]] = {
    # RFC 6749, section 5.2
    "invalid_client": SecretRefused,
    "invalid_grant": CodeRefused,
    "unauthorized_client": GrantOff,
    "unsupported_grant_type": GrantOff,
    # Auth0 answers a wrong secret with 401 and this.
    "access_denied": SecretRefused,
    # Cognito and Google, beside the specification.
    "redirect_mismatch": RedirectMismatch,
    "redirect_uri_mismatch": RedirectMismatch,
    "server_error": TokenEndpointUnavailable,
    "temporarily_unavailable": TokenEndpointUnavailable,
    "slow_down": TokenEndpointUnavailable,
}

_AUTHORIZATION_FRAGMENTS: Sequence[tuple[str, type[ProviderRefused]]] = (
    ("not assigned to the client application", NotAssigned),  # Okta
    ("policy evaluation failed", PolicyRefused),  # Okta
    ("user denied", Declined),
    ("user cancel", Declined),
    ("denied the consent", Declined),
)

_TOKEN_FRAGMENTS: Sequence[tuple[str, type[CodeExchangeRefused]]] = (
    ("redirect_uri", RedirectMismatch),
    ("redirect uri", RedirectMismatch),
)

Kind = TypeVar("Kind")

_ENTRA_NUMBER = re.compile(r"AADSTS(\d{4,8})\b")

_ENTRA_AUTHORIZATION: dict[str, type[ProviderRefused]] = {
    "50105": NotAssigned,
    "65004": Declined,
    **dict.fromkeys(("65001", "90094", "90095", "650056"), ConsentRequired),
    **dict.fromkeys(("50020", "50034", "16000", "90072", "500208"), AccountElsewhere),
    **dict.fromkeys(("50053", "50057"), AccountBlocked),
    **dict.fromkeys(("50074", "50076", "50079", "53000", "53003"), PolicyRefused),
    **dict.fromkeys(("700016", "90002", "7000112", "70001"), ClientUnknown),
    "50058": LoginRequired,
}

_ENTRA_TOKEN: dict[str, type[CodeExchangeRefused | ClientUnknown]] = {
    # Sent with unauthorized_client or invalid_request, which elsewhere mean that a grant is off.
    **dict.fromkeys(("700016", "90002", "7000112", "70001"), ClientUnknown),
    "7000215": SecretRefused,
    "7000222": SecretExpired,
    "7000218": SecretMissing,
    "700025": SecretUnwanted,
    **dict.fromkeys(("54005", "70008", "501481"), CodeRefused),
    **dict.fromkeys(("50011", "500113", "900971"), RedirectMismatch),
}


def explain_authorization_error(
    error: str, description: str, configuration: RelyingPartyConfiguration, *, hidden: tuple[str, ...] = ()
) -> ProviderRefused:
    """Return the refusal for an error in the browser's answer (RFC 6749, section 4.1.2.1).

    ``hidden`` are the secrets of this sign-in, taken out of what the provider said.
    """
    kind = (
        _ENTRA_AUTHORIZATION.get(_entra_number(description))
        or _find(description, _AUTHORIZATION_FRAGMENTS)
        or _AUTHORIZATION_CODES.get(error, ProviderRefused)
    )
    shown = _show(error, hidden, 60) or "an empty error"
    said = _show(description, hidden)
    return kind(f"error={shown}", provider_said=said, error=shown, scopes=configuration.scope)


def explain_token_error(
    error: str,
    description: str,
    *,
    status: int,
    redirect_uri: str,
    method: ClientAuthentication,
    hidden: tuple[str, ...] = (),
) -> CodeExchangeRefused | ClientUnknown:
    """Return the refusal for an error of the token endpoint (RFC 6749, section 5.2).

    ``error`` is empty when the answer named none; then the HTTP status decides.
    ``hidden`` as above.
    """
    kind: type[CodeExchangeRefused | ClientUnknown] = _ENTRA_TOKEN.get(
        _entra_number(description)
    ) or _kind_of_token_error(error, description, status)
    if kind is SecretRefused and method is ClientAuthentication.NONE:
        # We sent no secret: it cannot be wrong, it can only be missing.
        kind = SecretMissing
    shown = _show(error, hidden, 60) or "no error code"
    refused = kind(
        f"error={shown} status={status}",
        provider_said=_show(description, hidden),
        error=shown,
        status=status,
        expected=redirect_uri,
        method=method.value,
    )
    refused.step = CodeExchangeRefused.step
    return refused


def _show(text: str, hidden: tuple[str, ...], max_characters: int = 200) -> str:
    # Some providers repeat in their error what they were sent. Replaced before
    # the text is cut: half a secret would not be found.
    for secret in hidden:
        if secret:
            text = text.replace(secret, "[hidden]")
    return cut(text, max_characters)


def _kind_of_token_error(error: str, description: str, status: int) -> type[CodeExchangeRefused]:
    if error in ("invalid_grant", "invalid_request"):
        mismatch = _find(description, _TOKEN_FRAGMENTS)
        if mismatch:
            return mismatch
    if error in _TOKEN_CODES:
        return _TOKEN_CODES[error]
    if status == 401:
        return SecretRefused
    if status == 429 or status >= 500:
        return TokenEndpointUnavailable
    return CodeExchangeRefused


def _entra_number(description: str) -> str:
    found = _ENTRA_NUMBER.search(description[:2000])
    return found.group(1) if found else ""


def _find(description: str, fragments: Sequence[tuple[str, Kind]]) -> Kind | None:
    text = description[:2000].lower()
    return next((kind for fragment, kind in fragments if fragment in text), None)
