"""Monitor > Sign-ins, one record, and Care's look at it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, select

from lvportal.errors import (
    AccountDuplicate,
    AccountInactive,
    NoAccount,
    SignInExpired,
    SignInRefused,
    SingleSignOnOff,
)
from lvportal.extensions import db
from lvportal.models import Account, SignInRecord, Tenant
from lvportal.portal.fixes import fix_for
from lvportal.protocols.oidc.errors import IssuerWrong, NoEmail, SecretRefused
from lvportal.services import references, sign_in_records
from lvportal.services.sign_in_records import Visitor as Origin
from lvportal.services.transactions import writing
from tests.support.house import House

PATH = "/monitor/sign-ins"


def write(house: House, refused: SignInRefused | None = None, code: str = "acme", **values: Any) -> str:
    """Write a record of a client and return its reference."""
    given: dict[str, Any] = {
        "audience": "portal",
        "method": "sso",
        "visitor": Origin("192.0.2.1", "curl/8"),
    } | values
    with house.app.app_context(), writing(db.session()) as session:
        tenant = session.scalars(select(Tenant).where(Tenant.code == code)).one()
        login = given.pop("login_name", None)
        account_id = None
        if login:
            account_id = session.scalars(
                select(Account.id).where(Account.tenant_id == tenant.id, Account.login_name == login)
            ).one()
        return sign_in_records.write(
            session, tenant_id=tenant.id, now=house.now, refused=refused, account_id=account_id, **given
        )


# --- The list -----------------------------------------------------------------------


def test_a_refusal_stands_with_its_cause_in_words_and_its_fix(house: House) -> None:
    reference = write(house, NoAccount(email="new@acme.example"))

    page = house.user("SYSADMIN").get(PATH)

    assert "Acme has no active account for this email." in page.text
    assert "new@acme.example" in page.text
    assert f"{PATH}/{reference}" in page.links
    assert "/configure/users?q=new%40acme.example" in page.links


@pytest.mark.parametrize("typed", [str.lower, references.show, lambda reference: f" {reference} "])
def test_a_reference_in_the_box_opens_its_record(house: House, typed: Any) -> None:
    reference = write(house, NoAccount(email="new@acme.example"))

    page = house.user("SYSADMIN").get(f"{PATH}?q={typed(reference)}")

    assert (page.status, page.location) == (303, f"{PATH}/{reference}")


def test_a_reference_of_another_client_opens_nothing(house: House) -> None:
    reference = write(house, NoAccount(email="new@globex.example"), code="globex")

    visitor = house.user("SYSADMIN")

    assert "No sign-in fits" in visitor.get(f"{PATH}?q={reference}").text
    assert visitor.get(f"{PATH}/{reference}").status == 404
    assert house.user("SYSADMIN", "globex").get(f"{PATH}/{reference}").status == 200


def test_an_email_is_looked_for_in_all_that_is_kept(house: House) -> None:
    write(house, NoAccount(email="Old@acme.example"))
    with house.app.app_context(), writing(db.session()) as session:
        for record in session.scalars(select(SignInRecord)):
            record.at = house.now.replace(year=house.now.year - 1)

    visitor = house.user("SYSADMIN")

    assert "Old@acme.example" in visitor.get(f"{PATH}?q=old@acme.example").text
    assert "No sign-in fits" in visitor.get(f"{PATH}?q=old@acme.example&time=day").text


def test_the_summary_links_each_cause_to_its_sign_ins(house: House) -> None:
    write(house, NoAccount(email="a@acme.example"))
    write(house, NoAccount(email="b@acme.example"))
    write(house, SecretRefused(method="client_secret_basic"))

    visitor = house.user("SYSADMIN")
    page = visitor.get(PATH)

    assert f"{PATH}?cause=sign_in.no_account&time=day" in page.links
    assert "Last 24 hours: 3 of 4, 75.0 %." in page.text  # this visitor's own sign-in is the fourth
    only = visitor.get(f"{PATH}?cause=sign_in.no_account&time=day")
    assert "a@acme.example" in only.text
    assert "1 to 2 of 2" in only.text


def test_a_superuser_sees_no_sysadmin(house: House) -> None:
    reference = write(house, AccountInactive(email="sysadmin@acme.example"))
    other = write(house, NoAccount(email="else@acme.example"))
    house.user("SYSADMIN")

    visitor = house.user("SUPERUSER")
    page = visitor.get(PATH)

    assert "sysadmin" not in page.html.partition("<main")[2].lower()
    assert "else@acme.example" in page.text
    assert visitor.get(f"{PATH}/{reference}").status == 404
    assert visitor.get(f"{PATH}/{other}").status == 200
    assert "sysadmin" not in visitor.get(f"{PATH}.csv").html.lower()


@pytest.mark.parametrize(
    ("role", "status"),
    [("SYSADMIN", 200), ("SUPERUSER", 200), ("IT_USER", 200), ("CLIENT_AUDITOR", 200), ("MANAGER", 403)],
)
def test_who_may_read_sign_ins(house: House, role: str, status: int) -> None:
    reference = write(house, NoAccount(email="x@acme.example"))

    visitor = house.user(role)

    assert [visitor.get(path).status for path in (PATH, f"{PATH}.csv", f"{PATH}/{reference}")] == [status] * 3


@pytest.mark.parametrize("role", ["IT_USER"])
def test_a_link_that_the_role_could_not_open_is_not_shown(house: House, role: str) -> None:
    reference = write(house, NoAccount(email="x@acme.example"))

    page = house.user(role).get(f"{PATH}/{reference}")

    assert not [link for link in page.links if link.startswith("/configure/users?")]
    assert "Create the account, or correct its email address." in page.text


def test_the_file_holds_what_the_filters_leave_and_no_formulas(house: House) -> None:
    write(house, NoAccount(email="=cmd@acme.example"))
    write(house)

    page = house.user("SYSADMIN").get(f"{PATH}.csv?outcome=refused")

    rows = page.html.lstrip("\ufeff").splitlines()
    assert len(rows) == 2
    assert "'=cmd@acme.example" in rows[1]
    assert "sign_in.no_account" in rows[1]
    assert page.headers["Content-Disposition"] == 'attachment; filename="sign-ins.csv"'


@pytest.mark.parametrize(
    "query",
    ["q=%00", "q=%FF%FE", "page=99999999999999999999", "page=-1", "time=never&host=x&outcome=y&cause=z",
     "q=" + "a" * 5000, "q=a&q=b", "cause=%27%22"],
)  # fmt: skip
def test_a_strange_address_is_answered_plainly(house: House, query: str) -> None:
    write(house, NoAccount(email="x@acme.example"))

    assert house.user("SYSADMIN").get(f"{PATH}?{query}").status == 200


@pytest.mark.parametrize("reference", ["7KQ2-M9DX", "nothing", "%00", "a" * 300])
def test_a_reference_of_nothing_is_a_404(house: House, reference: str) -> None:
    assert house.user("SYSADMIN").get(f"{PATH}/{reference}").status == 404


def test_an_empty_list_says_what_belongs_there(house: House) -> None:
    visitor = house.user("SYSADMIN", "globex")
    with house.app.app_context(), writing(db.session()) as session:
        session.execute(delete(SignInRecord))

    assert "Nobody has signed in" in visitor.get(PATH).text
    assert "No sign-in fits" in visitor.get(f"{PATH}?outcome=refused").text


# --- One record ---------------------------------------------------------------------


def test_a_record_says_the_cause_the_step_and_who_can_mend_it(house: House) -> None:
    number = house.newest("acme").id
    refused = IssuerWrong(
        expected="https://a.example", got="https://b.example", claim_names=("sub", "iss"), provider_said="No."
    )
    reference = write(house, refused, revision_id=number, harmless_claims={"email_verified": "true"})

    page = house.user("IT_USER").get(f"{PATH}/{references.show(reference)}")

    assert "<h1>The answer came from the wrong address.</h1>" in page.html
    assert "Stopped at step 4 of 6: token verified." in page.text
    assert "Expected https://a.example, got https://b.example." in page.text
    assert "Okta said:" in page.text
    assert "Claims: sub , iss" in page.text
    assert page.html.count("is-done") == 3
    assert page.html.count("step is-problem") == 1
    assert "/configure/client/security#issuer" in page.links


def test_similar_ones_are_counted_and_linked(house: House) -> None:
    first = write(house, NoEmail(expected="email", names="sub"))
    write(house, NoEmail(expected="email", names="sub"))

    page = house.user("SYSADMIN").get(f"{PATH}/{first}")

    assert "1 other with this cause in the last 24 hours" in page.text
    assert f"{PATH}?cause=sign_in.no_email&time=day" in page.links


def test_an_account_that_it_concerns_is_opened_itself(house: House) -> None:
    reference = write(house, AccountInactive(email="DESK.114@acme.example"), audience="agent")

    page = house.user("SYSADMIN").get(f"{PATH}/{reference}")

    with house.app.app_context():
        account_id = db.session.scalars(select(Account.id).where(Account.login_name == "desk_114")).one()
    assert f"/configure/agents/{account_id}" in page.links
    assert "Desk 114" in page.text


def test_a_sign_in_that_went_well_has_all_steps(house: House) -> None:
    reference = write(house, login_name="manager", email="manager@acme.example")

    page = house.user("SYSADMIN").get(f"{PATH}/{reference}")

    assert "All 6 steps done." in page.text
    assert page.html.count("step is-done") == 6
    assert "A program" in page.text


@pytest.mark.parametrize(
    ("refused", "audience", "email", "ids", "path"),
    [
        (SecretRefused(), "portal", None, (), "/configure/client/security#secret"),
        (IssuerWrong(), "agent", None, (), "/configure/client/security#issuer"),
        (NoEmail(), "agent", None, (), "/configure/client/security#email_claim"),
        (NoAccount(), "agent", "a@b.example", (), "/configure/agents?q=a%40b.example"),
        (AccountInactive(), "portal", "a@b.example", (7,), "/configure/users/7"),
        (AccountDuplicate(), "portal", "a@b.example", (7, 8), "/configure/users?q=a%40b.example"),
        (SingleSignOnOff(), "portal", None, (), "/configure/client/security#enable"),
    ],
)
def test_a_code_leads_to_where_it_is_put_right(
    refused: SignInRefused, audience: str, email: str | None, ids: tuple[int, ...], path: str
) -> None:
    fix = fix_for(refused.code, audience=audience, email=email, account_ids=ids)

    assert fix is not None
    assert fix.path == path


@pytest.mark.parametrize("code", [SignInExpired.code, "sign_in.of_old", None])
def test_what_nobody_here_can_mend_leads_nowhere(code: str | None) -> None:
    assert fix_for(code, audience="portal", email="a@b.example") is None


# --- Care ---------------------------------------------------------------------------


def test_care_finds_any_client_s_record_and_is_seen_doing_so(house: House) -> None:
    refused = IssuerWrong(
        expected="https://a.example", got="https://private.example", email="some.one@acme.example",
        claim_names=("sub",), provider_said="private words",
    )  # fmt: skip
    reference = write(house, refused, harmless_claims={"hd": "private value"})

    page = house.care().get(f"/care/sign-ins?reference={reference.lower()}")

    assert "Acme acme" in page.text
    assert "sign_in.issuer" in page.text
    assert "Step 4 of 6: token verified" in page.text
    assert "Email domain acme.example" in page.text
    assert "private" not in page.html
    assert "some.one" not in page.html
    seen = house.audited("acme")[-1]
    assert (seen.action, seen.subject, seen.by_care) == (
        "care.sign_in_viewed",
        references.show(reference),
        True,
    )


@pytest.mark.parametrize(
    ("typed", "words"), [("7KQ2-M9DX", "No sign-in has this reference"), ("0OI1", "8 letters and digits")]
)
def test_care_is_told_of_a_reference_that_leads_nowhere(house: House, typed: str, words: str) -> None:
    page = house.care().get(f"/care/sign-ins?reference={typed}")

    assert page.status == 404
    assert words in page.text


def test_care_searches_by_nothing_but_a_reference(house: House) -> None:
    write(house, NoAccount(email="some.one@acme.example"))
    visitor = house.care()

    assert visitor.get("/care/sign-ins").status == 200
    assert visitor.get("/care/sign-ins?reference=some.one@acme.example").status == 404
    assert house.user("SYSADMIN").get("/care/sign-ins").status == 403
