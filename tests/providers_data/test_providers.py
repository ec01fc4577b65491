"""What is known about provider products is complete, and its guides can be filled."""

import string

import pytest

from lvportal.protocols.oidc.configuration import ClientAuthentication
from lvportal.protocols.oidc.issuer_assistant import advise
from lvportal.providers import KNOWN, explain, recognise
from lvportal.providers.credentials import advise_credentials
from lvportal.providers.known import PLACEHOLDERS

PROVIDERS = list(KNOWN.values())
ROWS = [(one, guide, row) for one in PROVIDERS for guide in one.guides for row in guide.rows]
ADDRESSES = {name: f"https://{name.replace('_', '-')}.example/sso/acme" for name in PLACEHOLDERS}
TENANT = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: one.key)
def test_a_provider_has_all_its_words(provider):
    words = (
        provider.label,
        provider.choice,
        provider.client_id_word,
        provider.secret_word,
        provider.issuer_hint,
        provider.default_email_claim,
    )
    assert all(words)
    assert len(provider.key) <= 24
    assert provider.default_client_authentication in list(ClientAuthentication)
    assert provider.traps
    assert all(trap.endswith(".") for trap in provider.traps)
    assert KNOWN[provider.key] is provider


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: one.key)
@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_every_guide_pastes_every_address(provider, name):
    if provider.key == "google" and name.startswith("signed_out"):
        assert any("no sign-out address" in trap for trap in provider.traps)
        return
    for guide in provider.guides:
        pasted = [row.text for row in guide.rows if row.action == "Paste"]
        assert any("{" + name + "}" in text for text in pasted), guide.title


@pytest.mark.parametrize("provider, guide, row", ROWS, ids=lambda value: getattr(value, "where", None))
def test_a_guides_row_holds_known_placeholders_only_and_fills(provider, guide, row):
    names = {name for _, name, _, _ in string.Formatter().parse(row.text) if name is not None}

    assert names <= set(PLACEHOLDERS)
    assert row.action == "Paste" or not names
    lines = row.lines(ADDRESSES)
    assert all(lines)
    assert not any("{" in line for line in lines)
    if row.action == "Paste":
        assert all(line.startswith("https://") for line in lines)


def test_okta_has_a_guide_for_web_and_one_for_native():
    okta = KNOWN["okta"]

    assert okta.application_types == ("web", "native")
    assert okta.guide_for("native").title == "Okta, Native Application"
    assert "Resource Owner Password" in " ".join(row.text for row in okta.guide_for("native").rows)
    assert "Resource Owner Password" not in " ".join(row.text for row in okta.guide_for("web").rows)
    assert "Native" in okta.guide_for("web").traps[0]
    assert okta.guide == okta.guide_for("web").rows


def test_a_type_without_a_guide_gets_the_usual_one():
    assert KNOWN["entra"].guide_for("native") is KNOWN["entra"].guides[0]


@pytest.mark.parametrize(
    "issuer, key",
    [
        ("https://acme.okta.com", "okta"),
        ("https://acme.oktapreview.com/oauth2/default", "okta"),
        (f"https://login.microsoftonline.com/{TENANT}/v2.0", "entra"),
        ("https://acme.ciamlogin.com/x/v2.0", "entra"),
        ("https://accounts.google.com", "google"),
        ("https://id.acme.example/realms/Acme", "keycloak"),
        ("https://id.acme.example/auth/realms/acme", "keycloak"),
        ("https://acme.eu.auth0.com/", "auth0"),
        ("https://acme.onelogin.com/oidc/2", "onelogin"),
        ("https://sts.acme.example/adfs", "adfs"),
        ("https://id.acme.example:9031", "pingfederate"),
        ("https://accounts.google.com.evil.example", "other"),
        ("https://id.acme.example/adfsx", "other"),
        ("https://id.acme.example", "other"),
        ("https://okta.com.acme.example", "other"),
        ("https://acme.okta.com.evil.example/", "other"),
        ("https://id.acme.example/x.okta.com/", "other"),
        ("https://login.microsoftonline.com.evil.example/", "other"),
        ("http://provider.localhost:9000", "other"),
        ("", "other"),
    ],
)
def test_an_issuer_is_recognised_by_its_host(issuer, key):
    assert recognise(issuer).key == key


@pytest.mark.parametrize(
    "key, issuer",
    [("okta", "https://acme.okta.com/"), ("entra", f"https://login.microsoftonline.com/{TENANT}")],
)
def test_a_recognised_issuer_with_a_mistake_is_recognised_all_the_same(key, issuer):
    mended = advise(issuer).mended

    assert mended is not None
    assert recognise(issuer).key == recognise(mended).key == key


@pytest.mark.parametrize(
    "text, words",
    [
        ("AADSTS50011: The redirect URI 'https://a' specified in the request does not match", "differs"),
        ("AADSTS500113: No reply address is registered for the application.", "No redirect URI"),
        ("Sorry, but we're having trouble. AADSTS50105", "not assigned"),
        ("aadsts7000215: Invalid client secret provided.", "secret is wrong"),
        ("AADSTS700016: Application was not found in the directory", "no app of this id"),
        (
            "The 'redirect_uri' parameter must be a Login redirect URI in the client app settings.",
            "not registered",
        ),
        ("User is not assigned to the client application.", "does not have this app"),
        ("Error 400: redirect_uri_mismatch", "not registered"),
        ("error=access_denied", "said no"),
    ],
)
def test_a_pasted_error_is_explained(text, words):
    error = explain(text)

    assert error is not None
    assert words in error.meaning


@pytest.mark.parametrize(
    "text", ["", "Something went wrong", "AADSTS5001", "AADSTS500119999", "XAADSTS50011"]
)
def test_an_unknown_error_is_not_guessed_at(text):
    assert explain(text) is None


def test_the_connections_own_provider_explains_first():
    text = "access_denied: User is not assigned to the client application."

    error = explain(text, KNOWN["okta"])
    assert error is not None
    assert error.fix.startswith("Assign the app")
    assert explain("access_denied", KNOWN["okta"]) is not None


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: one.key)
def test_every_error_has_a_meaning_and_a_fix_and_stands_once(provider):
    fragments = [error.fragment.lower() for error in provider.errors]

    assert len(set(fragments)) == len(fragments)
    assert all(error.meaning.endswith(".") and error.fix.endswith(".") for error in provider.errors)
    assert all(provider.explain(f"It says: {error.fragment}") is error for error in provider.errors)


OKTA_ID = "0oa7c2n4exampleAb5d7"
ENTRA_SECRET = "abc8Q~" + "x" * 34


@pytest.mark.parametrize(
    "provider, client_id, secret",
    [
        ("okta", OKTA_ID, "s" * 40),
        ("okta", OKTA_ID, None),
        ("entra", TENANT, ENTRA_SECRET),
        ("other", "portal", "secret"),
    ],
)
def test_right_credentials_are_left_alone(provider, client_id, secret):
    assert advise_credentials(provider, client_id, secret) == ()


@pytest.mark.parametrize(
    "provider, client_id, secret, words",
    [
        ("okta", "s" * 40, OKTA_ID, "swapped"),
        ("entra", ENTRA_SECRET, TENANT, "swapped"),
        ("entra", TENANT, TENANT.replace("1", "9"), "Secret ID"),
        ("other", "portal", "portal", "the same"),
        ("other", " portal", "secret", "Authorization ID"),
        ("other", "portal", "secret\n", "Authorization Secret"),
        ("other", "portal", "sec\u200bret", "invisible"),
    ],
)
def test_a_mistake_in_the_credentials_is_named_without_repeating_them(provider, client_id, secret, words):
    found = " ".join(advise_credentials(provider, client_id, secret))

    assert words in found
    assert "s" * 40 not in found
    assert ENTRA_SECRET not in found
