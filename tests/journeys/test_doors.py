"""Every route of both hosts, taken from the app itself: what is not declared open is closed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.routing import Rule

from lvportal.models.accounts import ROLES
from lvportal.web.access import Permission
from tests.journeys.stage import FORM, HOSTS, Browser, Client, Reply, Stage, assert_signed_in
from tests.providers.hostile import HostileProvider

VALUES = {
    "client_code": "acme",
    "code": "acme",
    "filename": "logo.svg",
    # These name a row, and here there is none.
    "account_id": "1000000",
    "claim_id": "1000000",
    "import_id": "1000000",
    "link_id": "1000000",
    "session_id": "1000000",
    "reference": "7KQ2M9DX",
    "token": "t" * 43,
}
OF_THE_CLIENT = ("client_code", "code", "filename")
NEEDS_A_QUERY = ("/configure/client/security/compare",)

# What anybody may open. A line more here is a decision.
OPEN = {
    "/static/<path:filename>",
    "/sign-in",
    # Password and second factor of an account named in advance: tests/portal/test_emergency.py.
    "/sign-in/emergency",
    "/sign-out",
    "/signed-out",
    "/sso/<client_code>",
    "/sso/<client_code>/test",
    # By a link that administrators make and end: tests/portal/test_setup_links.py.
    "/setup/<token>",
    "/setup/<token>/code",
    "/setup/<token>/secret",
    "/setup/<token>/test",
    "/setup/test/<reference>",
    "/setup/<token>/values",
}


@dataclass(frozen=True, slots=True)
class Door:
    """One route on one host with one method."""

    audience: str
    rule: str
    path: str
    method: str
    is_public: bool
    permission: Permission | None
    names_a_row: bool  # of which there is none: 404 is the answer to those who may ask

    def __str__(self) -> str:
        return f"{self.method} {self.audience}{self.rule}"


def doors(stage: Stage) -> Iterator[Door]:
    audience_of = {host: audience for audience, host in HOSTS.items()}
    for rule in stage.app.url_map.iter_rules():
        view = stage.app.view_functions[rule.endpoint]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Door(
                audience=audience_of[rule.host or ""],
                rule=rule.rule,
                path=path_of(rule),
                method=method,
                is_public=getattr(view, "is_public", False),
                permission=getattr(view, "permission", None),
                names_a_row=rule.rule in NEEDS_A_QUERY
                or any(name not in OF_THE_CLIENT for name in rule.arguments),
            )


def path_of(rule: Rule) -> str:
    return re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", lambda found: VALUES[found[1]], rule.rule)


def knock(browser: Browser, door: Door, fields: dict[str, str] | None = None) -> Reply:
    if door.method == "GET":
        return browser.get(door.path, host=door.audience)
    return browser.post(door.path, fields or {}, host=door.audience)


def closed(stage: Stage) -> list[Door]:
    return [door for door in doors(stage) if not door.is_public]


def token_of(browser: Browser, host: str) -> str:
    return browser.get("/profile", host=host).hidden("csrf_token")


def test_what_is_open_was_decided(stage: Stage) -> None:
    assert {door.rule for door in doors(stage) if door.is_public} == OPEN
    assert len(closed(stage)) >= 10


def test_every_route_has_a_host(stage: Stage) -> None:
    assert {rule.host for rule in stage.app.url_map.iter_rules()} == set(HOSTS.values())


def test_a_closed_page_leads_to_the_sign_in_page_and_no_further(
    stage: Stage, acme: Client, browser: Browser
) -> None:
    for door in closed(stage):
        fields = {"csrf_token": browser.get("/sign-in?way=code", host=door.audience).hidden("csrf_token")}
        before = stage.rows()

        page = knock(browser, door, fields)

        assert (page.status, page.path) == (303, "/sign-in"), door
        assert stage.rows() == before, door
    assert_signed_in(browser, browser.sign_in())
    shut = {
        str(door): page.status
        for door in closed(stage)
        if (door.method, door.audience) == ("GET", "portal") and not door.path.startswith("/care")
        if (page := knock(browser, door)).status != (404 if door.names_a_row else 200)
    }
    assert shut == {}


def test_every_post_demands_a_token_of_this_session(stage: Stage, acme: Client, browser: Browser) -> None:
    for host in HOSTS:
        browser.sign_in(host=host)
    stranger = stage.browser()
    stranger.sign_in()
    for token in (None, "", "x", token_of(stranger, "portal")):
        fields = {} if token is None else {"csrf_token": token}
        for door in doors(stage):
            if door.method != "POST" or door.path.startswith(("/sso/", "/care/", "/setup/")):
                continue
            before = stage.rows()

            page = knock(
                browser, door, {**fields, "act": "check", "use_issuer": stage.provider.issuer, "way": "code"}
            )

            # 422 is a form that checks its own token and comes back filled in.
            allowed = (400, 404, 422) if door.names_a_row else (400, 422)
            assert page.status in allowed, door
            assert stage.rows() == before, door
            assert page.status == 404 or "page was open too long" in page.text, door
    assert all(browser.is_signed_in(host) for host in HOSTS)


def test_a_check_of_a_provider_needs_our_own_form(stage: Stage, acme: Client, browser: Browser) -> None:
    """Otherwise any page could make us call an address of its choice."""
    browser.sign_in()
    stage.portal.documents.forget(stage.provider.issuer)
    before = len(stage.provider.requests)
    fields = {
        "act": "check",
        "issuer": stage.provider.issuer,
        "use_issuer": stage.provider.issuer,
        "based_on": "1",
    }

    browser.post("/configure/client/security", fields, cross_site=True)
    browser.post("/configure/client/security", fields)
    assert len(stage.provider.requests) == before

    browser.post("/configure/client/security", {**fields, "csrf_token": token_of(browser, "portal")})
    assert len(stage.provider.requests) > before


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_what_its_permissions_say(stage: Stage, role: str) -> None:
    client = stage.client("acme")
    if role == "CARE":
        stage.account(
            stage.operator(),
            "portal",
            "care@operator.example",
            role=role,
            login="care",
            password="correct horse",
        )
    else:
        stage.user(client, "ada@acme.example", role=role)
    browser = stage.browser()
    if role == "CARE":
        browser.post_form(
            "/sign-in?way=code",
            {"way": "code", "client": "operator", "login_name": "care", "password": "correct horse"},
            to="/sign-in",
        )
    else:
        browser.sign_in()
    assert browser.is_signed_in()
    seen = set()

    for door in closed(stage):
        if door.audience != "portal":
            continue
        page = knock(browser, door, {"csrf_token": token_of(browser, "portal")})
        is_allowed = door.permission is None or role in door.permission.roles
        seen.add(is_allowed)

        if is_allowed:
            assert page.status in (200, 302, 303, 400, 404, 409, 422), door
        else:
            assert (page.status, page.code) == (403, "request.role"), door
    assert seen == {True, False}


def test_the_role_care_is_worth_nothing_outside_the_operators_client(stage: Stage, browser: Browser) -> None:
    """A client's provider vouches for whom it likes: none of them becomes our staff."""
    stage.user(stage.client("acme"), "ada@acme.example", role="CARE")
    assert_signed_in(browser, browser.sign_in())
    stage.client("globex")

    for path in ("/care/clients", "/care/clients/globex/billing"):
        page = browser.get(path)
        assert (page.status, page.code) == (403, "request.role")


def test_an_administrator_sees_nothing_of_another_client(
    stage: Stage, acme: Client, globex: Client, browser: Browser
) -> None:
    browser.sign_in()

    for path in ("/", "/profile", "/configure/client/security", "/configure/client/billing"):
        page = browser.get(path)
        assert page.status == 200
        assert "Acme Ltd" in page.text
        assert "globex" not in page.text.lower()
        assert globex.application.client_id not in page.text


@pytest.mark.parametrize("path", ["/configure/client/security", "/profile", "/", "/configure/client/billing"])
def test_no_page_shows_the_secret(stage: Stage, acme: Client, browser: Browser, path: str) -> None:
    browser.sign_in()

    page = browser.get(path)

    assert page.status == 200
    assert (acme.application.client_secret or "") not in page.text


# --- Headers ------------------------------------------------------------------------

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def assert_headers(page: Reply, what: object) -> None:
    names = [name.lower() for name, _ in page.headers]
    for name, value in HEADERS.items():
        assert page.header(name) == value, (what, name)
    policy = page.header("content-security-policy")
    assert "default-src 'none'" in policy, what
    assert "frame-ancestors 'none'" in policy, what
    assert "unsafe" not in policy, what
    assert "*" not in policy, what
    assert names.count("content-security-policy") == 1, what
    assert "server" not in names, what
    assert "x-powered-by" not in names, what


def test_every_answer_has_its_headers(stage: Stage, acme: Client, browser: Browser) -> None:
    signed_in = stage.browser()
    for host in HOSTS:
        signed_in.sign_in(host=host)

    for door in doors(stage):
        for person in (browser, signed_in):
            page = knock(person, door)
            assert_headers(page, door)
            if not door.path.startswith("/static/"):
                assert page.header("cache-control") == "no-store", door


def test_every_error_has_its_headers(stage: Stage, acme: Client, browser: Browser) -> None:
    pages = {
        400: browser.post("/sign-out", {}),
        403: browser.get("/sso/acme?state=x"),
        404: browser.get("/nowhere"),
        405: browser.get("/sign-out"),
        413: browser.open("POST", "/sso/acme", body=b"x" * 300_000, content_type=FORM),
    }
    for status, page in pages.items():
        assert page.status == status
        assert_headers(page, status)
        assert page.header("cache-control") == "no-store"


def test_a_fault_of_ours_says_nothing_of_itself(stage: Stage, acme: Client, browser: Browser) -> None:
    def broken(**_: Any) -> str:
        raise RuntimeError("the inside of the house")

    broken.is_public = True  # type: ignore[attr-defined]
    endpoint = next(
        r.endpoint
        for r in stage.app.url_map.iter_rules()
        if r.rule == "/signed-out" and r.host == HOSTS["portal"]
    )
    stage.app.view_functions[endpoint] = broken

    page = browser.get("/signed-out")

    assert (page.status, page.code) == (500, "request.fault")
    assert page.reference is not None
    assert "inside of the house" not in page.text
    assert "Traceback" not in page.text
    assert_headers(page, 500)


def test_over_https_browsers_are_told_to_stay_there(
    make_stage: Callable[..., Stage], hostile: HostileProvider
) -> None:
    stage = make_stage(portal_origin="https://portal.example.com", agent_origin="https://agent.example.com")

    page = stage.call("GET", "/sign-in", headers=[("Host", "portal.example.com")])

    assert page.status == 200
    assert int(page.header("strict-transport-security").split("max-age=")[1].split(";")[0]) >= 31_536_000


INLINE = re.compile(
    rb"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:|https?://(?!portal\.localhost|agent\.localhost|127\.0\.0\.1|www\.w3\.org)"
)


def test_no_page_holds_what_the_policy_would_block(stage: Stage, acme: Client, browser: Browser) -> None:
    pages = {"/sso/acme?state=x": browser.get("/sso/acme?state=x"), "/nowhere": browser.get("/nowhere")}
    for host in HOSTS:
        pages |= {
            f"{host} {path}": browser.get(path, host=host)
            for path in ("/sign-in", "/sign-in?way=code", "/signed-out")
        }
        browser.sign_in(host=host)
    for door in closed(stage):
        if door.method == "GET":
            pages[str(door)] = knock(browser, door)

    for name, page in pages.items():
        found = INLINE.search(page.body)
        # Examples of addresses are text: what counts is what a browser would load or run.
        if found and found.group().startswith(b"http"):
            assert not re.search(rb'(?:src|href|action)="?' + re.escape(found.group()), page.body), name
        else:
            assert not found, (name, found)
