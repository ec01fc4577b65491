"""UserInfo: asked only when the ID token leaves a question open (Core 1.0, section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from lvportal.protocols.oidc.configuration import RelyingPartyConfiguration
from lvportal.protocols.oidc.errors import (
    UserInfoMalformed,
    UserInfoRefused,
    UserInfoSigned,
    UserInfoSubjectWrong,
)
from lvportal.protocols.oidc.id_token import IdTokenClaims
from lvportal.protocols.oidc.token_endpoint import is_json
from lvportal.protocols.oidc.values import JsonObject, read_json_object

if TYPE_CHECKING:
    from lvportal.protocols.http import Reply

_WHAT = "the UserInfo answer"


class Getter(Protocol):
    """What fetches it; ``protocols.http.Fetcher`` is the real one."""

    def get(self, url: str, *, issuer: str, headers: Mapping[str, str] | None = None) -> Reply: ...


def is_needed(id_token: IdTokenClaims, configuration: RelyingPartyConfiguration) -> bool:
    """Tell whether the ID token lacks a claim that we decide by.

    Okta's thin tokens have the email and leave its verification to UserInfo.
    """
    claims = id_token.claims
    if claims.get(configuration.email_claim) is None:
        return True
    if configuration.groups_claim and claims.get(configuration.groups_claim) is None:
        return True
    return not configuration.accepts_unverified_email and claims.get("email_verified") is None


def send_userinfo_request(endpoint: str, access_token: str, getter: Getter, *, issuer: str) -> Reply:
    """Ask, the token in the header (RFC 6750, section 2.1). Raises what the fetcher raises."""
    headers = {"authorization": f"Bearer {access_token}", "accept": "application/json"}
    return getter.get(endpoint, issuer=issuer, headers=headers)


def judge_userinfo(
    reply: Reply, id_token: IdTokenClaims, configuration: RelyingPartyConfiguration
) -> JsonObject:
    """Return the claims of an answer that is about the ID token's subject.

    Raises UserInfoRefused, UserInfoSigned, UserInfoMalformed or
    UserInfoSubjectWrong. Core 1.0, sections 5.3.2 and 5.3.4.
    """
    if reply.status != 200:
        raise UserInfoRefused(f"status={reply.status}", status=reply.status, scopes=configuration.scope)
    if reply.headers.get("content-type", "").lower().startswith("application/jwt"):
        raise UserInfoSigned()
    if not is_json(reply):
        raise UserInfoMalformed(f"{_WHAT} is not of type application/json")
    claims = read_json_object(reply.body, what=_WHAT, refused=UserInfoMalformed)
    # A swapped access token would otherwise bring somebody else's email here.
    if claims.get("sub") != id_token.subject:
        raise UserInfoSubjectWrong()
    return claims
