import logging
from urllib.parse import parse_qsl, urlsplit

import pytest

from lvportal.errors import SignInExpired, SignInRefused
from lvportal.protocols.contract import SignInProtocol
from lvportal.protocols.http import ProviderUnreachable
from lvportal.protocols.oidc import errors
from lvportal.protocols.oidc.configuration import ClientAuthentication
from lvportal.protocols.oidc.keys import judge_key_set
from lvportal.protocols.oidc.relying_party import OidcSignIn

from .conftest import ABSENT, ACCESS_TOKEN, AT, ISSUER

THIN = {"email_verified": ABSENT}


def test_a_person_signs_in_with_one_request_to_the_provider(acme):
    sign_in = acme.sign_in()

    person = sign_in.arrive()

    assert (person.subject, person.email) == ("subject-1", "ada@acme.example")
    assert person.id_token.count(".") == 2
    assert len(sign_in.network.posts) == 1
    assert sign_in.network.gets == []
    assert sign_in.documents.refetched == 0


def test_it_is_a_sign_in_protocol(acme):
    sign_in = acme.sign_in()

    protocol: SignInProtocol = OidcSignIn(acme.configuration(), sign_in.documents, sign_in.network)

    assert acme.secret not in repr(protocol)


def test_what_departs_comes_back(acme):
    sign_in = acme.sign_in()

    departure = sign_in.depart(login_hint="ada@acme.example")

    sent = dict(parse_qsl(urlsplit(departure.url).query))
    pending = departure.pending
    assert (pending.revision_id, pending.return_to, pending.started_at) == (7, "/home", AT)
    assert (sent["state"], sent["nonce"]) == (pending.state, pending.nonce)
    assert sent["login_hint"] == "ada@acme.example"
    assert pending.code_verifier not in departure.url
    sign_in.network.tokens = acme.reply(acme.tokens(acme.sign(acme.claims(nonce=pending.nonce))))
    assert sign_in.arrive(acme.answer(state=pending.state), pending).subject == "subject-1"
    assert pending.code_verifier in sign_in.network.posts[0].body.decode()


def test_an_answer_that_is_not_ours_makes_no_request(acme):
    sign_in = acme.sign_in()

    with pytest.raises(SignInExpired):
        sign_in.arrive(acme.answer(state="another"))

    assert sign_in.network.posts == []


@pytest.mark.parametrize("error", ["KeyMissing", "SignatureWrong"])
def test_new_keys_are_fetched_once_when_the_kept_ones_do_not_fit(acme, error):
    kid = "rsa-1" if error == "SignatureWrong" else "rsa-2"
    tokens = acme.reply(acme.tokens(acme.sign(key="other RSA", kid=kid)))
    rotated = acme.key_document(acme.jwk("other RSA", kid=kid))
    sign_in = acme.sign_in(tokens=tokens, keys=acme.keys("RSA"), newer_keys=judge_key_set(rotated))

    assert sign_in.arrive().subject == "subject-1"
    assert sign_in.documents.refetched == 1
    for newer_keys in (None, acme.keys("RSA")):
        sign_in = acme.sign_in(tokens=tokens, keys=acme.keys("RSA"), newer_keys=newer_keys)
        with pytest.raises(getattr(errors, error)):
            sign_in.arrive()
        assert sign_in.documents.refetched == 1


@pytest.mark.parametrize("header", [{"alg": "none"}, {"typ": "at+jwt"}, {"crit": ["exp"]}])
def test_no_keys_are_fetched_for_a_token_that_no_key_can_mend(acme, header):
    sign_in = acme.sign_in(tokens=acme.reply(acme.tokens(acme.sign(**header))), newer_keys=acme.keys())

    with pytest.raises(errors.TokenRejected):
        sign_in.arrive()

    assert sign_in.documents.refetched == 0


def test_userinfo_is_asked_with_the_access_token_when_it_is_needed(acme):
    userinfo = acme.reply({"sub": "subject-1", "email": "ada@acme.example", "email_verified": True})
    sign_in = acme.sign_in(tokens=acme.reply(acme.tokens(acme.sign(acme.claims(**THIN)))), userinfo=userinfo)

    assert sign_in.arrive().email == "ada@acme.example"

    (asked,) = sign_in.network.gets
    assert (asked.url, asked.issuer) == (f"{ISSUER}/userinfo", ISSUER)
    assert asked.headers["authorization"] == f"Bearer {ACCESS_TOKEN}"


def test_without_an_endpoint_the_id_token_has_to_do(acme):
    tokens = acme.reply(acme.tokens(acme.sign(acme.claims(**THIN))))
    metadata = acme.metadata(userinfo_endpoint=None)

    with pytest.raises(errors.EmailUnverified):
        acme.sign_in(tokens=tokens, metadata=metadata).arrive()
    assert acme.sign_in(tokens=tokens, metadata=metadata, accepts_unverified_email=True).arrive()


def test_userinfo_about_somebody_else_is_refused(acme):
    tokens = acme.reply(acme.tokens(acme.sign(acme.claims(**THIN))))
    userinfo = acme.reply({"sub": "subject-2", "email": "ada@acme.example", "email_verified": True})

    with pytest.raises(errors.UserInfoSubjectWrong) as caught:
        acme.sign_in(tokens=tokens, userinfo=userinfo).arrive()

    assert "email" in caught.value.claim_names


@pytest.mark.parametrize(
    "changes", [{"nonce": "another"}, {"iss": "https://id.globex.example"}, {"email": ABSENT}, {"exp": 0}]
)
def test_a_refusal_after_the_claims_arrived_names_them(acme, changes):
    claims = acme.claims(**changes)
    tokens = acme.reply(acme.tokens(acme.sign(claims)))

    with pytest.raises(SignInRefused) as caught:
        acme.sign_in(tokens=tokens, userinfo=acme.reply({"sub": "subject-1"})).arrive()

    assert set(claims) <= set(caught.value.claim_names)
    assert caught.value.step >= 4


def test_a_refusal_names_what_userinfo_brought_too(acme):
    tokens = acme.reply(acme.tokens(acme.sign(acme.claims(email=ABSENT))))
    userinfo = acme.reply({"sub": "subject-1", "upn": "ada@acme.example"})

    with pytest.raises(errors.NoEmail) as caught:
        acme.sign_in(tokens=tokens, userinfo=userinfo).arrive()

    assert "upn" in caught.value.claim_names


def test_claims_of_a_token_that_nobody_signed_are_not_named(acme):
    tokens = acme.reply(acme.tokens(acme.sign(key="other RSA", kid="rsa-1")))

    with pytest.raises(errors.SignatureWrong) as caught:
        acme.sign_in(tokens=tokens).arrive()

    assert caught.value.claim_names == ()


def test_every_refusal_knows_the_providers_name(acme):
    unreachable = acme.sign_in(tokens=ProviderUnreachable())
    declined = acme.error_answer("access_denied", "User is not assigned to the client application.")

    with pytest.raises(ProviderUnreachable) as first:
        unreachable.arrive()
    with pytest.raises(errors.NotAssigned) as second:
        acme.sign_in().arrive(declined)

    assert first.value.facts["provider"] == "Acme ID"
    assert second.value.words(second.value.user_message) == "Acme ID has not given you this app."


@pytest.mark.parametrize(
    ("method", "secret"),
    [
        (ClientAuthentication.CLIENT_SECRET_BASIC, True),
        (ClientAuthentication.CLIENT_SECRET_POST, True),
        (ClientAuthentication.NONE, False),
    ],
)
def test_every_kind_of_application_signs_in(acme, method, secret):
    sign_in = acme.sign_in(client_authentication=method, client_secret=acme.secret if secret else None)

    assert sign_in.arrive().subject == "subject-1"
    sent = sign_in.network.posts[0]
    assert ("authorization" in sent.headers) is (method is ClientAuthentication.CLIENT_SECRET_BASIC)


def test_nothing_secret_is_logged_or_told_at_any_level(acme, caplog):
    caplog.set_level(logging.DEBUG)
    echo = {"error": "x", "error_description": f"{acme.code} {acme.secret}"}
    foreign = acme.tokens(acme.sign(acme.claims(nonce="another")))
    bound = acme.tokens(token_type="DPoP")
    denied = acme.error_answer("access_denied", f"{acme.state} {acme.nonce}")
    journeys = [
        (acme.reply(acme.tokens()), acme.answer()),
        (acme.reply(echo, 400), acme.answer()),
        (acme.reply(foreign), acme.answer()),
        (acme.reply(bound), acme.answer()),
        (None, denied),
    ]

    refusals = []
    for tokens, answer in journeys:
        sign_in = acme.sign_in(tokens=tokens)
        sign_in.depart()
        try:
            sign_in.arrive(answer)
        except SignInRefused as refusal:
            refusals.append(refusal)

    told = caplog.text + "".join(
        str(refusal) + repr(refusal) + repr(refusal.facts) + refusal.provider_said for refusal in refusals
    )
    assert len(refusals) == 4
    assert not any(secret in told for secret in acme.secrets)


# --- The next secret (rotation without an outage) ---------------------------------


class Waiting:
    """A next secret, and what was asked of it."""

    def __init__(self, secret):
        self.secret, self.asked, self.taken = secret, 0, []

    def find(self):
        self.asked += 1
        return self.secret

    def take_its_place(self, secret, now):
        self.taken.append((secret, now))


class Answers:
    """A token endpoint that answers in turn."""

    def __init__(self, *replies):
        self.replies, self.posts = list(replies), []

    def post_form(self, url, body, *, issuer, headers=None):
        self.posts.append((url, issuer, body, dict(headers or {})))
        return self.replies.pop(0)

    def get(self, url, *, issuer, headers=None):
        raise AssertionError(f"nobody asks for {url}")


def arrive_with(acme, waiting, *replies):
    documents = acme.sign_in().documents
    network = Answers(*replies)
    protocol = OidcSignIn(acme.configuration(), documents, network, waiting)

    def arrive():
        return protocol.arrive(acme.answer(), acme.pending(), redirect_uri=acme.redirect_uri, now=acme.now)

    return arrive, network


def test_the_next_secret_is_not_looked_for_while_the_current_one_works(acme):
    waiting = Waiting("next-secret")
    arrive, network = arrive_with(acme, waiting, acme.reply(acme.tokens()))

    assert arrive().email == "ada@acme.example"
    assert (waiting.asked, waiting.taken, len(network.posts)) == (0, [], 1)


def test_a_refused_secret_is_followed_by_the_next_one_once_at_the_same_endpoint(acme):
    waiting = Waiting("next-secret")
    refused = acme.reply({"error": "invalid_client"}, status=401)
    arrive, network = arrive_with(acme, waiting, refused, acme.reply(acme.tokens()))

    assert arrive().email == "ada@acme.example"
    assert waiting.taken == [("next-secret", acme.now)]
    assert len({(url, issuer, body) for url, issuer, body, _ in network.posts}) == 1
    assert len({headers["authorization"] for *_, headers in network.posts}) == 2


@pytest.mark.parametrize(
    "first, second, code, is_taken",
    [
        ({"error": "invalid_client"}, {"error": "invalid_client"}, "sign_in.bad_secret", False),
        ({"error": "invalid_client"}, {"error": "server_error"}, "sign_in.token_unavailable", False),
        # Authenticated, but the first try used the code up.
        ({"error": "invalid_client"}, {"error": "invalid_grant"}, "sign_in.code_refused", True),
    ],
)
def test_a_next_secret_takes_the_place_only_when_it_was_accepted(acme, first, second, code, is_taken):
    waiting = Waiting("next-secret")
    arrive, network = arrive_with(
        acme, waiting, acme.reply(first, status=401), acme.reply(second, status=400)
    )

    with pytest.raises(SignInRefused) as caught:
        arrive()

    assert caught.value.code == code
    assert bool(waiting.taken) is is_taken
    assert len(network.posts) == 2


@pytest.mark.parametrize("error", ["invalid_grant", "unauthorized_client", "server_error"])
def test_another_refusal_does_not_try_the_next_secret(acme, error):
    waiting = Waiting("next-secret")
    arrive, network = arrive_with(acme, waiting, acme.reply({"error": error}, status=400))

    with pytest.raises(SignInRefused):
        arrive()

    assert (waiting.asked, len(network.posts)) == (0, 1)


def test_without_a_next_secret_the_refusal_stays(acme):
    arrive, network = arrive_with(acme, Waiting(None), acme.reply({"error": "invalid_client"}, status=401))

    with pytest.raises(errors.SecretRefused):
        arrive()

    assert len(network.posts) == 1
