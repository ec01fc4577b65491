"""From nothing to single sign-on and off again: the main job, against providers written by others."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.someone import CONFIDENTIAL, SECURITY
from tests.providers.common import BASIC, NONE, POST

pytestmark = [pytest.mark.browser, pytest.mark.provider, pytest.mark.slow]

REFERENCE = re.compile(r"^[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$")


@dataclass(frozen=True)
class Kind:
    """A kind of application, and how its answers come."""

    application_type: str
    authentication: str
    has_secret: bool
    response_mode: str


def people_at(provider, suffix):
    return (
        provider.add_person(f"manager@{suffix}.globex.example"),
        provider.add_person(f"agent.one@{suffix}.globex.example"),
    )


@pytest.mark.parametrize("name", ["oidc_provider", "canaille"])
def test_from_nothing_to_single_sign_on_and_off_again(name, request, make_portal, someone):
    provider = request.getfixturevalue(name)
    suffix = f"x{secrets.token_hex(4)}"
    person_of_manager, person_of_agent = people_at(provider, suffix)
    person_of_admin = provider.add_person(f"admin@{suffix}.globex.example")
    portal = make_portal([stage.operator(), stage.globex(suffix)], providers=[provider])
    office, user, agent = someone(portal), someone(portal), someone(portal)

    # Care turns the flag on.
    office.sign_in_with_password("portal", "operator", "care")
    office.turn_single_sign_on("Globex", on=True, ticket="T-4711")
    office.sign_out()

    # The client's administrator sets the connection up from the page alone.
    office.sign_in_with_password("portal", "globex", "admin")
    office.open_security()
    office.read_instructions(CONFIDENTIAL)
    urls = office.copy_urls()
    assert urls == portal.single_sign_on_urls("globex")
    application = provider.register(urls, authentication=BASIC)
    office.paste_values(application, provider.issuer, accepts_unverified=name == "canaille")
    report = office.check()
    expect(report).to_contain_text("Report")
    expect(report.locator("li.is-danger")).to_have_count(0)
    expect(report.locator("li", has_text="Credentials")).to_have_class(re.compile("is-ok"))
    office.save_draft()
    office.test_sign_in("portal", lambda page: provider.sign_in_by_hand(page, person_of_admin))
    # The provider knows the administrator by now, who is no agent: that is said, and is no fault.
    office.test_sign_in(
        "agent", lambda page: expect(page.locator("body")).to_contain_text("Nobody: no agent")
    )
    office.enable()
    office.sign_out()

    # A user and an agent sign in, each on their own host.
    user.visit("portal", "/sso/globex")
    provider.sign_in_by_hand(user.page, person_of_manager)
    user.lands("portal", "Globex Manager")
    agent.visit("agent", "/sso/globex")
    provider.sign_in_by_hand(agent.page, person_of_agent)
    agent.lands("agent", "Agent One")
    agent.reads("Service. Signed in through your sign-in provider.")

    # Care turns the flag off: sessions end, sign-ins are refused, the configuration stays.
    office.sign_in_with_password("portal", "operator", "care")
    office.turn_single_sign_on("Globex", on=False, ticket="T-4712")
    user.is_told_to_sign_in("portal")
    agent.is_told_to_sign_in("agent")
    for audience, person in (("portal", user), ("agent", agent)):
        person.visit(audience, "/sso/globex")
        expect(person.page.get_by_role("heading", level=1)).to_have_text("Single sign-on is off for Globex.")
        person.reads(re.compile(r"sign_in\.off"))
        expect(person.page.locator("#reference")).to_have_text(REFERENCE)

    # On once more, nothing has to be set up again.
    office.turn_single_sign_on("Globex", on=True, ticket="T-4713")
    user.visit("portal", "/sso/globex")
    user.lands("portal", "Globex Manager")


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(Kind("web", BASIC, True, "form_post"), id="web-basic-form_post"),
        pytest.param(Kind("web", POST, True, "query"), id="web-post-query"),
        pytest.param(Kind("native", NONE, False, "query"), id="native-public-query"),
        pytest.param(Kind("native", NONE, False, "form_post"), id="native-public-form_post"),
        pytest.param(Kind("native", BASIC, True, "query"), id="native-with-secret-query"),
    ],
)
def test_users_and_agents_sign_in_by_every_kind_of_application(kind, oidc_provider, make_portal, someone):
    suffix = f"x{secrets.token_hex(4)}"
    person_of_manager, person_of_agent = people_at(oidc_provider, suffix)
    more = {}

    def clients(portal):
        application = oidc_provider.register(
            portal.single_sign_on_urls("globex"),
            authentication=kind.authentication,
            has_secret=kind.has_secret,
        )
        connection, secret = stage.live_connection(
            oidc_provider.issuer,
            application,
            application_type=kind.application_type,
            response_mode=kind.response_mode,
        )
        more.update(secret)
        return [stage.operator(), stage.globex(suffix, connection=connection)]

    portal = make_portal(clients, providers=[oidc_provider], secrets=more)
    user, agent = someone(portal), someone(portal)

    # By the work email, from a page that wants a session, and back to it.
    user.visit("portal", "/profile")
    user.reads("Sign in and you return to")
    user.write("Work email", f"manager@{suffix}.globex.example")
    user.press("Continue")
    oidc_provider.sign_in_by_hand(user.page, person_of_manager)
    user.lands("portal", "Globex Manager", path="/profile")
    user.reads("Through your sign-in provider")
    # By the bookmark, then as a remembered client.
    agent.visit("agent", "/sso/globex")
    oidc_provider.sign_in_by_hand(agent.page, person_of_agent)
    agent.lands("agent", "Agent One")
    agent.sign_out()
    agent.press("Sign in again", "link")
    agent.press("Continue with your sign-in provider for Globex", "link")
    agent.lands("agent", "Agent One")


def test_a_session_of_one_host_opens_nothing_on_the_other(oidc_provider, make_portal, someone):
    suffix = f"x{secrets.token_hex(4)}"
    person_of_manager, _ = people_at(oidc_provider, suffix)
    more = {}

    def clients(portal):
        application = oidc_provider.register(portal.single_sign_on_urls("globex"))
        connection, secret = stage.live_connection(
            oidc_provider.issuer, application, application_type="web", response_mode="query"
        )
        more.update(secret)
        return [stage.globex(suffix, connection=connection)]

    portal = make_portal(clients, providers=[oidc_provider], secrets=more)
    user = someone(portal)

    user.visit("portal", "/sso/globex")
    oidc_provider.sign_in_by_hand(user.page, person_of_manager)
    user.lands("portal", "Globex Manager")

    user.is_told_to_sign_in("agent")
    user.visit("agent", SECURITY)
    user.reads("No such page on the agent console")
    # A user's email opens no agent's session either, although the provider vouches for it.
    user.visit("agent", "/sso/globex")
    user.reads("Globex has no active account for")
    user.visit("portal")
    user.lands("portal", "Globex Manager")
