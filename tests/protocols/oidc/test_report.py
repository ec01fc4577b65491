"""What is said about a provider, good or bad; nothing it does makes the report fail."""

import json
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lvportal.protocols.http import (
    AddressPolicy,
    AddressRefused,
    CertificateRefused,
    Fetcher,
    NameUnknown,
    ProviderBusy,
    ProviderSlow,
    ProviderUnreachable,
    RedirectRefused,
    Reply,
    ReplyTooLarge,
    TlsFailed,
)
from lvportal.protocols.oidc import report as module
from lvportal.protocols.oidc.configuration import ClientAuthentication
from lvportal.protocols.oidc.report import LABELS, ClientCredentials, Outcome, Report, Wanted, examine
from tests.protocols.loopback import answering, reply, serving

ISSUER = "https://id.acme.example"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SECRET = "acme-secret-that-nobody-else-has"
KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}  # RFC 7515, appendix A.3
OK, WARN, DANGER, UNKNOWN = Outcome


class Provider:
    """A provider of which a test changes one fact; only the network is played."""

    def __init__(self, **changes):
        self.document = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "end_session_endpoint": f"{ISSUER}/out",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256"],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["sub", "email", "email_verified"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            **changes,
        }
        self.status = 200
        self.headers = {"date": format_datetime(NOW, usegmt=True)}
        self.body = None
        self.keys = json.dumps({"keys": [KEY]}).encode()
        self.keys_status = 200
        self.token_reply = (400, b'{"error": "invalid_grant"}')
        self.fails = {}
        self.posts = []
        self.gets = []

    def get(self, url, *, issuer, headers=None):
        self.gets.append(url)
        kind = "keys" if url.endswith("/keys") else "document"
        if kind in self.fails:
            raise self.fails[kind]
        if kind == "keys":
            return Reply(self.keys_status, {}, self.keys)
        return Reply(self.status, self.headers, self.body or json.dumps(self.document).encode())

    def post_form(self, url, body, *, issuer, headers=None):
        self.posts.append((url, parse_qs(body.decode()), dict(headers)))
        if "token" in self.fails:
            raise self.fails["token"]
        return Reply(self.token_reply[0], {}, self.token_reply[1])


@pytest.fixture(autouse=True)
def names_are_public(monkeypatch):
    def getaddrinfo(host, port, **_):
        address = "10.0.0.1" if host.startswith("inside.") else "1.1.1.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def look(provider=None, issuer=ISSUER, policy=None, **options) -> Report:
    return examine(
        issuer, fetcher=provider or Provider(), policy=policy or AddressPolicy(), now=NOW, **options
    )


def credentials(**changes):
    return ClientCredentials(
        **(
            {"client_id": "lvportal", "client_secret": SECRET, "redirect_uri": "https://p.example/sso/a"}
            | changes
        )
    )


@pytest.mark.parametrize(
    "modes, outcome, words",
    [
        (["form_post"], OK, "is offered"),
        (["query"], DANGER, "Choose query as Response mode"),
        (["fragment"], DANGER, "Allow query"),
        (None, UNKNOWN, "does not say"),
    ],
)
def test_a_response_mode_that_was_chosen_is_compared(modes, outcome, words):
    report = look(Provider(response_modes_supported=modes), wanted=Wanted("form_post"))
    check = report.check("response_mode")

    assert check.outcome is outcome
    assert words in f"{check.sentence} {check.next_step}"


def test_another_claim_the_provider_knows_is_named():
    check = look(Provider(claims_supported=["sub", "upn"]), wanted=Wanted(email_claim="mail")).check("claims")

    assert "has no mail" in check.sentence
    assert "upn" in check.next_step
    assert look(wanted=Wanted(email_claim="email")).check("claims").outcome is OK


# --- A good provider ------------------------------------------------------------


def test_a_good_provider_passes_every_check():
    report = look(client=credentials())

    assert [check.name for check in report.checks] == list(LABELS)
    assert {check.name: check.outcome for check in report.checks} == dict.fromkeys(LABELS, OK)
    assert report.outcome is OK
    assert report.mend is None
    assert report.for_the_provider == ()
    assert report.metadata is not None
    assert report.check("keys").label == "Signing keys"


def test_without_credentials_nothing_is_posted():
    provider = Provider()

    report = look(provider)

    assert provider.posts == []
    assert report.check("credentials").outcome is UNKNOWN


def test_a_provider_that_passed_is_fetched_anew_by_the_next_sign_in():
    class Documents:
        forgotten = []

        def forget(self, issuer):
            self.forgotten.append(issuer)

    look(documents=Documents())
    look(Provider(issuer="https://id.globex.example"), documents=Documents())

    assert Documents.forgotten == [ISSUER]


# --- Reaching it ------------------------------------------------------------------


def test_a_plain_http_issuer_is_refused_and_https_offered():
    provider = Provider()

    report = look(provider, "http://id.acme.example")

    assert provider.gets == []
    assert report.check("address").outcome is DANGER
    assert "begins with http://" in report.check("address").next_step
    assert report.mend == ISSUER
    assert report.outcome is DANGER
    assert report.check("document").sentence == "Not checked."


def test_a_listed_address_is_never_silent():
    issuer = "http://provider.localhost:9000"
    endpoints = dict.fromkeys(
        ("authorization_endpoint", "token_endpoint", "end_session_endpoint"), f"{issuer}/x"
    )
    provider = Provider(issuer=issuer, jwks_uri=f"{issuer}/keys", **endpoints)

    report = look(provider, issuer, AddressPolicy(frozenset({("provider.localhost", 9000)})))

    assert report.check("address").outcome is WARN
    assert "unsafe" in report.check("address").sentence
    assert report.check("certificate").outcome is WARN
    assert report.check("endpoints").outcome is WARN
    assert report.outcome is WARN
    assert report.metadata is not None


@pytest.mark.parametrize(
    "error, name, words",
    [
        (
            AddressRefused("x", address="id.acme.example:443", reason="it is not public"),
            "address",
            "not public",
        ),
        (NameUnknown("dns", address="id.acme.example"), "answer", "DNS knows no such name"),
        (
            ProviderUnreachable("x", address="id.acme.example:443", reason="it refuses connections"),
            "answer",
            "refuses",
        ),
        (ProviderSlow("x", address="id.acme.example:443", reason="no answer"), "answer", "slow"),
        (ProviderBusy("x"), "answer", "slow"),
        (
            CertificateRefused("x", address="id.acme.example:443", reason="it has expired"),
            "certificate",
            "expired",
        ),
        (TlsFailed("x", address="id.acme.example:443", reason="wrong version number"), "certificate", "TLS"),
        (RedirectRefused("x", address="id.acme.example:443", reason="status 302"), "document", "302"),
        (ReplyTooLarge("x", address="id.acme.example:443", limit=9), "document", "9 bytes"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_step_where_reaching_it_failed_is_named(error, name, words):
    provider = Provider()
    provider.fails["document"] = error

    report = look(provider)

    assert [check.name for check in report.checks if check.outcome is DANGER] == [name]
    assert words in report.check(name).next_step
    assert report.check("keys").outcome is UNKNOWN
    assert report.metadata is None


def test_an_expired_certificate_is_something_to_tell_the_provider():
    provider = Provider()
    provider.fails["document"] = CertificateRefused(
        "x", address="id.acme.example:443", reason="it has expired"
    )

    assert look(provider).for_the_provider == (
        "The certificate of id.acme.example:443 is not valid: it has expired.",
    )


def test_a_real_certificate_of_nobody_we_know_is_reported():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with serving(answering(reply()), context) as server:
        policy = AddressPolicy(frozenset({server.address}))
        socket_answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", server.address)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", lambda *_, **__: socket_answers)
            report = look(Fetcher(policy), server.origin, policy)

    assert report.check("certificate").outcome is DANGER
    assert "who issued it" in report.check("certificate").next_step


# --- Document and issuer -------------------------------------------------------------


def test_a_missing_document_is_said_with_its_status():
    provider = Provider()
    provider.status = 404

    check = look(provider).check("document")

    assert check.outcome is DANGER
    assert "404" in check.sentence
    assert f"{ISSUER}/.well-known/openid-configuration" in check.sentence


def test_a_missing_document_offers_what_the_text_suggests():
    provider = Provider()
    provider.status = 404

    assert look(provider, f"{ISSUER}/realms/acme/account").mend == f"{ISSUER}/realms/acme"


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[]", b'{"issuer": 1}', b"\xff"])
def test_what_is_no_document_is_said(body):
    provider = Provider()
    provider.body = body

    assert look(provider).check("document").outcome is DANGER


def test_an_incomplete_document_is_said():
    assert "jwks_uri" in look(Provider(jwks_uri=None)).check("document").next_step


def test_another_issuer_is_shown_and_offered_and_the_rest_still_examined():
    report = look(Provider(issuer=ISSUER + "/"))

    check = report.check("issuer")
    assert (check.outcome, check.expected, check.got) == (DANGER, ISSUER, ISSUER + "/")
    assert report.mend == ISSUER + "/"
    assert "slash" in check.sentence
    assert report.check("keys").outcome is OK
    assert report.metadata is None


def test_no_secret_is_sent_to_a_provider_of_another_issuer():
    provider = Provider(issuer="https://id.globex.example")

    report = look(provider, client=credentials())

    assert provider.posts == []
    assert report.check("credentials").outcome is UNKNOWN


def test_an_issuer_for_everybody_is_refused_and_not_offered():
    report = look(
        Provider(issuer="https://login.microsoftonline.com/{tenantid}/v2.0"),
        "https://login.microsoftonline.com/common/v2.0",
    )

    assert report.check("issuer").outcome is DANGER
    assert "common" in report.check("issuer").next_step
    assert report.mend is None


@pytest.mark.parametrize("named", ["http://id.acme.example", "javascript:x", "https://a:b@id.acme.example"])
def test_an_issuer_that_could_not_be_entered_is_not_offered(named):
    assert look(Provider(issuer=named)).mend is None


# --- Endpoints -----------------------------------------------------------------------


def test_an_endpoint_that_is_not_https_is_named():
    report = look(Provider(token_endpoint="http://id.acme.example/token"))

    assert report.check("issuer").outcome is OK
    assert "token_endpoint" in report.check("endpoints").next_step
    assert "token_endpoint" in report.for_the_provider[0]


def test_an_endpoint_inside_a_private_network_is_found_before_any_call():
    provider = Provider(token_endpoint="https://inside.acme.example/token")

    report = look(provider, client=credentials())

    assert report.check("endpoints").outcome is DANGER
    assert "not public" in report.check("endpoints").next_step


def test_endpoints_of_other_hosts_are_listed():
    report = look(Provider(token_endpoint="https://token.acme.example/x"))

    assert "token.acme.example:443" in report.check("endpoints").sentence
    assert report.check("endpoints").outcome is OK


def test_an_endpoint_whose_name_nobody_knows_is_said(monkeypatch):
    def getaddrinfo(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "no")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    assert look().check("endpoints").outcome is DANGER


# --- Capabilities ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, changes, outcome",
    [
        ("algorithms", {"id_token_signing_alg_values_supported": ["ES256", "none"]}, OK),
        ("algorithms", {"id_token_signing_alg_values_supported": ["HS256"]}, DANGER),
        ("algorithms", {"id_token_signing_alg_values_supported": ["none"]}, DANGER),
        ("algorithms", {"id_token_signing_alg_values_supported": ["RS256"]}, DANGER),  # no such key
        ("algorithms", {"id_token_signing_alg_values_supported": None}, UNKNOWN),
        ("code_flow", {"response_types_supported": ["id_token"]}, DANGER),
        ("code_flow", {"grant_types_supported": ["implicit"]}, DANGER),
        ("code_flow", {"grant_types_supported": ["authorization_code"]}, OK),
        ("code_flow", {"response_types_supported": None}, UNKNOWN),
        ("pkce", {"code_challenge_methods_supported": ["plain", "S256"]}, OK),
        ("pkce", {"code_challenge_methods_supported": ["plain"]}, DANGER),
        ("pkce", {"code_challenge_methods_supported": None}, UNKNOWN),
        ("response_mode", {"response_modes_supported": ["query"]}, OK),
        ("response_mode", {"response_modes_supported": None}, OK),
        ("response_mode", {"response_modes_supported": ["form_post"]}, DANGER),
        ("claims", {"claims_supported": ["sub", "email"]}, OK),
        ("claims", {"claims_supported": ["sub", "upn"]}, WARN),
        ("claims", {"claims_supported": None}, UNKNOWN),
        ("par", {"pushed_authorization_request_endpoint": None}, OK),
        ("client_authentication", {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, DANGER),
        ("client_authentication", {"token_endpoint_auth_methods_supported": ["client_secret_post"]}, OK),
        ("client_authentication", {"token_endpoint_auth_methods_supported": None}, OK),
        ("answer_issuer", {"authorization_response_iss_parameter_supported": True}, OK),
        ("logout", {"end_session_endpoint": None}, WARN),
        ("logout", {"end_session_endpoint": None, "backchannel_logout_supported": True}, OK),
        ("logout", {"frontchannel_logout_supported": True}, OK),
    ],
)  # fmt: skip
def test_what_the_document_says_is_judged(name, changes, outcome):
    check = look(Provider(**changes)).check(name)

    assert check.outcome is outcome
    assert check.next_step or outcome in (OK, UNKNOWN)


def test_a_method_the_provider_does_not_offer_is_refused_for_these_credentials():
    provider = Provider(token_endpoint_auth_methods_supported=["client_secret_basic"])
    post = credentials(client_authentication=ClientAuthentication.CLIENT_SECRET_POST)

    check = look(provider, client=post).check("client_authentication")

    assert (check.outcome, check.expected, check.got) == (DANGER, "client_secret_post", "client_secret_basic")
    assert look(provider, client=credentials()).check("client_authentication").outcome is OK


@pytest.mark.parametrize(
    "keys, outcome, words",
    [
        ([KEY], OK, "1 usable key, for ES256"),
        ([KEY, {**KEY, "kid": "b"}], OK, "2 usable keys"),
        ([KEY, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}], OK, "Left out"),
        ([], DANGER, "No usable signing key"),
        ([{"kty": "oct", "k": "AAAA"}], DANGER, "No usable signing key"),
    ],
)
def test_usable_keys_are_counted(keys, outcome, words):
    provider = Provider()
    provider.keys = json.dumps({"keys": keys}).encode()

    check = look(provider).check("keys")

    assert check.outcome is outcome
    assert words in check.sentence


def test_keys_that_cannot_be_had_are_said_and_the_rest_goes_on():
    provider = Provider()
    provider.keys_status = 500
    report = look(provider)
    assert "500" in report.check("keys").sentence
    assert report.check("pkce").outcome is OK

    provider.fails["keys"] = ProviderUnreachable("x", address="a:443", reason="it refuses connections")
    assert look(provider).check("keys").outcome is DANGER


# --- Clock -------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 60, -60])
def test_a_clock_within_the_leeway_agrees(seconds):
    provider = Provider()
    provider.headers = {"date": format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)}

    assert look(provider).check("clock").outcome is OK


@pytest.mark.parametrize("seconds, words", [(61, "61 s ahead of"), (-3600, "3600 s behind")])
def test_a_clock_beyond_the_leeway_is_said_with_the_seconds(seconds, words):
    provider = Provider()
    provider.headers = {"date": format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)}

    report = look(provider)

    assert report.check("clock").outcome is DANGER
    assert words in report.check("clock").sentence
    assert words in report.for_the_provider[0]


def test_the_age_in_a_cache_is_no_difference_of_clocks():
    provider = Provider()
    provider.headers = {"date": format_datetime(NOW - timedelta(seconds=500), usegmt=True), "age": "500"}

    assert look(provider).check("clock").outcome is OK


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"date": "yesterday"},
        {"date": "Tue, 24 Nov 2026 09:00:00 +99999999"},
        {"date": "Tue, 24 Nov 99999 09:00:00 GMT"},
    ],
)
def test_a_clock_that_is_not_told_is_unknown(headers):
    provider = Provider()
    provider.headers = headers

    assert look(provider).check("clock").outcome is UNKNOWN


# --- Credentials -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer, outcome",
    [
        ((400, b'{"error": "invalid_grant"}'), OK),
        ((401, b'{"error": "invalid_client"}'), DANGER),
        ((401, b""), DANGER),
        ((401, b'{"error": "access_denied", "error_description": "Unauthorized"}'), DANGER),
        ((401, b'{"error": "invalid_client", "error_description": "AADSTS7000222: expired"}'), DANGER),
        ((400, b'{"error": "unauthorized_client"}'), DANGER),
        ((400, b'{"error": "invalid_grant", "error_description": "redirect_uri differs"}'), WARN),
        ((400, b'{"error": "invalid_request"}'), UNKNOWN),
        ((500, b"<html>"), UNKNOWN),
        ((200, b"{}"), UNKNOWN),
        ((400, b'{"error": ["invalid_grant"]}'), UNKNOWN),
        ((400, b"[" * 10_000), UNKNOWN),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_an_invalid_code_tells_whether_the_credentials_are_accepted(answer, outcome):
    provider = Provider()
    provider.token_reply = answer

    assert look(provider, client=credentials()).check("credentials").outcome is outcome


def test_the_code_sent_is_invalid_and_new_each_time():
    provider = Provider()
    look(provider, client=credentials())
    look(provider, client=credentials())

    (url, first, headers), (_, second, _) = provider.posts
    assert url == f"{ISSUER}/token"
    assert first["grant_type"] == ["authorization_code"]
    assert first["redirect_uri"] == ["https://p.example/sso/a"]
    assert first["code"] != second["code"]
    assert headers["authorization"].startswith("Basic ")


def test_a_public_app_sends_its_id_and_no_secret():
    provider = Provider(token_endpoint_auth_methods_supported=["none"])
    public = credentials(client_secret=None, client_authentication=ClientAuthentication.NONE)

    check = look(provider, client=public).check("credentials")

    assert provider.posts[0][1]["client_id"] == ["lvportal"]
    assert check.outcome is OK
    assert "without a secret" in check.sentence


def test_a_missing_secret_is_not_sent():
    provider = Provider()

    report = look(provider, client=credentials(client_secret=None))

    assert provider.posts == []
    assert report.check("credentials").outcome is UNKNOWN


def test_a_token_endpoint_that_hangs_is_said():
    provider = Provider()
    provider.fails["token"] = ProviderSlow("x", address="a:443", reason="no answer")

    assert look(provider, client=credentials()).check("credentials").outcome is DANGER


@pytest.mark.parametrize(
    "answer", [(401, f'{{"error": "invalid_client", "error_description": "{SECRET}"}}'.encode())]
)
def test_a_secret_the_provider_repeats_is_not_shown(answer):
    provider = Provider()
    provider.token_reply = answer

    report = look(provider, client=credentials())

    assert "[hidden]" in report.check("credentials").sentence
    assert SECRET not in repr(report)
    assert SECRET not in repr(credentials())


def test_what_the_provider_says_is_cut_and_without_control_characters():
    provider = Provider()
    said = "x\u202ey" + "z" * 5000
    provider.token_reply = (400, json.dumps({"error": "invalid_client", "error_description": said}).encode())

    sentence = look(provider, client=credentials()).check("credentials").sentence

    assert "\u202e" not in sentence
    assert len(sentence) < 400


# --- It never fails --------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(Provider().document)), value=json_values, keys=json_values, token=json_values
)
def test_any_provider_gives_a_whole_report(name, value, keys, token):
    provider = Provider(**{name: value})
    provider.keys = json.dumps({"keys": keys}).encode()
    provider.token_reply = (400, json.dumps(token).encode())

    report = look(provider, client=credentials())

    assert [check.name for check in report.checks] == list(LABELS)
    assert all(check.sentence for check in report.checks)
    assert all(check.next_step for check in report.checks if check.outcome is DANGER)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(issuer=st.text(max_size=60))
def test_any_issuer_gives_a_whole_report(issuer):
    report = look(issuer=issuer)

    assert len(report.checks) == len(module.LABELS)
    assert report.outcome is DANGER
