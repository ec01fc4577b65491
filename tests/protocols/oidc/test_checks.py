"""The checks that a test sign-in shows: every cause fails exactly one, in the step where it is raised."""

from __future__ import annotations

import pytest

from lvportal import errors
from lvportal.errors import STEPS, SignInRefused, tree
from lvportal.protocols import http_errors
from lvportal.protocols.oidc import checks, discovery
from lvportal.protocols.oidc import errors as causes
from lvportal.protocols.oidc.checks import Verdict, run_of

# Roots that are never raised by themselves, and causes that end before a provider is asked.
ROOTS = (causes.AnswerRefused, causes.TokenRejected, causes.ClaimsRefused, errors.AccountRefused)
MODULES = (causes.__name__, http_errors.__name__, discovery.__name__)
NAMED = [
    cause
    for cause in tree(SignInRefused)
    if issubclass(cause, SignInRefused)
    and cause.step > 1
    and cause not in ROOTS
    and (cause.__module__ in MODULES or issubclass(cause, errors.AccountRefused))
]


def test_a_run_without_a_refusal_passed_every_check() -> None:
    assert {checked.verdict for checked in run_of(6, None)} == {Verdict.PASSED}
    assert {checked.step for checked in run_of(6, None)} == set(range(1, len(STEPS) + 1))


@pytest.mark.parametrize("cause", NAMED, ids=lambda cause: cause.code)
def test_every_cause_fails_one_check_of_its_own_step(cause: type[SignInRefused]) -> None:
    run = run_of(cause.step, cause.code)

    [failed] = [checked for checked in run if checked.verdict is Verdict.FAILED]
    assert failed.step == cause.step
    at = run.index(failed)
    assert all(checked.verdict is Verdict.PASSED for checked in run[:at])
    assert all(checked.verdict is Verdict.NOT_REACHED for checked in run[at + 1 :])


@pytest.mark.parametrize("cause", NAMED, ids=lambda cause: cause.code)
def test_every_cause_is_named_by_a_check_and_not_left_over(cause: type[SignInRefused]) -> None:
    of_step = [roots for step, _, roots in checks._CHECKS if step == cause.step]

    assert any(issubclass(cause, roots) for roots in of_step), f"{cause.code} fails whatever comes first"


@pytest.mark.parametrize(
    "code, words",
    [
        ("sign_in.bad_secret", "It accepted the Authorization ID and secret."),
        ("sign_in.secret_expired", "It accepted the Authorization ID and secret."),
        ("sign_in.code_refused", "It accepted the code and the redirect URI."),
        ("sign_in.slow", "The token endpoint answered."),
    ],
)
def test_the_narrowest_check_fails(code: str, words: str) -> None:
    [failed] = [checked for checked in run_of(3, code) if checked.verdict is Verdict.FAILED]

    assert failed.words == words


def test_a_provider_that_does_not_answer_fails_the_check_of_the_step_that_asked_it() -> None:
    words = {}
    for step in (1, 3, 4, 5):
        [failed] = [c for c in run_of(step, "sign_in.unreachable") if c.verdict is Verdict.FAILED]
        words[step] = failed.words

    assert words[3] == "The token endpoint answered."
    assert words[4] == "Its signature is the provider's."
    assert words[5].startswith("UserInfo")
    assert len(set(words.values())) == 4


def test_a_code_of_an_older_release_fails_the_first_check_of_its_step() -> None:
    [failed] = [c for c in run_of(4, "sign_in.long_gone") if c.verdict is Verdict.FAILED]

    assert failed.step == 4
