"""The demo provider: an honest OpenID provider that can play failures."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from lvportal.demo import failures
from lvportal.demo.persons import STRANGERS, read_persons, subject_of
from lvportal.demo.provider import create_demo_provider
from lvportal.demo.store import NATIVE, WEB, Application, Store
from lvportal.demo.tokens import CLOCK_OFF_SECONDS, challenge_of

ISSUER = "http://provider.localhost:9000"
REDIRECT = "http://portal.localhost:8000/sso/acme"
VERIFIER = "v" * 43
EMAIL = "agent.one@acme.example"
NOW = 1_795_000_000


@dataclass
class World:
    """The provider, a browser at it, and a clock that stands still until moved."""

    store: Store
    client: FlaskClient
    clock: list[float]
    slept: list[float]
    application: Application = field(init=False)

    def request(self, **changes: str) -> dict[str, str]:
        return {
            "client_id": self.application.client_id,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": "openid email",
            "state": "the-state",
            "nonce": "the-nonce",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            **changes,
        }

    def choose(
        self, failure: failures.Failure = failures.NOTHING, email: str = EMAIL, **changes: str
    ) -> dict[str, str]:
        """Choose a person; return the parameters of the way back."""
        form = {**self.request(**changes), "person": subject_of(email), "failure": failure.key}
        answer = self.client.post("/authorize", data=form)
        assert answer.status_code == 302, answer.text
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.location).query).items()}

    def exchange(self, code: str, **changes: str) -> Any:
        pair = f"{self.application.client_id}:{changes.pop('secret', self.application.client_secret)}"
        return self.client.post(
            "/token",
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": REDIRECT,
                "code_verifier": VERIFIER,
                **changes,
            },
            headers={"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()},
        )

    def claims(self, failure: failures.Failure = failures.NOTHING) -> dict[str, Any]:
        answer = self.exchange(self.choose(failure)["code"]).get_json()
        return self.open(answer["id_token"])

    def open(self, token: str) -> dict[str, Any]:
        keys = KeySet.import_key_set(self.client.get("/keys").get_json())
        return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)


@pytest.fixture
def world(tmp_path: Path) -> World:
    clock, slept = [float(NOW)], list[float]()
    store = Store(tmp_path / "store.json")
    app = create_demo_provider(store, ISSUER, clock=lambda: clock[0], sleep=slept.append)
    world = World(store, app.test_client(), clock, slept)
    world.application = store.create("Portal", WEB, (REDIRECT,))
    return world


def test_an_honest_sign_in_vouches_for_the_chosen_person(world):
    claims = world.claims()

    assert (claims["iss"], claims["aud"], claims["nonce"]) == (
        ISSUER,
        world.application.client_id,
        "the-nonce",
    )
    assert (claims["sub"], claims["email"], claims["email_verified"]) == (subject_of(EMAIL), EMAIL, True)
    assert claims["iat"] == NOW


def test_the_answer_names_state_and_issuer(world):
    back = world.choose()

    assert (back["state"], back["iss"]) == ("the-state", ISSUER)


def test_discovery_names_the_issuer_and_reachable_keys(world):
    metadata = world.client.get("/.well-known/openid-configuration").get_json()

    assert metadata["issuer"] == ISSUER
    assert world.client.get(urlsplit(metadata["jwks_uri"]).path).get_json()["keys"]


def test_published_keys_hold_no_private_part(world):
    (key,) = world.client.get("/keys").get_json()["keys"]

    assert "d" not in key


def test_a_redirect_uri_is_matched_letter_by_letter(world):
    wrong = world.client.get("/authorize", query_string=world.request(redirect_uri=REDIRECT + "/"))
    right = world.client.get("/authorize", query_string=world.request())

    assert (wrong.status_code, right.status_code) == (400, 200)
    assert "redirect_uri" in wrong.text
    assert "location" not in wrong.headers


def test_an_unknown_application_is_told_so_on_a_page(world):
    answer = world.client.get("/authorize", query_string=world.request(client_id="nobody"))

    assert answer.status_code == 400
    assert "client_id" in answer.text


def test_the_form_is_judged_like_the_request(world):
    form = {**world.request(redirect_uri="http://evil.example/"), "person": subject_of(EMAIL)}

    assert world.client.post("/authorize", data=form).status_code == 400


def test_a_code_is_used_once(world):
    code = world.choose()["code"]

    assert world.exchange(code).status_code == 200
    assert world.exchange(code).get_json()["error"] == "invalid_grant"


@pytest.mark.parametrize(("seconds", "status"), [(59, 200), (60, 400)])
def test_a_code_lives_a_minute(world, seconds, status):
    code = world.choose()["code"]
    world.clock[0] += seconds

    assert world.exchange(code).status_code == status


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"redirect_uri": "http://portal.localhost:8000/sso/globex"}, "invalid_grant"),
        ({"secret": "wrong"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_a_wrong_token_request_is_refused(world, changes, error):
    answer = world.exchange(world.choose()["code"], **changes)

    assert answer.get_json()["error"] == error


def test_credentials_may_come_in_the_form(world):
    code = world.choose()["code"]

    answer = world.client.post(
        "/token",
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
            "client_id": world.application.client_id,
            "client_secret": world.application.client_secret,
        },
    )

    assert answer.status_code == 200


def test_a_native_application_needs_no_secret_but_pkce(world):
    world.application = world.store.create("Native", NATIVE, (REDIRECT,))
    request = world.request()
    del request["code_challenge"]

    without = world.client.get("/authorize", query_string=request)
    answer = world.client.post(
        "/token",
        data={
            "grant_type": "authorization_code",
            "code": world.choose()["code"],
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
            "client_id": world.application.client_id,
        },
    )

    assert "error=invalid_request" in without.location
    assert answer.status_code == 200


def test_userinfo_tells_about_the_person_of_the_token(world):
    token = world.exchange(world.choose()["code"]).get_json()["access_token"]

    told = world.client.get("/userinfo", headers={"Authorization": f"Bearer {token}"}).get_json()

    assert (told["sub"], told["email"]) == (subject_of(EMAIL), EMAIL)
    assert world.client.get("/userinfo", headers={"Authorization": "Bearer other"}).status_code == 401


def test_form_post_brings_the_same_parameters_in_a_form(world):
    form = {**world.request(response_mode="form_post"), "person": subject_of(EMAIL)}

    page = world.client.post("/authorize", data=form)

    assert page.status_code == 200
    assert f'action="{REDIRECT}"' in page.text
    assert 'name="state" value="the-state"' in page.text
    assert 'name="code"' in page.text


def test_a_silent_request_learns_that_nobody_is_signed_in(world):
    answer = world.client.get("/authorize", query_string=world.request(prompt="none"))

    assert "error=login_required" in answer.location


def test_the_person_hinted_at_stands_first(world):
    page = world.client.get("/authorize", query_string=world.request(login_hint=EMAIL)).text

    assert page.index("Suggested by the application") < page.index(f">{EMAIL}<") < page.index("Acme: users")


# --- The failures, each beside the honest value ----------------------------------


def test_wrong_issuer(world):
    assert world.claims(failures.WRONG_ISSUER)["iss"] != ISSUER == world.claims()["iss"]


def test_wrong_answer_issuer(world):
    assert world.choose(failures.WRONG_ANSWER_ISSUER)["iss"] != ISSUER


def test_wrong_nonce(world):
    assert world.claims(failures.WRONG_NONCE)["nonce"] != "the-nonce"


def test_wrong_audience(world):
    assert world.claims(failures.WRONG_AUDIENCE)["aud"] != world.application.client_id


def test_unverified_email(world):
    assert world.claims(failures.UNVERIFIED)["email_verified"] is False


def test_no_email_neither_in_the_token_nor_in_userinfo(world):
    answer = world.exchange(world.choose(failures.NO_EMAIL)["code"]).get_json()

    told = world.client.get("/userinfo", headers={"Authorization": f"Bearer {answer['access_token']}"})

    assert "email" not in world.open(answer["id_token"])
    assert "email" not in told.get_json()


def test_clock_off(world):
    assert world.claims(failures.CLOCK)["iat"] == NOW + CLOCK_OFF_SECONDS


def test_expired(world):
    assert world.claims(failures.EXPIRED)["exp"] < NOW


def test_forged_signature(world):
    token = world.exchange(world.choose(failures.FORGED)["code"]).get_json()["id_token"]

    with pytest.raises(BadSignatureError):
        world.open(token)


def test_slow(world):
    answer = world.exchange(world.choose(failures.SLOW)["code"])

    assert (answer.status_code, world.slept) == (200, [5.0])


@pytest.mark.parametrize(
    ("failure", "status", "error"),
    [(failures.BAD_SECRET, 401, "invalid_client"), (failures.DOWN, 503, "temporarily_unavailable")],
)
def test_failures_of_the_token_endpoint(world, failure, status, error):
    answer = world.exchange(world.choose(failure)["code"])

    assert (answer.status_code, answer.get_json()["error"]) == (status, error)


@pytest.mark.parametrize("failure", [failures.NOT_ASSIGNED, failures.DECLINED])
def test_failures_before_a_code(world, failure):
    back = world.choose(failure)

    assert back["error"] == "access_denied"
    assert "code" not in back


def test_every_failure_is_offered_on_the_page(world):
    page = world.client.get("/authorize", query_string=world.request()).text

    assert all(f'value="{failure.key}"' in page for failure in failures.FAILURES)


# --- The console --------------------------------------------------------------------


def test_an_application_is_registered_by_pasting_both_addresses(world):
    addresses = ("http://portal.localhost:8000/sso/globex", "http://agent.localhost:8000/sso/globex")

    page = world.client.post(
        "/applications",
        data={"name": "LV Portal", "kind": "web", "redirect_uris": " \n".join(addresses)},
        follow_redirects=True,
    ).text

    created = world.store.applications()[-1]
    assert created.redirect_uris == addresses
    assert created.client_id in page
    assert str(created.client_secret) in page
    assert ISSUER in page


@pytest.mark.parametrize(
    ("name", "uris", "sentence"),
    [
        ("", REDIRECT, "Give the application a name"),
        ("Portal", "", "at least one"),
        ("Portal", "portal.localhost/sso", "not a web address"),
        ("Portal", "http://*.localhost/sso", "not a web address"),
        ("Portal", "\n".join(f"{REDIRECT}{n}" for n in range(11)), "At most 10"),
    ],
)
def test_a_wrong_entry_is_said_and_nothing_registered(world, name, uris, sentence):
    before = world.store.applications()

    answer = world.client.post("/applications", data={"name": name, "redirect_uris": uris})

    assert answer.status_code == 422
    assert sentence in answer.text
    assert world.store.applications() == before


def test_a_new_secret_ends_the_old_one(world):
    old = world.application.client_secret
    path = f"/applications/{world.application.client_id}"

    world.client.post(f"{path}/new-secret")

    fresh = world.store.find(world.application.client_id).client_secret
    assert world.exchange(world.choose()["code"], secret=old).status_code == 401
    assert world.exchange(world.choose()["code"], secret=fresh).status_code == 200


def test_changed_redirect_uris_count_at_once(world):
    path = f"/applications/{world.application.client_id}"

    world.client.post(path, data={"redirect_uris": "http://portal.localhost:8000/sso/other"})

    assert world.client.get("/authorize", query_string=world.request()).status_code == 400


def test_a_removed_application_is_unknown(world):
    world.client.post(f"/applications/{world.application.client_id}/remove")

    assert world.client.get("/authorize", query_string=world.request()).status_code == 400
    assert world.client.get(f"/applications/{world.application.client_id}").status_code == 404


def test_applications_and_key_outlive_a_restart(world, tmp_path):
    again = Store(tmp_path / "store.json")

    assert again.find(world.application.client_id) == world.application
    assert again.key.as_dict(private=True) == world.store.key.as_dict(private=True)


def test_the_store_is_its_owners_alone(world, tmp_path):
    assert (tmp_path / "store.json").stat().st_mode & 0o077 == 0


def test_the_way_back_from_sign_out_leads_to_registered_hosts_only(world):
    known = {"client_id": world.application.client_id, "state": "s"}

    right = world.client.get(
        "/end-session",
        query_string={**known, "post_logout_redirect_uri": "http://portal.localhost:8000/signed-out"},
    )
    wrong = world.client.get(
        "/end-session", query_string={**known, "post_logout_redirect_uri": "http://evil.example/"}
    )

    assert right.location == "http://portal.localhost:8000/signed-out?state=s"
    assert (wrong.status_code, wrong.location) == (200, None)


def test_names_from_outside_are_escaped(world):
    world.application = world.store.create("<b>x</b>", WEB, (REDIRECT,))

    page = world.client.get("/authorize", query_string=world.request(login_hint='"><script>')).text

    assert "<b>x</b>" not in page
    assert '"><script>' not in page


def test_everybody_with_an_email_can_be_chosen_and_a_stranger_too():
    persons = read_persons()

    emails = [person.email for person in persons]
    assert "care@operator.example" in emails
    assert "agent.one@globex.example" in emails
    assert persons[-1].group == STRANGERS
    assert len(set(emails)) == len(emails)
