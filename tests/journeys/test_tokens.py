"""Forged, stale, foreign and odd ID tokens: each beside the one where that fact is right."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from tests.journeys.stage import Browser, Client, Stage, assert_refused, assert_signed_in
from tests.providers.hostile import ABSENT, HostileProvider, encode

pytestmark = pytest.mark.slow

Bend = Callable[[HostileProvider, Client], None]

STRANGER = RSAKey.generate_key(2048, {"kid": "rsa-1"})
with warnings.catch_warnings(action="ignore"):  # that it is short is what it is for
    SHORT = RSAKey.generate_key(1024, {"kid": "short"})


def claims(**changes: Any) -> Bend:
    return lambda hostile, _: hostile.bend_claims(**changes)


def header(**changes: Any) -> Bend:
    return lambda hostile, _: hostile.bend_header(**changes)


def in_seconds(seconds: int) -> Callable[[Any], int]:
    return lambda _: int(time.time()) + seconds


def ours(change: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Make a claim out of the client id, which the honest ``aud`` holds."""
    return change


def signed_with(key: Any) -> Bend:
    def bend(hostile: HostileProvider, _: Client) -> None:
        hostile.sign = lambda head, body: hostile.sign_with(key, head, body)

    return bend


def with_more_audiences(*more: str, azp: Any = ABSENT) -> Bend:
    def bend(hostile: HostileProvider, client: Client) -> None:
        own = client.application.client_id
        hostile.bend_claims(aud=[own, *more], azp=own if azp == "us" else azp)

    return bend


def signed_by_hand(sign: Callable[[HostileProvider, bytes], bytes]) -> Bend:
    """Sign without a library, which would refuse to write what a forger writes."""

    def bend(hostile: HostileProvider, _: Client) -> None:
        def make(head: dict[str, Any], body: dict[str, Any]) -> str:
            signed = f"{encode(head)}.{encode(body)}"
            return f"{signed}.{encode(sign(hostile, signed.encode()))}"

        hostile.sign = make

    return bend


def rs256(hostile: HostileProvider, data: bytes) -> bytes:
    """The provider's own signature under whatever header."""
    key = hostile.keys["rsa-1"].private_key
    assert isinstance(key, RSAPrivateKey)
    return key.sign(data, PKCS1v15(), SHA256())


def odd_header(**changes: Any) -> Bend:
    def bend(hostile: HostileProvider, client: Client) -> None:
        hostile.bend_header(**changes)
        signed_by_hand(rs256)(hostile, client)

    return bend


def replaced(make: Callable[[str], str]) -> Bend:
    """Hand out a token that is made from the honest one."""

    def bend(hostile: HostileProvider, _: Client) -> None:
        hostile.sign = lambda head, body: make(hostile.sign_honestly(head, body))

    return bend


def with_payload(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """Change the payload and leave the signature as it was."""

    def make(token: str) -> str:
        head, payload, signature = token.split(".")
        body = json.loads(base64.urlsafe_b64decode(payload + "=="))
        return f"{head}.{encode(change(body) or body)}.{signature}"

    return make


def hs256_with_public_key(*, form: str) -> Bend:
    """The oldest confusion: the published key as the shared secret, in each form somebody might use."""

    def sign(hostile: HostileProvider, data: bytes) -> bytes:
        public = hostile.keys["rsa-1"]
        secrets = {
            "pem": public.as_pem(private=False),
            "der": public.as_der(private=False),
            "jwk": json.dumps(public.as_dict(private=False)).encode(),
            "n": str(public.as_dict(private=False)["n"]).encode(),
            "empty": b"",
        }
        return hmac.digest(secrets[form], data, hashlib.sha256)

    def bend(hostile: HostileProvider, client: Client) -> None:
        hostile.bend_header(alg="HS256")
        signed_by_hand(sign)(hostile, client)

    return bend


def announces_and_uses_none(hostile: HostileProvider, _: Client) -> None:
    hostile.bend_discovery(id_token_signing_alg_values_supported=["none"])
    hostile.bend_header(alg="none")


def unsigned(alg: Any) -> Bend:
    def bend(hostile: HostileProvider, _: Client) -> None:
        hostile.sign = lambda head, body: f"{encode(head | {'alg': alg})}.{encode(body)}."

    return bend


def own_key_in_header(hostile: HostileProvider, _: Client) -> None:
    """jwk, jku and x5u lead to the forger's key; all are to be ignored."""
    public = STRANGER.as_dict(private=False)
    hostile.bend_header(jwk=public, jku=f"{hostile.issuer}/evil", x5u=f"{hostile.issuer}/evil", x5c=["AAAA"])
    hostile.sign = lambda head, body: hostile.sign_with(STRANGER, head, body)


def honest_key_and_those_headers(hostile: HostileProvider, _: Client) -> None:
    public = STRANGER.as_dict(private=False)
    hostile.bend_header(jwk=public, jku=f"{hostile.issuer}/evil", x5u=f"{hostile.issuer}/evil", x5c=["AAAA"])
    key = hostile.keys["rsa-1"]
    hostile.sign = lambda head, body: hostile.sign_with(key, head, body)


def short_key(hostile: HostileProvider, _: Client) -> None:
    hostile.add_key("short", SHORT)


def encryption_key(hostile: HostileProvider, _: Client) -> None:
    """A key published for encryption signs nothing that we believe."""
    key = RSAKey.generate_key(2048, {"kid": "enc"})
    hostile.add_key("enc", key)
    hostile.published = [{**key.as_dict(private=False), "kid": "enc", "use": "enc"}]


def key_for_another_algorithm(hostile: HostileProvider, _: Client) -> None:
    key = RSAKey.generate_key(2048, {"kid": "ps"})
    hostile.add_key("ps", key)
    hostile.published = [{**key.as_dict(private=False), "kid": "ps", "alg": "PS256"}]


def another_key(key: RSAKey | ECKey | OKPKey, alg: str) -> Bend:
    def bend(hostile: HostileProvider, _: Client) -> None:
        hostile.add_key("new", key)  # type: ignore[arg-type]
        hostile.bend_header(alg=alg)
        if alg == "EdDSA":
            hostile.bend_claims(at_hash=ABSENT)

    return bend


def honest(hostile: HostileProvider, _: Client) -> None:
    pass


LOGOUT: dict[str, Any] = {"http://schemas.openid.net/event/backchannel-logout": {}}

CASES: dict[str, tuple[Bend, Bend, str]] = {
    # Forged.
    "a stranger's key under the right name": (signed_with(STRANGER), honest, "sign_in.signature"),
    "another sub under the old signature": (
        replaced(with_payload(lambda body: body | {"sub": "grace"})),
        replaced(lambda token: token),
        "sign_in.signature",
    ),
    "no signature": (replaced(lambda t: t.rpartition(".")[0] + "."), honest, "sign_in.signature"),
    "alg none": (header(alg="none"), header(alg="RS256"), "sign_in.algorithm"),
    "alg None": (unsigned("None"), honest, "sign_in.algorithm"),
    "alg nOnE": (unsigned("nOnE"), honest, "sign_in.algorithm"),
    "alg null": (unsigned(None), honest, "sign_in.token_malformed"),
    "alg empty": (unsigned(""), honest, "sign_in.algorithm"),
    "alg a list": (unsigned(["RS256"]), honest, "sign_in.token_malformed"),
    "alg none, announced": (announces_and_uses_none, honest, "sign_in.algorithm"),
    "HS256 with the public key as PEM": (hs256_with_public_key(form="pem"), honest, "sign_in.algorithm"),
    "HS256 with the public key as DER": (hs256_with_public_key(form="der"), honest, "sign_in.algorithm"),
    "HS256 with the public key as JWK": (hs256_with_public_key(form="jwk"), honest, "sign_in.algorithm"),
    "HS256 with an empty secret": (hs256_with_public_key(form="empty"), honest, "sign_in.algorithm"),
    "HS256 with the modulus": (hs256_with_public_key(form="n"), honest, "sign_in.algorithm"),
    "HS256 with our secret, where nobody chose it": (
        lambda hostile, client: (
            hostile.bend_header(alg="HS256"),
            signed_with(OctKey.import_key(client.application.client_secret or ""))(hostile, client),
        )[1],
        honest,
        "sign_in.algorithm",
    ),
    "its own key in the header": (own_key_in_header, honest_key_and_those_headers, "sign_in.signature"),
    "a key that is too short": (short_key, honest, "sign_in.key_missing"),
    "a key for encryption": (encryption_key, honest, "sign_in.key_missing"),
    "a key for another algorithm": (key_for_another_algorithm, honest, "sign_in.key_missing"),
    "a kid nobody knows": (
        lambda h, c: (
            h.bend_header(kid="unknown"),
            signed_with(h.keys["rsa-1"])(h, c),
        )[1],
        header(kid="rsa-1"),
        "sign_in.key_missing",
    ),
    "a kid that is a path": (header(kid="../../../dev/null"), header(kid=ABSENT), "sign_in.key_missing"),
    "a kid that is a list": (odd_header(kid=["rsa-1"]), header(kid="rsa-1"), "sign_in.token_malformed"),
    # Another kind of token.
    "a logout token by type": (header(typ="logout+jwt"), header(typ="JWT"), "sign_in.token_type"),
    "an access token by type": (header(typ="at+jwt"), header(typ=ABSENT), "sign_in.token_type"),
    "an access token by its long type": (
        header(typ="application/at+jwt"),
        header(typ="application/jwt"),
        "sign_in.token_type",
    ),
    "a type that is a number": (odd_header(typ=1), odd_header(typ="jwt"), "sign_in.token_type"),
    "a logout token by its event": (claims(events=LOGOUT), claims(events={}), "sign_in.token_type"),
    "a critical extension": (odd_header(crit=["exp"]), header(exp=1), "sign_in.critical_header"),
    "an empty list of critical extensions": (odd_header(crit=[]), honest, "sign_in.critical_header"),
    "b64": (odd_header(b64=False), honest, "sign_in.critical_header"),
    "compressed": (odd_header(zip="DEF"), honest, "sign_in.critical_header"),
    # Shape.
    "encrypted": (replaced(lambda t: "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d"), honest, "sign_in.token_encrypted"),
    "two segments": (replaced(lambda t: t.rpartition(".")[0]), honest, "sign_in.token_malformed"),
    "four segments": (replaced(lambda t: t + ".x"), honest, "sign_in.token_malformed"),
    "no token at all": (replaced(lambda t: "."), honest, "sign_in.token_malformed"),
    "a header that is no JSON": (
        replaced(lambda t: encode(b"{") + "." + t.partition(".")[2]),
        honest,
        "sign_in.token_malformed",
    ),
    "a header with a name twice": (
        replaced(lambda t: encode(b'{"alg":"none","alg":"RS256"}') + "." + t.partition(".")[2]),
        honest,
        "sign_in.token_malformed",
    ),
    "letters outside ASCII": (replaced(lambda t: t + "é"), honest, "sign_in.token_malformed"),
    "too long": (claims(filler="x" * 120_000), claims(filler="x" * 50_000), "sign_in.token_answer"),
    "nested too deep": (
        claims(filler=json.loads("[" * 60 + "]" * 60)),
        claims(filler=json.loads("[" * 10 + "]" * 10)),
        "sign_in.token_malformed",
    ),
    # Whose, for whom.
    "another issuer": (claims(iss="https://login.elsewhere.example"), honest, "sign_in.issuer"),
    "the issuer with a slash": (claims(iss=lambda i: i + "/"), claims(iss=lambda i: i), "sign_in.issuer"),
    "no issuer": (claims(iss=ABSENT), honest, "sign_in.issuer"),
    "an issuer in a list": (claims(iss=lambda i: [i]), honest, "sign_in.issuer"),
    "another audience": (claims(aud="somebody-else"), honest, "sign_in.audience"),
    "another audience, and us as authorized party": (
        lambda h, c: h.bend_claims(aud="somebody-else", azp=c.application.client_id),
        lambda h, c: h.bend_claims(azp=c.application.client_id),
        "sign_in.audience",
    ),
    "our id with a space": (claims(aud=ours(lambda a: a + " ")), honest, "sign_in.audience"),
    "no audience": (claims(aud=ABSENT), honest, "sign_in.audience"),
    "an empty audience": (claims(aud=[]), claims(aud=ours(lambda a: [a])), "sign_in.audience"),
    "an audience that is an object": (claims(aud=ours(lambda a: {a: 1})), honest, "sign_in.audience"),
    "an audience list in a list": (claims(aud=ours(lambda a: [[a]])), honest, "sign_in.audience"),
    "another audience beside us": (
        with_more_audiences("somebody-else"),
        with_more_audiences(),
        "sign_in.audience_untrusted",
    ),
    "another audience beside us, authorized for us": (
        with_more_audiences("somebody-else", azp="us"),
        with_more_audiences(azp="us"),
        "sign_in.audience_untrusted",
    ),
    "authorized for somebody else": (
        claims(azp="somebody-else"),
        with_more_audiences(azp="us"),
        "sign_in.authorized_party",
    ),
    "an authorized party that is a list": (
        lambda h, c: h.bend_claims(azp=[c.application.client_id]),
        with_more_audiences(azp="us"),
        "sign_in.authorized_party",
    ),
    # When.
    "expired": (claims(exp=in_seconds(-90)), claims(exp=in_seconds(-30)), "sign_in.token_expired"),
    "expired an hour ago": (claims(exp=in_seconds(-3600)), honest, "sign_in.token_expired"),
    "no end": (claims(exp=ABSENT), honest, "sign_in.token_time"),
    "an end that is null": (claims(exp=None), honest, "sign_in.token_time"),
    "an end that is true": (claims(exp=True), honest, "sign_in.token_time"),
    "an end in words": (claims(exp="never"), honest, "sign_in.token_time"),
    "an end far beyond numbers": (claims(exp=2**60), claims(exp=2**52), "sign_in.token_time"),
    "no beginning": (claims(iat=ABSENT), honest, "sign_in.token_time"),
    "from the future": (claims(iat=in_seconds(120)), claims(iat=in_seconds(30)), "sign_in.clock"),
    "not yet": (claims(nbf=in_seconds(120)), claims(nbf=in_seconds(30)), "sign_in.clock"),
    "issued two hours ago": (
        claims(iat=in_seconds(-7200), exp=in_seconds(7200)),
        claims(iat=in_seconds(-400), exp=in_seconds(7200)),
        "sign_in.token_expired",
    ),
    # To which sign-in.
    "another nonce": (claims(nonce="another"), honest, "sign_in.nonce"),
    "no nonce": (claims(nonce=ABSENT), honest, "sign_in.nonce"),
    "a nonce that is null": (claims(nonce=None), honest, "sign_in.nonce"),
    "an empty nonce": (claims(nonce=""), honest, "sign_in.nonce"),
    "the nonce in a list": (claims(nonce=lambda n: [n]), honest, "sign_in.nonce"),
    "a claim that pleads for no nonce": (
        claims(nonce=ABSENT, nonce_supported=False),
        claims(nonce_supported=False),
        "sign_in.nonce",
    ),
    "another access token's hash": (claims(at_hash="AAAAAAAAAAAAAAAAAAAAAA"), honest, "sign_in.at_hash"),
    "a hash that is null": (claims(at_hash=None), claims(at_hash=ABSENT), "sign_in.at_hash"),
    "an access token that was exchanged": (
        lambda h, c: h.bend_token_answer(access_token="another"),
        honest,
        "sign_in.at_hash",
    ),
    # Who.
    "no subject": (claims(sub=ABSENT), honest, "sign_in.subject_missing"),
    "an empty subject": (claims(sub=""), honest, "sign_in.subject_missing"),
    "a blank subject": (claims(sub="  "), claims(sub="a b"), "sign_in.subject_missing"),
    "a subject that is a number": (claims(sub=7), claims(sub="7"), "sign_in.subject_missing"),
    "a subject with a NUL": (claims(sub="ada\x00"), honest, "sign_in.subject_missing"),
    "a subject outside ASCII": (claims(sub="adà"), honest, "sign_in.subject_missing"),
    "a subject that is too long": (claims(sub="a" * 256), claims(sub="a" * 255), "sign_in.subject_missing"),
    "a session id that is an object": (claims(sid={}), claims(sid="s"), "sign_in.token_malformed"),
    "a session id with a NUL": (claims(sid="a\x00"), claims(sid=ABSENT), "sign_in.token_malformed"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_token_is_refused_for_one_fact(
    stage: Stage, hostile: HostileProvider, acme: Client, browser: Browser, name: str
) -> None:
    wrong, right, code = CASES[name]
    wrong(hostile, acme)
    assert_refused(browser, browser.sign_in, code)

    hostile.straighten()
    stage.portal.documents.forget(hostile.issuer)
    right(hostile, acme)
    assert_signed_in(browser, browser.sign_in())


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (RSAKey.generate_key(2048), "RS256"),
        (RSAKey.generate_key(2048), "PS256"),
        (ECKey.generate_key("P-256"), "ES256"),
        (OKPKey.generate_key("Ed25519"), "EdDSA"),
    ],
)
def test_a_new_key_is_fetched_at_its_first_use(
    hostile: HostileProvider, acme: Client, browser: Browser, key: RSAKey | ECKey | OKPKey, alg: str
) -> None:
    assert_signed_in(browser, browser.sign_in())
    another_key(key, alg)(hostile, acme)

    assert_signed_in(browser, browser.sign_in())


def test_a_flood_of_unknown_keys_fetches_the_key_document_twice(
    hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    assert_signed_in(browser, browser.sign_in())
    signed_with(hostile.keys["rsa-1"])(hostile, acme)
    before = sum(asked.path == "/jwks" for asked in hostile.requests)

    for number in range(6):
        hostile.bend_header(kid=f"unknown-{number}")
        browser.sign_in()

    assert sum(asked.path == "/jwks" for asked in hostile.requests) - before <= 2
    assert {record.code for record in browser.stage.records()[1:]} == {"sign_in.key_missing"}


def test_a_malformed_key_costs_only_itself(hostile: HostileProvider, acme: Client, browser: Browser) -> None:
    good = {**hostile.keys["rsa-1"].as_dict(private=False), "kid": "rsa-1", "use": "sig"}
    bad: list[Any] = [
        {},
        {"kty": "RSA"},
        {"kty": "RSA", "n": "!", "e": 3},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": ["RSA"]},
        {"kty": "oct", "k": "AAAA", "kid": "rsa-1"},
        {**good, "kid": 7},
    ]
    hostile.published = [*bad, good]

    assert_signed_in(browser, browser.sign_in())

    hostile.published = bad
    browser.stage.portal.documents.forget(hostile.issuer)
    second = browser.stage.browser()
    assert_refused(second, second.sign_in, "sign_in.key_missing")


@pytest.mark.parametrize("form", ["pem", "der", "jwk", "n", "empty"])
def test_where_hs256_was_chosen_the_public_key_is_no_secret(
    stage: Stage, hostile: HostileProvider, form: str
) -> None:
    client = stage.client("acme", allows_hs256=True)
    stage.user(client, "ada@acme.example")
    browser = stage.browser()
    hs256_with_public_key(form=form)(hostile, client)
    assert_refused(browser, browser.sign_in, "sign_in.signature")

    hostile.straighten()
    hostile.bend_header(alg="HS256")
    signed_with(OctKey.import_key(client.application.client_secret or ""))(hostile, client)
    assert_signed_in(browser, browser.sign_in())


def test_where_hs256_was_chosen_the_provider_key_no_longer_counts(
    stage: Stage, hostile: HostileProvider
) -> None:
    stage.user(stage.client("acme", allows_hs256=True), "ada@acme.example")
    browser = stage.browser()
    assert_refused(browser, browser.sign_in, "sign_in.algorithm")

    stage.user(stage.client("globex"), "ada@acme.example")
    assert_signed_in(browser, browser.sign_in("globex"))


def test_a_token_given_for_one_client_is_refused_at_another(
    stage: Stage, hostile: HostileProvider, acme: Client, globex: Client, browser: Browser
) -> None:
    """The same provider, the same keys: a token of globex's application says nothing to acme."""
    hostile.bend_claims(aud=globex.application.client_id)
    assert_refused(browser, browser.sign_in, "sign_in.audience")

    hostile.bend_claims(aud=acme.application.client_id)
    assert_signed_in(browser, browser.sign_in())


def test_a_token_of_an_earlier_sign_in_is_refused(
    hostile: HostileProvider, acme: Client, browser: Browser
) -> None:
    seen: list[str] = []

    def keep(head: dict[str, Any], body: dict[str, Any]) -> str:
        seen.append(hostile.sign_honestly(head, body))
        return seen[0]

    hostile.sign = keep
    assert_signed_in(browser, browser.sign_in())
    stranger = browser.stage.browser()

    assert_refused(stranger, stranger.sign_in, "sign_in.nonce")
