"""A provider made of real keys, and a network that answers in its place.

Only the network is faked: what the relying party reads was signed and encoded
as a provider would do it.
"""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from lvportal.protocols.contract import Answer, PendingSignIn
from lvportal.protocols.http import Reply
from lvportal.protocols.oidc.configuration import RelyingPartyConfiguration
from lvportal.protocols.oidc.discovery import ProviderMetadata
from lvportal.protocols.oidc.id_token import judge_claims, open_id_token
from lvportal.protocols.oidc.keys import judge_key_set
from lvportal.protocols.oidc.relying_party import OidcSignIn

ISSUER = "https://id.acme.example"
CLIENT_ID = "lvportal-acme"
SECRET = "acme:secret+100% of it, and long enough"
REDIRECT_URI = "https://portal.example/sso/acme"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
STATE = "state-of-this-sign-in"
NONCE = "nonce-of-this-sign-in"
VERIFIER = "verifier-of-this-sign-in-which-is-long-enough"
CODE = "code-of-this-sign-in"
ACCESS_TOKEN = "access-token-of-this-sign-in"

ABSENT = object()


@pytest.fixture(scope="session")
def signing_keys():
    """One private key of each kind; generated once, they are slow to make."""
    return {
        "RSA": RSAKey.generate_key(2048, {"kid": "rsa-1"}),
        "other RSA": RSAKey.generate_key(2048, {"kid": "rsa-2"}),
        "P-256": ECKey.generate_key("P-256", {"kid": "p256"}),
        "P-384": ECKey.generate_key("P-384", {"kid": "p384"}),
        "P-521": ECKey.generate_key("P-521", {"kid": "p521"}),
        "Ed25519": OKPKey.generate_key("Ed25519", {"kid": "ed25519"}),
        "Ed448": OKPKey.generate_key("Ed448", {"kid": "ed448"}),
        "X25519": OKPKey.generate_key("X25519", {"kid": "x25519", "use": "enc"}),
        "secret": OctKey.import_key(SECRET),
    }


@pytest.fixture
def acme(signing_keys):
    """Acme's provider and the relying party's view of it."""
    return Provider(signing_keys)


class Provider:
    ABSENT = ABSENT
    issuer, client_id, secret, redirect_uri = ISSUER, CLIENT_ID, SECRET, REDIRECT_URI
    now, at, state, nonce, verifier, code = NOW, AT, STATE, NONCE, VERIFIER, CODE
    access_token = ACCESS_TOKEN
    secrets = (SECRET, STATE, NONCE, VERIFIER, CODE, ACCESS_TOKEN)

    def __init__(self, signing_keys):
        self.signing_keys = signing_keys

    # --- what each side has configured -----------------------------------

    def configuration(self, **changes):
        values: dict[str, Any] = {
            "issuer": ISSUER,
            "client_id": CLIENT_ID,
            "client_secret": SECRET,
            "provider_label": "Acme ID",
        }
        return RelyingPartyConfiguration(**(values | changes))

    def metadata(self, **changes):
        values: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
            "authorization_response_iss_parameter_supported": True,
            "token_endpoint_auth_methods_supported": ("client_secret_basic", "client_secret_post"),
        }
        return ProviderMetadata(**(values | changes))

    def jwk(self, name="RSA", **changes):
        return _with(self.signing_keys[name].as_dict(), changes)

    def key_document(self, *entries):
        return json.dumps({"keys": list(entries)}).encode()

    def keys(self, *names):
        return judge_key_set(self.key_document(*(self.jwk(name) for name in names or ("RSA",))))

    # --- what the provider says -------------------------------------------

    def claims(self, **changes):
        values: dict[str, Any] = {
            "iss": ISSUER,
            "aud": CLIENT_ID,
            "sub": "subject-1",
            "nonce": NONCE,
            "iat": AT,
            "exp": AT + 300,
            "email": "ada@acme.example",
            "email_verified": True,
        }
        return _with(values, changes)

    def sign(self, claims=None, *, alg="RS256", key="RSA", **header_changes):
        """Sign claims (a dictionary, or the payload's bytes) into a compact JWS."""
        payload = claims if isinstance(claims, bytes) else json.dumps(claims or self.claims()).encode()
        header = _with({"alg": alg, "kid": self.signing_keys[key].kid, "typ": "JWT"}, header_changes)
        return self.sign_bytes(json.dumps(header).encode(), payload, alg=alg, key=key)

    def sign_bytes(self, header, payload, *, alg="RS256", key="RSA"):
        signing_input = encode(header) + b"." + encode(payload)
        signature = JWSRegistry.algorithms[alg].sign(signing_input, self.signing_keys[key])
        return (signing_input + b"." + encode(signature)).decode()

    def at_hash(self, hash_name="sha256", access_token=ACCESS_TOKEN):
        digest = hashlib.new(hash_name, access_token.encode()).digest()
        return encode(digest[: len(digest) // 2]).decode()

    def answer(self, *more, response_mode="query", **changes):
        values = _with({"code": CODE, "state": STATE, "iss": ISSUER}, changes)
        return Answer(tuple(values.items()) + more, response_mode)

    def error_answer(self, error, description=ABSENT, **changes):
        return self.answer(code=ABSENT, error=error, error_description=description, **changes)

    def reply(self, document, status=200, content_type="application/json"):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return Reply(status=status, headers={"content-type": content_type}, body=body)

    def tokens(self, id_token=None, **changes):
        values: dict[str, Any] = {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 300}
        return _with(values | {"id_token": id_token or self.sign()}, changes)

    # --- what the relying party holds --------------------------------------

    def pending(self, **changes):
        values: dict[str, Any] = {
            "state": STATE,
            "nonce": NONCE,
            "code_verifier": VERIFIER,
            "revision_id": 7,
            "started_at": AT - 5,
        }
        return PendingSignIn(**(values | changes))

    def open(self, token, keys=None, **configuration):
        return open_id_token(token, keys or self.keys(), self.configuration(**configuration))

    def judge(
        self, claims, *, now=NOW, started_at=AT - 5, nonce=NONCE, alg="RS256", key="RSA", **configuration
    ):
        """Sign, open and judge claims, as one sign-in does."""
        configured = self.configuration(**configuration)
        opened = open_id_token(self.sign(claims, alg=alg, key=key), self.keys(key), configured)
        return judge_claims(
            opened,
            configured,
            nonce=nonce,
            access_token=ACCESS_TOKEN,
            started_at=started_at,
            now=now,
        )

    def genuine(self, **changes):
        return self.judge(self.claims(**changes))

    def later(self, seconds):
        return NOW + timedelta(seconds=seconds)

    def sign_in(
        self, *, metadata=None, keys=None, newer_keys=None, tokens=None, userinfo=None, **configuration
    ):
        """A whole sign-in over a fake network; ``tokens`` and ``userinfo`` are replies."""
        documents = Documents(metadata or self.metadata(), keys or self.keys(), newer_keys)
        network = Network(tokens or self.reply(self.tokens()), userinfo)
        protocol = OidcSignIn(self.configuration(**configuration), documents, network)

        def arrive(answer=None, pending=None, now=NOW):
            return protocol.arrive(
                answer or self.answer(), pending or self.pending(), redirect_uri=REDIRECT_URI, now=now
            )

        def depart(**changes):
            values: dict[str, Any] = {
                "redirect_uri": REDIRECT_URI,
                "revision_id": 7,
                "return_to": "/home",
                "now": NOW,
            }
            return protocol.depart(**(values | changes))

        return SimpleNamespace(arrive=arrive, depart=depart, documents=documents, network=network)


class Documents:
    def __init__(self, metadata, keys, newer_keys):
        self.known, self.current, self.newer = metadata, keys, newer_keys
        self.refetched = 0

    def metadata(self, issuer):
        assert issuer == ISSUER
        return self.known

    def keys(self, issuer):
        assert issuer == ISSUER
        return self.current

    def keys_again(self, issuer):
        assert issuer == ISSUER
        self.refetched += 1
        return self.newer


class Network:
    """Answers from what it was given, and keeps what it was asked."""

    def __init__(self, tokens, userinfo):
        self.tokens, self.userinfo = tokens, userinfo
        self.posts, self.gets = [], []

    def post_form(self, url, body, *, issuer, headers=None):
        self.posts.append(SimpleNamespace(url=url, body=body, issuer=issuer, headers=dict(headers)))
        return _give(self.tokens)

    def get(self, url, *, issuer, headers=None):
        self.gets.append(SimpleNamespace(url=url, issuer=issuer, headers=dict(headers)))
        assert self.userinfo is not None, "UserInfo was not expected to be asked"
        return _give(self.userinfo)


def encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _with(values, changes):
    return {name: value for name, value in (values | changes).items() if value is not ABSENT}


def _give(reply):
    if isinstance(reply, Exception):
        raise reply
    return reply
