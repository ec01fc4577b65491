from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from lvportal.models import Account, PersonSession, SignInRecord
from lvportal.services import retention, sessions, sign_in_records
from lvportal.services.sign_in_records import Visitor

NOW = datetime.now(UTC)


@pytest.fixture
def account(installation):
    installation.apply({"code": "acme", "name": "Acme", "agents": [{"logon_id": "a"}]})
    with installation.session() as session:
        return session.scalars(select(Account)).one()


def open_session(session, account, *, expired_days_ago: int) -> None:
    new = sessions.NewSession(account.tenant_id, "agent", account.id, "", "password", "", "")
    expires = NOW - timedelta(days=expired_days_ago)
    sessions.open_session(session, new, absolute_seconds=3600, now=expires - timedelta(hours=1))


def write_record(session, account, *, days_ago: int) -> None:
    sign_in_records.write(
        session,
        tenant_id=account.tenant_id,
        audience="agent",
        method="password",
        visitor=Visitor("192.0.2.1", "a browser"),
        now=NOW - timedelta(days=days_ago),
    )


def test_old_rows_go_and_young_ones_stay(installation, account):
    with installation.session() as session:
        for days in (29, 31, 400):
            open_session(session, account, expired_days_ago=days)
        for days in (1, 179, 181):
            write_record(session, account, days_ago=days)
        session.commit()

    done = installation.run("clean-up")

    assert done.stdout == "Removed: 2 sessions, 1 records of sign-ins.\n"
    with installation.session() as session:
        assert len(session.scalars(select(PersonSession)).all()) == 1
        assert len(session.scalars(select(SignInRecord)).all()) == 2


def test_the_ages_are_options(installation, account):
    with installation.session() as session:
        open_session(session, account, expired_days_ago=3)
        write_record(session, account, days_ago=3)
        session.commit()

    kept = installation.run("clean-up", "--sessions-after-days", "4", "--sign-ins-after-days", "4")
    removed = installation.run("clean-up", "--sessions-after-days", "2", "--sign-ins-after-days", "2")

    assert kept.stdout == "Removed: 0 sessions, 0 records of sign-ins.\n"
    assert removed.stdout == "Removed: 1 sessions, 1 records of sign-ins.\n"


def test_records_younger_than_a_day_cannot_be_removed(installation):
    refused = installation.run("clean-up", "--sign-ins-after-days", "0")

    assert refused.exit_code == 2
    assert "0 is not in the range" in refused.stderr


@pytest.mark.parametrize("rows_at_once", [1, 2, 3, 5])
def test_small_steps_remove_everything(installation, account, rows_at_once):
    with installation.session() as session:
        for _ in range(4):
            open_session(session, account, expired_days_ago=1)
        session.commit()

        removed = retention.remove_sessions(session, before=NOW, rows_at_once=rows_at_once)

        assert removed == 4
        assert session.scalars(select(PersonSession)).all() == []
