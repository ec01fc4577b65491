"""How we prove ourselves at the token endpoint (RFC 6749, section 2.3; Core 1.0, section 9)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from authlib.oauth2.auth import ClientAuth

from lvportal.protocols.oidc.configuration import ClientAuthentication


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """A form POST that carries our credentials; both parts are secret."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def choose_method(configured: ClientAuthentication, supported: tuple[str, ...]) -> ClientAuthentication:
    """Return the administrator's method, or post where basic is not on offer.

    ``supported`` is ``token_endpoint_auth_methods_supported``; empty means that
    the provider does not say. Both methods send the same secret to the same
    endpoint over TLS, so that this is the one thing metadata may decide; it
    never makes a confidential client a public one.
    """
    post = ClientAuthentication.CLIENT_SECRET_POST
    is_basic = configured is ClientAuthentication.CLIENT_SECRET_BASIC
    if is_basic and configured not in supported and post in supported:
        return post
    return configured


def authenticate(
    form: str, *, endpoint: str, client_id: str, client_secret: str | None, method: ClientAuthentication
) -> AuthenticatedRequest:
    """Add our credentials to an urlencoded form."""
    attach = _attach_basic if method is ClientAuthentication.CLIENT_SECRET_BASIC else method.value
    _, headers, body = ClientAuth(client_id, client_secret, attach).prepare("POST", endpoint, {}, form)
    return AuthenticatedRequest(headers, body.encode("ascii"))


def _attach_basic(
    client: ClientAuth, method: str, uri: str, headers: dict[str, str], body: str
) -> tuple[str, dict[str, str], str]:
    # Form-urlencoded first (RFC 6749, section 2.3.1): Authlib's own does not,
    # and a secret with a colon, a plus or a percent sign is then another one.
    credentials = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    encoded = base64.b64encode(credentials.encode("ascii")).decode("ascii")
    return uri, {**headers, "authorization": f"Basic {encoded}"}, body
