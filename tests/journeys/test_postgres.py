"""The same on PostgreSQL, which is stricter about text and decides races by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.journeys.stage import Stage, assert_refused, assert_signed_in, send_at_once
from tests.providers.hostile import HostileProvider

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

PASSWORD = "correct horse battery"


@pytest.fixture
def on_postgres(make_stage: Callable[..., Stage], hostile: HostileProvider, postgres_url: str) -> Stage:
    hostile.add_person("ada@acme.example", subject="ada")
    stage = make_stage(database_url=postgres_url)
    client = stage.client("acme")
    stage.user(client, "ada@acme.example", password=PASSWORD, login="ada")
    stage.agent(client, "ada@acme.example")
    return stage


def test_a_person_signs_in_on_either_host(on_postgres: Stage) -> None:
    for host in ("portal", "agent"):
        browser = on_postgres.browser()
        assert_signed_in(browser, browser.sign_in(host=host), host=host)


@pytest.mark.parametrize("bad", ["%00", "a%00b", "%FF", "%ED%A0%80", "\xff"])
def test_bytes_that_are_no_text_are_no_fault(on_postgres: Stage, bad: str) -> None:
    browser = on_postgres.browser()
    before = on_postgres.rows()
    cookie = ("Cookie", '__Host-lv-client="a\\000b"; __Host-lv-session="\\000"')
    pages = [
        browser.get(target)
        for target in (
            f"/sso/{bad}",
            f"/sso/acme{bad}?state={bad}",
            f"/sso/acme?state={bad}&code={bad}&error={bad}",
            f"/sign-in?client={bad}",
            f"/sign-in?return_to={bad}",
        )
    ]
    pages.append(browser.get("/sign-in", headers=[cookie]))
    pages.append(browser.post("/sso/acme", f"state={bad}&code={bad}".encode("latin-1")))

    assert {page.status for page in pages} <= {200, 303, 400, 403, 404}
    assert on_postgres.rows() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"client": "acme\x00"},
        {"login_name": "ada\x00"},
        {"login_name": "\x00"},
        {"password": "\x00"},
        {"login_name": "x" * 100_000},
        {"login_name": "\ud7ff\U0010ffff"},
    ],
)
def test_a_password_sign_in_with_odd_text_is_refused(on_postgres: Stage, fields: dict[str, str]) -> None:
    browser = on_postgres.browser()
    right = {"way": "code", "client": "acme", "login_name": "ada", "password": PASSWORD}

    assert browser.post_form("/sign-in?way=code", right | fields, to="/sign-in").status in (403, 422)
    assert not browser.is_signed_in()

    assert browser.post_form("/sign-in?way=code", right, to="/sign-in").status == 303


def test_what_a_provider_sends_fits_the_database(on_postgres: Stage, hostile: HostileProvider) -> None:
    browser = on_postgres.browser()
    hostile.bend_claims(
        acr="a\x00b" + "x" * 9000, amr=["\x00"], **{"na\x00me": 1}, sid="s" * 1000, sub="a" * 255
    )
    assert_signed_in(browser, browser.sign_in())

    other = on_postgres.browser()
    hostile.refuse("a\x00b", "c\x00d" + "x" * 9000)
    assert_refused(other, other.sign_in, "sign_in.provider_refused")


@pytest.mark.parametrize("turn", range(3))
def test_one_answer_sent_twice_at_once_opens_one_session(on_postgres: Stage, turn: int) -> None:
    browser = on_postgres.browser()
    answer = browser.ask_provider(browser.begin())

    replies = send_at_once([browser.copy(), browser.copy()], answer)

    assert sorted(reply.status for reply in replies) == [303, 403]
    assert {reply.code for reply in replies} <= {None, "sign_in.expired", "sign_in.code_refused"}
    assert on_postgres.count("sessions") == 1
