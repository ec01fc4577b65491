"""The authorization request we send with the browser, and the answer it brings back.

OAuth 2.0 (RFC 6749, section 4.1), PKCE (RFC 7636), issuer identification
(RFC 9207), OpenID Connect Core 1.0, section 3.1.2.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from lvportal.errors import SignInExpired
from lvportal.protocols.contract import Answer, PendingSignIn
from lvportal.protocols.oidc.configuration import RelyingPartyConfiguration, ResponseMode
from lvportal.protocols.oidc.errors import (
    AnswerIssuerMissing,
    AnswerIssuerWrong,
    AnswerMalformed,
    ParameterRepeated,
    ResponseModeWrong,
    TokensInAnswer,
)
from lvportal.protocols.oidc.provider_errors import explain_authorization_error
from lvportal.protocols.oidc.values import are_equal, cut

if TYPE_CHECKING:
    from lvportal.protocols.oidc.discovery import ProviderMetadata

MAX_PENDING_SECONDS = 600
MAX_PARAMETERS = 30
MAX_CODE_CHARACTERS = 4096  # Entra's pass 2,000

_CODE = re.compile(r"[\x20-\x7e]+")  # RFC 6749, appendix A.11
_TOKENS = frozenset({"id_token", "access_token", "refresh_token", "response"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """The three fresh secrets of one sign-in."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)


def new_attempt() -> Attempt:
    """Draw state, nonce and verifier, 256 bits and more each (RFC 7636, section 7.1)."""
    return Attempt(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))


def prepare_authorization_url(
    metadata: ProviderMetadata,
    configuration: RelyingPartyConfiguration,
    attempt: Attempt,
    *,
    redirect_uri: str,
    login_hint: str | None = None,
) -> str:
    """Return where to send the browser; a query of the endpoint's own is kept.

    PKCE with S256 always, whatever the provider announces: one that does not
    know it ignores it (RFC 6749, section 3.1). Core 1.0, section 3.1.2.1.
    """
    fixed = _encoded(
        (
            ("response_type", "code"),
            ("client_id", configuration.client_id),
            ("redirect_uri", redirect_uri),
            ("scope", configuration.scope),
            ("code_challenge_method", "S256"),
        )
    )
    optional: dict[str, str] = {}
    if configuration.response_mode is ResponseMode.FORM_POST:
        optional["response_mode"] = configuration.response_mode.value
    if configuration.max_age_seconds is not None:
        optional["max_age"] = str(configuration.max_age_seconds)
    if configuration.required_acr_values:
        optional["acr_values"] = " ".join(configuration.required_acr_values)
    # Anybody can start a sign-in with a hint of their making: it is a value, no more.
    hint = cut(login_hint, 320) if login_hint else ""
    if hint:
        optional["login_hint"] = hint
    optional |= {
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": create_s256_code_challenge(attempt.code_verifier),
    }
    endpoint = metadata.authorization_endpoint
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{fixed}&{urlencode(optional)}"


@lru_cache(2000)
def _encoded(pairs: tuple[tuple[str, str], ...]) -> str:
    # The same for every sign-in of a connection on a host: half of what a start's address costs.
    return urlencode(pairs)


def judge_answer(
    answer: Answer,
    pending: PendingSignIn,
    metadata: ProviderMetadata,
    configuration: RelyingPartyConfiguration,
    now: datetime,
) -> str:
    """Return the code of an answer that is the provider's, to this sign-in, in time.

    ``pending`` belongs to this browser and this connection already; what it
    holds is compared here again.

    Raises SignInExpired, a subclass of AnswerRefused, or, for an error that the
    provider reports, a subclass of ProviderRefused. RFC 6749, section 4.1.2;
    RFC 9207, section 2.4.
    """
    parameters = _judge_shape(answer)
    if not pending.state or not are_equal(pending.state, parameters.get("state", "")):
        raise SignInExpired("the state is not this sign-in's")
    if not _is_in_time(pending, now, configuration.leeway_seconds):
        raise SignInExpired("the sign-in began too long ago")
    # On errors too: an attacker's provider could otherwise end, in the honest
    # one's name, the sign-in that it wants to see repeated.
    _judge_answer_issuer(parameters, metadata, configuration)
    if not _TOKENS.isdisjoint(parameters):
        raise TokensInAnswer()
    if "error" in parameters:
        raise explain_authorization_error(
            parameters["error"],
            parameters.get("error_description", ""),
            configuration,
            hidden=(pending.state, pending.nonce, pending.code_verifier),
        )
    # After the errors: some providers report those by a redirect whatever mode
    # was asked, and a refusal should say their cause rather than its vehicle.
    if answer.response_mode != configuration.response_mode:
        raise ResponseModeWrong(expected=configuration.response_mode.value, got=cut(answer.response_mode, 20))
    code = parameters.get("code", "")
    if len(code) > MAX_CODE_CHARACTERS or not _CODE.fullmatch(code):
        raise AnswerMalformed("code is missing, too long or not printable")
    return code


def _judge_shape(answer: Answer) -> dict[str, str]:
    if len(answer.parameters) > MAX_PARAMETERS:
        raise AnswerMalformed(f"over {MAX_PARAMETERS} parameters")
    parameters = dict(answer.parameters)
    if len(parameters) != len(answer.parameters):
        raise ParameterRepeated()
    if "code" in parameters and "error" in parameters:
        raise AnswerMalformed("a code and an error in one answer")
    return parameters


def _is_in_time(pending: PendingSignIn, now: datetime, leeway_seconds: int) -> bool:
    # Ours on both ends; the leeway is for two of our machines that differ.
    age = now.timestamp() - pending.started_at
    return -leeway_seconds <= age <= MAX_PENDING_SECONDS


def _judge_answer_issuer(
    parameters: dict[str, str], metadata: ProviderMetadata, configuration: RelyingPartyConfiguration
) -> None:
    issuer = parameters.get("iss")
    if issuer is None:
        if metadata.authorization_response_iss_parameter_supported:
            raise AnswerIssuerMissing()
        return
    if issuer != configuration.issuer:
        raise AnswerIssuerWrong(expected=configuration.issuer, got=cut(issuer) or "none")
