"""The demo provider's pages in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from werkzeug.serving import WSGIRequestHandler, make_server

from lvportal.demo.provider import create_demo_provider
from lvportal.demo.store import WEB, Application, Store
from tests.support.ports import free_port

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


class Served:
    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.issuer = f"http://provider.localhost:{port}"
        self.store = Store(folder / "store.json")
        # Nothing listens there; the address is where the browser ends up.
        redirect_uri = f"http://127.0.0.1:{free_port()}/sso/acme"
        self.application: Application = self.store.create("LV Portal", WEB, (redirect_uri,))
        app = create_demo_provider(self.store, self.issuer)
        self.server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Quiet)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def choose(self) -> str:
        asked = {
            "client_id": self.application.client_id,
            "redirect_uri": self.application.redirect_uris[0],
            "response_type": "code",
            "scope": "openid email",
            "state": "the-state",
        }
        return f"/authorize?{urlencode(asked)}"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.server.shutdown()
    served.server.server_close()


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("narrow", "dark")])
def test_no_page_has_a_barrier_or_scrolls_sideways(browser, served, size, scheme):
    page = browser.new_page(size, scheme)
    paths = [
        "/",
        "/applications",
        "/applications/new",
        f"/applications/{served.application.client_id}",
        served.choose,
        "/authorize?client_id=nobody",
    ]

    found = {}
    for path in paths:
        page.goto(served.issuer + path)
        violations = [one["id"] for one in Axe().run(page).response["violations"]]
        too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        found[path.split("?")[0]] = violations + (["scrolls sideways"] if too_wide else [])

    assert found == {path: [] for path in found}


def test_a_person_and_a_failure_are_chosen_by_keyboard(browser, served):
    page = browser.new_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.goto(served.issuer + served.choose)

    page.get_by_text("Play a failure").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="agent.one@acme.example").focus()
    page.keyboard.press("Enter")
    page.wait_for_event("requestfailed")

    assert sent[-1].startswith(served.application.redirect_uris[0])
    assert "error=access_denied" in sent[-1]


def test_a_secret_is_copied_with_one_button(browser, served):
    page = browser.new_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{served.issuer}/applications/{served.application.client_id}")

    page.get_by_role("button", name="Copy Client secret").click()

    page.locator("[data-copied]", has_text="Client secret copied").wait_for(state="attached")
    assert page.evaluate("navigator.clipboard.readText()") == served.application.client_secret
