"""Configure > Client > Security > Test sign-in: a trial through the provider, for its tester alone."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from lvportal.extensions import db
from lvportal.models import Account, IdentityLink, PersonSession, SignInRecord, TestSignIn
from lvportal.services.transactions import writing
from tests.providers.hostile import ABSENT, HostileProvider
from tests.support.house import AGENT, PORTAL, House, Page, Visitor

PATH = "/configure/client/security"
EMAIL = "sysadmin@globex.example"


@pytest.fixture
def trial(tmp_path: Path, hostile: HostileProvider) -> Iterator[House]:
    """A house that may reach the provider on loopback; Globex has a draft, and its feature is off."""
    made = House(tmp_path, unsafe_provider_addresses=hostile.address)
    client = hostile.register([f"{PORTAL}/sso/globex", f"{AGENT}/sso/globex"])
    made.save_draft(
        "globex",
        provider="other",
        issuer=hostile.issuer,
        client_id=client.client_id,
        secret=client.client_secret,
    )
    hostile.add_person(EMAIL, subject="boss")
    yield made
    with made.app.app_context():
        db.engine.dispose()


def begin(visitor: Visitor, **values: Any) -> Page:
    """Press the button of step 4."""
    visitor.get(PATH)
    return visitor.post(f"{PATH}/test", **({"audience": "portal"} | values))


def ticket_address(page: Page) -> str:
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.html)
    assert found is not None, page.text
    return found[1].replace("&amp;", "&")


def path_of(address: str) -> str:
    parts = urlsplit(address)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def at_provider(address: str) -> str:
    """Sign in there, and return the address that the provider sends the browser to."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        return connection.getresponse().headers["Location"]
    finally:
        connection.close()


def run(house: House, visitor: Visitor, audience: str = "portal", **values: Any) -> Page:
    """Test from the button to the result's page, all in one browser."""
    host = visitor if audience == "portal" else house.agent()
    started = host.get(path_of(ticket_address(begin(visitor, audience=audience, **values))))
    answer = host.get(path_of(at_provider(started.location)))
    unlocked = visitor.get(path_of(answer.location))
    return visitor.get(unlocked.location)


def rows(house: House, model: type[Any]) -> int:
    with house.app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def last_test(house: House) -> TestSignIn:
    with house.app.app_context():
        test = db.session.scalars(select(TestSignIn).order_by(TestSignIn.id.desc()).limit(1)).one()
        db.session.expunge(test)
        return test


# --- A test that works ----------------------------------------------------------------


@pytest.mark.parametrize("audience, email", [("portal", EMAIL), ("agent", "desk.1@globex.example")])
def test_a_test_says_which_account_would_match(
    trial: House, hostile: HostileProvider, audience: str, email: str
) -> None:
    hostile.add_person(email, subject="somebody")

    page = run(trial, trial.user("SYSADMIN", "globex"), audience)

    assert "This works." in page.text
    assert f"the one active account with {email}" in page.text
    assert last_test(trial).outcome == "passed"


def test_a_test_opens_no_session_and_leaves_nothing_but_its_row(trial: House) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    tables = (PersonSession, SignInRecord, IdentityLink)
    before = [rows(trial, table) for table in tables]

    page = run(trial, visitor)

    assert "This works." in page.text
    assert [rows(trial, table) for table in tables] == before
    with trial.app.app_context():
        matched = db.session.scalars(select(Account).where(Account.email == EMAIL)).one()
        assert last_test(trial).matched_account_id == matched.id


def test_a_test_works_while_feature_and_connection_are_off(trial: House) -> None:
    assert trial.state_of("globex") == (False, None, 1)
    assert not trial.feature_is_on("globex")

    assert "This works." in run(trial, trial.user("IT_USER", "globex")).text


def test_step_4_says_what_passed_and_what_is_needed(trial: House) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    before = visitor.get(PATH)

    run(trial, visitor)

    after = visitor.get(PATH)
    assert before.text.count("Not tested") == 2
    assert after.text.count("Not tested") == 1
    assert "See the result" in after.text


def test_an_older_revision_can_be_tested_by_its_number(trial: House) -> None:
    trial.save_draft("globex", client_id="another-client", issuer="https://login.globex.example")
    visitor = trial.user("SYSADMIN", "globex")

    page = run(trial, visitor, number="1")

    assert "This works." in page.text
    assert "Revision 2 was saved since" in page.text


# --- Claims ---------------------------------------------------------------------------


def test_the_claims_that_arrived_are_shown_with_value_and_source(
    trial: House, hostile: HostileProvider
) -> None:
    hostile.bend_claims(upn="boss@corp.globex.example", locale="en-GB")

    page = run(trial, trial.user("SYSADMIN", "globex"))

    assert "boss@corp.globex.example" in page.text
    assert re.search(r"<code>locale</code>.*?<code>en-GB</code>.*?ID token", page.html, re.DOTALL)


def test_nonce_and_its_kin_are_not_shown(trial: House) -> None:
    page = run(trial, trial.user("SYSADMIN", "globex"))

    assert "<code>sub</code>" in page.html
    assert not {"nonce", "at_hash", "sid"} & set(last_test(trial).claim_names)


def test_values_are_gone_after_a_day(trial: House, hostile: HostileProvider) -> None:
    hostile.bend_claims(locale="en-GB")
    visitor = trial.user("SYSADMIN", "globex")
    assert "en-GB" in run(trial, visitor).text
    reference = last_test(trial).reference

    with trial.app.app_context(), writing(db.session()) as session:
        test = session.scalars(select(TestSignIn)).one()
        assert test.finished_at is not None
        test.finished_at -= timedelta(days=1)

    page = visitor.get(f"{PATH}/test/{reference}")
    assert "locale" in page.text
    assert "en-GB" not in page.text


def test_another_browser_of_the_tester_sees_no_values_until_the_key_came_back(
    trial: House, hostile: HostileProvider
) -> None:
    hostile.bend_claims(locale="en-GB")
    visitor = trial.user("SYSADMIN", "globex")
    victim = trial.portal()  # somebody who was sent the link
    started = victim.get(path_of(ticket_address(begin(visitor))))
    answer = victim.get(path_of(at_provider(started.location)))

    page = visitor.get(f"{PATH}/test/{last_test(trial).reference}")

    assert "This works." in page.text
    assert "en-GB" not in page.text
    assert victim.get(path_of(answer.location)).location.startswith("/sign-in")
    wrong = visitor.get(f"{PATH}/test/{last_test(trial).reference}?key=guessed")
    assert "en-GB" not in visitor.get(wrong.location).text
    right = visitor.get(path_of(answer.location))
    assert "en-GB" in visitor.get(right.location).text


def test_a_claim_that_holds_an_email_becomes_the_email_attribute_of_a_new_draft(
    trial: House, hostile: HostileProvider
) -> None:
    hostile.bend_claims(email=ABSENT, email_verified=ABSENT, upn=EMAIL)
    hostile.bend_userinfo(email=ABSENT, email_verified=ABSENT)
    visitor = trial.user("IT_USER", "globex")
    page = run(trial, visitor)
    assert "Refused at step 5 of 6: Your sign-in provider sent no email." in page.text
    assert "Did not arrive" in page.text
    assert "Use upn" in page.text

    saved = visitor.post(f"{PATH}/test/{last_test(trial).reference}/email-attribute", claim="upn")

    assert (saved.status, saved.location) == (303, f"{PATH}#step-4")
    assert trial.newest("globex").email_claim == "upn"
    assert trial.state_of("globex") == (False, None, 2)
    assert trial.audited("globex")[-1].after["email_claim"] == "upn"


def test_a_claim_that_holds_no_email_is_refused(trial: House, hostile: HostileProvider) -> None:
    hostile.bend_claims(locale="en-GB")
    visitor = trial.user("SYSADMIN", "globex")
    run(trial, visitor)

    refused = visitor.post(f"{PATH}/test/{last_test(trial).reference}/email-attribute", claim="locale")

    assert refused.status == 422
    assert "no email under that name" in refused.text
    assert trial.state_of("globex") == (False, None, 1)


def test_a_draft_of_somebody_else_meanwhile_is_not_overwritten(
    trial: House, hostile: HostileProvider
) -> None:
    hostile.bend_claims(upn=EMAIL)
    visitor = trial.user("SYSADMIN", "globex")
    run(trial, visitor)
    trial.save_draft("globex", client_id="changed-meanwhile", issuer=hostile.issuer)

    refused = visitor.post(f"{PATH}/test/{last_test(trial).reference}/email-attribute", claim="upn")

    assert refused.status == 409
    assert trial.state_of("globex") == (False, None, 2)


# --- A test that is refused -----------------------------------------------------------


def test_a_refused_test_names_step_cause_fix_and_field(trial: House, hostile: HostileProvider) -> None:
    hostile.bend_claims(email_verified=False)

    page = run(trial, trial.user("SYSADMIN", "globex"))

    assert "Refused at step 5 of 6: Your sign-in provider has not confirmed your email." in page.text
    assert "accept emails that are not marked verified, under Advanced" in page.text
    assert f"{PATH}#accepts_unverified_email" in page.links
    assert re.search(r"The email counts as verified\..*?Failed", page.text)
    assert re.search(r"An email arrived in the Email Attribute\.\s*Passed", page.text)
    assert re.search(r"One active account has this email\.\s*Not reached", page.text)


def test_a_person_without_an_account_is_named_with_the_way_to_the_users(
    trial: House, hostile: HostileProvider
) -> None:
    hostile.add_person("stranger@globex.example", subject="stranger")

    page = run(trial, trial.user("SYSADMIN", "globex"))

    assert "Refused at step 6 of 6: Globex has no active account for stranger@globex.example." in page.text
    assert "/configure/users?q=stranger%40globex.example" in page.links


def test_a_provider_that_cannot_be_reached_ends_the_test_at_step_1(
    trial: House, hostile: HostileProvider
) -> None:
    trial.save_draft("globex", issuer="http://127.0.0.1:9")
    visitor = trial.user("SYSADMIN", "globex")

    started = visitor.get(path_of(ticket_address(begin(visitor))))

    page = visitor.get(visitor.get(path_of(started.location)).location)
    assert "Refused at step 1 of 6" in page.text


def test_a_test_that_never_came_back_offers_the_paste_box(trial: House) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    visitor.get(path_of(ticket_address(begin(visitor))))

    page = visitor.get(f"{PATH}/test/{last_test(trial).reference}")

    assert "Nobody has come back from" in page.text
    assert f"{PATH}/errors" in page.links


def test_a_superuser_does_not_see_which_sysadmin_matched(trial: House) -> None:
    seen = run(trial, trial.user("SYSADMIN", "globex"))
    hidden = run(trial, trial.user("SUPERUSER", "globex"))

    assert "(sysadmin, SYSADMIN)" in seen.text
    assert "An account that your role does not show" in hidden.text
    assert "(sysadmin, SYSADMIN)" not in hidden.text


# --- Doors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "role, client", [("SUPERUSER", "globex"), ("SYSADMIN", "acme")], ids=["colleague", "other client"]
)
def test_only_the_tester_sees_a_result(trial: House, role: str, client: str) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    run(trial, visitor)
    path = f"{PATH}/test/{last_test(trial).reference}"

    assert trial.user(role, client).get(path).status == 404
    assert trial.user(role, client).post(f"{path}/email-attribute", claim="email").status in (400, 404)
    assert visitor.get(path).status == 200


@pytest.mark.parametrize("role", ["MANAGER", "CLIENT_AUDITOR"])
def test_who_may_not_test_is_refused(trial: House, role: str) -> None:
    visitor = trial.user(role, "globex")
    visitor.get("/profile")

    assert visitor.post(f"{PATH}/test", audience="portal").status == 403
    assert begin(trial.user("IT_USER", "globex")).status == 200


def test_a_ticket_starts_one_test_on_one_host(trial: House) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    address = path_of(ticket_address(begin(visitor)))
    assert trial.agent().get(address).status == 403
    assert trial.portal().get(address.replace("/sso/globex/", "/sso/acme/")).status == 403

    first, second = visitor.get(address), visitor.get(address)

    assert first.status == 303
    assert second.status == 403
    assert "already started" in second.text


def test_a_ticket_lasts_ten_minutes(trial: House) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    old, young = (path_of(ticket_address(begin(visitor))) for _ in range(2))
    with trial.app.app_context(), writing(db.session()) as session:
        first, second = session.scalars(select(TestSignIn).order_by(TestSignIn.id)).all()
        first.created_at -= timedelta(seconds=600)
        second.created_at -= timedelta(seconds=590)

    assert visitor.get(old).status == 403
    assert visitor.get(young).status == 303


@pytest.mark.parametrize("values", [{"audience": "care"}, {"audience": ""}, {"number": "0"}, {"number": "x"}])
def test_a_form_that_is_none_of_ours_is_a_400(trial: House, values: dict[str, str]) -> None:
    assert begin(trial.user("SYSADMIN", "globex"), **values).status == 400
    assert begin(trial.user("SYSADMIN", "globex"), number="1").status == 200


def test_a_revision_that_does_not_exist_is_a_404(trial: House) -> None:
    assert begin(trial.user("SYSADMIN", "globex"), number="2147483647").status == 404


@pytest.mark.parametrize("reference", ["nonsense", "%00%00%00%00", "2222-2222", "%ff%fe"])
def test_a_result_that_does_not_exist_is_a_404(trial: House, reference: str) -> None:
    visitor = trial.user("SYSADMIN", "globex")

    assert visitor.get(f"{PATH}/test/{reference}").status == 404


@pytest.mark.parametrize("ticket", ["", "%00", "%ff", "x" * 5000])
def test_a_ticket_that_is_none_is_refused(trial: House, ticket: str) -> None:
    assert trial.portal().get(f"/sso/globex/test?ticket={ticket}").status == 403
