"""What people do in the portal, page by page, as sentences for journeys."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from tests.browser.hands import Hands, Mouse
from tests.providers.common import RegisteredClient
from tests.support.live_portal import LivePortal

PASSWORD = "a password for journeys"
SECURITY = "/configure/client/security"
TYPES = {"web": "Web Application", "native": "Native Application"}


@dataclass(frozen=True, slots=True)
class Guide:
    """A guide of step 2, as its link names it."""

    link: str
    application_type: str


CONFIDENTIAL = Guide("Another provider, confidential application", "web")
PUBLIC = Guide("Another provider, public application", "native")


class Watch:
    """Notes what a page complains about: refused by its own policy, broken script, missing file."""

    def __init__(self, page: Page, origins: tuple[str, ...]) -> None:
        self.complaints: list[str] = []
        self._origins = origins
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("requestfailed", lambda request: self._fail(request.url, request.failure or ""))

    def _hear(self, message: ConsoleMessage) -> None:
        url = message.location.get("url", "")
        if message.type not in ("error", "warning") or not self._is_ours(url):
            return
        # The browser notes every refused form and failure page; those are meant.
        if re.search(r"status of 4\d\d", message.text) and "/static/" not in url:
            return
        self.complaints.append(f"console: {message.text[:300]}")

    def _fail(self, url: str, failure: str) -> None:
        if self._is_ours(url) and "ERR_ABORTED" not in failure:
            self.complaints.append(f"request: {failure} {url.split('?')[0]}")

    def _is_ours(self, url: str) -> bool:
        return not url or url.startswith(self._origins)


class Someone:
    """A person with a browser of their own."""

    def __init__(self, page: Page, portal: LivePortal, hands: Hands | None = None) -> None:
        self.page = page
        self.hands: Hands = hands or Mouse()
        self.watch = Watch(page, (portal.portal_origin, portal.agent_origin))
        self._portal = portal

    # --- Getting about ---------------------------------------------------------

    def visit(self, audience: str, path: str = "/") -> None:
        self.page.goto(self._portal.origin(audience) + path)

    def press(self, name: str | re.Pattern[str], role: str = "button", *, exact: bool = True) -> None:
        is_exact = exact and isinstance(name, str)
        target = self.page.get_by_role(role, name=name, exact=is_exact)  # type: ignore[arg-type]
        self.hands.press(target.locator("visible=true").first)

    def write(self, label: str, text: str) -> None:
        self.hands.write(self._field(label), text)

    def _field(self, label: str) -> Locator:
        # Some labels go on with "(optional)".
        return self.page.get_by_label(re.compile(rf"^\s*{re.escape(label)}( \(optional\))?\s*$"))

    def is_at(self, audience: str, path: str) -> None:
        """Assert where the browser ended, query and fragment aside."""
        origin = re.escape(self._portal.origin(audience))
        expect(self.page).to_have_url(re.compile(rf"^{origin}{re.escape(path)}(\?[^#]*)?(#.*)?$"))

    def reads(self, words: str | re.Pattern[str]) -> None:
        """Assert that the page says ``words``."""
        expect(self.page.locator("body")).to_contain_text(words)

    # --- Signing in and out ----------------------------------------------------

    def sign_in_with_password(self, audience: str, client: str, name: str, password: str = PASSWORD) -> None:
        """From the host's first page, by the form with the client code."""
        self.visit(audience)
        other = self.page.get_by_role("link", name="Use client code instead")
        if other.is_visible():
            self.hands.press(other)
        self.write("Client Code", client)
        self.write("Logon ID" if audience == "agent" else "User Name", name)
        self.write("Password", password)
        self.press("Sign in")
        self.is_at(audience, "/")

    def sign_out(self) -> None:
        """By the menu of the account, which both hosts have."""
        self.hands.press(self.page.locator("details.menu > summary"))
        self.hands.press(self.page.locator("details.menu").get_by_role("button", name="Sign out"))
        self.reads("You are signed out of LV Portal.")

    def lands(self, audience: str, full_name: str, *, path: str = "/") -> None:
        """Assert that this person is signed in, on the right page and by the right name."""
        self.is_at(audience, path)
        expect(self.page.locator("details.menu .menu-name")).to_have_text(full_name)

    def is_told_to_sign_in(self, audience: str) -> None:
        """Assert that the next request of this browser finds no session."""
        self.visit(audience)
        self.is_at(audience, "/sign-in")

    # --- Customer Care ---------------------------------------------------------

    def turn_single_sign_on(self, client_name: str, *, on: bool, ticket: str) -> None:
        """As Care, from the home page through the list of clients."""
        self.visit("portal")
        self.press("Open Clients", "link")
        self.press(client_name, "link")
        self.write("Ticket", ticket)
        self.press("Turn on" if on else "Turn off")
        confirm = self.page.get_by_role("button", name=re.compile(r"^Turn off for \d+ p"))
        if not on and confirm.is_visible():
            self.hands.press(confirm)
        self.reads(f"Single Sign On is {'on' if on else 'off'} for {client_name}.")

    # --- The client's administrator --------------------------------------------

    def open_security(self) -> None:
        """Through the navigation: Configure > Client > Security."""
        self.visit("portal")
        client = self.page.get_by_role("navigation", name="Main").get_by_role("link", name="Client")
        if not client.is_visible():  # a phone
            self.hands.press(self.page.locator(".nav-toggle > summary"))
        self.hands.press(client)
        self.hands.press(self.page.get_by_role("link", name="Security", exact=True).last)
        self.is_at("portal", SECURITY)

    def read_instructions(self, guide: Guide) -> None:
        self.press("Need Help? See Instructions", "link")
        self.press(guide.link, "link")
        expect(self.page.get_by_role("link", name=guide.link)).to_have_attribute("aria-current", "true")

    def copy_urls(self) -> list[str]:
        """Copy both Single Sign On URLs, with their button where there is script, else by eye."""
        button = self.page.get_by_role("button", name="Copy both")
        if button.is_visible():
            self.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
            self.hands.press(button)
            expect(self.page.locator("#announcements")).to_have_text("Copied")
            text = str(self.page.evaluate("navigator.clipboard.readText()"))
            return text.split("\n")
        return [
            self._field("User Single Sign On URL").input_value(),
            self._field("Agent Single Sign On URL").input_value(),
        ]

    def paste_values(
        self,
        client: RegisteredClient,
        issuer: str,
        *,
        application_type: str = "web",
        accepts_unverified: bool = False,
    ) -> None:
        """Fill in step 3, field by field in the page's order."""
        assert "SAML (not yet available)" in self._field("Authentication Standard").inner_text()
        self.hands.choose(self._field("Application type"), TYPES[application_type])
        self.write("Authorization ID", client.client_id)
        if client.client_secret is not None:
            self.write("Authorization Secret", client.client_secret)
        self.write("Issuer URL", issuer)
        self.write("Email Attribute", "email")
        if accepts_unverified:
            self.hands.press(self.page.locator("form[data-check] summary", has_text="Advanced"))
            self.hands.tick(self.page.get_by_label("Accept emails not marked verified"))

    def check(self) -> Locator:
        """Press Check and return the report."""
        self.press("Check Issuer URL")
        report = self.page.locator("#report")
        expect(report).to_be_visible()
        return report

    def save_draft(self, number: int = 1) -> None:
        self.press("Save draft")
        self.reads(f"Draft {number} saved.")

    def test_sign_in(self, audience: str, at_provider: Callable[[Page], None]) -> None:
        """Run the newest revision on a host; ``at_provider`` does what the provider asks for."""
        self.open_security()
        self.press(f"Test on the {audience} host")
        at_provider(self.page)
        self.reads("This works.")
        self.open_security()

    def enable(self) -> None:
        self.press("Enable Single Sign On")
        self.reads("Single Sign On is enabled.")
