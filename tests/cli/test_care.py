from __future__ import annotations

import pytest
from sqlalchemy import select

from lvportal.models import Account, AuditEvent, Tenant
from lvportal.services.passwords import PasswordChecker

PASSWORD = "correct horse battery staple"
CREATE = ("care", "create", "--email", "Sam@operator.example", "--user-name", "Sam")
BY_ENVIRONMENT = (*CREATE, "--password-environment", "CARE_PASSWORD")


def create(installation, *more: str, password: str = PASSWORD):
    return installation.run(*BY_ENVIRONMENT, *more, environ={"CARE_PASSWORD": password})


def test_the_first_care_account_brings_the_operators_client_with_it(installation):
    created = create(installation)

    assert created.exit_code == 0
    assert "the client code operator" in created.stdout
    with installation.session() as session:
        tenant = session.scalars(select(Tenant)).one()
        account = session.scalars(select(Account)).one()
        events = session.scalars(select(AuditEvent.action)).all()
    assert (tenant.code, tenant.kind) == ("operator", "operator")
    assert (account.role, account.login_name, account.folded_email) == ("CARE", "Sam", "sam@operator.example")
    assert PasswordChecker(1).is_right(PASSWORD, account.password_hash)
    assert events == ["client.created", "account.created"]


def test_the_password_is_asked_for_twice_and_not_shown(installation):
    created = installation.run(*CREATE, typed=f"{PASSWORD}\n{PASSWORD}\n")

    assert created.exit_code == 0
    assert PASSWORD not in created.output


def test_a_second_account_joins_the_existing_operator(installation):
    installation.apply({"code": "house", "name": "The House", "kind": "operator"})

    created = create(installation)

    assert "the client code house" in created.stdout
    with installation.session() as session:
        assert session.scalars(select(Tenant.code)).all() == ["house"]


def test_a_name_that_is_taken_in_any_case_is_refused(installation):
    create(installation)

    refused = installation.run(
        *("care", "create", "--email", "s@operator.example", "--user-name", "sAM"),
        *("--password-environment", "CARE_PASSWORD"),
        environ={"CARE_PASSWORD": PASSWORD},
    )

    assert refused.exit_code == 2
    assert "Code: care.exists" in refused.stderr


@pytest.mark.parametrize(
    "more, password, code",
    [
        ((), "eleven char", "care.password"),
        ((), "", "care.password"),
        (("--email", "sam"), PASSWORD, "care.email"),
        (("--user-name", " sam"), PASSWORD, "care.user_name"),
        (("--client-code", "The House"), PASSWORD, "care.client_code"),
    ],
)
def test_an_account_that_should_not_be_is_refused_and_nothing_written(installation, more, password, code):
    refused = create(installation, *more, password=password)

    assert refused.exit_code == 2
    assert f"Code: {code}" in refused.stderr
    with installation.session() as session:
        assert session.scalars(select(Tenant)).all() == []


def test_a_clients_code_does_not_become_the_operators(installation):
    installation.apply({"code": "operator", "name": "Operators & Sons"})

    refused = create(installation)
    created = create(installation, "--client-code", "house")

    assert "Code: care.client_code" in refused.stderr
    assert created.exit_code == 0
