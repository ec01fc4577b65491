import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from lvportal.protocols.oidc.configuration import ASYMMETRIC_ALGORITHMS
from lvportal.protocols.oidc.errors import KeySetMalformed
from lvportal.protocols.oidc.keys import KeySet, judge_key_set

RSA_ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


@pytest.mark.parametrize(
    ("name", "algorithms"),
    [
        ("RSA", RSA_ALGORITHMS),
        ("P-256", {"ES256"}),
        ("P-384", {"ES384"}),
        ("P-521", {"ES512"}),
        ("Ed25519", {"EdDSA", "Ed25519"}),
    ],
)
def test_a_key_verifies_what_its_kind_can(acme, name, algorithms):
    assert acme.keys(name).algorithms == algorithms


def test_all_kinds_together_cover_every_algorithm_that_can_be_allowed(acme):
    assert acme.keys("RSA", "P-256", "P-384", "P-521", "Ed25519").algorithms == ASYMMETRIC_ALGORITHMS


def test_a_set_of_every_kind_and_encryption_keys_works(acme):
    document = acme.key_document(
        acme.jwk("X25519"),
        acme.jwk("other RSA", use="enc"),
        acme.jwk("RSA"),
        acme.jwk("P-256"),
        acme.jwk("Ed25519"),
    )

    keys = judge_key_set(document)

    assert [key.kid for key in keys.keys] == ["rsa-1", "p256", "ed25519"]
    assert keys.left_out == (
        "key 1: not for signatures (use)",
        "key 2: not for signatures (use)",
    )


@pytest.mark.parametrize(
    "accepted",
    [
        {},
        {"use": "sig"},
        {"key_ops": ["verify"]},
        {"alg": "PS256"},
        {"kid": "another"},
        {"x5c": 7, "x5u": "nonsense", "unknown": {}},
    ],
)
def test_a_key_with_fitting_members_is_used(acme, accepted):
    assert len(judge_key_set(acme.key_document(acme.jwk(**accepted))).keys) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"use": "enc"}, "not for signatures"),
        ({"use": ["sig"]}, "not for signatures"),
        ({"key_ops": ["encrypt"]}, "not for verifying"),
        ({"key_ops": "verify"}, "not for verifying"),
        ({"alg": "ES256"}, "alg does not fit"),
        ({"alg": "none"}, "alg does not fit"),
        ({"alg": 1}, "alg does not fit"),
        ({"kid": 1}, "kid is not a string"),
        ({"d": "AQAB"}, "private or symmetric"),
        ({"kty": "oct", "k": "AQAB"}, "private or symmetric"),
        ({"kty": "oct"}, "kind oct"),
        ({"kty": "EC"}, "kind EC"),
        ({"kty": ["RSA"]}, "kind unknown"),
        ({"kty": "\u202eevil"}, "kind unknown"),
        ({"kty": "EC", "crv": ["P-256"]}, "malformed"),
        ({"n": ""}, "malformed"),
        ({"n": 7}, "malformed"),
        ({"n": "+/+/"}, "malformed"),
        ({"n": "é"}, "malformed"),
        ({"e": "AA"}, "malformed"),
        ({"e": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ"}, "malformed"),
        ({"e": "-" * 60}, "oversized exponent"),
        ({"n": "A" * 4}, "RSA of 0 bits"),
        ({"n": "_" * 1368}, "RSA of 8208 bits"),
    ],
)
def test_one_unusable_key_costs_only_itself(acme, changes, reason):
    keys = judge_key_set(acme.key_document(acme.jwk("RSA", **changes), acme.jwk("other RSA")))

    assert [key.kid for key in keys.keys] == ["rsa-2"]
    assert reason in keys.left_out[0]


@pytest.mark.parametrize("entry", [None, 7, "key", []])
def test_an_entry_that_is_no_object_costs_only_itself(acme, entry):
    assert len(judge_key_set(acme.key_document(entry, acme.jwk())).keys) == 1


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("P-256", {"x": "AQAB"}),
        ("P-256", {"crv": "secp256k1"}),
        ("Ed25519", {"x": "AQAB"}),
        ("Ed25519", {"crv": "P-256"}),
        ("Ed448", {}),
        ("X25519", {"use": "sig"}),
    ],
)
def test_a_curve_that_does_not_fit_is_left_out(acme, name, changes):
    assert judge_key_set(acme.key_document(acme.jwk(name, **changes))).keys == ()


@pytest.mark.filterwarnings("ignore:Key size")
def test_an_rsa_key_of_less_than_2048_bits_is_left_out(acme):
    small = RSAKey.generate_key(1024, private=False).as_dict()

    keys = judge_key_set(acme.key_document(small, acme.jwk()))

    assert len(keys.keys) == 1
    assert keys.left_out == ("key 1: RSA of 1024 bits",)


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_both_names_of_ed25519_mean_the_same_key(acme, name):
    keys = judge_key_set(acme.key_document(acme.jwk("Ed25519", alg=name)))

    assert keys.algorithms == {"EdDSA", "Ed25519"}


def test_with_a_kid_only_keys_of_that_name_are_candidates(acme):
    keys = acme.keys("RSA", "other RSA", "P-256")

    assert [key.kid for key in keys.candidates("rsa-2", "RS256")] == ["rsa-2"]
    assert keys.candidates("unknown", "RS256") == ()
    assert keys.candidates("p256", "RS256") == ()


def test_without_a_kid_every_fitting_key_is_a_candidate(acme):
    keys = acme.keys("P-256", "RSA", "other RSA")

    assert [key.kid for key in keys.candidates(None, "RS256")] == ["rsa-1", "rsa-2"]
    assert keys.candidates(None, "EdDSA") == ()


def test_only_so_many_keys_are_tried_without_a_kid(acme):
    keys = judge_key_set(acme.key_document(*[acme.jwk()] * 20))

    assert len(keys.candidates(None, "RS256")) == 10


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": null}', b'{"keys": [], "keys": []}']
)
def test_what_is_no_key_set_is_refused(document):
    with pytest.raises(KeySetMalformed) as caught:
        judge_key_set(document)

    assert caught.value.code == "sign_in.keys"


def test_a_set_may_be_empty_but_not_endless():
    assert judge_key_set(b'{"keys": []}') == KeySet(())
    assert len(judge_key_set(json.dumps({"keys": [7] * 100}).encode()).left_out) == 100
    with pytest.raises(KeySetMalformed):
        judge_key_set(json.dumps({"keys": [7] * 101}).encode())


odd = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.lists(st.text(max_size=4), max_size=2)
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"kty": st.sampled_from(["RSA", "EC", "OKP", "oct"]) | odd},
            optional={
                "crv": st.sampled_from(["P-256", "P-521", "Ed25519"]) | odd,
                "n": st.just("_" * 342) | odd,
                "e": st.just("AQAB") | odd,
                "x": st.text("AQgw_-", min_size=43, max_size=44) | odd,
                "y": st.text("AQgw_-", min_size=43, max_size=44) | odd,
                "alg": odd,
                "use": odd,
                "key_ops": odd,
                "kid": odd,
            },
        ),
        max_size=3,
    )
)
def test_no_key_makes_the_reader_raise(entries):
    keys = judge_key_set(json.dumps({"keys": entries}).encode())

    assert len(keys.keys) + len(keys.left_out) == len(entries)
