"""A provider that hangs, floods, redirects, talks nonsense or points into our own network."""

from __future__ import annotations

import gzip
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journeys.stage import Browser, Client, Stage, assert_refused, assert_signed_in
from tests.providers.hostile import ABSENT, HostileProvider, Raw

pytestmark = pytest.mark.slow

DISCOVERY = "/.well-known/openid-configuration"
BOMB = gzip.compress(b" " * 50_000_000)
GZIP = (("Content-Encoding", "gzip"),)

Bend = Callable[[HostileProvider], None]


class Trap:
    """A server inside our network that must never be called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        trap = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                trap.calls.append(self.path)
                body = b'{"keys":[]}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    made = Trap()
    yield made
    made.close()


def raw(path: str, answer: Raw) -> Bend:
    return lambda hostile: hostile.answer(path, answer)


def discovery(**changes: Any) -> Bend:
    return lambda hostile: hostile.bend_discovery(**changes)


def document(text: bytes, content_type: str = "application/json") -> Raw:
    return Raw(200, text, content_type)


HTML = document(b"<!doctype html><title>Log in</title>", "text/html")
NOT_UTF8 = document(b'{"issuer":"\xff"}')
TWICE = document(b'{"issuer":"https://a.example","issuer":"https://b.example"}')
DEEP = document(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
UNCLOSED = document(b'{"a":"' + b"\\" * 300_000)
LIST = document(b"[]")
EMPTY = document(b"")
NAN = document(b'{"a":NaN}')
SURROGATE = document(b'{"issuer":"\\ud800"}')

BEFORE: dict[str, tuple[Bend, str, int]] = {
    # name: (what is bent, code, status) for what a start meets
    "document in HTML": (raw(DISCOVERY, HTML), "sign_in.metadata_malformed", 502),
    "document not UTF-8": (raw(DISCOVERY, NOT_UTF8), "sign_in.metadata_malformed", 502),
    "document with a name twice": (raw(DISCOVERY, TWICE), "sign_in.metadata_malformed", 502),
    "document nested deep": (raw(DISCOVERY, DEEP), "sign_in.metadata_malformed", 502),
    "document unclosed": (raw(DISCOVERY, UNCLOSED), "sign_in.metadata_malformed", 502),
    "document a list": (raw(DISCOVERY, LIST), "sign_in.metadata_malformed", 502),
    "document empty": (raw(DISCOVERY, EMPTY), "sign_in.metadata_malformed", 502),
    "document with NaN": (raw(DISCOVERY, NAN), "sign_in.metadata_malformed", 502),
    "document with half a letter": (raw(DISCOVERY, SURROGATE), "sign_in.metadata_malformed", 502),
    "document missing": (raw(DISCOVERY, Raw(404, b"{}")), "sign_in.metadata_missing", 502),
    "document broken": (raw(DISCOVERY, Raw(500, b"{}")), "sign_in.metadata_missing", 502),
    "document too large": (raw(DISCOVERY, document(b" " * 600_000 + b"{}")), "sign_in.reply_too_large", 502),
    "document a bomb": (raw(DISCOVERY, Raw(200, BOMB, headers=GZIP)), "sign_in.reply_too_large", 502),
    "document compressed wrongly": (
        raw(DISCOVERY, Raw(200, b"x", headers=GZIP)),
        "sign_in.reply_malformed",
        502,
    ),
    "document moved": (lambda h: h.redirect(DISCOVERY, "/elsewhere"), "sign_in.redirected", 502),
    "document moved to another host": (
        lambda h: h.redirect(DISCOVERY, "https://evil.example/", status=301),
        "sign_in.redirected",
        502,
    ),
    "another issuer": (discovery(issuer="https://evil.example"), "sign_in.metadata_issuer", 502),
    "the issuer with a slash": (
        lambda h: h.bend_discovery(issuer=h.issuer + "/"),
        "sign_in.metadata_issuer",
        502,
    ),
    "everybody's issuer": (
        discovery(issuer="https://login.example/{tenantid}/v2.0"),
        "sign_in.metadata_issuer_template",
        502,
    ),
    "no issuer": (discovery(issuer=ABSENT), "sign_in.metadata_incomplete", 502),
    "no token endpoint": (discovery(token_endpoint=ABSENT), "sign_in.metadata_incomplete", 502),
    "an endpoint that is a list": (discovery(token_endpoint=["x"]), "sign_in.metadata_malformed", 502),
    "a flag in words": (
        discovery(authorization_response_iss_parameter_supported="true"),
        "sign_in.metadata_malformed",
        502,
    ),
    **{
        f"{name} at {url[:40]}": (discovery(**{name: url}), "sign_in.endpoint", 502)
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
        for url in ("http://login.acme.example/x", "https://login.acme.example:25/x")
    },
    "keys at a file": (discovery(jwks_uri="file:///etc/passwd"), "sign_in.endpoint", 502),
    "authorization by script": (
        discovery(authorization_endpoint="javascript:alert(1)"),
        "sign_in.endpoint",
        502,
    ),
    "authorization by data": (discovery(authorization_endpoint="data:text/html,x"), "sign_in.endpoint", 502),
    "an endpoint with a user name": (
        discovery(token_endpoint="https://login.acme.example@evil.example/"),
        "sign_in.endpoint",
        502,
    ),
    "an endpoint with a line end": (
        discovery(authorization_endpoint="https://a.example/\r\nSet-Cookie: a=b"),
        "sign_in.metadata_malformed",
        502,
    ),
    "a fragment in an endpoint": (
        discovery(authorization_endpoint="https://login.acme.example/#"),
        "sign_in.endpoint",
        502,
    ),
}

AFTER: dict[str, tuple[Bend, str, int]] = {
    # for what an answer meets
    "token in HTML": (raw("/token", HTML), "sign_in.token_answer", 403),
    "token not UTF-8": (raw("/token", NOT_UTF8), "sign_in.token_answer", 403),
    "token with a name twice": (raw("/token", TWICE), "sign_in.token_answer", 403),
    "token nested deep": (raw("/token", DEEP), "sign_in.token_answer", 403),
    "token empty": (raw("/token", EMPTY), "sign_in.token_answer", 403),
    "token moved": (lambda h: h.redirect("/token", "/elsewhere", status=307), "sign_in.redirected", 502),
    "token moved permanently": (lambda h: h.redirect("/token", "/x", status=308), "sign_in.redirected", 502),
    "token too large": (raw("/token", document(b"[" + b"0," * 300_000)), "sign_in.reply_too_large", 502),
    "token a bomb": (raw("/token", Raw(200, BOMB, headers=GZIP)), "sign_in.reply_too_large", 502),
    "token a flood": (lambda h: h.flood("/token"), "sign_in.reply_too_large", 502),
    "token broken": (raw("/token", Raw(500, b"oops", "text/html")), "sign_in.token_unavailable", 403),
    "token throttled": (raw("/token", Raw(429, b"{}")), "sign_in.token_unavailable", 403),
    "token without an ID token": (
        lambda h: h.bend_token_answer(id_token=ABSENT),
        "sign_in.id_token_missing",
        403,
    ),
    "an ID token that is null": (
        lambda h: h.bend_token_answer(id_token=None),
        "sign_in.id_token_missing",
        403,
    ),
    "an ID token that is an object": (
        lambda h: h.bend_token_answer(id_token={}),
        "sign_in.token_answer",
        403,
    ),
    "no access token": (lambda h: h.bend_token_answer(access_token=ABSENT), "sign_in.token_answer", 403),
    "an access token with a line end": (
        lambda h: h.bend_token_answer(access_token="a\r\nX: y"),
        "sign_in.token_answer",
        403,
    ),
    "a DPoP token": (lambda h: h.bend_token_answer(token_type="DPoP"), "sign_in.access_token_type", 403),
    "an error beside tokens": (
        lambda h: h.bend_token_answer(error="invalid_client"),
        "sign_in.bad_secret",
        403,
    ),
    "a wrong secret": (
        raw("/token", Raw(401, b'{"error":"invalid_client"}')),
        "sign_in.bad_secret",
        403,
    ),
    "keys in HTML": (raw("/jwks", HTML), "sign_in.keys", 403),
    "keys nested deep": (raw("/jwks", DEEP), "sign_in.keys", 403),
    "keys that are no list": (raw("/jwks", document(b'{"keys":{}}')), "sign_in.keys", 403),
    "no keys": (raw("/jwks", document(b'{"keys":[]}')), "sign_in.key_missing", 403),
    "too many keys": (
        raw("/jwks", document(json.dumps({"keys": [{}] * 5000}).encode())),
        "sign_in.keys",
        403,
    ),
    "keys missing": (raw("/jwks", Raw(404, b"{}")), "sign_in.keys_missing", 502),
    "keys moved": (lambda h: h.redirect("/jwks", "/elsewhere"), "sign_in.redirected", 502),
    "keys a flood": (lambda h: h.flood("/jwks"), "sign_in.reply_too_large", 502),
    "keys a bomb": (raw("/jwks", Raw(200, BOMB, headers=GZIP)), "sign_in.reply_too_large", 502),
}


@pytest.mark.parametrize("name", BEFORE)
def test_a_start_is_refused_for_one_fact(
    stage: Stage, hostile: HostileProvider, acme: Client, browser: Browser, name: str
) -> None:
    wrong, code, status = BEFORE[name]
    wrong(hostile)
    started = time.monotonic()

    page = assert_refused(browser, browser.begin, code, status=status, is_recorded=False)

    assert time.monotonic() - started < 5
    assert b"evil.example" not in page.body
    assert not browser.pending()
    hostile.straighten()
    stage.portal.documents.forget(hostile.issuer)
    assert_signed_in(browser, browser.sign_in())


@pytest.mark.parametrize("name", AFTER)
def test_an_answer_is_refused_for_one_fact(
    stage: Stage, hostile: HostileProvider, acme: Client, browser: Browser, name: str
) -> None:
    wrong, code, status = AFTER[name]
    answer = browser.ask_provider(browser.begin())
    wrong(hostile)
    started = time.monotonic()

    assert_refused(browser, lambda: browser.answer(answer), code, status=status)

    assert time.monotonic() - started < 5
    assert not any(asked.path == "/elsewhere" for asked in hostile.requests)
    hostile.straighten()
    stage.portal.documents.forget(hostile.issuer)
    assert_signed_in(browser, browser.sign_in())


@pytest.mark.parametrize(
    "name", ["jwks_uri", "token_endpoint", "userinfo_endpoint", "authorization_endpoint"]
)
def test_another_port_of_our_network_is_never_called(
    stage: Stage, hostile: HostileProvider, acme: Client, browser: Browser, trap: Trap, name: str
) -> None:
    """The provider's own address is allowed on this stage; its neighbours are not."""
    hostile.bend_discovery(**{name: f"http://{trap.address}/internal"})
    assert_refused(browser, browser.begin, "sign_in.endpoint", status=502, is_recorded=False)
    assert not trap.calls

    hostile.straighten()
    stage.portal.documents.forget(hostile.issuer)
    assert_signed_in(browser, browser.sign_in())


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "127.1",
    ],
)
def test_a_private_address_is_never_called(
    stage: Stage, hostile: HostileProvider, acme: Client, browser: Browser, host: str
) -> None:
    """https all right, but the name leads into our network: refused at the call, before a byte is sent."""
    answer = browser.ask_provider(browser.begin())
    hostile.bend_discovery(token_endpoint=f"https://{host}:8443/token")
    stage.portal.documents.forget(hostile.issuer)

    started = time.monotonic()
    page = browser.answer(answer)

    assert (page.status, page.code) in {
        (502, "sign_in.address"),
        (502, "sign_in.name_unknown"),
        (502, "sign_in.endpoint"),
    }
    assert time.monotonic() - started < 5
    assert not any(asked.path == "/token" for asked in hostile.requests)
    assert [record.code for record in stage.records()] == [page.code]
    assert not browser.is_signed_in()


def test_a_redirect_of_the_browser_alone_may_lead_anywhere_the_provider_says(
    stage: Stage, hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    """Control: public https endpoints of another host are ordinary (Entra, Google)."""
    hostile.bend_discovery(authorization_endpoint="https://login.acme.example/authorize?tenant=1")

    reply = browser.begin()

    assert reply.location.startswith("https://login.acme.example/authorize?tenant=1&")


# --- Time -------------------------------------------------------------------------


@pytest.fixture
def impatient(make_stage: Callable[..., Stage], hostile: HostileProvider) -> Stage:
    hostile.add_person("ada@acme.example", subject="ada")
    stage = make_stage(provider_total_timeout_seconds=0.7, provider_connect_timeout_seconds=0.7)
    stage.user(stage.client("acme"), "ada@acme.example")
    return stage


@pytest.mark.parametrize("how", ["hangs", "trickles"])
def test_a_document_that_does_not_come_is_given_up(
    impatient: Stage, hostile: HostileProvider, how: str
) -> None:
    browser = impatient.browser()
    hostile.answer(DISCOVERY, Raw(body=b"{", hangs=how == "hangs", trickles=how == "trickles"))
    started = time.monotonic()

    assert_refused(browser, browser.begin, "sign_in.slow", status=502, is_recorded=False)

    assert time.monotonic() - started < 4
    hostile.straighten()
    impatient.portal.documents.forget(hostile.issuer)
    assert_signed_in(browser, browser.sign_in())


@pytest.mark.parametrize("path", ["/token", "/jwks", "/userinfo"])
def test_an_answer_that_does_not_come_is_given_up(
    impatient: Stage, hostile: HostileProvider, path: str
) -> None:
    browser = impatient.browser()
    hostile.puts_email_into_id_token = False
    answer = browser.ask_provider(browser.begin())
    hostile.hang(path)
    started = time.monotonic()

    assert_refused(browser, lambda: browser.answer(answer), "sign_in.slow", status=502)

    assert time.monotonic() - started < 4
    hostile.straighten()
    impatient.portal.documents.forget(hostile.issuer)
    assert_signed_in(browser, browser.sign_in())


def test_a_provider_that_is_gone_is_said_to_be(
    make_stage: Callable[..., Stage], hostile: HostileProvider
) -> None:
    hostile.add_person("ada@acme.example")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    stage = make_stage(unsafe_provider_addresses=f"{hostile.address},{address}")
    stage.user(stage.client("acme", issuer=f"http://{address}"), "ada@acme.example")
    stage.user(stage.client("globex"), "ada@acme.example")
    browser = stage.browser()

    assert_refused(browser, browser.begin, "sign_in.unreachable", status=502, is_recorded=False)

    assert_signed_in(browser, browser.sign_in("globex"))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01\x02",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
        b"HTTP/9.9 200 OK\r\n\r\n{}",
        b"SSH-2.0-OpenSSH\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_never_a_fault(
    make_stage: Callable[..., Stage], hostile: HostileProvider, answer: bytes
) -> None:
    hostile.add_person("ada@acme.example")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        stage = make_stage(
            unsafe_provider_addresses=f"{hostile.address},{address}", provider_total_timeout_seconds=2
        )
        stage.user(stage.client("acme", issuer=f"http://{address}"), "ada@acme.example")
        stage.user(stage.client("globex"), "ada@acme.example")
        browser = stage.browser()

        page = browser.begin()

        server.shutdown(socket.SHUT_RDWR)
    assert page.status == 502
    assert page.code in ("sign_in.reply_malformed", "sign_in.unreachable", "sign_in.reply_too_large")
    assert not stage.records()
    assert_signed_in(browser, browser.sign_in("globex"))


def test_a_hanging_provider_does_not_hold_up_another_client(
    make_stage: Callable[..., Stage], hostile: HostileProvider
) -> None:
    hostile.add_person("ada@acme.example")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts and says nothing
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        stage = make_stage(
            unsafe_provider_addresses=f"{hostile.address},{address}", provider_total_timeout_seconds=3
        )
        stage.client("acme", issuer=f"http://{address}")
        stage.user(stage.client("globex"), "ada@acme.example")
        threads = [threading.Thread(target=stage.browser().begin) for _ in range(8)]
        for thread in threads:
            thread.start()

        browser = stage.browser()
        started = time.monotonic()
        reply = browser.sign_in("globex")
        took = time.monotonic() - started

        for thread in threads:
            thread.join(20)
    assert_signed_in(browser, reply)
    assert took < 2.5


def test_a_provider_that_hangs_is_left_alone_after_some_tries(
    impatient: Stage, hostile: HostileProvider
) -> None:
    browser = impatient.browser()
    answers = [browser.copy() for _ in range(8)]
    parameters = [one.ask_provider(one.begin()) for one in answers]
    hostile.hang("/token")

    pages = [one.answer(parameter) for one, parameter in zip(answers, parameters, strict=True)]

    assert {page.code for page in pages} <= {"sign_in.slow", "sign_in.unreachable"}
    assert sum(asked.path == "/token" for asked in hostile.requests) < 8
    assert impatient.count("sessions") == 0
