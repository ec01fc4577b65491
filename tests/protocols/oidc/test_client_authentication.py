import base64
from urllib.parse import parse_qsl, unquote_plus

import pytest

from lvportal.protocols.oidc.client_authentication import authenticate, choose_method
from lvportal.protocols.oidc.configuration import ClientAuthentication

BASIC, POST, NONE = (
    ClientAuthentication.CLIENT_SECRET_BASIC,
    ClientAuthentication.CLIENT_SECRET_POST,
    ClientAuthentication.NONE,
)
FORM = "grant_type=authorization_code&code=a%2Bb+c"


def authenticated(method, client_id="acme", client_secret="secret"):
    return authenticate(
        FORM,
        endpoint="https://id.acme.example/token",
        client_id=client_id,
        client_secret=client_secret,
        method=method,
    )


def test_a_public_client_names_itself_and_sends_no_secret():
    request = authenticated(NONE, client_secret=None)

    assert request.headers == {}
    assert parse_qsl(request.body.decode()) == [*parse_qsl(FORM), ("client_id", "acme")]


def test_post_puts_both_into_the_body():
    request = authenticated(POST, client_secret="a&b=c +%é".replace("é", ""))

    assert request.headers == {}
    assert parse_qsl(request.body.decode()) == [
        *parse_qsl(FORM),
        ("client_id", "acme"),
        ("client_secret", "a&b=c +%"),
    ]


@pytest.mark.parametrize(
    ("client_id", "client_secret", "credentials"),
    [
        ("acme", "secret", "acme:secret"),
        ("ac:me", "a:b", "ac%3Ame:a%3Ab"),
        ("a b", "100%+1 /~&=", "a+b:100%25%2B1+%2F~%26%3D"),
    ],
)
def test_basic_form_encodes_both_first(client_id, client_secret, credentials):
    """RFC 6749, section 2.3.1."""
    request = authenticated(BASIC, client_id, client_secret)

    scheme, _, encoded = request.headers["authorization"].partition(" ")
    sent = base64.b64decode(encoded).decode()
    assert (scheme, sent) == ("Basic", credentials)
    assert tuple(map(unquote_plus, sent.split(":"))) == (client_id, client_secret)
    assert request.body.decode() == FORM


@pytest.mark.parametrize(
    ("configured", "supported", "chosen"),
    [
        (BASIC, (), BASIC),
        (BASIC, ("client_secret_basic", "client_secret_post"), BASIC),
        (BASIC, ("client_secret_post",), POST),
        (BASIC, ("private_key_jwt", "client_secret_post"), POST),
        (BASIC, ("private_key_jwt",), BASIC),
        (BASIC, ("none",), BASIC),
        (POST, ("client_secret_basic",), POST),
        (NONE, ("client_secret_post",), NONE),
    ],
)
def test_metadata_decides_between_basic_and_post_and_nothing_else(configured, supported, chosen):
    assert choose_method(configured, supported) is chosen


@pytest.mark.parametrize("method", [BASIC, POST])
def test_no_representation_shows_the_credentials(method):
    assert "secret" not in repr(authenticated(method)).replace("client_secret", "")
    assert "Basic" not in repr(authenticated(method))
