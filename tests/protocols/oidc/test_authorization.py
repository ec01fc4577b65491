import base64
import contextlib
import hashlib
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvportal.errors import SignInExpired, SignInRefused
from lvportal.protocols.contract import Answer, PendingSignIn
from lvportal.protocols.oidc import errors
from lvportal.protocols.oidc.authorization import (
    Attempt,
    judge_answer,
    new_attempt,
    prepare_authorization_url,
)
from lvportal.protocols.oidc.configuration import RelyingPartyConfiguration, ResponseMode
from lvportal.protocols.oidc.discovery import ProviderMetadata

from .conftest import ABSENT, AT, CODE, ISSUER, NONCE, REDIRECT_URI, STATE, VERIFIER


def judge(acme, answer=None, *, pending=None, metadata=None, now=None, **configuration):
    return judge_answer(
        answer or acme.answer(),
        pending or acme.pending(),
        metadata or acme.metadata(),
        acme.configuration(**configuration),
        now or acme.now,
    )


def request_of(acme, *, metadata=None, login_hint=None, **configuration):
    url = prepare_authorization_url(
        metadata or acme.metadata(),
        acme.configuration(**configuration),
        Attempt(STATE, NONCE, VERIFIER),
        redirect_uri=REDIRECT_URI,
        login_hint=login_hint,
    )
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}", parse_qsl(parts.query, strict_parsing=True)


# --- the request ---------------------------------------------------------------


def test_the_request_asks_for_a_code_with_pkce_state_and_nonce(acme):
    endpoint, parameters = request_of(acme)

    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    assert endpoint == f"{ISSUER}/authorize"
    assert sorted(parameters) == sorted(
        {
            "response_type": "code",
            "client_id": acme.client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": "openid email profile",
            "state": STATE,
            "nonce": NONCE,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }.items()
    )


def test_the_verifier_and_the_secret_stay_with_us(acme):
    _, parameters = request_of(acme)

    assert VERIFIER not in str(parameters)
    assert acme.secret not in str(parameters)


def test_the_response_mode_is_sent_only_for_form_post(acme):
    assert dict(request_of(acme, response_mode=ResponseMode.FORM_POST)[1])["response_mode"] == "form_post"
    assert "response_mode" not in dict(request_of(acme)[1])


def test_a_maximum_age_and_a_context_are_asked_when_configured(acme):
    parameters = dict(request_of(acme, max_age_seconds=0, required_acr_values=("phr", "mfa"))[1])

    assert (parameters["max_age"], parameters["acr_values"]) == ("0", "phr mfa")


def test_a_query_of_the_endpoints_own_is_kept(acme):
    metadata = acme.metadata(authorization_endpoint=f"{ISSUER}/authorize?p=policy%20one&empty=")

    endpoint, parameters = request_of(acme, metadata=metadata)

    assert endpoint == f"{ISSUER}/authorize"
    assert parameters[:1] == [("p", "policy one")]
    assert dict(parameters)["state"] == STATE


@pytest.mark.parametrize(
    ("hint", "sent"),
    [
        ("ada@acme.example", "ada@acme.example"),
        ("a&client_id=evil#x", "a&client_id=evil#x"),
        ("a\r\nSet-Cookie: x", "a Set-Cookie: x"),
        ("x" * 400, "x" * 319 + "…"),
    ],
)
def test_a_login_hint_is_passed_on_as_a_value(acme, hint, sent):
    parameters = request_of(acme, login_hint=hint)[1]

    assert parameters.count(("login_hint", sent)) == 1
    assert [name for name, _ in parameters].count("client_id") == 1


@pytest.mark.parametrize("hint", [None, "", "\x00", " "])
def test_an_empty_login_hint_is_not_sent(acme, hint):
    assert "login_hint" not in dict(request_of(acme, login_hint=hint)[1])


def test_every_attempt_is_fresh_and_keeps_its_secrets_to_itself():
    first, second = new_attempt(), new_attempt()

    values = {first.state, first.nonce, first.code_verifier, second.state, second.nonce, second.code_verifier}
    assert len(values) == 6
    assert min(map(len, values)) >= 43
    assert not any(value in repr(first) + repr(second) for value in values)


# --- the answer ----------------------------------------------------------------


def test_the_code_of_a_right_answer_is_returned(acme):
    assert judge(acme) == CODE


@pytest.mark.parametrize("name", ["code", "state", "iss", "session_state", "unknown"])
def test_a_repeated_parameter_is_refused(acme, name):
    once = acme.answer(**{name: "x"}) if name in ("session_state", "unknown") else acme.answer()
    value = dict(once.parameters)[name]

    assert judge(acme, once) == CODE
    with pytest.raises(errors.ParameterRepeated):
        judge(acme, Answer((*once.parameters, (name, value)), "query"))


@pytest.mark.parametrize("state", [ABSENT, "", "another", STATE + "x", "\ud800"])
def test_an_answer_without_this_sign_ins_state_is_refused(acme, state):
    with pytest.raises(SignInExpired):
        judge(acme, acme.answer(state=state))
    with pytest.raises(SignInExpired):
        judge(acme, acme.error_answer("access_denied", state=state))


@pytest.mark.parametrize("state", [ABSENT, ""])
def test_an_empty_pending_state_fits_no_answer(acme, state):
    with pytest.raises(SignInExpired):
        judge(acme, acme.answer(state=state), pending=acme.pending(state=""))


@pytest.mark.parametrize("age", [0, 600, -60])
def test_an_answer_within_ten_minutes_is_accepted(acme, age):
    assert judge(acme, pending=acme.pending(started_at=AT - age)) == CODE


@pytest.mark.parametrize("age", [601, 86_400, -61])
def test_an_answer_to_an_old_or_future_sign_in_is_refused(acme, age):
    with pytest.raises(SignInExpired):
        judge(acme, pending=acme.pending(started_at=AT - age))


@pytest.mark.parametrize("issuer", [ISSUER + "/", "https://id.globex.example", "", "\u202e"])
@pytest.mark.parametrize("is_announced", [True, False])
def test_an_answer_of_another_issuer_is_refused(acme, issuer, is_announced):
    metadata = acme.metadata(authorization_response_iss_parameter_supported=is_announced)

    with pytest.raises(errors.AnswerIssuerWrong):
        judge(acme, acme.answer(iss=issuer), metadata=metadata)
    with pytest.raises(errors.AnswerIssuerWrong):
        judge(acme, acme.error_answer("access_denied", iss=issuer), metadata=metadata)
    assert judge(acme, acme.answer(iss=ISSUER), metadata=metadata) == CODE


def test_a_missing_issuer_is_refused_when_the_provider_announces_it(acme):
    announced = acme.metadata(authorization_response_iss_parameter_supported=True)
    silent = acme.metadata(authorization_response_iss_parameter_supported=False)

    with pytest.raises(errors.AnswerIssuerMissing):
        judge(acme, acme.answer(iss=ABSENT), metadata=announced)
    with pytest.raises(errors.AnswerIssuerMissing):
        judge(acme, acme.error_answer("access_denied", iss=ABSENT), metadata=announced)
    assert judge(acme, acme.answer(iss=ABSENT), metadata=silent) == CODE


@pytest.mark.parametrize("name", ["id_token", "access_token", "refresh_token", "response"])
def test_tokens_in_the_answer_are_refused(acme, name):
    with pytest.raises(errors.TokensInAnswer) as caught:
        judge(acme, acme.answer(**{name: "the-token"}))

    assert "the-token" not in str(caught.value) + repr(caught.value.facts)


def test_an_answer_must_come_by_the_mode_that_was_asked(acme):
    for asked, other in [("query", "form_post"), ("form_post", "query")]:
        mode = ResponseMode(asked)

        assert judge(acme, acme.answer(response_mode=asked), response_mode=mode) == CODE
        with pytest.raises(errors.ResponseModeWrong) as caught:
            judge(acme, acme.answer(response_mode=other), response_mode=mode)
        assert caught.value.facts == {"expected": asked, "got": other}


def test_an_error_is_told_by_its_cause_whatever_way_it_came(acme):
    with pytest.raises(errors.LoginRequired):
        judge(acme, acme.error_answer("login_required"), response_mode=ResponseMode.FORM_POST)


@pytest.mark.parametrize("code", ["c", "x" * 4096, "0.AX/~ -_"])
def test_a_printable_code_is_accepted(acme, code):
    assert judge(acme, acme.answer(code=code)) == code


@pytest.mark.parametrize("code", [ABSENT, "", "x" * 4097, "a\nb", "a\x00", "é"])
def test_a_missing_endless_or_unprintable_code_is_refused(acme, code):
    with pytest.raises(errors.AnswerMalformed):
        judge(acme, acme.answer(code=code))


def test_a_code_and_an_error_at_once_are_refused(acme):
    with pytest.raises(errors.AnswerMalformed):
        judge(acme, acme.answer(error="access_denied"))


def test_an_answer_may_have_thirty_parameters_and_no_more(acme):
    more = {f"extra-{number}": "" for number in range(27)}

    assert judge(acme, acme.answer(**more)) == CODE
    with pytest.raises(errors.AnswerMalformed):
        judge(acme, acme.answer(**more, one_more=""))


def test_an_answer_of_nothing_is_refused(acme):
    with pytest.raises(SignInExpired):
        judge(acme, Answer((), "query"))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["code", "state", "iss", "error", "error_description"]) | st.text(max_size=3),
            st.sampled_from([STATE, ISSUER]) | st.text(st.characters(codec=None), max_size=9),
        ),
        max_size=5,
    )
)
def test_no_answer_makes_the_judge_raise_anything_but_a_refusal(parameters):
    configuration = RelyingPartyConfiguration(issuer=ISSUER, client_id="c", client_secret="s")
    metadata = ProviderMetadata(
        issuer=ISSUER, authorization_endpoint=ISSUER, token_endpoint=ISSUER, jwks_uri=ISSUER
    )
    pending = PendingSignIn(STATE, NONCE, VERIFIER, 1, AT)
    answer, now = Answer(tuple(parameters), "query"), datetime.fromtimestamp(AT, UTC)
    with contextlib.suppress(SignInRefused):
        code = judge_answer(answer, pending, metadata, configuration, now)
        assert code in dict(parameters).values()
