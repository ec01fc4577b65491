from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import select

from lvportal.errors import NoAccount
from lvportal.models import Account, AuditEvent, EmailDomain, Tenant
from lvportal.services import audit, provisioning
from lvportal.services.matching import MatchingRules
from lvportal.services.transactions import writing
from tests.services.conftest import NOW, World

ROLES = {"Leads": "MANAGER", "Admins": "SUPERUSER"}
CREATES = MatchingRules(creates=frozenset({"portal", "agent"}))


def prove(world: World, tenant: Tenant, domain: str = "acme.example", proof: str = "dns") -> None:
    with writing(world.session):
        world.session.add(EmailDomain(domain=domain, tenant_id=tenant.id, proof=proof, proven_at=NOW))


def arrive(world: World, audience: str = "agent", **identity: object) -> Account:
    facts = {"email_is_verified": True, "given_name": "Ada", "family_name": "Byron"} | identity
    world.protocol.result = replace(world.identity(), **facts)  # type: ignore[arg-type]
    world.finish(world.arrival(audience=audience))
    world.session.rollback()
    email = world.protocol.result.email
    return world.session.scalars(
        select(Account).where(Account.email == email, Account.audience == audience)
    ).one()


def role_after(world: World, role: str, groups: tuple[str, ...] | None, **values: object) -> str | None:
    tenant = world.client("acme")
    with writing(world.session):
        world.session.add(
            Account(
                tenant_id=tenant.id,
                audience="portal",
                login_name="ada",
                folded_login_name="ada",
                email="desk@acme.example",
                folded_email="desk@acme.example",
                role=role,
                created_at=NOW,
                **values,
            )
        )
    world.protocol.matching = MatchingRules(roles=ROLES)
    return arrive(world, "portal", groups=groups).role


@pytest.mark.parametrize(
    ("role", "groups", "after"),
    [
        ("IT_USER", ("Leads",), "MANAGER"),
        ("IT_USER", ("Leads", "Admins"), "SUPERUSER"),
        ("SUPERUSER", ("Leads",), "SUPERUSER"),  # the last administrator
        ("MANAGER", ("Leads",), "MANAGER"),
        ("IT_USER", ("Cooks",), "IT_USER"),
        ("IT_USER", (), "IT_USER"),
        ("IT_USER", None, "IT_USER"),
        ("SYSADMIN", ("Leads",), "SYSADMIN"),
        ("SYSADMIN", ("Admins",), "SYSADMIN"),
    ],
)
def test_a_group_gives_its_role_at_the_sign_in(world, role, groups, after):
    assert role_after(world, role, groups) == after


def test_an_administrator_beside_another_follows_the_groups(world):
    other = Account(
        tenant_id=1,
        audience="portal",
        login_name="root",
        folded_login_name="root",
        role="SYSADMIN",
        password_hash="x",
        created_at=NOW,
    )
    tenant = world.client("acme")
    other.tenant_id = tenant.id
    with writing(world.session):
        world.session.add(other)
    world.account(tenant, "portal", "ada", "desk@acme.example", role="SUPERUSER")
    world.protocol.matching = MatchingRules(roles=ROLES)

    assert arrive(world, "portal", groups=("Leads",)).role == "MANAGER"


def test_an_emergency_account_keeps_its_role(world):
    assert role_after(world, "SUPERUSER", ("Leads",), is_emergency=True) == "SUPERUSER"


def test_a_changed_role_is_audited_as_the_provider_s_doing(world):
    role_after(world, "IT_USER", ("Leads",))

    event = world.session.scalars(select(AuditEvent).where(AuditEvent.action == "account.changed")).one()
    assert (event.actor, event.before, event.after) == (
        "sign-in through Okta",
        {"role": "IT_USER"},
        {"role": "MANAGER"},
    )


def test_a_role_that_stays_writes_nothing(world):
    role_after(world, "MANAGER", ("Leads",))

    assert world.session.scalars(select(AuditEvent).where(AuditEvent.action == "account.changed")).all() == []


def test_staff_of_the_operator_keeps_its_role(world):
    tenant = world.client("acme")
    with writing(world.session):
        tenant.kind = "operator"
    world.account(tenant, "portal", "ada", "desk@acme.example", role="IT_USER")
    world.protocol.matching = MatchingRules(roles=ROLES)

    assert arrive(world, "portal", groups=("Admins",)).role == "IT_USER"


def test_an_agent_is_made_at_the_first_sign_in(world):
    prove(world, world.client("acme"))
    world.protocol.matching = CREATES

    agent = arrive(world)

    assert (agent.login_name, agent.role, agent.full_name) == ("desk", None, "Ada Byron")
    assert agent.made_by_provider
    assert agent.password_hash is None
    event = world.session.scalars(select(AuditEvent).where(AuditEvent.action == "account.created")).one()
    assert event.actor == "sign-in through Okta"


@pytest.mark.parametrize(
    ("groups", "role"), [(None, "CLIENT_AUDITOR"), (("Leads",), "MANAGER"), (("Cooks",), "CLIENT_AUDITOR")]
)
def test_a_user_is_made_with_the_mapped_role_or_the_least(world, groups, role):
    prove(world, world.client("acme"))
    world.protocol.matching = replace(CREATES, roles=ROLES)

    assert arrive(world, "portal", groups=groups).role == role


def test_a_taken_logon_id_gets_a_number(world):
    tenant = world.client("acme")
    prove(world, tenant)
    world.agent(tenant, "desk", "other@acme.example")
    world.protocol.matching = CREATES

    assert arrive(world).login_name == "desk2"


def refused(world: World, audience: str = "agent", **identity: object) -> None:
    with pytest.raises(NoAccount):
        arrive(world, audience, **identity)


def test_nobody_is_made_without_the_switch_of_this_host(world):
    prove(world, world.client("acme"))
    world.protocol.matching = MatchingRules(creates=frozenset({"portal"}))

    refused(world, "agent")

    assert arrive(world, "portal").role == "CLIENT_AUDITOR"


def test_nobody_is_made_with_an_unverified_email(world):
    prove(world, world.client("acme"))
    world.protocol.matching = CREATES

    refused(world, email_is_verified=False)

    assert arrive(world).login_name == "desk"


@pytest.mark.parametrize("domain", ["example", "mail.acme.example", "evil-acme.example", "globex.example"])
def test_nobody_is_made_for_a_domain_that_is_not_this_one(world, domain):
    tenant = world.client("acme")
    prove(world, tenant, domain)
    world.protocol.matching = CREATES

    refused(world)

    prove(world, tenant)
    assert arrive(world).login_name == "desk"


def test_nobody_is_made_for_a_domain_that_another_client_has_proven(world):
    world.client("acme")
    prove(world, world.client("globex"))
    world.protocol.matching = CREATES

    refused(world)


def test_nobody_is_made_by_the_operator_s_word_alone(world):
    prove(world, world.client("acme"), proof="operator")
    world.protocol.matching = CREATES

    refused(world)


def test_nobody_is_made_in_the_operator_s_own_client(world):
    tenant = world.client("acme")
    prove(world, tenant)
    with writing(world.session):
        tenant.kind = "operator"
    world.protocol.matching = CREATES

    refused(world, "portal")


def test_a_subject_that_opened_another_account_is_no_new_person(world):
    tenant = world.client("acme")
    prove(world, tenant)
    world.agent(tenant, "ada", "ada@acme.example")
    world.protocol.matching = CREATES
    arrive(world, email="ada@acme.example", subject="00u7")

    refused(world, email="new@acme.example", subject="00u7")

    assert arrive(world, email="new@acme.example", subject="00u8").login_name == "new"


def test_two_first_sign_ins_at_once_make_one_account(world):
    tenant = world.client("acme")
    prove(world, tenant)
    identity = replace(world.identity(), email_is_verified=True)
    tenant_id, engine = tenant.id, world.engine
    world.session.rollback()

    def provision() -> None:
        by = audit.Actor(name="sign-in through Okta")
        provisioning.carry_out(engine, tenant_id, "agent", identity, CREATES, by=by, now=NOW)

    threads = [threading.Thread(target=provision) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(world.session.scalars(select(Account).where(Account.audience == "agent")).all()) == 1
