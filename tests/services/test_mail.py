"""Messages are written once, beside the change they tell of, to those who can act."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from sqlalchemy import select

from lvportal.models import MailMessage
from lvportal.services import mail
from lvportal.services.transactions import writing
from tests.services.conftest import World

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def queue(world: World, tenant_id: int, **changes: str) -> bool:
    values = {
        "key": "secret-expiry:1:14:1",
        "recipient": "it@acme.example",
        "subject": "Ends",
        "body": "Soon.",
    }
    with writing(world.session):
        return mail.queue(world.session, tenant_id=tenant_id, kind="warning", now=NOW, **(values | changes))


def test_a_message_is_left_to_be_sent_at_once(world: World) -> None:
    tenant = world.client("acme", live=False)

    is_new = queue(world, tenant.id)

    message = world.session.scalars(select(MailMessage)).one()
    assert is_new
    assert (message.next_try_at, message.attempts, message.sent_at) == (NOW, 0, None)


def test_the_same_key_is_written_once(world: World) -> None:
    tenant = world.client("acme", live=False)
    queue(world, tenant.id)

    again = queue(world, tenant.id)
    other = queue(world, tenant.id, key="secret-expiry:1:7:1")

    assert (again, other) == (False, True)
    assert len(world.session.scalars(select(MailMessage)).all()) == 2


def test_a_subject_is_one_line(world: World) -> None:
    tenant = world.client("acme", live=False)

    queue(world, tenant.id, subject="Ends soon\r\nBcc: all@globex.example")

    assert world.session.scalar(select(MailMessage.subject)) == "Ends soon Bcc: all@globex.example"


def test_administrators_are_active_users_with_the_role_and_an_email(world: World) -> None:
    acme, globex = world.client("acme", live=False), world.client("globex", live=False)
    admin = world.user(acme, "admin", "admin@acme.example")
    world.account(acme, "portal", "manager", "manager@acme.example", role="MANAGER")
    world.user(acme, "gone", "gone@acme.example", active=False)
    world.user(acme, "silent", None)
    world.agent(acme, "one", "one@acme.example")
    world.user(globex, "admin", "admin@globex.example")

    found = mail.administrators(world.session, acme.id)

    assert found == [(admin.id, "admin@acme.example")]


def test_each_administrator_gets_one(world: World) -> None:
    tenant = world.client("acme", live=False)
    world.user(tenant, "one", "one@acme.example")
    world.user(tenant, "two", "two@acme.example")
    warn = partial(
        mail.queue_to_administrators,
        world.session,
        tenant_id=tenant.id,
        key="failing:1",
        kind="failing",
        subject="Sign-in fails",
        body="Since 08:00.",
        now=NOW,
    )

    with writing(world.session):
        first, second = warn(), warn()

    assert (first, second) == (2, 0)
