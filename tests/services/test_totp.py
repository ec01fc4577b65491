"""Codes of an authenticator app: the RFC's own values, the window, and one use each."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from lvportal.services import totp

# RFC 6238, appendix B: the secret of its test values, which have eight digits; the last six are ours.
SECRET = base64.b32encode(b"12345678901234567890").decode()


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    "seconds, code",
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_values_of_the_specification_fit(seconds: int, code: str) -> None:
    found = totp.matching_step(SECRET, code, last_step=None, now=at(seconds))

    assert found == seconds // 30


@pytest.mark.parametrize("off_by, fits", [(-60, False), (-30, True), (30, True), (60, False)])
def test_a_clock_may_be_one_step_off(off_by: int, fits: bool) -> None:
    moment = at(1111111109)

    found = totp.matching_step(SECRET, "081804", last_step=None, now=moment + timedelta(seconds=off_by))

    assert (found is not None) is fits


def test_a_code_fits_once() -> None:
    step = totp.matching_step(SECRET, "287082", last_step=None, now=at(59))

    assert step is not None
    assert totp.matching_step(SECRET, "287082", last_step=step, now=at(59)) is None
    assert totp.matching_step(SECRET, "287082", last_step=step - 1, now=at(59)) == step


@pytest.mark.parametrize(
    "code", ["", "28708", "2870822", "28708a", "\uff12\uff18\uff17\uff10\uff18\uff12", "287 82", "\x00" * 6]
)
def test_what_is_no_code_never_fits(code: str) -> None:
    assert totp.matching_step(SECRET, code, last_step=None, now=at(59)) is None


def test_every_secret_is_another_and_its_address_names_the_account() -> None:
    one, other = totp.new_secret(), totp.new_secret()

    assert one != other
    assert len(base64.b32decode(one)) == 20
    uri = totp.provisioning_uri(one, account="rescue", client="Acme")
    assert uri.startswith("otpauth://totp/LV%20Portal:rescue%20at%20Acme?")
    assert f"secret={one}" in uri
