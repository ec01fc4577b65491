"""One connection's sign-in by OpenID Connect, as a straight line.

``depart`` sends the browser out; ``arrive`` takes the provider's answer and
ends with a person or a refusal that names its cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from lvportal.errors import SignInRefused
from lvportal.protocols.contract import Answer, Departure, Evidence, ExternalIdentity, PendingSignIn
from lvportal.protocols.oidc import authorization, identity, token_endpoint, userinfo
from lvportal.protocols.oidc.configuration import RelyingPartyConfiguration, ResponseMode
from lvportal.protocols.oidc.errors import (
    CodeRefused,
    KeyMissing,
    SecretMissing,
    SecretRefused,
    SecretUnwanted,
    SignatureWrong,
)
from lvportal.protocols.oidc.id_token import (
    IdTokenClaims,
    OpenedIdToken,
    judge_claims,
    name_claims,
    open_id_token,
)
from lvportal.protocols.oidc.keys import KeySet
from lvportal.protocols.oidc.token_endpoint import TokenAnswer
from lvportal.protocols.oidc.values import JsonObject

if TYPE_CHECKING:
    from lvportal.protocols.oidc.discovery import ProviderMetadata


class Documents(Protocol):
    """What keeps providers' documents; ``documents.ProviderDocuments`` is the real one."""

    def metadata(self, issuer: str) -> ProviderMetadata: ...

    def keys(self, issuer: str) -> KeySet: ...

    def keys_again(self, issuer: str) -> KeySet | None: ...


class Network(token_endpoint.Poster, userinfo.Getter, Protocol):
    """What talks to providers; ``protocols.http.Fetcher`` is the real one."""


class NextSecret(Protocol):
    """The secret that waits to take the current one's place, wherever it is kept."""

    def find(self) -> str | None:
        """Return it, or None when none waits for this very revision. Raises SignInRefused."""
        ...

    def take_its_place(self, secret: str, now: datetime) -> None:
        """Note that the provider accepted it, and refused the current one."""
        ...


@dataclass(frozen=True, slots=True)
class OidcSignIn:
    """A connection's ``SignInProtocol``; keeps nothing between calls, safe in any thread."""

    configuration: RelyingPartyConfiguration
    documents: Documents = field(repr=False)
    network: Network = field(repr=False)
    next_secret: NextSecret | None = field(default=None, repr=False)

    def depart(
        self,
        *,
        redirect_uri: str,
        revision_id: int,
        return_to: str,
        now: datetime,
        login_hint: str | None = None,
    ) -> Departure:
        """Prepare the authorization request. Raises SignInRefused."""
        with self._naming_provider():
            metadata = self.documents.metadata(self.configuration.issuer)
            attempt = authorization.new_attempt()
            url = authorization.prepare_authorization_url(
                metadata, self.configuration, attempt, redirect_uri=redirect_uri, login_hint=login_hint
            )
            pending = PendingSignIn(
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.code_verifier,
                revision_id=revision_id,
                started_at=int(now.timestamp()),
                return_to=return_to,
            )
            by_post = self.configuration.response_mode is ResponseMode.FORM_POST
            return Departure(url, pending, is_answered_by_post=by_post)

    def arrive(
        self,
        answer: Answer,
        pending: PendingSignIn,
        *,
        redirect_uri: str,
        now: datetime,
    ) -> ExternalIdentity:
        """Judge the answer, exchange its code, verify, and say who the person is.

        Raises SignInRefused; once verified claims have arrived it carries their names.
        """
        return self._judge(answer, pending, redirect_uri, now, None)

    def arrive_watched(
        self,
        answer: Answer,
        pending: PendingSignIn,
        evidence: Evidence,
        *,
        redirect_uri: str,
        now: datetime,
    ) -> ExternalIdentity:
        """Do what ``arrive`` does, check by check, and keep what arrived in ``evidence``.

        For test sign-ins: the values of claims are for the tester's eyes. Raises SignInRefused.
        """
        return self._judge(answer, pending, redirect_uri, now, evidence)

    def _judge(
        self,
        answer: Answer,
        pending: PendingSignIn,
        redirect_uri: str,
        now: datetime,
        evidence: Evidence | None,
    ) -> ExternalIdentity:
        with self._naming_provider():
            metadata = self.documents.metadata(self.configuration.issuer)
            code = authorization.judge_answer(answer, pending, metadata, self.configuration, now)
            tokens = self._exchange(code, pending, metadata, redirect_uri, now, is_test=evidence is not None)
            opened = self._open(tokens)
            if evidence is not None:
                evidence.id_token_claims = opened.unjudged_claims
            with _naming_claims(opened.unjudged_claims):
                id_token = judge_claims(
                    opened,
                    self.configuration,
                    nonce=pending.nonce,
                    access_token=tokens.access_token,
                    started_at=pending.started_at,
                    now=now,
                )
                claims = self._complete(id_token, tokens, metadata, evidence)
            with _naming_claims(claims):
                return identity.judge_identity(
                    id_token, claims, self.configuration, raw_id_token=tokens.id_token
                )

    def _exchange(
        self,
        code: str,
        pending: PendingSignIn,
        metadata: ProviderMetadata,
        redirect_uri: str,
        now: datetime,
        *,
        is_test: bool,
    ) -> TokenAnswer:
        def exchange(configuration: RelyingPartyConfiguration) -> TokenAnswer:
            request = token_endpoint.prepare_token_exchange(
                metadata,
                configuration,
                code=code,
                code_verifier=pending.code_verifier,
                redirect_uri=redirect_uri,
            )
            reply = token_endpoint.send_token_request(request, self.network, issuer=configuration.issuer)
            return token_endpoint.judge_token_answer(reply, request)

        try:
            return exchange(self.configuration)
        except (SecretMissing, SecretUnwanted):
            raise  # no other secret mends these
        except SecretRefused:
            # A test says what is true of its own revision.
            if self.next_secret is None or is_test:
                raise
            secret = self.next_secret.find()
            if secret is None:
                raise
            return self._exchange_with_next(exchange, self.next_secret, secret, now)

    def _exchange_with_next(
        self,
        exchange: Callable[[RelyingPartyConfiguration], TokenAnswer],
        next_secret: NextSecret,
        secret: str,
        now: datetime,
    ) -> TokenAnswer:
        """Try the next secret, once, at the endpoint that refused the current one.

        Raises what the second try raises.
        """
        try:
            tokens = exchange(replace(self.configuration, client_secret=secret))
        except CodeRefused:
            # Authenticated, but the first try used the code up: the person goes
            # out once more, and from now on with the secret that works.
            next_secret.take_its_place(secret, now)
            raise
        next_secret.take_its_place(secret, now)
        return tokens

    def _open(self, tokens: TokenAnswer) -> OpenedIdToken:
        issuer = self.configuration.issuer
        try:
            keys = self.documents.keys(issuer)
        except SignInRefused as refusal:
            refusal.step = 4  # the code was exchanged; what cannot be had are the keys
            raise
        try:
            return open_id_token(tokens.id_token, keys, self.configuration)
        except (KeyMissing, SignatureWrong):
            # The provider may have changed its keys since we read them, under
            # the old name too. Once: what arrives now is what it signs with.
            newer_keys = self.documents.keys_again(issuer)
            if newer_keys is None:
                raise
            return open_id_token(tokens.id_token, newer_keys, self.configuration)

    def _complete(
        self,
        id_token: IdTokenClaims,
        tokens: TokenAnswer,
        metadata: ProviderMetadata,
        evidence: Evidence | None,
    ) -> JsonObject:
        endpoint = metadata.userinfo_endpoint
        if endpoint is None or not userinfo.is_needed(id_token, self.configuration):
            return id_token.claims
        try:
            reply = userinfo.send_userinfo_request(
                endpoint, tokens.access_token, self.network, issuer=self.configuration.issuer
            )
        except SignInRefused as refusal:
            refusal.step = 5
            raise
        described = userinfo.judge_userinfo(reply, id_token, self.configuration)
        if evidence is not None:
            evidence.userinfo_claims = described
        return identity.merge_claims(id_token, described)

    @contextmanager
    def _naming_provider(self) -> Iterator[None]:
        try:
            yield
        except SignInRefused as refusal:
            refusal.facts.setdefault("provider", self.configuration.provider_label)
            raise


@contextmanager
def _naming_claims(claims: JsonObject) -> Iterator[None]:
    try:
        yield
    except SignInRefused as refusal:
        refusal.claim_names = refusal.claim_names or name_claims(claims)
        raise
