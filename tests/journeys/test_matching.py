"""Roles by group and new accounts, through a provider's real answers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.models import Account, EmailDomain
from lvportal.services.transactions import writing
from tests.journeys.stage import Client, Stage, assert_refused, assert_signed_in
from tests.providers.hostile import ABSENT, HostileProvider

pytestmark = pytest.mark.slow

ROLES = {"Leads": "MANAGER"}


@pytest.fixture
def globex(stage: Stage) -> Client:
    return stage.client(
        "globex", groups_claim="groups", role_mapping=ROLES, creates_users=True, creates_agents=True
    )


def prove(stage: Stage, client: Client) -> None:
    with Session(stage.engine) as session, writing(session):
        session.add(
            EmailDomain(
                domain="acme.example", tenant_id=client.tenant_id, proof="dns", proven_at=datetime.now(UTC)
            )
        )


def people(stage: Stage, client: Client) -> dict[str, Account]:
    with Session(stage.engine) as session:
        found = session.scalars(select(Account).where(Account.tenant_id == client.tenant_id)).all()
        session.expunge_all()
    return {account.audience: account for account in found}


@pytest.mark.parametrize(
    ("groups", "role"),
    [(["Leads"], "MANAGER"), (["Cooks"], "IT_USER"), (ABSENT, "IT_USER"), ({"Leads": 1}, "IT_USER")],
)
def test_the_groups_that_arrive_give_the_role(
    stage: Stage, hostile: HostileProvider, globex: Client, groups: object, role: str
) -> None:
    stage.user(globex, "ada@acme.example", role="IT_USER")
    hostile.bend_claims(groups=groups)
    browser = stage.browser()

    assert_signed_in(browser, browser.sign_in("globex"))

    assert people(stage, globex)["portal"].role == role


def test_groups_that_userinfo_alone_knows_count(
    stage: Stage, hostile: HostileProvider, globex: Client
) -> None:
    stage.user(globex, "ada@acme.example", role="IT_USER")
    hostile.bend_userinfo(groups=["Leads"])
    browser = stage.browser()

    assert_signed_in(browser, browser.sign_in("globex"))

    assert people(stage, globex)["portal"].role == "MANAGER"


def test_a_first_sign_in_makes_the_account_once_the_domain_is_proven(
    stage: Stage, hostile: HostileProvider, globex: Client
) -> None:
    browser = stage.browser()
    assert_refused(browser, lambda: browser.sign_in("globex"), "sign_in.no_account")
    assert people(stage, globex) == {}

    prove(stage, globex)
    assert_signed_in(browser, browser.sign_in("globex"))
    again = stage.browser()
    assert_signed_in(again, again.sign_in("globex"))

    made = people(stage, globex)
    assert [made["portal"].login_name, made["portal"].role] == ["ada", "CLIENT_AUDITOR"]


@pytest.mark.parametrize("verified", [False, "true", ABSENT])
def test_no_account_is_made_for_an_email_that_is_not_verified(
    stage: Stage, hostile: HostileProvider, verified: object
) -> None:
    client = stage.client("globex", creates_users=True, accepts_unverified_email=True)
    prove(stage, client)
    hostile.bend_claims(email_verified=verified)
    hostile.bend_userinfo(email_verified=verified)
    browser = stage.browser()

    assert_refused(browser, lambda: browser.sign_in("globex"), "sign_in.no_account")

    hostile.straighten()
    assert_signed_in(browser, browser.sign_in("globex"))
