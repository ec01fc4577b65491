"""Monitor > Sessions, one's own sessions on the profile, and what an ended session says."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from lvportal.extensions import db
from lvportal.models import PersonSession
from lvportal.models.accounts import Account
from tests.support.house import House, Visitor

PATH = "/monitor/sessions"


def session_of(house: House, login_name: str, client: str = "acme") -> int:
    """Return the id of the person's newest session."""
    with house.app.app_context():
        found = db.session.scalars(
            select(PersonSession.id)
            .join(Account, Account.id == PersonSession.account_id)
            .where(Account.login_name == login_name, Account.email.endswith(f"@{client}.example"))
            .order_by(PersonSession.id.desc())
        ).first()
        assert found is not None
        return found


def is_in(visitor: Visitor) -> bool:
    return visitor.get("/profile").status == 200


# --- The list -----------------------------------------------------------------------


def test_everybody_who_is_signed_in_stands_in_the_list(house: House) -> None:
    house.signed_in_agent()
    house.user("SYSADMIN", "globex")

    page = house.user("SYSADMIN").get(PATH)

    assert "Desk 114" in page.text
    assert "2 sessions" in page.text
    assert "globex" not in page.text
    assert "This one" in page.text


def test_a_manager_sees_agents_alone(house: House) -> None:
    house.signed_in_agent()
    house.user("SYSADMIN")

    page = house.user("MANAGER").get(PATH)

    main = page.html.partition("<main")[2]
    assert "desk_114" in main
    assert "sysadmin" not in main
    assert "1 session" in page.text
    assert 'name="host"' not in page.html


def test_a_superuser_sees_no_sysadmin(house: House) -> None:
    house.user("SYSADMIN")

    visitor = house.user("SUPERUSER")

    assert "sysadmin" not in visitor.get(PATH).html.partition("<main")[2]
    assert "sysadmin" not in visitor.get(f"{PATH}.csv").html
    assert "superuser" in visitor.get(f"{PATH}.csv").html


@pytest.mark.parametrize(
    ("role", "can_end"),
    [
        ("SYSADMIN", True),
        ("SUPERUSER", True),
        ("MANAGER", True),
        ("IT_USER", False),
        ("CLIENT_AUDITOR", False),
    ],
)
def test_who_may_end_sessions(house: House, role: str, can_end: bool) -> None:
    agent = house.signed_in_agent()
    visitor = house.user(role)
    page = visitor.get(PATH)

    assert (f"{PATH}/end" in page.links) is can_end
    visitor.get("/profile")
    ended = visitor.post(f"{PATH}/{session_of(house, 'desk_114')}/end")
    assert ended.status == (303 if can_end else 403)
    assert is_in(agent) is not can_end


@pytest.mark.parametrize(
    "query", ["q=%00", "page=99999999999999999999", "sort=nothing", "sort=-seen", "host=x&how=y", "q=%25"]
)
def test_a_strange_address_is_answered_plainly(house: House, query: str) -> None:
    assert house.user("SYSADMIN").get(f"{PATH}?{query}").status == 200


# --- Ending -------------------------------------------------------------------------


def test_an_ended_session_is_over_at_its_next_request_and_says_by_whom(house: House) -> None:
    agent, visitor = house.signed_in_agent(), house.user("SYSADMIN")
    visitor.get(PATH)

    page = visitor.post(f"{PATH}/{session_of(house, 'desk_114')}/end")

    assert (page.status, page.location) == (303, PATH)
    assert "The session of Desk 114 has ended." in visitor.get(PATH).text
    assert agent.get("/").location == "/signed-out"
    assert "An administrator of Acme ended your session." in agent.get("/signed-out").text
    assert "An administrator" not in agent.get("/signed-out").text
    assert agent.get("/").location == "/sign-in"
    event = house.audited("acme")[-1]
    assert (event.action, event.subject) == ("session.ended", "desk_114 (agent)")


def test_signing_out_oneself_names_nobody(house: House) -> None:
    agent = house.signed_in_agent()
    agent.get("/profile")

    agent.post("/sign-out")

    assert "ended" not in agent.get("/signed-out").text
    assert agent.get("/").location == "/sign-in"


def test_a_manager_ends_no_user_s_session(house: House) -> None:
    chief, visitor = house.user("SYSADMIN"), house.user("MANAGER")
    visitor.get(PATH)

    page = visitor.post(f"{PATH}/{session_of(house, 'sysadmin')}/end")

    assert page.status == 404
    assert is_in(chief)


def test_a_person_s_sessions_are_asked_about_with_their_number(house: House) -> None:
    agents = [house.signed_in_agent() for _ in range(3)]
    visitor = house.user("SYSADMIN")
    asked = next(link for link in visitor.get(PATH).links if "account=" in link)

    page = visitor.get(asked)
    done = visitor.post(f"{PATH}/end", account=page.value("account"))

    assert "End all sessions of desk_114?" in page.text
    assert "End 3 sessions" in page.text
    assert done.status == 303
    assert not any(is_in(agent) for agent in agents)
    assert "3 sessions have ended." in visitor.get(PATH).text


@pytest.mark.parametrize("with_own", [False, True])
def test_all_sessions_end_and_one_s_own_only_when_asked_for(house: House, with_own: bool) -> None:
    agent, other, visitor = house.signed_in_agent(), house.user("IT_USER"), house.user("SYSADMIN")
    globex = house.user("SYSADMIN", "globex")

    page = visitor.get(f"{PATH}/end")
    done = visitor.post(f"{PATH}/end", account="", **({"with_own": "y"} if with_own else {}))

    assert "2 sessions of 2 people end at the next request." in page.text
    assert "End 2 sessions" in page.text
    assert done.location == ("/signed-out" if with_own else PATH)
    assert [is_in(one) for one in (agent, other, visitor, globex)] == [False, False, not with_own, True]
    event = house.audited("acme")[-1]
    assert (event.action, event.subject) == ("session.ended_all", "everybody")
    assert event.after["sessions"] == (3 if with_own else 2)


def test_a_manager_ends_all_agents_and_no_user(house: House) -> None:
    agent, chief, visitor = house.signed_in_agent(), house.user("SYSADMIN"), house.user("MANAGER")

    page = visitor.get(f"{PATH}/end")
    visitor.post(f"{PATH}/end", account="")

    assert "End 1 session" in page.text
    assert 'name="with_own"' not in page.html
    assert [is_in(one) for one in (agent, chief, visitor)] == [False, True, True]


def test_a_stale_form_ends_nothing_and_comes_back(house: House) -> None:
    agent, visitor = house.signed_in_agent(), house.user("SYSADMIN")
    visitor.get(f"{PATH}/end")

    page = visitor.post(f"{PATH}/end", csrf_token="stale", account="")

    assert page.status == 422
    assert "End 1 session" in page.text
    assert is_in(agent)


@pytest.mark.parametrize("account", ["99999", "-1", "x", "9" * 40, "%00"])
def test_sessions_of_nobody_are_a_404(house: House, account: str) -> None:
    visitor = house.user("SYSADMIN")

    assert visitor.get(f"{PATH}/end?account={account}").status == 404
    visitor.get(PATH)
    assert visitor.post(f"{PATH}/end", account=account).status == 404


# --- One's own ----------------------------------------------------------------------


def test_a_person_sees_their_own_sessions_alone(house: House) -> None:
    first, other = house.signed_in_agent(), house.signed_in_agent()
    house.user("SYSADMIN")

    page = first.get("/profile")

    assert page.text.count("This one") == 1
    assert "End 1 other" in page.text
    assert is_in(other)


def test_one_of_one_s_own_is_ended(house: House) -> None:
    old, here = house.signed_in_agent(), house.signed_in_agent()
    here.get("/profile")
    with house.app.app_context():
        ids = db.session.scalars(select(PersonSession.id).order_by(PersonSession.id)).all()

    page = here.post(f"/profile/sessions/{ids[0]}/end")

    assert page.location == "/profile#sessions"
    assert old.get("/").location == "/signed-out"
    assert "You ended this session from another browser." in old.get("/signed-out").text
    assert is_in(here)


def test_others_end_and_this_one_stays(house: House) -> None:
    others, here = [house.user("IT_USER") for _ in range(2)], house.user("IT_USER")
    stranger = house.user("SYSADMIN")
    here.get("/profile")

    here.post("/profile/sessions/end-others")

    assert "2 other sessions have ended." in here.get("/profile").text
    assert [is_in(one) for one in (*others, stranger)] == [False, False, True]


def test_nobody_ends_a_colleague_s_session_from_the_profile(house: House) -> None:
    chief, visitor = house.user("SYSADMIN"), house.user("IT_USER")
    visitor.get("/profile")

    page = visitor.post(f"/profile/sessions/{session_of(house, 'sysadmin')}/end")

    assert page.status == 404
    assert is_in(chief)


def test_ending_this_one_is_signing_out(house: House) -> None:
    visitor = house.user("IT_USER")
    visitor.get("/profile")

    page = visitor.post(f"/profile/sessions/{session_of(house, 'it_user')}/end")

    assert page.location == "/signed-out"
    assert not is_in(visitor)
