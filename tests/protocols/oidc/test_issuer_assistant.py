"""What people paste as an issuer, what is said about it, and what is offered."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvportal.protocols.oidc.issuer_assistant import Advice, advise

TENANT = "11111111-2222-3333-4444-555555555555"
ENTRA = f"https://login.microsoftonline.com/{TENANT}/v2.0"
OKTA = "https://acme.okta.com"

RIGHT = [
    "https://id.acme.example",
    "https://id.acme.example/",
    "https://id.acme.example:8443/tenant/a",
    OKTA,
    f"{OKTA}/oauth2/default",
    f"{OKTA}/oauth2/aus1a2b3c",
    "https://acme.oktapreview.com",
    ENTRA,
    f"https://login.microsoftonline.us/{TENANT}/v2.0",
    "https://accounts.google.com",
    "https://sso.acme.example/realms/acme",
    "https://sso.acme.example/kc/realms/acme",
    "https://fs.acme.example/adfs",
    "https://acme.eu.auth0.com/",
    "https://acme.onelogin.com/oidc/2",
    "https://oauth.id.jumpcloud.com/",
    "https://auth.acme.example/application/o/portal/",
    "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc",
    "http://provider.localhost:9000",
]


@pytest.mark.parametrize("issuer", RIGHT)
def test_a_right_issuer_is_left_alone(issuer):
    assert advise(issuer) == Advice()


MENDED = [
    (" https://id.acme.example", "https://id.acme.example", "stray spaces"),
    ("https://id.acme.example\n", "https://id.acme.example", "stray spaces"),
    ("https://id.acme\u200b.example", "https://id.acme.example", "invisible"),
    ("https://id.acme.example\u00a0", "https://id.acme.example", "stray spaces"),
    ('"https://id.acme.example",', "https://id.acme.example", "quotation marks"),
    ("id.acme.example", "https://id.acme.example", "https:// is missing"),
    ("//id.acme.example/a", "https://id.acme.example/a", "https:// is missing"),
    ("http://id.acme.example", "https://id.acme.example", "begins with http://"),
    ("HTTPS://id.acme.example", "https://id.acme.example", "small letters"),
    ("https://ID.Acme.example/Path", "https://id.acme.example/Path", "capital letters"),
    ("https://id.acme.example:443", "https://id.acme.example", ":443"),
    ("https://id.acme.example?x=1", "https://id.acme.example", "before ? and #"),
    ("https://id.acme.example/#/home", "https://id.acme.example/", "before ? and #"),
    (
        "https://id.acme.example/.well-known/openid-configuration",
        "https://id.acme.example",
        "provider's document",
    ),
    ("https://id.acme.example/a/.well-known/openid-configuration", "https://id.acme.example/a", "document"),
    (
        "https://id.acme.example/.well-known/oauth-authorization-server/a",
        "https://id.acme.example/a",
        "document",
    ),
    # Okta
    ("https://acme-admin.okta.com/admin/app/oidc_client/instance/0oa1#tab-general", OKTA, "Admin Console"),
    ("https://acme-admin.okta.com", OKTA, "-admin"),
    (f"{OKTA}/", OKTA, "Okta"),
    (f"{OKTA}/app/UserHome", OKTA, "Okta"),
    (f"{OKTA}/oauth2/v1/authorize", OKTA, "Okta"),
    (f"{OKTA}/oauth2", OKTA, "Okta"),
    (f"{OKTA}/oauth2/default/", f"{OKTA}/oauth2/default", "Okta"),
    (f"{OKTA}/oauth2/default/v1/token", f"{OKTA}/oauth2/default", "Okta"),
    (f"{OKTA}/oauth2/default/.well-known/openid-configuration", f"{OKTA}/oauth2/default", "document"),
    # Microsoft
    (f"https://login.microsoftonline.com/{TENANT}", ENTRA, "/v2.0"),
    (f"https://login.microsoftonline.com/{TENANT}/", ENTRA, "/v2.0"),
    (f"{ENTRA}/", ENTRA, "/v2.0"),
    (f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize", ENTRA, "/v2.0"),
    (f"https://sts.windows.net/{TENANT}/", ENTRA, "version 1.0"),
    # Google
    ("https://accounts.google.com/", "https://accounts.google.com", "Google"),
    ("https://console.cloud.google.com/auth/clients", "https://accounts.google.com", "console"),
    # Keycloak
    ("https://sso.acme.example/realms/acme/", "https://sso.acme.example/realms/acme", "Keycloak"),
    ("https://sso.acme.example/realms/acme/account/", "https://sso.acme.example/realms/acme", "Keycloak"),
    (
        "https://sso.acme.example/realms/acme/protocol/openid-connect/auth",
        "https://sso.acme.example/realms/acme",
        "Keycloak",
    ),
    (
        "https://sso.acme.example/admin/master/console/#/acme/clients",
        "https://sso.acme.example/realms/acme",
        "admin console",
    ),
    (
        "https://sso.acme.example/auth/admin/master/console/#/realms/acme",
        "https://sso.acme.example/auth/realms/acme",
        "admin console",
    ),
    ("https://sso.acme.example/admin/acme/console/", "https://sso.acme.example/realms/acme", "admin console"),
    # AD FS
    ("https://fs.acme.example/adfs/", "https://fs.acme.example/adfs", "AD FS"),
    ("https://fs.acme.example/adfs/ls/", "https://fs.acme.example/adfs", "AD FS"),
    ("https://fs.acme.example/adfs/services/trust", "https://fs.acme.example/adfs", "AD FS"),
    # Auth0
    ("https://acme.eu.auth0.com", "https://acme.eu.auth0.com/", "ends with a slash"),
    ("acme.eu.auth0.com", "https://acme.eu.auth0.com/", "ends with a slash"),
    ("https://acme.eu.auth0.com/.well-known/openid-configuration", "https://acme.eu.auth0.com/", "slash"),
    # OneLogin and others
    ("https://acme.onelogin.com/oidc", "https://acme.onelogin.com/oidc/2", "/oidc/2"),
    ("https://acme.onelogin.com", "https://acme.onelogin.com/oidc/2", "/oidc/2"),
    ("https://acme.onelogin.com/oidc/2/", "https://acme.onelogin.com/oidc/2", "/oidc/2"),
    ("https://oauth.id.jumpcloud.com", "https://oauth.id.jumpcloud.com/", "slash"),
    (
        "https://auth.acme.example/application/o/portal",
        "https://auth.acme.example/application/o/portal/",
        "slash",
    ),
]


@pytest.mark.parametrize("text, mended, words", MENDED)
def test_a_mistake_is_named_and_a_mended_issuer_offered(text, mended, words):
    advice = advise(text)

    assert advice.mended == mended
    assert words in " ".join(advice.found)


@pytest.mark.parametrize("text, mended, words", MENDED)
def test_what_is_offered_needs_no_further_mending(text, mended, words):
    assert advise(mended).mended is None


NOT_MENDED = [
    ("", "empty"),
    ("   ", "empty"),
    ("not an address", "not a web address"),
    ("acme", "not a web address"),
    ("0oa1b2c3d4", "not a web address"),
    ("ldap://id.acme.example", "begins with https://"),
    ("https://user:secret@id.acme.example", "user name"),
    ("https://login.microsoftonline.com/common/v2.0", "every organisation"),
    ("https://login.microsoftonline.com/organizations/v2.0", "every organisation"),
    ("https://login.microsoftonline.com/consumers/v2.0", "every organisation"),
    ("https://login.microsoftonline.com/{tenantid}/v2.0", "every organisation"),
    ("https://login.microsoftonline.com", "every organisation"),
    ("https://login.microsoftonline.com/acme/v2.0", "tenant's id"),
    ("https://login.microsoftonline.com/acme.example/v2.0", "Tokens name the tenant by its id"),
    ("https://entra.microsoft.com/#view/app", "admin center"),
    ("https://manage.auth0.com/dashboard/eu/acme", "dashboard"),
    ("https://sso.acme.example/admin/", "Keycloak"),
    ("https://sso.acme.example/auth/", "Keycloak"),
    ("https://sso.acme.example/auth/realms/acme", "Keycloak 17"),
    ("https://sso.acme.example/realms/master", "master"),
    ("https://acme.auth.eu-west-1.amazoncognito.com", "Cognito"),
]


@pytest.mark.parametrize("text, words", NOT_MENDED)
def test_what_cannot_be_mended_is_said_in_words(text, words):
    advice = advise(text)

    assert advice.mended is None or advice.mended == text
    assert words in " ".join(advice.found)


def test_a_password_in_the_text_is_not_repeated():
    assert "secret" not in " ".join(advise("https://user:secret@id.acme.example").found)


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(max_size=80)
    | st.from_regex(r"https?://[a-z.]{1,12}\.(okta|auth0)\.com(/[a-z0-9.]{0,6}){0,4}")
)
def test_any_text_gives_advice_that_is_stable(text):
    advice = advise(text)

    assert all(sentence.endswith(".") for sentence in advice.found)
    assert (advice.mended is None) or advice.found
    if advice.mended is not None:
        assert advise(advice.mended).mended is None
