import pytest

from lvportal.protocols.http import Reply
from lvportal.protocols.oidc import errors
from lvportal.protocols.oidc.userinfo import is_needed, judge_userinfo

from .conftest import ABSENT


def judge(acme, document, status=200, content_type="application/json"):
    reply = acme.reply(document, status, content_type)
    return judge_userinfo(reply, acme.genuine(), acme.configuration())


@pytest.mark.parametrize(
    ("claims", "configuration", "needed"),
    [
        ({}, {}, False),
        ({"email_verified": False}, {}, False),
        ({"email": ABSENT}, {}, True),
        ({"email": None}, {}, True),
        ({"email_verified": ABSENT}, {}, True),
        ({"email_verified": None}, {}, True),
        ({"email_verified": ABSENT}, {"accepts_unverified_email": True}, False),
        ({"email": ABSENT}, {"accepts_unverified_email": True}, True),
        ({}, {"email_claim": "upn"}, True),
        ({"upn": "ada@acme.example"}, {"email_claim": "upn"}, False),
        ({}, {"groups_claim": "groups"}, True),
        ({"groups": []}, {"groups_claim": "groups"}, False),
    ],
)
def test_userinfo_is_needed_when_the_id_token_lacks_what_we_decide_by(acme, claims, configuration, needed):
    assert is_needed(acme.genuine(**claims), acme.configuration(**configuration)) is needed


def test_claims_about_the_same_subject_are_returned(acme):
    document = {"sub": "subject-1", "email": "ada@acme.example"}

    assert judge(acme, document) == document
    assert judge(acme, document, content_type="application/json;charset=UTF-8") == document


@pytest.mark.parametrize("subject", [ABSENT, None, "", "subject-2", "SUBJECT-1", ["subject-1"], 1])
def test_claims_about_another_subject_are_refused(acme, subject):
    document = {"email": "ada@acme.example"}
    if subject is not ABSENT:
        document["sub"] = subject

    with pytest.raises(errors.UserInfoSubjectWrong):
        judge(acme, document)


@pytest.mark.parametrize("status", [201, 302, 400, 401, 403, 500])
def test_a_refusal_of_userinfo_names_its_status_and_our_scopes(acme, status):
    with pytest.raises(errors.UserInfoRefused) as caught:
        judge(acme, {"sub": "subject-1"}, status)

    words = caught.value.words(caught.value.administrator_step)
    assert str(status) in words
    assert "openid email profile" in words


@pytest.mark.parametrize("content_type", ["application/jwt", "Application/JWT; x=y"])
def test_a_signed_answer_is_refused_by_its_own_name(acme, content_type):
    with pytest.raises(errors.UserInfoSigned):
        judge(acme, b"a.b.c", content_type=content_type)


@pytest.mark.parametrize("content_type", ["", "text/html", "text/plain"])
def test_an_answer_of_another_type_is_refused(acme, content_type):
    with pytest.raises(errors.UserInfoMalformed):
        judge(acme, {"sub": "subject-1"}, content_type=content_type)


def test_an_answer_without_a_type_is_refused(acme):
    reply = Reply(200, {}, b'{"sub": "subject-1"}')

    with pytest.raises(errors.UserInfoMalformed):
        judge_userinfo(reply, acme.genuine(), acme.configuration())


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"\xff", b'{"sub": "subject-1", "sub": "x"}'])
def test_an_answer_that_is_no_json_object_is_refused(acme, body):
    with pytest.raises(errors.UserInfoMalformed):
        judge(acme, body)
