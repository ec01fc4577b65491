"""Whatever administrators do, in whatever order: at least one of them can still enter."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import create_engine, delete, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from lvportal.database import prepare_sqlite
from lvportal.errors import ChangeRefused
from lvportal.models import Account, Base, IdentityLink, Revision
from lvportal.protocols.oidc.report import Report
from lvportal.services import audit, connection_setup, connections, enforcement
from lvportal.services.connection_setup import Laboratory
from lvportal.services.enforcement import Rules, WouldLockOut, ways_in
from lvportal.services.people import editing
from lvportal.services.people.lists import Viewer
from lvportal.services.transactions import writing
from tests.services.conftest import ISSUER, NOW, World

PARTS = 4  # that run side by side
SEQUENCES = 250  # in each
ACTS_EACH = 4
BY = audit.COMMAND_LINE
ANOTHER_ISSUER = "https://login.globex.example"
NO_LABORATORY = cast(Laboratory, None)


@pytest.fixture
def world() -> Iterator[World]:
    """A world in memory: thousands of transactions wait for no disk."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    prepare_sqlite(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield World(session)
    engine.dispose()


class Office:
    """A client with three administrators, put back to a drawn beginning before each sequence."""

    def __init__(self, world: World) -> None:
        self.world, self.session = world, world.session
        self.tenant = world.client("acme")
        self.tenant_id = self.tenant.id
        self.ids = [
            world.user(self.tenant, f"root_{n}", f"root{n}@acme.example", password_hash="x").id
            for n in range(3)
        ]
        # Both have signed people in, so that neither needs a test; each is of another issuer.
        with writing(self.session):
            world.save(self.tenant, issuer=ANOTHER_ISSUER, based_on=1)
            connections.put_live(self.session, self.tenant, 2, by=BY, now=NOW)
        connection = connections.of_tenant(self.session, self.tenant_id)
        assert connection is not None
        self.revisions = [
            *self.session.scalars(select(Revision.id).where(Revision.connection_id == connection.id))
        ]

    def begin(self, draw: random.Random, now: datetime) -> None:
        with writing(self.session) as session:
            session.execute(delete(IdentityLink))
            people, links = [], []
            for n, one in enumerate(self.ids):
                email, is_emergency = f"root{n}@acme.example", draw.random() < 0.2
                people.append(
                    {
                        "id": one, "active": True, "email": email, "folded_email": email,
                        "password_hash": "x" if draw.random() < 0.3 or n == 0 else None,
                        "sso_only": draw.random() < 0.4,
                        "is_emergency": is_emergency,
                        "totp_confirmed_at": now if is_emergency else None,
                        "rehearsed_at": now if is_emergency else None,
                    }
                )  # fmt: skip
                if draw.random() < 0.3:
                    links.append(
                        {
                            "tenant_id": self.tenant_id, "audience": "portal", "account_id": one,
                            "issuer": draw.choice((ISSUER, ANOTHER_ISSUER)), "subject": f"00u{one}",
                            "linked_at": now,
                        }
                    )  # fmt: skip
            session.execute(update(Account), people)
            if links:
                session.execute(insert(IdentityLink), links)
            connection = connections.of_tenant(session, self.tenant_id)
            assert connection is not None
            connection.enabled, connection.reverts_at, connection.reverts_to = True, None, None
            connection.portal_passwords = connection.agent_passwords = "allowed"
            connection.live_revision_id = draw.choice(self.revisions)

    def can_enter(self, now: datetime) -> bool:
        """Tell whether somebody can enter now, or once the safety net has returned the passwords."""
        self.session.rollback()
        if ways_in(enforcement.read_state(self.session, self.tenant_id, now)):
            return True
        returns = enforcement.waits_until(self.session, self.tenant_id, now)
        return returns is not None and bool(
            ways_in(enforcement.read_state(self.session, self.tenant_id, returns))
        )

    def act(self, draw: random.Random, now: datetime) -> None:
        viewer = Viewer(self.tenant_id, draw.choice(self.ids), "SYSADMIN", False)
        whom = draw.choice(self.ids)
        match draw.randrange(8):
            case 0 | 1:
                wanted = Rules(draw.choice(("allowed", "chosen", "refused")), "allowed")
                enforcement.set_rules(self.session, self.tenant_id, wanted, by=BY, now=now)
            case 2:
                connection_setup.disable(self.session, self.tenant_id, by=BY, now=now)
            case 3:
                with writing(self.session) as session:
                    connections.set_enabled(session, self.tenant, enabled=True, by=BY, now=now)
                    enforcement.spread_net(session, self.tenant_id, now)
            case 4:
                with writing(self.session) as session:
                    editing.deactivate(session, viewer, "portal", [whom], by=BY, now=now)
            case 5:
                self.change_email(viewer, whom, draw.choice(("", "moved", "root0")), now)
            case 6:
                self.go_to_another_revision(now)
            case _:
                with writing(self.session) as session:
                    editing.relink(session, viewer, "portal", whom, by=BY, now=now)

    def change_email(self, viewer: Viewer, whom: int, name: str, now: datetime) -> None:
        with writing(self.session) as session:
            account = session.get_one(Account, whom)
            values = replace(editing.of_account(account), email=f"{name}@acme.example" if name else "")
            editing.change(
                session, viewer, "portal", whom, values,
                version=editing.version_of(account), is_confirmed=True, by=BY, now=now,
            )  # fmt: skip

    def go_to_another_revision(self, now: datetime) -> None:
        connection = connections.of_tenant(self.session, self.tenant_id)
        assert connection is not None
        assert connection.live_revision is not None
        other = 1 if connection.live_revision.number == 2 else 2
        connection_setup.put_live(self.session, self.tenant_id, other, NO_LABORATORY, by=BY, now=now)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_nobody_is_locked_out_in_a_thousand_random_sequences(
    world: World, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    # The provider answers well, whatever goes live: what it says is not what is tried here.
    monkeypatch.setattr(connection_setup, "examine_revision", lambda *_, **__: Report(ISSUER, ()))
    office, draw = Office(world), random.Random(20261124 + part)
    now, refused, done = NOW, 0, 0

    for number in range(SEQUENCES):
        now += timedelta(days=1)
        office.begin(draw, now)
        for _ in range(ACTS_EACH):
            now += timedelta(minutes=draw.choice((1, 20)))
            try:
                office.act(draw, now)
            except WouldLockOut:
                refused += 1
            except ChangeRefused:
                pass
            else:
                done += 1
                assert office.can_enter(now), f"nobody can enter in sequence {number}"
        assert office.can_enter(now), f"nobody can enter any more after sequence {number}"

    assert refused > 10, "the guard was hardly ever needed: this proves nothing"
    assert done > SEQUENCES


@pytest.mark.parametrize("has_other_way", [False, True])
def test_the_last_one_who_can_enter_is_not_deactivated(world: World, has_other_way: bool) -> None:
    office = Office(world)
    first, second, third = office.ids
    with writing(world.session) as session:
        values: dict[str, Any] = {"password_hash": None}
        keep = [first, second] if has_other_way else [first]
        session.execute(update(Account).where(Account.id.not_in(keep)).values(**values))
    viewer = Viewer(office.tenant_id, third, "SYSADMIN", False)

    def deactivate() -> None:
        with writing(world.session) as session:
            editing.deactivate(session, viewer, "portal", [first], by=BY, now=NOW)

    if has_other_way:
        deactivate()
    else:
        with pytest.raises(WouldLockOut):
            deactivate()

    active = world.session.scalar(select(Account.active).where(Account.id == first))
    assert active is not has_other_way


@pytest.mark.parametrize("is_linked_there", [False, True])
def test_no_revision_goes_live_that_would_let_nobody_in(world: World, is_linked_there: bool) -> None:
    office = Office(world)
    first, *_ = office.ids
    with writing(world.session) as session:
        session.execute(update(Account).values(password_hash=None))
        for issuer in (ANOTHER_ISSUER, ISSUER) if is_linked_there else (ANOTHER_ISSUER,):
            session.add(
                IdentityLink(
                    tenant_id=office.tenant_id, audience="portal", account_id=first,
                    issuer=issuer, subject="00u1", linked_at=NOW,
                )
            )  # fmt: skip

    def go_back() -> None:
        connection_setup.put_live(world.session, office.tenant_id, 1, NO_LABORATORY, by=BY, now=NOW)

    if is_linked_there:
        go_back()
    else:
        with pytest.raises(WouldLockOut):
            go_back()

    connection = connections.of_tenant(world.session, office.tenant_id)
    assert connection is not None
    assert connection.live_revision is not None
    assert connection.live_revision.number == (1 if is_linked_there else 2)
