"""Signing out, the profile, and the pages of errors, on both hosts."""

from __future__ import annotations

import re

from tests.support.house import House


def test_signing_out_ends_the_session_here(house: House) -> None:
    visitor = house.user("SYSADMIN")
    visitor.get("/profile")

    page = visitor.post("/sign-out")

    assert (page.status, page.location) == (303, "/signed-out")
    assert "You are signed out of LV Portal." in visitor.get("/signed-out").text
    assert visitor.get("/profile").location == "/sign-in?return_to=/profile"


def test_signing_out_needs_the_page_s_token(house: House) -> None:
    visitor = house.user("SYSADMIN")

    assert visitor.post("/sign-out", csrf_token="forged").status == 400
    assert visitor.get("/profile").status == 200


def test_nobody_can_make_the_signed_out_page_name_a_provider(house: House) -> None:
    page = house.portal().get("/signed-out?provider=Evil&still_signed_in_at=Evil")

    assert "Evil" not in page.html


def test_the_profile_says_who_one_is_and_how_one_came_in(house: House) -> None:
    page = house.user("IT_USER").get("/profile")

    assert "it_user@acme.example" in page.text
    assert "IT USER" in page.text
    assert "With a password" in page.text
    assert re.search(r"\d\d:\d\d CES?T", page.text)  # the client's zone, named


def test_the_theme_stands_in_the_first_byte_of_the_next_page(house: House) -> None:
    visitor = house.user("SYSADMIN")
    assert "data-theme" not in visitor.get("/profile").html

    assert visitor.post("/profile", theme="dark").status == 303

    assert '<html lang="en" data-theme="dark">' in visitor.get("/profile").html


def test_a_theme_nobody_knows_is_refused(house: House) -> None:
    visitor = house.user("SYSADMIN")
    visitor.get("/profile")

    assert visitor.post("/profile", theme='"><script>').status == 422
    assert visitor.cookie("__Host-lv-theme") is None


def test_following_the_system_again_forgets_the_theme(house: House) -> None:
    visitor = house.user("SYSADMIN")
    visitor.get("/profile")
    visitor.post("/profile", theme="light")

    visitor.post("/profile", theme="system")

    assert "data-theme" not in visitor.get("/profile").html


def test_a_page_of_one_host_is_none_on_the_other(house: House) -> None:
    page = house.agent().get("/configure/client/security")

    assert page.status == 404
    assert "No such page on the agent console." in page.text
    assert {"http://portal.localhost:8000/", "http://agent.localhost:8000/"} <= set(page.links)


def test_a_role_that_may_not_is_told_who_may(house: House) -> None:
    page = house.user("MANAGER").get("/configure/client/security")

    assert page.status == 403
    assert "MANAGER cannot open this. SYSADMIN, SUPERUSER, IT USER and CLIENT AUDITOR can." in page.text


def test_a_refused_sign_in_shows_cause_step_reference_and_code(house: House) -> None:
    page = house.portal().get("/sso/acme?state=unknown&code=x")

    assert page.status == 403
    assert "This sign-in was too old or already used." in page.text
    assert re.search(r"[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}", page.text)
    assert "sign_in.expired" in page.text
    assert re.search(r"Step \d of 6", page.text)
    assert "/sso/acme" in page.links


def test_a_provider_s_own_words_are_text_and_never_markup(house: House) -> None:
    page = house.portal().get("/sso/%3Cscript%3Ealert(1)%3C/script%3E")

    assert page.status == 404
    assert "<script>alert" not in page.html


def test_static_files_have_versioned_addresses_that_exist_on_both_hosts(house: House) -> None:
    for visitor in (house.portal(), house.agent()):
        addresses = re.findall(r'"(/static/[^"#]+)', visitor.get("/sign-in").html)

        assert len(set(addresses)) >= 6
        for address in set(addresses):
            answer = visitor.get(address)
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
