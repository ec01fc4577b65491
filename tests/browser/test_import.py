"""A large file, sent by a real browser to the real server: progress, preview, import."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect

from tests.browser.pages import IMPORT

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def choose(field: Locator, content: bytes) -> None:
    field.set_input_files({"name": "many.csv", "mimeType": "text/csv", "buffer": content})


@pytest.fixture
def manager(demo, someone):
    visitor = someone(demo.portal)
    visitor.sign_in_with_password("portal", "globex", "manager")
    visitor.visit("portal", IMPORT)
    return visitor


def test_a_large_file_moves_on_by_itself_and_is_imported(manager):
    rows = "".join(f"many_{n},many.{n}@globex.example\n" for n in range(20_000))
    page = manager.page
    choose(page.get_by_label("CSV file"), f"Logon ID,Email\n{rows}".encode())

    manager.press("Check the file")
    expect(page.get_by_role("heading", name="Reading many.csv")).to_be_visible()
    barriers = Axe().run(page).response["violations"]

    expect(page.get_by_role("heading", name="Check many.csv")).to_be_visible(timeout=60_000)
    manager.press(re.compile("^Import 20,000 valid rows"))
    expect(page.get_by_role("heading", name="Imported many.csv")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("20,000 new agents, 0 changed.")).to_be_visible()
    assert barriers == []
    assert manager.watch.complaints == []


@pytest.mark.parametrize("megabytes", [10.02, 30])
def test_a_file_that_is_too_large_is_refused_in_words(manager, megabytes):
    choose(manager.page.get_by_label("CSV file"), b"x" * int(megabytes * 1024 * 1024))

    manager.press("Check the file")

    expect(manager.page.locator("#file-error")).to_contain_text("Over 10 MB. Split the file.")
