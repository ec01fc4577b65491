"""``lvportal maintain`` does what has to happen without anybody asking."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from lvportal.models import (
    Account,
    AuditEvent,
    MailMessage,
    Revision,
    SetupLink,
    SignInRecord,
    Tenant,
    TestSignIn,
)
from lvportal.services import mail, maintenance, sign_in_records, warnings
from lvportal.services.maintenance import Part
from lvportal.services.sign_in_records import Visitor
from lvportal.services.transactions import writing
from tests.support.installation import Installation
from tests.support.mail_server import HOST, Mailbox, mail_server
from tests.support.ports import end, wait_for

NOW = datetime.now(UTC)
ROOT = Path(__file__).parents[2]


def acme(secret_expires_on: str | None = None) -> dict[str, Any]:
    connection: dict[str, Any] = {
        "provider": "okta",
        "application_type": "web",
        "issuer": "https://login.acme.example",
        "client_id": "0oa1",
        "secret": {"environment": "ACME_SECRET"},
        "enabled": True,
        "goes_live_without_a_test_sign_in": True,
    }
    if secret_expires_on:
        connection["secret_expires_on"] = secret_expires_on
    return {
        "code": "acme",
        "name": "Acme",
        "features": {"single_sign_on": {"enabled": True, "ticket": "CARE-1"}},
        "users": [{"user_name": "admin", "email": "admin@acme.example", "role": "SYSADMIN"}],
        "connection": connection,
    }


def apply(installation: Installation, **values: Any) -> None:
    done = installation.apply(acme(**values), environ={"ACME_SECRET": "a secret of acme"})
    assert done.exit_code == 0, done.output


def mailing(tmp_path: Path, mailbox: Mailbox) -> Installation:
    made = Installation(
        tmp_path,
        smtp_host=HOST,
        smtp_port=mailbox.port,
        smtp_security="none",
        unsafe_send_mail_and_its_password_in_clear=True,
        mail_sender="portal@example.com",
    )
    made.run("database", "upgrade")
    return made


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as found:
        yield found


def count(session: Session, model: type[Any]) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_secret_that_ends_soon_is_told_by_mail_once(tmp_path: Path, mailbox: Mailbox) -> None:
    installation = mailing(tmp_path, mailbox)
    apply(installation, secret_expires_on=(NOW.date() + timedelta(days=7)).isoformat())

    first = installation.run("maintain")
    second = installation.run("maintain")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "secrets that end: 1 warnings written." in first.stdout
    assert "mail: 1 sent" in first.stdout
    assert "mail: nothing to do." in second.stdout
    assert [message["Subject"] for message in mailbox.messages] == [
        "Acme: the secret of Okta expires in 7 days"
    ]
    assert mailbox.recipients == [["admin@acme.example"]]
    installation.close()


def test_without_a_mail_server_the_warning_waits_and_that_is_said(installation: Installation) -> None:
    apply(installation, secret_expires_on=(NOW.date() + timedelta(days=7)).isoformat())

    done = installation.run("maintain")

    assert done.exit_code == 0
    assert "No mail server is set" in done.stdout
    with installation.session() as session:
        assert session.scalars(select(MailMessage.sent_at)).all() == [None]


def test_a_mail_server_that_is_down_is_no_failure_of_ours(tmp_path: Path) -> None:
    installation = mailing(tmp_path, Mailbox(port=9))
    apply(installation, secret_expires_on=(NOW.date() + timedelta(days=7)).isoformat())

    done = installation.run("maintain")

    assert done.exit_code == 0
    assert "mail: 0 sent, 1 to be tried again, 0 given up (mail server 127.0.0.1:9:" in done.stdout
    installation.close()


def test_a_part_that_fails_is_named_and_stops_no_other(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_session: Session, _now: datetime) -> int:
        raise LookupError("no such thing")

    monkeypatch.setattr(warnings, "warn_of_ending_secrets", fail)

    done = installation.run("maintain")

    assert done.exit_code == 1
    assert "secrets that end: failed: LookupError." in done.stdout
    assert "mail: nothing to do." in done.stdout
    assert "old sessions: nothing to do." in done.stdout


def test_a_part_that_leaves_its_transaction_open_spoils_no_other(installation: Installation) -> None:
    apply(installation)

    def half(session: Session, _now: datetime) -> str:
        session.execute(update(Tenant).values(name="half done"))
        raise LookupError

    def read(session: Session, _now: datetime) -> str:
        return session.scalar(select(Tenant.name)) or ""

    with installation.session() as session:
        outcomes = maintenance.run_all(session, [Part("half", half), Part("read", read)], NOW)

    assert [(one.did, one.failed) for one in outcomes] == [("failed: LookupError", True), ("Acme", False)]


def test_old_rows_go_and_young_ones_stay(installation: Installation) -> None:
    apply(installation)
    with installation.session() as session:
        account = session.scalars(select(Account)).one()
        revision = session.scalars(select(Revision)).one()
        for days in (1, 200, 500):
            at = NOW - timedelta(days=days)
            add_old_rows(session, account, revision, at, str(days))
        events = count(session, AuditEvent)

    done = installation.run("maintain")

    for line in (
        "old records of sign-ins: 2 removed.",
        "old test sign-ins: 2 removed.",
        "old set-up links: 2 removed.",
        "old messages: 1 removed.",
    ):
        assert line in done.stdout
    with installation.session() as session:
        left = [count(session, model) for model in (SignInRecord, TestSignIn, SetupLink, MailMessage)]
        assert left == [1, 1, 1, 2]
        assert count(session, AuditEvent) == events


def add_old_rows(session: Session, account: Account, revision: Revision, at: datetime, name: str) -> None:
    tenant_id = account.tenant_id
    with writing(session):
        sign_in_records.write(
            session,
            tenant_id=tenant_id,
            audience="portal",
            method="password",
            visitor=Visitor("192.0.2.1", "a browser"),
            now=at,
        )
        session.add(
            TestSignIn(
                reference=f"T{name}",
                tenant_id=tenant_id,
                revision_id=revision.id,
                audience="portal",
                tester_name="Admin",
                created_at=at,
            )
        )
        session.add(
            SetupLink(
                tenant_id=tenant_id,
                token_hash=name,
                code_hash="",
                purpose="connect",
                for_whom="IT",
                created_at=at,
                created_by="Admin",
                expires_at=at,
            )
        )
        mail.queue(
            session,
            tenant_id=tenant_id,
            key=name,
            kind="warning",
            recipient="admin@acme.example",
            subject="S",
            body="B",
            now=at,
        )
        session.execute(update(MailMessage).where(MailMessage.key == name).values(next_try_at=None))


def test_rounds_go_on_until_the_process_is_asked_to_end(installation: Installation, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LVPORTAL_")} | {
        "LVPORTAL_ENVIRONMENT": "test",
        "LVPORTAL_DATABASE_URL": installation.database_url,
        "LVPORTAL_ENCRYPTION_KEYS": installation.keys,
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", "from lvportal.cli import main; main()", "maintain", "--every", "1"]
    apply(installation, secret_expires_on=(NOW.date() + timedelta(days=7)).isoformat())
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: warned(installation), seconds=30, what="the warning")
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=15)
    finally:
        end(process)

    assert status == 0


def warned(installation: Installation) -> bool:
    with installation.session() as session:
        return count(session, MailMessage) == 1


@pytest.mark.parametrize("seconds", ["0", "-1", "86401", "soon"])
def test_a_pause_that_is_none_is_refused(installation: Installation, seconds: str) -> None:
    assert installation.run("maintain", "--every", seconds).exit_code == 2
