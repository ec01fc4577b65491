import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lvportal.protocols.oidc import errors
from lvportal.protocols.oidc.configuration import (
    ASYMMETRIC_ALGORITHMS,
    ClientAuthentication,
    RelyingPartyConfiguration,
)

HS256 = frozenset({"HS256"})


def test_a_usual_connection_is_accepted_with_safe_defaults(acme):
    configuration = RelyingPartyConfiguration(
        issuer=acme.issuer, client_id=acme.client_id, client_secret=acme.secret
    )

    assert configuration.scope == "openid email profile"
    assert configuration.allowed_algorithms == ASYMMETRIC_ALGORITHMS
    assert configuration.is_confidential
    assert not configuration.accepts_unverified_email


def test_the_secret_is_in_no_representation(acme):
    assert acme.secret not in repr(acme.configuration())


@pytest.mark.parametrize(
    ("scopes", "sent"),
    [
        ((), "openid"),
        (("email",), "openid email"),
        (("email", "openid", "email"), "openid email"),
    ],
)
def test_openid_is_always_asked(acme, scopes, sent):
    assert acme.configuration(scopes=scopes).scope == sent


@pytest.mark.parametrize(
    "issuer",
    [
        "https://id.acme.example/",
        "https://id.acme.example/realms/one",
        "https://id.acme.example:8443",
        "http://127.0.0.1:5000",
    ],
)
def test_an_issuer_is_kept_byte_for_byte(acme, issuer):
    assert acme.configuration(issuer=issuer).issuer == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        " ",
        "id.acme.example",
        " https://id.acme.example",
        "https://id.acme.example\n",
        "https://",
        "https://id.acme.example?tenant=1",
        "https://id.acme.example?",
        "https://id.acme.example#x",
        "https://user@id.acme.example",
        "https://[::1",
        "ftp://id.acme.example",
        "https://id.äcme.example",
        "https://id.acme.example/" + "x" * 1000,
    ],
)
def test_what_can_be_no_issuer_is_refused(acme, issuer):
    with pytest.raises(errors.IssuerUnusable) as caught:
        acme.configuration(issuer=issuer)

    assert caught.value.field == "issuer"


@pytest.mark.parametrize("client_id", ["0oa1", "two words", "a:b"])
def test_a_client_id_is_accepted(acme, client_id):
    assert acme.configuration(client_id=client_id).client_id == client_id


@pytest.mark.parametrize("client_id", ["", " ", " 0oa1", "0oa1\n", "ä", "x" * 1001])
def test_a_blank_padded_or_odd_client_id_is_refused(acme, client_id):
    with pytest.raises(errors.ClientIdUnusable):
        acme.configuration(client_id=client_id)


@pytest.mark.parametrize("secret", [None, "", " ", "x ", "a\nb", "ä", "x" * 2001])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_confidential_client_needs_a_usable_secret(acme, method, secret):
    with pytest.raises(errors.SecretUnusable) as caught:
        acme.configuration(client_secret=secret, client_authentication=ClientAuthentication(method))

    assert not secret or not secret.strip() or secret not in str(caught.value)


def test_a_public_client_needs_no_secret(acme):
    configuration = acme.configuration(client_secret=None, client_authentication=ClientAuthentication.NONE)

    assert not configuration.is_confidential


@pytest.mark.parametrize("name", ["email", "https://acme.example/email"])
def test_an_email_claim_may_have_any_name(acme, name):
    assert acme.configuration(email_claim=name).email_claim == name


@pytest.mark.parametrize("name", ["", " ", "e mail", "x" * 201])
def test_a_blank_email_claim_is_refused(acme, name):
    with pytest.raises(errors.EmailClaimUnusable):
        acme.configuration(email_claim=name)


@pytest.mark.parametrize("scope", ["", "two words", 'quo"te', "back\\slash", "ä"])
def test_a_malformed_scope_or_acr_value_is_refused(acme, scope):
    with pytest.raises(errors.ScopesUnusable):
        acme.configuration(scopes=("openid", scope))
    with pytest.raises(errors.ScopesUnusable):
        acme.configuration(required_acr_values=(scope,))


def test_a_public_key_in_the_secrets_place_is_no_secret_for_hs256(acme, signing_keys):
    public_key = signing_keys["Ed25519"].public_key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)

    with pytest.raises(errors.AlgorithmsUnusable):
        acme.configuration(allowed_algorithms=HS256, client_secret=public_key.decode())


def test_hs256_is_accepted_with_a_secret_as_long_as_its_hash(acme):
    assert acme.configuration(allowed_algorithms=HS256, client_secret="x" * 32)


@pytest.mark.parametrize(
    "changes",
    [
        {"allowed_algorithms": frozenset({"none"})},
        {"allowed_algorithms": frozenset({"RS256", "none"})},
        {"allowed_algorithms": frozenset({"RS256", "Ed448"})},
        {"allowed_algorithms": frozenset({"HS384"})},
        {"allowed_algorithms": frozenset()},
        {"allowed_algorithms": HS256, "client_secret": "x" * 31},
        {
            "allowed_algorithms": HS256,
            "client_secret": None,
            "client_authentication": ClientAuthentication.NONE,
        },
    ],
)
def test_algorithms_that_prove_nothing_are_refused(acme, changes):
    with pytest.raises(errors.AlgorithmsUnusable):
        acme.configuration(**changes)


@pytest.mark.parametrize("domain", [None, "acme.example", "Sub.Acme.example"])
def test_a_hosted_domain_is_accepted(acme, domain):
    assert acme.configuration(required_hosted_domain=domain).required_hosted_domain == domain


@pytest.mark.parametrize("domain", ["", "acme", "acme.example ", "@acme.example", ".example", "a..b"])
def test_what_is_no_domain_is_refused(acme, domain):
    with pytest.raises(errors.HostedDomainUnusable):
        acme.configuration(required_hosted_domain=domain)


@pytest.mark.parametrize("limits", [{"leeway_seconds": 0}, {"leeway_seconds": 300}, {"max_age_seconds": 0}])
def test_limits_are_accepted_at_their_edges(acme, limits):
    assert acme.configuration(**limits)


@pytest.mark.parametrize("limits", [{"leeway_seconds": -1}, {"leeway_seconds": 301}, {"max_age_seconds": -1}])
def test_limits_are_refused_beyond_their_edges(acme, limits):
    with pytest.raises(errors.LimitUnusable):
        acme.configuration(**limits)
