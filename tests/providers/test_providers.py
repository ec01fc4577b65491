"""The test providers do what the tests rely on: an honest code flow with PKCE, and nothing less."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import pytest

from tests.providers.common import BASIC, NONE, POST, Person, RegisteredClient, RunningProvider
from tests.providers.hostile import HostileProvider
from tests.support.light_browser import LightBrowser

REDIRECT = "http://portal.localhost:1/sso/acme"

pytestmark = pytest.mark.xdist_group("providers")


@pytest.fixture(params=["oidc_provider", "canaille", "hostile"])
def provider(request: pytest.FixtureRequest) -> RunningProvider:
    running: RunningProvider = request.getfixturevalue(request.param)
    return running


@dataclass(frozen=True)
class Gone:
    """An answer on its way back to the redirect URI."""

    parameters: dict[str, list[str]]
    verifier: str
    nonce: str


def read_json(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=10)
    connection.request("GET", parts.path, headers={"Host": parts.netloc})
    content: dict[str, object] = json.loads(connection.getresponse().read())
    connection.close()
    return content


def sign_in(provider: RunningProvider, client: RegisteredClient, person: Person, **more: str) -> Gone:
    metadata = read_json(f"{provider.issuer}/.well-known/openid-configuration")
    verifier, nonce = secrets.token_urlsafe(40), secrets.token_urlsafe(16)
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uris[0],
        "response_type": "code",
        "scope": "openid email",
        "state": "the-state",
        "nonce": nonce,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **more,
    }
    browser = NoPortal()
    page = browser.get(f"{metadata['authorization_endpoint']}?{urlencode(asked)}")
    if not page.url.startswith(REDIRECT):
        page = provider.sign_in(browser, page, person)
    query = urlsplit(page.url).query or page.body.decode()
    return Gone(parse_qs(query), verifier, nonce)


class NoPortal(LightBrowser):
    """Stops at the redirect URI, where no portal listens; a posted form is its body."""

    def _once(self, method, url, body, headers):
        if url.startswith(REDIRECT):
            return 200, http.client.HTTPMessage(), body or b""
        return super()._once(method, url, body, headers)


def exchange(
    provider: RunningProvider, client: RegisteredClient, code: str, verifier: str
) -> tuple[int, dict[str, object]]:
    metadata = read_json(f"{provider.issuer}/.well-known/openid-configuration")
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uris[0],
        "code_verifier": verifier,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if client.authentication == BASIC:
        pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    else:
        fields["client_id"] = client.client_id
    if client.authentication == POST:
        fields["client_secret"] = client.client_secret or ""
    parts = urlsplit(str(metadata["token_endpoint"]))
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=10)
    connection.request("POST", parts.path, urlencode(fields), {**headers, "Host": parts.netloc})
    answer = connection.getresponse()
    status, content = answer.status, json.loads(answer.read())
    connection.close()
    return status, content


def claims_of(id_token: object) -> dict[str, object]:
    part = str(id_token).split(".")[1]
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


@pytest.mark.provider
@pytest.mark.parametrize("authentication", [BASIC, POST, NONE])
def test_a_code_becomes_an_id_token_for_this_client_and_nonce(provider, authentication):
    client = provider.register([REDIRECT], authentication=authentication)
    person = provider.add_person("ann@acme.example")

    gone = sign_in(provider, client, person)
    status, answer = exchange(provider, client, gone.parameters["code"][0], gone.verifier)

    assert status == 200, answer
    claims = claims_of(answer["id_token"])
    assert (claims["iss"], claims["sub"], claims["nonce"]) == (provider.issuer, person.subject, gone.nonce)
    assert claims["aud"] in (client.client_id, [client.client_id])


@pytest.mark.provider
def test_a_wrong_verifier_gets_nothing(provider):
    client = provider.register([REDIRECT])
    person = provider.add_person("ben@acme.example")

    gone = sign_in(provider, client, person)
    status, answer = exchange(provider, client, gone.parameters["code"][0], "w" * 43)

    assert (status, answer["error"]) == (400, "invalid_grant")


@pytest.mark.provider
def test_the_certified_provider_names_itself_in_the_answer(oidc_provider):
    client = oidc_provider.register([REDIRECT])
    person = oidc_provider.add_person("eve@acme.example")

    gone = sign_in(oidc_provider, client, person)

    assert gone.parameters["iss"] == [oidc_provider.issuer]


@pytest.mark.provider
def test_the_certified_provider_answers_by_form_post(oidc_provider):
    client = oidc_provider.register([REDIRECT])
    person = oidc_provider.add_person("eva@acme.example")

    gone = sign_in(oidc_provider, client, person, response_mode="form_post")

    assert gone.parameters["state"] == ["the-state"]
    assert "code" in gone.parameters


@pytest.mark.provider
def test_a_thin_token_carries_no_email(oidc_provider):
    client = oidc_provider.register([REDIRECT])
    person = oidc_provider.add_person("fay@acme.example")

    gone = sign_in(oidc_provider, client, person)
    _, answer = exchange(oidc_provider, client, gone.parameters["code"][0], gone.verifier)

    assert "email" not in claims_of(answer["id_token"])


def test_the_hostile_provider_is_honest_again_after_straightening(hostile: HostileProvider):
    client = hostile.register([REDIRECT])
    person = hostile.add_person("gus@acme.example")
    hostile.bend_claims(email_verified=False)
    hostile.straighten()

    gone = sign_in(hostile, client, person)
    _, answer = exchange(hostile, client, gone.parameters["code"][0], gone.verifier)

    assert claims_of(answer["id_token"])["email_verified"] is True


def test_the_hostile_provider_bends_one_claim_and_leaves_the_rest(hostile: HostileProvider):
    client = hostile.register([REDIRECT])
    person = hostile.add_person("hal@acme.example")
    hostile.bend_claims(aud="somebody-else")

    gone = sign_in(hostile, client, person)
    _, answer = exchange(hostile, client, gone.parameters["code"][0], gone.verifier)

    claims = claims_of(answer["id_token"])
    assert (claims["aud"], claims["sub"]) == ("somebody-else", person.subject)
