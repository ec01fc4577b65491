"""Passwords refused: who still enters, what ends, and how the rule undoes itself unless proven."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lvportal.errors import PasswordRefused
from lvportal.models import Account, AuditEvent, IdentityLink, PersonSession, Tenant
from lvportal.services import (
    audit,
    billing,
    connection_setup,
    connections,
    enforcement,
    local_sign_in,
    sessions,
)
from lvportal.services.enforcement import (
    Administrator,
    NotRehearsed,
    NotSigningIn,
    NoWayBack,
    Rules,
    State,
    ways_in,
)
from lvportal.services.local_sign_in import SingleSignOnRequired
from lvportal.services.passwords import PasswordChecker, hash_password
from lvportal.services.sign_in_records import Visitor
from lvportal.services.transactions import writing
from tests.services.conftest import ISSUER, NOW, World

CHECKER = PasswordChecker(2)
HASH = hash_password("right horse")
LATER = NOW + timedelta(minutes=enforcement.SAFETY_MINUTES)
REFUSED = Rules("refused", "refused")


def password(world: World, login_name: str, audience: str = "portal", now: datetime = NOW) -> sessions.Opened:
    return local_sign_in.sign_in(
        world.session, CHECKER, client_code="acme", login_name=login_name, password="right horse",
        audience=audience, visitor=Visitor("192.0.2.1", "a browser"), absolute_seconds=36000, now=now,
    )  # fmt: skip


def is_live(world: World, opened: sessions.Opened, now: datetime = NOW, audience: str = "portal") -> bool:
    world.session.rollback()
    found = sessions.find(world.session, opened.handle, audience=audience, idle_seconds=36000, now=now)
    return found is not None


def link(world: World, account: Account) -> None:
    with writing(world.session):
        world.session.add(
            IdentityLink(
                tenant_id=account.tenant_id, audience=account.audience, account_id=account.id,
                issuer=ISSUER, subject=f"00u{account.id}", linked_at=NOW,
            )
        )  # fmt: skip


def through_provider(world: World, account: Account, now: datetime) -> None:
    connection = connections.of_tenant(world.session, account.tenant_id)
    assert connection is not None
    new = sessions.NewSession(
        account.tenant_id, account.audience, account.id, account.folded_email or "", "sso",
        "192.0.2.1", "a browser", connection_id=connection.id,
    )  # fmt: skip
    with writing(world.session):
        sessions.open_session(world.session, new, absolute_seconds=36000, now=now)


def refuse(world: World, acme: Tenant, wanted: Rules = REFUSED, **changes: Any) -> Rules:
    values: dict[str, Any] = {"by": audit.COMMAND_LINE, "now": NOW}
    return enforcement.set_rules(world.session, acme.id, wanted, **(values | changes))


def rehearse(world: World, acme: Tenant, at: datetime = NOW) -> None:
    """Let the client have an emergency account that was rehearsed."""
    name = Account.folded_login_name == "way_back"
    account = world.session.scalars(select(Account).where(Account.tenant_id == acme.id, name)).one_or_none()
    account = account or world.user(acme, "way_back", None, password_hash=HASH, is_emergency=True)
    with writing(world.session):
        account = world.session.get_one(Account, account.id)
        account.totp_confirmed_at = account.rehearsed_at = at


def administrator(world: World, acme: Tenant, login: str = "root", **values: Any) -> Account:
    account = world.user(acme, login, f"{login}@acme.example", password_hash=HASH, **values)
    link(world, account)
    rehearse(world, acme)
    return account


# --- Who can enter: a pure question ---------------------------------------------------


@pytest.mark.parametrize(
    "signs_in, passwords, person, expected",
    [
        (True, "allowed", {"has_password": True}, {"password"}),
        (True, "refused", {"has_password": True}, set()),
        (False, "refused", {"has_password": True}, {"password"}),
        (True, "chosen", {"has_password": True}, {"password"}),
        (True, "chosen", {"has_password": True, "sso_only": True}, set()),
        (True, "refused", {"has_email": True, "is_linked": True}, {"sso"}),
        (True, "refused", {"has_email": True}, set()),
        (True, "refused", {"is_linked": True}, set()),
        (False, "allowed", {"has_email": True, "is_linked": True}, set()),
        (True, "refused", {"has_password": True, "is_emergency": True}, {"emergency"}),
        (True, "refused", {"is_emergency": True}, set()),
        (False, "allowed", {"has_password": True, "is_named": True}, set()),
        (True, "allowed", {"has_password": True, "active": False}, set()),
    ],
)
def test_the_ways_in(signs_in: bool, passwords: str, person: dict[str, bool], expected: set[str]) -> None:
    found = ways_in(State(signs_in, passwords, (Administrator(1, **person),)))

    assert found == {(1, way) for way in expected}


# --- Refusing passwords ---------------------------------------------------------------


def test_passwords_are_refused_before_any_account_is_looked_up(world: World) -> None:
    acme = world.client("acme")
    administrator(world, acme)
    password(world, "root")

    refuse(world, acme)

    for name in ("root", "nobody"):
        with pytest.raises(SingleSignOnRequired):
            password(world, name)


def test_one_host_alone_can_require_single_sign_on(world: World) -> None:
    acme = world.client("acme")
    administrator(world, acme)
    world.agent(acme, "desk_1", "desk@acme.example", password_hash=HASH)

    refuse(world, acme, Rules("allowed", "refused"))

    assert password(world, "root").login_id
    with pytest.raises(SingleSignOnRequired):
        password(world, "desk_1", "agent")


def test_chosen_people_alone_lose_their_password(world: World) -> None:
    acme = world.client("acme")
    administrator(world, acme)
    administrator(world, acme, "pilot", sso_only=True)

    refuse(world, acme, Rules("chosen", "allowed"))

    assert password(world, "root").login_id
    with pytest.raises(PasswordRefused):
        password(world, "pilot")


def test_password_sessions_end_but_for_emergency_accounts_and_who_made_the_change(world: World) -> None:
    acme, globex = world.client("acme"), world.client("globex")
    root = administrator(world, acme)
    for name in ("other", "rescue"):
        administrator(world, acme, name)
    world.user(globex, "root", None, password_hash=HASH)
    opened = {name: password(world, name) for name in ("root", "other", "rescue")}
    with writing(world.session):
        world.session.scalars(select(Account).where(Account.login_name == "rescue")).one().is_emergency = True
    elsewhere = local_sign_in.sign_in(
        world.session, CHECKER, client_code="globex", login_name="root", password="right horse",
        audience="portal", visitor=Visitor("192.0.2.1", "b"), absolute_seconds=36000, now=NOW,
    )  # fmt: skip

    refuse(world, acme, by=audit.Actor("Root", root.id))

    assert {name: is_live(world, one) for name, one in opened.items()} == {
        "root": True, "other": False, "rescue": True,
    }  # fmt: skip
    assert is_live(world, elsewhere)


def test_who_made_the_change_stays_until_it_is_proven(world: World) -> None:
    acme = world.client("acme")
    root = administrator(world, acme)
    mine = password(world, "root")
    refuse(world, acme, by=audit.Actor("Root", root.id))
    through_provider(world, root, NOW + timedelta(minutes=1))
    assert is_live(world, mine)

    enforcement.revert_overdue(world.session, NOW + timedelta(minutes=2))

    assert not is_live(world, mine)


def test_nothing_is_refused_without_a_way_back(world: World) -> None:
    acme = world.client("acme")
    root = world.user(acme, "root", "root@acme.example", password_hash=HASH)

    with pytest.raises(NoWayBack):
        refuse(world, acme)

    assert enforcement.rules(world.session, acme.id, NOW) == Rules()
    link(world, root)
    with pytest.raises(NotRehearsed):
        refuse(world, acme)
    rehearse(world, acme, NOW - timedelta(days=enforcement.REHEARSED_DAYS))
    with pytest.raises(NotRehearsed):
        refuse(world, acme)
    assert enforcement.rules(world.session, acme.id, NOW) == Rules()
    rehearse(world, acme, NOW - timedelta(days=enforcement.REHEARSED_DAYS - 1))
    refuse(world, acme)
    assert enforcement.rules(world.session, acme.id, NOW) == REFUSED


def test_nothing_is_refused_while_single_sign_on_is_off(world: World) -> None:
    acme = world.client("acme", live=False)
    administrator(world, acme)

    with pytest.raises(NotSigningIn):
        refuse(world, acme)


@pytest.mark.parametrize("what", ["feature", "switch"])
def test_switching_single_sign_on_off_gives_passwords_back(world: World, what: str) -> None:
    acme = world.client("acme")
    administrator(world, acme)
    refuse(world, acme)

    if what == "feature":
        with writing(world.session):
            world.set_feature(acme, False)
    else:
        connection_setup.disable(world.session, acme.id, by=audit.COMMAND_LINE, now=NOW)

    assert password(world, "root").login_id


@pytest.mark.parametrize("is_stricter", [False, True])
def test_turning_the_feature_on_again_asks_for_a_new_proof(world: World, is_stricter: bool) -> None:
    acme = world.client("acme")
    root = administrator(world, acme)
    if is_stricter:
        refuse(world, acme)
        through_provider(world, root, NOW + timedelta(minutes=1))
    with writing(world.session):
        world.set_feature(acme, False)

    moment = NOW + timedelta(hours=1)
    with writing(world.session) as session:
        billing.set_feature(
            session, acme, "single_sign_on", enabled=True, ticket="2", by=audit.COMMAND_LINE, now=moment
        )

    wanted = moment + timedelta(minutes=enforcement.SAFETY_MINUTES) if is_stricter else None
    assert enforcement.waits_until(world.session, acme.id, moment) == wanted


def test_switching_off_is_refused_when_nobody_has_a_password(world: World) -> None:
    acme = world.client("acme")
    root = world.user(acme, "root", "root@acme.example")
    link(world, root)

    with pytest.raises(enforcement.WouldLockOut):
        connection_setup.disable(world.session, acme.id, by=audit.COMMAND_LINE, now=NOW)

    with writing(world.session):
        world.session.get_one(Account, root.id).password_hash = HASH
    connection_setup.disable(world.session, acme.id, by=audit.COMMAND_LINE, now=NOW)
    assert connections.look_up(world.session, "acme").live is None


def test_the_change_is_audited_with_before_and_after(world: World) -> None:
    acme = world.client("acme")
    administrator(world, acme)

    refuse(world, acme)

    event = world.session.scalars(select(AuditEvent).where(AuditEvent.action == "connection.passwords")).one()
    assert event.before == {"users' passwords": "allowed", "agents' passwords": "allowed"}
    assert event.after == {"users' passwords": "refused", "agents' passwords": "refused"}


# --- The safety net --------------------------------------------------------------------


def test_the_previous_rule_returns_by_itself_when_the_time_is_over(world: World) -> None:
    acme = world.client("acme")
    administrator(world, acme)
    refuse(world, acme)
    with pytest.raises(SingleSignOnRequired):
        password(world, "root", now=LATER - timedelta(seconds=1))

    assert password(world, "root", now=LATER).login_id
    assert enforcement.revert_overdue(world.session, LATER) == 1
    assert enforcement.revert_overdue(world.session, LATER) == 0
    events = world.session.scalars(
        select(AuditEvent.action).where(AuditEvent.action == "connection.passwords_returned")
    ).all()
    assert len(events) == 1


def test_an_administrator_through_the_provider_proves_the_rule(world: World) -> None:
    acme = world.client("acme")
    root = administrator(world, acme)
    refuse(world, acme)
    assert enforcement.waits_until(world.session, acme.id, NOW) == LATER

    through_provider(world, root, NOW + timedelta(minutes=3))

    assert enforcement.waits_until(world.session, acme.id, NOW + timedelta(minutes=4)) is None
    assert enforcement.rules(world.session, acme.id, LATER) == REFUSED
    assert enforcement.revert_overdue(world.session, LATER) == 0
    assert enforcement.rules(world.session, acme.id, LATER + timedelta(days=90)) == REFUSED


@pytest.mark.parametrize("who", ["before the change", "after its time", "manager"])
def test_other_sign_ins_prove_nothing(world: World, who: str) -> None:
    acme = world.client("acme")
    root = administrator(world, acme)
    manager = world.account(acme, "portal", "boss", "boss@acme.example", role="MANAGER")
    refuse(world, acme)

    person = manager if who == "manager" else root
    at = {"before the change": NOW - timedelta(minutes=1), "after its time": LATER + timedelta(seconds=1)}
    through_provider(world, person, at.get(who, NOW + timedelta(minutes=1)))

    assert enforcement.rules(world.session, acme.id, LATER + timedelta(minutes=1)) == Rules()


def test_another_revision_must_be_proven_anew(world: World) -> None:
    acme = world.client("acme")
    root = administrator(world, acme)
    refuse(world, acme)
    through_provider(world, root, NOW + timedelta(minutes=1))

    with writing(world.session):
        enforcement.spread_net(world.session, acme.id, LATER)

    assert enforcement.rules(world.session, acme.id, LATER) == REFUSED
    over = LATER + timedelta(minutes=enforcement.SAFETY_MINUTES)
    assert enforcement.rules(world.session, acme.id, over) == Rules()


def test_allowing_passwords_again_needs_no_proof(world: World) -> None:
    acme = world.client("acme")
    administrator(world, acme)
    refuse(world, acme)

    refuse(world, acme, Rules())

    assert password(world, "root").login_id
    assert enforcement.waits_until(world.session, acme.id, NOW) is None


# --- The lock-out guard ----------------------------------------------------------------


def test_the_last_administrator_who_can_enter_is_kept(world: World) -> None:
    acme = world.client("acme")
    root = administrator(world, acme)
    world.user(acme, "idle", "idle@acme.example", password_hash=HASH)
    assert not enforcement.would_lock_out(world.session, acme.id, without_account_id=root.id, now=NOW)

    refuse(world, acme)
    rehearse(world, acme, NOW - timedelta(days=enforcement.REHEARSED_DAYS))  # it counts no more

    assert enforcement.would_lock_out(world.session, acme.id, without_account_id=root.id, now=NOW)


def test_sessions_of_other_methods_stay(world: World) -> None:
    acme = world.client("acme")
    root = administrator(world, acme)
    through_provider(world, root, NOW)

    refuse(world, acme)

    ended = world.session.scalars(select(PersonSession).where(PersonSession.ended_at.is_not(None))).all()
    assert ended == []
