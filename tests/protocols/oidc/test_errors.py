import string
from collections import Counter

import pytest

from lvportal.errors import PortalError, SignInRefused, tree
from lvportal.protocols.oidc import errors

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, PortalError) and value.__module__ == errors.__name__
]
SIGN_IN = [kind for kind in CLASSES if issubclass(kind, SignInRefused)]

FACTS = {
    "client", "provider", "email", "what", "expected", "got", "error", "status", "scopes", "method",
    "seconds", "direction", "names",
}  # fmt: skip


def test_no_two_causes_share_a_code():
    codes = Counter(kind.code for kind in CLASSES)

    assert [code for code, count in codes.items() if count > 1] == []


def test_no_cause_takes_a_code_from_elsewhere():
    ours = {kind.code for kind in CLASSES}
    others = {kind.code for kind in tree() if kind not in CLASSES and not issubclass(kind, tuple(CLASSES))}

    assert ours & others == set()


@pytest.mark.parametrize("kind", SIGN_IN, ids=lambda kind: kind.__name__)
def test_every_cause_says_what_happened_and_what_to_do(kind):
    assert kind.code.startswith("sign_in.")
    assert kind.step in range(1, 7)
    for words in (kind.user_message, kind.next_step, kind.administrator_step):
        assert words.endswith(".")
        assert {name for _, name, _, _ in string.Formatter().parse(words) if name} <= FACTS
    assert kind.administrator_step != "None."


@pytest.mark.parametrize("kind", SIGN_IN, ids=lambda kind: kind.__name__)
def test_no_sentence_shows_a_gap_when_nothing_is_known(kind):
    refusal = kind()

    for words in (kind.user_message, kind.next_step, kind.administrator_step):
        filled = refusal.words(words)
        assert "{" not in filled
        assert filled[0].isupper()


@pytest.mark.parametrize(
    ("kind", "code", "sentence"),
    [
        (errors.IssuerWrong, "sign_in.issuer", "The answer came from the wrong address."),
        (errors.ClockDisagrees, "sign_in.clock", "Acme ID's clock is 90 s off."),
        (errors.NoEmail, "sign_in.no_email", "Acme ID sent no email."),
        (errors.EmailUnverified, "sign_in.unverified", "Acme ID has not confirmed your email."),
        (errors.NotAssigned, "sign_in.not_assigned", "Acme ID has not given you this app."),
        (errors.SecretRefused, "sign_in.bad_secret", "Acme ID refused our secret."),
    ],
)
def test_the_agreed_words_stand(kind, code, sentence):
    refusal = kind(provider="Acme ID", seconds=90)

    assert refusal.code == code
    assert refusal.words(kind.user_message) == sentence
