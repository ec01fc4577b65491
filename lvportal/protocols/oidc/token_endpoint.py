"""The code is exchanged for tokens: one POST, and the judgement of its answer.

RFC 6749, sections 4.1.3, 5.1 and 5.2; OpenID Connect Core 1.0, section 3.1.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote_plus, urlencode

from lvportal.errors import SignInRefused
from lvportal.protocols.oidc.client_authentication import AuthenticatedRequest, authenticate, choose_method
from lvportal.protocols.oidc.configuration import ClientAuthentication, RelyingPartyConfiguration
from lvportal.protocols.oidc.errors import AccessTokenTypeUnknown, IdTokenMissing, TokenAnswerMalformed
from lvportal.protocols.oidc.id_token import MAX_TOKEN_CHARACTERS
from lvportal.protocols.oidc.provider_errors import explain_token_error
from lvportal.protocols.oidc.values import cut, is_visible_ascii, read_json_object, require_string

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lvportal.protocols.http import Reply
    from lvportal.protocols.oidc.discovery import ProviderMetadata

MAX_ACCESS_TOKEN_CHARACTERS = 16 * 1024  # it must fit a header

_WHAT = "the token endpoint's answer"


class Poster(Protocol):
    """What sends the form; ``protocols.http.Fetcher`` is the real one."""

    def post_form(
        self, url: str, body: bytes, *, issuer: str, headers: Mapping[str, str] | None = None
    ) -> Reply: ...


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A code about to be exchanged, and what the provider must not repeat to anybody."""

    endpoint: str
    redirect_uri: str
    method: ClientAuthentication
    form: AuthenticatedRequest = field(repr=False)
    hidden: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """Well-formed tokens; nothing in them has been verified."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)


def prepare_token_exchange(
    metadata: ProviderMetadata,
    configuration: RelyingPartyConfiguration,
    *,
    code: str,
    code_verifier: str,
    redirect_uri: str,
) -> TokenRequest:
    """Build the request of RFC 6749, section 4.1.3, with PKCE's verifier (RFC 7636, section 4.5)."""
    method = choose_method(
        configuration.client_authentication, metadata.token_endpoint_auth_methods_supported
    )
    grant = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": code_verifier,
    }
    form = authenticate(
        urlencode(grant),
        endpoint=metadata.token_endpoint,
        client_id=configuration.client_id,
        client_secret=configuration.client_secret,
        method=method,
    )
    secrets = (code, code_verifier, configuration.client_secret or "")
    # As we know them and as they were sent: some providers repeat the whole request.
    credentials = form.headers.get("authorization", "").removeprefix("Basic ")
    hidden = (credentials, *map(quote_plus, secrets), *secrets)
    return TokenRequest(metadata.token_endpoint, redirect_uri, method, form, hidden)


def send_token_request(request: TokenRequest, poster: Poster, *, issuer: str) -> Reply:
    """Send it, once: a code is good for one try. Raises what the fetcher raises."""
    headers = {**request.form.headers, "accept": "application/json"}
    return poster.post_form(request.endpoint, request.form.body, issuer=issuer, headers=headers)


def judge_token_answer(reply: Reply, request: TokenRequest) -> TokenAnswer:
    """Return the tokens of a well-formed answer.

    Raises a subclass of CodeExchangeRefused. RFC 6749, sections 5.1 and 5.2;
    OpenID Connect Core 1.0, section 3.1.3.3.
    """
    if reply.status != 200:
        raise _explain(_read_error(reply), reply.status, request)
    if not is_json(reply):
        raise TokenAnswerMalformed(f"{_WHAT} is not of type application/json")
    document = read_json_object(reply.body, what=_WHAT, refused=TokenAnswerMalformed)
    if "error" in document:
        raise _explain(document, reply.status, request)
    access_token = require_string(
        document,
        "access_token",
        what=_WHAT,
        max_length=MAX_ACCESS_TOKEN_CHARACTERS,
        refused=TokenAnswerMalformed,
    )
    if not is_visible_ascii(access_token):
        raise TokenAnswerMalformed(f"{_WHAT}: access_token has characters that fit no header")
    token_type = require_string(document, "token_type", what=_WHAT, refused=TokenAnswerMalformed)
    if token_type.lower() != "bearer":
        raise AccessTokenTypeUnknown(got=cut(token_type, 40))
    if document.get("id_token") is None:
        raise IdTokenMissing()
    id_token = require_string(
        document, "id_token", what=_WHAT, max_length=MAX_TOKEN_CHARACTERS, refused=TokenAnswerMalformed
    )
    return TokenAnswer(id_token, access_token)


def is_json(reply: Reply) -> bool:
    """Tell whether an answer says that it is JSON; parameters such as charset do not count."""
    media_type = reply.headers.get("content-type", "").split(";")[0].strip().lower()
    return media_type == "application/json"


def _read_error(reply: Reply) -> Mapping[str, Any]:
    # An error page in HTML, or nothing: then the status has to speak.
    try:
        return read_json_object(reply.body, what=_WHAT)
    except SignInRefused:
        return {}


def _explain(document: Mapping[str, Any], status: int, request: TokenRequest) -> SignInRefused:
    error, description = document.get("error"), document.get("error_description")
    return explain_token_error(
        error if isinstance(error, str) else "",
        description if isinstance(description, str) else "",
        status=status,
        redirect_uri=request.redirect_uri,
        method=request.method,
        hidden=request.hidden,
    )
