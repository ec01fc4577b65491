"""Sessions: how they begin, what they are worth where, and what ends them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy.orm import Session

from lvportal.models import Account, PersonSession
from tests.journeys.stage import (
    HOSTS,
    PENDING_COOKIE,
    SESSION_COOKIE,
    Browser,
    Client,
    Stage,
    assert_signed_in,
)
from tests.providers.hostile import HostileProvider

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"


@pytest.fixture
def ada(stage: Stage) -> tuple[Client, int]:
    client = stage.client("acme")
    return client, stage.user(client, "ada@acme.example", password=PASSWORD, login="ada")


def with_password(
    browser: Browser, *, host: str = "portal", login: str = "ada", password: str = PASSWORD
) -> int:
    fields = {"way": "code", "client": "acme", "login_name": login, "password": password}
    return browser.post_form("/sign-in?way=code", fields, to="/sign-in", host=host).status


# --- Cookies ----------------------------------------------------------------------


def test_the_cookies_of_a_sign_in_have_their_attributes(acme: Client, browser: Browser) -> None:
    departure = browser.begin()
    reply = browser.answer(browser.ask_provider(departure))

    [pending] = departure.cookies
    session = reply.cookie(SESSION_COOKIE)
    client = reply.cookie("__Host-lv-client")
    for cookie in (pending, session, client):
        assert cookie.attributes["path"] == "/"
        assert cookie.attributes["samesite"] == "Lax"
        assert {"secure", "httponly"} <= cookie.attributes.keys()
        assert "domain" not in cookie.attributes
    assert pending.attributes["max-age"] == "600"
    assert client.value == "acme"
    removal = next(c for c in reply.cookies if c.name.startswith(PENDING_COOKIE))
    assert removal.is_removal
    assert removal.name == pending.name


def test_only_the_cookie_of_a_posted_answer_crosses_sites(stage: Stage) -> None:
    stage.user(stage.client("acme", response_mode="form_post"), "ada@acme.example")
    browser = stage.browser()

    departure = browser.begin()
    reply = browser.answer(browser.ask_provider(departure), by="form_post")

    assert departure.cookies[0].attributes["samesite"] == "None"
    assert reply.cookie(SESSION_COOKIE).attributes["samesite"] == "Lax"


def test_the_cookie_of_a_start_can_be_read_by_nobody(acme: Client, browser: Browser) -> None:
    browser.begin()
    [name] = browser.pending()
    sealed = browser.cookie("portal", name) or ""
    sent = dict(browser.ask_provider(browser.begin()))

    assert sent["state"] not in sealed
    assert "acme" not in sealed
    assert len(sealed) < 700  # six of them and a session must fit the usual 8 kB


# --- How they begin ---------------------------------------------------------------


def test_the_session_is_new_at_sign_in(stage: Stage, acme: Client, browser: Browser) -> None:
    """Fixation: what an attacker planted before is worth nothing afterwards."""
    attacker = stage.browser()
    attacker.get("/sign-in?way=code")
    planted = attacker.cookie("portal", SESSION_COOKIE)
    assert planted is not None
    browser.put_cookie("portal", SESSION_COOKIE, planted)

    assert_signed_in(browser, browser.sign_in())

    assert browser.cookie("portal", SESSION_COOKIE) != planted
    assert not attacker.is_signed_in()


def test_a_second_sign_in_replaces_the_first(
    stage: Stage, hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    stage.user(acme, "bob@acme.example")
    browser.sign_in()
    first = browser.copy()
    hostile.add_person("bob@acme.example", subject="bob")

    assert_signed_in(browser, browser.sign_in())

    assert "bob@acme.example" in browser.get("/profile").text
    assert "ada@acme.example" in first.get("/profile").text


def test_a_refused_sign_in_leaves_the_session_that_was_there(
    hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    browser.sign_in()
    hostile.bend_claims(email_verified=False)

    assert browser.sign_in().code == "sign_in.unverified"

    assert browser.is_signed_in()


def test_the_token_of_a_form_before_the_sign_in_is_worthless_after(acme: Client, browser: Browser) -> None:
    stale = browser.get("/sign-in?way=code").hidden("csrf_token")
    browser.sign_in()

    page = browser.post("/profile", {"csrf_token": stale, "theme": "dark"})

    assert page.status in (400, 422)
    assert browser.post_form("/profile", {"theme": "dark"}).status == 303


# --- What they are worth where ------------------------------------------------------


@pytest.mark.parametrize("here", ["portal", "agent"])
def test_a_session_of_one_host_is_worthless_on_the_other(acme: Client, browser: Browser, here: str) -> None:
    there = "agent" if here == "portal" else "portal"
    assert_signed_in(browser, browser.sign_in(host=here), host=here)
    browser.put_cookie(there, SESSION_COOKIE, browser.cookie(here, SESSION_COOKIE) or "")

    assert not browser.is_signed_in(there)
    assert browser.is_signed_in(here)


@pytest.mark.parametrize("order", ["real first", "false first"])
def test_two_session_cookies_are_no_fault(stage: Stage, acme: Client, browser: Browser, order: str) -> None:
    browser.sign_in()
    real = f"{SESSION_COOKIE}={browser.cookie('portal', SESSION_COOKIE)}"
    false = f"{SESSION_COOKIE}=x.y.z"
    cookies = f"{real}; {false}" if order == "real first" else f"{false}; {real}"

    page = stage.call("GET", "/profile", headers=[("Host", HOSTS["portal"]), ("Cookie", cookies)])

    assert page.status in (200, 303)


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-1] + ("A" if c[-1] != "A" else "B"), lambda c: "x" + c, lambda c: c.upper()]
)
def test_a_damaged_session_cookie_is_no_session(
    acme: Client, browser: Browser, damage: Callable[[str], str]
) -> None:
    browser.sign_in()
    whole = browser.copy()
    browser.put_cookie("portal", SESSION_COOKIE, damage(browser.cookie("portal", SESSION_COOKIE) or ""))

    assert not browser.is_signed_in()
    assert whole.is_signed_in()


def test_a_cookie_of_another_installation_is_no_session(
    make_stage: Callable[..., Stage], hostile: HostileProvider
) -> None:
    hostile.add_person("ada@acme.example")
    stages = [make_stage(), make_stage()]
    for stage in stages:
        stage.user(stage.client("acme"), "ada@acme.example")
    here, there = (stage.browser() for stage in stages)
    assert_signed_in(here, here.sign_in())

    there.put_cookie("portal", SESSION_COOKIE, here.cookie("portal", SESSION_COOKIE) or "")

    assert not there.is_signed_in()


def test_the_database_does_not_hold_what_the_cookie_holds(
    stage: Stage, acme: Client, browser: Browser
) -> None:
    """A stolen database opens no session: it has the hash of the handle alone."""
    browser.sign_in()
    [row] = stage.rows()["sessions"]
    cookie = browser.cookie("portal", SESSION_COOKIE) or ""

    assert not any(isinstance(value, str) and len(value) > 20 and value in cookie for value in row)


# --- What ends them -----------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [
        lambda stage, client, ada: stage.change(Account, ada, active=False),
        lambda stage, client, ada: stage.change(
            Account, ada, email="x@acme.example", folded_email="x@acme.example"
        ),
        lambda stage, client, ada: stage.change(Account, ada, email=None, folded_email=None),
        lambda stage, client, ada: stage.set_feature(client, enabled=False),
        lambda stage, client, ada: stage.set_enabled(client, enabled=False),
    ],
    ids=["deactivated", "email changed", "email removed", "feature off", "connection off"],
)
def test_the_next_request_after_a_change_is_anonymous(
    stage: Stage,
    ada: tuple[Client, int],
    browser: Browser,
    end: Callable[[Stage, Client, int], None],
) -> None:
    client, account = ada
    assert_signed_in(browser, browser.sign_in())

    end(stage, client, account)

    turned_away = browser.get("/profile")
    assert (turned_away.status, turned_away.path) == (303, "/sign-in")
    assert browser.get("/configure/client/security").status == 303


def test_a_password_session_survives_single_sign_on(
    stage: Stage, ada: tuple[Client, int], browser: Browser
) -> None:
    assert with_password(browser) == 303

    stage.set_feature(ada[0], enabled=False)

    assert browser.is_signed_in()


def test_a_role_taken_away_counts_at_the_next_request(
    stage: Stage, ada: tuple[Client, int], browser: Browser
) -> None:
    browser.sign_in()
    assert browser.get("/configure/client/security").status == 200

    stage.change(Account, ada[1], role="MANAGER")

    refused = browser.get("/configure/client/security")
    assert (refused.status, refused.code) == (403, "request.role")


def test_signing_out_ends_the_row(stage: Stage, acme: Client, browser: Browser) -> None:
    browser.sign_in()
    thief = browser.copy()
    agent = stage.browser()
    agent.sign_in(host="agent")

    done = browser.post_form("/profile", {}, to="/sign-out")

    assert (done.status, done.location) == (303, "/signed-out")
    assert not browser.is_signed_in()
    assert not thief.is_signed_in()
    assert agent.is_signed_in("agent")
    with Session(stage.engine) as session:
        ended = session.query(PersonSession).filter(PersonSession.audience == "portal").one()
        assert (ended.ended_at is not None, ended.end_reason) == (True, "signed out")


def test_signing_out_needs_our_own_form(acme: Client, browser: Browser) -> None:
    browser.sign_in()

    assert browser.get("/sign-out").status == 405
    assert browser.post("/sign-out", {}).status == 400
    assert browser.is_signed_in()
    assert browser.post_form("/profile", {}, to="/sign-out").status == 303


def test_the_signed_out_page_names_no_provider_of_a_strangers_choice(acme: Client, browser: Browser) -> None:
    page = browser.get("/signed-out?provider=Evil&still_signed_in_at=Evil")

    assert page.status == 200
    assert "Evil" not in page.text


@pytest.mark.parametrize(
    ("host", "setting"), [("portal", "portal_idle_minutes"), ("agent", "agent_idle_minutes")]
)
def test_an_idle_session_ends(
    make_stage: Callable[..., Stage], hostile: HostileProvider, host: str, setting: str
) -> None:
    hostile.add_person("ada@acme.example")
    stage = make_stage(**{setting: 30})
    client = stage.client("acme")
    stage.user(client, "ada@acme.example")
    stage.agent(client, "ada@acme.example")
    busy, idle = stage.browser(), stage.browser()
    busy.sign_in(host=host)
    idle.sign_in(host=host)
    start = datetime.now(UTC)

    with time_machine.travel(start + timedelta(minutes=20)):
        assert busy.is_signed_in(host)
    with time_machine.travel(start + timedelta(minutes=31)):
        assert busy.is_signed_in(host)
        assert not idle.is_signed_in(host)


def test_a_session_ends_however_busy(make_stage: Callable[..., Stage], hostile: HostileProvider) -> None:
    hostile.add_person("ada@acme.example")
    stage = make_stage(portal_absolute_hours=1)
    stage.user(stage.client("acme"), "ada@acme.example")
    browser = stage.browser()
    browser.sign_in()
    start = datetime.now(UTC)

    for minutes in (20, 40, 59):
        with time_machine.travel(start + timedelta(minutes=minutes)):
            assert browser.is_signed_in()
    with time_machine.travel(start + timedelta(minutes=61)):
        assert not browser.is_signed_in()


def test_pages_write_last_seen_once_a_minute(stage: Stage, acme: Client, browser: Browser) -> None:
    browser.sign_in()
    before = stage.rows()

    for _ in range(5):
        browser.get("/profile")
    assert stage.rows() == before

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=70)):
        browser.get("/profile")
    assert stage.rows() != before


# --- Passwords beside ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("ada", "wrong"),
        ("ada", ""),
        ("ada", PASSWORD + " "),
        ("ada", PASSWORD.upper()),
        ("ada", "x" * 200_000),
        ("ada", "\x00"),
        ("nobody", PASSWORD),
        ("ada\x00", PASSWORD),
        ("ada@acme.example", PASSWORD),
        ("' or 1=1 --", PASSWORD),
        ("%", PASSWORD),
        ("x" * 100_000, PASSWORD),
    ],
)
def test_a_wrong_password_is_refused_alike(
    stage: Stage, ada: tuple[Client, int], browser: Browser, login: str, password: str
) -> None:
    assert with_password(browser, login=login, password=password) in (403, 422)
    assert not browser.is_signed_in()

    assert with_password(browser) == 303
    assert browser.is_signed_in()


def test_a_person_of_the_provider_has_no_password(stage: Stage, acme: Client, browser: Browser) -> None:
    with Session(stage.engine) as session:
        login = session.query(Account).filter(Account.audience == "portal").one().login_name

    for password in ("null", "None", "password", login, " "):
        assert with_password(browser, login=login, password=password) in (403, 422)
    assert not browser.is_signed_in()


def test_the_password_of_a_user_opens_nothing_on_the_agent_host(
    stage: Stage, ada: tuple[Client, int], browser: Browser
) -> None:
    assert with_password(browser, host="agent") == 403
    assert not browser.is_signed_in("agent")
    assert with_password(browser) == 303


def test_a_paused_password_does_not_pause_single_sign_on(
    stage: Stage, ada: tuple[Client, int], browser: Browser
) -> None:
    for _ in range(6):
        with_password(browser, password="wrong")
    assert with_password(browser) == 403

    assert_signed_in(browser, browser.sign_in())


def test_many_password_tries_of_one_address_are_slowed(
    make_stage: Callable[..., Stage], hostile: HostileProvider
) -> None:
    stage = make_stage(local_sign_ins_per_minute=3)
    stage.user(stage.client("acme"), "ada@acme.example", password=PASSWORD, login="ada")
    browser = stage.browser()

    statuses = [with_password(browser, login="nobody", password="wrong") for _ in range(4)]

    assert statuses == [403, 403, 403, 429]
    hostile.add_person("ada@acme.example")
    assert_signed_in(browser, browser.sign_in())
