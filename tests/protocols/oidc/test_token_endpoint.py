from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvportal.errors import SignInRefused
from lvportal.protocols.http import Reply
from lvportal.protocols.oidc import errors
from lvportal.protocols.oidc.client_authentication import AuthenticatedRequest
from lvportal.protocols.oidc.configuration import ClientAuthentication
from lvportal.protocols.oidc.token_endpoint import (
    TokenRequest,
    judge_token_answer,
    prepare_token_exchange,
)

from .conftest import ABSENT, ACCESS_TOKEN, CODE, ISSUER, REDIRECT_URI, SECRET, VERIFIER


def prepare(acme, *, metadata=None, **configuration):
    return prepare_token_exchange(
        metadata or acme.metadata(),
        acme.configuration(**configuration),
        code=CODE,
        code_verifier=VERIFIER,
        redirect_uri=REDIRECT_URI,
    )


def judge(acme, document, status=200, content_type="application/json", **configuration):
    return judge_token_answer(acme.reply(document, status, content_type), prepare(acme, **configuration))


def test_the_request_carries_the_code_the_verifier_and_the_redirect_uri(acme):
    request = prepare(acme)

    assert request.endpoint == f"{ISSUER}/token"
    assert dict(parse_qsl(request.form.body.decode())) == {
        "grant_type": "authorization_code",
        "code": CODE,
        "code_verifier": VERIFIER,
        "redirect_uri": REDIRECT_URI,
    }
    assert request.form.headers["authorization"].startswith("Basic ")


def test_a_code_of_odd_characters_arrives_unchanged(acme):
    request = prepare_token_exchange(
        acme.metadata(),
        acme.configuration(),
        code="a+b/c=&d %41~",
        code_verifier=VERIFIER,
        redirect_uri=REDIRECT_URI,
    )

    assert dict(parse_qsl(request.form.body.decode()))["code"] == "a+b/c=&d %41~"


def test_a_provider_that_offers_post_only_gets_post(acme):
    metadata = acme.metadata(token_endpoint_auth_methods_supported=("client_secret_post",))

    request = prepare(acme, metadata=metadata)

    assert request.form.headers == {}
    assert dict(parse_qsl(request.form.body.decode()))["client_secret"] == SECRET


def test_a_native_application_sends_no_secret(acme):
    request = prepare(acme, client_secret=None, client_authentication=ClientAuthentication.NONE)

    form = dict(parse_qsl(request.form.body.decode()))
    assert (form["client_id"], "client_secret" in form) == (acme.client_id, False)
    assert form["code_verifier"] == VERIFIER


def test_a_native_application_with_a_secret_sends_it_and_the_verifier(acme):
    request = prepare(acme, client_authentication=ClientAuthentication.CLIENT_SECRET_POST)

    form = dict(parse_qsl(request.form.body.decode()))
    assert (form["client_secret"], form["code_verifier"]) == (SECRET, VERIFIER)


def test_no_representation_shows_a_secret(acme):
    shown = repr(prepare(acme)) + repr(judge(acme, acme.tokens()))

    assert not any(secret in shown for secret in acme.secrets)


def test_the_tokens_of_a_right_answer_are_returned(acme):
    token = acme.sign()

    answer = judge(acme, acme.tokens(token))

    assert (answer.id_token, answer.access_token) == (token, ACCESS_TOKEN)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON ;x=y"]
)
def test_an_answer_of_type_json_is_read(acme, content_type):
    assert judge(acme, acme.tokens(), content_type=content_type)


@pytest.mark.parametrize(
    "content_type", ["", "text/html", "text/html; a=application/json", "application/jwt"]
)
def test_an_answer_of_another_type_is_refused(acme, content_type):
    with pytest.raises(errors.TokenAnswerMalformed):
        judge(acme, acme.tokens(), content_type=content_type)


def test_an_answer_without_a_type_is_refused(acme):
    reply = Reply(status=200, headers={}, body=acme.reply(acme.tokens()).body)

    with pytest.raises(errors.TokenAnswerMalformed):
        judge_token_answer(reply, prepare(acme))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"a": 1, "a": 2}', b"\xff", b"{" * 9999])
def test_an_answer_that_is_no_json_object_is_refused(acme, body):
    with pytest.raises(errors.TokenAnswerMalformed):
        judge(acme, body)


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": ABSENT},
        {"access_token": ""},
        {"access_token": 7},
        {"access_token": "a b"},
        {"access_token": "é"},
        {"access_token": "a\r\nb"},
        {"access_token": "x" * 16_385},
        {"token_type": ABSENT},
        {"token_type": 7},
    ],
)
def test_an_answer_without_usable_tokens_is_refused(acme, changes):
    with pytest.raises(errors.TokenAnswerMalformed):
        judge(acme, acme.tokens(**changes))


@pytest.mark.parametrize("id_token", ["", 7, [], "x" * 131_073])
def test_a_malformed_id_token_is_refused(acme, id_token):
    with pytest.raises(errors.TokenAnswerMalformed):
        judge(acme, acme.tokens() | {"id_token": id_token})


@pytest.mark.parametrize("document", [{}, {"id_token": None}])
def test_a_missing_id_token_is_refused_by_its_own_name(acme, document):
    without = {name: value for name, value in acme.tokens().items() if name != "id_token"}

    with pytest.raises(errors.IdTokenMissing):
        judge(acme, without | document)


@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER"])
def test_a_bearer_token_is_accepted_in_any_case(acme, token_type):
    assert judge(acme, acme.tokens(token_type=token_type))


@pytest.mark.parametrize("token_type", ["DPoP", "mac", "Bearer "])
def test_another_kind_of_access_token_is_refused(acme, token_type):
    with pytest.raises(errors.AccessTokenTypeUnknown):
        judge(acme, acme.tokens(token_type=token_type))


@pytest.mark.parametrize(
    ("status", "document", "code"),
    [
        (400, {"error": "invalid_grant"}, "sign_in.code_refused"),
        (401, {"error": "invalid_client"}, "sign_in.bad_secret"),
        (401, {"error": "access_denied", "error_description": "Unauthorized"}, "sign_in.bad_secret"),
        (200, {"error": "invalid_grant"}, "sign_in.code_refused"),
        (400, {"error": ["invalid_grant"], "error_description": {}}, "sign_in.token_refused"),
        (401, b"<html>", "sign_in.bad_secret"),
        (500, b"", "sign_in.token_unavailable"),
        (302, b"", "sign_in.token_refused"),
        (201, {"access_token": "a", "token_type": "bearer", "id_token": "x"}, "sign_in.token_refused"),
    ],
)
def test_an_error_answer_is_told_by_its_cause(acme, status, document, code):
    with pytest.raises(errors.CodeExchangeRefused) as caught:
        judge(acme, document, status)

    assert caught.value.code == code


def test_a_provider_that_repeats_the_code_does_not_make_us_show_it(acme):
    document = {"error": "invalid_grant", "error_description": f"The code {CODE} for {SECRET} is used"}

    with pytest.raises(errors.CodeRefused) as caught:
        judge(acme, document, 400)

    assert caught.value.provider_said == "The code [hidden] for [hidden] is used"


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([200, 400, 401, 500]),
    st.binary(max_size=100) | st.text('{}":,errorid_tokn1[] ', max_size=60).map(str.encode),
)
def test_no_answer_makes_the_judge_raise_anything_but_a_refusal(status, body):
    request = TokenRequest(
        "https://id.acme.example/token",
        REDIRECT_URI,
        ClientAuthentication.NONE,
        AuthenticatedRequest({}, b""),
        (),
    )

    with pytest.raises(SignInRefused):
        judge_token_answer(Reply(status, {"content-type": "application/json"}, body), request)
