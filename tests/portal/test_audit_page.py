"""Monitor > Audit: every change in words, found, exported, and nothing that a role must not see."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select

from lvportal.extensions import db
from lvportal.models import Account, Tenant
from lvportal.portal.monitor import audit as audit_page
from lvportal.services import audit, audit_reading
from lvportal.services.transactions import writing
from tests.support.house import House, Page

PATH = "/monitor/audit"
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def write(house: House, action: str = "account.changed", client: str = "acme", **values: Any) -> None:
    actor = values.pop("actor", audit.Actor("Desk Lead", address="192.0.2.9"))
    now = values.pop("now", NOW)
    with house.app.app_context(), writing(db.session()) as session:
        tenant = session.scalars(select(Tenant).where(Tenant.code == client)).one()
        audit.record(session, tenant_id=tenant.id, actor=actor, action=action, now=now, **values)


def actor(house: House, login_name: str, name: str) -> audit.Actor:
    with house.app.app_context():
        tenant = db.session.scalars(select(Tenant.id).where(Tenant.code == "acme")).one()
        found = select(Account.id).where(Account.tenant_id == tenant, Account.login_name == login_name)
        return audit.Actor(name, db.session.scalars(found).one(), address="192.0.2.77")


def rows(page: Page) -> int:
    return page.html.count('data-label="When"')


def lines(page: Page) -> list[dict[str, Any]]:
    return [json.loads(line) for line in page.html.splitlines()]


def test_an_event_says_who_when_where_what_and_both_values(house: House) -> None:
    write(
        house,
        subject="agent desk_114",
        before={"email": "old@acme.example", "active": True},
        after={"email": "new@acme.example", "active": False},
    )

    text = house.user("SYSADMIN").get(PATH).text

    assert "24 Nov 2026, 09:00:00 CET" in text  # the client's zone
    for words in ("Desk Lead", "192.0.2.9", "Changed an account", "agent desk_114"):
        assert words in text
    assert "Email: from old@acme.example → to new@acme.example" in text
    assert "Active: from Yes → to No" in text


@pytest.mark.parametrize(
    ("role", "status"),
    [("SYSADMIN", 200), ("SUPERUSER", 200), ("CLIENT_AUDITOR", 200), ("MANAGER", 403), ("IT_USER", 403)],
)
@pytest.mark.parametrize("path", [PATH, f"{PATH}/export.csv", f"{PATH}/export.jsonl"])
def test_who_may_read_it(house: House, role: str, status: int, path: str) -> None:
    assert house.user(role).get(path).status == status


def test_care_reads_no_clients_record(house: House) -> None:
    assert house.care().get(PATH).status == 403


@pytest.mark.parametrize("path", [PATH, f"{PATH}/export.csv", f"{PATH}/export.jsonl"])
def test_another_clients_events_are_never_there(house: House, path: str) -> None:
    write(house, subject="user of globex", client="globex")

    assert "user of globex" not in house.user("SYSADMIN").get(path).html
    assert "user of globex" in house.user("SYSADMIN", "globex").get(path).html


def test_an_act_of_care_is_marked(house: House) -> None:
    write(house, "billing.feature", subject="single_sign_on", actor=audit.Actor("Helper", is_care=True))

    page = house.user("SYSADMIN").get(f"{PATH}?person=helper")

    assert rows(page) == 1
    assert "Helper Customer Care" in page.text


def test_a_secret_that_was_written_down_by_mistake_is_not_shown(house: House) -> None:
    write(house, before={"secret": "hunter2hunter2"}, after={"secret": "changed", "password": "pass-4711"})

    text = house.user("SYSADMIN").get(PATH).text

    assert "hunter2" not in text
    assert "4711" not in text
    assert "Authorization Secret: from changed → to changed" in text


def test_values_are_written_as_text(house: House) -> None:
    write(house, subject="<script>alert(1)</script>", after={"name": "<b>bold</b>"})

    html = house.user("SYSADMIN").get(PATH).html

    assert "<script>alert" not in html
    assert "&lt;b&gt;bold" in html


# --- Finding ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=desk_114", 1),
        ("q=DESK_114", 1),
        ("q=desk%25", 0),
        ("q=new%40acme", 1),
        ("q=z%C3%BCrich", 1),
        ("q=192.0.2.9", 1),
        ("q=changed+an+acc", 1),
        ("q=nothing+like+it", 0),
        ("kind=account", 1),
        ("kind=session", 0),
        ("kind=invented&q=desk_114", 1),
        ("person=desk+lead", 1),
        ("person=nobody", 0),
        ("since=2026-11-24&until=2026-11-24", 1),
        ("until=2026-11-23&q=desk_114", 0),
        ("since=2026-11-25&q=desk_114", 0),
        ("q=desk_114&person=desk&kind=account&since=2026-11-01", 1),
    ],
)
def test_events_are_found(house: House, query: str, found: int) -> None:
    write(house, subject="agent desk_114", after={"email": "new@acme.example", "city": "zürich"})

    assert rows(house.user("SYSADMIN").get(f"{PATH}?{query}")) == found


def test_days_are_those_of_the_clients_zone(house: House) -> None:
    write(house, subject="agent late", now=datetime(2026, 11, 23, 23, 30, tzinfo=UTC))  # 00:30 in Berlin
    visitor = house.user("SYSADMIN")

    assert rows(visitor.get(f"{PATH}?q=agent+late&since=2026-11-24&until=2026-11-24")) == 1
    assert rows(visitor.get(f"{PATH}?q=agent+late&until=2026-11-23")) == 0


@pytest.mark.parametrize(
    "query",
    [
        "since=tomorrow",
        "since=0001-01-01&until=9999-12-31",
        "q=%00",
        "q=%ff%fe",
        "page=99999999999999999999",
        "page=-1",
        "page=x",
        "kind=%27%3B--",
        "q=a&q=b&since=2026-01-01&since=x",
        "q=" + "x" * 5000,
        "person=%25_%5C",
    ],
)
@pytest.mark.parametrize("path", [PATH, f"{PATH}/export.csv", f"{PATH}/export.jsonl"])
def test_odd_filters_break_nothing(house: House, path: str, query: str) -> None:
    assert house.user("SYSADMIN").get(f"{path}?{query}").status == 200


def test_a_list_has_pages_that_keep_the_filters(house: House) -> None:
    for number in range(51):
        write(house, subject=f"agent many {number}")
    visitor = house.user("SYSADMIN")

    first = visitor.get(f"{PATH}?q=agent+many")
    second = visitor.get(f"{PATH}?q=agent+many&page=2")

    assert (rows(first), rows(second)) == (50, 1)
    assert "1 to 50 of 51" in first.text
    assert f"{PATH}?q=agent+many&page=2" in first.links
    assert "agent many 50" in first.text
    assert "agent many 0 " in second.text


def test_a_list_ends_at_its_limit_and_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_reading, "MOST_LISTED", 60)
    monkeypatch.setattr(audit_page, "MOST_LISTED", 60)
    for number in range(61):
        write(house, subject=f"agent many {number}")
    visitor = house.user("SYSADMIN")

    cut, second = visitor.get(f"{PATH}?q=agent+many"), visitor.get(f"{PATH}?q=agent+many&page=2")
    whole = visitor.get(f"{PATH}?q=agent+many+1")

    assert "1 to 50 of 60" in cut.text
    assert "More than 60 fit" in cut.text
    assert (rows(second), "agent many 0 " in second.text) == (10, False)
    assert "More than" not in whole.text


def test_a_page_past_the_end_leads_back(house: House) -> None:
    page = house.user("SYSADMIN").get(f"{PATH}?page=50")

    assert page.status == 200
    assert "No such page" in page.text
    assert f"{PATH}?page=1" in page.links


def test_nothing_found_says_so(house: House) -> None:
    page = house.user("SYSADMIN").get(f"{PATH}?q=nothing+like+it")

    assert "Nothing fits" in page.text


# --- What a SUPERUSER does not see --------------------------------------------


@pytest.mark.parametrize(
    "hidden",
    [
        {"subject": "user sysadmin"},
        {"subject": "user sysadmin (Root)"},
        {"subject": "sysadmin (portal)"},
        {"subject": "user former", "before": {"role": "SYSADMIN"}, "after": {"role": "MANAGER"}},
        {"subject": "user later", "before": {"role": "MANAGER"}, "after": {"role": "SYSADMIN"}},
    ],
    ids=lambda hidden: hidden["subject"],
)
@pytest.mark.parametrize("path", [PATH, f"{PATH}/export.csv", f"{PATH}/export.jsonl"])
def test_acts_on_a_sysadmin_are_hidden_from_a_superuser(
    house: House, path: str, hidden: dict[str, Any]
) -> None:
    write(house, actor=audit.Actor("The Doer"), **hidden)

    assert "The Doer" not in house.user("SUPERUSER").get(f"{path}?person=doer").html
    assert "The Doer" in house.user("SYSADMIN").get(f"{path}?person=doer").html


def test_acts_on_others_are_shown_to_a_superuser(house: House) -> None:
    for subject in ("user superuser", "agent sysadmin", "user sysadmin2"):
        write(house, subject=subject, actor=audit.Actor("The Doer"), after={"role": "MANAGER"})

    assert rows(house.user("SUPERUSER").get(f"{PATH}?person=doer")) == 3


@pytest.mark.parametrize("path", [PATH, f"{PATH}/export.csv", f"{PATH}/export.jsonl"])
def test_a_superuser_sees_what_a_sysadmin_did_but_not_which(house: House, path: str) -> None:
    write(house, "connection.saved", subject="revision 7", actor=actor(house, "sysadmin", "Root Person"))

    html = house.user("SUPERUSER").get(f"{path}?q=revision+7").html

    assert "An administrator" in html
    assert "Root Person" not in html
    assert "192.0.2.77" not in html


@pytest.mark.parametrize("query", ["person=root", "q=root+person", "q=192.0.2.77"])
def test_a_superuser_cannot_find_a_sysadmin_by_searching(house: House, query: str) -> None:
    write(house, "connection.saved", subject="revision 7", actor=actor(house, "sysadmin", "Root Person"))

    assert rows(house.user("SUPERUSER").get(f"{PATH}?{query}")) == 0
    assert rows(house.user("SYSADMIN").get(f"{PATH}?{query}")) == 1


def test_a_superuser_sees_other_actors_by_name(house: House) -> None:
    write(house, subject="agent one", actor=actor(house, "manager", "Team Manager"))

    assert rows(house.user("SUPERUSER").get(f"{PATH}?person=team+manager")) == 1


# --- Files --------------------------------------------------------------------


def test_the_csv_holds_what_the_filters_leave(house: House) -> None:
    write(house, subject="=1+1", after={"email": "new@acme.example"})

    page = house.user("SYSADMIN").get(f"{PATH}/export.csv?person=desk")

    found = list(csv.DictReader(io.StringIO(page.html.removeprefix("\ufeff"))))
    assert page.headers["Content-Disposition"] == 'attachment; filename="audit-acme.csv"'
    assert [(row["Who"], row["Subject"], row["Time"]) for row in found] == [
        ("Desk Lead", "'=1+1", "2026-11-24T08:00:00+00:00")
    ]
    assert json.loads(found[0]["After"]) == {"email": "new@acme.example"}


def test_the_json_lines_can_be_checked_without_us(house: House) -> None:
    write(house, subject="agent one")
    write(house, subject="agent two")

    found = lines(house.user("SYSADMIN").get(f"{PATH}/export.jsonl"))

    numbers = [event["number"] for event in found]
    assert numbers == list(range(len(found), 0, -1))
    assert all(newer["previous_hash"] == older["hash"] for newer, older in pairwise(found))


def test_a_file_is_read_in_steps_and_ends_at_its_limit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_reading, "ROWS_AT_ONCE", 3)
    for number in range(10):
        write(house, subject=f"agent many {number}", now=NOW + timedelta(seconds=number))

    found = lines(house.user("SYSADMIN").get(f"{PATH}/export.jsonl?q=agent+many"))
    with house.app.app_context():
        tenant = db.session.scalars(select(Tenant.id).where(Tenant.code == "acme")).one()
        reader = audit_reading.Reader(db.session(), tenant, hides_sysadmins=False)
        newest = [event.subject for event in reader.newest(audit_reading.Wanted(), most=4)]

    assert [event["subject"] for event in found] == [f"agent many {number}" for number in range(9, -1, -1)]
    assert newest == [f"agent many {number}" for number in (9, 8, 7, 6)]
