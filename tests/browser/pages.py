"""Every page there is to look at, and how one gets there: for the tests of the look and the pictures."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.browser import demo_journey
from tests.browser.someone import CONFIDENTIAL, SECURITY, Someone
from tests.browser.stage import Demo
from tests.providers.common import BASIC, RegisteredClient


@dataclass(frozen=True, slots=True)
class View:
    """One page. ``reach`` ends on it, from a browser nobody is signed in with."""

    name: str
    reach: Callable[[Demo, Someone], None]


def _at(audience: str, path: str) -> Callable[[Demo, Someone], None]:
    return lambda demo, someone: someone.visit(audience, path)


def _as(
    client: str,
    name: str,
    path: str,
    then: Callable[[Demo, Someone], None] | None = None,
    host: str = "portal",
) -> Callable[[Demo, Someone], None]:
    def reach(demo: Demo, someone: Someone) -> None:
        someone.sign_in_with_password(host, client, name)
        if path != "/":
            someone.visit(host, path)
        if then is not None:
            then(demo, someone)

    return reach


def _wrong_password(demo: Demo, someone: Someone) -> None:
    someone.visit("portal", "/sign-in?way=code")
    someone.write("Client Code", "globex")
    someone.write("User Name", "nobody")
    someone.write("Password", "wrong")
    someone.press("Sign in")
    someone.page.locator("#summary").wait_for()


def _empty_form(demo: Demo, someone: Someone) -> None:
    someone.visit("agent", "/sign-in?way=code")
    someone.press("Sign in")
    someone.page.locator("#summary").wait_for()


def _remembered(demo: Demo, someone: Someone) -> None:
    _agent_through_provider(demo, someone)
    someone.sign_out()
    someone.press("Sign in again", "link")


def _signed_out(demo: Demo, someone: Someone) -> None:
    _agent_through_provider(demo, someone)
    someone.sign_out()


def _agent_through_provider(demo: Demo, someone: Someone) -> None:
    someone.visit("agent", "/sso/acme")
    demo_journey.choose_person(someone, "agent.one@acme.example")
    someone.lands("agent", "Agent One")


def _refused(demo: Demo, someone: Someone) -> None:
    someone.visit("portal", "/sso/acme")
    someone.page.get_by_text("Play a failure").click()
    someone.page.get_by_label("Not assigned").check()
    demo_journey.choose_person(someone, "manager@acme.example")
    someone.reads("You are not signed in")


def fill_in(demo: Demo, someone: Someone, *, client_id: str = "lv-portal-globex") -> None:
    """Fill in step 3 as Globex would, and check it: the application does not exist at the provider."""
    client = RegisteredClient(client_id, "x" * 43, BASIC, ())
    someone.read_instructions(CONFIDENTIAL)
    someone.paste_values(client, demo.issuer)
    someone.check()


def _wrong_issuer(demo: Demo, someone: Someone) -> None:
    someone.read_instructions(CONFIDENTIAL)
    someone.paste_values(RegisteredClient("x", "x" * 43, BASIC, ()), demo.issuer + "/")
    someone.check()


def _nothing_filled_in(demo: Demo, someone: Someone) -> None:
    someone.press("Save draft")
    someone.page.locator("#summary").wait_for()


def _about_to_turn_off(demo: Demo, someone: Someone) -> None:
    someone.press("Turn off Single Sign On")


def _care_about_to_turn_off(demo: Demo, someone: Someone) -> None:
    someone.write("Ticket", "T-1")
    someone.press("Turn off")


def _menu(demo: Demo, someone: Someone) -> None:
    someone.page.locator("details.menu > summary").click()


def _guide(provider: str, kind: str) -> str:
    return f"{SECURITY}?provider={provider}&type={kind}"


def _console(path: str) -> Callable[[Demo, Someone], None]:
    def reach(demo: Demo, someone: Someone) -> None:
        someone.page.goto(demo.issuer + path)

    return reach


def _choosing(demo: Demo, someone: Someone) -> None:
    someone.visit("agent", "/sso/acme")
    someone.page.get_by_text("Play a failure").click()


IMPORT = "/configure/agents/import"
A_FILE_WITH_FAULTS = """Logon ID;E-mail;Shoe Size;Team;Active;Extension
agent.one;agent.one@globex.example;42;Support;yes;4711
desk_200;desk.200@globex.example;43;Support;yes;0200
Desk 201;nobody;44;Sales;perhaps;1
desk_202;desk.200@globex.example;44;Sales;yes;
desk_{n};;44;Sales;no;
"""
_numbers = itertools.count(300)


def _import(demo: Demo, someone: Someone) -> None:
    # Somebody new each time: the same file a second time would change nothing.
    content = A_FILE_WITH_FAULTS.format(n=next(_numbers))
    file = {"name": "agents.csv", "mimeType": "text/csv", "buffer": content.encode()}
    someone.page.get_by_label("CSV file").set_input_files(file)  # type: ignore[arg-type]  # a plain dict
    someone.press("Check the file")
    someone.page.get_by_role("heading", name="Check agents.csv").wait_for()


def _import_done(demo: Demo, someone: Someone) -> None:
    _import(demo, someone)
    someone.press(re.compile("^Import . valid row"))
    someone.page.get_by_role("heading", name="Imported agents.csv").wait_for()


def _import_nothing(demo: Demo, someone: Someone) -> None:
    someone.page.get_by_label("CSV file").set_input_files(
        {"name": "wrong.csv", "mimeType": "text/csv", "buffer": b"Email\nagent.one@globex.example\n"}
    )
    someone.press("Check the file")
    someone.page.locator("#summary").wait_for()


def _first_person(demo: Demo, someone: Someone) -> None:
    someone.page.locator("td.table-title a").first.click()
    someone.page.locator(".crumbs li").nth(2).wait_for()


def _claim_a_domain(demo: Demo, someone: Someone) -> None:
    someone.write("Domain", f"looks-{next(_numbers)}.globex.example")
    someone.press("Add domain")
    someone.page.locator("input[value^='lvportal-verification=']").first.wait_for()


def _first_record(demo: Demo, someone: Someone) -> None:
    someone.page.locator("a.ref").first.click()
    someone.page.locator(".crumbs li").nth(2).wait_for()


def _refused_and_looked_up(demo: Demo, someone: Someone) -> None:
    _refused(demo, someone)
    _as("acme", "sysadmin", "/monitor/sign-ins", _first_record)(demo, someone)


def _asked_for_the_code(demo: Demo, someone: Someone) -> str:
    """Open a new set-up link; the value is its code."""
    _as("globex", "sysadmin", f"{SECURITY}/setup-links")(demo, someone)
    someone.write("For whom", f"Provider team {next(_numbers)}")
    someone.press("Make link")
    link = someone.page.locator("#setup-link").input_value()
    code = someone.page.locator("#setup-code").input_value()
    someone.page.goto(link)
    return code


def _test_result(demo: Demo, someone: Someone) -> None:
    someone.press("Test on the portal host")
    demo_journey.choose_person(someone, "sysadmin@acme.example")
    someone.reads("Who would be signed in")


def _emergency_account(demo: Demo, someone: Someone) -> None:
    named = someone.page.locator("main section.card a")
    if named.count():  # by an earlier visit
        named.first.click()
    else:
        someone.press("Name an account")
    someone.page.get_by_role("heading", name="Authenticator app").wait_for()


def _about_to(act: str) -> Callable[[Demo, Someone], None]:
    def ask(demo: Demo, someone: Someone) -> None:
        someone.page.locator("input[name=ids]").first.check()
        someone.press(act)
        someone.page.locator(".confirm").wait_for()

    return ask


def _setup_code(demo: Demo, someone: Someone) -> None:
    _asked_for_the_code(demo, someone)


def _setup_steps(demo: Demo, someone: Someone) -> None:
    code = _asked_for_the_code(demo, someone)
    someone.write("Code", code)
    someone.press("Continue")
    someone.page.get_by_role("button", name="Check").wait_for()


OF_THE_PORTAL = (
    View("sign-in-email", _at("portal", "/sign-in?return_to=/configure/client/security")),
    View("sign-in-code", _at("portal", "/sign-in?way=code")),
    View("sign-in-wrong", _wrong_password),
    View("agent-sign-in-empty", _empty_form),
    View("agent-sign-in-remembered", _remembered),
    View("agent-signed-out", _signed_out),
    View("failure", _refused),
    View("single-sign-on-off", _at("portal", "/sso/globex")),
    View("not-found", _at("portal", "/nothing-here")),
    View("agent-not-found", _at("agent", "/configure/client/security")),
    View("home-live", _as("acme", "sysadmin", "/", _menu)),
    View("home-off", _as("globex", "sysadmin", "/")),
    View("home-manager", _as("globex", "manager", "/")),
    View("role-refused", _as("globex", "manager", SECURITY)),
    View("billing-on", _as("acme", "sysadmin", "/configure/client/billing")),
    View("billing-off", _as("globex", "sysadmin", "/configure/client/billing")),
    View("security-start", _as("globex", "sysadmin", SECURITY)),
    View("security-okta-native", _as("globex", "sysadmin", _guide("okta", "native"))),
    View("security-entra", _as("globex", "sysadmin", _guide("entra", "web"))),
    View("security-report", _as("globex", "sysadmin", SECURITY, fill_in)),
    View("security-wrong-issuer", _as("globex", "sysadmin", SECURITY, _wrong_issuer)),
    View("security-errors", _as("globex", "sysadmin", SECURITY, _nothing_filled_in)),
    View("security-live", _as("acme", "sysadmin", SECURITY)),
    View("security-reader", _as("globex", "auditor", SECURITY)),
    View("security-turn-off", _as("acme", "sysadmin", SECURITY, _about_to_turn_off)),
    View("security-google", _as("globex", "sysadmin", _guide("google", "web"))),
    View("security-adfs", _as("globex", "sysadmin", _guide("adfs", "web"))),
    View("security-said", _as("globex", "sysadmin", f"{SECURITY}/errors")),
    View("security-secret", _as("acme", "sysadmin", f"{SECURITY}/secret")),
    View("security-enforce", _as("acme", "sysadmin", f"{SECURITY}/enforce")),
    View("security-emergency", _as("acme", "sysadmin", f"{SECURITY}/emergency")),
    View("sign-in-emergency", _at("portal", "/sign-in/emergency")),
    View("security-readiness", _as("globex", "sysadmin", f"{SECURITY}/readiness")),
    View("security-matching", _as("acme", "sysadmin", f"{SECURITY}/matching")),
    View("security-test-result", _as("acme", "sysadmin", SECURITY, _test_result)),
    View("security-emergency-account", _as("acme", "sysadmin", f"{SECURITY}/emergency", _emergency_account)),
    View("security-compare", _as("acme", "sysadmin", f"{SECURITY}/compare?one=1&other=1")),
    View("users-deactivate", _as("globex", "sysadmin", "/configure/users", _about_to("Deactivate…"))),
    View(
        "agents-single-sign-on-only",
        _as("globex", "manager", "/configure/agents", _about_to("Single sign-on only…")),
    ),
    View("security-domains", _as("globex", "sysadmin", f"{SECURITY}/domains", _claim_a_domain)),
    View("security-setup-links", _as("globex", "sysadmin", f"{SECURITY}/setup-links")),
    View("setup-code", _setup_code),
    View("setup-steps", _setup_steps),
    View("users", _as("globex", "sysadmin", "/configure/users")),
    View("users-none", _as("globex", "sysadmin", "/configure/users?q=nothing-fits")),
    View("user", _as("globex", "sysadmin", "/configure/users", _first_person)),
    View("user-new", _as("globex", "sysadmin", "/configure/users/new")),
    View("users-import", _as("globex", "sysadmin", "/configure/users/import")),
    View("users-import-preview", _as("globex", "sysadmin", "/configure/users/import", _import)),
    View("agent-new", _as("globex", "manager", "/configure/agents/new")),
    View("agents", _as("globex", "manager", "/configure/agents")),
    View("agent", _as("globex", "manager", "/configure/agents", _first_person)),
    View("sign-ins", _as("acme", "sysadmin", "/monitor/sign-ins")),
    View("sign-in-record", _refused_and_looked_up),
    View("sessions-end", _as("globex", "sysadmin", "/monitor/sessions/end")),
    View("sessions", _as("globex", "sysadmin", "/monitor/sessions")),
    View("audit", _as("globex", "sysadmin", "/monitor/audit")),
    View("care-sign-ins", _as("operator", "care", "/care/sign-ins")),
    View("import", _as("globex", "manager", IMPORT)),
    View("import-wrong-file", _as("globex", "manager", IMPORT, _import_nothing)),
    View("import-preview", _as("globex", "manager", IMPORT, _import)),
    View("import-done", _as("globex", "manager", IMPORT, _import_done)),
    View("profile", _as("globex", "manager", "/profile")),
    View("care-home", _as("operator", "care", "/")),
    View("care-clients", _as("operator", "care", "/care/clients")),
    View("care-clients-none", _as("operator", "care", "/care/clients?q=nothing-fits")),
    View("care-billing", _as("operator", "care", "/care/clients/globex/billing")),
    View("care-turn-off", _as("operator", "care", "/care/clients/acme/billing", _care_about_to_turn_off)),
    View("agent-home", _agent_through_provider),
    View("agent-profile", _as("globex", "agent.one", "/profile", host="agent")),
)
OF_THE_DEMO = (
    View("demo-home", _console("/")),
    View("demo-new", _console("/applications/new")),
    View("demo-application", _console("/applications/lv-portal-acme")),
    View("demo-choose", _choosing),
)
EVERY = OF_THE_PORTAL + OF_THE_DEMO

# Every address that shows a page, by audience and rule, and one view that ends there.
SEEN_IN = {
    ("portal", "/"): "home-live",
    ("portal", "/care/clients"): "care-clients",
    ("portal", "/care/clients/<code>/billing"): "care-billing",
    ("portal", "/care/sign-ins"): "care-sign-ins",
    ("portal", "/configure/agents"): "agents",
    ("portal", "/configure/agents/<account_id>"): "agent",
    ("portal", "/configure/agents/import"): "import",
    ("portal", "/configure/agents/import/<import_id>"): "import-preview",
    ("portal", "/configure/agents/new"): "agent-new",
    ("portal", "/configure/client/billing"): "billing-on",
    ("portal", "/configure/client/security"): "security-start",
    ("portal", "/configure/client/security/compare"): "security-compare",
    ("portal", "/configure/client/security/domains"): "security-domains",
    ("portal", "/configure/client/security/emergency"): "security-emergency",
    ("portal", "/configure/client/security/emergency/<account_id>"): "security-emergency-account",
    ("portal", "/configure/client/security/enforce"): "security-enforce",
    ("portal", "/configure/client/security/errors"): "security-said",
    ("portal", "/configure/client/security/matching"): "security-matching",
    ("portal", "/configure/client/security/readiness"): "security-readiness",
    ("portal", "/configure/client/security/secret"): "security-secret",
    ("portal", "/configure/client/security/setup-links"): "security-setup-links",
    ("portal", "/configure/client/security/test/<reference>"): "security-test-result",
    ("portal", "/configure/users"): "users",
    ("portal", "/configure/users/<account_id>"): "user",
    ("portal", "/configure/users/import"): "users-import",
    ("portal", "/configure/users/import/<import_id>"): "users-import-preview",
    ("portal", "/configure/users/new"): "user-new",
    ("portal", "/monitor/audit"): "audit",
    ("portal", "/monitor/sessions"): "sessions",
    ("portal", "/monitor/sessions/end"): "sessions-end",
    ("portal", "/monitor/sign-ins"): "sign-ins",
    ("portal", "/monitor/sign-ins/<reference>"): "sign-in-record",
    ("portal", "/profile"): "profile",
    ("portal", "/setup/<token>"): "setup-code",
    ("portal", "/sign-in"): "sign-in-code",
    ("portal", "/sign-in/emergency"): "sign-in-emergency",
    ("portal", "/sso/<client_code>"): "single-sign-on-off",
    ("agent", "/"): "agent-home",
    ("agent", "/profile"): "agent-profile",
    ("agent", "/sign-in"): "agent-sign-in-remembered",
    ("agent", "/signed-out"): "agent-signed-out",
}
# No view ends there yet: why.
NOT_SEEN = {
    ("portal", "/setup/test/<reference>"): "needs a draft that a guest has sent; not looked at yet",
    ("portal", "/signed-out"): "the template of the agent host's, which is looked at",
    ("portal", "/sso/<client_code>/test"): "leads to the provider or to the failure page",
    ("agent", "/sso/<client_code>/test"): "leads to the provider or to the failure page",
    ("agent", "/sso/<client_code>"): "leads to the provider or to the failure page",
}
