"""An import from upload to end, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from lvportal.extensions import db
from lvportal.models import Account, AuditEvent, Base, IdentityLink, PeopleImport, Tenant
from lvportal.services.audit import Actor
from lvportal.services.people_import import running
from lvportal.services.people_import.planning import Importer
from lvportal.services.people_import.running import View
from lvportal.services.transactions import writing
from tests.support.installation import Installation

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
BY, IMPORTER = Actor("Somebody", 7), Importer(7, "SYSADMIN", False)


@dataclass
class Place:
    """One client in one database."""

    session: Session
    tenant_id: int

    def start(self, text: str | bytes) -> tuple[View, str]:
        import_id, run = running.start(
            self.session, tenant_id=self.tenant_id, audience="agent", by=BY, importer=IMPORTER,
            file_name="a.csv", content=text.encode() if isinstance(text, str) else text, now=NOW,
        )  # fmt: skip
        return self.view(import_id), run

    def read(self, text: str | bytes) -> View:
        view, run = self.start(text)
        running.read(self.session, view.id, run, IMPORTER, lambda: NOW)
        return self.view(view.id)

    def write(self, view: View) -> View:
        run = running.begin_writing(self.session, view, NOW)
        running.write(self.session, view.id, run, BY, IMPORTER, lambda: NOW)
        return self.view(view.id)

    def view(self, import_id: int) -> View:
        found = running.find(
            self.session,
            tenant_id=self.tenant_id,
            audience="agent",
            account_id=7,
            import_id=import_id,
            now=NOW,
        )
        assert found is not None
        return found

    def count(self, *conditions: ColumnElement[bool]) -> int:
        return self.session.scalar(select(func.count()).select_from(Account).where(*conditions)) or 0


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    installation = Installation(tmp_path, url)
    with installation.session() as session:
        Base.metadata.create_all(db.engine)
        with writing(session):
            tenant = Tenant(code="acme", name="Acme", created_at=NOW)
            session.add(tenant)
            session.flush()
            tenant_id = tenant.id
        yield Place(session, tenant_id)
    installation.close()


def many(mark: str, rows: int = 2_500) -> str:
    return "Logon ID,Email,Agent Team\n" + "".join(
        f"desk_{n},desk.{n}{mark}@acme.example,Team{mark}\n" for n in range(rows)
    )


def test_thousands_of_accounts_are_made_and_changed(place: Place) -> None:
    made = place.write(place.read(many("")))
    account = place.session.scalars(select(Account).where(Account.login_name == "desk_7")).one()
    link = IdentityLink(
        tenant_id=place.tenant_id, audience="agent", account_id=account.id,
        issuer="https://login.acme.example", subject="s", linked_at=NOW,
    )  # fmt: skip
    with writing(place.session):
        place.session.add(link)

    changed = place.write(place.read(many("x")))

    assert (made.state, made.numbers["new"], made.numbers["changed"]) == ("written", 2_500, 0)
    assert (changed.state, changed.numbers["new"], changed.numbers["changed"]) == ("written", 0, 2_500)
    assert (changed.numbers["emails_changed"], changed.numbers["links_dropped"]) == (2_500, 1)
    assert (
        place.count(Account.folded_email.like("desk.%x@acme.example"), Account.agent_team == "Teamx") == 2_500
    )
    assert place.session.scalars(select(IdentityLink)).all() == []
    events = place.session.scalars(select(AuditEvent).order_by(AuditEvent.number)).all()
    assert [(event.action, event.after["new"], event.after["changed"]) for event in events] == [
        ("people.import", 2_500, 0), ("people.import", 0, 2_500),
    ]  # fmt: skip


def test_what_a_database_does_not_keep_is_refused_and_shown(place: Place) -> None:
    view = place.read("Logon ID,First Name,\x00\ndesk_1,A\x00B,\ndesk_2,\ud7ff,\n")

    assert (view.numbers["refused"], view.numbers["new"]) == (1, 1)
    assert next(iter(running.refused_rows(place.session, view)))[:2] == ["desk_1", "A\x00B"]


def test_all_rows_are_written_or_none(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    view = place.read(many(""))
    with monkeypatch.context() as broken:
        broken.setattr(running, "_record", lambda *_: 1 / 0)

        failed = place.write(view)

    assert (failed.state, place.count()) == ("failed", 0)
    run = running.begin_again(place.session, failed, NOW)
    running.read(place.session, view.id, run, IMPORTER, lambda: NOW)
    assert place.write(place.view(view.id)).state == "written"
    assert place.count() == 2_500


def test_an_account_that_somebody_made_meanwhile_brings_a_new_preview(place: Place) -> None:
    view = place.read("Logon ID,Agent Team\ndesk_1,One\n")
    with writing(place.session):
        place.session.add(
            Account(
                tenant_id=place.tenant_id, audience="agent", login_name="desk_1", folded_login_name="desk_1",
                created_at=NOW,
            )
        )  # fmt: skip

    again = place.write(view)

    assert (again.state, again.summary["changed"]) == ("read", True)
    assert (again.numbers["new"], again.numbers["changed"]) == (0, 1)
    assert place.write(again).state == "written"


def test_a_cancelled_import_stops_its_thread(place: Place) -> None:
    view, run = place.start(many(""))
    running.cancel(place.session, view, NOW)

    running.read(place.session, view.id, run, IMPORTER, lambda: NOW)

    assert place.view(view.id).state == "cancelled"
    assert not running.wait_turn(place.session, view.id, run, lambda: NOW)
    with pytest.raises(running.ImportOver):
        running.cancel(place.session, view, NOW)


def test_a_fault_of_the_file_found_late_is_kept_for_its_person(place: Place) -> None:
    view = place.read('Logon ID,Email\ndesk_1,"open\n')

    assert view.state == "failed"
    assert view.summary["refusal"][0] == "A quotation mark that opens near row 2 is never closed."
    assert place.read("Logon ID,Email\ndesk_1,\n").state == "read"


def test_only_an_import_that_was_shown_can_be_written(place: Place) -> None:
    view, _ = place.start("Logon ID\ndesk_1\n")

    with pytest.raises(running.ImportOver):
        running.begin_writing(place.session, view, NOW)
    with pytest.raises(running.ImportOver):
        running.begin_again(place.session, view, NOW)

    assert place.count() == 0


def test_a_thread_is_given_up_for_dead_only_after_a_while(place: Place) -> None:
    view, _ = place.start("Logon ID\ndesk_1\n")
    for seen_at, state in ((NOW - running.DEAD_AFTER, "reading"), (NOW - 2 * running.DEAD_AFTER, "stalled")):
        with writing(place.session):
            place.session.execute(update(PeopleImport).values(seen_at=seen_at))

        assert place.view(view.id).state == state


@pytest.mark.parametrize("has_another", [False, True])
def test_no_import_shuts_out_the_last_administrator_who_can_enter(place: Place, has_another: bool) -> None:
    session = place.session
    with writing(session):
        for login_name in ("root", "second"):
            can_enter = login_name == "root" or has_another
            session.add(
                Account(
                    tenant_id=place.tenant_id, audience="portal", role="SYSADMIN", login_name=login_name,
                    folded_login_name=login_name, password_hash="x" if can_enter else None, created_at=NOW,
                )
            )  # fmt: skip
    import_id, run = running.start(
        session, tenant_id=place.tenant_id, audience="portal", by=BY, importer=IMPORTER,
        file_name="a.csv", content=b"User Name,Active\nroot,No\n", now=NOW,
    )  # fmt: skip
    running.read(session, import_id, run, IMPORTER, lambda: NOW)

    def view() -> View:
        found = running.find(
            session, tenant_id=place.tenant_id, audience="portal", account_id=7, import_id=import_id, now=NOW
        )
        assert found is not None
        return found

    assert view().numbers["changed"] == 1
    run = running.begin_writing(session, view(), NOW)
    running.write(session, import_id, run, BY, IMPORTER, lambda: NOW)

    assert view().state == ("written" if has_another else "failed")
    assert place.count(Account.active.is_(True)) == (1 if has_another else 2)
