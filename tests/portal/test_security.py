"""Configure > Client > Security: draft, check, enable, go back, turn off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lvportal.extensions import db
from tests.providers.common import BASIC, NONE, POST
from tests.providers.hostile import HostileProvider, Raw
from tests.support.house import AGENT, ISSUER, PORTAL, SECRET, House, Page, Visitor

PATH = "/configure/client/security"


@pytest.fixture
def trial(tmp_path: Path, hostile: HostileProvider) -> Iterator[House]:
    """A house that may reach the provider on loopback, with the feature on for Globex."""
    made = House(tmp_path, unsafe_provider_addresses=hostile.address)
    made.set_feature("globex", True)
    yield made
    with made.app.app_context():
        db.engine.dispose()


def typed(**changes: Any) -> dict[str, Any]:
    """Return a complete form, with these changes."""
    values = {
        "provider": "okta",
        "standard": "oidc",
        "application_type": "web",
        "client_id": "0oa2example",
        "secret": "a-new-secret-of-thirty-two-characters",
        "issuer": "https://login.globex.example",
        "email_claim": "email",
        "client_authentication": "client_secret_basic",
        "scopes": "openid email profile",
        "response_mode": "query",
        "based_on": "0",
        "act": "save",
    }
    return {name: value for name, value in (values | changes).items() if value is not None}


def send(visitor: Visitor, **changes: Any) -> Page:
    visitor.get(PATH)
    return visitor.post(PATH, **typed(**changes))


def registered(
    hostile: HostileProvider, *, authentication: str = BASIC, code: str = "globex"
) -> dict[str, Any]:
    """Register an app at the provider and return what one would paste."""
    client = hostile.register([f"{PORTAL}/sso/{code}", f"{AGENT}/sso/{code}"], authentication=authentication)
    return {
        "provider": "other",
        "issuer": hostile.issuer,
        "client_id": client.client_id,
        "secret": client.client_secret,
        "application_type": "native" if authentication == NONE else "web",
        "client_authentication": "client_secret_post" if authentication == POST else "client_secret_basic",
    }


# --- What is shown ------------------------------------------------------------------


def test_both_addresses_stand_on_the_page_to_be_copied(house: House) -> None:
    page = house.user("SYSADMIN", "globex").get(PATH)

    assert f'value="{PORTAL}/sso/globex"' in page.html
    assert f'value="{AGENT}/sso/globex"' in page.html
    assert "Need Help? See Instructions" in page.text


@pytest.mark.parametrize(
    "query, words",
    [
        ("provider=okta&type=web", "Web Application"),
        ("provider=okta&type=native", "Resource Owner Password"),
        ("provider=entra", "The Value, not the Secret ID"),
        ("provider=other", "Authorization Code, with PKCE"),
    ],
)
def test_the_guide_of_the_chosen_provider_is_shown(house: House, query: str, words: str) -> None:
    page = house.user("SYSADMIN", "globex").get(f"{PATH}?{query}")

    assert words in page.text
    assert f"{PORTAL}/sso/globex" in page.text


def test_an_unknown_provider_in_the_address_shows_the_first_guide(house: House) -> None:
    page = house.user("SYSADMIN", "globex").get(f"{PATH}?provider=<script>&type=x")

    assert page.status == 200
    assert "What to do at Okta" in page.text


def test_a_provider_s_own_way_of_proving_ourselves_is_chosen(house: House) -> None:
    visitor = house.user("SYSADMIN", "globex")

    assert '"client_secret_post" selected' in visitor.get(f"{PATH}?provider=entra").html
    assert '"client_secret_basic" selected' in visitor.get(f"{PATH}?provider=okta").html


def test_a_provider_that_marks_no_email_as_verified_is_warned_of(house: House) -> None:
    visitor = house.user("SYSADMIN", "globex")
    words = "does not mark emails as verified"

    assert words in visitor.get(f"{PATH}?provider=entra").text.partition("Paste what your provider shows")[2]
    assert words not in visitor.get(f"{PATH}?provider=okta").text


def test_saml_is_shown_as_not_yet_available(house: House) -> None:
    page = house.user("SYSADMIN", "globex").get(PATH)

    assert "<option disabled>SAML (not yet available)</option>" in page.html


def test_a_reader_sees_values_as_text_and_no_form(house: House) -> None:
    page = house.user("CLIENT_AUDITOR").get(PATH)

    assert ISSUER in page.text
    assert 'name="issuer"' not in page.html
    assert "Turn off Single Sign On" not in page.text
    assert SECRET not in page.html


def test_the_stored_secret_is_never_on_the_page(house: House) -> None:
    page = house.user("SYSADMIN").get(PATH)

    assert SECRET not in page.html
    assert page.value("secret") == ""
    assert "Leave empty to keep it." in page.text


def test_addresses_that_are_unsafe_are_said(trial: House, hostile: HostileProvider) -> None:
    page = trial.user("SYSADMIN").get(PATH)

    assert f"plain http and private addresses for {hostile.address}" in page.text


def test_without_unsafe_addresses_nothing_is_said(house: House) -> None:
    assert "For trials only." not in house.user("SYSADMIN").get(PATH).text


# --- Saving ---------------------------------------------------------------------------


def test_a_draft_is_saved_and_nothing_is_enabled(house: House) -> None:
    page = send(house.user("SYSADMIN", "globex"))

    assert (page.status, page.location) == (303, f"{PATH}#step-3")
    assert house.state_of("globex") == (False, None, 1)
    saved = house.newest("globex")
    assert (saved.client_id, saved.issuer) == ("0oa2example", "https://login.globex.example")
    assert house.secret_of(saved) == "a-new-secret-of-thirty-two-characters"


def test_an_it_user_drafts_and_does_not_enable(house: House) -> None:
    visitor = house.user("IT_USER", "globex")

    assert send(visitor).status == 303
    assert visitor.post(f"{PATH}/enable").status == 403
    assert visitor.post(f"{PATH}/live", number="1").status == 403
    assert visitor.post(f"{PATH}/disable", confirmed="yes").status == 403
    assert house.state_of("globex") == (False, None, 1)


@pytest.mark.parametrize("role", ["CLIENT_AUDITOR", "MANAGER"])
def test_who_only_reads_cannot_save(house: House, role: str) -> None:
    visitor = house.user(role, "globex")
    visitor.get("/")

    assert visitor.post(PATH, **typed()).status == 403
    assert house.state_of("globex") == (False, None, 0)


@pytest.mark.parametrize(
    "wrong, field",
    [
        ({"client_id": ""}, "client_id"),
        ({"issuer": ""}, "issuer"),
        ({"issuer": "login.globex.example"}, "issuer"),
        ({"issuer": "https://login.globex.example/?a=b"}, "issuer"),
        ({"email_claim": ""}, "email_claim"),
        ({"scopes": 'openid "x"'}, "scopes"),
        ({"required_hosted_domain": "not a domain"}, "required_hosted_domain"),
        ({"secret_expires_on": "tomorrow"}, "secret_expires_on"),
        ({"secret": ""}, "secret"),
        ({"application_type": "desktop"}, "application_type"),
        ({"standard": "saml"}, "standard"),
        ({"client_authentication": "none"}, "client_authentication"),
        ({"allows_hs256": "y", "secret": "short"}, "allows_hs256"),
        ({"client_id": "0oa2\u200bexample"}, "client_id"),
    ],
)
def test_a_wrong_answer_is_said_at_its_field_and_nothing_is_saved(
    house: House, wrong: dict[str, str], field: str
) -> None:
    page = send(house.user("SYSADMIN", "globex"), **wrong)

    assert page.status == 422
    assert page.title.startswith("Error: ")
    assert f'id="{field}-error"' in page.html
    assert f'href="#{field}"' in page.html
    assert page.value("client_id") == wrong.get("client_id", "0oa2example")
    assert "a-new-secret" not in page.html
    assert house.state_of("globex") == (False, None, 0)


def test_a_native_application_without_a_secret_is_public(house: House) -> None:
    page = send(house.user("SYSADMIN", "globex"), application_type="native", secret="")

    assert page.status == 303
    saved = house.newest("globex")
    assert (saved.client_authentication, saved.sealed_secret) == ("none", None)


def test_a_native_application_with_a_secret_proves_itself_with_it(house: House) -> None:
    page = send(house.user("SYSADMIN", "globex"), application_type="native")

    assert page.status == 303
    assert house.newest("globex").client_authentication == "client_secret_basic"


def test_an_empty_secret_keeps_the_stored_one(house: House) -> None:
    page = send(house.user("SYSADMIN"), secret="", issuer=ISSUER, email_claim="upn", based_on="1")

    assert page.status == 303
    assert house.secret_of(house.newest("acme")) == SECRET


def test_a_stored_secret_does_not_follow_to_another_issuer(house: House) -> None:
    visitor = house.user("SYSADMIN")

    page = send(visitor, secret="", issuer="https://evil.example", based_on="1")

    assert page.status == 422
    assert "the stored secret was given for the old one" in page.text
    assert house.state_of("acme") == (True, 1, 1)
    assert send(visitor, secret="new-secret", issuer="https://evil.example", based_on="1").status == 303


def test_a_removed_secret_leaves_a_public_native_application(house: House) -> None:
    page = send(
        house.user("SYSADMIN"),
        application_type="native", secret="", removes_secret="y", issuer=ISSUER, based_on="1",
    )  # fmt: skip

    assert page.status == 303
    assert house.newest("acme").sealed_secret is None


def test_a_second_editor_sees_both_versions_and_may_save_again(house: House) -> None:
    visitor = house.user("SYSADMIN")
    visitor.get(PATH)
    house.save_draft("acme", email_claim="upn")

    page = visitor.post(PATH, **typed(issuer=ISSUER, email_claim="mail", secret="", based_on="1"))

    assert page.status == 409
    assert "Somebody else changed this meanwhile" in page.text
    assert "mail upn" in page.text
    assert page.value("email_claim") == "mail"
    assert house.newest("acme").email_claim == "upn"
    based_on = page.value("based_on")
    again = visitor.post(PATH, **typed(issuer=ISSUER, email_claim="mail", secret="", based_on=based_on))
    assert again.status == 303
    assert house.newest("acme").email_claim == "mail"


def test_a_stale_form_comes_back_filled_in_and_saves_nothing(house: House) -> None:
    visitor = house.user("SYSADMIN", "globex")

    page = visitor.post(PATH, csrf_token="forged", **typed())

    assert page.status == 422
    assert "This page was open too long" in page.text
    assert page.value("client_id") == "0oa2example"
    assert house.state_of("globex") == (False, None, 0)


def test_what_was_typed_is_text_and_never_markup(house: House) -> None:
    page = send(house.user("SYSADMIN", "globex"), issuer='"><script>alert(1)</script>')

    assert page.status == 422
    assert "<script>alert" not in page.html


# --- Checking -------------------------------------------------------------------------


def test_a_check_reports_and_saves_nothing(trial: House, hostile: HostileProvider) -> None:
    page = send(trial.user("SYSADMIN", "globex"), **registered(hostile), act="check")

    assert page.status == 200
    assert "The Authorization ID and Authorization Secret were accepted." in page.text
    assert trial.state_of("globex") == (False, None, 0)


def test_a_secret_that_was_typed_must_be_pasted_again(house: House) -> None:
    visitor = house.user("SYSADMIN", "globex")
    words = "Paste it again: what was typed is not sent back."

    assert words in send(visitor, issuer="").text
    assert words not in send(visitor, issuer="", secret="").text


def test_a_check_needs_no_more_than_the_issuer(trial: House, hostile: HostileProvider) -> None:
    page = send(trial.user("SYSADMIN", "globex"), issuer=hostile.issuer, client_id="", secret="", act="check")

    assert page.status == 200
    assert "as entered." in page.text
    assert "The credentials are tried once the Authorization ID and its secret are filled in." in page.text
    assert 'id="client_id-error"' not in page.html


def test_a_check_without_an_issuer_is_refused_at_the_field(house: House) -> None:
    page = send(house.user("SYSADMIN", "globex"), issuer="", act="check")

    assert page.status == 422
    assert 'id="issuer-error"' in page.html


def test_a_mended_issuer_is_offered_and_used_only_when_asked_for(
    trial: House, hostile: HostileProvider
) -> None:
    visitor = trial.user("SYSADMIN", "globex")

    page = send(visitor, issuer=f"{hostile.issuer}/", act="check")

    assert page.value("issuer") == f"{hostile.issuer}/"
    assert f'name="use_issuer" value="{hostile.issuer}"' in page.html
    used = visitor.post(PATH, **typed(issuer=f"{hostile.issuer}/", act=None), use_issuer=hostile.issuer)
    assert used.value("issuer") == hostile.issuer
    assert "as entered." in used.text


def test_a_stored_secret_is_tried_at_its_own_issuer_alone(trial: House, hostile: HostileProvider) -> None:
    visitor = trial.user("SYSADMIN")

    page = send(visitor, issuer=hostile.issuer, secret="", based_on="1", act="check")

    assert page.status == 200
    assert all(arrived.method == "GET" for arrived in hostile.requests)
    send(visitor, issuer=hostile.issuer, secret="typed-now", based_on="1", act="check")
    assert any(arrived.method == "POST" for arrived in hostile.requests)


def test_a_private_address_is_never_called(house: House, hostile: HostileProvider) -> None:
    page = send(house.user("SYSADMIN", "globex"), issuer=hostile.issuer, act="check")

    assert page.status == 200
    assert hostile.requests == []


# --- Enabling -------------------------------------------------------------------------


def test_enabling_puts_the_draft_live(trial: House, hostile: HostileProvider) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    send(visitor, **registered(hostile))
    trial.pass_tests("globex")

    page = visitor.post(f"{PATH}/enable")

    assert page.status == 303
    assert trial.state_of("globex") == (True, 1, 1)
    assert "Users and agents of Globex sign in through" in visitor.get(PATH).text


@pytest.mark.parametrize("authentication", [BASIC, POST, NONE])
def test_every_way_of_proving_ourselves_can_be_enabled(
    trial: House, hostile: HostileProvider, authentication: str
) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    send(visitor, **registered(hostile, authentication=authentication))
    trial.pass_tests("globex")

    assert visitor.post(f"{PATH}/enable").status == 303


@pytest.mark.parametrize(
    ("passed", "hosts"), [((), "portal host and the agent host"), (("portal",), "agent host")]
)
def test_a_draft_that_was_not_tested_on_each_host_is_not_enabled(
    trial: House, hostile: HostileProvider, passed: tuple[str, ...], hosts: str
) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    send(visitor, **registered(hostile))
    trial.pass_tests("globex", passed)

    page = visitor.post(f"{PATH}/enable")

    assert page.status == 409
    assert f"Revision 1 has not passed a test sign-in on the {hosts}." in page.text
    assert trial.state_of("globex") == (False, None, 1)
    trial.pass_tests("globex", {"portal", "agent"} - set(passed))
    assert visitor.post(f"{PATH}/enable").status == 303


def test_a_newer_revision_needs_a_test_of_its_own(trial: House, hostile: HostileProvider) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    send(visitor, **registered(hostile))
    trial.pass_tests("globex")
    visitor.post(f"{PATH}/enable")
    send(visitor, **registered(hostile) | {"based_on": "1", "email_claim": "mail"})

    refused = visitor.post(f"{PATH}/live", number="2")

    assert refused.status == 409
    assert trial.state_of("globex") == (True, 1, 2)
    trial.pass_tests("globex")
    assert visitor.post(f"{PATH}/live", number="2").status == 303
    assert visitor.post(f"{PATH}/live", number="1").status == 303


def test_a_provider_with_dangers_is_not_enabled_and_the_reasons_are_shown(
    trial: House, hostile: HostileProvider
) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    send(visitor, **registered(hostile) | {"secret": "a-wrong-secret-of-thirty-two-characters"})
    trial.pass_tests("globex")

    page = visitor.post(f"{PATH}/enable")

    assert page.status == 422
    assert "Nothing was changed: with these settings every sign-in would be refused." in page.text
    assert 'href="#report"' in page.html
    assert trial.state_of("globex") == (False, None, 1)


def test_a_provider_that_answers_nonsense_is_not_enabled(trial: House, hostile: HostileProvider) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    send(visitor, **registered(hostile))
    trial.pass_tests("globex")
    hostile.answer(
        "/.well-known/openid-configuration", Raw(status=200, body=b"<html>", content_type="text/html")
    )

    assert visitor.post(f"{PATH}/enable").status == 422
    hostile.straighten()
    assert visitor.post(f"{PATH}/enable").status == 303


def test_nothing_is_enabled_while_the_feature_is_off(trial: House, hostile: HostileProvider) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    send(visitor, **registered(hostile))
    trial.set_feature("globex", False)

    page = visitor.post(f"{PATH}/enable")

    assert page.status == 422
    assert "Single Sign On is not turned on for this client." in page.text
    assert trial.state_of("globex") == (False, None, 1)


def test_nothing_can_be_enabled_before_it_is_saved(trial: House) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    visitor.get(PATH)

    page = visitor.post(f"{PATH}/enable")

    assert page.status == 422
    assert "There is no connection yet." in page.text


def test_turning_off_says_first_whom_it_concerns(house: House) -> None:
    house.add_account("acme", "agent", "no_password", password_hash=None)
    visitor = house.user("SYSADMIN")
    visitor.get(PATH)

    page = visitor.post(f"{PATH}/disable")

    assert page.status == 200
    assert "7 active people lose sign-in" in page.text
    assert "1 of them has no password" in page.text
    assert house.state_of("acme") == (True, 1, 1)
    assert visitor.post(f"{PATH}/disable", confirmed="yes").status == 303
    assert house.state_of("acme") == (False, 1, 1)


# --- Revisions ------------------------------------------------------------------------


def test_a_newer_revision_goes_live_only_if_its_provider_answers(
    trial: House, hostile: HostileProvider
) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    send(visitor, **registered(hostile))
    trial.pass_tests("globex")
    visitor.post(f"{PATH}/enable")
    send(visitor, **registered(hostile) | {"based_on": "1", "email_claim": "mail"})
    trial.pass_tests("globex")
    hostile.bend_discovery(issuer="https://elsewhere.example")

    refused = visitor.post(f"{PATH}/live", number="2")

    assert refused.status == 422
    assert trial.state_of("globex") == (True, 1, 2)
    hostile.straighten()
    assert visitor.post(f"{PATH}/live", number="2").status == 303
    assert trial.state_of("globex") == (True, 2, 2)


def test_going_back_works_although_the_provider_does_not(trial: House, hostile: HostileProvider) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    send(visitor, **registered(hostile))
    trial.pass_tests("globex")
    visitor.post(f"{PATH}/enable")
    send(visitor, **registered(hostile) | {"based_on": "1", "email_claim": "mail"})
    trial.pass_tests("globex")
    visitor.post(f"{PATH}/live", number="2")
    hostile.bend_discovery(issuer="https://elsewhere.example")

    assert "Go back to this" in visitor.get(PATH).text
    assert visitor.post(f"{PATH}/live", number="1").status == 303
    assert trial.state_of("globex") == (True, 1, 2)


def test_a_revision_that_is_not_there_cannot_go_live(house: House) -> None:
    visitor = house.user("SYSADMIN")
    visitor.get(PATH)

    assert visitor.post(f"{PATH}/live", number="9").status == 404
    assert visitor.post(f"{PATH}/live", number="x").status == 404
    assert house.state_of("acme") == (True, 1, 1)


def test_what_a_draft_changes_is_said(house: House) -> None:
    house.save_draft("acme", email_claim="upn", scopes="openid email")

    page = house.user("SYSADMIN").get(PATH)

    assert "Live: revision 1. Draft 2 differs in 2 fields: Email Attribute, Scopes." in page.text


def test_each_act_stands_in_the_audit_record_without_the_secret(house: House) -> None:
    send(house.user("SYSADMIN", "globex"))

    event = house.audited("globex")[-1]

    assert (event.action, event.by_care) == ("connection.saved", False)
    assert event.after["secret"] == "set"
    assert "a-new-secret" not in f"{event.before}{event.after}"
