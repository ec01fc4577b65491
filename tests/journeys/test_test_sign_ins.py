"""Test sign-ins from end to end, and thirty broken set-ups: each is named, with its fix, before and after."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
import trustme
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.cli.troubleshooting import BROKEN_SET_UPS
from lvportal.models import Account, IdentityLink, Revision, TestSignIn
from lvportal.services import test_sign_ins
from lvportal.services.test_sign_ins import Tester
from tests.journeys.stage import (
    HOSTS,
    PENDING_COOKIE,
    Browser,
    Client,
    Reply,
    Stage,
    assert_refused,
    assert_signed_in,
)
from tests.protocols.loopback import answering, reply, serving
from tests.providers.hostile import ABSENT, HostileProvider, Raw

EMAIL = "ada@acme.example"
PASSWORD = "a password for the tester"
RESULT = "/configure/client/security/test"
HTML = Raw(200, b"<!doctype html><title>Log in</title>", "text/html")
DISCOVERY = "/.well-known/openid-configuration"


@dataclass(slots=True)
class TestRun:
    """A test sign-in under way, step by step as a browser takes it."""

    __test__ = False
    stage: Stage
    client: Client
    browser: Browser
    tester_id: int
    host: str = "portal"
    prepared: Any = None

    def prepare(self, number: int | None = None) -> str:
        """Return the address that starts it."""
        with Session(self.stage.engine) as session:
            self.prepared = test_sign_ins.prepare(
                session,
                self.client.tenant_id,
                Tester(self.tester_id, "Tester"),
                audience=self.host,
                number=number,
                now=datetime.now(UTC),
            )
        return f"/sso/{self.client.code}/test?ticket={self.prepared.ticket}"

    def begin(self) -> Reply:
        return self.browser.get(self.prepare(), host=self.host)

    def row(self) -> TestSignIn:
        with Session(self.stage.engine) as session:
            return session.scalars(
                select(TestSignIn).where(TestSignIn.reference == self.prepared.reference)
            ).one()

    def result(self, answered: Reply | None = None) -> str:
        """Return the words of the result's page, its values unlocked if the browser came back."""
        target = f"{RESULT}/{self.prepared.reference}"
        if answered is not None:
            assert answered.status == 303, words(answered)
            target += "?" + answered.location.partition("?")[2]
            target = self.browser.get(target).location
        page = self.browser.get(target)
        assert page.status == 200, words(page)
        return words(page)


def words(page: Reply) -> str:
    plain = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", page.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", plain)


def run_by_tester(stage: Stage, client: Client, host: str = "portal") -> TestRun:
    """Return a run whose tester is signed in, in a browser of their own."""
    tester = stage.user(client, "tester@acme.example", login="tester", password=PASSWORD)
    browser = stage.browser()
    browser.post_form(
        "/sign-in?way=code",
        {"way": "code", "client": client.code, "login_name": "tester", "password": PASSWORD},
        to="/sign-in",
    )
    assert browser.is_signed_in()
    return TestRun(stage, client, browser, tester, host)


@pytest.fixture
def run(stage: Stage, acme: Client) -> TestRun:
    return run_by_tester(stage, acme)


# --- What a test is, and is not ---------------------------------------------------


@pytest.mark.parametrize("by", ["query", "form_post"])
@pytest.mark.parametrize("host", ["portal", "agent"])
def test_a_test_goes_out_and_comes_back_and_signs_nobody_in(stage: Stage, host: str, by: str) -> None:
    client = stage.client("acme", response_mode=by)
    stage.account(client.tenant_id, host, EMAIL, role="MANAGER" if host == "portal" else None)
    run = run_by_tester(stage, client, host)
    before = stage.rows()

    answered = run.browser.answer(run.browser.ask_provider(run.begin()), host=host, by=by)

    after = stage.rows()
    assert answered.location.startswith(f"http://{HOSTS['portal']}{RESULT}/")
    assert (run.row().outcome, run.row().code) == ("passed", None)
    assert {name for name in after if after[name] != before[name]} == {"test_sign_ins"}
    assert not run.browser.pending(host)
    assert "This works." in run.result(answered)
    assert stage.browser().is_signed_in(host) is False
    assert run.browser.is_signed_in("agent") is False


def test_a_test_is_judged_by_its_own_revision(stage: Stage, acme: Client, run: TestRun) -> None:
    """The live revision goes on; the one under test asks for another claim."""
    stage.new_revision(acme, email_claim="upn")
    run.prepare()
    refused = run.browser.answer(run.browser.ask_provider(run.begin()))
    assert run.row().code == "sign_in.no_email"
    assert refused.status == 303

    address = run.prepare(number=1)
    run.browser.answer(run.browser.ask_provider(run.browser.get(address)))

    assert run.row().outcome == "passed"


def test_a_test_runs_while_feature_and_switch_are_off(stage: Stage, acme: Client, run: TestRun) -> None:
    stage.set_enabled(acme, enabled=False)
    stage.set_feature(acme, enabled=False)
    assert stage.browser().begin().code == "sign_in.off"

    run.browser.answer(run.browser.ask_provider(run.begin()))

    assert run.row().outcome == "passed"


def test_an_answer_to_a_test_never_opens_a_session(
    stage: Stage, acme: Client, browser: Browser, run: TestRun
) -> None:
    """A test's cookie under the name of a sign-in's state, and the other way round."""
    real = browser.ask_provider(browser.begin())
    run.browser.ask_provider(run.begin())
    [sealed] = [run.browser.cookie("portal", name) for name in run.browser.pending()]
    swapped = browser.copy()
    swapped.put_cookie("portal", browser.pending()[0], str(sealed))

    assert_refused(swapped, lambda: swapped.answer(real), "sign_in.expired", is_recorded=False)

    assert run.row().finished_at is None
    assert_signed_in(browser, browser.answer(real))


def test_an_answer_to_a_sign_in_never_finishes_a_test(
    stage: Stage, acme: Client, browser: Browser, run: TestRun
) -> None:
    answer = run.browser.ask_provider(run.begin())
    browser.ask_provider(browser.begin())
    swapped = run.browser.copy()
    swapped.put_cookie(
        "portal", run.browser.pending()[0], str(browser.cookie("portal", browser.pending()[0]))
    )

    assert swapped.answer(answer).code == "sign_in.expired"
    assert run.row().finished_at is None

    run.browser.answer(answer)
    assert run.row().outcome == "passed"


def test_an_answer_in_another_browser_is_refused(stage: Stage, acme: Client, run: TestRun) -> None:
    answer = run.browser.ask_provider(run.begin())

    assert stage.browser().answer(answer).code == "sign_in.expired"
    assert run.row().finished_at is None

    run.browser.answer(answer)
    assert run.row().outcome == "passed"


def test_an_answer_sent_twice_is_judged_once(stage: Stage, acme: Client, run: TestRun) -> None:
    answer = run.browser.ask_provider(run.begin())
    twin = run.browser.copy()
    first = run.browser.answer(answer)

    second = twin.answer(answer)

    assert "?key=" in first.location
    assert second.location == f"http://{HOSTS['portal']}{RESULT}/{run.prepared.reference}"
    assert run.row().outcome == "passed"


def test_a_test_must_come_back_within_ten_minutes(stage: Stage, acme: Client, run: TestRun) -> None:
    answer = run.browser.ask_provider(run.begin())
    in_time = run.browser.copy()

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=660), tick=True):
        assert run.browser.answer(answer).code == "sign_in.expired"

    assert run.row().finished_at is None
    in_time.answer(answer)
    assert run.row().outcome == "passed"


def test_a_test_of_one_client_ends_at_no_other(
    stage: Stage, acme: Client, globex: Client, run: TestRun
) -> None:
    answer = run.browser.ask_provider(run.begin())

    assert run.browser.copy().answer(answer, "globex").code == "sign_in.expired"
    assert run.row().finished_at is None

    run.browser.answer(answer)
    assert run.row().outcome == "passed"


def test_a_tests_cookie_is_as_short_lived_as_every_other(acme: Client, run: TestRun) -> None:
    reply = run.begin()

    [cookie] = [c for c in reply.cookies if c.name.startswith(PENDING_COOKIE)]
    assert cookie.attributes["max-age"] == "600"


def test_no_token_and_no_claim_stands_readable_in_the_row(
    hostile: HostileProvider, acme: Client, run: TestRun
) -> None:
    hostile.bend_claims(department="Top secret unit")
    answer = run.browser.ask_provider(run.begin())

    shown = run.result(run.browser.answer(answer))

    row = run.row()
    kept = repr([getattr(row, column.name) for column in TestSignIn.__table__.columns])
    assert "Top secret unit" in shown
    assert "Top secret unit" not in kept
    assert dict(answer)["code"] not in kept
    assert dict(run.browser.asked)["nonce"] not in shown


def test_claims_of_a_hostile_provider_are_shown_harmlessly(
    hostile: HostileProvider, acme: Client, run: TestRun
) -> None:
    hostile.bend_claims(
        **{"<script>": "<img src=x onerror=alert(1)>", "nul": "a\x00b", "long": "x" * 50_000},
        deep=[{"a": [1, None, True]}],
    )

    answered = run.browser.answer(run.browser.ask_provider(run.begin()))

    assert run.row().outcome == "passed"
    raw = run.browser.get(run.browser.get("/" + answered.location.split("/", 3)[3]).location).body.decode()
    assert "<script>" not in raw.replace("<script type", "")
    assert "<img src=x" not in raw
    assert "&lt;img src=x onerror=alert(1)&gt;" in raw
    assert "x" * 1000 not in raw


@pytest.mark.postgres
@pytest.mark.slow
def test_the_same_on_postgresql_with_text_it_would_refuse(
    make_stage: Callable[..., Stage], hostile: HostileProvider, postgres_url: str
) -> None:
    hostile.add_person(EMAIL, subject="ada")
    stage = make_stage(database_url=postgres_url)
    client = stage.client("acme")
    stage.user(client, EMAIL)
    run = run_by_tester(stage, client)
    hostile.bend_claims(**{"nul\x00name": "a\x00b"})

    address = run.prepare()
    answer = run.browser.ask_provider(run.browser.get(address))
    twin = run.browser.copy()
    answered = run.browser.answer(answer)

    assert "This works." in run.result(answered)
    assert run.browser.get(address).code == "sign_in.test_over"
    assert "?key=" not in twin.answer(answer).location
    assert run.browser.get("/sso/acme/test?ticket=%00").code == "sign_in.test_over"
    assert run.browser.get(f"{RESULT}/%00").status == 404
    hostile.straighten()
    hostile.refuse("access_denied", "not\x00assigned")
    run.browser.answer(run.browser.ask_provider(run.begin()))
    assert run.row().code == "sign_in.access_denied"


# --- Thirty broken set-ups ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Broken:
    """One thing that is wrong, and what both sides are told about it."""

    code: str
    step: int
    person: str  # on the failure page
    administrator: str  # on the page of the test
    bend: Callable[[HostileProvider], None] = lambda hostile: None
    arrange: Callable[[Stage, Client], None] = lambda stage, client: None
    values: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    account: dict[str, Any] | None = field(default_factory=dict)  # Ada's; None for no account
    by: str = "query"


def token_error(status: int, error: str, description: str = "") -> Callable[[HostileProvider], None]:
    body = f'{{"error":"{error}","error_description":"{description}"}}'.encode()
    return lambda hostile: hostile.answer("/token", Raw(status, body))


def claims(**changes: Any) -> Callable[[HostileProvider], None]:
    return lambda hostile: hostile.bend_claims(**changes)


def shifted(seconds: int) -> Callable[[HostileProvider], None]:
    """The provider's clock is off by this much."""
    return claims(iat=lambda at: at + seconds, exp=lambda at: at + seconds, auth_time=lambda at: at + seconds)


def without_email(**more: Any) -> Callable[[HostileProvider], None]:
    def bend(hostile: HostileProvider) -> None:
        hostile.bend_claims(email=ABSENT, email_verified=ABSENT, **more)
        hostile.bend_userinfo(email=ABSENT, email_verified=ABSENT)

    return bend


def thin_token(**changes: Any) -> Callable[[HostileProvider], None]:
    """The email comes from UserInfo alone."""

    def bend(hostile: HostileProvider) -> None:
        hostile.puts_email_into_id_token = False
        hostile.bend_userinfo(**changes)

    return bend


def encrypted(hostile: HostileProvider) -> None:
    hostile.sign = lambda header, claims: "e30.e30.e30.e30.e30"


def with_secret(hostile: HostileProvider) -> None:
    hostile.bend_header(alg="HS256")
    key = OctKey.import_key("a secret of at least thirty-two characters")
    hostile.sign = lambda header, claims: hostile.sign_with(key, header, claims)


def wrong_key(hostile: HostileProvider) -> None:
    stranger = RSAKey.generate_key(2048)
    hostile.sign = lambda header, claims: hostile.sign_with(stranger, header, claims)


def elsewhere(stage: Stage, client: Client) -> None:
    """Ada is an agent and no user."""
    stage.agent(client, EMAIL)


def second_account(stage: Stage, client: Client) -> None:
    stage.user(client, EMAIL.upper())


def another_subject(stage: Stage, client: Client) -> None:
    with Session(stage.engine) as session:
        account = session.scalars(select(Account).where(Account.email == EMAIL)).one()
        session.add(
            IdentityLink(
                tenant_id=client.tenant_id,
                audience="portal",
                account_id=account.id,
                issuer=stage.provider.issuer,
                subject="whoever had the address before",
                linked_at=datetime.now(UTC),
            )
        )
        session.commit()


CANNOT = "sent a proof of identity that cannot be accepted."

BROKEN: dict[str, Broken] = {
    # --- The address and its document
    "discovery document missing": Broken(
        "sign_in.metadata_missing", 1, "", "Issuer URL", lambda h: h.answer(DISCOVERY, Raw(404, b"{}"))
    ),
    "discovery answers with a login page": Broken(
        "sign_in.metadata_malformed", 1, "", "", lambda h: h.answer(DISCOVERY, HTML)
    ),
    "issuer differs by a slash": Broken(
        "sign_in.metadata_issuer",
        1,
        "",
        "They must be equal, the last slash included.",
        lambda h: h.bend_discovery(issuer=h.issuer + "/"),
    ),
    "Entra common": Broken(
        "sign_in.metadata_issuer_template",
        1,
        "",
        "tenant",
        lambda h: h.bend_discovery(issuer="https://login.example/{tenantid}/v2.0"),
    ),
    "wrong issuer, a name that does not exist": Broken(
        "sign_in.name_unknown",
        1,
        "Okta did not answer.",
        "DNS knows no such name",
        values={"issuer": "https://login.acme.invalid"},
    ),
    # --- The answer in the browser
    "person not assigned": Broken(
        "sign_in.not_assigned",
        2,
        "Okta has not given you this app.",
        "Assign the app to the person",
        lambda h: h.refuse("access_denied", "User is not assigned to the client application."),
    ),
    "consent missing": Broken(
        "sign_in.consent_required",
        2,
        "Okta needs a consent for this app",
        "Grant consent to the app for the whole organisation",
        lambda h: h.refuse("consent_required", "AADSTS65001: consent"),
    ),
    "scope not allowed": Broken(
        "sign_in.scope",
        2,
        "Okta does not allow what this app asks for.",
        "Allow the scopes openid email profile for the app",
        lambda h: h.refuse("invalid_scope"),
    ),
    "PKCE method not accepted": Broken(
        "sign_in.request_refused",
        2,
        "Okta did not accept the request of this app.",
        "The provider answered invalid_request.",
        lambda h: h.refuse("invalid_request", "code_challenge_method must be plain"),
    ),
    "wrong client id, told in the answer": Broken(
        "sign_in.client_unknown",
        2,
        "Okta does not know this app.",
        "No enabled app has this Authorization ID",
        lambda h: h.refuse("unauthorized_client", "AADSTS700016: not found in the directory"),
    ),
    "implicit flow": Broken(
        "sign_in.implicit",
        2,
        "sent an answer that cannot be used",
        "Allow only the authorization code grant",
        lambda h: h.repeat_answer_parameter("id_token", "x.y.z"),
    ),
    "response mode not honoured": Broken(
        "sign_in.response_mode",
        2,
        "sent an answer that cannot be used",
        "The answer came by query where form_post was asked.",
        values={"response_mode": "form_post"},
    ),
    "answer of another issuer": Broken(
        "sign_in.answer_issuer",
        2,
        "The answer came from the wrong address.",
        "got one from https://elsewhere.example",
        lambda h: h.bend_answer_parameters(iss="https://elsewhere.example"),
    ),
    # --- The code exchange
    "wrong secret": Broken(
        "sign_in.bad_secret",
        3,
        "Okta refused our secret.",
        "The Authorization Secret is expired or wrong",
        values={"secret": "not the secret that the provider knows"},
    ),
    "expired secret": Broken(
        "sign_in.secret_expired",
        3,
        "Okta refused our secret.",
        "make a new one there and rotate",
        token_error(401, "invalid_client", "AADSTS7000222: The provided client secret keys are expired."),
    ),
    "public here, confidential there": Broken(
        "sign_in.secret_missing",
        3,
        "Okta expects a secret of this app.",
        "Enter the Authorization Secret with type Web Application",
        values={"application_type": "native", "client_authentication": "none", "secret": None},
    ),
    "confidential here, public there": Broken(
        "sign_in.secret_unwanted",
        3,
        "Okta expects no secret of this app.",
        "choose Native Application without a secret",
        token_error(401, "invalid_client", "AADSTS700025: Client is public"),
    ),
    "redirect URI differs at the exchange": Broken(
        "sign_in.redirect_mismatch",
        3,
        "Okta did not complete the sign-in.",
        "among the app's sign-in redirect URIs",
        token_error(400, "invalid_grant", "The redirect_uri does not match."),
    ),
    "PKCE verifier not accepted": Broken(
        "sign_in.code_refused",
        3,
        "Okta no longer accepts this sign-in.",
        "The provider refused the code",
        token_error(400, "invalid_grant", "PKCE verification failed"),
    ),
    "scope openid ignored": Broken(
        "sign_in.id_token_missing",
        3,
        "Okta did not say who you are.",
        "allow the scope openid",
        lambda h: h.bend_token_answer(id_token=ABSENT),
    ),
    "token endpoint down": Broken(
        "sign_in.token_unavailable",
        3,
        "Okta cannot sign anybody in at the moment.",
        "answered with status 503",
        lambda h: h.answer("/token", Raw(503, b"")),
    ),
    "token endpoint slow": Broken(
        "sign_in.slow",
        3,
        "Okta took too long to answer.",
        "is slow",
        lambda h: h.hang("/token"),
        settings={"provider_total_timeout_seconds": 0.7, "provider_connect_timeout_seconds": 0.7},
    ),
    "token endpoint redirects": Broken(
        "sign_in.redirected",
        3,
        "Okta has moved an address we need.",
        "answers with a redirect",
        lambda h: h.redirect("/token", "https://elsewhere.example/token"),
    ),
    "token endpoint in HTML": Broken(
        "sign_in.token_answer",
        3,
        "sent an answer that cannot be read",
        "no proxy or login page",
        lambda h: h.answer("/token", HTML),
    ),
    # --- The ID token
    "HS256": Broken(
        "sign_in.algorithm",
        4,
        CANNOT,
        "The ID token is signed with HS256, which this connection does not accept.",
        with_secret,
    ),
    "encrypted tokens without keys": Broken(
        "sign_in.token_encrypted", 4, CANNOT, "switch ID token encryption off for the app", encrypted
    ),
    "keys endpoint missing": Broken(
        "sign_in.keys_missing", 4, "", "answers with status 404", lambda h: h.answer("/jwks", Raw(404, b"{}"))
    ),
    "keys endpoint in HTML": Broken(
        "sign_in.keys",
        4,
        "published signing keys that cannot be read",
        "not a JSON Web Key Set",
        lambda h: h.answer("/jwks", HTML),
    ),
    "signed by a stranger": Broken(
        "sign_in.signature", 4, CANNOT, "fits none of the provider's published keys", wrong_key
    ),
    "token of another issuer": Broken(
        "sign_in.issuer",
        4,
        "The answer came from the wrong address.",
        "got https://elsewhere.example. Correct the Issuer URL",
        claims(iss="https://elsewhere.example"),
    ),
    "audience of another app": Broken(
        "sign_in.audience",
        4,
        CANNOT,
        "issued for another-app, not for this Authorization ID",
        claims(aud="another-app"),
    ),
    "nonce missing": Broken(
        "sign_in.nonce", 4, "belongs to another sign-in", "carries no nonce", claims(nonce=ABSENT)
    ),
    "clock ahead": Broken("sign_in.clock", 4, "s off.", "it is ahead by", shifted(1800)),
    "clock behind": Broken("sign_in.clock", 4, "s off.", "it is behind by", shifted(-1800)),
    "token issued long ago": Broken(
        "sign_in.token_expired",
        4,
        "has expired.",
        "s too old when it came",
        claims(iat=lambda at: at - 90_000),
    ),
    "at_hash wrong": Broken(
        "sign_in.at_hash",
        4,
        CANNOT,
        "(at_hash) and the access token do not belong together",
        claims(at_hash="AAAA"),
    ),
    # --- Claims
    "email not verified": Broken(
        "sign_in.unverified",
        5,
        "Okta has not confirmed your email.",
        "The claim email_verified: false.",
        claims(email_verified=False),
    ),
    "verification never said": Broken(
        "sign_in.unverified",
        5,
        "Okta has not confirmed your email.",
        "The claim email_verified: missing.",
        lambda h: (h.bend_claims(email_verified=ABSENT), h.bend_userinfo(email_verified=ABSENT))[0],
    ),
    "no email": Broken(
        "sign_in.no_email",
        5,
        "Okta sent no email.",
        "The claim email did not arrive. Arrived:",
        without_email(),
    ),
    "email in another claim": Broken(
        "sign_in.no_email", 5, "Okta sent no email.", "Use upn", without_email(upn=EMAIL)
    ),
    "Email Attribute holds no email": Broken(
        "sign_in.email_malformed",
        5,
        "sent something that is no email address",
        "does not hold one email address",
        claims(preferred_username="ada"),
        values={"email_claim": "preferred_username", "accepts_unverified_email": True},
    ),
    "UserInfo of another person": Broken(
        "sign_in.userinfo_subject",
        5,
        "Okta described another person.",
        "name different subjects (sub)",
        thin_token(sub="somebody-else"),
    ),
    "UserInfo refuses": Broken(
        "sign_in.userinfo_refused",
        5,
        "Okta did not tell your email address.",
        "answered with status 403. Allow the app's scopes",
        lambda h: (thin_token()(h), h.answer("/userinfo", Raw(403, b"{}")))[0],
    ),
    "account of another domain": Broken(
        "sign_in.hosted_domain",
        5,
        "does not belong to your organisation",
        "Expected an account of acme.example, got a personal account.",
        values={"required_hosted_domain": "acme.example"},
    ),
    # --- Accounts
    "account missing": Broken(
        "sign_in.no_account",
        6,
        f"Acme Ltd has no active account for {EMAIL}.",
        "Create the account",
        account=None,
    ),
    "account on the other host alone": Broken(
        "sign_in.no_account",
        6,
        f"Acme Ltd has no active account for {EMAIL}.",
        "Create the account",
        arrange=elsewhere,
        account=None,
    ),
    "account inactive": Broken(
        "sign_in.inactive",
        6,
        "Your account is switched off.",
        "Activate the account.",
        account={"active": False},
    ),
    "two accounts with one email": Broken(
        "sign_in.duplicate",
        6,
        "Two accounts share this email.",
        "Change the email of one",
        arrange=second_account,
    ),
    "email passed on to somebody else": Broken(
        "sign_in.subject_changed",
        6,
        "This email now belongs to someone else at Okta.",
        "Re-link the account",
        arrange=another_subject,
    ),
}


def broken_stage(
    case: Broken, make_stage: Callable[..., Stage], hostile: HostileProvider
) -> tuple[Stage, Client]:
    hostile.add_person(EMAIL, subject="ada")
    stage = make_stage(**case.settings)
    client = stage.client("acme", **case.values)
    if case.account is not None:
        stage.user(client, EMAIL, **case.account)
    case.arrange(stage, client)
    case.bend(hostile)
    return stage, client


def test_the_document_lists_every_set_up_that_is_played() -> None:
    """The others have tests of their own below: a certificate, and what never comes back as asked."""
    of_their_own = {
        "certificate not valid",
        "redirect URI not registered",
        "wrong client id",
        "group claim missing",
        "answer by form_post where query was asked",
    }

    listed = {name: code for name, code in BROKEN_SET_UPS.items() if name not in of_their_own}

    assert listed == {name: case.code for name, case in BROKEN.items()}
    assert of_their_own < set(BROKEN_SET_UPS)
    assert len(BROKEN_SET_UPS) >= 30


@pytest.mark.parametrize("name", BROKEN)
def test_thirty_broken_setups(name: str, make_stage: Callable[..., Stage], hostile: HostileProvider) -> None:
    case = BROKEN[name]
    stage, client = broken_stage(case, make_stage, hostile)
    run = run_by_tester(stage, client)

    departed = run.begin()
    if case.step > 1:
        departed = run.browser.answer(run.browser.ask_provider(departed), by=case.by)
    shown = run.result(departed)
    stage.portal.documents.forget(stage.provider.issuer)
    failure = stage.browser().sign_in(by=case.by)

    row = run.row()
    assert (row.outcome, row.code, row.step) == ("refused", case.code, case.step), (
        row.code,
        row.step,
        row.detail,
    )
    assert f"Refused at step {case.step} of 6" in shown
    assert case.administrator in shown
    assert shown.count("Failed") == 1
    assert failure.code == case.code
    assert case.person in words(failure)
    assert f"Step {case.step} of 6" in words(failure)


def test_the_same_set_up_with_nothing_broken_works(
    make_stage: Callable[..., Stage], hostile: HostileProvider
) -> None:
    """The control: no code, every check passed, and groups that nobody sends change nothing."""
    straight = Broken("", 6, "", "", claims(groups=ABSENT))
    stage, client = broken_stage(straight, make_stage, hostile)
    run = run_by_tester(stage, client)

    shown = run.result(run.browser.answer(run.browser.ask_provider(run.begin())))

    assert "This works." in shown
    assert "Failed" not in shown
    assert "Not reached" not in shown
    person = stage.browser()
    assert_signed_in(person, person.sign_in())


@contextmanager
def untrusted_server() -> Iterator[str]:
    """Serve TLS with a certificate of nobody's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with serving(answering(reply()), context) as server:
        yield f"127.0.0.1:{server.port}"


def test_a_wrong_certificate_is_named(make_stage: Callable[..., Stage], hostile: HostileProvider) -> None:
    with untrusted_server() as address:
        case = Broken(
            "sign_in.certificate",
            3,
            "Okta could not prove who it is.",
            "is not valid",
            lambda h: h.bend_discovery(token_endpoint=f"https://{address}/token"),
            settings={"unsafe_provider_addresses": f"{hostile.address},{address}"},
        )
        stage, client = broken_stage(case, make_stage, hostile)
        run = run_by_tester(stage, client)

        shown = run.result(run.browser.answer(run.browser.ask_provider(run.begin())))

    assert (run.row().code, run.row().step) == ("sign_in.certificate", 3)
    assert case.administrator in shown


@pytest.mark.parametrize("what", ["redirect URI not registered", "wrong client id"])
def test_what_stops_at_the_provider_leads_to_the_paste_box(
    what: str, stage: Stage, acme: Client, hostile: HostileProvider, run: TestRun
) -> None:
    """The provider shows an error of its own, and nobody ever comes back."""
    known = hostile.clients.pop(acme.application.client_id)
    if what == "redirect URI not registered":
        hostile.clients[known.client_id] = type(known)(
            known.client_id, known.client_secret, known.authentication, ("https://acme.example/else",)
        )
    departed = run.begin()
    with pytest.raises(AssertionError, match="unknown client or redirect URI"):
        run.browser.ask_provider(departed)

    shown = run.result()

    assert "Nobody has come back from Okta yet." in shown
    assert "Paste what it says" in shown
    assert run.row().finished_at is None


def test_a_group_claim_that_is_missing_changes_nothing_and_is_named(
    make_stage: Callable[..., Stage], hostile: HostileProvider
) -> None:
    stage, client = broken_stage(Broken("", 6, "", ""), make_stage, hostile)
    with Session(stage.engine) as session:
        revision = session.scalars(select(Revision)).one().id
    stage.change(Revision, revision, groups_claim="groups")
    run = run_by_tester(stage, client)

    without = run.result(run.browser.answer(run.browser.ask_provider(run.begin())))
    hostile.bend_claims(groups=["staff"])
    beside = run.result(run.browser.answer(run.browser.ask_provider(run.begin())))

    assert "This works." in without
    assert "The groups claim groups did not arrive: everybody keeps the role they have." in without
    assert "did not arrive" not in beside
    person = stage.browser()
    assert_signed_in(person, person.sign_in())


def test_an_answer_by_form_where_query_was_asked_is_explained(
    stage: Stage, acme: Client, run: TestRun
) -> None:
    """Browsers keep the Lax cookie from a cross-site POST: the test cannot be found any more."""
    answer = run.browser.ask_provider(run.begin())

    lost = run.browser.answer(answer, by="form_post")

    assert lost.code == "sign_in.expired"
    assert "choose form_post as Response mode" in run.result()
    stage.new_revision(acme, response_mode="form_post")
    run.browser.answer(run.browser.ask_provider(run.begin()), by="form_post")
    assert run.row().outcome == "passed"


def test_a_test_costs_a_sign_in_nothing(stage: Stage, acme: Client, browser: Browser) -> None:
    """A sign-in's cookie holds no word of tests."""
    reply = browser.begin()

    [cookie] = [c for c in reply.cookies if c.name.startswith(PENDING_COOKIE)]
    sealed = stage.portal.key_ring.open(cookie.value, purpose="pending sign-in portal acme")
    assert len(json.loads(sealed)) == 6
