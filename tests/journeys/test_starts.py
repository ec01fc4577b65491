"""Starts: by a tile, by a third party, by a flood; and where one lands afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.journeys.stage import HOSTS, Browser, Client, Stage, assert_refused, assert_signed_in, quoted
from tests.providers.hostile import HostileProvider

PORTAL = f"http://{HOSTS['portal']}"


def asked(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query, keep_blank_values=True))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda issuer: issuer + "/",
        lambda issuer: issuer.upper(),
        lambda issuer: "https://evil.example",
        lambda issuer: "",
        lambda issuer: "null",
        lambda issuer: "x" * 20_000,
    ],
    ids=["slash", "case", "elsewhere", "empty", "null", "long"],
)
def test_a_third_party_start_names_the_issuer_exactly(
    hostile: HostileProvider, acme: Client, browser: Browser, wrong: Callable[[str], str]
) -> None:
    query = f"iss={quoted(wrong(hostile.issuer))}"
    assert_refused(
        browser, lambda: browser.begin(query=query), "sign_in.initiator", status=400, is_recorded=False
    )

    assert_signed_in(browser, browser.sign_in(query=f"iss={quoted(hostile.issuer)}"))


def test_a_third_party_start_may_be_posted(hostile: HostileProvider, acme: Client, browser: Browser) -> None:
    refused = browser.post("/sso/acme", {"iss": "https://evil.example"}, cross_site=True)
    assert (refused.status, refused.code) == (400, "sign_in.initiator")

    departure = browser.post(
        "/sso/acme", {"iss": hostile.issuer, "login_hint": "ada@acme.example"}, cross_site=True
    )
    assert asked(departure.location)["login_hint"] == "ada@acme.example"
    assert_signed_in(browser, browser.answer(browser.ask_provider(departure)))


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        f"http://{HOSTS['agent']}/",
        f"https://{HOSTS['portal']}/",
        "http://portal.localhost/",
        f"{PORTAL}.evil.example/",
        f"{PORTAL}@evil.example/",
        f"http://user@{HOSTS['portal']}/",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://[::1",
        "/profile",
        "x" * 100_000,
        "\x00",
    ],
)
def test_a_target_off_this_host_is_refused(acme: Client, browser: Browser, target: str) -> None:
    query = f"target_link_uri={quoted(target)}"
    assert_refused(
        browser, lambda: browser.begin(query=query), "sign_in.initiator", status=400, is_recorded=False
    )

    query = f"target_link_uri={quoted(PORTAL + '/profile?x=1')}"
    assert_signed_in(browser, browser.sign_in(query=query), to="/profile?x=1")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/x\r\nSet-Cookie: a=b",
        "/é",
        "/" + "x" * 5000,
        "/sign-in?return_to=//evil.example",
        "/sign-out",
        "/sso/globex",
        "/\x00",
    ],
)
def test_a_target_with_a_trick_in_its_path_leads_home(acme: Client, browser: Browser, path: str) -> None:
    reply = browser.sign_in(query=f"target_link_uri={quoted(PORTAL + path)}")

    assert_signed_in(browser, reply, to="/")
    assert not any("\n" in value for _, value in reply.headers)


@pytest.mark.parametrize("name", ["iss", "target_link_uri", "login_hint"])
def test_a_repeated_parameter_of_a_start_is_refused(
    hostile: HostileProvider, acme: Client, browser: Browser, name: str
) -> None:
    value = {"iss": hostile.issuer, "target_link_uri": PORTAL + "/", "login_hint": "ada@acme.example"}[name]
    pair = f"{name}={quoted(value)}"
    assert_refused(
        browser,
        lambda: browser.begin(query=f"{pair}&{pair}"),
        "sign_in.initiator",
        status=400,
        is_recorded=False,
    )

    assert_signed_in(browser, browser.sign_in(query=pair))


def test_a_parameter_in_query_and_form_is_repeated(
    hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    refused = browser.post(f"/sso/acme?iss={quoted(hostile.issuer)}", {"iss": "https://evil.example"})
    assert (refused.status, refused.code) == (400, "sign_in.initiator")

    assert browser.post(f"/sso/acme?iss={quoted(hostile.issuer)}", {"x": "y"}).status == 303


@pytest.mark.parametrize("hint", ["a" * 255, "a\x00b", "a\nb", "\u202egnp", "a\x7f"])
def test_a_hint_that_cannot_be_shown_is_refused(acme: Client, browser: Browser, hint: str) -> None:
    query = f"login_hint={quoted_utf8(hint)}"
    assert_refused(
        browser, lambda: browser.begin(query=query), "sign_in.initiator", status=400, is_recorded=False
    )

    assert_signed_in(browser, browser.sign_in(query="login_hint=ada%40acme.example"))


def quoted_utf8(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


EXTRA: dict[str, Any] = {
    "scope": "openid offline_access admin",
    "prompt": "none",
    "redirect_uri": "https://evil.example/",
    "client_id": "evil",
    "response_type": "id_token",
    "response_mode": "fragment",
    "nonce": "chosen",
    "max_age": "0",
    "request": "e30.e30.",
    "request_uri": "https://evil.example/",
    "code_challenge": "chosen",
    "code_challenge_method": "plain",
    "acr_values": "low",
    "claims": "{}",
    "message": "Call 0800 123",
    "return_to": "//evil.example",
    "next": "//evil.example",
}


def test_a_start_reads_three_parameters_and_nothing_else(acme: Client, browser: Browser) -> None:
    plain = asked(browser.begin().location)

    query = "&".join(f"{name}={quoted(value)}" for name, value in EXTRA.items())
    with_extra = asked(browser.begin(query=query).location)

    fresh = ("state", "nonce", "code_challenge")
    assert {n: v for n, v in with_extra.items() if n not in fresh} == {
        n: v for n, v in plain.items() if n not in fresh
    }
    assert all(with_extra[name] != plain[name] != EXTRA.get(name) for name in fresh)
    assert plain["redirect_uri"] == PORTAL + "/sso/acme"
    assert (plain["response_type"], plain["scope"], plain["code_challenge_method"]) == (
        "code",
        "openid email profile",
        "S256",
    )


def test_a_hint_is_one_value_whatever_it_holds(acme: Client, browser: Browser) -> None:
    location = browser.begin(query=f"login_hint={quoted('x&redirect_uri=https://evil.example#')}").location

    pairs = parse_qsl(urlsplit(location).query)
    assert [value for name, value in pairs if name == "redirect_uri"] == [PORTAL + "/sso/acme"]
    assert dict(pairs)["login_hint"] == "x&redirect_uri=https://evil.example#"
    assert not urlsplit(location).fragment


def test_an_id_token_from_a_tile_starts_a_sign_in_and_proves_nothing(
    hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    """Okta's other tile flow posts an ID token without a state: unsolicited, so worth nothing."""
    departure = browser.post("/sso/acme", {"id_token": "e30.e30.x"}, cross_site=True)

    assert departure.status == 303
    assert departure.location.startswith(hostile.issuer)
    assert not browser.is_signed_in()
    assert_signed_in(browser, browser.answer(browser.ask_provider(departure)))


@pytest.mark.parametrize(
    "code",
    [
        "nobody",
        "ACME",
        "acme ",
        " acme",
        "acme/",
        "acme%00",
        "%00",
        "acme%2F..%2Fglobex",
        "..",
        "x" * 5000,
        "%FF%FE",
        "'--",
    ],
)
def test_an_unknown_client_is_refused_alike(acme: Client, browser: Browser, code: str) -> None:
    before = browser.stage.rows()

    page = browser.get(f"/sso/{code.replace(' ', '%20')}")

    assert (page.status, page.code) in {(404, "sign_in.unknown_client"), (404, "request.not_found")}
    assert browser.stage.rows() == before
    assert_signed_in(browser, browser.sign_in("acme"))


@pytest.mark.slow
def test_a_flood_of_starts_and_random_answers_writes_nothing(
    stage: Stage, acme: Client, browser: Browser
) -> None:
    before = stage.rows()

    for number in range(500):
        assert stage.browser().begin().status == 303
        stranger = stage.browser()
        assert (
            stranger.answer({"state": f"s{number}", "code": "x", "iss": stage.provider.issuer}).status == 403
        )

    assert stage.rows() == before
    assert_signed_in(browser, browser.sign_in())


def test_a_start_asks_the_provider_for_its_document_once(
    hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    for _ in range(20):
        browser.begin()

    assert len(hostile.requests) == 1


@pytest.mark.parametrize("path", ["/profile", "/configure/client/security?provider=okta", "/"])
def test_a_closed_page_is_opened_after_the_sign_in(acme: Client, browser: Browser, path: str) -> None:
    turned_away = browser.get(path)
    assert turned_away.path == "/sign-in"

    target = dict(parse_qsl(urlsplit(turned_away.location).query)).get("return_to", "/")
    assert target == path


@pytest.mark.parametrize(
    "path", ["//evil.example", "/%5Cevil.example", "/%0d%0aSet-Cookie:x=y", "/%09/evil.example"]
)
def test_no_path_becomes_a_redirect_to_elsewhere(acme: Client, browser: Browser, path: str) -> None:
    reply = browser.get(path)

    assert not any("\n" in value for _, value in reply.headers)
    assert reply.status in (303, 308, 404)
    if reply.location:
        parts = urlsplit(reply.location)
        assert parts.netloc in ("", HOSTS["portal"])
        assert not reply.location.startswith("//")


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "/%09/x", "javascript:x"]
)
def test_the_sign_in_page_leads_nowhere_else(acme: Client, browser: Browser, target: str) -> None:
    page = browser.get(f"/sign-in?return_to={quoted(target)}")
    assert page.status == 200
    assert "evil.example" not in page.text
    assert "javascript:x" not in page.text

    browser.sign_in()
    assert browser.get(f"/sign-in?return_to={quoted(target)}").location in ("/", "/%09/x")
