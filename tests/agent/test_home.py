"""The console home of an agent."""

from __future__ import annotations

import re

from tests.support.house import House


def test_an_agent_sees_their_own_facts(house: House) -> None:
    page = house.signed_in_agent().get("/")

    assert page.status == 200
    assert "Desk 114" in page.text
    assert "desk.114@acme.example" in page.text
    assert "Renewals. Signed in with a password." in page.text
    assert "41140" in page.text
    assert re.search(r"Session until \d\d:\d\d CES?T", page.text)


def test_who_is_not_signed_in_is_sent_to_the_sign_in_page(house: House) -> None:
    page = house.agent().get("/")

    assert (page.status, page.location) == (303, "/sign-in")


def test_a_session_of_the_portal_is_worthless_here(house: House) -> None:
    portal, agent = house.user("SYSADMIN"), house.agent()
    cookie = portal.cookie("__Host-lv-session")
    assert cookie is not None

    agent.set_cookie("__Host-lv-session", cookie)

    assert agent.get("/").status == 303


def test_an_agent_signs_out_at_the_desk(house: House) -> None:
    visitor = house.signed_in_agent()
    visitor.get("/")

    assert visitor.post("/sign-out").location == "/signed-out"
    assert visitor.get("/").status == 303


def test_the_portal_s_navigation_is_not_here(house: House) -> None:
    page = house.signed_in_agent().get("/")

    assert "/configure/client/security" not in page.links
    assert "Agent console" in page.text


def test_no_page_needs_an_inline_script_or_style(house: House) -> None:
    page = house.signed_in_agent().get("/")

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page.html)
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
