"""Whatever administrators do, in whatever order: at least one of them can still enter."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from lvportal.errors import ChangeRefused
from lvportal.models import Account, IdentityLink
from lvportal.services import audit, connection_setup, connections, enforcement
from lvportal.services.enforcement import Rules, WouldLockOut, ways_in
from lvportal.services.people import editing
from lvportal.services.people.lists import Viewer
from lvportal.services.transactions import writing
from tests.services.conftest import ISSUER, NOW, World

SEQUENCES = 1000
ACTS_EACH = 4
BY = audit.COMMAND_LINE


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

    def begin(self, draw: random.Random, now: datetime) -> None:
        with writing(self.session) as session:
            session.execute(delete(IdentityLink))
            for n, one in enumerate(self.ids):
                has_password = draw.random() < 0.3 or n == 0
                is_emergency = draw.random() < 0.2
                session.execute(
                    update(Account).where(Account.id == one).values(
                        active=True, email=f"root{n}@acme.example", folded_email=f"root{n}@acme.example",
                        password_hash="x" if has_password else None, is_emergency=is_emergency,
                        totp_confirmed_at=now if is_emergency else None,
                        rehearsed_at=now if is_emergency else None,
                    )
                )  # fmt: skip
                if draw.random() < 0.3:
                    session.add(
                        IdentityLink(
                            tenant_id=self.tenant_id, audience="portal", account_id=one,
                            issuer=ISSUER, subject=f"00u{one}", linked_at=now,
                        )
                    )  # fmt: skip
            connection = connections.of_tenant(session, self.tenant_id)
            assert connection is not None
            connection.enabled, connection.reverts_at, connection.reverts_to = True, None, None
            connection.portal_passwords = connection.agent_passwords = "allowed"

    def can_enter(self, now: datetime) -> bool:
        self.session.rollback()
        return bool(ways_in(enforcement.read_state(self.session, self.tenant_id, now)))

    def act(self, draw: random.Random, now: datetime) -> None:
        viewer = Viewer(self.tenant_id, draw.choice(self.ids), "SYSADMIN", False)
        whom = draw.choice(self.ids)
        match draw.randrange(6):
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
            case _:
                with writing(self.session) as session:
                    editing.relink(session, viewer, "portal", whom, by=BY, now=now)


def test_nobody_is_locked_out_in_a_thousand_random_sequences(world: World) -> None:
    office, draw = Office(world), random.Random(20261124)
    now, refused, done = NOW, 0, 0

    for number in range(SEQUENCES):
        now += timedelta(days=1)
        office.begin(draw, now)
        for _ in range(ACTS_EACH):
            now += timedelta(minutes=draw.choice((1, 20)))
            try:
                office.act(draw, now)
                done += 1
            except WouldLockOut:
                refused += 1
            except ChangeRefused:
                pass
            assert office.can_enter(now), f"nobody can enter in sequence {number}"

    assert refused > 20, "the guard was hardly ever needed: this proves nothing"
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
