import pytest

from lvportal.protocols.oidc import errors
from lvportal.protocols.oidc.configuration import ClientAuthentication
from lvportal.protocols.oidc.provider_errors import explain_authorization_error, explain_token_error

from .conftest import REDIRECT_URI


def explain(acme, error, description="", **more):
    return explain_authorization_error(error, description, acme.configuration(), **more)


def explain_token(error, description="", *, status=400, method="client_secret_basic", **more):
    return explain_token_error(
        error,
        description,
        status=status,
        redirect_uri=REDIRECT_URI,
        method=ClientAuthentication(method),
        **more,
    )


@pytest.mark.parametrize(
    ("error", "description", "code"),
    [
        ("access_denied", "", "sign_in.access_denied"),
        ("access_denied", "User is not assigned to the client application.", "sign_in.not_assigned"),
        ("access_denied", "Policy evaluation failed for this request.", "sign_in.policy"),
        ("access_denied", "The user denied the request", "sign_in.declined"),
        ("access_denied", "AADSTS65004: User declined to consent", "sign_in.declined"),
        ("interaction_required", "AADSTS50105: not assigned to a role", "sign_in.not_assigned"),
        ("invalid_client", "AADSTS650056: Misconfigured application.", "sign_in.consent_required"),
        ("interaction_required", "AADSTS50020: User account", "sign_in.account_elsewhere"),
        ("invalid_grant", "AADSTS50057: disabled", "sign_in.account_blocked"),
        ("interaction_required", "AADSTS53003: Blocked by Conditional Access", "sign_in.policy"),
        ("unauthorized_client", "AADSTS700016: Application not found", "sign_in.client_unknown"),
        ("login_required", "", "sign_in.login_required"),
        ("interaction_required", "", "sign_in.login_required"),
        ("account_selection_required", "", "sign_in.login_required"),
        ("consent_required", "", "sign_in.consent_required"),
        ("server_error", "", "sign_in.provider_unavailable"),
        ("temporarily_unavailable", "", "sign_in.provider_unavailable"),
        ("invalid_scope", "", "sign_in.scope"),
        ("invalid_request", "", "sign_in.request_refused"),
        ("unauthorized_client", "", "sign_in.client_not_allowed"),
        ("unsupported_response_type", "", "sign_in.client_not_allowed"),
        ("something_new", "AADSTS99999: new", "sign_in.provider_refused"),
        ("", "", "sign_in.provider_refused"),
    ],
)
def test_an_error_in_the_answer_is_told_by_its_cause(acme, error, description, code):
    refusal = explain(acme, error, description)

    assert refusal.code == code
    assert refusal.step == 2
    assert refusal.provider_said == description


@pytest.mark.parametrize(
    ("error", "description", "status", "code"),
    [
        ("invalid_client", "", 401, "sign_in.bad_secret"),
        ("invalid_client", "The client secret supplied is invalid.", 401, "sign_in.bad_secret"),
        ("access_denied", "Unauthorized", 401, "sign_in.bad_secret"),
        ("", "", 401, "sign_in.bad_secret"),
        ("invalid_client", "AADSTS7000215: Invalid client secret", 401, "sign_in.bad_secret"),
        ("invalid_client", "AADSTS7000222: keys are expired", 401, "sign_in.secret_expired"),
        ("invalid_client", "AADSTS7000218: must contain", 401, "sign_in.secret_missing"),
        ("invalid_client", "AADSTS700025: Client is public", 401, "sign_in.secret_unwanted"),
        ("invalid_grant", "", 400, "sign_in.code_refused"),
        ("invalid_grant", "AADSTS54005: already redeemed", 400, "sign_in.code_refused"),
        ("invalid_grant", "Incorrect redirect_uri", 400, "sign_in.redirect_mismatch"),
        ("invalid_request", "The redirect URI does not match", 400, "sign_in.redirect_mismatch"),
        ("invalid_client", "AADSTS50011: The redirect URI", 400, "sign_in.redirect_mismatch"),
        ("redirect_mismatch", "", 400, "sign_in.redirect_mismatch"),
        ("redirect_uri_mismatch", "", 400, "sign_in.redirect_mismatch"),
        ("unauthorized_client", "", 400, "sign_in.grant_off"),
        ("unsupported_grant_type", "", 400, "sign_in.grant_off"),
        ("invalid_request", "", 400, "sign_in.token_refused"),
        ("unauthorized_client", "AADSTS700016: not found", 400, "sign_in.client_unknown"),
        ("invalid_request", "AADSTS90002: Tenant not found", 400, "sign_in.client_unknown"),
        ("something_new", "", 400, "sign_in.token_refused"),
        ("", "", 404, "sign_in.token_refused"),
        ("", "", 500, "sign_in.token_unavailable"),
        ("", "", 503, "sign_in.token_unavailable"),
        ("", "", 429, "sign_in.token_unavailable"),
        ("server_error", "", 400, "sign_in.token_unavailable"),
    ],
)
def test_an_error_of_the_token_endpoint_is_told_by_its_cause(error, description, status, code):
    refusal = explain_token(error, description, status=status)

    assert refusal.code == code
    assert refusal.step == 3


def test_a_client_that_sent_no_secret_is_not_told_that_it_is_wrong():
    assert explain_token("invalid_client", method="none").code == "sign_in.secret_missing"
    assert explain_token("invalid_client", method="client_secret_post").code == "sign_in.bad_secret"


def test_the_administrator_is_told_the_method_and_the_redirect_uri():
    secret = explain_token("invalid_client", method="client_secret_post")
    mismatch = explain_token("redirect_mismatch")

    assert "client_secret_post" in secret.words(secret.administrator_step)
    assert REDIRECT_URI in mismatch.words(mismatch.administrator_step)


def test_the_scopes_that_were_refused_are_named(acme):
    refusal = explain(acme, "invalid_scope")

    assert "openid email profile" in refusal.words(refusal.administrator_step)


def test_what_the_provider_said_is_data(acme):
    said = "<script>{0.__class__}\r\nSet-Cookie: a=b\u202e" + "x" * 1000

    for refusal in (explain(acme, said, said), explain_token(said, said)):
        assert len(refusal.provider_said) == 200
        assert "\n" not in refusal.provider_said
        assert "\u202e" not in refusal.provider_said
        assert len(refusal.facts["error"]) == 60
        assert "{0.__class__}" in refusal.words("{provider}: {error}")


def test_a_secret_that_the_provider_repeats_is_hidden(acme):
    secret = "s3cret" * 60
    said = f"The secret {secret} is wrong"

    for refusal in (
        explain(acme, secret, said, hidden=("", secret)),
        explain_token(secret, said, hidden=("", secret)),
    ):
        assert refusal.provider_said == "The secret [hidden] is wrong"
        assert "s3cret" not in str(refusal) + repr(refusal.facts)


def test_every_class_is_one_of_the_tree():
    assert issubclass(errors.SecretExpired, errors.SecretRefused)
    assert issubclass(type(explain_token("x")), errors.CodeExchangeRefused)
