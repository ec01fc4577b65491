"""The sign-in page of both hosts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import update

from lvportal.extensions import db
from lvportal.models import Connection
from lvportal.services.transactions import writing
from tests.support.house import PASSWORD, PORTAL, House, Page, Visitor


def sign_in(visitor: Visitor, **changes: str) -> Page:
    visitor.get("/sign-in?way=code")
    values = {"way": "code", "client": "acme", "login_name": "sysadmin", "password": PASSWORD}
    return visitor.post("/sign-in", **(values | changes))


def test_the_right_password_opens_a_session_and_the_client_is_remembered(house: House) -> None:
    visitor = house.portal()

    page = sign_in(visitor)

    assert (page.status, page.location) == (303, "/")
    assert visitor.cookie("__Host-lv-client") == "acme"
    assert "Acme" in visitor.get("/").text


@pytest.mark.parametrize(
    "wrong", [{"password": "other"}, {"login_name": "nobody"}, {"client": "nowhere"}, {"client": "globex"}]
)
def test_every_wrong_sign_in_gets_the_same_words(house: House, wrong: dict[str, str]) -> None:
    visitor = house.portal()
    if wrong == {"client": "globex"}:
        wrong = {"client": "globex", "login_name": "care"}

    page = sign_in(visitor, **wrong)

    assert page.status == 403
    assert "The client code, name or password is not right." in page.text
    assert page.title.startswith("Error: ")
    assert visitor.cookie("__Host-lv-client") is None


def test_a_refused_sign_in_keeps_what_was_typed_but_not_the_password(house: House) -> None:
    page = sign_in(house.portal(), password="my secret phrase")

    assert page.value("client") == "acme"
    assert page.value("login_name") == "sysadmin"
    assert page.value("password") == ""
    assert "my secret phrase" not in page.html


def test_an_agent_cannot_sign_in_on_the_portal_host(house: House) -> None:
    assert sign_in(house.portal(), login_name="desk_114").status == 403
    assert sign_in(house.agent(), login_name="desk_114").status == 303


def test_tries_from_one_address_are_limited(tmp_path: Path) -> None:
    visitor = House(tmp_path, local_sign_ins_per_minute=2).portal()
    statuses = [sign_in(visitor, password="no").status for _ in range(3)]

    assert statuses == [403, 403, 429]


def test_the_email_step_is_not_counted_as_a_try(tmp_path: Path) -> None:
    visitor = House(tmp_path, local_sign_ins_per_minute=1).portal()
    visitor.get("/sign-in")

    statuses = [visitor.post("/sign-in", way="email", email="a@acme.example").status for _ in range(3)]

    assert statuses == [200, 200, 200]


def test_a_proven_domain_with_a_live_connection_leads_to_the_provider(house: House) -> None:
    visitor = house.portal()
    visitor.get("/sign-in?return_to=/profile")

    page = visitor.post("/sign-in", way="email", email="anna@acme.example", return_to="/profile")

    assert page.status == 200
    assert "Taking you to Okta" in page.text
    url = next(link for link in page.links if link.startswith("/sso/acme"))
    wanted = parse_qs(urlsplit(url).query)
    assert wanted == {"login_hint": ["anna@acme.example"], "target_link_uri": [f"{PORTAL}/profile"]}
    assert f'content="0;url={url.replace("&", "&amp;")}"' in page.html


@pytest.mark.parametrize("email", ["anna@globex.example", "anna@nowhere.example", "x@sub.acme.example"])
def test_any_other_email_leads_to_the_password_form(house: House, email: str) -> None:
    visitor = house.portal()
    visitor.get("/sign-in")

    page = visitor.post("/sign-in", way="email", email=email)

    assert (page.status, page.location) == (303, "/sign-in?way=code&from=email")
    assert visitor.get(page.location).value("login_name") == ""


@pytest.mark.parametrize("email", ["", "anna", "a@b@acme.example", "an na@acme.example"])
def test_what_is_no_email_is_refused_at_its_field(house: House, email: str) -> None:
    visitor = house.portal()
    visitor.get("/sign-in")

    page = visitor.post("/sign-in", way="email", email=email)

    assert page.status == 422
    assert page.title.startswith("Error: ")
    assert 'href="#email"' in page.html
    assert 'id="email-error"' in page.html


def test_a_remembered_client_with_single_sign_on_comes_first(house: House) -> None:
    visitor = house.portal()
    visitor.remember_client("acme")

    page = visitor.get("/sign-in?return_to=/configure/client/security")

    assert "Continue with Okta for Acme" in page.text
    assert "Another organisation" in page.text
    assert "Sign in and you return to Security." in page.text
    assert any(link.startswith("/sso/acme?target_link_uri=") for link in page.links)


def test_a_remembered_client_without_single_sign_on_gets_its_password_form(house: House) -> None:
    visitor = house.portal()
    visitor.remember_client("globex")

    page = visitor.get("/sign-in")

    assert page.value("client") == "globex"
    assert "Continue with" not in page.text


def test_a_feature_turned_off_takes_the_provider_from_the_page(house: House) -> None:
    visitor = house.portal()
    visitor.remember_client("acme")
    assert "Continue with Okta" in visitor.get("/sign-in").text

    house.set_feature("acme", False)

    assert "Continue with Okta" not in visitor.get("/sign-in").text


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/sign-in"]
)
def test_nobody_is_sent_off_this_host_after_signing_in(house: House, elsewhere: str) -> None:
    assert sign_in(house.portal(), return_to=elsewhere).location == "/"
    assert sign_in(house.portal(), return_to="/profile").location == "/profile"


def test_a_form_of_another_session_is_refused_and_comes_back_filled_in(house: House) -> None:
    visitor = house.portal()
    visitor.get("/sign-in?way=code")
    values = {"way": "code", "client": "acme", "login_name": "sysadmin", "password": PASSWORD}

    page = visitor.post("/sign-in", csrf_token="forged", **values)

    assert page.status == 422
    assert "This page was open too long" in page.text
    assert page.value("login_name") == "sysadmin"
    assert visitor.get("/profile").status == 303
    assert visitor.post("/sign-in", **values).status == 303


def test_who_is_signed_in_already_goes_on(house: House) -> None:
    visitor = house.user("SYSADMIN")

    page = visitor.get("/sign-in?return_to=/profile")

    assert (page.status, page.location) == (303, "/profile")


def test_the_agent_host_asks_for_the_logon_id(house: House) -> None:
    assert "Logon ID" in house.agent().get("/sign-in?way=code").text
    assert "User Name" in house.portal().get("/sign-in?way=code").text


def test_the_client_of_the_address_is_filled_in(house: House) -> None:
    page = house.portal().get("/sign-in?client=ACME")

    assert page.value("client") == "acme"
    assert "Continue with Okta for Acme" in page.text


def set_connection(house: House, **values: Any) -> None:
    with house.app.app_context(), writing(db.session()) as session:
        session.execute(update(Connection).values(**values))


@pytest.mark.parametrize("rule", ["allowed", "refused"])
@pytest.mark.parametrize("is_failing", [False, True])
def test_a_provider_that_does_not_answer_is_named_with_the_other_way_in(
    house: House, rule: str, is_failing: bool
) -> None:
    since = house.now - timedelta(days=2) if is_failing else None
    code = "sign_in.unreachable" if is_failing else None
    set_connection(house, portal_passwords=rule, agent_passwords=rule, failing_since=since, failing_code=code)
    visitor, agent = house.portal(), house.agent()
    visitor.remember_client("acme")
    agent.remember_client("acme")

    page = visitor.get("/sign-in")

    assert ("Okta has not answered since " in page.text) is is_failing
    assert ("/sign-in/emergency" in page.links) is (is_failing and rule == "refused")
    assert "/sign-in/emergency" not in agent.get("/sign-in").links


@pytest.mark.parametrize("rule", ["allowed", "refused"])
def test_a_remembered_client_that_takes_no_passwords_has_no_password_form(house: House, rule: str) -> None:
    set_connection(house, portal_passwords=rule)
    visitor = house.portal()
    visitor.remember_client("acme")

    first, elsewhere = visitor.get("/sign-in"), visitor.get("/sign-in?way=code")

    assert "Continue with Okta for Acme" in first.text
    assert "Another organisation" in first.text
    assert ('name="email"' in first.html) is (rule == "allowed")
    assert 'name="email"' in visitor.get("/sign-in?way=email").html
    assert elsewhere.value("client") == ("acme" if rule == "allowed" else "")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("sign_in.unreachable", "Okta has not answered since "),
        ("sign_in.bad_secret", "Sign-in through Okta has been failing since "),
    ],
)
def test_a_provider_that_refuses_is_not_said_to_be_silent(house: House, code: str, words: str) -> None:
    set_connection(house, failing_since=house.now, failing_code=code)
    visitor = house.portal()
    visitor.remember_client("acme")

    assert words in visitor.get("/sign-in").text
