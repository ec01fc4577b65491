"""A provider's document is read for the keys we know, and its issuer compared byte for byte."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvportal.errors import PortalError
from lvportal.protocols.http import AddressPolicy
from lvportal.protocols.oidc.discovery import (
    EndpointRefused,
    MetadataIncomplete,
    MetadataIssuerDiffers,
    MetadataIssuerTemplate,
    MetadataMalformed,
    MetadataRefused,
    ProviderMetadata,
    discovery_url,
    judge_metadata,
    named_issuer,
)

ISSUER = "https://id.acme.example"
POLICY = AddressPolicy()
ABSENT = object()


def document(**changes) -> bytes:
    values = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "jwks_uri": f"{ISSUER}/keys",
        **changes,
    }
    return json.dumps({name: value for name, value in values.items() if value is not ABSENT}).encode()


@pytest.mark.parametrize(
    "issuer, url",
    [
        (ISSUER, f"{ISSUER}/.well-known/openid-configuration"),
        (f"{ISSUER}/", f"{ISSUER}/.well-known/openid-configuration"),
        (f"{ISSUER}/oauth2/a", f"{ISSUER}/oauth2/a/.well-known/openid-configuration"),
    ],
)
def test_the_document_stands_below_the_issuer(issuer, url):
    assert discovery_url(issuer) == url


def test_a_document_with_the_required_keys_is_enough():
    metadata = judge_metadata(document(), ISSUER, POLICY)

    assert metadata == ProviderMetadata(
        issuer=ISSUER,
        authorization_endpoint=f"{ISSUER}/authorize",
        token_endpoint=f"{ISSUER}/token",
        jwks_uri=f"{ISSUER}/keys",
    )


def test_known_keys_are_read_and_no_other():
    metadata = judge_metadata(
        document(
            userinfo_endpoint=f"{ISSUER}/me",
            end_session_endpoint=f"{ISSUER}/out",
            registration_endpoint=f"{ISSUER}/register",
            pushed_authorization_request_endpoint=f"{ISSUER}/par",
            authorization_response_iss_parameter_supported=True,
            backchannel_logout_supported=True,
            code_challenge_methods_supported=["S256"],
            verify=False,
            proxies={"https": "http://127.0.0.1:1"},
            timeout=9999,
        ),
        ISSUER,
        POLICY,
    )

    assert metadata.userinfo_endpoint == f"{ISSUER}/me"
    assert metadata.end_session_endpoint == f"{ISSUER}/out"
    assert metadata.registration_endpoint == f"{ISSUER}/register"
    assert metadata.pushed_authorization_request_endpoint == f"{ISSUER}/par"
    assert metadata.authorization_response_iss_parameter_supported is True
    assert metadata.backchannel_logout_supported is True
    assert metadata.frontchannel_logout_supported is False
    assert metadata.code_challenge_methods_supported == ("S256",)
    assert not hasattr(metadata, "verify")


@pytest.mark.parametrize(
    "issuer, named",
    [
        (ISSUER, ISSUER + "/"),
        (ISSUER + "/", ISSUER),
        (ISSUER, ISSUER.upper()),
        (ISSUER, "https://id.globex.example"),
        (ISSUER, ISSUER + ":443"),
        (ISSUER, "http://id.acme.example"),
    ],
)
def test_an_issuer_that_differs_in_one_byte_is_refused_with_both(issuer, named):
    with pytest.raises(MetadataIssuerDiffers) as refused:
        judge_metadata(document(issuer=named), issuer, POLICY)

    assert refused.value.code == "sign_in.metadata_issuer"
    assert refused.value.facts == {"expected": issuer, "got": named}
    assert judge_metadata(document(issuer=issuer), issuer, POLICY).issuer == issuer


def test_an_issuer_for_every_organisation_is_refused_in_words():
    issuer = "https://login.microsoftonline.com/common/v2.0"

    with pytest.raises(MetadataIssuerTemplate) as refused:
        judge_metadata(document(issuer="https://login.microsoftonline.com/{tenantid}/v2.0"), issuer, POLICY)

    error = refused.value
    assert error.code == "sign_in.metadata_issuer_template"
    assert "common, organizations or consumers" in error.words(error.administrator_step)


def test_a_template_is_refused_even_when_it_was_entered():
    template = "https://login.microsoftonline.com/{tenantid}/v2.0"

    with pytest.raises(MetadataIssuerTemplate):
        judge_metadata(document(issuer=template), template, POLICY)


@pytest.mark.parametrize("name", ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize("value", [ABSENT, None], ids=["absent", "null"])
def test_a_document_without_a_required_key_is_refused_and_names_it(name, value):
    with pytest.raises(MetadataIncomplete) as refused:
        judge_metadata(document(**{name: value}), ISSUER, POLICY)

    assert refused.value.code == "sign_in.metadata_incomplete"
    assert name in refused.value.words(refused.value.administrator_step)


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": 1},
        {"issuer": ""},
        {"token_endpoint": ["https://id.acme.example/token"]},
        {"jwks_uri": True},
        {"userinfo_endpoint": {}},
        {"authorization_response_iss_parameter_supported": "true"},
        {"authorization_response_iss_parameter_supported": 1},
        {"backchannel_logout_supported": "yes"},
        {"scopes_supported": "openid email"},
        {"code_challenge_methods_supported": [1]},
        {"id_token_signing_alg_values_supported": {"RS256": True}},
    ],
    ids=repr,
)
def test_a_value_of_the_wrong_type_is_refused(changes):
    with pytest.raises(MetadataMalformed) as refused:
        judge_metadata(document(**changes), ISSUER, POLICY)

    assert refused.value.code == "sign_in.metadata_malformed"
    assert discovery_url(ISSUER) in refused.value.words(refused.value.administrator_step)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>Sign in</html>",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b"{" * 100_000,
        b'{"issuer":"a","issuer":"b"}',
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_strict_json_object_is_refused(data):
    with pytest.raises(MetadataMalformed):
        judge_metadata(data, ISSUER, POLICY)


NEEDED = ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"]
UNSAFE = [
    "http://id.acme.example/x",
    "javascript:alert(1)",
    "//id.acme.example/x",
    "https://user:pw@id.acme.example/x",
    "https://id.acme.example/x#y",
    "https://id.acme.example:22/x",
]


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("url", UNSAFE)
def test_an_endpoint_that_is_not_plain_https_is_refused(name, url):
    with pytest.raises(EndpointRefused) as refused:
        judge_metadata(document(**{name: url}), ISSUER, POLICY)

    assert refused.value.code == "sign_in.endpoint"
    assert name in refused.value.words(refused.value.administrator_step)
    assert "pw" not in str(refused.value.facts)


@pytest.mark.parametrize("name", ["registration_endpoint", "pushed_authorization_request_endpoint"])
@pytest.mark.parametrize("value", ["http://id.acme.example/x", 7, "", None])
def test_an_endpoint_no_sign_in_needs_is_left_out_instead(name, value):
    assert getattr(judge_metadata(document(**{name: value}), ISSUER, POLICY), name) is None


def test_plain_http_is_accepted_for_a_listed_address_only():
    issuer = "http://provider.localhost:9000"
    data = document(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/a",
        token_endpoint=f"{issuer}/t",
        jwks_uri=f"{issuer}/k",
    )

    with pytest.raises(EndpointRefused):
        judge_metadata(data, issuer, POLICY)
    listed = AddressPolicy(frozenset({("provider.localhost", 9000)}))
    assert judge_metadata(data, issuer, listed).token_endpoint == f"{issuer}/t"


def test_the_issuer_a_document_names_can_be_offered():
    assert named_issuer(document(issuer=ISSUER + "/"), ISSUER) == ISSUER + "/"
    assert named_issuer(document(issuer=ABSENT), ISSUER) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(ProviderMetadata.__slots__)), value=json_values)
def test_any_value_gives_metadata_or_a_refusal_with_a_code(name, value):
    outcome: object
    try:
        outcome = judge_metadata(document(**{name: value}), ISSUER, POLICY)
    except PortalError as error:
        outcome = error

    assert isinstance(outcome, ProviderMetadata | MetadataRefused)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=60))
def test_any_bytes_give_a_refusal(data):
    with pytest.raises(MetadataRefused):
        judge_metadata(data, ISSUER, POLICY)
