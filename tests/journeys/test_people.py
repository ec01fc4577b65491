"""Whose account an identity opens: the email, its proof, its client and its host."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from lvportal.models import Account
from tests.journeys.stage import Browser, Client, Reply, Stage, assert_refused, assert_signed_in
from tests.providers.hostile import ABSENT, HostileProvider, Raw

pytestmark = pytest.mark.slow

Bend = Callable[[HostileProvider], None]


def claims(**changes: Any) -> Bend:
    return lambda hostile: hostile.bend_claims(**changes)


def by_userinfo(**changes: Any) -> Bend:
    """A thin ID token: what decides comes from UserInfo."""

    def bend(hostile: HostileProvider) -> None:
        hostile.puts_email_into_id_token = False
        hostile.bend_userinfo(**changes)

    return bend


def userinfo_answer(raw: Raw) -> Bend:
    def bend(hostile: HostileProvider) -> None:
        hostile.puts_email_into_id_token = False
        hostile.answer("/userinfo", raw)

    return bend


def no_email_anywhere(hostile: HostileProvider) -> None:
    hostile.bend_claims(email=ABSENT)
    hostile.bend_userinfo(email=ABSENT)


def verification_of_another_address(hostile: HostileProvider) -> None:
    """The ID token has the email, UserInfo confirms a different one."""
    hostile.bend_claims(email_verified=ABSENT)
    hostile.bend_userinfo(email="eve@evil.example", email_verified=True)


def verification_by_userinfo(hostile: HostileProvider) -> None:
    hostile.bend_claims(email_verified=ABSENT)


CASES: dict[str, tuple[Bend, Bend, str]] = {
    "no email": (no_email_anywhere, by_userinfo(), "sign_in.no_email"),
    "an empty email": (claims(email=""), claims(), "sign_in.no_email"),
    "an email that is a list": (
        claims(email=["ada@acme.example"]),
        claims(email="ada@acme.example"),
        "sign_in.email_malformed",
    ),
    "an email that is an object": (claims(email={}), claims(), "sign_in.email_malformed"),
    "two addresses": (claims(email="eve@evil.example,ada@acme.example"), claims(), "sign_in.email_malformed"),
    "two at-signs": (claims(email="ada@acme.example@evil.example"), claims(), "sign_in.email_malformed"),
    "a space after it": (claims(email="ada@acme.example "), claims(), "sign_in.email_malformed"),
    "a NUL after it": (claims(email="ada@acme.example\x00"), claims(), "sign_in.email_malformed"),
    "a NUL and more": (
        claims(email="ada@acme.example\x00@evil.example"),
        claims(),
        "sign_in.email_malformed",
    ),
    "a line end": (claims(email="ada@acme.example\n"), claims(), "sign_in.email_malformed"),
    "a zero-width space": (claims(email="ada@acme\u200b.example"), claims(), "sign_in.email_malformed"),
    "too long": (claims(email="a" * 250 + "@acme.example"), claims(), "sign_in.email_malformed"),
    "the word null": (claims(email="null"), claims(), "sign_in.email_malformed"),
    "wildcards": (claims(email="%@acme.example"), claims(), "sign_in.no_account"),
    "a subdomain": (claims(email="ada@acme.example.evil.example"), claims(), "sign_in.no_account"),
    "a dot after it": (claims(email="ada@acme.example."), claims(), "sign_in.no_account"),
    "a letter that looks alike": (claims(email="\u0430da@acme.example"), claims(), "sign_in.no_account"),
    "a letter that folds to another": (claims(email="ada@acme.e\u212aample"), claims(), "sign_in.no_account"),
    "full-width letters": (claims(email="\uff41da@acme.example"), claims(), "sign_in.no_account"),
    "unverified": (claims(email_verified=False), claims(email_verified=True), "sign_in.unverified"),
    "verified in words": (claims(email_verified="true"), claims(email_verified=True), "sign_in.unverified"),
    "verified by a number": (claims(email_verified=1), claims(email_verified=True), "sign_in.unverified"),
    "verified by a list": (claims(email_verified=[True]), claims(), "sign_in.unverified"),
    "verified null, false at UserInfo": (
        lambda h: (h.bend_claims(email_verified=None), h.bend_userinfo(email_verified=False))[0],
        lambda h: h.bend_claims(email_verified=None),
        "sign_in.unverified",
    ),
    "verification of another address": (
        verification_of_another_address,
        verification_by_userinfo,
        "sign_in.unverified",
    ),
    "unverified in the ID token, verified at UserInfo": (
        lambda h: (h.bend_claims(email_verified=False), h.bend_userinfo(email_verified=True))[0],
        claims(),
        "sign_in.unverified",
    ),
    "UserInfo of another person": (
        by_userinfo(sub="eve"),
        by_userinfo(sub="ada"),
        "sign_in.userinfo_subject",
    ),
    "UserInfo of nobody": (by_userinfo(sub=ABSENT), by_userinfo(), "sign_in.userinfo_subject"),
    "UserInfo unverified": (by_userinfo(email_verified=False), by_userinfo(), "sign_in.unverified"),
    "UserInfo refused": (userinfo_answer(Raw(401, b"{}")), by_userinfo(), "sign_in.userinfo_refused"),
    "UserInfo in HTML": (
        userinfo_answer(Raw(200, b"<html>", "text/html")),
        by_userinfo(),
        "sign_in.userinfo_answer",
    ),
    "UserInfo signed": (
        userinfo_answer(Raw(200, b"a.b.c", "application/jwt")),
        by_userinfo(),
        "sign_in.userinfo_signed",
    ),
    "UserInfo with a name twice": (
        userinfo_answer(Raw(200, b'{"sub":"eve","sub":"ada","email":"ada@acme.example"}')),
        by_userinfo(),
        "sign_in.userinfo_answer",
    ),
    "an email of another client's user": (
        claims(email="grace@globex.example"),
        claims(email="ada@acme.example"),
        "sign_in.no_account",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_identity_is_refused_for_one_fact(
    stage: Stage, hostile: HostileProvider, acme: Client, globex: Client, browser: Browser, name: str
) -> None:
    wrong, right, code = CASES[name]
    wrong(hostile)
    assert_refused(browser, browser.sign_in, code)

    hostile.straighten()
    right(hostile)
    assert_signed_in(browser, browser.sign_in())


def test_verified_in_words_counts_where_the_connection_says_so(
    stage: Stage, hostile: HostileProvider
) -> None:
    client = stage.client("acme", accepts_email_verified_as_text=True)
    stage.user(client, "ada@acme.example")
    browser = stage.browser()

    hostile.bend_claims(email_verified="false")
    assert_refused(browser, browser.sign_in, "sign_in.unverified")
    hostile.bend_claims(email_verified="true")
    assert_signed_in(browser, browser.sign_in())


@pytest.mark.parametrize("here", ["portal", "agent"])
def test_a_person_of_one_host_is_nobody_on_the_other(stage: Stage, here: str) -> None:
    there = "agent" if here == "portal" else "portal"
    client = stage.client("acme")
    stage.account(client.tenant_id, there, "ada@acme.example", role="SYSADMIN" if there == "portal" else None)
    browser = stage.browser()

    assert_refused(browser, lambda: browser.sign_in(host=here), "sign_in.no_account", host=here)

    assert_signed_in(browser, browser.sign_in(host=there), host=there)
    assert not browser.is_signed_in(here)


def test_a_person_of_one_client_is_nobody_at_another(
    stage: Stage, hostile: HostileProvider, acme: Client, globex: Client, browser: Browser
) -> None:
    """Globex runs a provider that vouches for anybody: it opens globex's accounts alone."""
    assert_refused(browser, lambda: browser.sign_in("globex"), "sign_in.no_account")

    assert_signed_in(browser, browser.sign_in("acme"))


def test_an_inactive_account_is_refused(stage: Stage, browser: Browser) -> None:
    ada = stage.user(stage.client("acme"), "ada@acme.example", active=False)
    assert_refused(browser, browser.sign_in, "sign_in.inactive")

    stage.change(Account, ada, active=True)
    assert_signed_in(browser, browser.sign_in())


def test_two_accounts_with_one_email_are_refused(stage: Stage, acme: Client, browser: Browser) -> None:
    second = stage.user(acme, "ADA@acme.example")
    assert_refused(browser, browser.sign_in, "sign_in.duplicate")

    stage.change(Account, second, active=False)
    assert_signed_in(browser, browser.sign_in())


def test_case_counts_only_where_the_client_says_so(stage: Stage, hostile: HostileProvider) -> None:
    stage.user(stage.client("acme"), "ada@acme.example")
    stage.user(stage.client("globex", matches_case=True), "ada@acme.example")
    browser = stage.browser()
    hostile.bend_claims(email="ADA@Acme.Example")

    assert_refused(browser, lambda: browser.sign_in("globex"), "sign_in.no_account")
    assert_signed_in(browser, browser.sign_in("acme"))


def test_a_recycled_email_is_refused(hostile: HostileProvider, acme: Client, browser: Browser) -> None:
    assert_signed_in(browser, browser.sign_in())
    stranger = browser.stage.browser()

    hostile.bend_claims(sub="somebody-new")
    assert_refused(stranger, stranger.sign_in, "sign_in.subject_changed")
    hostile.bend_claims(sub="ada")
    assert_signed_in(stranger, stranger.sign_in())


def test_a_linked_person_opens_no_second_account_whatever_email_comes(
    stage: Stage, hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    """Who can change their own email at the provider must not become the chief."""
    stage.user(acme, "chief@acme.example")
    assert_signed_in(browser, browser.sign_in())
    again = stage.browser()

    hostile.bend_claims(email="chief@acme.example")
    assert_refused(again, again.sign_in, "sign_in.subject_taken")
    hostile.straighten()
    assert_signed_in(again, again.sign_in())


def test_one_email_for_two_subjects_at_the_same_instant_links_one(
    stage: Stage, hostile: HostileProvider, acme: Client
) -> None:
    browsers = [stage.browser(), stage.browser()]
    hostile.bend_claims(sub="first")
    answers = [browser.ask_provider(browser.begin()) for browser in browsers]
    subjects = iter(["first", "second"])
    lock = threading.Lock()
    replies: list[Reply] = []
    barrier = threading.Barrier(2)

    def subject(_: Any) -> str:
        with lock:
            return next(subjects)

    hostile.bend_claims(sub=subject)

    def finish(browser: Browser, answer: Any) -> None:
        barrier.wait(5)
        replies.append(browser.answer(answer))

    threads = [threading.Thread(target=finish, args=pair) for pair in zip(browsers, answers, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted((reply.status, reply.code) for reply in replies if reply.code is None) == [(303, None)]
    assert [reply.code for reply in replies if reply.code] == ["sign_in.subject_changed"]
    assert stage.count("identity_links") == 1 == stage.count("sessions")


@pytest.mark.parametrize("claim", ["upn", "constructor", "__class__", "sub"])
def test_the_email_comes_from_the_configured_claim_alone(
    stage: Stage, hostile: HostileProvider, claim: str
) -> None:
    stage.user(stage.client("acme", email_claim=claim, accepts_unverified_email=True), "ada@acme.example")
    browser = stage.browser()
    code = "sign_in.email_malformed" if claim == "sub" else "sign_in.no_email"
    assert_refused(browser, browser.sign_in, code)

    hostile.bend_claims(**{claim: "ada@acme.example"})
    hostile.bend_userinfo(**{claim: "ada@acme.example"})
    assert_signed_in(browser, browser.sign_in())


def test_a_verified_email_does_not_verify_another_claim(stage: Stage, hostile: HostileProvider) -> None:
    """email_verified speaks of email: with upn as Email Attribute it must be about the same address."""
    stage.user(stage.client("acme", email_claim="upn"), "ada@acme.example")
    browser = stage.browser()

    hostile.bend_claims(upn="ada@acme.example", email="eve@evil.example", email_verified=True)
    assert_refused(browser, browser.sign_in, "sign_in.unverified")
    hostile.bend_claims(email="ada@acme.example")
    assert_signed_in(browser, browser.sign_in())


@pytest.mark.parametrize(
    "domain", [ABSENT, "evil.example", "acme.example.evil.example", "xacme.example", ["acme.example"]]
)
def test_a_hosted_domain_is_demanded_whole(stage: Stage, hostile: HostileProvider, domain: Any) -> None:
    stage.user(stage.client("acme", required_hosted_domain="acme.example"), "ada@acme.example")
    browser = stage.browser()

    hostile.bend_claims(hd=domain)
    assert_refused(browser, browser.sign_in, "sign_in.hosted_domain")
    hostile.bend_claims(hd="acme.example")
    assert_signed_in(browser, browser.sign_in())


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a\x00b", "x" * 5000, "\u202egnp.exe", ""])
def test_odd_claims_do_no_harm(hostile: HostileProvider, acme: Client, browser: Browser, name: str) -> None:
    hostile.bend_claims(**{name: "<script>", "acr": "<script>\x00" + "x" * 5000, "amr": ["<b>", 1, {}]})

    assert_signed_in(browser, browser.sign_in())

    [record] = browser.stage.records()
    assert all(len(shown) <= 100 and "\x00" not in shown for shown in record.claim_names)
    assert all(len(value) <= 200 and "\x00" not in value for value in record.harmless_claims.values())


def test_a_thousand_claims_do_no_harm(hostile: HostileProvider, acme: Client, browser: Browser) -> None:
    hostile.bend_claims(**{f"claim-{number}": number for number in range(1000)})

    assert_signed_in(browser, browser.sign_in())

    assert len(browser.stage.records()[0].claim_names) <= 100
