"""Billing as a client's administrators see it, and as Care changes it."""

from __future__ import annotations

import pytest

from tests.support.house import House

CARE_PATH = "/care/clients/acme/billing"


def test_an_administrator_reads_whom_to_ask_and_cannot_change_it(house: House) -> None:
    visitor = house.user("SYSADMIN", "globex")

    page = visitor.get("/configure/client/billing")

    assert "Customer Care turns Single Sign On on" in page.text
    assert page.value("csrf_token")
    assert 'name="enabled"' not in page.html
    assert visitor.post("/configure/client/billing", enabled="yes").status == 405
    assert visitor.post("/care/clients/globex/billing", enabled="yes", ticket="T-2").status == 403
    assert not house.feature_is_on("globex")


def test_an_administrator_sees_since_when_it_is_on(house: House) -> None:
    page = house.user("CLIENT_AUDITOR").get("/configure/client/billing")

    assert "On" in page.text
    assert "Ticket T-1" in page.text


def test_a_manager_does_not_see_billing(house: House) -> None:
    visitor = house.user("MANAGER")

    assert visitor.get("/configure/client/billing").status == 403
    assert "/configure/client/security" not in visitor.get("/").links


def test_care_turns_the_feature_on_with_a_ticket(house: House) -> None:
    visitor = house.care()
    visitor.get("/care/clients/globex/billing")

    page = visitor.post("/care/clients/globex/billing", enabled="yes", ticket="T-2")

    assert page.status == 303
    assert house.feature_is_on("globex")
    event = house.audited("globex")[-1]
    assert (event.action, event.by_care, event.after["ticket"]) == ("billing.feature", True, "T-2")


@pytest.mark.parametrize("wrong", [{"ticket": ""}, {"ticket": "x" * 41}, {"enabled": "perhaps"}])
def test_without_a_ticket_nothing_changes(house: House, wrong: dict[str, str]) -> None:
    visitor = house.care()
    visitor.get("/care/clients/globex/billing")

    page = visitor.post("/care/clients/globex/billing", **({"enabled": "yes", "ticket": "T-2"} | wrong))

    assert page.status == 422
    assert not house.feature_is_on("globex")


def test_turning_a_live_one_off_says_first_how_many_lose_it(house: House) -> None:
    house.add_account("acme", "agent", "no_password", password_hash=None)
    visitor = house.care()
    visitor.get(CARE_PATH)

    page = visitor.post(CARE_PATH, enabled="no", ticket="T-3")

    assert page.status == 200
    assert "7 people lose SSO, 1 has no password." in page.text
    assert house.feature_is_on("acme")
    assert visitor.post(CARE_PATH, enabled="no", ticket="T-3", confirmed="yes").status == 303
    assert not house.feature_is_on("acme")


def test_turning_it_off_keeps_the_configuration(house: House) -> None:
    visitor = house.care()
    visitor.get(CARE_PATH)

    visitor.post(CARE_PATH, enabled="no", ticket="T-3", confirmed="yes")

    assert house.state_of("acme") == (True, 1, 1)
    assert house.portal().get("/sso/acme").status == 403


def test_turning_off_what_nobody_uses_needs_no_confirmation(house: House) -> None:
    house.set_feature("globex", True)
    visitor = house.care()
    visitor.get("/care/clients/globex/billing")

    assert visitor.post("/care/clients/globex/billing", enabled="no", ticket="T-4").status == 303
    assert not house.feature_is_on("globex")


def test_a_client_that_is_not_there_is_not_found(house: House) -> None:
    assert house.care().get("/care/clients/nowhere/billing").status == 404


def test_care_opens_no_client_s_security(house: House) -> None:
    assert house.care().get("/configure/client/security").status == 403


def test_the_list_shows_every_client_with_its_state(house: House) -> None:
    page = house.care().get("/care/clients")

    assert "3 clients 1 live" in page.text
    assert "1 to 3 of 3" in page.text
    assert "/care/clients/acme/billing" in page.links


@pytest.mark.parametrize(
    "query, found",
    [
        ("q=ACM", ["acme"]),
        ("q=globex", ["globex"]),
        ("state=live", ["acme"]),
        ("state=none", ["globex", "operator"]),
        ("flag=on", ["acme"]),
        ("flag=off", ["globex", "operator"]),
        ("q=%25", []),
        ("q=_", []),
        ("q=nobody", []),
        ("page=0", ["acme", "globex", "operator"]),
        ("page=x", ["acme", "globex", "operator"]),
        ("page=9", []),
        ("state=unknown", ["acme", "globex", "operator"]),
    ],
)
def test_the_list_is_filtered_by_its_address(house: House, query: str, found: list[str]) -> None:
    page = house.care().get(f"/care/clients?{query}")

    assert page.status == 200
    assert [link.split("/")[3] for link in page.links if link.endswith("/billing")] == found


def test_a_draft_and_a_feature_turned_off_have_their_own_states(house: House) -> None:
    house.save_draft("globex")
    house.set_feature("acme", False)
    visitor = house.care()

    assert "/care/clients/globex/billing" in visitor.get("/care/clients?state=draft").links
    assert "/care/clients/acme/billing" in visitor.get("/care/clients?state=off").links


def test_clients_are_listed_only_for_care(house: House) -> None:
    assert house.user("SYSADMIN").get("/care/clients").status == 403
