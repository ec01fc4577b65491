"""What the benchmarks count: a sign-in counts only when it ended on the right person's page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from benchmarks.client import Browser, Page, Wire, WrongPage, require_home
from benchmarks.main import PAGE, SIGN_IN, Figure, table
from benchmarks.measure import Spread, can_pin, free_port, start, tree, tree_cpu_seconds
from benchmarks.provider import Provider, client_id
from benchmarks.subjects import REPOSITORY, clean_environment, configuration, people_of

HOME = "http://agent.localhost:8000/"
EMAIL = "agent0001@acme.example"


def page(**changes):
    values: dict[str, Any] = {
        "url": HOME,
        "status": 200,
        "headers": {},
        "cookies": (),
        "body": f"<p>{EMAIL}</p>".encode(),
    }
    return Page(**(values | changes))


def test_the_right_persons_home_counts():
    require_home(page(), HOME, EMAIL)


@pytest.mark.parametrize(
    "change",
    [
        {"status": 403},
        {"url": "http://agent.localhost:8000/sign-in"},
        {"url": "http://portal.localhost:8000/"},
        {"body": b"<p>agent0002@acme.example</p>"},
    ],
)
def test_anything_else_counts_for_nothing(change):
    with pytest.raises(WrongPage):
        require_home(page(**change), HOME, EMAIL)


def test_a_message_about_a_wrong_page_shows_no_code():
    wrong = page(status=403, url="http://agent.localhost:8000/sso/acme?code=secret-code&state=secret-state")

    with pytest.raises(WrongPage) as refused:
        require_home(wrong, HOME, EMAIL)

    assert "secret" not in str(refused.value)


def test_a_browser_keeps_host_cookies_on_plain_http_and_drops_ended_ones():
    browser = Browser()

    browser._keep("agent.localhost", "__Host-session=abc; Path=/; Secure; HttpOnly; SameSite=Lax")
    browser._keep("agent.localhost", "pending=xyz; Path=/sso/acme; Secure")
    browser._keep("agent.localhost", "pending=; Max-Age=0; Path=/sso/acme; Secure")

    assert {name: cookie.value for name, cookie in browser.cookies["agent.localhost"].items()} == {
        "__Host-session": "abc"
    }


def test_cpu_of_a_child_counts_while_it_lives_and_after_it_has_ended():
    burn = "import time\nend = time.process_time() + 0.15\nwhile time.process_time() < end: pass\n"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    program = f"{child}; print(flush=True); sys.stdin.read()"
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    try:
        parent.stdout.readline()

        assert tree(parent.pid) == [parent.pid]
        assert tree_cpu_seconds(parent.pid) >= 0.14
    finally:
        parent.communicate()


def test_cpu_is_told_finer_than_a_tick():
    before = tree_cpu_seconds(os.getpid())
    sum(number * number for number in range(20_000))
    used = tree_cpu_seconds(os.getpid()) - before

    assert 0 < used < 0.5
    assert round(used * 100, 9) != round(used * 100)


def test_the_table_gives_the_ratio_of_the_medians():
    figures = {
        ("sign-in", "reference"): [Figure(8.0, 9.0), Figure(10.0, 9.0), Figure(30.0, 9.0)],
        ("sign-in", "portal"): [Figure(2.0, 3.0), Figure(2.5, 3.0), Figure(15.0, 3.0)],
    }

    shown = table(figures, ["reference", "portal"], [SIGN_IN])

    assert "0.25 x (0.25 - 0.50)" in shown
    assert "2.000 - 15.000" in shown
    assert PAGE.title not in shown


def test_a_spread_is_median_least_and_most():
    assert Spread.of([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0)


@pytest.fixture
def running_provider(tmp_path):
    port = free_port()
    server = start(
        "provider",
        [sys.executable, "-m", "benchmarks.provider", f"--port={port}"],
        port,
        environment=clean_environment(),
        log=tmp_path / "provider.log",
        core=None,
        folder=REPOSITORY,
    )
    yield f"http://127.0.0.1:{port}"
    server.stop()


def post(origin, path, body):
    wire = Wire(int(origin.rpartition(":")[2]), timeout_seconds=10)
    data = body.encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
    try:
        return wire.exchange(path, head.encode() + data)
    finally:
        wire.close()


def test_a_hang_holds_one_tenants_token_endpoint_until_it_is_lifted(running_provider):
    post(running_provider, "/acme/behaviour", '{"token_hangs": true}')
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(post(running_provider, "/acme/token", "code=x")))
    waiting.start()

    other = post(running_provider, "/globex/token", "code=x")
    time.sleep(0.1)
    early = list(answers)
    post(running_provider, "/acme/behaviour", '{"token_hangs": false}')
    waiting.join(5)

    assert other.status == 401
    assert early == []
    assert [answer.status for answer in answers] == [401]


def test_a_delay_holds_one_tenants_token_endpoint_for_so_long(running_provider):
    post(running_provider, "/acme/behaviour", '{"token_delay_seconds": 0.2}')

    begun = time.monotonic()
    post(running_provider, "/globex/token", "code=x")
    calm = time.monotonic() - begun
    post(running_provider, "/acme/token", "code=x")

    assert calm < 0.2
    assert time.monotonic() - begun >= 0.2


def test_discovery_tells_the_issuer_it_was_asked_at(running_provider):
    with Browser() as browser:
        answer = browser.get(f"{running_provider}/acme/.well-known/openid-configuration")

    assert f'"issuer": "{running_provider}/acme"'.encode() in answer.body
    assert (
        Provider(running_provider).metadata("acme")["authorization_response_iss_parameter_supported"] is True
    )
    assert client_id("acme") != client_id("globex")


@pytest.mark.skipif(not can_pin(), reason="needs two cores")
def test_the_plain_reference_signs_people_in(tmp_path):
    done = subprocess.run(
        [sys.executable, "benchmarks/run", "--quick", "--rounds=1", "--subjects", "reference"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=90,
    )

    assert done.returncode == 0, done.stderr
    assert "CPU per sign-in" in done.stdout
    assert "1.00 requests to the provider per sign-in" in done.stdout


def test_the_measured_clients_file_fits_the_schema_of_apply(tmp_path):
    schema = json.loads((REPOSITORY / "lvportal" / "cli" / "apply.schema.json").read_text())
    provider: Any = SimpleNamespace(port=9000)

    file: Any = configuration(provider, people_of("acme", 3))

    jsonschema.validate(file, schema)
    assert [agent["email"] for agent in file["clients"][0]["agents"]] == list(people_of("acme", 3))
    assert "secret-of-acme" not in json.dumps(file)
