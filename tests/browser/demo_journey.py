"""The journey that ``./run`` invites to: Globex gets single sign-on from the demo provider."""

from __future__ import annotations

import re
from dataclasses import dataclass

from playwright.sync_api import expect

from tests.browser.someone import CONFIDENTIAL, Someone
from tests.browser.stage import Demo
from tests.providers.common import BASIC, RegisteredClient

TICKET = "T-4711"


@dataclass(frozen=True, slots=True)
class Three:
    """Who takes part, each with a browser of their own; in the office Care, then Globex's administrator."""

    office: Someone
    user: Someone
    agent: Someone


def set_up_single_sign_on(demo: Demo, office: Someone) -> None:
    """From the flag to Enable, with nothing but what the pages say."""
    office.sign_in_with_password("portal", "operator", "care")
    office.turn_single_sign_on("Globex", on=True, ticket=TICKET)
    office.sign_out()
    office.sign_in_with_password("portal", "globex", "sysadmin")
    office.open_security()
    office.read_instructions(CONFIDENTIAL)
    application = create_application(demo, office, office.copy_urls())
    office.open_security()
    office.read_instructions(CONFIDENTIAL)
    office.paste_values(application, demo.issuer)
    report = office.check()
    expect(report.locator("li.is-danger")).to_have_count(0)
    expect(report.locator("li", has_text="Credentials")).to_have_class(re.compile("is-ok"))
    # Where a check is a page of its own, a secret is never sent back and has to be pasted once more.
    if not office.page.locator("#secret").input_value():
        office.write("Authorization Secret", application.client_secret or "")
    office.save_draft()
    for audience in ("portal", "agent"):
        office.test_sign_in(audience, lambda _: choose_person(office, "sysadmin@globex.example"))
    office.enable()


def create_application(demo: Demo, office: Someone, urls: list[str]) -> RegisteredClient:
    """In the demo provider's console."""
    office.page.goto(demo.issuer)
    office.press("Applications", "link")
    office.press("Create application", "link")
    office.write("Name", "LV Portal for Globex")
    office.write("Sign-in redirect URIs", "\n".join(urls))
    office.press("Create")
    client_id = office.page.get_by_label("Client ID", exact=True).input_value()
    secret = office.page.get_by_label("Client secret", exact=True).input_value()
    assert office.page.get_by_label("Issuer", exact=True).input_value() == demo.issuer
    return RegisteredClient(client_id, secret, BASIC, tuple(urls))


def choose_person(someone: Someone, email: str) -> None:
    """At the demo provider."""
    someone.press(re.compile(re.escape(email)))


def sign_in_both(three: Three) -> None:
    """A user on the portal host, an agent on the agent host."""
    three.user.visit("portal", "/sso/globex")
    choose_person(three.user, "manager@globex.example")
    three.user.lands("portal", "Globex Manager")
    three.agent.visit("agent", "/sso/globex")
    choose_person(three.agent, "agent.one@globex.example")
    three.agent.lands("agent", "Agent One")


def turn_off_again(three: Three) -> None:
    """Care turns the flag off: nothing that the provider opened is left, and it says why."""
    three.office.sign_out()
    three.office.sign_in_with_password("portal", "operator", "care")
    three.office.turn_single_sign_on("Globex", on=False, ticket="T-4712")
    three.user.is_told_to_sign_in("portal")
    three.agent.is_told_to_sign_in("agent")
    three.user.visit("portal", "/sso/globex")
    three.user.reads("Single sign-on is off for Globex.")
