"""Examining a provider: the same checks and words for the Security page and ``lvportal doctor``.

``examine`` asks the provider and never raises for a bad one: a refusal becomes
a check that says what is wrong and what to do.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from time import monotonic
from typing import Protocol
from urllib.parse import urlencode

from lvportal.errors import SignInRefused
from lvportal.protocols.addresses import AddressPolicy, Target
from lvportal.protocols.http import Reply
from lvportal.protocols.http_errors import (
    AddressRefused,
    CertificateRefused,
    NameUnknown,
    OutboundRefused,
    ProviderBusy,
    ProviderUnreachable,
    TlsFailed,
)
from lvportal.protocols.oidc.client_authentication import authenticate, choose_method
from lvportal.protocols.oidc.configuration import ASYMMETRIC_ALGORITHMS, ClientAuthentication
from lvportal.protocols.oidc.discovery import (
    EndpointRefused,
    MetadataIssuerDiffers,
    MetadataIssuerTemplate,
    MetadataRefused,
    ProviderMetadata,
    discovery_url,
    judge_metadata,
    named_issuer,
)
from lvportal.protocols.oidc.errors import (
    ClientUnknown,
    CodeExchangeRefused,
    CodeRefused,
    GrantOff,
    RedirectMismatch,
    SecretRefused,
)
from lvportal.protocols.oidc.issuer_assistant import advise
from lvportal.protocols.oidc.keys import KeySet, judge_key_set
from lvportal.protocols.oidc.provider_errors import explain_token_error
from lvportal.protocols.oidc.values import cut, read_json_object

CLOCK_LEEWAY_SECONDS = 60  # what judging a token allows
LOOKUP_SECONDS = 3.0
OUR_METHODS = tuple(ClientAuthentication)


class Outcome(StrEnum):
    """How one check ended. ``UNKNOWN``: it could not be made, or the provider does not say."""

    OK = "ok"
    WARN = "warn"
    DANGER = "danger"
    UNKNOWN = "unknown"


LABELS = {
    "address": "Address",
    "answer": "Answer",
    "certificate": "Certificate",
    "document": "Provider's document",
    "issuer": "Issuer",
    "endpoints": "Endpoints",
    "keys": "Signing keys",
    "algorithms": "Algorithms",
    "code_flow": "Authorization code flow",
    "pkce": "PKCE",
    "client_authentication": "Client authentication",
    "response_mode": "Response mode",
    "claims": "Email Attribute",
    "par": "Pushed authorization requests",
    "answer_issuer": "Issuer in the answer",
    "clock": "Clock",
    "logout": "Logout",
    "credentials": "Credentials",
}
"""Every check by name, in the order of the report."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. ``sentence`` and ``next_step`` are ready to be shown."""

    name: str
    outcome: Outcome
    sentence: str
    next_step: str = ""
    mend: str | None = None  # an issuer to offer, never to use by itself
    expected: str | None = None
    got: str | None = None
    tell: str | None = None  # what to say to the provider's administrator

    @property
    def label(self) -> str:
        return LABELS[self.name]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found out about one issuer. ``checks`` holds every name of LABELS once."""

    issuer: str
    checks: tuple[Check, ...]
    metadata: ProviderMetadata | None = None  # of an acceptable document only
    advice: tuple[str, ...] = ()  # what the issuer's text alone shows

    @property
    def outcome(self) -> Outcome:
        """The worst outcome; DANGER means that sign-ins would be refused."""
        outcomes = {check.outcome for check in self.checks}
        for outcome in (Outcome.DANGER, Outcome.WARN):
            if outcome in outcomes:
                return outcome
        return Outcome.OK if Outcome.OK in outcomes else Outcome.UNKNOWN

    @property
    def mend(self) -> str | None:
        """An issuer to offer in the place of the one entered."""
        return next((check.mend for check in self.checks if check.mend), None)

    @property
    def for_the_provider(self) -> tuple[str, ...]:
        """What to tell the provider's administrator, most pressing first."""
        pressing = sorted(self.checks, key=lambda check: check.outcome is not Outcome.DANGER)
        return tuple(check.tell for check in pressing if check.tell)

    def check(self, name: str) -> Check:
        """Return one check by its name. Raises KeyError."""
        return {check.name: check for check in self.checks}[name]


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What to try at the token endpoint."""

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    client_authentication: ClientAuthentication = ClientAuthentication.CLIENT_SECRET_BASIC
    redirect_uri: str = "https://portal.invalid/sso"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the connection will ask of the provider, to be compared with what it says it can."""

    response_mode: str = "query"
    email_claim: str = "email"


class Network(Protocol):
    """What talks to providers; ``protocols.http.Fetcher`` is the real one."""

    def get(self, url: str, *, issuer: str, headers: Mapping[str, str] | None = None) -> Reply: ...

    def post_form(
        self, url: str, body: bytes, *, issuer: str, headers: Mapping[str, str] | None = None
    ) -> Reply: ...


class Forgetter(Protocol):
    """What keeps documents; ``documents.ProviderDocuments`` is the real one."""

    def forget(self, issuer: str) -> None: ...


def examine(
    issuer: str,
    *,
    fetcher: Network,
    policy: AddressPolicy,
    now: datetime,
    documents: Forgetter | None = None,
    client: ClientCredentials | None = None,
    wanted: Wanted | None = None,
) -> Report:
    """Ask a provider everything a sign-in will need, and report.

    At most three calls: document, keys and, with ``client``, one POST of an
    invalid code. ``documents`` forgets what it keeps of an issuer that passed,
    so that the next sign-in uses what was examined here.
    """
    checks: dict[str, Check] = {}
    advice = advise(issuer)
    metadata = _examine(checks, issuer, advice.mended, fetcher, policy, now, client, wanted or Wanted())
    report = Report(
        issuer,
        tuple(checks.get(name) or Check(name, Outcome.UNKNOWN, "Not checked.") for name in LABELS),
        metadata if "issuer" in checks and checks["issuer"].outcome is Outcome.OK else None,
        advice.found,
    )
    if documents is not None and report.metadata is not None:
        documents.forget(issuer)
    return report


def _examine(
    checks: dict[str, Check],
    issuer: str,
    mended: str | None,
    fetcher: Network,
    policy: AddressPolicy,
    now: datetime,
    client: ClientCredentials | None,
    wanted: Wanted,
) -> ProviderMetadata | None:
    """Fill ``checks`` as far as the provider lets us; return its metadata when readable."""
    try:
        target = policy.judge(discovery_url(issuer))
    except AddressRefused as error:
        _add(checks, _failed("address", error, mend=mended))
        return None
    _add(checks, judge_address(target))
    try:
        reply = fetcher.get(discovery_url(issuer), issuer=issuer)
    except OutboundRefused as error:
        _add(checks, *judge_no_reply(target, error, mended))
        return None
    _add(checks, Check("answer", Outcome.OK, f"{target.address} answers."))
    _add(checks, _certificate(target))
    _add(checks, judge_clock(reply.headers, now))
    metadata = _judge_document(checks, reply, issuer, mended, policy)
    if metadata is None:
        return None
    _add(checks, _look_up_endpoints(metadata, policy))
    keys = _fetch_keys(checks, metadata, fetcher, issuer)
    _add(checks, judge_algorithms(metadata, keys))
    _add(checks, judge_code_flow(metadata), judge_pkce(metadata), judge_methods(metadata, client))
    _add(checks, judge_response_mode(metadata, wanted), judge_claims(metadata, wanted), judge_par(metadata))
    _add(checks, judge_answer_issuer(metadata), judge_logout(metadata))
    # Never send a secret to a provider that is not the one that was meant.
    if client is not None and checks["issuer"].outcome is Outcome.OK:
        _add(checks, _try_credentials(metadata, client, fetcher))
    return metadata


def _add(checks: dict[str, Check], *made: Check) -> None:
    for check in made:
        checks[check.name] = check


def _failed(name: str, error: SignInRefused, *, mend: str | None = None, tell: str | None = None) -> Check:
    """Turn a refusal into a check, in the refusal's own words."""
    return Check(
        name,
        Outcome.DANGER,
        error.words(error.user_message, provider="The provider"),
        error.words(error.administrator_step, provider="the provider"),
        mend=mend,
        tell=tell,
    )


# --- Reaching it ----------------------------------------------------------------


def judge_address(target: Target) -> Check:
    """Say what kind of address is called. An unsafe one is never silent."""
    if target.listed:
        return Check(
            "address",
            Outcome.WARN,
            f"{target.address} stands on the list of unsafe addresses: plain http and private addresses "
            "are allowed for it.",
            "For trials only. Take it off the setting UNSAFE_PROVIDER_ADDRESSES before real people sign in.",
        )
    return Check("address", Outcome.OK, f"{target.address} is an https address.")


def judge_no_reply(target: Target, error: OutboundRefused, mended: str | None = None) -> tuple[Check, ...]:
    """Say at which step reaching the provider failed."""
    if isinstance(error, AddressRefused):
        return (_failed("address", error, mend=mended),)
    if isinstance(error, CertificateRefused):
        reason = error.facts.get("reason", "it could not be verified")
        tell = f"The certificate of {target.address} is not valid: {reason}."
        return (
            Check("answer", Outcome.OK, f"{target.address} answers."),
            _failed("certificate", error, tell=tell),
        )
    if isinstance(error, TlsFailed):
        return (_failed("certificate", error, tell=f"{target.address} does not speak TLS 1.2 or later."),)
    if isinstance(error, NameUnknown):
        return (_failed("answer", error, mend=mended),)
    if isinstance(error, ProviderUnreachable | ProviderBusy):
        tell = f"{target.address} must answer requests from the internet."
        return (_failed("answer", error, mend=mended, tell=tell),)
    return (
        Check("answer", Outcome.OK, f"{target.address} answers."),
        _certificate(target),
        _failed("document", error, mend=mended),
    )


def _certificate(target: Target) -> Check:
    if target.scheme == "http":
        return Check(
            "certificate",
            Outcome.WARN,
            "None: the connection is not encrypted.",
            "For trials only. Secrets and tokens can be read on the way.",
        )
    return Check("certificate", Outcome.OK, "The certificate is valid for this name.")


def judge_clock(headers: Mapping[str, str], now: datetime) -> Check:
    """Compare the answer's Date with ``now``; a token's times allow 60 s. RFC 9110, section 6.6.1."""
    try:
        said = parsedate_to_datetime(headers.get("date", ""))
        said = said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except (ValueError, OverflowError):
        return Check("clock", Outcome.UNKNOWN, "The provider does not tell its time.")
    age = headers.get("age", "")  # a cache's answer carries the time of its making
    kept = int(age) if age.isascii() and age.isdigit() and len(age) < 9 else 0
    difference = round((said - now).total_seconds()) + kept
    if abs(difference) <= CLOCK_LEEWAY_SECONDS:
        return Check("clock", Outcome.OK, "The provider's clock and ours agree.")
    side = "ahead of" if difference > 0 else "behind"
    return Check(
        "clock",
        Outcome.DANGER,
        f"The provider's clock is {abs(difference)} s {side} ours.",
        "Correct the one that is wrong: tokens are refused beyond 60 s.",
        expected=now.astimezone(UTC).strftime("%H:%M:%S UTC"),
        got=said.strftime("%H:%M:%S UTC"),
        tell=f"Check the server's clock: it seems {abs(difference)} s {side} the time here.",
    )


# --- The document ---------------------------------------------------------------


def _judge_document(
    checks: dict[str, Check], reply: Reply, issuer: str, mended: str | None, policy: AddressPolicy
) -> ProviderMetadata | None:
    """Judge document, issuer and endpoints; goes on under the named issuer, to report the rest."""
    url = cut(discovery_url(issuer))
    if reply.status != 200:
        _add(
            checks,
            Check(
                "document",
                Outcome.DANGER,
                f"Nothing was found at {url} (status {reply.status}).",
                "Copy the Issuer URL from the provider again: the path counts.",
                mend=mended,
            ),
        )
        return None
    try:
        named = named_issuer(reply.body, issuer)
    except MetadataRefused as error:
        _add(checks, _failed("document", error, mend=mended))
        return None
    _add(checks, Check("document", Outcome.OK, f"Found at {url}."))
    try:
        metadata = judge_metadata(reply.body, issuer, policy)
    except MetadataIssuerDiffers as error:
        _add(checks, judge_difference(error, issuer, named or "", policy))
    except EndpointRefused as error:
        _add(checks, _issuer_equal(issuer), _failed("endpoints", error, tell=_https_everywhere(error)))
        return None
    except MetadataRefused as error:
        _add(checks, _failed("document", error))
        return None
    else:
        _add(checks, _issuer_equal(issuer))
        return metadata
    try:
        return judge_metadata(reply.body, named or "", policy)
    except MetadataRefused:
        return None


def _https_everywhere(error: EndpointRefused) -> str:
    return f"The {error.facts.get('endpoint')} in the discovery document must be a public https address."


def _issuer_equal(issuer: str) -> Check:
    return Check("issuer", Outcome.OK, f"The provider calls itself {cut(issuer)}, as entered.")


def judge_difference(error: MetadataIssuerDiffers, issuer: str, named: str, policy: AddressPolicy) -> Check:
    """Show both issuers, and offer the named one if it is one that could be entered."""
    mend: str | None = named
    try:
        policy.judge(named)
    except AddressRefused:
        mend = None
    if isinstance(error, MetadataIssuerTemplate) or discovery_url(named) == named:
        mend = None
    sentence = error.words(error.user_message, provider="The provider")
    if mend is not None and mend.rstrip("/") == issuer.rstrip("/"):
        sentence = "The last slash makes the difference: the provider calls itself by another address."
    return Check(
        "issuer",
        Outcome.DANGER,
        sentence,
        error.words(error.administrator_step),
        mend=mend,
        expected=cut(issuer),
        got=cut(named),
    )


def _look_up_endpoints(metadata: ProviderMetadata, policy: AddressPolicy) -> Check:
    """Look up every host we will call, so that a private one shows before the first sign-in."""
    called = (metadata.token_endpoint, metadata.jwks_uri, metadata.userinfo_endpoint)
    hosts: dict[str, Target] = {}
    for url in called:
        if url is not None:
            target = policy.judge(url)
            hosts.setdefault(target.address, target)
    try:
        for target in hosts.values():
            policy.find(target, monotonic() + LOOKUP_SECONDS)
    except AddressRefused as error:
        return _failed("endpoints", error, tell="Every endpoint must have a public address.")
    except OutboundRefused as error:
        return _failed("endpoints", error)
    if any(target.scheme == "http" for target in hosts.values()):
        return Check(
            "endpoints",
            Outcome.WARN,
            f"Found at {_listed(hosts)}, without encryption.",
            "For trials only.",
        )
    return Check("endpoints", Outcome.OK, f"All are https, at {_listed(hosts)}.")


# --- Keys and capabilities --------------------------------------------------------


def _fetch_keys(
    checks: dict[str, Check], metadata: ProviderMetadata, fetcher: Network, issuer: str
) -> KeySet | None:
    try:
        reply = fetcher.get(metadata.jwks_uri, issuer=issuer)
        if reply.status != 200:
            url = cut(metadata.jwks_uri)
            _add(
                checks,
                Check(
                    "keys",
                    Outcome.DANGER,
                    f"No keys were found at {url} (status {reply.status}).",
                    "Repair the jwks_uri at the provider.",
                    tell=f"The jwks_uri {url} must answer with the signing keys.",
                ),
            )
            return None
        keys = judge_key_set(reply.body)
    except SignInRefused as error:
        _add(checks, _failed("keys", error))
        return None
    _add(checks, judge_keys(keys))
    return keys


def judge_keys(keys: KeySet) -> Check:
    """Count what can verify a signature, and say why other keys are left out."""
    usable = len(keys.keys)
    left_out = f" Left out: {cut('; '.join(keys.left_out))}." if keys.left_out else ""
    if not usable:
        return Check(
            "keys",
            Outcome.DANGER,
            f"No usable signing key.{left_out}",
            "The provider needs a signing key: RSA of at least 2048 bits, P-256, P-384, P-521 or Ed25519.",
            tell="Publish a signing key (RSA of 2048 bits or more, or an elliptic curve) at the jwks_uri.",
        )
    count = "1 usable key" if usable == 1 else f"{usable} usable keys"
    # Left-out keys are usual: encryption keys stand in the same document.
    return Check("keys", Outcome.OK, f"{count}, for {_listed(sorted(keys.algorithms))}.{left_out}")


def judge_algorithms(metadata: ProviderMetadata, keys: KeySet | None) -> Check:
    """Compare what the provider signs with to what we accept and to its keys (protocol line 9)."""
    offered = metadata.id_token_signing_alg_values_supported
    if not offered:
        return Check(
            "algorithms",
            Outcome.UNKNOWN,
            "The document does not say how ID tokens are signed. The test sign-in shows it.",
        )
    accepted = [name for name in offered if name in ASYMMETRIC_ALGORITHMS]
    if not accepted:
        return Check(
            "algorithms",
            Outcome.DANGER,
            f"ID tokens are signed with {_shown(offered)} only.",
            "Choose RS256 for this app at the provider.",
            tell="Sign ID tokens with RS256 (or ES256, PS256, EdDSA).",
        )
    if keys is not None and keys.keys and not keys.algorithms.intersection(accepted):
        return Check(
            "algorithms",
            Outcome.DANGER,
            f"No published key fits {_shown(accepted)}.",
            "Repair the key document at the provider.",
            tell=f"Publish a key for {_shown(accepted)} at the jwks_uri.",
        )
    unsigned = " Unsigned tokens are refused, though the provider offers them." if "none" in offered else ""
    return Check("algorithms", Outcome.OK, f"Accepted here: {_shown(accepted)}.{unsigned}")


def judge_code_flow(metadata: ProviderMetadata) -> Check:
    """Tell whether the authorization code flow is on offer. Discovery 1.0, section 3."""
    types = metadata.response_types_supported
    grants = metadata.grant_types_supported
    if (types and "code" not in types) or (grants and "authorization_code" not in grants):
        return Check(
            "code_flow",
            Outcome.DANGER,
            "The provider does not offer the authorization code flow.",
            "Turn it on at the provider; the implicit flow is not used here.",
            tell="Allow the grant type Authorization Code (response type code).",
        )
    if not types:
        return Check(
            "code_flow",
            Outcome.UNKNOWN,
            "The document does not name its flows. The test sign-in shows it.",
        )
    return Check("code_flow", Outcome.OK, "Offered.")


def judge_pkce(metadata: ProviderMetadata) -> Check:
    """Tell whether PKCE is supported; it is sent in any case. RFC 7636, section 4.2; RFC 8414, section 2."""
    methods = metadata.code_challenge_methods_supported
    if "S256" in methods:
        return Check("pkce", Outcome.OK, "Supported (S256).")
    if methods:
        return Check(
            "pkce",
            Outcome.DANGER,
            f"The provider supports {_shown(methods)} only; S256 is always sent.",
            "Turn on PKCE with S256 at the provider.",
            tell="Support PKCE with the method S256.",
        )
    return Check(
        "pkce",
        Outcome.UNKNOWN,
        "The document does not say. S256 is always sent; providers without PKCE ignore it.",
    )


def judge_methods(metadata: ProviderMetadata, client: ClientCredentials | None) -> Check:
    """Compare the ways to prove ourselves with the provider's. OpenID Connect Core 1.0, section 9."""
    offered = metadata.token_endpoint_auth_methods_supported
    if not offered:
        return Check(
            "client_authentication",
            Outcome.OK,
            "The document does not say; then client_secret_basic is the rule.",
        )
    shared = [method.value for method in OUR_METHODS if method.value in offered]
    if not shared:
        return Check(
            "client_authentication",
            Outcome.DANGER,
            f"The provider offers {_shown(offered)} only.",
            "Allow client_secret_basic or client_secret_post at the provider.",
            tell="Allow client_secret_basic or client_secret_post for this app.",
        )
    if client is not None:
        chosen = choose_method(client.client_authentication, offered)
        # Many providers allow public apps and do not list "none".
        if chosen.value not in shared and chosen is not ClientAuthentication.NONE:
            return Check(
                "client_authentication",
                Outcome.DANGER,
                f"{chosen.value} is chosen here, and the provider offers {_shown(offered)}.",
                "Choose another client authentication under Advanced.",
                expected=chosen.value,
                got=_shown(offered),
            )
    return Check("client_authentication", Outcome.OK, f"Possible here: {_listed(shared)}.")


def judge_response_mode(metadata: ProviderMetadata, wanted: Wanted) -> Check:
    """Compare how the answer shall come back with what is on offer. Discovery 1.0, section 3."""
    # Without a word of the provider, query and fragment are what it offers.
    offered = metadata.response_modes_supported or ("query", "fragment")
    if wanted.response_mode in offered:
        return Check("response_mode", Outcome.OK, f"{wanted.response_mode} is offered.")
    if not metadata.response_modes_supported:
        return Check(
            "response_mode",
            Outcome.UNKNOWN,
            f"The document does not say whether {wanted.response_mode} is offered. The test shows it.",
        )
    other = next((mode for mode in ("query", "form_post") if mode in offered), None)
    return Check(
        "response_mode",
        Outcome.DANGER,
        f"{wanted.response_mode} is chosen here, and the provider offers {_shown(offered)}.",
        f"Choose {other} as Response mode, under Advanced." if other else "Allow query at the provider.",
        expected=wanted.response_mode,
        got=_shown(offered),
    )


def judge_claims(metadata: ProviderMetadata, wanted: Wanted) -> Check:
    """Tell whether the provider knows the claim that shall carry the email. Discovery 1.0, section 3."""
    named = metadata.claims_supported
    claim = cut(wanted.email_claim)
    if wanted.email_claim in named:
        return Check("claims", Outcome.OK, f"The provider knows the claim {claim}.")
    if not named:
        return Check(
            "claims",
            Outcome.UNKNOWN,
            "The document does not name the provider's claims. The test sign-in shows what arrives.",
        )
    # Not a danger: the list need not be whole, and custom claims are seldom in it.
    likely = [name for name in ("email", "preferred_username", "upn") if name in named]
    return Check(
        "claims",
        Outcome.WARN,
        f"The provider's list of claims has no {claim}.",
        f"It names {_listed(likely)}: is one of them the email? The test sign-in shows what arrives."
        if likely
        else "The test sign-in shows what arrives.",
        expected=claim,
        got=_shown(named),
    )


def judge_par(metadata: ProviderMetadata) -> Check:
    """Say whether pushed authorization requests are on offer. RFC 9126, section 5."""
    if metadata.pushed_authorization_request_endpoint is not None:
        return Check("par", Outcome.OK, "Offered; not needed here.")
    return Check("par", Outcome.OK, "Not offered, and not needed here.")


def judge_answer_issuer(metadata: ProviderMetadata) -> Check:
    """Tell whether answers name their issuer. RFC 9207, section 3."""
    if metadata.authorization_response_iss_parameter_supported:
        return Check("answer_issuer", Outcome.OK, "Answers name their issuer, and it is checked.")
    return Check(
        "answer_issuer",
        Outcome.OK,
        "Answers do not name their issuer; each client's own address takes its place.",
    )


def judge_logout(metadata: ProviderMetadata) -> Check:
    """Say which kinds of logout the provider knows."""
    kinds = []
    if metadata.end_session_endpoint is not None:
        kinds.append("from here (RP-initiated)")
    if metadata.backchannel_logout_supported:
        kinds.append("from the provider by server (back-channel)")
    if metadata.frontchannel_logout_supported:
        kinds.append("from the provider by browser (front-channel)")
    if kinds:
        return Check("logout", Outcome.OK, f"Offered: {_listed(kinds)}.")
    return Check(
        "logout",
        Outcome.WARN,
        "The provider offers no logout. Signing out here leaves the person signed in there.",
        "People on shared computers must sign out at the provider too; the signed-out page says so.",
    )


# --- Credentials --------------------------------------------------------------------


def _try_credentials(metadata: ProviderMetadata, client: ClientCredentials, fetcher: Network) -> Check:
    """Send a code that cannot be valid: the error tells whether the credentials are."""
    method = choose_method(client.client_authentication, metadata.token_endpoint_auth_methods_supported)
    if method is not ClientAuthentication.NONE and not client.client_secret:
        return Check("credentials", Outcome.UNKNOWN, "Cannot tell yet: there is no Authorization Secret.")
    form = urlencode(
        {
            "grant_type": "authorization_code",
            "code": f"check-{secrets.token_urlsafe(24)}",
            "redirect_uri": client.redirect_uri,
            "code_verifier": secrets.token_urlsafe(48),
        }
    )
    request = authenticate(
        form,
        endpoint=metadata.token_endpoint,
        client_id=client.client_id,
        client_secret=client.client_secret,
        method=method,
    )
    headers = {**request.headers, "Accept": "application/json"}
    try:
        reply = fetcher.post_form(
            metadata.token_endpoint, request.body, issuer=metadata.issuer, headers=headers
        )
    except OutboundRefused as error:
        return _failed("credentials", error)
    return judge_credentials(reply, client, method)


def judge_credentials(reply: Reply, client: ClientCredentials, method: ClientAuthentication) -> Check:
    """Read the answer to an invalid code. RFC 6749, section 5.2."""
    error = _explain(reply, client, method)
    said = f" The provider said: {error.provider_said}" if error.provider_said else ""
    if isinstance(error, CodeRefused):
        if method is ClientAuthentication.NONE:
            return Check("credentials", Outcome.OK, "The Authorization ID was accepted, without a secret.")
        return Check(
            "credentials", Outcome.OK, "The Authorization ID and Authorization Secret were accepted."
        )
    if isinstance(error, SecretRefused | GrantOff | ClientUnknown):
        return Check(
            "credentials",
            Outcome.DANGER,
            error.words(error.user_message, provider="The provider") + said,
            error.words(error.administrator_step, provider="the provider"),
        )
    if isinstance(error, RedirectMismatch):
        return Check(
            "credentials",
            Outcome.WARN,
            "The provider does not know the redirect URI yet." + said,
            error.words(error.administrator_step),
            expected=client.redirect_uri,
        )
    return Check(
        "credentials",
        Outcome.UNKNOWN,
        f"Cannot tell yet: the provider answered with status {reply.status}.{said}",
        "The test sign-in shows it.",
    )


def _explain(
    reply: Reply, client: ClientCredentials, method: ClientAuthentication
) -> CodeExchangeRefused | ClientUnknown:
    try:
        document = read_json_object(reply.body, what="the token endpoint's answer")
    except SignInRefused:
        document = {}
    error, description = document.get("error"), document.get("error_description")
    return explain_token_error(
        error if isinstance(error, str) else "",
        description if isinstance(description, str) else "",
        status=reply.status,
        redirect_uri=client.redirect_uri,
        method=method,
        hidden=(client.client_secret or "",),
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _shown(names: Iterable[str]) -> str:
    """Join names that the provider chose."""
    return cut(", ".join(names))
