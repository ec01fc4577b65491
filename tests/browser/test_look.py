"""Every page, desktop and phone, light and dark: no barrier, nothing beside the edge, no complaint."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser import pages

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RULES = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
# Another scheme and another width change colours and sizes, and nothing else that axe reads.
COLOURS = {"resultTypes": ["violations"], "runOnly": {"type": "rule", "values": ["color-contrast"]}}
SIZES = {
    "resultTypes": ["violations"],
    "runOnly": {
        "type": "rule",
        "values": ["color-contrast", "target-size", "scrollable-region-focusable"],
    },
}
# Pages on which script copies, folds, checks or moves the focus; the journeys without script see the rest.
HAVE_SCRIPT = ("sign-in-wrong", "failure", "home-live", "billing-off", "security-start", "security-report")
WIDTHS = (1280, 640, 375, 320)  # 640: a desktop at 200%


def barriers(page, options):
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def beside_the_edge(page):
    """Elements that stand out on the right, if the page scrolls sideways."""
    return page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
        [...document.querySelectorAll("body *")]
          .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
          .map((e) => e.outerHTML.slice(0, 120)).slice(0, 5)"""
    )


@pytest.mark.parametrize("view", pages.EVERY, ids=lambda view: view.name)
def test_a_page_has_no_barrier_in_any_width_and_scheme(view, demo, someone):
    visitor = someone(demo.portal)
    view.reach(demo, visitor)
    page = visitor.page
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    for (audience, rule), name in pages.SEEN_IN.items():
        if name == view.name:
            path = "/".join(
                "[^/?#]+" if part.startswith("<") else re.escape(part) for part in rule.split("/")
            )
            address = re.escape(demo.portal.origin(audience)) + path
            assert re.match(rf"{address}(?:[?#].*)?\Z", page.url), f"{name} does not end on {rule}"

    found = {"light": barriers(page, RULES)}
    page.emulate_media(color_scheme="dark")
    found["dark"] = barriers(page, COLOURS)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        found[f"{width}px, sideways"] = beside_the_edge(page)
    found["320px, dark"] = barriers(page, SIZES)
    page.emulate_media(color_scheme="light")
    found["320px, light"] = barriers(page, COLOURS)

    assert {where: what for where, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "view", [view for view in pages.OF_THE_PORTAL if view.name in HAVE_SCRIPT], ids=lambda view: view.name
)
def test_a_page_is_there_without_script(view, demo, someone):
    visitor = someone(demo.portal, size="narrow", has_script=False)
    view.reach(demo, visitor)

    expect(visitor.page.get_by_role("heading", level=1)).to_have_count(1)
    # What only script can do is not offered.
    expect(visitor.page.locator("button[data-copy]:visible")).to_have_count(0)


def test_the_theme_of_the_profile_wins_over_the_systems(demo, someone):
    user = someone(demo.portal, scheme="light")
    user.sign_in_with_password("portal", "globex", "manager")
    user.visit("portal", "/profile")
    before = user.page.evaluate("getComputedStyle(document.body).backgroundColor")

    user.page.get_by_label("Dark").check()
    user.press("Save theme")

    after = user.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    user.visit("portal")
    assert user.page.evaluate("getComputedStyle(document.body).backgroundColor") == after
