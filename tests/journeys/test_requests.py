"""Hostile requests: hosts, sizes, bytes that are no text, and headers that lie."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy.orm import Session

from lvportal.models import PersonSession
from tests.journeys.stage import FORM, HOSTS, Browser, Client, Reply, Stage, assert_signed_in
from tests.providers.hostile import HostileProvider

pytestmark = pytest.mark.slow

PORTAL = HOSTS["portal"]
TEN_MEGABYTES = b"x" * 10_000_000


# --- Hosts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "portal.localhost",
        "portal.localhost:80",
        "portal.localhost:8001",
        "portal.localhost:08000",
        "portal.localhost.:8000",
        "portal.localhost:8000.",
        "xportal.localhost:8000",
        "portal.localhost:8000.evil.example",
        "portal.localhost:8000@evil.example",
        "evil.example@portal.localhost:8000",
        "portal.localhost:8000/",
        "portal.localhost:8000, evil.example",
        "portal.localhost:8000,agent.localhost:8000",
        " portal.localhost:8000",
        "portal.localhost:8000\x00",
        "portal.localhost:8000#",
        "[::1]:8000",
        "127.0.0.1:8000",
        "localhost",
        "\xff\xfe",
        "x" * 10_000,
    ],
)
def test_an_unknown_host_is_refused_before_anything_runs(stage: Stage, acme: Client, host: str) -> None:
    before = stage.rows()

    for target in ("/", "/sso/acme", "/sso/acme?state=x", "/static/logo.svg", "/nowhere"):
        refused = stage.call("GET", target, headers=[("Host", host)])
        assert refused.status == 421
        assert not refused.cookies
        assert not refused.location
        assert host.encode("latin-1") not in refused.body

    assert stage.rows() == before
    assert not stage.provider.requests
    assert stage.call("GET", "/sso/acme", headers=[("Host", PORTAL)]).status == 303


def test_a_request_without_a_host_is_refused(stage: Stage, acme: Client) -> None:
    assert stage.call("GET", "/sso/acme").status == 400
    assert stage.call("GET", "/sso/acme", headers=[("Host", "")]).status == 400
    assert stage.call("GET", "/sso/acme", headers=[("Host", PORTAL)]).status == 303


def test_case_in_a_host_changes_nothing(stage: Stage, acme: Client) -> None:
    reply = stage.call("GET", "/sso/acme", headers=[("Host", "PORTAL.localhost:8000")])

    assert reply.status == 303
    assert "redirect_uri=http%3A%2F%2Fportal.localhost%3A8000%2Fsso%2Facme" in reply.location


@pytest.mark.parametrize(
    "header",
    [
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Forwarded-Server", "evil.example"),
        ("X-Original-Host", "evil.example"),
        ("X-Original-URL", "/profile"),
        ("X-Rewrite-URL", "/profile"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("Forwarded", "for=10.0.0.1;host=evil.example;proto=https"),
        ("X-Host", "evil.example"),
    ],
)
def test_a_header_does_not_choose_the_host(stage: Stage, acme: Client, header: tuple[str, str]) -> None:
    plain = stage.call("GET", "/sso/acme", headers=[("Host", PORTAL)])
    lying = stage.call("GET", "/sso/acme", headers=[("Host", PORTAL), header])

    def fixed(reply: Reply) -> str:
        return reply.location.split("&state=")[0]

    assert lying.status == plain.status == 303
    assert fixed(lying) == fixed(plain)
    assert "evil" not in lying.location


@pytest.mark.parametrize(
    "header",
    [
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Real-IP", "203.0.113.9"),
        ("Client-IP", "203.0.113.9"),
        ("Forwarded", "for=203.0.113.9"),
        ("X-Forwarded-User", "chief"),
        ("Remote-User", "chief"),
    ],
)
def test_a_header_says_neither_who_nor_from_where(
    stage: Stage, acme: Client, browser: Browser, header: tuple[str, str]
) -> None:
    assert browser.get("/profile", headers=[header]).status == 303
    answer = browser.ask_provider(browser.begin())
    query = "&".join(f"{name}={value}" for name, value in answer)

    assert_signed_in(browser, browser.get(f"/sso/acme?{query}", headers=[header]))

    assert stage.records()[0].address == "192.0.2.7"


def test_behind_a_declared_proxy_the_rightmost_stranger_counts(
    make_stage: Callable[..., Stage], hostile: HostileProvider
) -> None:
    hostile.add_person("ada@acme.example")
    stage = make_stage(trusted_proxies="192.0.2.0/24")
    stage.user(stage.client("acme"), "ada@acme.example")
    browser = stage.browser()
    answer = browser.ask_provider(browser.begin())
    query = "&".join(f"{name}={value}" for name, value in answer)

    browser.get(f"/sso/acme?{query}", headers=[("X-Forwarded-For", "127.0.0.1, 203.0.113.9, 192.0.2.8")])

    assert stage.records()[0].address == "203.0.113.9"


def test_a_page_of_one_host_does_not_exist_on_the_other(stage: Stage, acme: Client, browser: Browser) -> None:
    browser.sign_in(host="agent")
    browser.sign_in(host="portal")

    for path in ("/configure/client/security", "/configure/client/billing", "/care/clients"):
        page = browser.get(path, host="agent")
        assert (page.status, page.code) == (404, "request.not_found")
    assert browser.get("/configure/client/security").status == 200


# --- Sizes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/sso/acme", "/sign-in", "/sign-out", "/profile", "/configure/client/security"]
)
@pytest.mark.parametrize("content_type", [FORM, "multipart/form-data; boundary=x"])
def test_a_body_of_ten_megabytes_is_refused(
    stage: Stage, acme: Client, browser: Browser, path: str, content_type: str
) -> None:
    browser.sign_in()
    before = stage.rows()
    body = (
        b"a=" + TEN_MEGABYTES
        if content_type == FORM
        else b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + TEN_MEGABYTES + b"\r\n--x--\r\n"
    )

    page = browser.open("POST", path, body=body, content_type=content_type)

    assert (page.status, page.code) == (413, "request.too_large")
    assert stage.rows() == before
    assert browser.open("POST", path, body=b"a=b", content_type=FORM).status in (303, 400, 422)


def test_an_endless_body_without_a_length_is_read_to_the_limit_alone(stage: Stage, acme: Client) -> None:
    class Endless(BytesIO):
        read_bytes = 0

        def read(self, size: int | None = -1) -> bytes:
            assert self.read_bytes < 1_000_000, "read on and on"
            chunk = b"a" * (65536 if size is None or size < 0 else min(size, 65536))
            self.read_bytes += len(chunk)
            return chunk

        def readinto(self, buffer: Any) -> int:
            chunk = self.read(len(buffer))
            buffer[: len(chunk)] = chunk
            return len(chunk)

    page = stage.call(
        "POST",
        "/sso/acme",
        headers=[("Host", PORTAL), ("Content-Type", FORM), ("Transfer-Encoding", "chunked")],
        stream=Endless(),
    )

    assert page.status in (303, 413)


def test_a_hundred_thousand_fields_are_refused(stage: Stage, acme: Client, browser: Browser) -> None:
    answer = browser.ask_provider(browser.begin())
    state = dict(answer)["state"]
    body = f"state={state}&".encode() + b"a&" * 100_000

    reply = browser.post("/sso/acme", body)

    assert (reply.status, reply.code) == (403, "sign_in.answer_malformed")
    assert not browser.is_signed_in()
    assert_signed_in(browser, browser.sign_in())


def test_many_parts_are_refused(stage: Stage, acme: Client, browser: Browser) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'

    page = browser.open(
        "POST", "/sso/acme", body=part * 2000 + b"--x--\r\n", content_type="multipart/form-data; boundary=x"
    )

    assert (page.status, page.code) == (413, "request.too_large")


@pytest.mark.parametrize("name", ["state", "code", "iss", "error", "error_description", "login_hint", "x"])
def test_a_very_long_parameter_is_no_fault(acme: Client, browser: Browser, name: str) -> None:
    page = browser.get(f"/sso/acme?{name}={'x' * 200_000}")

    assert page.status in (303, 400, 403)
    assert_signed_in(browser, browser.sign_in())


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "9" * 40, ""])
def test_a_length_that_is_no_number_is_no_fault(stage: Stage, acme: Client, length: str) -> None:
    page = stage.call(
        "POST",
        "/sso/acme",
        headers=[("Host", PORTAL), ("Content-Type", FORM)],
        body=b"a=b",
        length=length,
    )

    assert page.status in (303, 400, 413)


# --- Bytes ------------------------------------------------------------------------

BAD_BYTES = [
    "%FF",
    "%00",
    "%ED%A0%80",
    "%C0%AF",
    "%F4%90%80%80",
    "%E2%80%AE",
    "%0D%0A",
    "%u0041",
    "%",
    "%2",
    "\xff",
]


@pytest.mark.parametrize("bad", BAD_BYTES)
def test_bytes_that_are_no_text_are_no_fault(stage: Stage, acme: Client, browser: Browser, bad: str) -> None:
    before = stage.rows()
    pages = [
        browser.get(target)
        for target in (
            f"/{bad}",
            f"/sso/{bad}",
            f"/sso/acme{bad}",
            f"/static/{bad}",
            f"/sign-in?client={bad}",
            f"/sign-in?return_to={bad}",
            f"/sign-in?way={bad}",
            f"/{bad}={bad}?{bad}={bad}",
            f"/sso/acme?state={bad}&code={bad}",
            f"/sso/acme?{bad}=1&state=x",
            f"/sso/acme?error={bad}&error_description={bad}",
        )
    ]
    pages += [
        browser.post(path, f"a={bad}&{bad}=b&state={bad}".encode("latin-1"))
        for path in ("/sso/acme", "/sign-in")
    ]

    assert {page.status for page in pages} <= {200, 303, 308, 400, 403, 404, 422}
    assert not any(b"\r\n" in value.encode("latin-1") for page in pages for _, value in page.headers)
    assert stage.rows() == before
    assert_signed_in(browser, browser.sign_in())


@pytest.mark.parametrize(
    "cookie",
    [
        "__Host-lv-session=\xff\xfe",
        "__Host-lv-session=" + "x" * 8000,
        "__Host-lv-session=.eJw.x.y",
        '__Host-lv-session="\\000\\377"',
        "__Host-lv-client=\xff",
        '__Host-lv-client="a\\000b"',
        "__Host-lv-client=" + "x" * 8000,
        "__Host-lv-client=../../etc",
        "__Host-lv-theme=<script>",
        "=; ;;=x; \x00=\x00",
        "__Host-lv-pending-x=y; " * 300,
        ";" * 8000,
    ],
)
def test_cookies_that_are_no_text_are_no_fault(
    stage: Stage, acme: Client, browser: Browser, cookie: str
) -> None:
    for target in ("/", "/sign-in", "/profile", "/sso/acme", "/sso/acme?state=x", "/signed-out"):
        page = stage.call("GET", target, headers=[("Host", PORTAL), ("Cookie", cookie)])
        assert page.status in (200, 303, 403)
        assert b"<script>" not in page.body.replace(b'<script type="module"', b"")
    assert_signed_in(browser, browser.sign_in())


@pytest.mark.parametrize("agent", ["\xff\xfe", "<script>alert(1)</script>", "x" * 60_000, "", "a\tb"])
def test_a_browser_may_call_itself_what_it_likes(stage: Stage, acme: Client, agent: str) -> None:
    browser = stage.browser()
    answer = browser.ask_provider(browser.begin())
    query = "&".join(f"{name}={value}" for name, value in answer)

    reply = browser.get(f"/sso/acme?{query}", headers=[("User-Agent", agent)])

    assert_signed_in(browser, reply)
    with Session(stage.engine) as session:
        assert len(session.query(PersonSession).one().device) <= 200


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "\x00", "X" * 500]
)
def test_another_method_is_refused(acme: Client, browser: Browser, method: str) -> None:
    for path in ("/sso/acme", "/sign-in", "/sign-out", "/nowhere"):
        page = browser.open(method, path)
        assert page.status in (404, 405)
        assert page.code in ("request.not_found", "request.method")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_asking_about_a_page_opens_nothing(stage: Stage, acme: Client, browser: Browser, method: str) -> None:
    before = stage.rows()

    for path in ("/", "/profile", "/configure/client/security", "/sign-in"):
        assert browser.open(method, path).status in (200, 303)

    assert stage.rows() == before


@pytest.mark.parametrize(
    "target",
    [
        "/static/../lvportal/settings.py",
        "/static/..%2f..%2fetc/passwd",
        "/static//etc/passwd",
        "/static/css/",
        "/static/.",
        "/static/logo.svg%00.css",
        "/static/%5c..%5c",
    ],
)
def test_static_files_lead_nowhere_else(browser: Browser, target: str) -> None:
    page = browser.get(target)

    assert page.status in (308, 404)
    assert b"LVPORTAL" not in page.body
    assert browser.get("/static/logo.svg").status == 200


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 40, "1e9", "%00", "2"])
def test_a_page_number_beyond_numbers_is_no_fault(stage: Stage, number: str) -> None:
    stage.account(
        stage.operator(),
        "portal",
        "care@operator.example",
        role="CARE",
        password="correct horse",
        login="care",
    )
    browser = stage.browser()
    browser.post_form(
        "/sign-in?way=code",
        {"way": "code", "client": "operator", "login_name": "care", "password": "correct horse"},
    )

    assert browser.get(f"/care/clients?page={number}&q=%25&state=x&flag=x").status == 200


@pytest.mark.parametrize("number", ["-1", "0", "9" * 40, "x", ""])
def test_a_revision_number_beyond_numbers_is_no_fault(
    stage: Stage, acme: Client, browser: Browser, number: str
) -> None:
    browser.sign_in()

    page = browser.post_form("/profile", {"number": number}, to="/configure/client/security/live")

    assert page.status in (404, 422)
    assert browser.is_signed_in()
