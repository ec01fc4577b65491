"""The portal's home: real figures, and what needs attention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.support.house import House


def test_home_counts_who_can_sign_in(house: House) -> None:
    house.add_account("acme", "agent", "no_email")
    house.add_account("acme", "agent", "twin", email="desk.114@acme.example")
    house.add_account("acme", "agent", "off", email="off@acme.example", active=False)

    page = house.user("SYSADMIN").get("/")

    assert "5 of 5 users and 0 of 3 agents can sign in." in page.text
    assert "1 has no email, 2 share one" in page.text
    assert "Some people cannot be matched" in page.text


def test_before_it_is_live_home_speaks_of_readiness(house: House) -> None:
    page = house.user("SYSADMIN", "globex").get("/")

    assert "5 of 5 users and 1 of 1 agent are ready for single sign-on." in page.text
    assert "Set up single sign-on" in page.text
    assert "Quote client code globex to Customer Care." in page.text


def test_a_manager_sees_agents_only(house: House) -> None:
    page = house.user("MANAGER").get("/")

    assert "1 of 1 agent have an email of their own." in page.text
    assert "users" not in page.text.partition("<main")[2]
    assert "Security" not in page.text


def test_care_sees_how_many_clients_are_live(house: House) -> None:
    page = house.care().get("/")

    assert "1 of 3 clients sign in through a provider." in page.text
    assert "/configure/client/security" not in page.links


@pytest.mark.parametrize(
    "days, words",
    [
        (61, None),
        (60, "expires in 60 days"),
        (1, "expires tomorrow"),
        (0, "expires today"),
        (-1, "has expired"),
    ],
)
def test_a_secret_that_ends_soon_is_said(house: House, days: int, words: str | None) -> None:
    # The client's own date, not UTC's: around midnight they differ.
    today = datetime.now(UTC).astimezone(ZoneInfo("Europe/Berlin")).date()
    visitor = house.user("SYSADMIN")
    number = house.save_draft("acme", secret_expires_on=today + timedelta(days=days))
    visitor.get("/configure/client/security")
    house.put_live("acme", number)

    text = visitor.get("/").text

    assert ("The secret of Okta" in text) == (words is not None)
    assert words is None or words in text


def test_refusals_of_the_last_day_are_counted_by_cause(house: House) -> None:
    stranger = house.portal()
    stranger.get("/sign-in?way=code")
    for _ in range(2):
        stranger.post("/sign-in", way="code", client="acme", login_name="it_user", password="wrong")

    page = house.user("SYSADMIN").get("/")

    assert "1 signed in, 2 refused." in page.text
    assert "sign_in.password" in page.text


def test_another_client_s_sign_ins_are_not_counted(house: House) -> None:
    house.user("SYSADMIN", "globex")

    assert "1 signed in, 0 refused." in house.user("SYSADMIN").get("/").text


def test_what_a_role_cannot_open_is_not_in_its_menu(house: House) -> None:
    links = {
        role: set(house.user(role).get("/").links) & {"/configure/client/security", "/care/clients"}
        for role in ("SYSADMIN", "CLIENT_AUDITOR", "MANAGER")
    }

    assert links == {
        "SYSADMIN": {"/configure/client/security"},
        "CLIENT_AUDITOR": {"/configure/client/security"},
        "MANAGER": set(),
    }
