"""The provider's own error texts: every one that is known is explained, and nothing else is."""

import pytest

from lvportal.providers import KNOWN
from lvportal.providers.errors import SHOWN_CHARACTERS, explain_pasted

ENTRA = {
    "redirect URI": "50011 500113 900971",
    "not assigned": "50105",
    "not of this organisation": "50020 16000 90072",
    "no such account": "50034",
    "personal": "500208",
    "consent": "65001 90094 90095 650056",
    "declined": "65004",
    "no app of this id": "700016",
    "no such tenant": "90002",
    "for one organisation": "50194",
    "by a name": "90009",
    "switched off": "7000112 70001 50057",
    "secret is wrong": "7000215",
    "secret has expired": "7000222",
    "none was sent": "7000218",
    "app is public": "700025",
    "Single-page": "9002327",
    "ID token was asked for": "700054",
    "used before": "54005",
    "has expired": "70008 50055",
    "PKCE": "501481",
    "Nobody is signed in": "50058",
    "password is wrong": "50126",
    "locked": "50053",
    "second factor": "50074 50076 50079",
    "Conditional Access": "53000 53003",
}
CODES = [(number, words) for words, numbers in ENTRA.items() for number in numbers.split()]

TEXTS = [
    ("okta", "'redirect_uri' parameter must be a Login redirect URI in the client app settings", "redirect"),
    ("okta", "illegal_redirect_uri", "redirect"),
    ("okta", "'post_logout_redirect_uri' parameter must be a Logout redirect URI in the client app settings.",
     "signed-out"),
    ("okta", "invalid_client: Invalid value for 'client_id' parameter.", "does not know"),
    ("okta", "errorCode E0000015", "licence"),
    ("okta", "E0000007 Not found", "no authorization server"),
    ("okta", "access_denied: User is not assigned to the client application.", "does not have this app"),
    ("okta", "access_denied: Policy evaluation failed for this request, please check", "access policy"),
    ("okta", "no_matching_policy", "access policy"),
    ("okta", "login_required", "Nobody is signed in"),
    ("okta", "The client secret supplied for a confidential client is invalid.", "Secret"),
    ("okta", "invalid_client Client authentication failed. Either the client", "proved"),
    ("okta", "invalid_grant The credentials provided were invalid.", "password"),
    ("okta", "unauthorized_client", "grant"),
    ("google", "Error 400: redirect_uri_mismatch", "redirect"),
    ("google", "Error 403: org_internal", "another organisation"),
    ("google", "Error 400: admin_policy_enforced", "blocks"),
    ("google", "Error 403: access_not_configured", "not allowed"),
    ("google", "Error 401: invalid_client The OAuth client was not found.", "does not know"),
    ("google", "Error 401: deleted_client", "deleted"),
    ("google", "Error 403: access_denied", "testing"),
    ("keycloak", "We are sorry... Invalid parameter: redirect_uri", "redirect"),
    ("keycloak", "We are sorry... Client not found.", "no such client"),
    ("keycloak", "Client disabled.", "switched off"),
    ("keycloak", "Realm not enabled", "realm is switched off"),
    ("keycloak", "Standard flow is disabled for the client.", "authorization code"),
    ("keycloak", "Invalid redirect uri", "signed-out"),
    ("keycloak", "Cookie not found. Please make sure cookies are enabled in your browser.", "cookie"),
    ("keycloak", '{"error":"Realm does not exist"}', "no realm"),
    ("keycloak", "unauthorized_client Invalid client or Invalid client credentials", "is wrong"),
    ("keycloak", "invalid_grant Code not valid", "used before"),
    ("keycloak", "Client not allowed for direct access grants", "password grant"),
    ("auth0", "Callback URL mismatch. The provided redirect_uri is not in the list", "redirect"),
    ("auth0", "Unknown client: abc", "no application"),
    ("auth0", "Service not enabled within domain: https://api.acme.example", "API"),
    ("auth0", '{"error":"access_denied","error_description":"Unauthorized"}', "Secret is probably wrong"),
    ("auth0", "Grant type 'password' not allowed for the client.", "password grant"),
    ("onelogin", "redirect_uri did not match any client's registered redirect_uri", "redirect"),
    ("onelogin", "invalid_client", "refuses its secret"),
    ("adfs", "MSIS9223: Received invalid OAuth authorization request.", "does not know"),
    ("adfs", "MSIS9224", "redirect"),
    ("adfs", "MSIS9221", "named no redirect"),
    ("adfs", "MSIS9605", "may not use"),
    ("adfs", "MSIS9321", "may not use"),
    ("adfs", "MSIS9602", "resource"),
    ("adfs", "MSIS9607", "Authorization ID"),
    ("adfs", "MSIS9622", "secret is wrong"),
    ("adfs", "MSIS9659", "password"),
    ("adfs", "Encountered error during federation passive request. Event 364", "does not say why"),
    ("adfs", "An error occurred. Activity ID: 00000000-0000-0000-0000-000000000000", "does not say why"),
    ("pingfederate", "Invalid redirect_uri", "redirect"),
    ("pingfederate", "Unknown or invalid client_id", "does not know"),
    ("pingfederate", "Invalid client or client credentials.", "is wrong"),
    ("other", "One or more validation errors were in the request.", "redirect"),
    ("other", "error=redirect_mismatch", "redirect"),
    ("other", "Errors.App.NotFound", "does not know"),
]  # fmt: skip


@pytest.mark.parametrize("number, words", CODES)
@pytest.mark.parametrize(
    "shape", ["AADSTS{}: something", "https://login.microsoftonline.com/error?code={}", "{}"]
)
def test_every_code_of_microsoft_is_explained(number, words, shape):
    told = explain_pasted(shape.format(number), "entra")

    assert told.is_known
    assert told.provider == "Microsoft Entra ID"
    assert words in told.meaning
    assert told.fix


@pytest.mark.parametrize("provider, text, words", TEXTS)
def test_every_text_is_explained_by_its_own_provider(provider, text, words):
    told = explain_pasted(text, provider)

    assert told.is_known
    assert words in told.meaning, told
    assert told.provider == ("" if provider == "other" else KNOWN[provider].label)


COMMON = {error.fragment for one in KNOWN.values() for error in one.errors if error.is_common}
UNMISTAKABLE = [row for row in TEXTS if not any(words.lower() in row[1].lower() for words in COMMON)]


@pytest.mark.parametrize("chosen", ["other", "entra", None])
@pytest.mark.parametrize("provider, text, words", UNMISTAKABLE)
def test_a_text_is_recognised_although_another_provider_was_chosen(provider, text, words, chosen):
    told = explain_pasted(text, chosen)

    assert told.is_known
    assert words in told.meaning


def test_the_whole_address_of_an_error_is_read():
    url = (
        "https://portal.example.com/sso/acme?error=access_denied&error_description="
        "AADSTS50105%3a+Your+administrator+has+configured"
    )

    assert explain_pasted(url, "entra").code == "AADSTS50105"


def test_a_bare_number_means_nothing_at_another_provider():
    assert explain_pasted("50011", "entra").is_known
    assert not explain_pasted("50011", "okta").is_known


def test_an_unknown_code_is_named_and_support_is_pointed_to():
    told = explain_pasted("AADSTS9999999: a new one", "entra")

    assert (told.is_known, told.code) == (False, "AADSTS9999999")
    assert "Customer Care" in told.fix


@pytest.mark.parametrize(
    "text", ["", " \x00\n", "\ud800", "%ff%fe", "a" * 100_000, "<script>alert(1)</script>"]
)
def test_anything_can_be_pasted(text):
    told = explain_pasted(text, "okta")

    assert not told.is_known
    assert len(told.pasted) <= SHOWN_CHARACTERS
    assert told.meaning
    assert told.fix
