"""``lvportal audit`` names the first event that is not what was written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from lvportal.models import Tenant
from lvportal.services import audit
from lvportal.services.transactions import writing
from tests.support.installation import Installation, installed

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[Installation]:
    """Two clients with three events each."""
    with installed(tmp_path) as installation:
        with installation.session() as session, writing(session):
            for code in ("acme", "globex"):
                tenant = Tenant(code=code, name=code.title(), created_at=NOW)
                session.add(tenant)
                session.flush()
                changes = [audit.Change("connection.saved", f"revision {number}") for number in (1, 2, 3)]
                audit.record_many(
                    session, tenant_id=tenant.id, actor=audit.COMMAND_LINE, changes=changes, now=NOW
                )
        yield installation


def tamper(installation: Installation, statement: str) -> None:
    """Do what only the database's owner can: past the triggers."""
    with installation.session() as session, writing(session):
        session.execute(text("DROP TRIGGER audit_events_stay"))
        session.execute(text("DROP TRIGGER audit_events_stay_unchanged"))
        session.execute(text(statement))


def test_an_untouched_record_passes(audited: Installation) -> None:
    checked = audited.run("audit", "verify")

    head = audited.run("audit", "head", "--client", "acme").stdout.strip()
    assert checked.exit_code == 0
    assert checked.stdout.splitlines()[0] == f"acme: 3 events, unbroken. Head {head}"


def test_an_altered_event_is_named_and_the_other_client_still_checked(audited: Installation) -> None:
    tamper(audited, "UPDATE audit_events SET actor = 'nobody' WHERE number = 2 AND tenant_id = 1")

    checked = audited.run("audit", "verify")

    first, second = checked.stdout.splitlines()
    assert checked.exit_code == 1
    assert first.startswith("acme: event 2 was altered")
    assert second.startswith("globex: 3 events, unbroken.")


def test_one_client_is_checked_alone(audited: Installation) -> None:
    tamper(audited, "UPDATE audit_events SET actor = 'nobody' WHERE number = 2 AND tenant_id = 1")

    checked = audited.run("audit", "verify", "--client", "globex")

    assert (checked.exit_code, len(checked.stdout.splitlines())) == (0, 1)


def test_a_kept_head_shows_that_the_newest_event_is_gone(audited: Installation) -> None:
    head = audited.run("audit", "head", "--client", "acme").stdout.strip()
    before = audited.run("audit", "verify", "--client", "acme", "--head", head)
    tamper(audited, "DELETE FROM audit_events WHERE number = 3")

    after = audited.run("audit", "verify", "--client", "acme", "--head", head)

    assert (before.exit_code, after.exit_code) == (0, 1)
    assert after.stdout.startswith("acme: event 3 was removed")


def test_events_removed_on_purpose_are_left_out(audited: Installation) -> None:
    with audited.session() as session:
        first = session.execute(
            text("SELECT hash FROM audit_events WHERE number = 1 AND tenant_id = 1")
        ).scalar()
    tamper(audited, "DELETE FROM audit_events WHERE number = 1 AND tenant_id = 1")

    plain = audited.run("audit", "verify", "--client", "acme")
    with_head = audited.run("audit", "verify", "--client", "acme", "--after", f"1:{first}")

    assert (plain.exit_code, with_head.exit_code) == (1, 0)


def test_heads_of_all_clients_are_printed_with_their_codes(audited: Installation) -> None:
    printed = audited.run("audit", "head").stdout.splitlines()

    assert [line.split(":")[0] for line in printed] == ["acme 3", "globex 3"]


def test_a_head_without_a_client_is_refused(audited: Installation) -> None:
    refused = audited.run("audit", "verify", "--head", "1:" + "0" * 64)

    assert refused.exit_code == 2
    assert "need --client" in refused.stderr


def test_a_head_that_is_none_is_refused(audited: Installation) -> None:
    refused = audited.run("audit", "verify", "--client", "acme", "--head", "newest")

    assert refused.exit_code == 2
    assert "NUMBER:HASH" in refused.stderr


def test_an_unknown_client_is_refused(audited: Installation) -> None:
    refused = audited.run("audit", "verify", "--client", "initech")

    assert refused.exit_code == 2
    assert "No client has this code." in refused.stderr
