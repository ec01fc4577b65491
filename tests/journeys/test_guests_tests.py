"""A test sign-in with a set-up link: whether the set-up works, and nothing of the client's people."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from lvportal.services import test_sign_ins
from lvportal.services.test_sign_ins import Tester
from tests.journeys.stage import Client, Reply, Stage
from tests.journeys.test_test_sign_ins import words
from tests.providers.hostile import ABSENT, HostileProvider

pytestmark = pytest.mark.slow


@pytest.fixture
def acme(stage: Stage) -> Client:
    return stage.client("acme")


def run(stage: Stage, client: Client, audience: str = "portal") -> tuple[str, Reply]:
    """Return the address of the result, with its key, and its page."""
    with Session(stage.engine) as session:
        prepared = test_sign_ins.prepare(
            session,
            client.tenant_id,
            Tester(None, "set-up link for Ada"),
            audience=audience,
            now=datetime.now(UTC),
        )
    browser = stage.browser()
    departed = browser.get(f"/sso/acme/test?ticket={prepared.ticket}", host=audience)
    back = browser.answer(browser.ask_provider(departed))
    assert back.status == 303, words(back)
    address = back.location.partition("/setup/")[2]
    return f"/setup/{address}", browser.get(f"/setup/{address}")


def test_a_set_up_that_works_is_said_without_a_value_or_an_account(stage: Stage, acme: Client) -> None:
    stage.user(acme, "ada@acme.example", first_name="Augusta")

    address, page = run(stage, acme)

    assert "This works." in words(page)
    assert "email_verified" in words(page)
    assert "ada@acme.example" not in words(page)
    assert "Augusta" not in words(page)
    without_key, wrong_key = address.partition("?")[0], address[:-3] + "xyz"
    assert stage.browser().get(without_key).status == stage.browser().get(wrong_key).status == 404


def test_that_nobody_has_the_guest_s_email_is_no_fault_of_the_set_up(stage: Stage, acme: Client) -> None:
    _, page = run(stage, acme)

    assert "This works." in words(page)
    assert "Whose account it opens is for Acme Ltd to see." in words(page)


def test_what_is_wrong_is_said_with_its_fix(stage: Stage, acme: Client, hostile: HostileProvider) -> None:
    hostile.bend_claims(email=ABSENT)
    hostile.bend_userinfo(email=ABSENT)

    _, page = run(stage, acme)

    assert "This works." not in words(page)
    assert "sign_in.no_email" in words(page)


def test_an_administrator_s_test_is_not_shown_to_a_guest(stage: Stage, acme: Client) -> None:
    tester = stage.user(acme, "ada@acme.example")
    with Session(stage.engine) as session:
        prepared = test_sign_ins.prepare(
            session, acme.tenant_id, Tester(tester, "Ada"), audience="portal", now=datetime.now(UTC)
        )
    browser = stage.browser()
    back = browser.answer(browser.ask_provider(browser.get(f"/sso/acme/test?ticket={prepared.ticket}")))
    key = back.location.partition("?")[2]

    assert browser.get(f"/setup/test/{prepared.reference}?{key}").status == 404
