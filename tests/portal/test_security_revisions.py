"""The history: what differs, what was tested, and a draft made of an earlier revision."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.house import SECRET, House

PATH = "/configure/client/security"
OTHER_SECRET = "another-secret-of-thirty-two-characters"


def test_two_revisions_stand_beside_each_other(house: House) -> None:
    house.now += timedelta(minutes=1)
    house.save_draft("acme", email_claim="upn", secret=OTHER_SECRET)

    page = house.user("CLIENT_AUDITOR").get(f"{PATH}/compare?one=2&other=1")

    assert page.status == 200
    assert "Email Attribute upn email Differs" in page.text
    assert "Authorization Secret Set Changed Differs" in page.text
    assert "Scopes openid email profile openid email profile Same" in page.text
    assert OTHER_SECRET not in page.html
    assert "Copy revision" not in page.text


@pytest.mark.parametrize(
    "query",
    ["", "?one=1", "?one=1&other=9", "?one=x&other=1", "?one=1&other=99999999999999", "?one=%00&other=1"],
)
def test_a_revision_that_is_not_there_is_a_404(house: House, query: str) -> None:
    assert house.user("SYSADMIN").get(f"{PATH}/compare{query}").status == 404


def test_another_client_s_revisions_are_not_there(house: House) -> None:
    visitor = house.user("SYSADMIN", "globex")
    visitor.get(PATH)

    assert visitor.get(f"{PATH}/compare?one=1&other=1").status == 404
    assert visitor.post(f"{PATH}/copy", number="1").status == 404
    assert house.user("SYSADMIN").get(f"{PATH}/compare?one=1&other=1").status == 200


def test_an_earlier_revision_is_copied_into_a_new_draft_with_its_secret(house: House) -> None:
    house.now += timedelta(minutes=1)
    house.save_draft("acme", email_claim="upn", secret=OTHER_SECRET)
    visitor = house.user("IT_USER")
    assert "Copy to draft" in visitor.get(PATH).text

    page = visitor.post(f"{PATH}/copy", number="1")

    assert page.location == f"{PATH}#step-3"
    assert house.state_of("acme") == (True, 1, 3)
    draft = house.newest("acme")
    assert (draft.email_claim, house.secret_of(draft)) == ("email", SECRET)
    event = house.audited("acme")[-1]
    assert (event.action, event.subject) == ("connection.saved", "revision 3, copied from 1")
    assert event.after["email_claim"] == "email"


def test_a_copy_of_what_the_draft_says_makes_none(house: House) -> None:
    visitor = house.user("SYSADMIN")
    visitor.get(PATH)

    assert visitor.post(f"{PATH}/copy", number="1").status == 303
    assert house.state_of("acme") == (True, 1, 1)


@pytest.mark.parametrize("number", ["0", "9", "x", "", "99999999999999999999"])
def test_what_is_no_revision_is_not_copied(house: House, number: str) -> None:
    visitor = house.user("SYSADMIN")
    visitor.get(PATH)

    assert visitor.post(f"{PATH}/copy", number=number).status == 404
    assert house.state_of("acme") == (True, 1, 1)


def test_who_only_reads_copies_nothing(house: House) -> None:
    visitor = house.user("CLIENT_AUDITOR")
    assert "Copy to draft" not in visitor.get(PATH).text
    visitor.get("/profile")

    assert visitor.post(f"{PATH}/copy", number="1").status == 403
