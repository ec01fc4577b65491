"""Emergency accounts on pages: naming, setting up, signing in, and how far an emergency session reaches."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from sqlalchemy import select, update

from lvportal.extensions import db
from lvportal.models import Account, Connection, IdentityLink
from lvportal.services.transactions import writing
from tests.portal.test_enforcement import PATH as ENFORCE
from tests.support.house import ISSUER, House, Page, Visitor

PATH = "/configure/client/security/emergency"
LONG = "four words make one long"


def account_of(house: House, login_name: str = "superuser", client: str = "acme") -> Account:
    with house.app.app_context():
        return db.session.scalars(
            select(Account).where(Account.login_name == login_name, Account.tenant.has(code=client))
        ).one()


def key_on(page: Page) -> str:
    found = re.search(r'id="totp-key" value="([^"]*)"', page.html)
    assert found is not None
    return html.unescape(found[1]).replace(" ", "")


def named(visitor: Visitor, account: Account) -> Page:
    visitor.get(PATH)
    assert visitor.post(PATH, account=str(account.id)).location == f"{PATH}/{account.id}"
    return visitor.get(f"{PATH}/{account.id}")


def ready(house: House, login_name: str = "superuser", client: str = "acme") -> str:
    """Name an account and set it up; return its app's secret."""
    visitor, account = house.user("SYSADMIN", client), account_of(house, login_name, client)
    secret = key_on(named(visitor, account))
    code = pyotp.TOTP(secret).now()
    page = visitor.post(f"{PATH}/{account.id}", password=LONG, again=LONG, code=code)
    assert page.status == 303, page.text
    # As if some time had passed: the code that set it up is used.
    with house.app.app_context(), writing(db.session()) as session:
        session.execute(update(Account).where(Account.id == account.id).values(totp_last_step=None))
    return secret


def enter(house: House, secret: str, login_name: str = "superuser", **changes: str) -> tuple[Visitor, Page]:
    visitor = house.portal()
    visitor.get("/sign-in/emergency")
    values = {"client": "acme", "login_name": login_name, "password": LONG, "code": pyotp.TOTP(secret).now()}
    return visitor, visitor.post("/sign-in/emergency", **(values | changes))


def test_an_account_is_named_set_up_and_rehearsed(house: House) -> None:
    secret = ready(house)
    visitor = house.user("SYSADMIN")
    page = visitor.get(PATH)
    assert "Confirmed, to rehearse" in page.text
    assert secret[:4] + " " not in visitor.get(f"{PATH}/{account_of(house).id}").html

    _, entered = enter(house, secret)

    assert (entered.status, entered.location) == (303, "/configure/client/security")
    assert re.search(r"Rehearsed\s+on", visitor.get(PATH).text)


def test_a_refused_set_up_keeps_nothing_secret(house: House) -> None:
    visitor, account = house.user("SYSADMIN"), account_of(house)
    page = named(visitor, account)
    assert "<svg" in page.html
    assert "style=" not in page.html
    code = pyotp.TOTP(key_on(page)).now()

    for values in (
        {"password": LONG, "again": "another", "code": code},
        {"password": "x" * 13, "again": "x" * 13, "code": code},
        {"password": LONG, "again": LONG, "code": "12"},
        {"password": LONG, "again": LONG, "code": f"{(int(code) + 1) % 10**6:06}"},
    ):
        refused = visitor.post(f"{PATH}/{account.id}", **values)
        assert (refused.status, 'id="summary"' in refused.html) == (422, True), values
        assert LONG not in refused.html
    assert account_of(house).totp_confirmed_at is None

    assert visitor.post(f"{PATH}/{account.id}", password=LONG, again=LONG, code=code).status == 303


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "wrong"},
        {"code": "000000"},
        {"login_name": "nobody"},
        {"client": "globex"},
        {"client": "x\x00"},
    ],
    ids=str,
)
def test_a_refused_sign_in_says_the_same_whatever_was_wrong(house: House, changes: dict[str, str]) -> None:
    secret = ready(house)

    visitor, page = enter(house, secret, **changes)

    assert page.status == 403
    assert "The client code, name, password or code is not right" in page.text
    assert LONG not in page.html
    assert visitor.get("/configure/client/security").location.startswith("/sign-in")
    assert enter(house, secret)[1].status == 303


def test_a_form_that_is_not_filled_in_comes_back(house: House) -> None:
    _, page = enter(house, pyotp.random_base32(), code="12")

    assert (page.status, page.value("login_name")) == (422, "superuser")


def test_the_ordinary_form_refuses_an_emergency_account(house: House) -> None:
    ready(house)
    visitor = house.portal()
    visitor.get("/sign-in?way=code")
    values = {"way": "code", "client": "acme", "login_name": "superuser", "password": LONG}

    assert visitor.post("/sign-in", **values).status == 403

    admin, account = house.user("SYSADMIN"), account_of(house)
    admin.get(f"{PATH}/{account.id}")
    assert admin.post(f"{PATH}/{account.id}/remove").location == PATH
    assert visitor.post("/sign-in", **values).status == 303


def test_an_emergency_session_reaches_what_mends_the_sign_in_and_nothing_else(house: House) -> None:
    visitor, _ = enter(house, ready(house))

    for path in ("/configure/client/security", PATH, "/monitor/sign-ins", "/monitor/sessions"):
        page = visitor.get(path)
        assert (page.status, "Administrators have been told." in page.text) == (200, True), path
    assert visitor.get("/").location == "/configure/client/security"
    for path in (
        "/configure/users",
        "/configure/agents",
        "/profile",
        "/configure/client/billing",
        "/monitor/audit",
        "/configure/users/import",
    ):
        page = visitor.get(path)
        assert page.status == 403, path
        assert "Emergency access opens Security, Sign-ins and Sessions only." in page.text
        assert house.user("SYSADMIN").get(path).status == 200, path
    links = visitor.get("/monitor/sessions").links
    assert "/monitor/sign-ins" in links
    assert not {"/configure/users", "/configure/agents", "/monitor/audit", "/profile"} & set(links)
    visitor.get("/monitor/sessions")
    assert visitor.post("/sign-out").status in (200, 303)
    assert visitor.get("/monitor/sessions").location.startswith("/sign-in")


def test_an_ordinary_session_has_no_red_bar(house: House) -> None:
    page = house.user("SYSADMIN").get("/configure/client/security")

    assert "Emergency access until" not in page.text


def test_the_last_way_in_is_not_removed(house: House) -> None:
    secret = ready(house, "sysadmin")
    enter(house, secret, "sysadmin")
    visitor, _ = enter_again(house, secret)
    with house.app.app_context(), writing(db.session()) as session:
        acme = select(Account.tenant_id).where(Account.login_name == "desk_114")
        session.execute(
            update(Account)
            .where(Account.tenant_id == acme.scalar_subquery(), Account.login_name == "superuser")
            .values(active=False)
        )
        session.execute(update(Connection).values(portal_passwords="refused"))
    account = account_of(house, "sysadmin")
    visitor.get(f"{PATH}/{account.id}")

    refused = visitor.post(f"{PATH}/{account.id}/remove")

    assert (refused.status, "no administrator could sign in" in refused.text) == (422, True)
    with house.app.app_context(), writing(db.session()) as session:
        session.execute(update(Connection).values(portal_passwords="allowed"))
    assert visitor.post(f"{PATH}/{account.id}/remove").status == 303


def enter_again(house: House, secret: str) -> tuple[Visitor, Page]:
    with house.app.app_context(), writing(db.session()) as session:
        session.execute(update(Account).values(totp_last_step=None))
    return enter(house, secret, "sysadmin")


def test_another_clients_account_is_not_there(house: House) -> None:
    stranger = account_of(house, "superuser", "globex")
    ready(house, "superuser", "globex")
    visitor = house.user("SYSADMIN")
    visitor.get(PATH)

    assert visitor.get(f"{PATH}/{stranger.id}").status == 404
    for act in ("", "/start-again", "/remove"):
        page = visitor.post(f"{PATH}/{stranger.id}{act}", password=LONG, again=LONG, code="123456")
        assert page.status == 404, act
    assert visitor.post(PATH, account=str(stranger.id)).status == 422
    assert house.user("SYSADMIN", "globex").get(f"{PATH}/{stranger.id}").status == 200


@pytest.mark.parametrize("role, status", [("SYSADMIN", 200), ("SUPERUSER", 200), ("IT_USER", 403)])
def test_who_may_manage_them(house: House, role: str, status: int) -> None:
    assert house.user(role).get(PATH).status == status


def test_a_superuser_neither_sees_nor_names_a_sysadmin(house: House) -> None:
    visitor, sysadmin = house.user("SUPERUSER"), account_of(house, "sysadmin")
    page = visitor.get(PATH)

    assert f'value="{sysadmin.id}"' not in page.html
    assert visitor.post(PATH, account=str(sysadmin.id)).status == 422


def test_an_overdue_rehearsal_is_said(house: House) -> None:
    enter(house, ready(house))
    with house.app.app_context(), writing(db.session()) as session:
        session.execute(
            update(Account)
            .where(Account.is_emergency.is_(True))
            .values(rehearsed_at=datetime.now(UTC) - timedelta(days=91))
        )

    assert "Rehearsal overdue" in house.user("SYSADMIN").get(PATH).text


def test_tries_for_one_account_from_one_address_are_counted(house: House) -> None:
    secret = ready(house)
    statuses = [enter(house, secret, code="000000")[1].status for _ in range(11)]

    assert statuses == [403] * 10 + [429]
    assert enter(house, secret, "nobody")[1].status == 403


def test_requiring_single_sign_on_leads_to_the_rehearsal(house: House) -> None:
    account = account_of(house, "sysadmin")
    with house.app.app_context(), writing(db.session()) as session:
        session.add(
            IdentityLink(
                tenant_id=account.tenant_id, audience="portal", account_id=account.id,
                issuer=ISSUER, subject="00u1", linked_at=house.now,
            )
        )  # fmt: skip
    visitor = house.user("SYSADMIN")
    visitor.get(ENFORCE)

    refused = visitor.post(ENFORCE, portal="refused", agent="refused")

    assert refused.status == 422
    assert "No emergency account was rehearsed in the last 90 days." in refused.text
    assert PATH in refused.links
    enter(house, ready(house))
    assert visitor.post(ENFORCE, portal="refused", agent="refused").status == 303


def test_the_set_up_leads_straight_to_the_rehearsal(house: House) -> None:
    visitor, account = house.user("SYSADMIN"), account_of(house)
    secret = key_on(named(visitor, account))

    done = visitor.post(f"{PATH}/{account.id}", password=LONG, again=LONG, code=pyotp.TOTP(secret).now())

    assert done.location is not None
    assert done.location.startswith("/sign-in/emergency?")
    page = visitor.get(done.location)
    assert "Rehearse it now" in page.text
    assert (page.value("client"), page.value("login_name")) == ("acme", "superuser")
    assert page.value("return_to") == ENFORCE


@pytest.mark.parametrize(
    ("wanted", "lands"),
    [
        (ENFORCE, ENFORCE),
        ("/monitor/sessions", "/monitor/sessions"),
        ("/configure/users", "/configure/client/security"),
        ("/configure/client/security-evil", "/configure/client/security"),
        ("//evil.example", "/configure/client/security"),
        ("https://evil.example/configure/client/security", "/configure/client/security"),
        ("/configure/client/security\r\nx: y", "/configure/client/security"),
        ("", "/configure/client/security"),
    ],
)
def test_emergency_access_returns_only_to_where_it_reaches(house: House, wanted: str, lands: str) -> None:
    _, entered = enter(house, ready(house), return_to=wanted)

    assert entered.location == lands
