"""What a sign-in protocol gives and takes; OpenID Connect is the first to fill it.

``services/sign_in.py`` knows these names and nothing else of a protocol, so a
second one (SAML) is a sibling of ``oidc/`` and not a branch inside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """What we must remember until the provider answers. Never a session.

    It leaves the server only inside an encrypted cookie.
    """

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    revision_id: int
    started_at: int  # Unix seconds
    return_to: str = "/"  # a path on the host where the sign-in began
    test_id: int | None = None  # a test sign-in: it opens no session, and no sign-in finishes it


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send the browser, and what to remember meanwhile."""

    url: str = field(repr=False)
    pending: PendingSignIn
    # The answer will be a cross-site POST: what remembers the start must come along with one.
    is_answered_by_post: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The provider's answer as it reached the single sign-on URL: nothing is trusted yet.

    ``parameters`` keeps every name-value pair in order, repeated ones included:
    judging a repetition is the protocol's business.
    """

    parameters: tuple[tuple[str, str], ...] = field(repr=False)
    response_mode: str  # "query" or "form_post": how it arrived

    def first(self, name: str) -> str | None:
        """Return the first value of ``name``, unjudged; for finding the pending sign-in."""
        return next((value for key, value in self.parameters if key == name), None)


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """A person as the provider vouches for them: every check has passed.

    ``email`` stands as the provider wrote it; whether its verification was
    demanded is the connection's policy and has been applied already.
    """

    issuer: str
    subject: str
    email: str
    provider_session: str | None = None  # the ``sid`` claim
    authenticated_at: int | None = None  # Unix seconds, the ``auth_time`` claim
    claim_names: tuple[str, ...] = ()
    harmless_claims: Mapping[str, str] = field(default_factory=dict)
    id_token: str = field(default="", repr=False)
    email_is_verified: bool = False  # said by the provider, whether or not the connection demands it
    groups: tuple[str, ...] | None = None  # None: the connection names no such claim, or it did not arrive
    given_name: str = ""
    family_name: str = ""


@dataclass(slots=True)
class Evidence:
    """What an answer brought before it was accepted or refused; kept for test sign-ins alone.

    Claims stand here once their signature is the provider's, judged or not.
    """

    id_token_claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    userinfo_claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


class SignInProtocol(Protocol):
    """One connection's way of signing a person in."""

    def depart(
        self,
        *,
        redirect_uri: str,
        revision_id: int,
        return_to: str,
        now: datetime,
        login_hint: str | None = None,
    ) -> Departure:
        """Prepare the journey to the provider.

        Raises SignInRefused when the provider cannot be reached or used.
        """
        ...

    def arrive(
        self,
        answer: Answer,
        pending: PendingSignIn,
        *,
        redirect_uri: str,
        now: datetime,
    ) -> ExternalIdentity:
        """Judge the answer and say who the person is.

        ``pending`` was found by the answer's state in this browser and is used
        up whatever happens here. Raises SignInRefused.
        """
        ...
