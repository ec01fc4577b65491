"""Whether a person can sign in: each obstacle alone, beside the same person without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lvportal.services.people.verdict import Facts, judge

FINE = Facts(
    client="Acme", provider="Okta", is_active=True, single_sign_on=True, is_failing=False,
    email="a@acme.example", email_is_valid=True, sharing=0, passwords="allowed", has_password=True,
    sso_only=False, is_locked=False,
)  # fmt: skip


def test_whoever_lacks_nothing_has_both_ways() -> None:
    assert judge(FINE).title == "Can sign in now: through Okta and with a password"
    assert judge(FINE).reasons == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"single_sign_on": False}, "off for Acme"),
        ({"is_failing": True}, "Okta refuses Acme"),
        ({"email": ""}, "no email"),
        ({"email_is_valid": False}, "Correct the email"),
        ({"sharing": 1}, "another account shares"),
        ({"sharing": 2}, "2 other accounts share"),
    ],
)
def test_what_stands_against_the_provider_leaves_the_password(changes: dict[str, Any], words: str) -> None:
    verdict = judge(replace(FINE, **changes))
    assert verdict.ways == ("with a password",)
    assert words in verdict.reasons[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"passwords": "refused"}, "does not let this account use a password"),
        ({"passwords": "chosen", "sso_only": True}, "does not let this account use a password"),
        ({"has_password": False}, "has no password"),
        ({"is_locked": True}, "Unlock it"),
    ],
)
def test_what_stands_against_the_password_leaves_the_provider(changes: dict[str, Any], words: str) -> None:
    verdict = judge(replace(FINE, **changes))
    assert verdict.ways == ("through Okta",)
    assert words in verdict.reasons[0]


def test_the_pilot_concerns_the_chosen_alone() -> None:
    assert judge(replace(FINE, passwords="chosen")).reasons == ()
    assert judge(replace(FINE, sso_only=True)).reasons == ()


def test_an_inactive_person_has_no_way_and_one_reason() -> None:
    verdict = judge(replace(FINE, is_active=False))
    assert (verdict.can, verdict.title) == (False, "Can sign in now: no")
    assert verdict.reasons == ("The account is switched off. Activate it.",)
