"""Two administrators who shut each other out at the same instant, on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused
from lvportal.models import Account, Tenant
from lvportal.services import audit
from lvportal.services.people import editing
from lvportal.services.people.lists import Viewer
from lvportal.services.transactions import writing
from tests.support.installation import Installation

pytestmark = pytest.mark.postgres
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.fixture
def installation(tmp_path: Path, postgres_url: str) -> Iterator[Installation]:
    made = Installation(tmp_path, postgres_url)
    made.run("database", "upgrade")
    yield made
    made.close()


def fill(session: Session) -> tuple[int, list[int]]:
    with writing(session):
        tenant = Tenant(code="acme", name="Acme", created_at=NOW)
        session.add(tenant)
        session.flush()
        people = [
            Account(
                tenant_id=tenant.id,
                audience="portal",
                login_name=name,
                folded_login_name=name,
                role="SUPERUSER",
                password_hash="x",
                created_at=NOW,
            )
            for name in ("ada", "bob")
        ]
        session.add_all(people)
        session.flush()
        return tenant.id, [person.id for person in people]


def test_the_second_waits_for_the_first_and_is_refused(installation: Installation) -> None:
    with installation.session() as session:
        tenant_id, (ada, bob) = fill(session)
        engine = session.get_bind()
        refused: list[ChangeRefused] = []

        def deactivate(session: Session, by: int, whom: int) -> None:
            viewer = Viewer(tenant_id, by, "SUPERUSER")
            editing.deactivate(session, viewer, "portal", [whom], by=audit.Actor("x", by), now=NOW)

        def shut_out_ada() -> None:
            try:
                with Session(engine) as other, writing(other):
                    deactivate(other, bob, ada)
            except ChangeRefused as refusal:
                refused.append(refusal)

        second = threading.Thread(target=shut_out_ada)
        with writing(session):
            deactivate(session, ada, bob)
            second.start()
            second.join(0.5)
            assert second.is_alive()  # it waits for what this transaction decides
        second.join(10)

        assert [refusal.code for refusal in refused] == ["enforcement.lock_out"]
        left = session.scalars(select(Account.login_name).where(Account.active.is_(True))).all()
        assert left == ["ada"]
