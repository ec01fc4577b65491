"""Nothing that is logged, by us or by a library, at any level, holds a secret."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import pytest

from tests.journeys.stage import HOSTS, SESSION_COOKIE, Browser, Stage
from tests.providers.hostile import ABSENT, HostileProvider, Raw

pytestmark = pytest.mark.slow

PASSWORD = "Tr0mbone-in-the-cellar"
WRONG_PASSWORD = "Tr0mbone-in-the-attic"


class Everything(logging.Handler):
    """Keeps every record as text: message, arguments, fields and exception."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = [record.name, record.getMessage(), repr(record.args), repr(record.__dict__)]
        if record.exc_info and record.exc_info[1]:
            text.append("".join(traceback.format_exception(record.exc_info[1])))
        self.lines.append("\n".join(text))


@pytest.fixture
def everything() -> Iterator[Everything]:
    """The root logger and every logger there is, at DEBUG."""
    handler = Everything()
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def loud(everything: Everything) -> Iterator[Callable[[], None]]:
    kept: dict[logging.Logger, tuple[int, bool, bool]] = {}

    def make() -> None:
        logging.getLogger().setLevel(logging.DEBUG)
        for name in ("sqlalchemy.engine", "urllib3.connectionpool", "authlib.oauth2", "joserfc", "werkzeug"):
            logging.getLogger(name)
        for logger in list(logging.root.manager.loggerDict.values()):
            if isinstance(logger, logging.Logger):
                kept.setdefault(logger, (logger.level, logger.propagate, logger.disabled))
                logger.setLevel(logging.DEBUG)
                logger.propagate, logger.disabled = True, False

    yield make
    for logger, (level, propagate, disabled) in kept.items():
        logger.setLevel(level)
        logger.propagate, logger.disabled = propagate, disabled


class Secrets:
    """Collects what must not be found, with what it was."""

    def __init__(self, hostile: HostileProvider) -> None:
        self.known: dict[str, str] = {}
        self._hostile = hostile
        self.watch()

    def add(self, what: str, value: str | None) -> None:
        if value and len(value) >= 8:
            for form in (value, quote(value, safe=""), quote_plus(value)):
                self.known[form] = what

    def watch(self) -> None:
        """Keep the ID tokens that are given out from now on."""
        hostile = self._hostile
        honest = hostile.sign

        def sign(head: dict[str, Any], body: dict[str, Any]) -> str:
            token = honest(head, body)
            self.add("ID token", token)
            self.add("signature", token.rpartition(".")[2])
            return token

        hostile.sign = sign

    def gather(self) -> None:
        """Take what arrived at the provider."""
        for asked in self._hostile.requests:
            for name in ("code", "code_verifier", "client_secret", "state", "nonce"):
                self.add(name, asked.first(name))
            scheme, _, value = asked.headers.get("authorization", "").partition(" ")
            self.add(f"{scheme} credentials", value)
            if scheme == "Basic":
                self.add("client_secret", unquote(base64.b64decode(value).decode().partition(":")[2]))
        for token in self._hostile._tokens:
            self.add("access token", token)

    def of_browser(self, browser: Browser) -> None:
        for jar in browser.jars.values():
            for name, kept in jar.items():
                if name != "__Host-lv-client":
                    self.add(f"cookie {name}", kept.value)
                if name == SESSION_COOKIE:
                    self.add("signed part", kept.value.rpartition(".")[2])

    def found_in(self, text: str) -> list[str]:
        return sorted({what for value, what in self.known.items() if value in text})


def visit(stage: Stage, secrets: Secrets, code: str, *, host: str = "portal", by: str = "query") -> int:
    """Sign in with a new browser; remember every secret on the way. Returns the last status."""
    browser = stage.browser()
    departure = browser.begin(code, host=host)
    secrets.of_browser(browser)
    status = departure.status
    if status == 303:
        answer = browser.ask_provider(departure)
        for name, value in answer:
            if name in ("code", "state"):
                secrets.add(name, value)
        status = browser.answer(answer, code, host=host, by=by).status
        secrets.of_browser(browser)
        browser.get("/", host=host)
        browser.get("/profile", host=host)
    secrets.gather()
    return status


def echo(hostile: HostileProvider, secrets: Secrets) -> None:
    """Let the token endpoint repeat in its error whatever it was sent, as some providers do."""

    def exchange(asked: Any) -> tuple[int, dict[str, Any]]:
        everything = " ".join(value for _, value in asked.parameters)
        return 400, {
            "error": everything[:2000],
            "error_description": everything + asked.headers.get("authorization", ""),
        }

    hostile.exchange = exchange  # type: ignore[method-assign]


def test_no_log_holds_a_secret(
    make_stage: Callable[..., Stage],
    hostile: HostileProvider,
    everything: Everything,
    loud: Callable[[], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    hostile.add_person("ada@acme.example", subject="ada")
    stage = make_stage(log_level="DEBUG", provider_total_timeout_seconds=2)
    secrets = Secrets(hostile)
    for number, (authentication, values) in enumerate(
        [
            ("client_secret_basic", {}),
            ("client_secret_post", {}),
            ("none", {}),
            ("client_secret_basic", {"response_mode": "form_post"}),
        ]
    ):
        client = stage.client(f"client{number}", authentication=authentication, **values)
        stage.user(client, "ada@acme.example", password=PASSWORD, login="ada")
        stage.agent(client, "ada@acme.example")
        secrets.add("client secret", client.application.client_secret)
    for part in stage.encryption_keys.split(","):
        secrets.add("encryption key", part.partition(":")[2])
    for key in (stage.app.secret_key, *stage.portal.key_ring.signing_keys("session cookie")):
        secrets.add("signing key", str(key))
    secrets.add("password", PASSWORD)
    secrets.add("wrong password", WRONG_PASSWORD)
    loud()

    # Successes.
    for number in range(3):
        assert visit(stage, secrets, f"client{number}") == 303
        assert visit(stage, secrets, f"client{number}", host="agent") == 303
    assert visit(stage, secrets, "client3", by="form_post") == 303
    hostile.puts_email_into_id_token = False
    assert visit(stage, secrets, "client0") == 303

    # Refusals: at every step, and with what a provider may do to us.
    bends: list[Callable[[], object]] = [
        lambda: hostile.bend_claims(nonce="another"),
        lambda: hostile.bend_claims(aud="somebody"),
        lambda: hostile.bend_claims(exp=1),
        lambda: hostile.bend_claims(at_hash="x"),
        lambda: hostile.bend_claims(sub=""),
        lambda: hostile.bend_claims(email="nobody@acme.example"),
        lambda: hostile.bend_claims(email_verified=False),
        lambda: hostile.bend_header(alg="none"),
        lambda: hostile.bend_header(typ="at+jwt"),
        lambda: hostile.bend_token_answer(token_type="DPoP"),
        lambda: hostile.bend_token_answer(id_token="a.b"),
        lambda: hostile.bend_token_answer(access_token="with\nline"),
        lambda: hostile.bend_answer_parameters(iss="https://elsewhere.example"),
        lambda: hostile.bend_answer_parameters(code=ABSENT),
        lambda: hostile.refuse("access_denied", "no"),
        lambda: hostile.answer("/token", Raw(500, b"<html>", "text/html")),
        lambda: hostile.answer("/token", Raw(200, b"not json")),
        lambda: hostile.answer("/token", Raw(401, b'{"error":"invalid_client"}')),
        lambda: hostile.redirect("/token", "/elsewhere"),
        lambda: hostile.flood("/token"),
        lambda: hostile.hang("/token"),
        lambda: echo(hostile, secrets),
    ]
    for bend in bends:
        hostile.straighten()
        hostile.__dict__.pop("exchange", None)
        secrets.watch()
        bend()
        for code in ("client0", "client1", "client2"):
            assert visit(stage, secrets, code) in (403, 502)
    hostile.__dict__.pop("exchange", None)
    hostile.straighten()

    # A replay, a guess, an error that repeats our state, and passwords.
    browser = stage.browser()
    answer = dict(browser.ask_provider(browser.begin("client0")))
    secrets.of_browser(browser)
    secrets.gather()
    thief = browser.copy()
    assert browser.answer(answer, "client0").status == 303
    assert thief.answer(answer, "client0").status == 403
    browser = stage.browser()
    answer = dict(browser.ask_provider(browser.begin("client0")))
    secrets.gather()
    repeated = {
        "error": answer["state"],
        "error_description": answer["state"],
        "state": answer["state"],
        "iss": answer["iss"],
    }
    assert browser.answer(repeated, "client0").status == 403
    for password, status in ((WRONG_PASSWORD, 403), (PASSWORD, 303)):
        browser = stage.browser()
        fields = {"way": "code", "client": "client0", "login_name": "ada", "password": password}
        assert browser.post_form("/sign-in?way=code", fields, to="/sign-in").status == status
        secrets.of_browser(browser)
    assert browser.post_form("/profile", {}, to="/sign-out").status == 303

    printed = capfd.readouterr()
    text = "\n".join([*everything.lines, printed.out, printed.err])
    assert len(secrets.known) > 300
    assert "sign_in.refused" in text
    assert secrets.found_in(text) == []


def test_the_search_itself_finds_what_is_logged(hostile: HostileProvider, everything: Everything) -> None:
    """Control: had anybody logged it, it would have been found."""
    secrets = Secrets(hostile)
    secrets.add("code", "a code/with+signs")
    logging.getLogger().setLevel(logging.DEBUG)

    logging.getLogger("some.library").debug("GET /sso?code=%s", quote_plus("a code/with+signs"))

    assert secrets.found_in("\n".join(everything.lines)) == ["code"]


@pytest.mark.parametrize("authentication", ["client_secret_basic", "client_secret_post", "none"])
def test_no_record_and_no_page_repeats_a_secret_of_the_sign_in(
    make_stage: Callable[..., Stage], hostile: HostileProvider, authentication: str
) -> None:
    hostile.add_person("ada@acme.example")
    stage = make_stage()
    secrets = Secrets(hostile)
    client = stage.client("acme", authentication=authentication)
    secrets.add("client secret", client.application.client_secret)
    echo(hostile, secrets)
    browser = stage.browser()
    answer = browser.ask_provider(browser.begin())

    page = browser.answer(answer)

    hostile.__dict__.pop("exchange", None)
    secrets.gather()
    assert page.status == 403
    assert secrets.found_in(page.text) == []
    assert secrets.found_in(repr(stage.rows()["sign_in_records"])) == []


def test_a_fault_in_production_logs_its_kind_and_not_its_text(
    make_stage: Callable[..., Stage], everything: Everything, capfd: pytest.CaptureFixture[str]
) -> None:
    stage = make_stage(
        environment="production",
        unsafe_allow_http_origins_in_production=True,
        unsafe_allow_unsafe_provider_addresses_in_production=True,
        log_level="DEBUG",
    )

    def broken() -> str:
        raise RuntimeError("with the secret of a form")

    broken.is_public = True  # type: ignore[attr-defined]
    endpoint = next(
        rule.endpoint
        for rule in stage.app.url_map.iter_rules()
        if rule.rule == "/signed-out" and rule.host == HOSTS["portal"]
    )
    stage.app.view_functions[endpoint] = broken

    page = stage.browser().get("/signed-out")

    printed = capfd.readouterr()
    assert page.status == 500
    assert "request.fault" in printed.err
    assert "RuntimeError" in printed.err
    assert "secret of a form" not in printed.err + printed.out + "\n".join(everything.lines)
