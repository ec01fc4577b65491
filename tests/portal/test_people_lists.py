"""The lists of users and agents: what they leave, in which order, and for whom."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from lvportal.extensions import db
from lvportal.models import Account, Connection, IdentityLink, PersonSession
from lvportal.services.transactions import writing
from tests.support.house import House, Page


def names(page: Page) -> list[str]:
    """Return the login names of a list, in the order of the page."""
    return re.findall(r'<a class="table-key" href="/configure/\w+/\d+">([^<]*)</a>', page.html)


def id_of(house: House, login: str, client: str = "acme") -> int:
    with house.app.app_context():
        found = db.session.scalar(
            select(Account.id).where(Account.login_name == login, Account.tenant.has(code=client))
        )
        assert found is not None
        return found


def active(house: House, login: str) -> bool:
    with house.app.app_context():
        return db.session.get_one(Account, id_of(house, login)).active


def test_a_list_is_of_one_client_and_one_host(house: House) -> None:
    users = house.user("SYSADMIN").get("/configure/users")
    assert names(users) == ["client_auditor", "it_user", "manager", "superuser", "sysadmin"]
    assert "5 users" in users.text
    assert names(house.user("MANAGER").get("/configure/agents")) == ["desk_114"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=SUPER", ["superuser"]),
        ("q=manager%40acme", ["manager"]),
        ("q=%25", []),
        ("role=IT_USER", ["it_user"]),
        ("status=inactive", []),
        ("status=locked", []),
        ("readiness=no_email", []),
        ("readiness=nonsense", ["client_auditor", "it_user", "manager", "superuser", "sysadmin"]),
        ("sort=-login", ["sysadmin", "superuser", "manager", "it_user", "client_auditor"]),
        ("sort=-email&role=", ["sysadmin", "superuser", "manager", "it_user", "client_auditor"]),
        ("page=2", []),
        ("page=99999999999999999999&q=%00&q=x", []),
    ],
)
def test_filters_and_order_stand_in_the_address(house: House, query: str, found: list[str]) -> None:
    page = house.user("SYSADMIN").get(f"/configure/users?{query}")
    assert page.status == 200
    assert names(page) == found


def test_each_readiness_leaves_those_who_lack_it(house: House) -> None:
    house.add_account("acme", "agent", "no_mail")
    house.add_account("acme", "agent", "wrong", email="not an address")
    house.add_account("acme", "agent", "twin_1", email="twin@acme.example")
    house.add_account("acme", "agent", "twin_2", email="TWIN@acme.example")
    house.add_account("acme", "agent", "twin_gone", email="twin@acme.example", active=False)
    house.add_account("acme", "agent", "stranger", email="someone@other.example")
    link(house, "desk_114")
    admin = house.user("SYSADMIN")
    expected = {
        "no_email": ["no_mail"],
        "invalid": ["wrong"],
        "shared": ["twin_1", "twin_2"],
        "unusual": ["stranger", "wrong"],
        "ready": ["desk_114", "stranger"],
        "never": ["no_mail", "stranger", "twin_1", "twin_2", "wrong"],
    }
    for readiness, logins in expected.items():
        assert names(admin.get(f"/configure/agents?readiness={readiness}")) == logins, readiness
    marks = admin.get("/configure/agents").text
    for words in ("No email", "Invalid email", "Shared email", "Unusual domain", "Ready"):
        assert words in marks.partition("Last sign-in")[2]


def link(house: House, login: str) -> None:
    with house.app.app_context(), writing(db.session()) as session:
        account = session.get_one(Account, id_of(house, login))
        session.add(
            IdentityLink(
                tenant_id=account.tenant_id, audience=account.audience, account_id=account.id,
                issuer="https://login.acme.example", subject=login, linked_at=house.now,
            )
        )  # fmt: skip


def test_a_superuser_meets_no_sysadmin(house: House) -> None:
    visitor = house.user("SUPERUSER")
    page = visitor.get("/configure/users")
    assert names(page) == ["client_auditor", "it_user", "manager", "superuser"]
    assert "4 users" in page.text
    assert "SYSADMIN" not in page.text
    assert names(visitor.get("/configure/users?q=sysadmin")) == []
    assert names(visitor.get("/configure/users?role=SYSADMIN")) == names(page)
    assert "sysadmin" not in visitor.get("/configure/users.csv").html
    # The same look by a SYSADMIN finds one.
    admin = house.user("SYSADMIN")
    assert names(admin.get("/configure/users?role=SYSADMIN")) == ["sysadmin"]
    assert "sysadmin" in admin.get("/configure/users.csv").html


@pytest.mark.parametrize(
    ("role", "users", "agents", "adds"),
    [
        ("SYSADMIN", 200, 200, True),
        ("SUPERUSER", 200, 200, True),
        ("MANAGER", 403, 200, True),
        ("IT_USER", 403, 200, False),
        ("CLIENT_AUDITOR", 200, 200, False),
    ],
)
def test_who_opens_which_list(house: House, role: str, users: int, agents: int, adds: bool) -> None:
    visitor = house.user(role)
    assert visitor.get("/configure/users").status == users
    page = visitor.get("/configure/agents")
    assert page.status == agents
    assert ("/configure/agents/new" in page.links) is adds
    assert ('name="ids"' in page.html) is adds


def test_pages_of_fifty(house: House) -> None:
    for number in range(60):
        house.add_account("acme", "agent", f"a{number:03}", email=f"a{number}@acme.example")
    admin = house.user("SYSADMIN")
    first = admin.get("/configure/agents")
    assert len(names(first)) == 50
    assert "1 to 50 of 61" in first.text
    assert "/configure/agents?sort=login&page=2" in first.links
    assert len(names(admin.get("/configure/agents?sort=login&page=2"))) == 11


def test_the_file_has_what_is_filtered_and_no_formula(house: House) -> None:
    house.add_account("acme", "agent", "formula", first_name="=1+1", email="f@acme.example")
    file = house.user("SYSADMIN").get("/configure/agents.csv?q=formula")
    assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = file.html.splitlines()
    assert len(lines) == 2
    assert lines[1] == "formula,f@acme.example,'=1+1,,,Yes,No,"


def test_an_empty_list_offers_what_belongs_there(house: House) -> None:
    with house.app.app_context(), writing(db.session()) as session:
        session.execute(
            update(Account).where(Account.login_name == "desk_1").values(tenant_id=1, login_name="x1")
        )
    page = house.user("SYSADMIN", "globex").get("/configure/agents")
    assert "No agents yet" in page.text
    assert "/configure/agents/import" in page.links
    assert "No agents yet" in house.user("IT_USER", "globex").get("/configure/agents").text


def test_deactivating_says_the_numbers_then_does_it(house: House) -> None:
    admin, ids = house.user("SYSADMIN"), [id_of(house, "manager"), id_of(house, "it_user")]
    manager = house.user("MANAGER")
    admin.get("/configure/users")
    asked = admin.post("/configure/users/chosen", act="deactivate", ids=ids)
    assert (asked.status, active(house, "manager")) == (200, True)
    assert "Deactivate 2 users?" in asked.text
    assert "1 session ends now" in asked.text
    done = admin.post("/configure/users/chosen", act="deactivate", ids=ids, is_confirmed="y")
    assert (done.status, active(house, "manager"), active(house, "it_user")) == (303, False, False)
    assert "2 users deactivated." in admin.get(done.location).text
    assert manager.get("/").status == 303
    with house.app.app_context():
        ended = db.session.scalars(
            select(PersonSession.end_reason).where(PersonSession.account_id == ids[0])
        ).all()
    assert ended == ["account deactivated"]
    told = [(e.subject, e.before, e.after) for e in house.audited("acme") if e.action == "account.changed"]
    assert told == [
        ("manager (portal)", {"active": True}, {"active": False}),
        ("it_user (portal)", {"active": True}, {"active": False}),
    ]


def test_nobody_deactivates_themselves_or_whom_they_do_not_reach(house: House) -> None:
    admin = house.user("SYSADMIN")
    admin.get("/configure/users")
    ids = [id_of(house, "manager"), id_of(house, "sysadmin")]
    refused = admin.post("/configure/users/chosen", act="deactivate", ids=ids, is_confirmed="y")
    assert refused.status == 422
    assert "You cannot deactivate yourself" in refused.text
    assert active(house, "manager")  # all or none
    superuser = house.user("SUPERUSER")
    superuser.get("/configure/users")
    done = superuser.post(
        "/configure/users/chosen",
        act="deactivate",
        ids=[id_of(house, "sysadmin"), id_of(house, "manager", "globex")],
        is_confirmed="y",
    )
    assert "0 users deactivated" in superuser.get(done.location).text
    assert active(house, "sysadmin")
    auditor = house.user("CLIENT_AUDITOR")
    auditor.get("/configure/users")
    assert auditor.post("/configure/users/chosen", act="deactivate", ids=ids, is_confirmed="y").status == 403


def test_unlocking(house: House) -> None:
    house.add_account("acme", "agent", "locked", locked_until=house.now + timedelta(minutes=15))
    manager = house.user("MANAGER")
    assert names(manager.get("/configure/agents?status=locked")) == ["locked"]
    asked = manager.post("/configure/agents/chosen", act="unlock", ids=[id_of(house, "locked")])
    assert "Unlock 1 agent?" in asked.text
    manager.post("/configure/agents/chosen", act="unlock", ids=[id_of(house, "locked")], is_confirmed="y")
    assert names(manager.get("/configure/agents?status=locked")) == []


@pytest.mark.parametrize("ids", [[], ["x"], ["-1"], ["99999999999999999999"], ["\x00"]])
def test_nothing_chosen_is_said(house: House, ids: list[str]) -> None:
    admin = house.user("SYSADMIN")
    admin.get("/configure/users")
    page = admin.post("/configure/users/chosen", act="deactivate", ids=ids)
    assert page.status == 303
    assert "Choose at least one user first." in admin.get(page.location).text


def test_a_stale_form_does_nothing(house: House) -> None:
    admin, chosen = house.user("SYSADMIN"), [id_of(house, "manager")]
    page = admin.post(
        "/configure/users/chosen", csrf_token="x", act="deactivate", ids=chosen, is_confirmed="y"
    )
    assert page.status == 422
    assert active(house, "manager")


def sso_only(house: House) -> set[str]:
    with house.app.app_context():
        return set(db.session.scalars(select(Account.login_name).where(Account.sso_only.is_(True))))


def test_chosen_people_can_be_made_single_sign_on_only_and_back(house: House) -> None:
    manager, who = house.user("MANAGER"), [id_of(house, "desk_114")]
    manager.get("/configure/agents")

    asked = manager.post("/configure/agents/chosen", act="require", ids=who)
    assert "Require single sign-on of 1 agent?" in asked.text
    assert sso_only(house) == set()
    manager.post("/configure/agents/chosen", act="require", ids=who, is_confirmed="y")

    assert sso_only(house) == {"desk_114"}
    assert house.audited("acme")[-1].after == {"sso_only": True}
    assert "desk_114" in manager.get("/configure/agents?status=provider").text
    nothing = manager.post("/configure/agents/chosen", act="require", ids=who)
    assert "All of the chosen are single sign-on only already." in nothing.text

    manager.post("/configure/agents/chosen", act="allow", ids=who, is_confirmed="y")
    assert sso_only(house) == set()
    assert "desk_114" not in manager.get("/configure/agents?status=provider").html.split("<tbody>")[-1]


@pytest.mark.parametrize(("rule", "is_ended"), [("allowed", False), ("chosen", True)])
def test_their_password_sessions_end_where_the_rule_is_in_force(
    house: House, rule: str, is_ended: bool
) -> None:
    agent = house.signed_in_agent()
    with house.app.app_context(), writing(db.session()) as session:
        session.execute(update(Connection).values(agent_passwords=rule))

    admin = house.user("SYSADMIN")
    admin.get("/configure/agents")
    done = admin.post(
        "/configure/agents/chosen", act="require", ids=[id_of(house, "desk_114")], is_confirmed="y"
    )

    assert done.status == 303
    assert sso_only(house) == {"desk_114"}
    assert (agent.get("/").status == 303) is is_ended


def test_nobody_is_locked_out_by_single_sign_on_only(house: House) -> None:
    """With no emergency account and nobody seen through the provider, passwords are the only way."""
    with house.app.app_context(), writing(db.session()) as session:
        session.execute(update(Connection).values(portal_passwords="chosen"))
    visitor, both = house.user("SYSADMIN"), [id_of(house, "sysadmin"), id_of(house, "superuser")]
    visitor.get("/configure/users")

    refused = visitor.post("/configure/users/chosen", act="require", ids=both, is_confirmed="y")
    assert "After this change no administrator could sign in." in refused.text
    assert sso_only(house) == set()

    done = visitor.post("/configure/users/chosen", act="require", ids=both[1:], is_confirmed="y")
    assert done.status == 303
    assert sso_only(house) == {"superuser"}
