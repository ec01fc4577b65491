"""From a bare client to single sign-on that is required on both hosts, counted in clicks and pastes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Locator, expect

from tests.browser import stage
from tests.browser.hands import Keyboard, Mouse
from tests.browser.someone import CONFIDENTIAL, SECURITY, Someone
from tests.providers.common import BASIC

pytestmark = [pytest.mark.browser, pytest.mark.provider, pytest.mark.slow]

MOST_CLICKS, MOST_PASTES, MOST_SECONDS = 14, 3, 120
EMERGENCY_PASSWORD = "a password kept in the safe"


class CountingMouse(Mouse):
    """Counts what the portal asks of a person: every press and choice, and every value brought over."""

    def __init__(self) -> None:
        self.clicks: list[str] = []
        self.pastes = 0

    def press(self, target: Locator) -> None:
        self.clicks.append((target.get_attribute("aria-label") or target.inner_text()).strip())
        super().press(target)

    def choose(self, target: Locator, label: str) -> None:
        self.clicks.append(f"choose {label}")
        super().choose(target, label)

    def tick(self, target: Locator) -> None:
        self.clicks.append("tick")
        super().tick(target)


class Robot(Someone):
    """An administrator who does no more than the pages lead to."""

    def paste(self, label: str, text: str) -> None:
        if isinstance(self.hands, CountingMouse):
            self.hands.pastes += 1
        self.write(label, text)

    def type_code(self, app: pyotp.TOTP, *, after: str = "") -> str:
        """Wait for a code that was not used yet, as a person at the app does."""
        while (code := app.now()) == after:
            time.sleep(0.2)
        self.write("Code", code)
        return code


def bare_client(suffix: str) -> dict[str, Any]:
    """The flag on, two administrators with passwords, a user, an agent; nothing of a provider."""
    client = stage.globex(suffix)
    client["features"] = {"single_sign_on": {"enabled": True, "ticket": "T-1"}}
    second = {"user_name": "second", "role": "SYSADMIN", "email": f"second@{suffix}.globex.example"}
    names = {"first_name": "Second", "last_name": "Admin"}
    client["users"].append({**second, **names, "password": stage.by_password()})
    return client


@pytest.fixture(params=["mouse", "without-script", "keyboard"])
def make_robot(request: pytest.FixtureRequest, browser: Any) -> Callable[[Any], Robot]:
    def make(portal: Any) -> Robot:
        page = browser.new_page(has_script=request.param != "without-script")
        return Robot(page, portal, Keyboard(page) if request.param == "keyboard" else CountingMouse())

    return make


def test_from_a_bare_client_to_required_single_sign_on(
    oidc_provider: Any, make_portal: Any, make_robot: Callable[[Any], Robot], someone: Any
) -> None:
    suffix = f"x{secrets.token_hex(4)}"
    person = oidc_provider.add_person(f"admin@{suffix}.globex.example")
    agent_person = oidc_provider.add_person(f"agent.one@{suffix}.globex.example")
    portal = make_portal([stage.operator(), bare_client(suffix)], providers=[oidc_provider])
    robot = make_robot(portal)
    robot.sign_in_with_password("portal", "globex", "admin")
    if isinstance(robot.hands, CountingMouse):
        robot.hands.clicks.clear()
    started = time.monotonic()

    # Home leads to the set-up, the guide to the provider's application.
    robot.press("Set up single sign-on", "link")
    robot.press(CONFIDENTIAL.link, "link")
    application = oidc_provider.register(robot.copy_urls(), authentication=BASIC)
    robot.paste("Authorization ID", application.client_id)
    robot.paste("Authorization Secret", application.client_secret)
    robot.paste("Issuer URL", oidc_provider.issuer)
    robot.press("Save draft")

    # Both hosts are tested, one straight after the other, and enabled from the last result.
    robot.press("Test on the portal host")
    oidc_provider.sign_in_by_hand(robot.page, person)
    robot.reads("This works.")
    robot.press("Test on the agent host")
    robot.reads("Nobody: no agent")
    robot.press("Enable Single Sign On")
    robot.reads("Single Sign On is enabled.")

    # The way back first, then the requirement, then its proof.
    robot.press("Prepare emergency access", "link")
    expect(robot._field("Account").locator("option:checked")).to_contain_text("Second Admin")
    robot.press("Name an account")
    app = pyotp.TOTP(robot.page.get_by_label("Key", exact=True).input_value().replace(" ", ""))
    robot.write("Password", EMERGENCY_PASSWORD)
    robot.write("Password again", EMERGENCY_PASSWORD)
    used = robot.type_code(app)
    robot.press("Set up")
    robot.reads("Rehearse it now")
    robot.write("Password", EMERGENCY_PASSWORD)
    robot.type_code(app, after=used)
    robot.press("Sign in")
    robot.is_at("portal", f"{SECURITY}/enforce")
    robot.press("Change password sign-in")
    robot.reads("Not proven yet.")
    robot.press("Sign in through the provider now", "link")
    robot.lands("portal", "Globex Admin")
    seconds = time.monotonic() - started

    if isinstance(robot.hands, CountingMouse):
        assert len(robot.hands.clicks) <= MOST_CLICKS, robot.hands.clicks
        assert robot.hands.pastes <= MOST_PASTES
    assert seconds < MOST_SECONDS
    assert robot.watch.complaints == []
    # It holds, on both hosts: the password is refused, the provider signs in.
    user, agent = someone(portal), someone(portal)
    for visitor, audience, name in ((user, "portal", "User Name"), (agent, "agent", "Logon ID")):
        visitor.visit(audience, "/sign-in?way=code")
        visitor.write("Client Code", "globex")
        visitor.write(name, "admin" if audience == "portal" else "agent.one")
        visitor.write("Password", "a password for journeys")
        visitor.press("Sign in")
        visitor.reads("Globex signs in through your sign-in provider.")
    agent.visit("agent", "/sso/globex")
    oidc_provider.sign_in_by_hand(agent.page, agent_person)
    agent.lands("agent", "Agent One")
    robot.visit("portal", f"{SECURITY}/enforce")
    expect(robot.page.locator("body")).not_to_contain_text("Not proven yet.")
