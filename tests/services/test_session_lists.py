"""Live sessions: who sees them, and how they are ended from outside."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lvportal.errors import PageNotFound
from lvportal.models import Account, AuditEvent, PersonSession, Tenant
from lvportal.services import audit, session_lists, sessions
from lvportal.services.session_lists import Scope, Wanted
from lvportal.services.transactions import writing
from tests.services.conftest import NOW, World
from tests.services.test_sessions import change_email, deactivate, disconnect, turn_feature_off

IDLE = {"portal": 600, "agent": 1200}
BY = audit.Actor("Chief", 1, address="192.0.2.9")


def scope(tenant: Tenant, role: str | None = "SYSADMIN", now: datetime = NOW) -> Scope:
    return session_lists.scope_of(role, tenant_id=tenant.id, idle_seconds=IDLE, longest_seconds=3600, now=now)


def open_for(world: World, account: Account, *, at: datetime = NOW, **values: Any) -> str:
    with writing(world.session):
        return sessions.open_session(
            world.session,
            sessions.NewSession(
                tenant_id=account.tenant_id,
                audience=account.audience,
                account_id=account.id,
                email=account.folded_email or "",
                **({"method": "password", "address": "192.0.2.1", "device": "a browser"} | values),
            ),
            absolute_seconds=3600,
            now=at,
        ).handle


def logins(world: World, seen: Scope, wanted: Wanted | None = None) -> list[str]:
    rows, total = session_lists.search(world.session, seen, wanted or Wanted(), limit=50)
    assert total == len(rows)
    return [row.login_name for row in rows]


@pytest.fixture
def acme(world: World) -> Tenant:
    return world.client("acme")


@pytest.mark.parametrize("act", [deactivate, change_email, disconnect, turn_feature_off])
def test_what_ends_a_session_takes_it_off_the_list(world: World, acme: Tenant, act: Any) -> None:
    world.agent(acme, "desk_1", "desk@acme.example")
    world.finish(world.arrival())
    assert logins(world, scope(acme)) == ["desk_1"]

    with writing(world.session):
        act(world)

    assert logins(world, scope(acme)) == []


@pytest.mark.parametrize(
    ("audience", "seconds", "is_listed"),
    [("portal", 599, True), ("portal", 600, False), ("agent", 1199, True), ("agent", 1200, False)],
)
def test_an_idle_session_is_over(
    world: World, acme: Tenant, audience: str, seconds: int, is_listed: bool
) -> None:
    person = (world.user if audience == "portal" else world.agent)(acme, "one", "one@acme.example")
    open_for(world, person)

    listed = logins(world, scope(acme, now=NOW + timedelta(seconds=seconds)))

    assert listed == (["one"] if is_listed else [])


def test_a_manager_sees_agents_alone_and_a_superuser_no_sysadmin(world: World, acme: Tenant) -> None:
    for person in (
        world.user(acme, "chief", "chief@acme.example"),
        world.account(acme, "portal", "lead", "lead@acme.example", role="MANAGER"),
        world.agent(acme, "desk", "desk@acme.example"),
    ):
        open_for(world, person)

    assert sorted(logins(world, scope(acme))) == ["chief", "desk", "lead"]
    assert sorted(logins(world, scope(acme, "SUPERUSER"))) == ["desk", "lead"]
    assert logins(world, scope(acme, "MANAGER")) == ["desk"]


def test_another_client_s_sessions_are_in_no_list(world: World, acme: Tenant) -> None:
    globex = world.client("globex", live=False)
    open_for(world, world.agent(globex, "theirs", "t@globex.example"))

    assert logins(world, scope(acme)) == []
    assert logins(world, scope(globex)) == ["theirs"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(text="DESK"), ["desk"]),
        (Wanted(text="chief@acme"), ["chief"]),
        (Wanted(text="ann other"), ["chief"]),
        (Wanted(text="_"), []),
        (Wanted(audience="agent"), ["desk"]),
        (Wanted(method="emergency"), ["chief"]),
        (Wanted(sort="person"), ["chief", "desk"]),
        (Wanted(sort="-person"), ["desk", "chief"]),
        (Wanted(sort="started"), ["desk", "chief"]),
    ],
)
def test_a_list_is_filtered_and_ordered(
    world: World, acme: Tenant, wanted: Wanted, expected: list[str]
) -> None:
    desk = world.agent(acme, "desk", "d@acme.example")
    chief = world.user(acme, "chief", "chief@acme.example", first_name="Ann", last_name="Other")
    open_for(world, desk, at=NOW - timedelta(minutes=1))
    open_for(world, chief, method="emergency")

    assert logins(world, scope(acme), wanted) == expected


def test_an_ended_session_is_worth_nothing_and_says_by_whom(world: World, acme: Tenant) -> None:
    desk = world.agent(acme, "desk", "d@acme.example")
    handle = open_for(world, desk)
    (row,) = session_lists.of_account(world.session, scope(acme), desk.id)

    with writing(world.session):
        session_lists.end_one(world.session, scope(acme), row.session_id, by=BY)

    assert sessions.find(world.session, handle, audience="agent", idle_seconds=600, now=NOW) is None
    ended = session_lists.how_it_ended(world.session, handle, audience="agent")
    assert ended is not None
    assert ended.at == NOW
    assert ended.words == "An administrator of Acme ended your session."
    assert session_lists.how_it_ended(world.session, handle, audience="portal") is None


def test_a_live_session_did_not_end(world: World, acme: Tenant) -> None:
    handle = open_for(world, world.agent(acme, "desk", "d@acme.example"))

    assert session_lists.how_it_ended(world.session, handle, audience="agent") is None


@pytest.mark.parametrize(("role", "may"), [("SUPERUSER", False), ("MANAGER", False), ("SYSADMIN", True)])
def test_nobody_ends_a_session_that_they_do_not_see(world: World, acme: Tenant, role: str, may: bool) -> None:
    chief = world.user(acme, "chief", "chief@acme.example")
    handle = open_for(world, chief)
    session_id = world.session.scalars(select(PersonSession.id)).one()

    refused = False
    try:
        with writing(world.session):
            session_lists.end_one(world.session, scope(acme, role), session_id, by=BY)
    except PageNotFound:
        refused = True

    lives = sessions.find(world.session, handle, audience="portal", idle_seconds=600, now=NOW) is not None
    assert (refused, lives) == (not may, not may)


def test_all_sessions_of_one_person_end_and_nobody_else_s(world: World, acme: Tenant) -> None:
    desk, other = (world.agent(acme, name, f"{name}@acme.example") for name in ("desk", "other"))
    for person in (desk, desk, other):
        open_for(world, person)

    with writing(world.session):
        ended = session_lists.end_many(
            world.session, scope(acme), Wanted(account_id=desk.id), but=None, by=BY, subject="desk"
        )

    assert (ended.sessions, ended.people) == (2, 1)
    assert logins(world, scope(acme)) == ["other"]


def test_everybody_s_sessions_end_but_one(world: World, acme: Tenant) -> None:
    chief = world.user(acme, "chief", "chief@acme.example")
    open_for(world, chief)
    own = world.session.scalars(select(PersonSession.id)).one()
    open_for(world, chief)
    open_for(world, world.agent(acme, "desk", "d@acme.example"))

    with writing(world.session):
        ended = session_lists.end_many(world.session, scope(acme), Wanted(), but=own, by=BY)

    assert (ended.sessions, ended.people) == (2, 2)
    rows, _ = session_lists.search(world.session, scope(acme), Wanted(), limit=9)
    assert [row.session_id for row in rows] == [own]


def test_ending_is_audited_and_ending_nothing_is_not(world: World, acme: Tenant) -> None:
    desk = world.agent(acme, "desk", "d@acme.example")
    open_for(world, desk)

    for _ in range(2):
        with writing(world.session):
            session_lists.end_many(world.session, scope(acme), Wanted(), but=None, by=BY, subject="everybody")

    events = world.session.scalars(select(AuditEvent).where(AuditEvent.action == "session.ended_all")).all()
    assert [(event.actor, event.subject, event.after["sessions"]) for event in events] == [
        ("Chief", "everybody", 1)
    ]


def test_a_number_beyond_the_database_s_is_an_id_of_nothing(world: World, acme: Tenant) -> None:
    with pytest.raises(PageNotFound):
        session_lists.find(world.session, scope(acme), 10**30)
    with pytest.raises(PageNotFound):
        session_lists.name_of(world.session, scope(acme), 10**30)
