"""Test sign-ins in the database: which audiences passed, which are needed, and what is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from lvportal.database import prepare_sqlite
from lvportal.models import Account, Base, Connection, Revision, Tenant, TestSignIn
from lvportal.services import test_sign_ins
from lvportal.services.connections import RevisionUnknown
from lvportal.services.test_sign_ins import Claim, Tester

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
TESTER = Tester(1, "Somebody")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A database with acme (id 1) and globex (id 2); acme has revisions 1 and 2."""
    engine = create_engine(f"sqlite:///{tmp_path}/tests.sqlite3")
    prepare_sqlite(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as opened:
        for number, code in enumerate(("acme", "globex"), start=1):
            opened.add(Tenant(id=number, code=code, name=code.title(), created_at=NOW))
        opened.flush()
        opened.add(Connection(id=1, tenant_id=1, created_at=NOW))
        opened.flush()
        for number in (1, 2):
            opened.add(
                Revision(
                    id=number,
                    connection_id=1,
                    number=number,
                    provider="okta",
                    application_type="native",
                    issuer="https://login.acme.example",
                    client_id="app",
                    client_authentication="none",
                    created_at=NOW,
                    created_by="Somebody",
                )
            )
        opened.commit()
        yield opened
    engine.dispose()


def ended(session: Session, revision_id: int, audience: str, outcome: str | None) -> TestSignIn:
    prepared = test_sign_ins.prepare(session, 1, TESTER, audience=audience, number=revision_id, now=NOW)
    test = session.query(TestSignIn).filter_by(reference=prepared.reference).one()
    if outcome is not None:
        test.outcome, test.finished_at = outcome, NOW
    session.commit()
    return test


def add_agent(session: Session, tenant_id: int, *, active: bool) -> None:
    session.add(
        Account(
            tenant_id=tenant_id,
            audience="agent",
            login_name="desk",
            folded_login_name="desk",
            active=active,
            created_at=NOW,
        )
    )
    session.commit()


@pytest.mark.parametrize("outcome, passed", [("passed", {"agent"}), ("refused", set()), (None, set())])
def test_an_audience_has_passed_when_a_test_did(
    session: Session, outcome: str | None, passed: set[str]
) -> None:
    ended(session, 1, "agent", outcome)

    assert test_sign_ins.passed_audiences(session, 1) == passed


def test_a_test_that_was_refused_later_takes_nothing_away(session: Session) -> None:
    ended(session, 1, "portal", "passed")
    ended(session, 1, "portal", "refused")

    assert test_sign_ins.passed_audiences(session, 1) == {"portal"}


def test_the_next_revision_has_passed_nothing(session: Session) -> None:
    ended(session, 1, "portal", "passed")

    assert test_sign_ins.passed_audiences(session, 2) == set()


@pytest.mark.parametrize(
    "tenant_id, active, needed",
    [(1, True, {"portal", "agent"}), (1, False, {"portal"}), (2, True, {"portal"})],
    ids=["an active agent", "one switched off", "another client's"],
)
def test_the_agent_host_needs_a_test_when_there_are_agents(
    session: Session, tenant_id: int, active: bool, needed: set[str]
) -> None:
    add_agent(session, tenant_id, active=active)

    assert test_sign_ins.needed_audiences(session, 1) == needed


def test_a_test_is_of_the_newest_revision_unless_another_is_named(session: Session) -> None:
    newest = test_sign_ins.prepare(session, 1, TESTER, audience="portal", now=NOW)
    older = test_sign_ins.prepare(session, 1, TESTER, audience="portal", number=1, now=NOW)

    assert (newest.revision_number, older.revision_number) == (2, 1)


@pytest.mark.parametrize("tenant_id, number", [(1, 3), (2, None), (2, 1)])
def test_a_revision_that_is_not_the_clients_cannot_be_tested(
    session: Session, tenant_id: int, number: int | None
) -> None:
    with pytest.raises(RevisionUnknown):
        test_sign_ins.prepare(session, tenant_id, TESTER, audience="portal", number=number, now=NOW)

    assert session.query(TestSignIn).count() == 0


def test_the_ticket_itself_is_not_stored(session: Session) -> None:
    prepared = test_sign_ins.prepare(session, 1, TESTER, audience="portal", now=NOW)

    test = session.query(TestSignIn).one()
    assert test.ticket_hash
    assert prepared.ticket not in (test.ticket_hash, test.detail)
    assert prepared.ticket not in repr(prepared)


def test_values_of_claims_are_dropped_after_a_day(session: Session) -> None:
    old, young = ended(session, 1, "portal", "passed"), ended(session, 1, "portal", "passed")
    old.sealed_claims = young.sealed_claims = "sealed"
    old.finished_at = NOW - timedelta(days=1, seconds=1)
    session.commit()

    assert test_sign_ins.forget_claims(session, now=NOW) == 1

    session.expire_all()
    assert [test.sealed_claims for test in (old, young)] == [None, "sealed"]
    assert test_sign_ins.passed_audiences(session, 1) == {"portal"}


@pytest.mark.parametrize(
    "value, is_email",
    [
        ("ada@acme.example", True),
        ("ada", False),
        ("@acme.example", False),
        ("ada@", False),
        ("a@b@c", False),
        ("ada @acme.example", False),
        ("ada@acme.example\n", False),
        ("a" * 250 + "@acme.example", False),
    ],
)
def test_a_claim_that_could_be_matched_is_told_from_the_others(value: str, is_email: bool) -> None:
    assert Claim("upn", value, "ID token").is_email is is_email
