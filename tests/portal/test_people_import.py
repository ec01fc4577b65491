"""Importing people: a preview that names every fault, then all valid rows or none."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lvportal.extensions import db
from lvportal.models import Account, IdentityLink, PeopleImport, PeopleImportPart, PersonSession
from lvportal.portal.configure.people import background, imports
from lvportal.services.audit import Actor
from lvportal.services.people_import import planning, reading, running
from lvportal.services.people_import.planning import Importer
from lvportal.services.transactions import writing
from tests.support.house import House, Page, Visitor

USERS, AGENTS = "/configure/users/import", "/configure/agents/import"
AGENT_HEADER = "Logon ID,Email,First Name,Last Name,Agent Team,Active,Home Agent,Extension"


def upload(visitor: Visitor, path: str, text: str | bytes, name: str = "people.csv") -> Page:
    """Send a file and return the page that follows."""
    visitor.get(path)
    content = text.encode() if isinstance(text, str) else text
    sent = visitor.post(path, file=(io.BytesIO(content), name))
    return visitor.get(sent.location) if sent.status == 303 else sent


def path_of(page: Page) -> str:
    found = re.search(r'action="(/configure/\w+/import/\d+)"', page.html)
    assert found, page.text
    return found[1]


def write(visitor: Visitor, page: Page) -> Page:
    path = path_of(page)
    assert visitor.post(path, act="write").status == 303
    return visitor.get(path)


@contextmanager
def session_of(house: House) -> Iterator[Session]:
    with house.app.app_context():
        yield db.session()


def account(house: House, login: str, client: str = "acme", audience: str = "agent") -> Account:
    with session_of(house) as session:
        found = session.scalars(
            select(Account).where(
                Account.login_name == login, Account.audience == audience, Account.tenant.has(code=client)
            )
        ).one()
        session.expunge(found)
        return found


def logins(house: House, client: str = "acme", audience: str = "agent") -> set[str]:
    with session_of(house) as session:
        return set(
            session.scalars(
                select(Account.login_name).where(
                    Account.audience == audience, Account.tenant.has(code=client)
                )
            )
        )


def set_account(house: House, login: str, audience: str, **values: Any) -> None:
    with session_of(house) as session, writing(session):
        session.execute(
            update(Account)
            .where(Account.login_name == login, Account.audience == audience, Account.tenant.has(code="acme"))
            .values(**values)
        )


# --- A file that is right -----------------------------------------------------


def test_agents_are_shown_first_and_written_after(house: House) -> None:
    visitor = house.user("MANAGER")

    page = upload(
        visitor,
        AGENTS,
        f"{AGENT_HEADER}\n"
        "desk_114,,,,Support,,yes,\n"
        "desk_200,desk.200@acme.example,Two,Hundred,Support,No,No,0200\n",
    )

    assert "Check people.csv" in page.text
    assert "Agent Team: Renewals → becomes Support" in page.text
    assert "Home Agent: No → becomes Yes" in page.text
    assert logins(house) == {"desk_114"}
    done = write(visitor, page)
    assert "1 new agent, 1 changed." in done.text
    kept, made = account(house, "desk_114"), account(house, "desk_200")
    assert (kept.agent_team, kept.home_agent, kept.email, kept.extension) == (
        "Support", True, "desk.114@acme.example", "41140",
    )  # fmt: skip
    assert (made.email, made.folded_email, made.active, made.extension, made.password_hash) == (
        "desk.200@acme.example", "desk.200@acme.example", False, "0200", None,
    )  # fmt: skip


def test_users_are_matched_by_their_name_in_any_case(house: House) -> None:
    visitor = house.user("SYSADMIN")

    page = upload(visitor, USERS, "user name;ROLE;first_name\nManager;it user;Mae\nnew;Client Auditor;\n")

    assert "Role: MANAGER → becomes IT USER" in page.text
    write(visitor, page)
    changed, made = account(house, "manager", audience="portal"), account(house, "new", audience="portal")
    assert (changed.role, changed.first_name) == ("IT_USER", "Mae")
    assert (made.role, made.active) == ("CLIENT_AUDITOR", True)


def test_one_event_tells_who_imported_what(house: House) -> None:
    visitor = house.user("SYSADMIN")

    page = upload(visitor, AGENTS, "Logon ID,Email\ndesk_2,d2@acme.example\ndesk_3,nonsense\n", "../my/a.csv")
    write(visitor, page)

    event = house.audited("acme")[-1]
    assert (event.action, event.actor, event.subject) == ("people.import", "sysadmin", "agents: a.csv")
    assert (event.after["new"], event.after["changed"], event.after["refused"]) == (1, 0, 1)
    with session_of(house) as session:
        record = session.get(PeopleImport, event.after["import"])
        assert record is not None
        assert (record.state, record.content, record.summary["fingerprint"]) == (
            "written", None, event.after["sha256"],
        )  # fmt: skip
        kept = session.scalars(select(PeopleImportPart).where(PeopleImportPart.outcome == "new")).one()
        assert [row["name"] for row in kept.rows] == ["desk_2"]


def test_a_row_that_changes_nothing_is_counted_and_nothing_can_be_imported(house: House) -> None:
    page = upload(house.user("SYSADMIN"), AGENTS, "Logon ID,Email\nDESK_114,desk.114@acme.example\n")

    assert "no row changes anything" in page.text
    assert 'value="write"' not in page.html


def test_the_template_can_be_imported_as_it_is(house: House) -> None:
    visitor = house.user("SYSADMIN")
    for path in (USERS, AGENTS):
        template = visitor.get(f"{path}/template.csv")

        page = upload(visitor, path, template.html)

        assert "Import 1 valid row" in page.text
    assert template.html.lstrip("\ufeff").startswith(AGENT_HEADER)


@pytest.mark.parametrize("role", ["SYSADMIN", "SUPERUSER"])
@pytest.mark.parametrize("kind", ["users", "agents"])
def test_a_downloaded_list_comes_back_without_a_change(house: House, kind: str, role: str) -> None:
    set_account(house, "desk_114", "agent", first_name="=Desk", home_agent=True)
    visitor = house.user(role)
    downloaded = visitor.get(f"/configure/{kind}.csv").html

    page = upload(visitor, f"/configure/{kind}/import", downloaded)

    assert "no row changes anything" in page.text
    assert "Errors (" not in page.text


# --- Rows that are wrong ------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "column", "right"),
    [
        ("Desk 9,,,,,,,", "Logon ID", "desk_9,,,,,,,"),
        (",a@acme.example,,,,,,", "Logon ID", "desk_9,a@acme.example,,,,,,"),
        ("desk_9,nobody,,,,,,", "Email", "desk_9,nobody@acme.example,,,,,,"),
        ("desk_9,desk.114@ACME.example,,,,,,", "Email", "desk_9,desk.115@acme.example,,,,,,"),
        ("desk_9,,A\x00B,,,,,", "First Name", "desk_9,,AB,,,,,"),
        ('desk_9,,"A\nB",,,,,', "First Name", "desk_9,,A B,,,,,"),
        (f"desk_9,,,{'x' * 81},,,,", "Last Name", f"desk_9,,,{'x' * 80},,,,"),
        ("desk_9,,,,,perhaps,,", "Active", "desk_9,,,,,no,,"),
        ("desk_9,,,,,,maybe,", "Home Agent", "desk_9,,,,,,yes,"),
        ("desk_9,,,,,,,12", "Extension", "desk_9,,,,,,,123"),
        ("desk_9,,,,,,,12345678", "Extension", "desk_9,,,,,,,1234567"),
    ],
)
def test_a_wrong_row_is_named_with_its_column(house: House, cells: str, column: str, right: str) -> None:
    visitor = house.user("SYSADMIN")

    page = upload(visitor, AGENTS, f"{AGENT_HEADER}\ndesk_1,,,,,,,\n{cells}\n")

    assert re.search(rf"\b3\b.*{column}: \w", page.text)
    assert "Import 1 valid row" in page.text
    write(visitor, page)
    assert logins(house) == {"desk_114", "desk_1"}
    assert "Import 2 valid rows" in upload(visitor, AGENTS, f"{AGENT_HEADER}\ndesk_2,,,,,,,\n{right}\n").text


def test_every_fault_of_a_row_is_named_at_once(house: House) -> None:
    page = upload(house.user("SYSADMIN"), AGENTS, f"{AGENT_HEADER}\ndesk_9,nobody,,,,perhaps,,1\n")

    for column in ("Email", "Active", "Extension"):
        assert f"{column}:" in page.text


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("desk_1,", "DESK_1,", "the same Logon ID"),
        ("desk_1,a@acme.example", "desk_2,A@acme.example", "the same email"),
    ],
)
def test_both_of_two_rows_that_collide_are_named(house: House, first: str, second: str, said: str) -> None:
    page = upload(house.user("SYSADMIN"), AGENTS, f"Logon ID,Email\n{first}\n{second}\n")

    assert f"Row 3 has {said}" in page.text
    assert f"Row 2 has {said}" in page.text
    assert 'value="write"' not in page.html


def test_two_people_may_swap_their_emails_in_one_file(house: House) -> None:
    house.add_account("acme", "agent", "desk_115", email="desk.115@acme.example")
    visitor = house.user("SYSADMIN")

    page = upload(
        visitor, AGENTS, "Logon ID,Email\ndesk_114,desk.115@acme.example\ndesk_115,desk.114@acme.example\n"
    )

    assert "2 emails change" in page.text
    write(visitor, page)
    assert account(house, "desk_114").email == "desk.115@acme.example"
    assert account(house, "desk_115").email == "desk.114@acme.example"


def test_an_email_is_not_free_when_the_row_that_would_give_it_up_is_wrong(house: House) -> None:
    page = upload(
        house.user("SYSADMIN"),
        AGENTS,
        "Logon ID,Email,Extension\ndesk_200,desk.114@acme.example,\ndesk_114,other@acme.example,1\n",
    )

    assert "Row 3 has the same email" in page.text
    assert 'value="write"' not in page.html


def test_an_email_of_somebody_who_left_is_free(house: House) -> None:
    set_account(house, "desk_114", "agent", active=False)

    page = upload(house.user("SYSADMIN"), AGENTS, "Logon ID,Email\ndesk_200,desk.114@acme.example\n")

    assert "Import 1 valid row" in page.text


def test_nobody_comes_back_with_an_email_that_belongs_to_somebody_else_now(house: House) -> None:
    house.add_account("acme", "agent", "desk_1", email="desk.114@acme.example", active=False)

    page = upload(house.user("SYSADMIN"), AGENTS, "Logon ID,Active\ndesk_1,yes\n")

    assert "This email is taken" in page.text


def test_the_wrong_rows_come_as_a_file_that_can_be_mended_and_imported(house: House) -> None:
    visitor = house.user("SYSADMIN")
    page = upload(visitor, AGENTS, "Logon ID,First Name,Extension\ndesk_1,=cmd(),1\ndesk_2,Fine,\n")

    refused = visitor.get(f"{path_of(page)}/refused.csv")

    assert refused.html.splitlines()[0].lstrip("\ufeff") == "Logon ID,First Name,Extension,Row,Reason"
    assert refused.html.splitlines()[1].startswith("desk_1,'=cmd(),1,2,Extension: ")
    mended = upload(visitor, AGENTS, refused.html.replace(",1,2,", ",123,2,"))
    assert "Import 1 valid row" in mended.text
    write(visitor, mended)
    assert account(house, "desk_1").first_name == "=cmd()"


# --- Who may do what ----------------------------------------------------------


def test_a_superuser_learns_of_a_sysadmin_no_more_than_that_the_name_is_taken(house: House) -> None:
    text = "User Name,First Name\nsysadmin,Changed\n"

    page = upload(house.user("SUPERUSER"), USERS, text)

    assert "User Name: This User Name is taken. Choose another." in page.text
    assert "sysadmin@acme.example" not in page.html
    assert 'value="write"' not in page.html
    assert "Import 1 valid row" in upload(house.user("SYSADMIN"), USERS, text).text


@pytest.mark.parametrize(
    ("role", "may"), [("SYSADMIN", False), ("CARE", False), ("SUPERUSER", True), ("MANAGER", True)]
)
def test_a_superuser_gives_no_role_above_their_own(house: House, role: str, may: bool) -> None:
    visitor = house.user("SUPERUSER")

    new = upload(visitor, USERS, f"User Name,Role\nsomebody,{role}\n")
    assert ("Import 1 valid row" in new.text) is may
    changed = upload(visitor, USERS, f"User Name,Role\nit_user,{role}\n")

    assert ("Import 1 valid row" in changed.text) is may


@pytest.mark.parametrize(
    ("column", "value", "harmless"),
    [
        ("Role", "MANAGER", "SYSADMIN"),
        ("Active", "no", "yes"),
        ("Email", "x@acme.example", "sysadmin@acme.example"),
    ],
)
def test_nobody_shuts_themselves_out_by_a_file(house: House, column: str, value: str, harmless: str) -> None:
    visitor = house.user("SYSADMIN")

    page = upload(visitor, USERS, f"User Name,{column},First Name\nsysadmin,{value},New\n")

    assert 'value="write"' not in page.html
    fine = upload(visitor, USERS, f"User Name,{column},First Name\nsysadmin,{harmless},New\n")
    assert "Import 1 valid row" in fine.text


def test_an_emergency_account_is_not_ended_by_a_file(house: House) -> None:
    house.add_account("acme", "portal", "spare", role="SYSADMIN", is_emergency=True)
    house.add_account("acme", "portal", "other", role="SYSADMIN")
    visitor = house.user("SYSADMIN")

    page = upload(visitor, USERS, "User Name,Active\nspare,no\nother,no\n")

    assert "emergency account" in page.text
    assert "Import 1 valid row" in page.text


@pytest.mark.parametrize(
    ("role", "path", "may"),
    [
        ("MANAGER", AGENTS, True),
        ("MANAGER", USERS, False),
        ("IT_USER", AGENTS, False),
        ("CLIENT_AUDITOR", USERS, False),
        ("SUPERUSER", USERS, True),
    ],
)
def test_only_who_may_edit_people_imports_them(house: House, role: str, path: str, may: bool) -> None:
    visitor = house.user(role)

    for address in (path, f"{path}/template.csv"):
        assert visitor.get(address).status == (200 if may else 403)


def test_an_import_belongs_to_its_person_its_client_and_its_host(house: House) -> None:
    owner = house.user("SYSADMIN")
    path = path_of(upload(owner, AGENTS, "Logon ID\ndesk_1\n"))

    for other in (house.user("SUPERUSER"), house.user("SYSADMIN", "globex")):
        other.get(AGENTS)
        assert other.get(path).status == 404
        assert other.get(f"{path}/refused.csv").status == 404
        assert other.post(path, act="write").status == 404
    assert owner.get(path.replace("agents", "users")).status == 404
    assert owner.get(path).status == 200


def test_whoever_reads_the_audit_record_gets_the_list_of_what_an_import_changed(house: House) -> None:
    owner = house.user("SYSADMIN")
    house.add_account("acme", "portal", "second", role="SYSADMIN")
    text = "User Name,Role,First Name\nsecond,,New\nnew,MANAGER,=A\nmanager,IT USER,\n"
    path = path_of(upload(owner, USERS, text))
    assert house.user("CLIENT_AUDITOR").get(f"{path}/changes.csv").status == 404
    owner.post(path, act="write")

    told = house.user("CLIENT_AUDITOR").get(f"{path}/changes.csv").html.splitlines()

    assert told[0].lstrip("\ufeff") == "Row,User Name,Change,Column,Old,New"
    assert told[1:] == [
        "3,new,new,Role,,MANAGER",
        "3,new,new,First Name,,'=A",
        "2,second,changed,First Name,,New",
        "4,manager,changed,Role,MANAGER,IT_USER",
    ]
    seen_by_superuser = house.user("SUPERUSER").get(f"{path}/changes.csv").html
    assert "second" not in seen_by_superuser
    assert "4,manager,changed" in seen_by_superuser
    assert house.user("IT_USER").get(f"{path}/changes.csv").status == 403
    assert house.user("CLIENT_AUDITOR", "globex").get(f"{path}/changes.csv").status == 404
    assert owner.get(f"{path.replace('users', 'agents')}/changes.csv").status == 404


# --- Emails, sessions, links --------------------------------------------------


def test_another_email_ends_the_sessions_and_the_link_and_says_so_before(house: House) -> None:
    agent = house.signed_in_agent()
    kept = account(house, "desk_114")
    with session_of(house) as session, writing(session):
        session.add(
            IdentityLink(
                tenant_id=kept.tenant_id, audience="agent", account_id=kept.id,
                issuer="https://login.acme.example", subject="s", linked_at=house.now,
            )
        )  # fmt: skip
    visitor = house.user("SYSADMIN")

    page = upload(visitor, AGENTS, "Logon ID,Email\ndesk_114,other@acme.example\n")

    assert "1 email changes" in page.text
    assert "(1 linked)" in page.text
    assert "1 session ends now" in page.text
    assert agent.get("/").status == 200
    write(visitor, page)
    assert agent.get("/").status == 303
    with session_of(house) as session:
        assert session.scalars(select(IdentityLink)).all() == []
        ended = session.scalars(select(PersonSession).where(PersonSession.account_id == kept.id)).one()
        assert ended.end_reason == "email changed"


def test_another_case_of_the_same_email_ends_nothing(house: House) -> None:
    agent = house.signed_in_agent()
    visitor = house.user("SYSADMIN")

    page = upload(visitor, AGENTS, "Logon ID,Email\ndesk_114,Desk.114@Acme.example\n")

    assert "email changes" not in page.text
    write(visitor, page)
    assert agent.get("/").status == 200
    assert account(house, "desk_114").email == "Desk.114@Acme.example"


def test_a_deactivation_ends_the_sessions(house: House) -> None:
    agent = house.signed_in_agent()
    visitor = house.user("SYSADMIN")

    page = upload(visitor, AGENTS, "Logon ID,Active\ndesk_114,no\n")

    assert "1 agent is deactivated" in page.text
    write(visitor, page)
    assert agent.get("/").status == 303
    assert not account(house, "desk_114").active


# --- The life of an import ----------------------------------------------------


def test_a_change_between_preview_and_import_brings_a_new_preview(house: House) -> None:
    visitor = house.user("SYSADMIN")
    page = upload(visitor, AGENTS, "Logon ID,Agent Team\ndesk_114,Support\n")
    set_account(house, "desk_114", "agent", agent_team="Sales")

    again = write(visitor, page)

    assert "Somebody changed people meanwhile" in again.text
    assert "Agent Team: Sales → becomes Support" in again.text
    assert account(house, "desk_114").agent_team == "Sales"
    assert "0 new agents, 1 changed" in write(visitor, again).text
    assert account(house, "desk_114").agent_team == "Support"


def test_a_cancelled_import_is_gone_and_wrote_nothing(house: House) -> None:
    visitor = house.user("SYSADMIN")
    path = path_of(upload(visitor, AGENTS, "Logon ID\ndesk_1\n"))

    assert visitor.post(path, act="cancel").location == AGENTS

    assert visitor.get(path).status == 404
    assert logins(house) == {"desk_114"}
    with session_of(house) as session:
        assert session.scalars(select(PeopleImport.content)).one() is None
        assert session.scalars(select(PeopleImportPart)).all() == []


def test_an_import_that_was_sent_twice_is_written_once(house: House) -> None:
    visitor = house.user("SYSADMIN")
    page = upload(visitor, AGENTS, "Logon ID\ndesk_1\n")
    write(visitor, page)

    again = write(visitor, page)

    assert "1 new agent" in again.text
    assert len([event for event in house.audited("acme") if event.action == "people.import"]) == 1


def test_an_upload_takes_the_place_of_the_persons_earlier_one(house: House) -> None:
    visitor = house.user("SYSADMIN")
    first = path_of(upload(visitor, AGENTS, "Logon ID\ndesk_1\n"))

    second = path_of(upload(visitor, AGENTS, "Logon ID\ndesk_2\n"))

    assert visitor.get(first).status == 404
    assert visitor.get(second).status == 200


@pytest.mark.parametrize("state", ["reading", "writing"])
def test_a_restart_leaves_an_import_that_can_be_tried_again(house: House, state: str) -> None:
    visitor = house.user("SYSADMIN")
    path = path_of(upload(visitor, AGENTS, "Logon ID\ndesk_1\n"))
    _set_import(house, state=state, run="x" * 32, seen_at=house.now)
    assert "Look again" in visitor.get(path).text
    _set_import(house, seen_at=house.now - running.DEAD_AFTER - timedelta(minutes=1))

    page = visitor.get(path)

    assert "The portal was restarted" in page.text
    assert visitor.post(path, act="again").status == 303
    ready = _wait(visitor, path)
    assert "Import 1 valid row" in ready.text
    assert logins(house) == {"desk_114"}


def test_a_thread_that_was_replaced_writes_nothing(house: House) -> None:
    visitor = house.user("SYSADMIN")
    page = upload(visitor, AGENTS, "Logon ID\ndesk_1\n")
    _set_import(house, state="writing", run="new")
    with session_of(house) as session:
        record = session.scalars(select(PeopleImport)).one()
        importer = Importer(record.created_by_account_id, "SYSADMIN", False)
        by = Actor("sysadmin", record.created_by_account_id)

        running.write(session, record.id, "old", by, importer, background.clock)
        assert logins(house) == {"desk_114"}
        running.write(session, record.id, "new", by, importer, background.clock)

    assert logins(house) == {"desk_114", "desk_1"}
    assert page.status == 200


def test_a_large_file_is_read_and_written_in_the_background(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "SMALL_FILE", 10)
    monkeypatch.setattr(imports, "FEW_ROWS", 1)
    visitor = house.user("SYSADMIN")
    visitor.get(AGENTS)
    text = "Logon ID\n" + "".join(f"many_{number}\n" for number in range(3000))

    sent = visitor.post(AGENTS, file=(io.BytesIO(text.encode()), "many.csv"))

    page = _wait(visitor, sent.location)
    assert "Import 3,000 valid rows" in page.text
    assert visitor.post(sent.location, act="write").status == 303
    assert "3,000 new agents" in _wait(visitor, sent.location).text
    assert len(logins(house)) == 3001


def test_the_preview_has_pages_of_fifty_rows(house: House) -> None:
    visitor = house.user("SYSADMIN")
    path = path_of(upload(visitor, AGENTS, "Logon ID\n" + "".join(f"d{n}\n" for n in range(101))))

    assert "51 to 100 of 101" in visitor.get(f"{path}?show=new&page=2").text
    assert "101 to 101 of 101" in visitor.get(f"{path}?show=new&page=3").text
    for odd in ("page=4", "page=99999999999999999999", "page=x", "show=other", "show=same", "page=%00"):
        assert visitor.get(f"{path}?{odd}").status == 200


def test_a_fault_while_reading_is_told_with_a_reference_and_can_be_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = house.user("SYSADMIN")
    with monkeypatch.context() as broken:
        broken.setattr(planning, "plan", lambda *_: 1 / 0)
        page = upload(visitor, AGENTS, "Logon ID\ndesk_1\n")

    assert "Our fault. Nothing was written." in page.text
    visitor.post(path_of(page), act="again")
    assert "Import 1 valid row" in _wait(visitor, path_of(page)).text


def test_old_imports_are_forgotten_and_what_was_written_is_kept(house: House) -> None:
    visitor = house.user("SYSADMIN")
    write(visitor, upload(visitor, AGENTS, "Logon ID,Extension\ndesk_1,\ndesk_2,1\n"))
    upload(visitor, AGENTS, "Logon ID\ndesk_3\n")
    with session_of(house) as session:
        assert running.forget_old(session, house.now + timedelta(hours=23)) == 0

        assert running.forget_old(session, house.now + timedelta(hours=25)) == 1

        assert [record.state for record in session.scalars(select(PeopleImport))] == ["written"]
        assert [part.outcome for part in session.scalars(select(PeopleImportPart))] == ["new"]


# --- What is sent -------------------------------------------------------------


def test_a_file_over_ten_megabytes_is_refused_and_the_largest_is_read(house: House) -> None:
    visitor = house.user("SYSADMIN")
    row = b"desk_1," + b"x" * 1000 + b"\n"
    fits = b"Logon ID,First Name\n" + row * ((reading.LARGEST_FILE - 20) // len(row))

    for size in (reading.LARGEST_FILE + 1, reading.LARGEST_FILE + 10 * 1024 * 1024):
        page = upload(visitor, AGENTS, fits + b"x" * (size - len(fits)))
        assert page.status == 413
        assert "Over 10 MB. Split the file." in page.text
    assert upload(visitor, AGENTS, fits).status == 200


def test_other_pages_do_not_take_such_bodies(house: House) -> None:
    visitor = house.user("SYSADMIN")
    visitor.get("/configure/client/security")

    assert visitor.post("/configure/client/security", client_id="x" * 300_000).status == 413


def test_without_a_file_the_page_says_what_is_missing(house: House) -> None:
    visitor = house.user("SYSADMIN")
    visitor.get(AGENTS)

    page = visitor.post(AGENTS)

    assert page.status == 422
    assert page.title.startswith("Error: ")
    assert "choose a CSV file" in page.text


def test_a_file_that_is_no_list_of_people_is_refused_beside_its_field(house: House) -> None:
    page = upload(house.user("SYSADMIN"), AGENTS, "Email\na@acme.example\n")

    assert page.status == 422
    assert "The column Logon ID is missing. The first row has: Email." in page.text


def test_a_file_of_another_page_is_not_taken(house: House) -> None:
    visitor = house.user("SYSADMIN")
    visitor.get(AGENTS)

    page = visitor.post(AGENTS, csrf_token="wrong", file=(io.BytesIO(b"Logon ID\ndesk_1\n"), "a.csv"))

    assert page.status == 422
    with session_of(house) as session:
        assert session.scalars(select(PeopleImport)).all() == []


@pytest.mark.parametrize("act", ["", "erase", "write\x00"])
def test_an_act_that_does_not_exist_is_refused(house: House, act: str) -> None:
    visitor = house.user("SYSADMIN")
    path = path_of(upload(visitor, AGENTS, "Logon ID\ndesk_1\n"))

    assert visitor.post(path, act=act).status == 422
    assert visitor.post(path, act="write", csrf_token="wrong").status == 422
    assert logins(house) == {"desk_114"}


def test_an_unknown_import_is_no_page(house: House) -> None:
    visitor = house.user("SYSADMIN")

    for number in ("0", "999", "2147483648", "99999999999999999999", "x", "-1"):
        assert visitor.get(f"{AGENTS}/{number}").status == 404


def _set_import(house: House, **values: Any) -> None:
    with session_of(house) as session, writing(session):
        session.execute(update(PeopleImport).values(**values))


def _wait(visitor: Visitor, path: str) -> Page:
    for _ in range(100):
        page = visitor.get(path)
        if "Look again" not in page.text:
            return page
        time.sleep(0.1)
    raise AssertionError(page.text)
