import contextlib
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.errors import JoseError

from lvportal.errors import SignInRefused
from lvportal.protocols.oidc import errors
from lvportal.protocols.oidc.configuration import ASYMMETRIC_ALGORITHMS, RelyingPartyConfiguration
from lvportal.protocols.oidc.id_token import OpenedIdToken, judge_claims, name_claims, open_id_token
from lvportal.protocols.oidc.keys import KeySet

from .conftest import ABSENT, ACCESS_TOKEN, AT, CLIENT_ID, ISSUER, NONCE, encode

HS256 = frozenset({"HS256"})
ALGORITHMS = [
    ("RS256", "RSA"), ("RS384", "RSA"), ("RS512", "RSA"),
    ("PS256", "RSA"), ("PS384", "RSA"), ("PS512", "RSA"),
    ("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521"),
    ("EdDSA", "Ed25519"), ("Ed25519", "Ed25519"),
]  # fmt: skip


# --- who signed ----------------------------------------------------------------


@pytest.mark.parametrize(("alg", "key"), ALGORITHMS)
@pytest.mark.filterwarnings("error")
def test_a_token_is_opened_with_every_allowed_algorithm(acme, alg, key):
    opened = acme.open(acme.sign(alg=alg, key=key), acme.keys(key))

    assert opened.algorithm == alg
    assert opened.unjudged_claims == acme.claims()


def test_the_list_above_is_every_allowed_algorithm():
    assert {alg for alg, _ in ALGORITHMS} == ASYMMETRIC_ALGORITHMS


@pytest.mark.parametrize(("alg", "key"), ALGORITHMS)
def test_a_changed_claim_breaks_the_signature_of_every_algorithm(acme, alg, key):
    header, _, signature = acme.sign(alg=alg, key=key).split(".")
    payload = encode(json.dumps(acme.claims(email="eve@acme.example")).encode()).decode()

    with pytest.raises(errors.SignatureWrong):
        acme.open(f"{header}.{payload}.{signature}", acme.keys(key))


@pytest.mark.parametrize("signature", ["", "AA", "!", "A" * 342, "A" * 2048])
def test_a_missing_short_or_malformed_signature_is_refused(acme, signature):
    head = acme.sign().rpartition(".")[0]

    with pytest.raises(errors.SignatureWrong):
        acme.open(f"{head}.{signature}")


def test_a_key_of_the_right_name_that_did_not_sign_is_refused(acme):
    token = acme.sign(key="other RSA", kid="rsa-1")

    with pytest.raises(errors.SignatureWrong):
        acme.open(token, acme.keys("RSA"))
    assert acme.open(acme.sign(key="RSA", kid="rsa-1"), acme.keys("RSA"))


def test_a_key_that_is_not_published_is_called_missing(acme):
    with pytest.raises(errors.KeyMissing):
        acme.open(acme.sign(key="other RSA"), acme.keys("RSA"))
    assert acme.open(acme.sign(key="other RSA"), acme.keys("RSA", "other RSA"))


def test_without_a_kid_several_keys_of_one_kind_are_tried(acme):
    token = acme.sign(key="other RSA", kid=ABSENT)

    assert acme.open(token, acme.keys("P-256", "Ed25519", "RSA", "other RSA"))
    with pytest.raises(errors.SignatureWrong):
        acme.open(token, acme.keys("RSA"))
    with pytest.raises(errors.KeyMissing):
        acme.open(token, acme.keys("P-256"))


@pytest.mark.parametrize("error", [JoseError(), ValueError("the library could not cope")])
def test_a_key_that_the_library_cannot_use_is_passed_over(acme, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("lvportal.protocols.oidc.id_token.validate_compact", fail)

    with pytest.raises(errors.SignatureWrong):
        acme.open(acme.sign())


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "HS384", "RS1", "", "Ed448"])
def test_an_algorithm_that_is_not_allowed_is_refused(acme, alg):
    token = acme.sign_bytes(json.dumps({"alg": alg}).encode(), json.dumps(acme.claims()).encode())

    with pytest.raises(errors.AlgorithmRefused) as caught:
        acme.open(token)

    assert caught.value.facts["got"] == alg
    assert "RS256" in str(caught.value.facts["expected"])


def test_an_unsigned_token_is_refused_without_a_signature_too(acme):
    head = encode(b'{"alg":"none"}').decode()
    payload = encode(json.dumps(acme.claims()).encode()).decode()

    with pytest.raises(errors.AlgorithmRefused):
        acme.open(f"{head}.{payload}.")


def test_a_narrower_list_refuses_what_the_wider_one_accepts(acme):
    token = acme.sign(alg="RS256")

    assert acme.open(token, allowed_algorithms=frozenset({"RS256"}))
    with pytest.raises(errors.AlgorithmRefused):
        acme.open(token, allowed_algorithms=frozenset({"ES256"}))


def test_hs256_is_refused_unless_the_administrator_chose_it(acme):
    token = acme.sign(alg="HS256", key="secret")

    with pytest.raises(errors.AlgorithmRefused):
        acme.open(token)
    assert acme.open(token, allowed_algorithms=HS256)


def test_hs256_with_another_secret_is_refused(acme):
    token = acme.sign(alg="HS256", key="secret")

    with pytest.raises(errors.SignatureWrong):
        acme.open(token, allowed_algorithms=HS256, client_secret="x" * 40)


def test_the_public_key_is_never_taken_for_a_secret(acme, signing_keys):
    """The oldest trick: HS256 with the published key as its secret (RFC 8725, section 2.1)."""
    head = encode(b'{"alg":"HS256","kid":"rsa-1"}') + b"." + encode(json.dumps(acme.claims()).encode())
    mac = hmac.new(signing_keys["RSA"].as_pem(private=False), head, hashlib.sha256).digest()
    token = (head + b"." + encode(mac)).decode()

    with pytest.raises(errors.AlgorithmRefused):
        acme.open(token)
    with pytest.raises(errors.SignatureWrong):
        acme.open(token, allowed_algorithms=HS256 | {"RS256"})


@pytest.mark.parametrize("kind", [ABSENT, "JWT", "jwt", "application/jwt", "JOSE"])
def test_a_token_of_the_usual_type_is_opened(acme, kind):
    assert acme.open(acme.sign(typ=kind))


@pytest.mark.parametrize(
    "kind", ["logout+jwt", "at+jwt", "application/at+jwt", "token-introspection+jwt", "JWE", "", 1, None]
)
def test_a_token_of_another_type_is_never_an_id_token(acme, kind):
    with pytest.raises(errors.TokenTypeWrong):
        acme.open(acme.sign(typ=kind))


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["nonsense" * 500]},
        {"jku": 7},
        {"unknown": {"a": [1]}},
    ],
)
def test_headers_that_point_to_keys_are_ignored(acme, header):
    assert acme.open(acme.sign(**header))


def test_a_key_in_the_header_is_never_used(acme):
    forged = acme.sign(key="other RSA", kid="rsa-1", jwk=acme.jwk("other RSA"))
    genuine = acme.sign(key="RSA", kid="rsa-1", jwk=acme.jwk("other RSA"))

    with pytest.raises(errors.SignatureWrong):
        acme.open(forged)
    assert acme.open(genuine)


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"b64": True},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
    ],
)
def test_a_header_that_changes_what_was_signed_is_refused(acme, header):
    with pytest.raises(errors.CriticalHeaderRefused):
        acme.open(acme.sign(**header))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"nonsense",
        b"{}",
        b'{"alg": 1}',
        b'{"alg": ["RS256"]}',
        b'{"alg": "none", "alg": "RS256"}',
        b'{"alg": "RS256", "kid": 1}',
        b'{"alg": "RS256", "a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"alg": "RS256", "a": "' + b"x" * 9000 + b'"}',
    ],
)
def test_a_malformed_header_is_refused(acme, header):
    with pytest.raises(errors.TokenMalformed):
        acme.open(acme.sign_bytes(header, json.dumps(acme.claims()).encode()))


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"1", b"\xff", b'{"sub": "a", "sub": "b"}', b'{"a":' * 5000, b'{"exp": NaN}']
)
def test_a_genuine_signature_over_nonsense_is_refused(acme, payload):
    with pytest.raises(errors.TokenMalformed):
        acme.open(acme.sign(payload))


def test_a_large_token_is_opened_and_an_endless_one_refused(acme):
    large = acme.sign(acme.claims(groups=[f"group-{number:05}" for number in range(5000)]))

    assert 80_000 < len(large) < 128 * 1024
    assert acme.open(large)
    with pytest.raises(errors.TokenMalformed):
        acme.open(acme.sign(acme.claims(groups=["x" * 2000] * 60)))


@pytest.mark.parametrize("token", ["", ".", "a.b", "a.b.c.d", "a.b.c.d.e.f", "é.b.c", "%.b.c"])
def test_what_is_no_compact_token_is_refused(acme, token):
    with pytest.raises(errors.TokenMalformed):
        acme.open(token)


def test_a_payload_that_is_no_base64url_is_refused(acme):
    header, payload, signature = acme.sign().split(".")

    with pytest.raises(errors.TokenMalformed):
        acme.open(f"{header}.{payload}=.{signature}")


def test_an_endless_signature_is_refused(acme):
    with pytest.raises(errors.TokenMalformed):
        acme.open(acme.sign().rpartition(".")[0] + "." + "A" * 2049)


def test_an_encrypted_token_is_named_as_such(acme):
    with pytest.raises(errors.TokenEncrypted) as caught:
        acme.open("a.b.c.d.e")

    assert caught.value.code == "sign_in.token_encrypted"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.lists(st.binary(max_size=40), min_size=3, max_size=3))
def test_no_text_makes_the_reader_raise_anything_but_a_refusal(token):
    text = token if isinstance(token, str) else b".".join(map(encode, token)).decode()
    configuration = RelyingPartyConfiguration(issuer=ISSUER, client_id=CLIENT_ID, client_secret="x")

    with pytest.raises(SignInRefused):
        open_id_token(text, KeySet(()), configuration)


# --- what is said --------------------------------------------------------------


def test_a_genuine_token_tells_who_the_person_is(acme):
    claims = acme.judge(acme.claims(sid="session-1", auth_time=AT - 60))

    assert (claims.issuer, claims.subject) == (ISSUER, "subject-1")
    assert (claims.session, claims.authenticated_at) == ("session-1", AT - 60)


def test_neither_representation_shows_a_claim(acme):
    opened = acme.open(acme.sign())

    assert "ada@acme.example" not in repr(opened)
    assert "ada@acme.example" not in repr(acme.genuine())


@pytest.mark.parametrize(
    ("issuer", "got"),
    [
        (ISSUER + "/", ISSUER + "/"),
        ("https://ID.acme.example", "https://ID.acme.example"),
        ("http://id.acme.example", "http://id.acme.example"),
        (ABSENT, "none"),
        (None, "none"),
        ([ISSUER], "none"),
    ],
)
def test_an_issuer_that_differs_by_one_byte_is_refused(acme, issuer, got):
    with pytest.raises(errors.IssuerWrong) as caught:
        acme.judge(acme.claims(iss=issuer))

    assert caught.value.facts == {"expected": ISSUER, "got": got}


def test_the_issuer_with_its_slash_is_accepted_where_it_is_configured(acme):
    issuer = ISSUER + "/"

    assert acme.judge(acme.claims(iss=issuer), issuer=issuer).issuer == issuer


@pytest.mark.parametrize("audience", [CLIENT_ID, [CLIENT_ID], [CLIENT_ID, CLIENT_ID]])
def test_an_audience_of_us_alone_is_accepted(acme, audience):
    assert acme.judge(acme.claims(aud=audience))


@pytest.mark.parametrize(
    "audience",
    [ABSENT, None, "", [], "another", ["another"], CLIENT_ID + " ", {CLIENT_ID: 1}, 7, [CLIENT_ID, 7],
     [CLIENT_ID] * 51],
)  # fmt: skip
def test_an_audience_without_us_is_refused(acme, audience):
    with pytest.raises(errors.AudienceWrong):
        acme.judge(acme.claims(aud=audience, azp=CLIENT_ID))


def test_a_second_audience_is_refused_unless_it_is_trusted(acme):
    claims = acme.claims(aud=[CLIENT_ID, "api"], azp=CLIENT_ID)

    with pytest.raises(errors.AudienceUntrusted) as caught:
        acme.judge(claims)
    assert caught.value.facts["got"] == "api"
    assert acme.judge(claims, trusted_audiences=frozenset({"api"}))


@pytest.mark.parametrize("party", [ABSENT, None, "api", "", [CLIENT_ID]])
def test_several_audiences_need_us_as_authorized_party(acme, party):
    trusted = frozenset({"api"})

    with pytest.raises(errors.AuthorizedPartyWrong):
        acme.judge(acme.claims(aud=[CLIENT_ID, "api"], azp=party), trusted_audiences=trusted)
    assert acme.judge(acme.claims(aud=[CLIENT_ID, "api"], azp=CLIENT_ID), trusted_audiences=trusted)


def test_with_one_audience_a_foreign_authorized_party_is_refused(acme):
    with pytest.raises(errors.AuthorizedPartyWrong):
        acme.judge(acme.claims(azp="another"))
    assert acme.judge(acme.claims(azp=CLIENT_ID))


@pytest.mark.parametrize("subject", ["s", "auth0|5f", "x" * 255, "two words"])
def test_a_subject_of_up_to_255_ascii_characters_is_accepted(acme, subject):
    assert acme.judge(acme.claims(sub=subject)).subject == subject


@pytest.mark.parametrize("subject", [ABSENT, None, "", " ", "x" * 256, "é", "a\nb", "a\x00", 7, ["s"], True])
def test_any_other_subject_is_refused(acme, subject):
    with pytest.raises(errors.SubjectMissing):
        acme.judge(acme.claims(sub=subject))


@pytest.mark.parametrize("nonce", [ABSENT, None, "", "another", NONCE + " ", NONCE.upper(), 7, [NONCE], True])
def test_a_missing_or_foreign_nonce_is_refused(acme, nonce):
    with pytest.raises(errors.NonceWrong) as caught:
        acme.judge(acme.claims(nonce=nonce))

    assert NONCE not in str(caught.value) + repr(caught.value.facts)


@pytest.mark.parametrize("nonce", [ABSENT, "", NONCE])
def test_without_an_expected_nonce_no_token_passes(acme, nonce):
    with pytest.raises(errors.NonceWrong):
        acme.judge(acme.claims(nonce=nonce), nonce="")


@pytest.mark.parametrize(
    "times",
    [
        {"exp": AT - 59},
        {"exp": AT + 0.5},
        {"iat": AT + 60},
        {"iat": AT - 660, "exp": AT + 10},
        {"iat": AT - 5.5},
        {"nbf": AT + 60},
        {"nbf": AT - 10_000},
    ],
)
def test_times_within_the_leeway_are_accepted(acme, times):
    assert acme.judge(acme.claims(**times))


@pytest.mark.parametrize("name", ["exp", "iat"])
@pytest.mark.parametrize("value", [ABSENT, None, True, "1795510800", [], 1e300, 2**60, -(2**60)])
def test_a_time_that_is_missing_or_no_finite_number_is_refused(acme, name, value):
    with pytest.raises(errors.TokenTimeMalformed):
        acme.judge(acme.claims(**{name: value}))


@pytest.mark.parametrize("name", ["nbf", "auth_time"])
@pytest.mark.parametrize("value", [None, True, "1795510800", 2**60])
def test_an_optional_time_must_be_a_number_too(acme, name, value):
    with pytest.raises(errors.TokenTimeMalformed):
        acme.judge(acme.claims(**{name: value}))


def test_an_expired_token_is_refused(acme):
    with pytest.raises(errors.TokenExpired) as caught:
        acme.judge(acme.claims(iat=AT - 30, exp=AT - 60))

    assert caught.value.facts["seconds"] == 60


def test_a_token_issued_long_ago_is_refused_though_it_has_not_expired(acme):
    with pytest.raises(errors.TokenExpired):
        acme.judge(acme.claims(iat=AT - 86_400, exp=AT + 86_400))


@pytest.mark.parametrize("times", [{"iat": AT + 61, "exp": AT + 400}, {"nbf": AT + 61}])
def test_a_token_from_the_future_means_a_clock_that_is_ahead(acme, times):
    with pytest.raises(errors.ClockDisagrees) as caught:
        acme.judge(acme.claims(**times))

    assert caught.value.facts == {"seconds": 61, "direction": "ahead"}


def test_our_nonce_in_a_token_older_than_the_sign_in_means_a_clock_that_is_behind(acme):
    with pytest.raises(errors.ClockDisagrees) as caught:
        acme.judge(acme.claims(iat=AT - 1000, exp=AT - 700), started_at=AT - 5)

    assert caught.value.facts == {"seconds": 995, "direction": "behind"}


def test_without_our_nonce_an_old_token_says_nothing_about_clocks(acme):
    with pytest.raises(errors.NonceWrong):
        acme.judge(acme.claims(iat=AT - 1000, exp=AT - 700, nonce="another"))


def test_a_token_more_than_an_hour_old_is_called_old(acme):
    with pytest.raises(errors.TokenExpired):
        acme.judge(acme.claims(iat=AT - 3606, exp=AT - 3306), started_at=AT - 5)


def test_a_token_is_judged_at_the_time_it_comes(acme):
    claims = acme.claims()

    assert acme.judge(claims, now=acme.later(359))
    with pytest.raises(errors.TokenExpired):
        acme.judge(claims, now=acme.later(360))


@pytest.mark.parametrize(
    ("alg", "key", "hash_name"),
    [(alg, key, "sha512" if key == "Ed25519" else "sha" + alg[-3:]) for alg, key in ALGORITHMS],
)
def test_the_access_tokens_hash_is_checked_for_every_algorithm(acme, alg, key, hash_name):
    right = acme.claims(at_hash=acme.at_hash(hash_name))
    wrong = acme.claims(at_hash=acme.at_hash(hash_name, "another-token"))

    assert acme.judge(right, alg=alg, key=key)
    with pytest.raises(errors.AccessTokenHashWrong):
        acme.judge(wrong, alg=alg, key=key)


@pytest.mark.parametrize("at_hash", [None, "", 7, [], True])
def test_a_malformed_hash_of_the_access_token_is_refused(acme, at_hash):
    with pytest.raises(errors.AccessTokenHashWrong):
        acme.judge(acme.claims(at_hash=at_hash))


def test_an_algorithm_without_a_known_hash_fails_closed(acme):
    opened = OpenedIdToken("Ed448", acme.claims(at_hash=acme.at_hash()))

    with pytest.raises(errors.AccessTokenHashWrong):
        judge_claims(
            opened,
            acme.configuration(),
            nonce=NONCE,
            access_token=ACCESS_TOKEN,
            started_at=AT,
            now=acme.now,
        )


@pytest.mark.parametrize("events", [{"http://schemas.openid.net/event/backchannel-logout": {}}])
def test_a_logout_token_without_a_type_is_never_an_id_token(acme, events):
    with pytest.raises(errors.TokenTypeWrong):
        acme.judge(acme.claims(events=events))


@pytest.mark.parametrize("events", [7, "x", [], None, {"another": {}}])
def test_other_events_do_not_matter(acme, events):
    assert acme.judge(acme.claims(events=events))


@pytest.mark.parametrize("session", ["", 7, "x" * 1001, "a\nb", []])
def test_a_malformed_session_is_refused(acme, session):
    with pytest.raises(errors.TokenMalformed):
        acme.judge(acme.claims(sid=session))


@pytest.mark.parametrize("age", [0, 300, 360])
def test_a_recent_authentication_is_accepted_when_one_was_asked(acme, age):
    assert acme.judge(acme.claims(auth_time=AT - age), max_age_seconds=300)


@pytest.mark.parametrize("auth_time", [ABSENT, AT - 361])
def test_an_old_or_unknown_authentication_is_refused_when_a_recent_one_was_asked(acme, auth_time):
    with pytest.raises(errors.AuthenticationTooOld):
        acme.judge(acme.claims(auth_time=auth_time), max_age_seconds=300)
    assert acme.judge(acme.claims(auth_time=auth_time))


def test_an_authentication_in_the_future_means_a_clock_that_is_ahead(acme):
    with pytest.raises(errors.ClockDisagrees):
        acme.judge(acme.claims(auth_time=AT + 61), max_age_seconds=300)


@pytest.mark.parametrize(("context", "got"), [(ABSENT, "none"), ("weak", "weak"), (["mfa"], "none")])
def test_a_context_that_was_asked_is_enforced(acme, context, got):
    with pytest.raises(errors.AuthenticationContextWrong) as caught:
        acme.judge(acme.claims(acr=context), required_acr_values=("mfa", "phr"))

    assert caught.value.facts == {"expected": "mfa, phr", "got": got}
    assert acme.judge(acme.claims(acr="phr"), required_acr_values=("mfa", "phr"))


def test_names_of_claims_are_sorted_cut_and_counted():
    names = name_claims(
        {"b": 1, "a": 2, "a\u202e!": 3, "x" * 500: 3} | {f"claim-{number}": 0 for number in range(200)}
    )

    assert names[:3] == ("a", "a!", "b")
    assert len(names) == 100
    assert max(map(len, names)) <= 100


odd: st.SearchStrategy[object] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(), st.none()),
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["iss", "aud", "azp", "sub", "nonce", "exp", "iat", "nbf", "at_hash", "sid", "auth_time", "acr",
             "events"]
        ),
        odd,
        max_size=4,
    )
)  # fmt: skip
def test_no_claims_make_the_judge_raise_anything_but_a_refusal(changes):
    claims = {
        "iss": ISSUER, "aud": CLIENT_ID, "sub": "s", "nonce": NONCE, "iat": AT, "exp": AT + 9,
    }  # fmt: skip
    configuration = RelyingPartyConfiguration(
        issuer=ISSUER, client_id=CLIENT_ID, client_secret="x", max_age_seconds=5, required_acr_values=("a",)
    )
    with contextlib.suppress(SignInRefused):
        judge_claims(
            OpenedIdToken("RS256", claims | changes),
            configuration,
            nonce=NONCE,
            access_token=ACCESS_TOKEN,
            started_at=AT,
            now=datetime.fromtimestamp(AT, UTC),
        )
