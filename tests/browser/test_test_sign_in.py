"""Test sign-ins in a real browser, under our own content policy: out by refresh, back to the page."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.someone import SECURITY
from tests.providers.common import BASIC
from tests.providers.hostile import ABSENT

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RESULT = re.compile(rf".*{re.escape(SECURITY)}/test/[2-9A-HJ-NP-Z]{{8}}$")


@pytest.fixture
def portal(hostile, make_portal):
    """Globex with a connection at the provider of the tests."""
    application = hostile.register([], authentication=BASIC)
    entry, environment = stage.live_connection(
        hostile.issuer, application, application_type="web", response_mode="query"
    )
    made = make_portal([stage.globex("t", connection=entry)], providers=[hostile], secrets=environment)
    hostile.clients[application.client_id] = type(application)(
        application.client_id,
        application.client_secret,
        application.authentication,
        tuple(made.single_sign_on_urls("globex")),
    )
    return made


def barriers(page):
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def slides_sideways(page):
    page.set_viewport_size({"width": 320, "height": 800})
    try:
        return page.evaluate("document.documentElement.scrollWidth > innerWidth")
    finally:
        page.set_viewport_size({"width": 1280, "height": 800})


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no script"])
def test_both_hosts_are_tested_in_two_clicks_and_end_on_the_result(portal, hostile, someone, has_script):
    hostile.add_person("admin@t.globex.example")
    admin = someone(portal, has_script=has_script)
    admin.sign_in_with_password("portal", "globex", "admin")

    for host in ("portal", "agent"):
        hostile.add_person(f"{'admin' if host == 'portal' else 'agent.one'}@t.globex.example")
        admin.open_security()
        admin.press(f"Test on the {host} host")
        expect(admin.page).to_have_url(RESULT)
        admin.reads("This works.")
        admin.reads(f"{host.title()} host, revision 1, by Globex Admin")
        admin.reads("Values are shown to you alone")

    admin.open_security()
    expect(admin.page.locator("#step-4")).to_contain_text("Done")
    admin.is_told_to_sign_in("agent")


def test_a_refused_test_is_mended_by_a_claim_that_did_arrive(portal, hostile, someone):
    hostile.bend_claims(email=ABSENT, upn="admin@t.globex.example", email_verified=ABSENT)
    hostile.bend_userinfo(email=ABSENT, email_verified=ABSENT)
    hostile.add_person("admin@t.globex.example")
    admin = someone(portal)
    admin.sign_in_with_password("portal", "globex", "admin")
    admin.open_security()
    admin.press("Test on the portal host")
    expect(admin.page).to_have_url(RESULT)
    admin.reads("Refused at step 5 of 6")
    assert barriers(admin.page) == []
    assert not slides_sideways(admin.page)

    admin.press("Use upn")

    admin.is_at("portal", SECURITY)
    admin.reads("its Email Attribute is upn")
