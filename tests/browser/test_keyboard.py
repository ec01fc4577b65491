"""Set-up and sign-in by keyboard alone. Every stop of Tab shows where it is."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import demo_journey
from tests.browser.demo_journey import Three
from tests.browser.hands import Keyboard

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_single_sign_on_is_set_up_and_used_by_keyboard_alone(fresh_demo, someone):
    three = Three(*(someone(fresh_demo.portal, by_keyboard=True) for _ in range(3)))
    hands = three.office.hands
    assert isinstance(hands, Keyboard)

    demo_journey.set_up_single_sign_on(fresh_demo, three.office)
    demo_journey.sign_in_both(three)

    assert hands.stops > 50


def test_the_first_stop_of_every_page_leads_past_its_head(demo, someone):
    visitor = someone(demo.portal)
    visitor.visit("portal", "/sign-in?way=code")

    visitor.page.keyboard.press("Tab")
    skip = visitor.page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    visitor.page.keyboard.press("Enter")
    visitor.page.keyboard.press("Tab")

    expect(visitor.page.get_by_label("Client Code")).to_be_focused()


def test_a_refused_form_has_the_focus_on_what_was_wrong(demo, someone):
    visitor = someone(demo.portal, by_keyboard=True)
    visitor.visit("portal", "/sign-in?way=code")

    visitor.write("Client Code", "globex")
    visitor.press("Sign in")

    expect(visitor.page.locator("#summary")).to_be_focused()
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.get_by_label("User Name")).to_be_focused()
    expect(visitor.page.get_by_label("Client Code")).to_have_value("globex")


def test_escape_closes_the_account_menu_and_gives_the_focus_back(demo, someone):
    user = someone(demo.portal, by_keyboard=True)
    user.sign_in_with_password("portal", "globex", "manager")
    menu = user.page.locator("details.menu > summary")

    user.hands.press(menu)
    expect(user.page.get_by_role("button", name="Sign out")).to_be_visible()
    user.page.keyboard.press("Escape")

    expect(user.page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(menu).to_be_focused()
