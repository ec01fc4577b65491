"""The box for what the provider says: explained, escaped, and kept nowhere."""

from __future__ import annotations

import pytest

from lvportal.extensions import db
from lvportal.models import Base
from tests.support.house import House, Page

PAGE = "/configure/client/security/errors"


def paste(house: House, text: str, role: str = "SYSADMIN", **values: str) -> Page:
    visitor = house.user(role)
    visitor.get(PAGE)
    return visitor.post(PAGE, **({"provider": "okta", "pasted": text} | values))


def test_a_known_text_gets_its_cause_and_fix(house: House) -> None:
    page = paste(house, "access_denied: User is not assigned to the client application.")

    assert page.status == 200
    assert "The person does not have this app." in page.text
    assert "Assign the app to the person" in page.text


def test_an_unknown_text_says_so_and_what_to_send(house: House) -> None:
    page = paste(house, "Flux capacitor empty")

    assert "We do not know this text." in page.text
    assert "Send it to Customer Care" in page.text


def test_the_client_s_own_provider_is_chosen(house: House) -> None:
    assert '<option value="okta" selected>' in house.user("SYSADMIN").get(PAGE).html
    assert '<option value="other" selected>' in house.user("SYSADMIN", "globex").get(PAGE).html
    assert '<option value="entra" selected>' in house.user("SYSADMIN").get(f"{PAGE}?provider=entra").html


def test_the_text_is_data_and_is_stored_nowhere(house: House) -> None:
    page = paste(house, "<script>alert(1)</script> AADSTS50011 marker-of-this-test")

    assert "<script>alert" not in page.html
    assert "&lt;script&gt;" in page.html
    with house.app.app_context():
        for table in Base.metadata.sorted_tables:
            for row in db.session.execute(table.select()):
                assert "marker-of-this-test" not in str(row)


@pytest.mark.parametrize("text", ["", " ", "\x00"])
def test_nothing_pasted_is_refused_or_said(house: House, text: str) -> None:
    page = paste(house, text)

    assert page.status in (200, 422)
    assert "Paste the text or the code." in page.text or "Nothing was pasted." in page.text


def test_a_provider_that_is_none_is_refused(house: House) -> None:
    assert paste(house, "AADSTS50011", provider="x").status == 422
    assert paste(house, "AADSTS50011", provider="entra").status == 200


def test_a_forged_form_explains_nothing(house: House) -> None:
    assert paste(house, "AADSTS50011", csrf_token="forged").status == 422


@pytest.mark.parametrize("role, status", [("CLIENT_AUDITOR", 200), ("IT_USER", 200), ("MANAGER", 403)])
def test_whoever_reads_the_security_page_may_ask(house: House, role: str, status: int) -> None:
    assert house.user(role).get(PAGE).status == status
