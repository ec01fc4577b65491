"""Configure > Client > Security > password sign-in: the check, the change, the way back."""

from __future__ import annotations

from sqlalchemy import select

from lvportal.extensions import db
from lvportal.models import Account, Connection, IdentityLink
from lvportal.services.transactions import writing
from tests.support.house import ISSUER, PASSWORD, House, Page, Visitor

PATH = "/configure/client/security/enforce"


def prove(house: House, login_name: str = "sysadmin") -> None:
    """Let the provider have signed this user in once."""
    with house.app.app_context(), writing(db.session()) as session:
        account = session.scalars(
            select(Account)
            .join(Account.tenant)
            .where(Account.login_name == login_name, Account.tenant.has(code="acme"))
        ).one()
        session.add(
            IdentityLink(
                tenant_id=account.tenant_id,
                audience="portal",
                account_id=account.id,
                issuer=ISSUER,
                subject="00u1",
                linked_at=house.now,
            )
        )
    rehearse(house)


def rehearse(house: House) -> None:
    """Let Acme have an emergency account that was rehearsed."""
    house.add_account(
        "acme", "portal", "way_back", role="SYSADMIN", is_emergency=True,
        totp_confirmed_at=house.now, rehearsed_at=house.now,
    )  # fmt: skip


def rules(house: House) -> tuple[str, str]:
    with house.app.app_context():
        connection = db.session.scalars(select(Connection)).one()
        return connection.portal_passwords, connection.agent_passwords


def refuse(visitor: Visitor) -> Page:
    visitor.get(PATH)
    return visitor.post(PATH, portal="refused", agent="refused", confirmed="yes")


def by_password(visitor: Visitor, login_name: str = "sysadmin") -> Page:
    visitor.get("/sign-in?way=code")
    return visitor.post("/sign-in", way="code", client="acme", login_name=login_name, password=PASSWORD)


def test_the_check_page_shows_whom_it_concerns_and_changes_nothing(house: House) -> None:
    visitor = house.user("SYSADMIN")

    page = visitor.get(PATH)

    assert page.status == 200
    assert "5 users" in page.text
    assert "1 agent" in page.text
    assert "15 minutes" in page.text
    assert rules(house) == ("allowed", "allowed")


def test_passwords_are_refused_on_both_hosts(house: House) -> None:
    prove(house)
    visitor = house.user("SYSADMIN")

    page = refuse(visitor)

    assert page.status == 303
    assert rules(house) == ("refused", "refused")
    for browser, name in ((house.portal(), "superuser"), (house.agent(), "desk_114")):
        refused = by_password(browser, name)
        assert refused.status == 403
        assert "Acme signs in through Okta." in refused.text
        assert 'name="password"' not in refused.html


def test_who_changed_it_sees_the_time_left_and_can_undo_it(house: House) -> None:
    prove(house)
    visitor = house.user("SYSADMIN")
    refuse(visitor)

    page = visitor.get(PATH)

    assert "Passwords return" in page.text
    undone = visitor.post(PATH, portal="allowed", agent="allowed", confirmed="yes")
    assert undone.status == 303
    assert by_password(house.portal()).status == 303


def test_without_a_way_back_nothing_is_changed_and_the_reason_is_said(house: House) -> None:
    page = refuse(house.user("SYSADMIN"))

    assert page.status == 422
    assert page.title.startswith("Error: ")
    assert "No administrator has yet shown a way in" in page.text
    assert rules(house) == ("allowed", "allowed")


def test_who_may_not_enable_may_not_enforce(house: House) -> None:
    prove(house)
    for role in ("IT_USER", "CLIENT_AUDITOR", "MANAGER"):
        visitor = house.user(role)
        assert visitor.get(PATH).status == 403
        visitor.get("/")
        assert visitor.post(PATH, portal="refused", agent="refused").status == 403
    assert rules(house) == ("allowed", "allowed")


def test_an_odd_answer_is_refused_and_a_forged_form_too(house: House) -> None:
    prove(house)
    visitor = house.user("SYSADMIN")
    visitor.get(PATH)

    assert visitor.post(PATH, portal="never\x00", agent="refused").status == 422
    assert visitor.post(PATH, csrf_token="forged", portal="refused", agent="refused").status == 422
    assert rules(house) == ("allowed", "allowed")


def test_a_client_that_requires_its_provider_says_so_before_a_name_is_asked(house: House) -> None:
    assert 'name="password"' in house.portal().get("/sign-in?client=acme").html
    prove(house)
    refuse(house.user("SYSADMIN"))

    page = house.portal().get("/sign-in?client=acme")

    assert "Acme signs in through Okta." in page.text
    assert 'name="password"' not in page.html
    assert "Continue with Okta for Acme" in page.text
