from __future__ import annotations

import pytest

from lvportal.services.matching import LEAST_ROLE, MatchingRules, login_names, mapped_role

ROLES = {"Leads": "MANAGER", "Admins": "SUPERUSER", "Readers": "CLIENT_AUDITOR"}


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (("Readers",), "CLIENT_AUDITOR"),
        (("Readers", "Leads"), "MANAGER"),
        (("Leads", "Admins", "Readers"), "SUPERUSER"),
        (("Cooks", "Leads"), "MANAGER"),
        (("leads",), None),  # compared exactly
        (("Cooks",), None),
        ((), None),
        (None, None),
    ],
)
def test_the_first_role_that_a_group_gives(groups, role):
    assert mapped_role(groups, ROLES) == role


@pytest.mark.parametrize("role", ["SYSADMIN", "CARE", "ROOT", ""])
def test_a_stored_mapping_to_more_than_a_group_may_give_gives_nothing(role):
    assert mapped_role(("Admins",), {"Admins": role}) is None
    assert mapped_role(("Admins",), {"Admins": LEAST_ROLE}) == LEAST_ROLE


def test_rules_that_change_nothing_cost_nothing():
    assert not MatchingRules(matches_case=True).may_change("portal")
    assert MatchingRules(roles=ROLES).may_change("portal")
    assert not MatchingRules(roles=ROLES).may_change("agent")
    assert MatchingRules(creates=frozenset({"agent"})).may_change("agent")
    assert not MatchingRules(creates=frozenset({"agent"})).may_change("portal")


@pytest.mark.parametrize(
    ("email", "first"),
    [
        ("ada@acme.example", "ada"),
        ("Ada.Lovelace+work@acme.example", "ada.lovelace_work"),
        ("a" * 40 + "@acme.example", "a" * 20),
        ("+@acme.example", "person"),
        ("ädä@acme.example", "d"),
    ],
)
def test_names_for_a_new_account(email, first):
    names = login_names(email, 20)

    assert names[0] == first
    assert len(names) == len(set(names)) == 99
    assert all(len(name) <= 20 for name in names)
