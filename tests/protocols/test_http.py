"""How a provider's answers are fetched, and what is refused before anything is sent."""

from __future__ import annotations

import datetime
import gzip
import os
import socket
import ssl
import struct
import threading
import time

import pytest
import trustme

from lvportal.protocols import http
from lvportal.protocols.http import (
    AddressPolicy,
    AddressRefused,
    CertificateRefused,
    Fetcher,
    Limits,
    NameUnknown,
    OutboundRefused,
    ProviderBusy,
    ProviderSlow,
    ProviderUnreachable,
    RedirectRefused,
    ReplyMalformed,
    ReplyTooLarge,
    RequestMalformed,
    TlsFailed,
)
from tests.protocols.loopback import Loopback, answering, reply, serving

ISSUER = "https://id.acme.example"
QUICK = Limits(connect_seconds=0.5, silence_seconds=0.4, total_seconds=0.8, wait_seconds=0.2)


def fetcher_for(*servers: Loopback, limits: Limits = QUICK, **options) -> Fetcher:
    return Fetcher(AddressPolicy(frozenset(server.address for server in servers)), limits=limits, **options)


# --- An ordinary call ---------------------------------------------------------


def test_a_document_arrives_with_its_status_and_lower_case_headers():
    with serving(answering(reply(b'{"a": 1}', "404 Not Found", Content_Type="application/json"))) as server:
        got = fetcher_for(server).get(server.origin + "/x?y=1", issuer=ISSUER)

    assert (got.status, got.headers["content-type"], got.body) == (404, "application/json", b'{"a": 1}')
    assert server.requests[0].line == "GET /x?y=1 HTTP/1.1"
    assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"


def test_a_form_is_sent_as_a_form_with_the_headers_given():
    with serving(answering(reply())) as server:
        fetcher_for(server).post_form(
            server.origin + "/token", b"code=c", issuer=ISSUER, headers={"Authorization": "Basic x"}
        )

    request = server.requests[0]
    assert request.line == "POST /token HTTP/1.1"
    assert request.body == b"code=c"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["authorization"] == "Basic x"


def test_a_body_is_not_shown_by_repr():
    with serving(answering(reply(b"a-token"))) as server:
        got = fetcher_for(server).get(server.origin, issuer=ISSUER)

    assert "a-token" not in repr(got)


def test_five_calls_use_one_connection():
    with serving(answering(reply())) as server:
        fetcher = fetcher_for(server)
        for _ in range(5):
            fetcher.post_form(server.origin, b"a=b", issuer=ISSUER)

    assert len(server.requests) == 5
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        reply(connection="close"),
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        reply(keep_alive="timeout=0"),
        reply() + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
    ],
    ids=["close", "http-1.0", "keep-alive-0", "bytes-after-the-end"],
)
def test_a_connection_that_cannot_be_trusted_again_is_not_kept(answer):
    with serving(answering(answer, reply(b"second"))) as server:
        fetcher = fetcher_for(server)
        fetcher.get(server.origin, issuer=ISSUER)

        got = fetcher.get(server.origin, issuer=ISSUER)

    assert got.body == b"second"
    assert server.connections == 2


def test_a_post_survives_that_the_server_closed_the_kept_connection():
    with serving(answering(reply())) as server:
        fetcher = fetcher_for(server)
        fetcher.post_form(server.origin, b"a=1", issuer=ISSUER)
        server.drop_connections()
        time.sleep(0.05)

        fetcher.post_form(server.origin, b"a=2", issuer=ISSUER)

    assert [request.body for request in server.requests] == [b"a=1", b"a=2"]


class HangsUpOnTheSecond:
    """Answers every request but the second, where it ends the connection instead."""

    def __init__(self):
        self.calls = 0

    def __call__(self, request, connection):
        self.calls += 1
        if self.calls == 2:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(reply())


def test_a_post_is_never_sent_twice_even_when_no_answer_came():
    with serving(HangsUpOnTheSecond()) as server:
        fetcher = fetcher_for(server)
        fetcher.post_form(server.origin, b"a=1", issuer=ISSUER)

        with pytest.raises(ProviderUnreachable):
            fetcher.post_form(server.origin, b"code=once", issuer=ISSUER)

    assert [request.body for request in server.requests].count(b"code=once") == 1


def test_a_get_is_said_again_once_when_a_kept_connection_ended():
    with serving(HangsUpOnTheSecond()) as server:
        fetcher = fetcher_for(server)
        fetcher.get(server.origin, issuer=ISSUER)

        got = fetcher.get(server.origin, issuer=ISSUER)

    assert got.status == 200
    assert len(server.requests) == 3


def test_a_get_on_a_new_connection_is_not_said_again():
    def hang_up(request, connection):
        connection.shutdown(socket.SHUT_RDWR)

    with serving(hang_up) as server, pytest.raises(ProviderUnreachable):
        fetcher_for(server).get(server.origin, issuer=ISSUER)

    assert len(server.requests) == 1


def test_proxies_of_the_environment_are_ignored(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    with serving(answering(reply())) as server:
        assert fetcher_for(server).get(server.origin, issuer=ISSUER).status == 200


def test_a_forked_child_opens_its_own_connection():
    with serving(answering(reply())) as server:
        fetcher = fetcher_for(server)
        fetcher.get(server.origin, issuer=ISSUER)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if fetcher.get(server.origin, issuer=ISSUER).status == 200 else 1
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        fetcher.get(server.origin, issuer=ISSUER)

    assert status == 0
    assert server.connections == 2


def test_connections_that_idle_too_long_are_closed_by_the_next_call_to_any_host():
    with serving(answering(reply())) as quiet, serving(answering(reply())) as busy:
        limits = Limits(kept_seconds=0.1)
        fetcher = fetcher_for(quiet, busy, limits=limits)
        fetcher.get(quiet.origin, issuer=ISSUER)
        fetcher.get(busy.origin, issuer=ISSUER)
        kept = {key[2]: pool for key, pool in fetcher._pools.items()}
        assert len(kept[quiet.port]) == 1
        time.sleep(0.15)

        fetcher.get(busy.origin, issuer=ISSUER)

        assert len(kept[quiet.port]) == 0
        assert len(kept[busy.port]) == 1


def test_no_more_connections_are_kept_than_allowed_and_close_ends_them():
    gate = Gate()
    with serving(gate) as server:
        fetcher = fetcher_for(server, limits=Limits(kept_per_host=2))
        threads, errors = in_background(lambda: fetcher.get(server.origin, issuer=ISSUER), 5)
        for _ in threads:
            gate.arrived.acquire()
        gate.opened.set()
        for thread in threads:
            thread.join()
        (pool,) = fetcher._pools.values()
        assert len(pool) == 2

        fetcher.close()

        assert len(pool) == 0
        assert fetcher.get(server.origin, issuer=ISSUER).status == 200
    assert errors == []


def test_what_is_remembered_of_urls_hosts_and_issuers_is_bounded(monkeypatch):
    monkeypatch.setattr(http, "MAX_KNOWN_URLS", 8)
    monkeypatch.setattr(http, "MAX_HOSTS", 1)
    with serving(answering(reply())) as server, serving(answering(reply())) as other:
        fetcher = fetcher_for(server, other)
        for number in range(30):
            origin = (server, other)[number % 2].origin
            fetcher.get(f"{origin}/{number}", issuer=f"https://{number}.acme.example")

    assert len(fetcher._targets) <= 8
    assert len(fetcher._lanes) <= 9
    assert len(fetcher._pools) <= 2


def test_many_threads_share_one_fetcher():
    with serving(answering(reply(b"x" * 5000))) as server:
        fetcher = fetcher_for(server, limits=Limits(kept_seconds=0.02, calls_per_issuer=8, wait_seconds=5))

        def calls():
            for _ in range(30):
                assert fetcher.get(server.origin, issuer=ISSUER).body == b"x" * 5000

        threads, errors = in_background(calls, 8)
        for thread in threads:
            thread.join()

    assert errors == []
    assert len(server.requests) >= 240


# --- Framing --------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer, body",
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nT:\r\n\r\n",
            b"abcde",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + reply(b"abc"), b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (reply(gzip.compress(b"abc"), content_encoding="gzip"), b"abc"),
        (reply(b"abc", content_encoding="identity"), b"abc"),
        (b"HTTP/1.1 200\r\ncontent-length: 3\r\n\r\nabc", b"abc"),
    ],
    ids=["chunked", "interim", "no-content", "gzip", "identity", "no-reason"],
)
def test_a_proper_body_is_read_whole(answer, body):
    with serving(answering(answer)) as server:
        fetcher = fetcher_for(server)
        first = fetcher.get(server.origin, issuer=ISSUER)
        second = fetcher.get(server.origin, issuer=ISSUER)

    assert first.body == second.body == body
    assert server.connections == 1


def test_a_body_may_end_with_its_connection():
    def until_closed(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nabc")
        connection.shutdown(socket.SHUT_WR)

    with serving(until_closed) as server:
        assert fetcher_for(server).get(server.origin, issuer=ISSUER).body == b"abc"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 300,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"T: x\r\n" * 200,
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: \x00\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        reply(b"abc", content_encoding="br"),
        reply(b"abc", content_encoding="gzip"),
        reply(gzip.compress(b"abc" * 99)[:-9], content_encoding="gzip"),
    ],
    ids=lambda answer: repr(answer[:60]),
)
def test_an_answer_that_can_be_read_in_two_ways_is_refused(answer):
    with serving(answering(answer)) as server, pytest.raises(ReplyMalformed) as refused:
        fetcher_for(server).get(server.origin, issuer=ISSUER)

    assert refused.value.code == "sign_in.reply_malformed"


@pytest.mark.parametrize("cut_at", [30, -1], ids=["in-the-head", "in-the-body"])
def test_an_answer_that_ends_too_early_is_refused(cut_at):
    def cut(request, connection):
        connection.sendall(reply(b"abc")[:cut_at])
        connection.shutdown(socket.SHUT_WR)

    with serving(cut) as server, pytest.raises(ReplyMalformed):
        fetcher_for(server).get(server.origin, issuer=ISSUER)


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
def test_a_redirect_is_not_followed(status):
    with serving(answering(reply())) as elsewhere:
        answer = reply(b"", status, location=elsewhere.origin)
        with serving(answering(answer)) as server, pytest.raises(RedirectRefused):
            fetcher_for(server, elsewhere).post_form(server.origin, b"code=c", issuer=ISSUER)

    assert elsewhere.requests == []


# --- Size -----------------------------------------------------------------------

SMALL = Limits(body_bytes=1000, total_seconds=2)


def test_a_body_of_exactly_the_limit_is_taken():
    with serving(answering(reply(b"x" * 1000))) as server:
        assert len(fetcher_for(server, limits=SMALL).get(server.origin, issuer=ISSUER).body) == 1000


def flood(head: bytes, piece: bytes):
    def script(request, connection):
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return script


@pytest.mark.parametrize(
    "script",
    [
        answering(reply(b"x" * 1001)),
        answering(reply(gzip.compress(b"x" * 1001), content_encoding="gzip")),
        answering(reply(gzip.compress(b"\0" * 50_000_000), content_encoding="gzip")[:900]),
        flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000),
        flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10\r\n" + b"x" * 16 + b"\r\n"),
        flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"e" * 200 + b"\r\nx\r\n"),
        flood(b"HTTP/1.1 200 OK\r\n", b"A: " + b"b" * 1000 + b"\r\n"),
        flood(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 1000),
    ],
    ids=["length", "gzip", "bomb", "endless", "chunks", "extensions", "fields", "one-field"],
)
def test_more_than_the_limit_is_refused(script):
    started = time.monotonic()

    with serving(script) as server, pytest.raises(ReplyTooLarge):
        fetcher_for(server, limits=SMALL).get(server.origin, issuer=ISSUER)

    assert time.monotonic() - started < 1.5


# --- Time -----------------------------------------------------------------------


def drip(data: bytes):
    def script(request, connection):
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.03)

    return script


def hang(request, connection):
    time.sleep(3)


@pytest.mark.parametrize(
    "script",
    [hang, drip(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50), drip(reply(b"x" * 200))],
    ids=["hang", "head", "body"],
)
def test_a_slow_answer_ends_at_the_deadline(script):
    started = time.monotonic()

    with serving(script) as server, pytest.raises(ProviderSlow) as refused:
        fetcher_for(server).get(server.origin, issuer=ISSUER)

    assert time.monotonic() - started < 1.2
    assert isinstance(refused.value, ProviderUnreachable)


def test_an_answer_within_the_deadline_is_taken_however_it_drips():
    with serving(drip(reply())) as server:
        limits = Limits(silence_seconds=0.4, total_seconds=5)
        assert fetcher_for(server, limits=limits).get(server.origin, issuer=ISSUER).body == b"{}"


def test_a_tls_greeting_that_never_comes_ends_in_time():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    fetcher = Fetcher(AddressPolicy(frozenset({("127.0.0.1", port)})), limits=QUICK)
    started = time.monotonic()

    with listener, pytest.raises(ProviderSlow):
        fetcher.get(f"https://127.0.0.1:{port}/", issuer=ISSUER)

    assert time.monotonic() - started < 1.2


def test_a_port_where_nobody_listens_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    fetcher = Fetcher(AddressPolicy(frozenset({("127.0.0.1", port)})), limits=QUICK)

    with pytest.raises(ProviderUnreachable) as refused:
        fetcher.get(f"http://127.0.0.1:{port}/", issuer=ISSUER)

    assert refused.value.code == "sign_in.unreachable"
    assert "refuses connections" in refused.value.words(refused.value.administrator_step)


# --- Addresses --------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://id.acme.example",
        "https://id.acme.example/",
        "https://id.acme.example:8443/realms/a?x=%20",
        "https://ID.ACME.example/a",
        "https://[2606:4700::1111]/a",
        "https://id.acme.example?x=1",
    ],
)
def test_a_public_https_url_is_accepted(url):
    target = AddressPolicy().judge(url)

    assert target.scheme == "https"
    assert target.path.startswith("/")
    assert target.host == target.host.lower()


@pytest.mark.parametrize(
    "url",
    [
        "http://id.acme.example/",
        "ftp://id.acme.example/",
        "file:///etc/passwd",
        "HTTPS//id.acme.example",
        "id.acme.example",
        "",
        "https://",
        "https:///path",
        "https://user@id.acme.example/",
        "https://user:password@id.acme.example/",
        "https://id.acme.example/#fragment",
        "https://id.acme.example/a b",
        "https://id.acme.example/a\r\nX: y",
        "https://id.acme.example/a\\b",
        "https://id.acme.example\\@evil.example/",
        "https://id.acme.exämple/",
        "https://id.acme.example/ä",
        "https://id..acme.example/",
        "https://id.acme.example./",
        "https://.acme.example/",
        "https://id.acme.example:0/",
        "https://id.acme.example:22/",
        "https://id.acme.example:80/",
        "https://id.acme.example:65536/",
        "https://id.acme.example:+443/",
        "https://id.acme.example:٤٤٣/",
        "https://[fe80::1%25eth0]/",
        "https://id.acme.example/" + "a" * 2100,
        " https://id.acme.example/",
        "https://id.acme.example/\n",
    ],
)
def test_any_other_url_is_refused_in_words(url):
    with pytest.raises(AddressRefused) as refused:
        AddressPolicy().judge(url)

    error = refused.value
    assert error.code == "sign_in.address"
    words = error.words(error.administrator_step)
    assert "unknown" not in words
    assert "password" not in words
    assert words.isprintable()


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254",
        "100.64.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
        "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
        "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1",
        "2001:db8::1", "fe80::1", "fe80::1%1", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "ff0e::1",
        "nonsense",
    ],
)  # fmt: skip
def test_an_address_off_the_public_internet_is_not_permitted(address):
    assert not AddressPolicy().permits(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "::ffff:1.1.1.1", "2606:4700:4700::1111"])
def test_a_public_address_is_permitted(address):
    assert AddressPolicy().permits(address)


def resolving(monkeypatch, *addresses: str):
    calls = []

    def getaddrinfo(host, port, **_):
        calls.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return calls


def record_connects(monkeypatch):
    reached = []

    def connect(self, address):
        reached.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    return reached


@pytest.mark.parametrize("addresses", [("10.0.0.1",), ("1.1.1.1", "10.0.0.1"), ("10.0.0.1", "1.1.1.1")])
def test_a_name_that_leads_to_a_private_address_is_refused_before_connecting(monkeypatch, addresses):
    resolving(monkeypatch, *addresses)
    reached = record_connects(monkeypatch)

    with pytest.raises(AddressRefused):
        Fetcher(limits=QUICK).get("https://id.acme.example/", issuer=ISSUER)

    assert reached == []


def test_the_connection_goes_to_the_checked_address_and_the_name_is_asked_once(monkeypatch):
    asked = resolving(monkeypatch, "1.1.1.1", "1.0.0.1")
    reached = record_connects(monkeypatch)

    with pytest.raises(ProviderUnreachable):
        Fetcher(limits=QUICK).get("https://id.acme.example/", issuer=ISSUER)

    assert asked == ["id.acme.example"]
    assert reached == [("1.1.1.1", 443), ("1.0.0.1", 443)]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "localhost", "[::1]", "[::ffff:7f00:1]"]
)
def test_this_machine_is_refused_however_it_is_spelt(host):
    with serving(answering(reply())) as server, pytest.raises((AddressRefused, NameUnknown)):
        Fetcher(limits=QUICK).get(f"https://{host}:{server.port}/", issuer=ISSUER)

    assert server.connections == 0


def test_only_the_listed_host_and_port_may_be_unsafe():
    with serving(answering(reply())) as listed, serving(answering(reply())) as other:
        fetcher = fetcher_for(listed)
        assert fetcher.get(listed.origin, issuer=ISSUER).status == 200

        with pytest.raises(AddressRefused):
            fetcher.get(other.origin, issuer=ISSUER)


def test_a_listed_name_below_localhost_needs_no_dns(monkeypatch):
    with serving(answering(reply())) as server:
        resolving(monkeypatch)
        policy = AddressPolicy(frozenset({("provider.localhost", server.port)}))

        got = Fetcher(policy, limits=QUICK).get(f"http://provider.localhost:{server.port}/", issuer=ISSUER)

    assert got.status == 200
    assert server.requests[0].headers["host"] == f"provider.localhost:{server.port}"


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "no"), UnicodeError("label too long")])
def test_a_name_nobody_knows_has_its_own_code(monkeypatch, error):
    def getaddrinfo(*_, **__):
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    with pytest.raises(NameUnknown) as refused:
        Fetcher(limits=QUICK).get("https://id.acme.example/", issuer=ISSUER)

    assert refused.value.code == "sign_in.name_unknown"


def test_dns_that_fails_for_a_moment_is_not_a_wrong_name(monkeypatch):
    def getaddrinfo(*_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    with pytest.raises(ProviderUnreachable) as refused:
        Fetcher(limits=QUICK).get("https://id.acme.example/", issuer=ISSUER)

    assert refused.value.code == "sign_in.unreachable"


def test_dns_that_hangs_ends_in_time_and_holds_one_thread_per_name(monkeypatch):
    calls = []
    released = threading.Event()

    def getaddrinfo(*_, **__):
        calls.append(1)
        released.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    fetcher = Fetcher(limits=QUICK)
    for _ in range(2):
        with pytest.raises(ProviderSlow):
            fetcher.get("https://hanging.acme.example/", issuer=ISSUER)
    released.set()

    assert len(calls) == 1


# --- What we send -------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer a\r\nX: y"},
        {"Authorization": "Bearer a\nX: y"},
        {"Authorization": "Bearer ä"},
        {"A: b\r\nC": "d"},
        {"Host": "other.example"},
        {"content-length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Authorization": "x" * 70_000},
    ],
    ids=repr,
)
def test_a_header_that_would_change_the_request_is_refused_unsent(headers):
    with serving(answering(reply())) as server, pytest.raises(RequestMalformed) as refused:
        fetcher_for(server).get(server.origin, issuer=ISSUER, headers=headers)

    assert server.connections == 0
    assert "Bearer" not in str(refused.value) + repr(refused.value.facts)


def test_an_accept_header_of_the_caller_takes_the_place_of_ours():
    with serving(answering(reply())) as server:
        fetcher_for(server).get(server.origin, issuer=ISSUER, headers={"Accept": "application/jwt"})

    assert server.requests[0].headers["accept"] == "application/jwt"


# --- TLS ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def ca_bundle(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def server_context(certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_a_certificate_of_the_private_authority_is_accepted_and_kept_alive(authority, ca_bundle):
    context = server_context(authority.issue_cert("127.0.0.1"))
    with serving(answering(reply()), context) as server:
        fetcher = fetcher_for(server, ca_bundle=ca_bundle)
        for _ in range(3):
            assert fetcher.post_form(server.origin, b"client_secret=s", issuer=ISSUER).status == 200

    assert server.connections == 1


def test_the_name_is_checked_against_the_certificate(authority, ca_bundle):
    context = server_context(authority.issue_cert("provider.localhost"))
    with serving(answering(reply()), context) as server:
        policy = AddressPolicy(frozenset({("provider.localhost", server.port)}))
        fetcher = Fetcher(policy, limits=QUICK, ca_bundle=ca_bundle)
        assert fetcher.get(f"https://provider.localhost:{server.port}/", issuer=ISSUER).status == 200


def wrong_name(authority):
    return authority.issue_cert("other.example"), "another address"


def expired(authority):
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)
    return authority.issue_cert("127.0.0.1", not_after=long_ago), "expired"


def unknown_authority(authority):
    return trustme.CA().issue_cert("127.0.0.1"), "who issued it"


@pytest.mark.parametrize("flaw", [wrong_name, expired, unknown_authority])
def test_a_wrong_certificate_is_refused_before_any_secret_is_sent(authority, ca_bundle, flaw):
    certificate, words = flaw(authority)
    with (
        serving(answering(reply()), server_context(certificate)) as server,
        pytest.raises(CertificateRefused) as refused,
    ):
        fetcher_for(server, ca_bundle=ca_bundle).post_form(server.origin, b"client_secret=s", issuer=ISSUER)

    assert server.requests == []
    error = refused.value
    assert error.code == "sign_in.certificate"
    assert words in error.words(error.administrator_step)


def test_a_self_signed_certificate_is_refused_before_any_secret_is_sent(authority, ca_bundle, tmp_path):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "provider.localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("provider.localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    both = tmp_path / "self.pem"
    both.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)

    with serving(answering(reply()), context) as server:
        policy = AddressPolicy(frozenset({("provider.localhost", server.port)}))
        url = f"https://provider.localhost:{server.port}/token"
        with pytest.raises(CertificateRefused) as refused:
            Fetcher(policy, limits=QUICK, ca_bundle=ca_bundle).post_form(
                url, b"client_secret=s", issuer=ISSUER
            )

    assert server.requests == []
    assert "self-signed" in refused.value.words(refused.value.administrator_step)


def test_plain_http_behind_an_https_url_is_refused():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def answer_in_plain_text():
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(reply(b"", "400 Bad Request"))

    threading.Thread(target=answer_in_plain_text, daemon=True).start()

    with listener, pytest.raises(TlsFailed) as refused:
        Fetcher(AddressPolicy(frozenset({("127.0.0.1", port)})), limits=QUICK).get(
            f"https://127.0.0.1:{port}/", issuer=ISSUER
        )

    assert refused.value.code == "sign_in.tls"


def test_a_server_that_hangs_up_at_the_greeting_is_refused_in_words():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def hang_up():
        connection, _ = listener.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    threading.Thread(target=hang_up, daemon=True).start()
    fetcher = Fetcher(AddressPolicy(frozenset({("127.0.0.1", port)})), limits=QUICK)

    with listener, pytest.raises((ProviderUnreachable, TlsFailed)) as refused:
        fetcher.post_form(f"https://127.0.0.1:{port}/", b"client_secret=s", issuer=ISSUER)

    assert f"127.0.0.1:{port}" in refused.value.words(refused.value.administrator_step)


# --- One issuer's share -----------------------------------------------------------------

NARROW = Limits(calls_per_issuer=2, wait_seconds=0.2, total_seconds=3, silence_seconds=3)


class Gate:
    """A server that answers nobody until told to; /free is always answered."""

    def __init__(self):
        self.opened = threading.Event()
        self.arrived = threading.Semaphore(0)

    def __call__(self, request, connection):
        if "/free" not in request.line:
            self.arrived.release()
            self.opened.wait(5)
        connection.sendall(reply())


def in_background(call, count):
    errors = []

    def run():
        try:
            call()
        except OutboundRefused as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, errors


def test_a_hanging_provider_takes_only_its_own_share_of_calls():
    gate = Gate()
    with serving(gate) as server:
        fetcher = fetcher_for(server, limits=NARROW)
        threads, _ = in_background(lambda: fetcher.get(server.origin, issuer=ISSUER), 2)
        for _ in threads:
            gate.arrived.acquire()
        started = time.monotonic()

        with pytest.raises(ProviderBusy) as refused:
            fetcher.get(server.origin, issuer=ISSUER)

        waited = time.monotonic() - started
        other = fetcher.get(server.origin + "/free", issuer="https://id.globex.example")
        gate.opened.set()
        for thread in threads:
            thread.join()

    assert refused.value.code == "sign_in.busy"
    assert waited < 0.6
    assert other.status == 200


def test_a_call_waits_a_moment_for_a_place():
    gate = Gate()
    with serving(gate) as server:
        fetcher = fetcher_for(server, limits=Limits(calls_per_issuer=2, wait_seconds=2))
        threads, errors = in_background(lambda: fetcher.get(server.origin, issuer=ISSUER), 3)
        gate.arrived.acquire()
        gate.arrived.acquire()
        gate.opened.set()
        for thread in threads:
            thread.join()

    assert errors == []
    assert len(server.requests) == 3


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_after_five_failures_one_call_a_second_tries_and_the_first_answer_ends_it():
    broken = True

    def script(request, connection):
        if broken:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(reply())

    clock = Clock()
    with serving(script) as server:
        fetcher = fetcher_for(server, clock=clock)
        for _ in range(5):
            with pytest.raises(ProviderUnreachable):
                fetcher.get(server.origin, issuer=ISSUER)
        with pytest.raises(ProviderUnreachable):
            fetcher.get(server.origin, issuer=ISSUER)
        assert len(server.requests) == 5

        clock.now += 1.1
        with pytest.raises(ProviderUnreachable):
            fetcher.get(server.origin, issuer=ISSUER)
        assert len(server.requests) == 6

        broken = False
        clock.now += 1.1
        assert fetcher.get(server.origin, issuer=ISSUER).status == 200
        assert fetcher.get(server.origin, issuer=ISSUER).status == 200


def test_the_first_answer_frees_the_places_of_calls_that_still_hang():
    gate = Gate()
    clock = Clock()
    with serving(gate) as server:
        fetcher = fetcher_for(server, limits=NARROW, clock=clock)
        threads, _ = in_background(lambda: fetcher.get(server.origin, issuer=ISSUER), 2)
        for _ in threads:
            gate.arrived.acquire()
        clock.now += 3
        assert fetcher.get(server.origin + "/free", issuer=ISSUER).status == 200

        for _ in range(3):
            assert fetcher.get(server.origin + "/free", issuer=ISSUER).status == 200

        gate.opened.set()
        for thread in threads:
            thread.join()


def test_a_stuck_provider_is_tried_once_a_second_and_nobody_waits():
    gate = Gate()
    clock = Clock()
    with serving(gate) as server:
        fetcher = fetcher_for(server, limits=NARROW, clock=clock)
        threads, _ = in_background(lambda: fetcher.get(server.origin, issuer=ISSUER), 2)
        for _ in threads:
            gate.arrived.acquire()
        clock.now += 3
        more, _ = in_background(lambda: fetcher.get(server.origin, issuer=ISSUER), 1)
        gate.arrived.acquire()
        started = time.monotonic()

        with pytest.raises(ProviderBusy):
            fetcher.get(server.origin + "/free", issuer=ISSUER)

        assert time.monotonic() - started < 0.15
        gate.opened.set()
        for thread in threads + more:
            thread.join()


def test_every_refusal_has_its_own_code_and_fills_its_words():
    classes = [OutboundRefused, *_below(OutboundRefused)]
    codes = [cls.code for cls in classes]

    assert len(set(codes)) == len(codes)
    assert all("{" not in cls().words(cls.administrator_step) for cls in classes)


def _below(cls):
    for child in cls.__subclasses__():
        yield child
        yield from _below(child)
