"""The checks of a sign-in as people read them, in their order, and which of them a refusal failed.

The judging itself stands where the specification's parts stand; this is the
table of contents that a test sign-in shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from lvportal import errors
from lvportal.errors import SignInRefused
from lvportal.protocols import http_errors
from lvportal.protocols.oidc import errors as causes
from lvportal.protocols.oidc.discovery import MetadataRefused

Cause = type[SignInRefused]


class Verdict(Enum):
    """How a check went."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of one run."""

    step: int  # 1-6, a position in STEPS
    words: str
    verdict: Verdict


_FETCHING: tuple[Cause, ...] = (http_errors.OutboundRefused, causes.DocumentMalformed, MetadataRefused)

# Step, words, and the causes that fail the check; subclasses count. The first
# check of a step also takes a cause that no other names.
_CHECKS: tuple[tuple[int, str, tuple[Cause, ...]], ...] = (
    (1, "The provider's configuration was found at the Issuer URL and can be used.", ()),
    (
        2,
        "The answer can be read.",
        (causes.AnswerMalformed, causes.ParameterRepeated),
    ),
    (2, "It belongs to this browser and came in time.", (errors.SignInExpired,)),
    (
        2,
        "It names no other issuer than the Issuer URL.",
        (causes.AnswerIssuerWrong, causes.AnswerIssuerMissing),
    ),
    (2, "No token travelled through the browser.", (causes.TokensInAnswer,)),
    (2, "The provider reports no error.", (causes.ProviderRefused,)),
    (2, "It came by the response mode that was asked.", (causes.ResponseModeWrong,)),
    (
        3,
        "The token endpoint answered.",
        (*_FETCHING, causes.TokenEndpointUnavailable),
    ),
    (3, "It accepted the Authorization ID and secret.", (causes.SecretRefused,)),
    (
        3,
        "It accepted the code and the redirect URI.",
        (causes.CodeRefused, causes.RedirectMismatch, causes.GrantOff, causes.CodeExchangeRefused),
    ),
    (
        3,
        "It sent an ID token and an access token.",
        (causes.TokenAnswerMalformed, causes.AccessTokenTypeUnknown, causes.IdTokenMissing),
    ),
    (4, "The ID token is signed and not encrypted.", (causes.TokenMalformed, causes.TokenEncrypted)),
    (4, "Its algorithm is one this connection accepts.", (causes.AlgorithmRefused,)),
    (4, "It is an ID token and demands nothing else.", (causes.CriticalHeaderRefused, causes.TokenTypeWrong)),
    (
        4,
        "Its signature is the provider's.",
        (causes.KeyMissing, causes.SignatureWrong, *_FETCHING),
    ),
    (4, "Its issuer is the Issuer URL.", (causes.IssuerWrong,)),
    (
        4,
        "It was issued for this Authorization ID.",
        (causes.AudienceWrong, causes.AudienceUntrusted, causes.AuthorizedPartyWrong),
    ),
    (4, "It names a person (sub).", (causes.SubjectMissing,)),
    (4, "It belongs to this sign-in (nonce).", (causes.NonceWrong,)),
    (
        4,
        "It is fresh, and both clocks agree.",
        (causes.TokenTimeMalformed, causes.TokenExpired, causes.ClockDisagrees),
    ),
    (4, "It belongs to the access token (at_hash).", (causes.AccessTokenHashWrong,)),
    (
        4,
        "The person signed in there as demanded.",
        (causes.AuthenticationTooOld, causes.AuthenticationContextWrong),
    ),
    (
        5,
        "UserInfo, if it was needed, speaks of the same person.",
        (
            causes.UserInfoRefused,
            causes.UserInfoMalformed,
            causes.UserInfoSigned,
            causes.UserInfoSubjectWrong,
            *_FETCHING,
        ),
    ),
    (5, "The account belongs to the organisation.", (causes.HostedDomainWrong,)),
    (5, "An email arrived in the Email Attribute.", (causes.NoEmail, causes.EmailMalformed)),
    (5, "The email counts as verified.", (causes.EmailUnverified,)),
    (
        6,
        "One active account has this email.",
        (errors.NoAccount, errors.AccountInactive, errors.AccountDuplicate),
    ),
    (
        6,
        "The account belongs to this person at the provider.",
        (errors.SubjectChanged, errors.SubjectTaken),
    ),
)


def run_of(step: int, code: str | None) -> tuple[Checked, ...]:
    """Return every check of a run that ended at ``step`` with ``code``; None for one that passed."""
    if code is None:
        return tuple(Checked(at, words, Verdict.PASSED) for at, words, _ in _CHECKS)
    failed = _failed(step, code)
    return tuple(Checked(at, words, _verdict(place, failed)) for place, (at, words, _) in enumerate(_CHECKS))


def _verdict(place: int, failed: int) -> Verdict:
    if place == failed:
        return Verdict.FAILED
    return Verdict.PASSED if place < failed else Verdict.NOT_REACHED


def _failed(step: int, code: str) -> int:
    of_step = [place for place, (at, _, _) in enumerate(_CHECKS) if at == step]
    # The narrowest first: a wrong secret is a refused exchange as well.
    named = [place for place in of_step if code in {cause.code for cause in _CHECKS[place][2]}]
    below = [place for place in of_step if code in set(_codes(_CHECKS[place][2]))]
    return (named or below or of_step)[0]


def _codes(roots: tuple[Cause, ...]) -> Iterator[str]:
    for root in roots:
        yield from (cause.code for cause in errors.tree(root))
