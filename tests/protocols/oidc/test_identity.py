import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvportal.errors import SignInRefused
from lvportal.protocols.oidc import errors
from lvportal.protocols.oidc.configuration import RelyingPartyConfiguration
from lvportal.protocols.oidc.id_token import IdTokenClaims
from lvportal.protocols.oidc.identity import judge_identity, merge_claims, show_harmless

from .conftest import ABSENT, AT, ISSUER


def judge(acme, userinfo=None, *, configuration=None, **claims):
    id_token = acme.genuine(**claims)
    merged = merge_claims(id_token, userinfo or {})
    return judge_identity(
        id_token, merged, acme.configuration(**(configuration or {})), raw_id_token="the.raw.token"
    )


def test_a_person_is_who_the_claims_say(acme):
    person = judge(acme, sid="session-1", auth_time=AT - 9, groups=["staff"])

    assert (person.issuer, person.subject, person.email) == (ISSUER, "subject-1", "ada@acme.example")
    assert (person.provider_session, person.authenticated_at) == ("session-1", AT - 9)
    assert person.claim_names == tuple(sorted(acme.claims() | {"sid": 0, "auth_time": 0, "groups": 0}))
    assert person.id_token == "the.raw.token"
    assert "the.raw.token" not in repr(person)


def test_only_values_that_tell_nothing_about_the_person_are_shown(acme):
    person = judge(acme, amr=["pwd", "mfa"], acr="1", auth_time=AT, hd="acme.example", phone="+1")

    assert person.harmless_claims == {
        "iss": ISSUER,
        "email_verified": "true",
        "amr": "pwd, mfa",
        "acr": "1",
        "auth_time": str(AT),
        "hd": "acme.example",
    }


def test_harmless_values_are_data_of_any_shape():
    shown = show_harmless({"acr": {"a": 1}, "amr": [1, "x\n", {}], "email_verified": False, "hd": None})

    assert shown == {"acr": "not a simple value", "amr": "x", "email_verified": "false"}


# --- which email ---------------------------------------------------------------


@pytest.mark.parametrize(
    "email",
    ["a@b", "Ada.Lovelace+x@Acme.Example", "o'brien@acme.example", "ä@acme.example", "x" * 249 + "@b.cd"],
)
def test_an_email_stands_as_the_provider_wrote_it(acme, email):
    assert judge(acme, email=email).email == email


@pytest.mark.parametrize(
    "email",
    [
        "ada",
        "@acme.example",
        "ada@",
        "@",
        "ada@acme@example",
        "a da@acme.example",
        " ada@acme.example",
        "ada@acme.example\n",
        "ada@acme.example\x00",
        "ada\u200b@acme.example",
        "ada\u202e@acme.example",
        "ada\u3000@acme.example",
        "x" * 250 + "@b.cd",
        7,
        True,
        ["ada@acme.example"],
        {"value": "ada@acme.example"},
    ],
)
def test_what_is_not_one_plain_address_is_refused(acme, email):
    with pytest.raises(errors.EmailMalformed) as caught:
        judge(acme, email=email)

    assert "ada" not in str(caught.value) + repr(caught.value.facts)


@pytest.mark.parametrize("email", [ABSENT, None, ""])
def test_without_an_email_the_names_that_arrived_are_told(acme, email):
    with pytest.raises(errors.NoEmail) as caught:
        judge(acme, email=email, upn="ada@acme.example")

    assert caught.value.facts["expected"] == "email"
    assert "upn" in str(caught.value.facts["names"])
    assert "ada@acme.example" not in repr(caught.value.facts)


def test_the_email_is_read_from_the_configured_claim(acme):
    upn = {"email_claim": "upn", "accepts_unverified_email": True}

    assert judge(acme, configuration=upn, upn="ada@globex.example").email == "ada@globex.example"
    with pytest.raises(errors.NoEmail):
        judge(acme, configuration=upn)


# --- confirmed by whom ---------------------------------------------------------


@pytest.mark.parametrize(
    ("verified", "got"),
    [
        (ABSENT, "missing"),
        (False, "false"),
        (None, "missing"),
        ("true", "true"),
        ("True", "True"),
        (1, "1"),
        ([True], ""),
        ({}, "not a simple value"),
    ],
)
def test_an_email_counts_only_when_it_is_verified(acme, verified, got):
    with pytest.raises(errors.EmailUnverified) as caught:
        judge(acme, email_verified=verified)

    assert caught.value.facts["got"] == got
    assert judge(acme, email_verified=True)
    assert judge(acme, email_verified=verified, configuration={"accepts_unverified_email": True})


@pytest.mark.parametrize("verified", ["True", "1", "yes", "", 1])
def test_the_text_true_counts_only_where_the_connection_says_so(acme, verified):
    as_text = {"accepts_email_verified_as_text": True}

    assert judge(acme, email_verified="true", configuration=as_text)
    assert judge(acme, email_verified=True, configuration=as_text)
    with pytest.raises(errors.EmailUnverified):
        judge(acme, email_verified=verified, configuration=as_text)


def test_verification_speaks_of_the_claim_email_and_of_no_other(acme):
    upn = {"email_claim": "upn"}

    assert judge(acme, configuration=upn, upn="ADA@acme.example").email == "ADA@acme.example"
    assert judge(acme, configuration=upn, upn="ada@globex.example", email=ABSENT)
    with pytest.raises(errors.EmailUnverified):
        judge(acme, configuration=upn, upn="ada@globex.example")


# --- two sources ---------------------------------------------------------------


def test_userinfo_completes_a_thin_id_token(acme):
    person = judge(
        acme,
        {"sub": "subject-1", "email": "ada@acme.example", "email_verified": True, "zoneinfo": "x"},
        email=ABSENT,
        email_verified=ABSENT,
    )

    assert person.email == "ada@acme.example"
    assert "zoneinfo" in person.claim_names


def test_userinfo_may_verify_the_id_tokens_email(acme):
    for userinfo in ({"email": "ADA@acme.example"}, {"email": None}, {}):
        assert judge(acme, userinfo | {"email_verified": True}, email_verified=ABSENT)


@pytest.mark.parametrize("other", ["eve@acme.example", 7, ["ada@acme.example"]])
def test_userinfo_does_not_verify_one_email_by_another(acme, other):
    with pytest.raises(errors.EmailUnverified):
        judge(acme, {"email": other, "email_verified": True}, email_verified=ABSENT)


def test_the_signed_claim_wins_over_userinfo(acme):
    assert judge(acme, {"email": "eve@acme.example"}).email == "ada@acme.example"
    with pytest.raises(errors.EmailUnverified):
        judge(acme, {"email": "ada@acme.example", "email_verified": True}, email_verified=False)


def test_a_claim_that_is_null_in_the_id_token_is_taken_from_userinfo(acme):
    assert judge(acme, {"email": "ada@acme.example"}, email=None).email == "ada@acme.example"


# --- of whose domain -----------------------------------------------------------


@pytest.mark.parametrize("domain", ["acme.example", "ACME.example"])
def test_an_account_of_the_hosted_domain_is_accepted(acme, domain):
    assert judge(acme, hd=domain, configuration={"required_hosted_domain": "acme.example"})


@pytest.mark.parametrize(
    "domain",
    [
        ABSENT,
        None,
        "",
        "evil-acme.example",
        "acme.example.evil.example",
        "sub.acme.example",
        ["acme.example"],
    ],
)
def test_an_account_of_another_domain_is_refused(acme, domain):
    with pytest.raises(errors.HostedDomainWrong):
        judge(acme, hd=domain, configuration={"required_hosted_domain": "acme.example"})
    assert judge(acme, hd=domain)


def test_the_hosted_domain_counts_in_the_id_token_only(acme):
    with pytest.raises(errors.HostedDomainWrong):
        judge(acme, {"hd": "acme.example"}, configuration={"required_hosted_domain": "acme.example"})


odd = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.just("a@b")
    | st.lists(st.text(), max_size=2)
)
some_claims = st.dictionaries(
    st.sampled_from(["email", "email_verified", "hd", "upn", "acr", "amr"]) | st.text(max_size=3),
    odd,
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(some_claims, some_claims, st.booleans(), st.sampled_from(["email", "upn"]))
def test_no_claims_make_the_judge_raise_anything_but_a_refusal(signed, userinfo, lenient, email_claim):
    configuration = RelyingPartyConfiguration(
        issuer=ISSUER,
        client_id="c",
        client_secret="s",
        email_claim=email_claim,
        accepts_unverified_email=lenient,
        accepts_email_verified_as_text=lenient,
    )
    id_token = IdTokenClaims(ISSUER, "s", None, None, signed)
    try:
        person = judge_identity(id_token, merge_claims(id_token, userinfo), configuration)
    except SignInRefused:
        return

    assert person.email.count("@") == 1


# --- groups and names, for roles and new accounts ---------------------------------


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"groups": ["staff", "leads"]}, ("staff", "leads")),
        ({"groups": []}, ()),
        ({"groups": "staff"}, ("staff",)),
        ({"groups": ["staff", 7, None, ["x"], {"a": 1}]}, ("staff",)),
        ({"groups": ["x" * 257, "x" * 256]}, ("x" * 256,)),
        ({"groups": [str(n) for n in range(1001)]}, tuple(str(n) for n in range(1000))),
        ({}, None),
        ({"groups": None}, None),
        ({"groups": {"staff": True}}, None),
        ({"groups": 7}, None),
        # Entra, for somebody in too many groups: the claim is elsewhere.
        ({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {}}}, None),
        ({"hasgroups": True}, None),
    ],
)
def test_groups_are_read_from_the_claim_that_is_named(acme, claims, groups):
    assert judge(acme, configuration={"groups_claim": "groups"}, **claims).groups == groups
    assert judge(acme, **claims).groups is None


def test_groups_of_userinfo_count_when_the_id_token_has_none(acme):
    userinfo = {"groups": ["leads"]}
    named = {"groups_claim": "groups"}

    assert judge(acme, userinfo, configuration=named).groups == ("leads",)
    assert judge(acme, userinfo, configuration=named, groups=["staff"]).groups == ("staff",)


@pytest.mark.parametrize(
    ("claims", "verified"),
    [
        ({}, True),
        ({"email_verified": False}, False),
        ({"email_verified": "true"}, False),
        ({"email_verified": ABSENT}, False),
    ],
)
def test_a_connection_that_accepts_unverified_emails_still_knows_which_are(acme, claims, verified):
    person = judge(acme, configuration={"accepts_unverified_email": True}, **claims)

    assert person.email_is_verified is verified


def test_an_email_verified_as_text_is_verified_where_the_connection_says_so(acme):
    accepts = {"accepts_email_verified_as_text": True}

    assert judge(acme, configuration=accepts, email_verified="true").email_is_verified


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("Anna Maria", "Anna Maria"),
        (" Ada ", "Ada"),
        ("x" * 81, ""),
        ("A\u200bda", ""),
        ("A\nda", ""),
        (7, ""),
        (ABSENT, ""),
    ],
)
def test_a_name_that_can_be_none_is_none(acme, given, read):
    person = judge(acme, given_name=given, family_name=given)

    assert (person.given_name, person.family_name) == (read, read)
