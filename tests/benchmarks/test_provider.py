"""The measurements' provider must refuse what a real one refuses, or the figures compare nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from benchmarks.provider import Provider, Refused, client_id, client_secret

NOW = 1_800_000_000.0
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REDIRECT_URI = "http://agent.localhost:8000/sso/acme"
PERSON = "agent0001@acme.example"


@pytest.fixture(scope="module")
def provider():
    return Provider("http://127.0.0.1:9000")


def authorize(provider, **changes):
    query = {
        "client_id": client_id("acme"),
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "scope": "openid email",
        "state": "state-1",
        "nonce": "nonce-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes
    address = provider.authorize("acme", query, PERSON, NOW)
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def form(code, **changes):
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
        "client_id": client_id("acme"),
        "client_secret": client_secret("acme"),
    } | changes


def test_a_code_becomes_an_id_token_of_the_person_who_signed_in(provider):
    answer = authorize(provider)

    tokens = provider.exchange("acme", form(answer["code"]), "", NOW)

    claims = jwt.decode(
        tokens["id_token"], KeySet.import_key_set(provider.keys()), algorithms=["RS256"]
    ).claims
    assert claims["email"] == PERSON
    assert claims["email_verified"] is True
    assert claims["nonce"] == "nonce-1"
    assert claims["iss"] == "http://127.0.0.1:9000/acme"
    assert claims["aud"] == client_id("acme")
    assert claims["exp"] > NOW


def test_the_answer_names_the_issuer_and_returns_the_state(provider):
    answer = authorize(provider)

    assert answer["iss"] == "http://127.0.0.1:9000/acme"
    assert answer["state"] == "state-1"


def test_basic_authentication_is_accepted(provider):
    code = authorize(provider)["code"]
    pair = f"{client_id('acme')}:{client_secret('acme')}"
    basic = f"Basic {base64.b64encode(pair.encode()).decode()}"

    tokens = provider.exchange("acme", form(code, client_id="", client_secret=""), basic, NOW)

    assert tokens["id_token"]


@pytest.mark.parametrize(
    "change, error",
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": "http://agent.localhost:8000/sso/globex"}, "invalid_grant"),
        ({"code": "another"}, "invalid_grant"),
        ({"client_secret": "another"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_an_exchange_with_one_wrong_fact_is_refused(provider, change, error):
    code = authorize(provider)["code"]

    with pytest.raises(Refused) as refused:
        provider.exchange("acme", form(code) | change, "", NOW)

    assert refused.value.error == error


def test_a_code_is_worth_something_once(provider):
    code = authorize(provider)["code"]
    provider.exchange("acme", form(code), "", NOW)

    with pytest.raises(Refused):
        provider.exchange("acme", form(code), "", NOW)


def test_a_code_ends_after_a_minute(provider):
    code = authorize(provider)["code"]

    with pytest.raises(Refused):
        provider.exchange("acme", form(code), "", NOW + 61)


def test_a_code_of_one_tenant_is_worth_nothing_at_another(provider):
    code = authorize(provider)["code"]
    own = {"client_id": client_id("globex"), "client_secret": client_secret("globex")}

    with pytest.raises(Refused):
        provider.exchange("globex", form(code) | own, "", NOW)


def test_a_request_without_a_code_challenge_is_refused(provider):
    with pytest.raises(Refused):
        authorize(provider, code_challenge="")


def test_userinfo_tells_the_person_of_the_access_token(provider):
    tokens = provider.exchange("acme", form(authorize(provider)["code"]), "", NOW)

    claims = provider.userinfo(f"Bearer {tokens['access_token']}")

    assert claims["email"] == PERSON
    with pytest.raises(Refused):
        provider.userinfo("Bearer another")


def test_the_key_set_shows_no_private_part(provider):
    shown = json.dumps(provider.keys())

    assert not {"d", "p", "q"} & set(json.loads(shown)["keys"][0])
