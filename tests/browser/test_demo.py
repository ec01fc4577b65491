"""What ``./run`` invites to, as a person does it: by mouse, on a phone, and with script turned off."""

from __future__ import annotations

import re

import pytest

from tests.browser import demo_journey
from tests.browser.demo_journey import Three

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param({"size": "desktop"}, id="desktop"),
        pytest.param({"size": "phone", "scheme": "dark"}, id="phone-dark"),
        pytest.param({"has_script": False}, id="without-script"),
    ],
)
def test_globex_gets_single_sign_on_from_the_demo_provider(kind, fresh_demo, someone):
    three = Three(*(someone(fresh_demo.portal, **kind) for _ in range(3)))

    demo_journey.set_up_single_sign_on(fresh_demo, three.office)
    demo_journey.sign_in_both(three)
    demo_journey.turn_off_again(three)


def test_an_agent_of_acme_signs_in_without_any_set_up(demo, someone):
    agent = someone(demo.portal)

    agent.visit("agent", "/sso/acme")
    demo_journey.choose_person(agent, "agent.two@acme.example")

    agent.lands("agent", "Agent Two")
    agent.reads("Home agent")


def test_an_agent_who_is_switched_off_is_told_so(demo, someone):
    agent = someone(demo.portal)

    agent.visit("agent", "/sso/acme")
    demo_journey.choose_person(agent, "agent.off@acme.example")

    agent.reads("You are not signed in")
    agent.reads("Your account is switched off.")
    agent.is_told_to_sign_in("agent")


def test_what_the_provider_said_stands_below_what_it_means(demo, someone):
    user = someone(demo.portal)

    user.visit("portal", "/sso/acme")
    user.page.get_by_text("Play a failure").click()
    user.page.get_by_label("Not assigned").check()
    demo_journey.choose_person(user, "manager@acme.example")

    user.reads("Your sign-in provider has not given you this app.")
    user.reads("Ask your administrator to assign the app to you.")
    user.reads(re.compile(r"Your sign-in provider said:\s*User is not assigned to the client application\."))
    user.press("Try again", "link")
    demo_journey.choose_person(user, "manager@acme.example")
    user.lands("portal", "Acme Manager")
