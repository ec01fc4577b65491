"""What a file would do, compared with the accounts, without a database."""

from __future__ import annotations

import pytest

from lvportal.services.folding import fold
from lvportal.services.people_import import reading
from lvportal.services.people_import.judging import judge_rows, mark_repeated_names
from lvportal.services.people_import.planning import Existing, Importer, Plan, Snapshot, plan

CARE = Importer(account_id=99, role="SYSADMIN", is_operator=False)


def user(number: int, login: str, role: str = "SYSADMIN", email: str | None = None, **more: bool) -> Existing:
    return Existing(
        id=number, login_name=login, folded_login_name=fold(login), email=email, folded_email=email,
        first_name="", last_name="", active=more.get("active", True), role=role, agent_team="",
        home_agent=False, extension="", is_emergency=False,
    )  # fmt: skip


def planned(text: str, *there: Existing, by: Importer = CARE) -> Plan:
    layout = reading.inspect(text.encode(), "portal")
    rows = list(judge_rows(reading.lines(text.encode(), layout), layout, "portal"))
    mark_repeated_names(rows, "portal")
    before = Snapshot({one.folded_login_name: one for one in there}, {}, frozenset())
    return plan(rows, before, "portal", by)


def outcome(made: Plan) -> dict[str, str]:
    return {row["name"]: name for name, rows in made.rows.items() for row in rows}


def said(made: Plan) -> str:
    return " ".join(words for row in made.rows["refused"] for _, words in row["problems"])


@pytest.mark.parametrize("last", ["b,MANAGER,", "b,,no"])
def test_one_active_sysadmin_is_left(last):
    there = (user(1, "a"), user(2, "b"))

    both = planned(f"User Name,Role,Active\na,,no\n{last}\n", *there)
    one = planned(f"User Name,Role,Active\na,,\n{last}\n", *there)

    assert outcome(both) == {"a": "refused", "b": "refused"}
    assert "One active SYSADMIN must be left" in said(both)
    assert outcome(one) == {"a": "same", "b": "changed"}


def test_a_sysadmin_may_leave_when_the_file_makes_another():
    made = planned("User Name,Role,Active\na,,no\nc,SYSADMIN,\n", user(1, "a"))

    assert outcome(made) == {"a": "changed", "c": "new"}


def test_a_sysadmin_stays_when_the_one_that_the_file_makes_is_wrong():
    made = planned(
        "User Name,Role,Active,Email\na,,no,\nc,SYSADMIN,,m@acme.example\n",
        user(1, "a"),
        user(2, "m", "MANAGER", "m@acme.example"),
    )

    assert outcome(made) == {"a": "refused", "c": "refused"}


def test_a_sysadmin_who_must_stay_keeps_the_email_too():
    made = planned(
        "User Name,Role,Active,Email\na,,no,\nm,,,a@acme.example\n",
        user(1, "a", email="a@acme.example"),
        user(2, "m", "MANAGER"),
    )

    assert outcome(made) == {"a": "refused", "m": "refused"}


def test_a_chain_of_emails_falls_when_its_last_link_is_wrong():
    people = [user(n, f"u{n}", "MANAGER", f"e{n}@acme.example") for n in range(1, 5)]
    moves = "".join(f"u{n},,e{n + 1}@acme.example\n" for n in range(1, 4))

    right = planned(f"User Name,Active,Email\n{moves}u4,,e5@acme.example\n", *people)
    wrong = planned(f"User Name,Active,Email\n{moves}u4,,nonsense\n", *people)

    assert set(outcome(right).values()) == {"changed"}
    assert set(outcome(wrong).values()) == {"refused"}


def test_a_role_that_stays_is_nobodys_to_give_and_no_fault():
    superuser = Importer(account_id=5, role="SUPERUSER", is_operator=False)

    made = planned("User Name,Role,First Name\nm,SUPERUSER,New\n", user(1, "m", "SUPERUSER"), by=superuser)

    assert outcome(made) == {"m": "changed"}


def test_what_exists_is_judged_by_what_changes_alone():
    old = user(1, "m", "MANAGER", "not an address")

    kept = planned("User Name,Email\nm,not an address\n", old)
    changed = planned("User Name,Email\nm,nor this\n", old)

    assert outcome(kept) == {"m": "same"}
    assert outcome(changed) == {"m": "refused"}


@pytest.mark.parametrize(("is_operator", "expected"), [(True, "new"), (False, "refused")])
def test_customer_care_is_made_in_the_operators_client_alone(is_operator, expected):
    by = Importer(account_id=1, role="SYSADMIN", is_operator=is_operator)

    assert outcome(planned("User Name,Role\nnew,CARE\n", by=by)) == {"new": expected}


def test_the_fingerprint_is_the_same_only_for_the_same_changes():
    text = "User Name,First Name\nm,New\n"

    first = planned(text, user(1, "m", "MANAGER")).fingerprint()

    assert planned(text, user(1, "m", "MANAGER"), user(2, "n")).fingerprint() == first
    assert planned(text, user(3, "m", "MANAGER")).fingerprint() != first
