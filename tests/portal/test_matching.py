"""Configure > Client > Security > Matching: a draft of its own, with its rules in words."""

from __future__ import annotations

from typing import Any

import pytest

from lvportal.services.matching import MOST_MAPPINGS
from tests.support.house import House, Page, Visitor

PATH = "/configure/client/security/matching"


def save(visitor: Visitor, *, groups: list[tuple[str, str]] | None = None, **values: Any) -> Page:
    page = visitor.get(PATH)
    given = {"email_claim": "email", "based_on": page.value("based_on"), "act": "save"} | values
    pairs = groups or []
    return visitor.post(PATH, group=[g for g, _ in pairs], role=[r for _, r in pairs], **given)


def test_rules_become_a_draft_that_changes_nothing_yet(house: House) -> None:
    before = house.state_of("acme")

    saved = save(
        house.user("SUPERUSER"),
        groups=[("Leads", "MANAGER"), ("", "MANAGER"), ("Desk Admins", "SUPERUSER")],
        groups_claim="groups",
        creates_agents="y",
        email_claim="upn",
        matches_case="y",
    )

    assert saved.status == 303
    newest = house.newest("acme")
    assert newest.role_mapping == {"Leads": "MANAGER", "Desk Admins": "SUPERUSER"}
    assert (newest.groups_claim, newest.creates_users, newest.creates_agents) == ("groups", False, True)
    assert (newest.email_claim, newest.matches_case) == ("upn", True)
    assert house.state_of("acme")[:2] == before[:2]
    assert house.secret_of(newest)


def test_what_was_saved_is_shown_and_kept_by_step_3(house: House) -> None:
    visitor = house.user("SYSADMIN")
    save(visitor, groups=[("Leads", "MANAGER")], groups_claim="roles", creates_users="y")

    shown = visitor.get(PATH)
    assert 'value="Leads"' in shown.html
    assert 'value="roles"' in shown.html
    security = visitor.get("/configure/client/security")
    visitor.post(
        "/configure/client/security",
        **{
            name: security.value(name)
            for name in ("provider", "based_on", "client_id", "issuer", "email_claim", "scopes")
        },
        standard="oidc",
        application_type="web",
        client_authentication="client_secret_post",
        response_mode="query",
        act="save",
    )
    newest = house.newest("acme")
    assert newest.client_authentication == "client_secret_post"
    assert (newest.role_mapping, newest.creates_users) == ({"Leads": "MANAGER"}, True)


def test_the_change_is_audited_with_before_and_after(house: House) -> None:
    save(house.user("SYSADMIN"), groups=[("Leads", "MANAGER")], groups_claim="groups")

    event = house.audited("acme")[-1]
    assert event.action == "connection.saved"
    assert event.before == {"groups_claim": "", "role_mapping": {}}
    assert event.after == {"groups_claim": "groups", "role_mapping": {"Leads": "MANAGER"}}
    shown = house.user("SYSADMIN").get("/monitor/audit")
    assert "Leads" in shown.text


@pytest.mark.parametrize(
    ("groups", "values", "words"),
    [
        ([("Leads", "SYSADMIN")], {}, "Choose one of the roles."),
        ([("Leads", "CARE")], {}, "Choose one of the roles."),
        ([("Leads", "MANAGER"), ("Leads", "SUPERUSER")], {}, "This group is in the list already."),
        ([("x" * 257, "MANAGER")], {}, "At most 256 characters."),
        ([("Le\u200bads", "MANAGER")], {}, "Leave out the invisible characters"),
        ([("Leads", "MANAGER")], {"groups_claim": ""}, "Name the claim that lists the groups"),
        ([("Leads", "MANAGER")], {"groups_claim": "my groups"}, "The Groups claim has spaces"),
        ([("Leads", "MANAGER")], {"email_claim": ""}, "Name the claim that carries the email"),
        (
            [(f"g{n}", "MANAGER") for n in range(MOST_MAPPINGS + 1)],
            {},
            f"At most {MOST_MAPPINGS} groups.",
        ),
    ],
)
def test_a_faulty_rule_is_refused_with_what_was_typed(
    house: House, groups: list[tuple[str, str]], values: dict[str, str], words: str
) -> None:
    before = house.newest("acme").number
    visitor = house.user("SYSADMIN")

    refused = save(visitor, groups=groups, **({"groups_claim": "groups"} | values))

    assert refused.status == 422
    assert words in refused.text
    assert f'value="{groups[0][0]}"' in refused.html
    assert house.newest("acme").number == before

    accepted = save(visitor, groups=[("Leads", "MANAGER")], groups_claim="groups")
    assert accepted.status == 303


def test_more_rows_can_be_had_without_a_script(house: House) -> None:
    before = house.newest("acme").number

    page = save(house.user("SYSADMIN"), groups=[("Leads", "MANAGER")], act="more")

    assert page.status == 200
    assert page.html.count('name="group"') == 7
    assert 'value="Leads"' in page.html
    assert house.newest("acme").number == before


@pytest.mark.parametrize(("role", "status"), [("IT_USER", 403), ("CLIENT_AUDITOR", 403), ("SUPERUSER", 303)])
def test_only_those_who_may_enable_decide_about_roles(house: House, role: str, status: int) -> None:
    assert save(house.user(role), groups=[("Leads", "MANAGER")], groups_claim="groups").status == status


def test_readers_see_it_and_find_no_button(house: House) -> None:
    page = house.user("CLIENT_AUDITOR").get(PATH)

    assert page.status == 200
    assert "Save draft" not in page.text
    assert house.user("MANAGER").get(PATH).status == 403


def test_a_second_editor_is_told_and_loses_nothing(house: House) -> None:
    first, second = house.user("SYSADMIN"), house.user("SUPERUSER")
    opened = second.get(PATH).value("based_on")
    save(first, groups_claim="groups")

    refused = second.post(
        PATH, email_claim="upn", based_on=opened, act="save", group=["Leads"], role=["MANAGER"],
        groups_claim="roles",
    )  # fmt: skip

    assert refused.status == 409
    assert 'value="upn"' in refused.html
    assert 'value="Leads"' in refused.html


def test_before_there_is_a_connection_the_page_leads_to_it(house: House) -> None:
    page = house.user("SYSADMIN", "globex").get(PATH)

    assert page.status == 303
    assert page.headers["Location"].endswith("/configure/client/security#step-3")


def test_a_domain_that_care_vouched_for_makes_no_accounts(house: House) -> None:
    assert "No domain of yours is proven by DNS" in house.user("SYSADMIN").get(PATH).text
