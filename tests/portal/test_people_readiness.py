"""Readiness: counts that lead to the lists that mend them, and the provider's list beside our accounts."""

from __future__ import annotations

import html
import re

import pytest

from lvportal.extensions import db
from lvportal.models import Tenant
from lvportal.services import readiness
from tests.support.house import House

SECURITY = "/configure/client/security"
PATH = f"{SECURITY}/readiness"


def fill(house: House) -> None:
    house.add_account("acme", "agent", "no_mail")
    house.add_account("acme", "agent", "wrong", email="not an address")
    house.add_account("acme", "agent", "twin_1", email="twin@acme.example")
    house.add_account("acme", "agent", "twin_2", email="twin@acme.example")
    house.add_account("acme", "agent", "stranger", email="someone@other.example")
    house.add_account("acme", "agent", "gone", active=False)


def test_each_account_that_is_not_ready_is_counted_once(house: House) -> None:
    fill(house)
    with house.app.app_context():
        acme = db.session.query(Tenant).filter_by(code="acme").one()
        agents = readiness.of_audience(db.session(), acme.id, "agent")
    assert (agents.total, agents.ready) == (6, 2)
    assert (agents.without_email, agents.invalid_email, agents.sharing_email) == (1, 1, 2)
    assert (agents.unusual_domain, agents.never_matched, agents.administrators_at_risk) == (2, 6, 0)


def test_each_number_is_the_number_of_rows_it_leads_to(house: House) -> None:
    fill(house)
    admin = house.user("SYSADMIN")
    page = admin.get(SECURITY)
    found = re.findall(r'<a href="(/configure/(?:users|agents)\?[^"]*)" aria-label="(\d+) ', page.html)
    assert len(found) >= 6
    for path, number in found:
        listed = admin.get(html.unescape(path))
        assert re.search(rf"\b{number} (users?|agents?)\b", listed.text), path


def test_administrators_at_risk_are_named(house: House) -> None:
    admin = house.user("SYSADMIN")
    assert "2 administrators could be locked out" in admin.get(SECURITY).text
    listed = admin.get("/configure/users?readiness=administrator&status=active").text
    assert "2 users" in listed
    # A SUPERUSER counts no SYSADMIN.
    superuser = house.user("SUPERUSER")
    assert "1 administrator could be locked out" in superuser.get(SECURITY).text
    assert "1 user " in superuser.get("/configure/users?readiness=administrator").text


def test_counts_are_those_that_the_role_sees(house: House) -> None:
    assert "5 of 5 users" in house.user("SYSADMIN").get("/").text
    assert "4 of 4 users" in house.user("SUPERUSER").get("/").text


def test_home_links_to_what_is_to_be_mended(house: House) -> None:
    fill(house)
    link = "/configure/agents?readiness=no_email&status=active"
    assert link in house.user("SYSADMIN").get("/").links
    assert link in house.user("MANAGER").get("/").links
    house.add_account("acme", "portal", "no.mail", role="IT_USER")
    users = "/configure/users?readiness=no_email&status=active"
    assert users in house.user("SYSADMIN").get("/").links
    assert users not in house.user("IT_USER").get("/").links  # who cannot open the list of users


def test_the_providers_list_is_compared(house: House) -> None:
    fill(house)
    admin = house.user("SYSADMIN")
    admin.get(PATH)
    text = "DESK.114@acme.example, <manager@acme.example>\r\nnew@acme.example;twin@acme.example\n\x00 a@@b"
    page = admin.post(PATH, emails=text)
    assert page.status == 200
    assert "2 of 5 emails match an account." in page.text
    lacking = page.text.partition("No account here")[2].partition("Would be refused")[0]
    assert "new@acme.example" in lacking
    refused = page.text.partition("Would be refused")[2].partition("Not in the list")[0]
    assert "twin@acme.example Several accounts share it." in refused
    assert "a@@b This is no address." in refused
    unassigned = page.text.partition("Not in the list")[2]
    assert "sysadmin" in unassigned
    assert "desk_114" not in unassigned


def test_an_inactive_account_would_be_refused(house: House) -> None:
    house.add_account("acme", "agent", "off", email="off@acme.example", active=False)
    admin = house.user("SYSADMIN")
    admin.get(PATH)
    assert "The account is switched off." in admin.post(PATH, emails="off@acme.example").text


def test_the_comparison_names_only_accounts_that_the_role_sees(house: House) -> None:
    superuser, it_user = house.user("SUPERUSER"), house.user("IT_USER")
    superuser.get(PATH)
    unassigned = superuser.post(PATH, emails="x@acme.example").text.partition("Not in the list")[2]
    assert "manager" in unassigned
    assert "sysadmin" not in unassigned
    it_user.get(PATH)
    unassigned = it_user.post(PATH, emails="x@acme.example").text.partition("Not in the list")[2]
    assert "desk_114" in unassigned
    assert "superuser" not in unassigned


@pytest.mark.parametrize(("text", "sentence"), [("", "no email in this text"), ("no, address", "no email")])
def test_a_text_without_emails_is_refused(house: House, text: str, sentence: str) -> None:
    admin = house.user("SYSADMIN")
    admin.get(PATH)
    page = admin.post(PATH, emails=text)
    assert page.status == 422
    assert sentence in page.text
    assert admin.post(PATH, emails=f"{text} a@acme.example").status == 200


def test_a_hundred_thousand_lines_fit_and_one_more_does_not(house: House) -> None:
    admin = house.user("SYSADMIN")
    admin.get(PATH)
    lines = [f"person.{number}@acme.example" for number in range(readiness.MOST_LINES)]
    page = admin.post(PATH, emails="\r\n".join(lines))
    assert page.status == 200
    assert "100,000 lack an account" in page.text
    over = admin.post(PATH, emails="\r\n".join([*lines, "one.more@acme.example"]))
    assert over.status == 422
    assert "more than 100,000 emails" in over.text


@pytest.mark.parametrize(
    ("role", "status"), [("SUPERUSER", 200), ("IT_USER", 200), ("CLIENT_AUDITOR", 200), ("MANAGER", 403)]
)
def test_who_compares(house: House, role: str, status: int) -> None:
    visitor = house.user(role)
    assert visitor.get(PATH).status == status
    visitor.get("/profile")
    if status == 200:
        visitor.get(PATH)
    assert visitor.post(PATH, emails="a@acme.example").status == status
