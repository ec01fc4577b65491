"""One user or agent: made, changed, unlocked and re-linked, by the rules about roles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from lvportal.extensions import db
from lvportal.models import Account, IdentityLink, PersonSession
from lvportal.services import audit
from lvportal.services.people import editing
from lvportal.services.people.lists import Viewer
from lvportal.services.people.values import UserValues
from lvportal.services.transactions import writing
from tests.support.house import House, Page, Visitor

NEW_AGENT = {
    "login_name": "desk_9", "email": "desk.9@acme.example", "first_name": "Desk", "last_name": "9",
    "agent_team": "Sales", "extension": "4711", "active": "y",
}  # fmt: skip
NEW_USER = {"login_name": "new.user", "email": "new@acme.example", "role": "MANAGER", "active": "y"}


def account(house: House, login: str, client: str = "acme") -> Account:
    with house.app.app_context():
        found = db.session.scalars(
            select(Account).where(Account.login_name == login, Account.tenant.has(code=client))
        ).one()
        db.session.expunge(found)
        return found


def path_of(house: House, login: str, client: str = "acme") -> str:
    found = account(house, login, client)
    return f"/configure/{'users' if found.audience == 'portal' else 'agents'}/{found.id}"


def save(visitor: Visitor, house: House, login: str, **changes: Any) -> Page:
    """Send the editor's form as its page shows it, with some fields changed; None leaves one out."""
    found = account(house, login)
    path = path_of(house, login)
    page = visitor.get(path)
    values: dict[str, Any] = {
        "login_name": found.login_name, "email": found.email or "", "first_name": found.first_name,
        "last_name": found.last_name, "active": "y" if found.active else None,
        "version": page.value("version"),
    }  # fmt: skip
    if found.audience == "portal":
        values["role"] = found.role
    else:
        values |= {"agent_team": found.agent_team, "extension": found.extension}
    values |= changes
    return visitor.post(path, **{name: value for name, value in values.items() if value is not None})


def link(house: House, login: str) -> None:
    found = account(house, login)
    with house.app.app_context(), writing(db.session()) as session:
        session.add(
            IdentityLink(
                tenant_id=found.tenant_id, audience=found.audience, account_id=found.id,
                issuer="https://login.acme.example", subject="00u1", linked_at=house.now,
            )
        )  # fmt: skip


def links(house: House) -> int:
    with house.app.app_context():
        return len(db.session.scalars(select(IdentityLink)).all())


def last_event(house: House) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    event = house.audited("acme")[-1]
    return event.action, event.subject, event.before, event.after


# --- Making ---------------------------------------------------------------------


def test_an_agent_is_made_and_audited(house: House) -> None:
    manager = house.user("MANAGER")
    assert "Agent Team" in manager.get("/configure/agents/new").text
    made = manager.post("/configure/agents/new", **NEW_AGENT)
    assert made.status == 303
    page = manager.get(made.location)
    assert "Agent desk_9 added." in page.text
    assert page.value("email") == "desk.9@acme.example"
    action, subject, before, after = last_event(house)
    assert (action, subject, before) == ("account.created", "desk_9 (agent)", {})
    assert (after["extension"], after["agent_team"], after["active"]) == ("4711", "Sales", True)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("login_name", "Desk 9", "1 to 20 of a-z"),
        ("login_name", "d" * 21, "1 to 20 of a-z"),
        ("login_name", "desk_114", "This name is taken"),
        ("login_name", "a\x00b", "invisible characters"),
        ("email", "nonsense", "Enter an address such as"),
        ("email", "DESK.114@acme.example", "Another active account has this email"),
        ("email", "a@acme.example\x00", "invisible characters"),
        ("extension", "12", "3 to 7 digits"),
        ("extension", "٣٤٥", "3 to 7 digits"),
        ("first_name", "x" * 81, "At most 80 characters"),
    ],
)
def test_a_wrong_field_comes_back_named(house: House, field: str, value: str, sentence: str) -> None:
    manager = house.user("MANAGER")
    manager.get("/configure/agents/new")
    page = manager.post("/configure/agents/new", **(NEW_AGENT | {field: value}))
    assert page.status == 422
    assert sentence in page.text
    assert page.title.startswith("Error: ")
    assert page.value("agent_team") == "Sales"  # the input is kept
    # The same with that one field right.
    assert manager.post("/configure/agents/new", **NEW_AGENT).status == 303


@pytest.mark.parametrize(
    ("actor", "role", "status"),
    [
        ("SYSADMIN", "SYSADMIN", 303),
        ("SYSADMIN", "CARE", 422),
        ("SUPERUSER", "SYSADMIN", 422),
        ("SUPERUSER", "SUPERUSER", 303),
        ("SUPERUSER", "nonsense", 422),
        ("MANAGER", "MANAGER", 403),
        ("IT_USER", "MANAGER", 403),
        ("CLIENT_AUDITOR", "MANAGER", 403),
    ],
)
def test_who_gives_which_role(house: House, actor: str, role: str, status: int) -> None:
    visitor = house.user(actor)
    visitor.get("/profile")
    visitor.get("/configure/users/new")
    assert visitor.post("/configure/users/new", **(NEW_USER | {"role": role})).status == status


def test_a_superuser_is_not_offered_sysadmin(house: House) -> None:
    assert '"SYSADMIN"' not in house.user("SUPERUSER").get("/configure/users/new").html
    assert '"SYSADMIN"' in house.user("SYSADMIN").get("/configure/users/new").html


@pytest.mark.parametrize(("actor", "status"), [("MANAGER", 303), ("IT_USER", 403), ("CLIENT_AUDITOR", 403)])
def test_who_makes_agents(house: House, actor: str, status: int) -> None:
    visitor = house.user(actor)
    visitor.get("/configure/agents/new")
    visitor.get("/profile")
    if status == 303:
        visitor.get("/configure/agents/new")
    assert visitor.post("/configure/agents/new", **NEW_AGENT).status == status


# --- Looking ----------------------------------------------------------------------


def test_a_superuser_finds_no_sysadmin_by_id(house: House) -> None:
    path = path_of(house, "sysadmin")
    superuser, admin = house.user("SUPERUSER"), house.user("SYSADMIN")
    assert superuser.get(path).status == 404
    superuser.get(path_of(house, "manager"))
    assert superuser.post(path, login_name="x").status == 404
    assert superuser.post(f"{path}/unlock").status == 404
    assert superuser.post(f"{path}/relink").status == 404
    assert admin.get(path).status == 200


def test_an_id_of_another_client_or_kind_is_not_found(house: House) -> None:
    admin = house.user("SYSADMIN")
    assert admin.get(path_of(house, "manager", "globex")).status == 404
    assert admin.get(path_of(house, "desk_114").replace("agents", "users")).status == 404
    assert admin.get("/configure/users/99999999999").status == 404
    assert admin.get("/configure/users/0").status == 404
    assert admin.get(path_of(house, "desk_114")).status == 200


def test_readers_see_values_as_text(house: House) -> None:
    for role in ("IT_USER", "CLIENT_AUDITOR"):
        page = house.user(role).get(path_of(house, "desk_114"))
        assert "desk.114@acme.example" in page.text
        assert 'name="email"' not in page.html
        assert "Save agent" not in page.text
    assert 'name="email"' in house.user("MANAGER").get(path_of(house, "desk_114")).html


def test_the_page_says_whether_the_person_can_sign_in(house: House) -> None:
    admin = house.user("SYSADMIN")
    house.add_account("acme", "agent", "no_mail", password_hash=None)
    assert "Can sign in now: through Okta and with a password." in admin.get(path_of(house, "desk_114")).text
    page = admin.get(path_of(house, "no_mail"))
    assert "Can sign in now: no, because:" in page.text
    assert "There is no email to match with Okta." in page.text
    assert "The account has no password." in page.text


def test_last_sign_ins_and_sessions_are_shown(house: House) -> None:
    house.signed_in_agent()
    page = house.user("SYSADMIN").get(path_of(house, "desk_114"))
    assert "1 session" in page.text
    assert "Signed in" in page.text
    assert any(link.startswith("/monitor/sign-ins/") for link in page.links)
    assert not any(
        link.startswith("/monitor/sign-ins/")
        for link in house.user("MANAGER").get(path_of(house, "desk_114")).links
    )


# --- Changing ---------------------------------------------------------------------


def test_a_change_is_saved_and_audited_with_before_and_after(house: House) -> None:
    manager = house.user("MANAGER")
    saved = save(manager, house, "desk_114", agent_team="Claims", extension="555")
    assert saved.status == 303
    assert last_event(house) == (
        "account.changed",
        "desk_114 (agent)",
        {"agent_team": "Renewals", "extension": "41140"},
        {"agent_team": "Claims", "extension": "555"},
    )


def test_saving_nothing_changes_nothing(house: House) -> None:
    before = len(house.audited("acme"))
    assert save(house.user("MANAGER"), house, "desk_114").status == 303
    assert len(house.audited("acme")) == before


def test_a_changed_email_asks_first_then_ends_sessions_and_the_link(house: House) -> None:
    agent = house.signed_in_agent()
    link(house, "desk_114")
    manager = house.user("MANAGER")
    asked = save(manager, house, "desk_114", email="other@acme.example")
    assert asked.status == 200
    assert "1 session ends now" in asked.text
    assert "link to the provider’s identity is dropped" in asked.text
    assert (account(house, "desk_114").email, links(house)) == ("desk.114@acme.example", 1)
    done = save(manager, house, "desk_114", email="Other@acme.example", is_confirmed="y")
    assert done.status == 303
    assert "1 session ended." in manager.get(done.location).text
    changed = account(house, "desk_114")
    assert (changed.email, changed.folded_email) == ("Other@acme.example", "other@acme.example")
    assert links(house) == 0
    assert agent.get("/").status == 303
    with house.app.app_context():
        reasons = db.session.scalars(
            select(PersonSession.end_reason).where(PersonSession.account_id == changed.id)
        ).all()
    assert reasons == ["email changed"]
    _, _, before, after = last_event(house)
    assert before == {"email": "desk.114@acme.example"}
    assert after == {"email": "Other@acme.example", "sessions_ended": 1, "links_dropped": 1}


def test_a_first_email_asks_nothing(house: House) -> None:
    house.add_account("acme", "agent", "no_mail")
    assert save(house.user("MANAGER"), house, "no_mail", email="new@acme.example").status == 303


def test_two_editors_meet(house: House) -> None:
    manager, admin = house.user("MANAGER"), house.user("SYSADMIN")
    path = path_of(house, "desk_114")
    version = manager.get(path).value("version")
    assert save(admin, house, "desk_114", agent_team="Claims").status == 303
    stale = save(manager, house, "desk_114", agent_team="Sales", version=version)
    assert stale.status == 409
    assert "Somebody else changed this meanwhile" in stale.text
    assert "Sales" in stale.text
    assert "Claims" in stale.text
    assert account(house, "desk_114").agent_team == "Claims"
    # Having seen both, the editor decides.
    assert save(manager, house, "desk_114", agent_team="Sales", version=stale.value("version")).status == 303
    assert account(house, "desk_114").agent_team == "Sales"


def test_nobody_changes_their_own_role_or_switches_themselves_off(house: House) -> None:
    house.add_account("acme", "portal", "second", role="SYSADMIN", email="second@acme.example")
    admin = house.user("SYSADMIN")
    refused = save(admin, house, "sysadmin", role="MANAGER")
    assert (refused.status, "You cannot change your own role" in refused.text) == (422, True)
    refused = save(admin, house, "sysadmin", active=None)
    assert (refused.status, "You cannot deactivate yourself" in refused.text) == (422, True)
    superuser = house.user("SUPERUSER")
    assert save(superuser, house, "superuser", role="SYSADMIN").status == 422
    assert account(house, "superuser").role == "SUPERUSER"
    # Another administrator can, while one stays.
    assert save(admin, house, "second", role="MANAGER").status == 303
    assert account(house, "second").role == "MANAGER"


def test_the_last_sysadmin_stays(house: House) -> None:
    """One administrator acts while another switches them off: the page alone cannot know."""
    house.add_account("acme", "portal", "second", role="SYSADMIN", email="second@acme.example")
    mine, other = account(house, "sysadmin"), account(house, "second")
    viewer = Viewer(mine.tenant_id, mine.id, "SYSADMIN")
    with house.app.app_context():
        set_active(mine.id, False)
        with pytest.raises(editing.LastSysadmin), writing(db.session()) as session:
            editing.deactivate(session, viewer, "portal", [other.id], by=audit.COMMAND_LINE, now=house.now)
        values = UserValues("second", "second@acme.example", "", "", "MANAGER")
        with pytest.raises(editing.LastSysadmin), writing(db.session()) as session:
            editing.change(
                session, viewer, "portal", other.id, values, version=editing.version_of(other),
                is_confirmed=False, by=audit.COMMAND_LINE, now=house.now,
            )  # fmt: skip
        set_active(mine.id, True)
        with writing(db.session()) as session:
            done = editing.deactivate(
                session, viewer, "portal", [other.id], by=audit.COMMAND_LINE, now=house.now
            )
    assert done == 1


def set_active(account_id: int, active: bool) -> None:
    with writing(db.session()) as session:
        session.execute(update(Account).where(Account.id == account_id).values(active=active))


def test_an_emergency_account_is_ended_under_security_first(house: House) -> None:
    house.add_account(
        "acme", "portal", "way.back", role="SUPERUSER", email="back@acme.example", is_emergency=True
    )
    admin = house.user("SYSADMIN")
    refused = save(admin, house, "way.back", active=None)
    assert (refused.status, "This is an emergency account" in refused.text) == (422, True)
    assert save(admin, house, "way.back", first_name="Way").status == 303


def test_deactivating_in_the_editor_ends_sessions_for_good(house: House) -> None:
    agent, manager = house.signed_in_agent(), house.user("MANAGER")
    assert save(manager, house, "desk_114", active=None).status == 303
    assert save(manager, house, "desk_114", active="y").status == 303
    assert agent.get("/").status == 303  # switched on again, and the old session is still over


def test_unlock_and_relink(house: House) -> None:
    house.add_account(
        "acme", "agent", "locked", email="l@acme.example", locked_until=house.now + timedelta(minutes=15)
    )
    manager = house.user("MANAGER")
    page = manager.get(path_of(house, "locked"))
    assert "Locked until" in page.text
    done = manager.post(f"{path_of(house, 'locked')}/unlock")
    assert "locked unlocked." in manager.get(done.location).text
    assert account(house, "locked").locked_until is None
    link(house, "desk_114")
    assert "00u1" in manager.get(path_of(house, "desk_114")).text
    done = manager.post(f"{path_of(house, 'desk_114')}/relink")
    assert (done.status, links(house)) == (303, 0)
    assert last_event(house)[2:] == ({"issuer": "https://login.acme.example"}, {"issuer": None})
    # A second time nothing is left to drop, and nothing is written.
    before = len(house.audited("acme"))
    assert manager.post(f"{path_of(house, 'desk_114')}/relink").status == 303
    assert len(house.audited("acme")) == before


def test_a_stale_page_comes_back_filled_in(house: House) -> None:
    manager = house.user("MANAGER")
    page = save(manager, house, "desk_114", agent_team="Claims", csrf_token="x")
    assert page.status == 422
    assert page.value("agent_team") == "Claims"
    assert account(house, "desk_114").agent_team == "Renewals"
    assert manager.post(f"{path_of(house, 'desk_114')}/relink", csrf_token="x").status == 422


def test_changing_ones_own_email_signs_one_out(house: House) -> None:
    admin = house.user("SYSADMIN")
    asked = save(admin, house, "sysadmin", email="boss@acme.example")
    assert "yours among them" in asked.text
    done = save(admin, house, "sysadmin", email="boss@acme.example", is_confirmed="y")
    assert (done.status, done.location) == (303, "/")
    assert admin.get("/").location == "/signed-out"
    assert "The email of your account was changed, so your sessions ended." in admin.get("/signed-out").text
    assert admin.get("/configure/users").status == 303
