"""Reading the audit record, outages and the outbox, on SQLite and on PostgreSQL, as migrated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.extensions import db
from lvportal.models import Account, Connection, MailMessage, Tenant
from lvportal.protocols.oidc.errors import SecretRefused
from lvportal.services import audit, mail, mail_sending, warnings
from lvportal.services.audit_reading import Reader, Wanted
from lvportal.services.transactions import writing, writing_at_once
from tests.support.installation import Installation
from tests.support.mail_server import HOST, mail_server

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    """A session on a migrated database with one client and its SYSADMIN."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    installation = Installation(tmp_path, url)
    installation.run("database", "upgrade")
    with installation.session() as opened:
        with writing(opened):
            tenant = Tenant(code="acme", name="Acme", created_at=NOW)
            opened.add(tenant)
            opened.flush()
            opened.add(Connection(tenant_id=tenant.id, created_at=NOW))
            opened.add(
                Account(
                    tenant_id=tenant.id,
                    audience="portal",
                    login_name="root",
                    folded_login_name="root",
                    email="root@acme.example",
                    folded_email="root@acme.example",
                    role="SYSADMIN",
                    created_at=NOW,
                )
            )
        yield opened
    installation.close()


def tenant_id(session: Session) -> int:
    return session.scalars(select(Tenant.id)).one()


def subjects(session: Session, wanted: Wanted, *, hides_sysadmins: bool = False) -> list[str]:
    reader = Reader(session, tenant_id(session), hides_sysadmins=hides_sysadmins)
    listed, total = reader.page(wanted, offset=0, limit=50)
    found = [event.subject for event in listed]
    assert found == [event.subject for event in reader.newest(wanted)]
    assert total == len(found)
    return found


def test_events_are_found_and_hidden(session: Session) -> None:
    root = session.scalars(select(Account.id)).one()
    changes = [
        audit.Change("account.changed", "root (portal)", {"email": "a"}, {"email": "b"}),
        audit.Change("account.changed", "one (agent)", {}, {"city": "Zürich", "100%": "a_b"}),
        audit.Change("account.changed", "two (portal)", {"role": "SYSADMIN"}, {"role": "MANAGER"}),
        audit.Change("connection.saved", "revision 1"),
    ]
    actor = audit.Actor("Root Person", root, address="192.0.2.1")
    with writing(session):
        audit.record_many(session, tenant_id=tenant_id(session), actor=actor, changes=changes, now=NOW)

    assert len(subjects(session, Wanted())) == 4
    assert subjects(session, Wanted(), hides_sysadmins=True) == ["revision 1", "one (agent)"]
    assert subjects(session, Wanted(text="ONE (AG")) == ["one (agent)"]
    assert subjects(session, Wanted(text="Zürich")) == ["one (agent)"]
    assert subjects(session, Wanted(text="a_b")) == ["one (agent)"]
    assert subjects(session, Wanted(text="axb")) == []
    assert len(subjects(session, Wanted(person="root pers", kind="account"))) == 3
    assert subjects(session, Wanted(person="root pers"), hides_sysadmins=True) == []
    assert len(subjects(session, Wanted(since=NOW, until=NOW + timedelta(seconds=1)))) == 4
    assert subjects(session, Wanted(until=NOW)) == []


def test_an_outage_is_noted_told_and_over(session: Session) -> None:
    one = tenant_id(session)
    session.rollback()
    engine = db.engine
    refused = SecretRefused(provider="Okta")
    with writing_at_once(engine) as database:
        began = warnings.note_refusal(database, one, refused, NOW, known_code=None)
        again = warnings.note_refusal(database, one, refused, NOW, known_code=None)
    failing = session.scalars(select(Connection.failing_since)).one()
    told = session.scalars(select(MailMessage.recipient)).all()
    session.rollback()

    with writing_at_once(engine) as database:
        warnings.note_success(database, one)

    assert (began, again) == (True, False)
    assert (failing, told) == (NOW, ["root@acme.example"])
    assert session.scalars(select(Connection.failing_since)).one() is None
    assert session.scalars(select(MailMessage.next_try_at)).one() is None


def test_the_outbox_is_emptied_once(session: Session) -> None:
    for _ in range(2):
        with writing(session):
            mail.queue(
                session,
                tenant_id=tenant_id(session),
                key="once",
                kind="warning",
                recipient="root@acme.example",
                subject="S",
                body="B",
                now=NOW,
            )

    with mail_server() as mailbox:
        server = mail_sending.MailServer(HOST, mailbox.port, "none", "portal@example.com")
        done = [mail_sending.send_waiting(session, server, NOW).sent for _ in range(2)]

    assert done == [1, 0]
    assert len(mailbox.messages) == 1
