"""The provider's answer in the browser: whose it is, what it holds, and how often it counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from lvportal.models import Account, PersonSession, Tenant
from tests.journeys.stage import (
    PENDING_COOKIE,
    Browser,
    Client,
    Pairs,
    Reply,
    Stage,
    assert_refused,
    assert_signed_in,
    send_at_once,
)
from tests.providers.hostile import ABSENT, HostileProvider


@pytest.mark.parametrize("host", ["portal", "agent"])
@pytest.mark.parametrize("by", ["query", "form_post"])
def test_a_person_signs_in_on_either_host_by_either_way(stage: Stage, host: str, by: str) -> None:
    client = stage.client("acme", response_mode=by)
    stage.account(client.tenant_id, host, "ada@acme.example", role="SYSADMIN" if host == "portal" else None)
    browser = stage.browser()

    reply = browser.sign_in(host=host, by=by)

    assert_signed_in(browser, reply, host=host)
    assert not browser.pending(host)
    assert stage.count("sessions") == 1


# --- Whose answer it is ----------------------------------------------------------


def test_the_state_of_another_browser_is_refused(stage: Stage, acme: Client, browser: Browser) -> None:
    answer = browser.ask_provider(browser.begin())
    victim = stage.browser()
    victim.begin()

    assert_refused(victim, lambda: victim.answer(answer), "sign_in.expired", is_recorded=False)

    assert_signed_in(browser, browser.answer(answer))


def test_a_pending_cookie_renamed_for_another_state_is_refused(
    stage: Stage, acme: Client, browser: Browser
) -> None:
    attacker = stage.browser()
    answer = attacker.ask_provider(attacker.begin())
    browser.begin()
    [own] = browser.pending()
    sealed = browser.cookie("portal", own)
    assert sealed is not None
    browser.put_cookie("portal", attacker.pending()[0], sealed)

    assert_refused(browser, lambda: browser.answer(answer), "sign_in.expired", is_recorded=False)

    assert_signed_in(attacker, attacker.answer(answer))


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-2], lambda c: "test." + "A" * 200, lambda c: "", lambda c: "x." + c]
)
def test_a_damaged_pending_cookie_is_refused(
    acme: Client, browser: Browser, damage: Callable[[str], str]
) -> None:
    answer = browser.ask_provider(browser.begin())
    whole = browser.copy()
    [name] = browser.pending()
    browser.put_cookie("portal", name, damage(browser.cookie("portal", name) or ""))

    assert_refused(browser, lambda: browser.answer(answer), "sign_in.expired", is_recorded=False)

    assert_signed_in(whole, whole.answer(answer))


def test_an_answer_for_one_client_is_refused_at_another(
    stage: Stage, acme: Client, globex: Client, browser: Browser
) -> None:
    answer = browser.ask_provider(browser.begin("acme"))
    second = browser.copy()

    assert_refused(browser, lambda: browser.answer(answer, "globex"), "sign_in.expired", is_recorded=False)

    assert_signed_in(second, second.answer(answer, "acme"))


def test_a_code_of_another_client_is_refused_with_a_pending_sign_in_of_ones_own(
    stage: Stage, hostile: HostileProvider, acme: Client, globex: Client, browser: Browser
) -> None:
    """Mix-up: the state is right, the code was given for the other client."""
    foreign = dict(browser.ask_provider(browser.begin("globex")))
    own = dict(browser.ask_provider(browser.begin("acme")))
    second = browser.copy()

    assert_refused(browser, lambda: browser.answer(own | {"code": foreign["code"]}), "sign_in.code_refused")

    assert_signed_in(second, second.answer(dict(second.ask_provider(second.begin("acme")))))


def test_a_code_of_another_person_is_refused(stage: Stage, acme: Client, browser: Browser) -> None:
    """Code injection: PKCE binds the code to the browser that asked for it."""
    attacker = stage.browser()
    stolen = dict(attacker.ask_provider(attacker.begin()))
    own = dict(browser.ask_provider(browser.begin()))

    assert_refused(browser, lambda: browser.answer(own | {"code": stolen["code"]}), "sign_in.code_refused")

    assert_signed_in(attacker, attacker.answer(stolen))


@pytest.mark.parametrize("to", ["portal", "agent"])
def test_a_pending_cookie_of_one_host_is_worthless_at_the_other(
    acme: Client, browser: Browser, to: str
) -> None:
    here = "agent" if to == "portal" else "portal"
    answer = browser.ask_provider(browser.begin(host=here))
    second = browser.copy()
    browser.jars[to].update(browser.jars[here])

    assert_refused(
        browser, lambda: browser.answer(answer, host=to), "sign_in.expired", host=to, is_recorded=False
    )

    assert_signed_in(second, second.answer(answer, host=here), host=here)


@pytest.mark.parametrize(
    "state", ["", "x", "x" * 200, "x" * 100_000, "\x00", "é\N{PILE OF POO}", "../../etc", "%"]
)
def test_a_random_state_is_refused_and_not_stored(acme: Client, browser: Browser, state: str) -> None:
    answer = dict(browser.ask_provider(browser.begin()))

    assert_refused(
        browser, lambda: browser.answer({**answer, "state": state}), "sign_in.expired", is_recorded=False
    )

    assert_signed_in(browser, browser.answer(answer))


def test_an_answer_without_a_state_is_refused(
    hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    hostile.bend_answer_parameters(state=ABSENT)
    assert_refused(browser, browser.sign_in, "sign_in.expired", is_recorded=False)

    hostile.straighten()
    assert_signed_in(browser, browser.sign_in())


# --- How often it counts ---------------------------------------------------------


def test_an_answer_counts_once(stage: Stage, acme: Client, browser: Browser) -> None:
    answer = browser.ask_provider(browser.begin())
    thief = browser.copy()
    assert_signed_in(browser, browser.answer(answer))

    page = thief.answer(answer)

    assert (page.status, page.code) == (403, "sign_in.expired")
    assert not thief.is_signed_in()
    assert browser.is_signed_in()
    assert stage.count("sessions") == 1
    assert [record.outcome for record in stage.records()] == ["signed_in"]


def test_a_code_of_a_second_round_does_not_revive_a_used_state(
    hostile: HostileProvider, stage: Stage, acme: Client, browser: Browser
) -> None:
    """The state is spent even if the provider gives a fresh code, with our nonce, for it."""
    departure = browser.begin()
    kept = browser.copy()
    first, second = browser.ask_provider(departure), browser.ask_provider(departure)
    assert_signed_in(browser, browser.answer(first))

    page = kept.answer(second)

    assert (page.status, page.code) == (403, "sign_in.expired")
    assert not kept.is_signed_in()
    assert stage.count("sessions") == 1


def test_a_refused_answer_is_spent_too(
    hostile: HostileProvider, stage: Stage, acme: Client, browser: Browser
) -> None:
    departure = browser.begin()
    kept = browser.copy()
    first, second = browser.ask_provider(departure), browser.ask_provider(departure)
    hostile.bend_claims(nonce="another")
    assert_refused(browser, lambda: browser.answer(first), "sign_in.nonce")
    hostile.bend_claims(nonce=lambda _: dict(browser.asked)["nonce"])

    page = kept.answer(second)

    assert (page.status, page.code) == (403, "sign_in.expired")
    assert not kept.is_signed_in()
    assert len(stage.records()) == 1


def test_a_code_that_was_not_exchanged_leaves_the_state_to_its_twin(
    stage: Stage, acme: Client, browser: Browser
) -> None:
    """The order of a double click's two answers that would keep the person out, one after the other."""
    answer = dict(browser.ask_provider(browser.begin()))
    twin, thief = browser.copy(), browser.copy()
    assert_refused(browser, lambda: browser.answer(answer | {"code": "spent"}), "sign_in.code_refused")

    assert_signed_in(twin, twin.answer(answer))

    assert thief.answer(answer).code == "sign_in.expired"
    assert [record.outcome for record in stage.records()] == ["refused", "signed_in"]
    assert stage.count("sessions") == 1


@pytest.mark.parametrize("turn", range(5))
def test_one_answer_sent_twice_at_once_opens_one_session(
    stage: Stage, acme: Client, browser: Browser, turn: int
) -> None:
    answer = browser.ask_provider(browser.begin())
    replies = send_at_once([browser, browser.copy()], answer)

    assert sorted(reply.status for reply in replies) == [303, 403]
    assert {reply.code for reply in replies} <= {None, "sign_in.expired", "sign_in.code_refused"}
    assert stage.count("sessions") == 1
    assert [record.outcome for record in stage.records()].count("signed_in") == 1


def test_one_answer_sent_often_at_once_opens_no_second_session(
    stage: Stage, acme: Client, browser: Browser
) -> None:
    answer = browser.ask_provider(browser.begin())
    replies = send_at_once([browser.copy() for _ in range(6)], answer)

    assert {reply.status for reply in replies} == {303, 403}
    assert stage.count("sessions") == sum(reply.status == 303 for reply in replies) == 1


def test_tabs_sign_in_side_by_side(acme: Client, browser: Browser) -> None:
    answers = [browser.ask_provider(browser.begin()) for _ in range(4)]

    for answer in reversed(answers):
        assert_signed_in(browser, browser.answer(answer))

    assert not browser.pending()


def test_the_oldest_of_too_many_tabs_is_forgotten(acme: Client, browser: Browser) -> None:
    answers = [browser.ask_provider(browser.begin()) for _ in range(8)]

    assert len(browser.pending()) == 6
    assert_refused(browser, lambda: browser.answer(answers[0]), "sign_in.expired", is_recorded=False)
    assert_signed_in(browser, browser.answer(answers[-1]))


def test_an_answer_after_ten_minutes_is_refused(acme: Client, browser: Browser) -> None:
    start = datetime.now(UTC)
    with time_machine.travel(start - timedelta(seconds=601)):
        late = browser.ask_provider(browser.begin())
    with time_machine.travel(start - timedelta(seconds=590)):
        in_time = browser.ask_provider(browser.begin())

    with time_machine.travel(start, tick=False):
        assert_refused(browser, lambda: browser.answer(late), "sign_in.expired", is_recorded=False)
        assert_signed_in(browser, browser.answer(in_time))


def test_an_answer_from_before_its_start_is_refused(acme: Client, browser: Browser) -> None:
    """A pending cookie stamped by a clock that is ahead does not live longer for it."""
    start = datetime.now(UTC)
    with time_machine.travel(start + timedelta(seconds=300)):
        ahead = browser.ask_provider(browser.begin())

    assert_refused(browser, lambda: browser.answer(ahead), "sign_in.expired", is_recorded=False)
    assert_signed_in(browser, browser.sign_in())


# --- What it holds ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["state", "code", "iss", "anything"])
@pytest.mark.parametrize("by", ["query", "form_post"])
def test_a_repeated_parameter_is_refused(stage: Stage, hostile: HostileProvider, name: str, by: str) -> None:
    stage.user(stage.client("acme", response_mode=by), "ada@acme.example")
    browser = stage.browser()
    plain: Pairs = [*browser.ask_provider(browser.begin()), ("anything", "1")]
    twice = [*plain, (name, dict(plain)[name])]

    assert_refused(browser, lambda: browser.answer(twice, by=by), "sign_in.repeated_parameter")

    again: Pairs = [*browser.ask_provider(browser.begin()), ("anything", "1")]
    assert_signed_in(browser, browser.answer(again, by=by))


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"error": "access_denied"}, "sign_in.answer_malformed"),
        ({"error": ""}, "sign_in.answer_malformed"),
        ({"id_token": "e30.e30."}, "sign_in.implicit"),
        ({"access_token": "x"}, "sign_in.implicit"),
        ({"refresh_token": "x"}, "sign_in.implicit"),
        ({"response": "e30.e30."}, "sign_in.implicit"),
        ({"code": ""}, "sign_in.answer_malformed"),
        ({"code": "x" * 4097}, "sign_in.answer_malformed"),
        ({"code": "\x00"}, "sign_in.answer_malformed"),
        ({"code": "a\r\nb"}, "sign_in.answer_malformed"),
        ({"code": "é"}, "sign_in.answer_malformed"),
        ({f"p{n}": "x" for n in range(40)}, "sign_in.answer_malformed"),
        ({"iss": "https://login.elsewhere.example"}, "sign_in.answer_issuer"),
        ({"iss": ""}, "sign_in.answer_issuer"),
        ({"iss": "x" * 50_000}, "sign_in.answer_issuer"),
    ],
)
def test_an_answer_that_says_the_wrong_thing_is_refused(
    acme: Client, browser: Browser, more: dict[str, str], code: str
) -> None:
    answer = dict(browser.ask_provider(browser.begin()))

    assert_refused(browser, lambda: browser.answer(answer | more), code)

    answer = dict(browser.ask_provider(browser.begin()))
    assert_signed_in(browser, browser.answer(answer | {"session_state": "x", "unknown": "é\x00<b>"}))


def test_the_issuer_is_compared_to_the_last_slash(
    hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    hostile.bend_answer_parameters(iss=hostile.issuer + "/")
    assert_refused(browser, browser.sign_in, "sign_in.answer_issuer")

    hostile.bend_answer_parameters(iss=hostile.issuer)
    assert_signed_in(browser, browser.sign_in())


def test_an_issuer_left_out_is_refused_when_it_was_announced(
    hostile: HostileProvider, stage: Stage, acme: Client, browser: Browser
) -> None:
    hostile.bend_answer_parameters(iss=ABSENT)
    assert_refused(browser, browser.sign_in, "sign_in.answer_issuer_missing")

    hostile.bend_discovery(authorization_response_iss_parameter_supported=ABSENT)
    stage.portal.documents.forget(hostile.issuer)
    assert_signed_in(browser, browser.sign_in())


def test_an_error_needs_the_issuer_too(hostile: HostileProvider, acme: Client, browser: Browser) -> None:
    hostile.refuse("access_denied")
    hostile.bend_answer_parameters(iss="https://login.elsewhere.example")
    assert_refused(browser, browser.sign_in, "sign_in.answer_issuer")

    hostile.bend_answer_parameters(iss=hostile.issuer)
    assert_refused(browser, browser.sign_in, "sign_in.access_denied")


@pytest.mark.parametrize("asked", ["query", "form_post"])
def test_an_answer_by_the_other_way_is_refused(stage: Stage, asked: str) -> None:
    stage.user(stage.client("acme", response_mode=asked), "ada@acme.example")
    browser = stage.browser()
    answer = browser.ask_provider(browser.begin())

    def by_the_other_way() -> Reply:
        target = f"/sso/acme?{'&'.join(f'{k}={v}' for k, v in answer)}"
        # From this very site, so that the cookie comes along whatever the way.
        return browser.post("/sso/acme", answer) if asked == "query" else browser.get(target)

    assert_refused(browser, by_the_other_way, "sign_in.response_mode")

    assert_signed_in(browser, browser.sign_in(by=asked))


def test_a_posted_answer_does_not_bring_a_cookie_that_was_meant_for_a_link(
    acme: Client, browser: Browser
) -> None:
    """The cookie of a query sign-in is Lax: another site's form cannot use it."""
    answer = browser.ask_provider(browser.begin())

    assert_refused(
        browser, lambda: browser.answer(answer, by="form_post"), "sign_in.expired", is_recorded=False
    )

    assert_signed_in(browser, browser.answer(answer))


def test_an_answer_in_the_query_of_a_post_is_not_read(stage: Stage) -> None:
    stage.user(stage.client("acme", response_mode="form_post"), "ada@acme.example")
    browser = stage.browser()
    answer = browser.ask_provider(browser.begin())
    query = "&".join(f"{name}={value}" for name, value in answer)

    reply = browser.post(f"/sso/acme?{query}", {}, cross_site=True)

    assert reply.status == 303
    assert reply.location.startswith(stage.provider.issuer)
    assert not browser.is_signed_in()
    assert_signed_in(browser, browser.answer(answer, by="form_post"))


# --- Errors -----------------------------------------------------------------------

MARKUP = '"><script>alert(1)</script><img src=x onerror=y>' + "\r\nSet-Cookie: x=y " + "a" * 5000


def test_what_the_provider_says_is_escaped_and_cut(
    hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    hostile.refuse("access_denied", MARKUP)

    page = assert_refused(browser, browser.sign_in, "sign_in.access_denied")

    assert b"<script>alert" not in page.body
    assert b"<img" not in page.body
    assert b"onerror=y>" not in page.body
    assert "<script>alert(1)</script>" in page.text  # shown, as text
    assert "a" * 300 not in page.text
    assert "\r" not in str(page.headers)
    assert "x=y" not in str(page.headers)
    assert len(browser.stage.records()[-1].provider_said) <= 200


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("access_denied", "sign_in.access_denied"),
        ("login_required", "sign_in.login_required"),
        ("server_error", "sign_in.provider_unavailable"),
        ("invalid_scope", "sign_in.scope"),
        ("unauthorized_client", "sign_in.client_not_allowed"),
        ("<b>unheard of</b>", "sign_in.provider_refused"),
        ("x" * 20_000, "sign_in.provider_refused"),
        ("", "sign_in.provider_refused"),
        ("{client} {0} %s", "sign_in.provider_refused"),
    ],
)
def test_an_error_of_the_provider_is_a_refusal_with_its_code(
    hostile: HostileProvider, acme: Client, browser: Browser, error: str, code: str
) -> None:
    hostile.refuse(error)

    page = assert_refused(browser, browser.sign_in, code)

    assert b"<b>" not in page.body
    hostile.straighten()
    assert_signed_in(browser, browser.sign_in())


def test_an_error_without_a_sign_in_under_way_is_not_stored(acme: Client, browser: Browser) -> None:
    assert_refused(
        browser,
        lambda: browser.get("/sso/acme?error=access_denied&error_description=call+0800&state=guessed"),
        "sign_in.expired",
        is_recorded=False,
    )
    assert "0800" not in browser.get("/sso/acme?error=access_denied&error_description=call+0800").text


# --- What changed meanwhile --------------------------------------------------------


def test_the_feature_turned_off_meanwhile_is_refused(stage: Stage, acme: Client, browser: Browser) -> None:
    answer = browser.ask_provider(browser.begin())
    stage.set_feature(acme, enabled=False)
    assert_refused(browser, lambda: browser.answer(answer), "sign_in.off")

    stage.set_feature(acme, enabled=True)
    assert_signed_in(browser, browser.sign_in())


def test_the_connection_disabled_meanwhile_is_refused(stage: Stage, acme: Client, browser: Browser) -> None:
    answer = browser.ask_provider(browser.begin())
    stage.set_enabled(acme, enabled=False)
    assert_refused(browser, lambda: browser.answer(answer), "sign_in.off")

    stage.set_enabled(acme, enabled=True)
    assert_signed_in(browser, browser.sign_in())


def test_a_start_is_refused_while_single_sign_on_is_off(stage: Stage, acme: Client, browser: Browser) -> None:
    stage.set_enabled(acme, enabled=False)
    assert_refused(browser, browser.sign_in, "sign_in.off", is_recorded=False)

    stage.set_enabled(acme, enabled=True)
    assert_signed_in(browser, browser.sign_in())


def test_another_revision_live_meanwhile_starts_anew(
    stage: Stage, hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    answer = browser.ask_provider(browser.begin())
    before = len(hostile.requests)
    stage.new_revision(acme, scopes="openid email")

    reply = browser.answer(answer)

    assert (reply.status, reply.location) == (303, "/sso/acme")
    assert len(hostile.requests) == before  # the code went nowhere
    assert not stage.records()
    assert not browser.is_signed_in()
    assert not browser.pending()
    assert_signed_in(browser, browser.sign_in())


def test_an_account_deactivated_meanwhile_is_refused(stage: Stage, browser: Browser) -> None:
    ada = stage.user(stage.client("acme"), "ada@acme.example")
    answer = browser.ask_provider(browser.begin())
    stage.change(Account, ada, active=False)
    assert_refused(browser, lambda: browser.answer(answer), "sign_in.inactive")

    stage.change(Account, ada, active=True)
    assert_signed_in(browser, browser.sign_in())


def test_nothing_of_a_deleted_client_is_worth_anything(stage: Stage, acme: Client, browser: Browser) -> None:
    signed_in = stage.browser()
    signed_in.sign_in()
    answer = browser.ask_provider(browser.begin())
    stage.change(Tenant, acme.tenant_id, deleted_at=datetime.now(UTC))

    assert_refused(
        browser, lambda: browser.answer(answer), "sign_in.unknown_client", status=404, is_recorded=False
    )
    assert_refused(browser, browser.begin, "sign_in.unknown_client", status=404, is_recorded=False)
    assert not signed_in.is_signed_in()

    stage.change(Tenant, acme.tenant_id, deleted_at=None)
    assert_signed_in(browser, browser.sign_in())


def test_a_pending_sign_in_is_no_session(acme: Client, browser: Browser) -> None:
    browser.begin()
    [name] = browser.pending()
    browser.put_cookie("portal", "__Host-lv-session", browser.cookie("portal", name) or "")

    assert not browser.is_signed_in()
    assert name.startswith(PENDING_COOKIE)


def test_a_session_is_written_with_what_the_provider_said(
    stage: Stage, acme: Client, browser: Browser
) -> None:
    browser.sign_in()

    from sqlalchemy.orm import Session

    with Session(stage.engine) as session:
        row = session.query(PersonSession).one()
        assert (row.method, row.email, row.subject, row.issuer) == (
            "sso",
            "ada@acme.example",
            "ada",
            stage.provider.issuer,
        )
        assert row.handle_hash not in (browser.cookie("portal", "__Host-lv-session") or "")
