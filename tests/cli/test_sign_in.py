from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from lvportal.errors import NoAccount, SignInExpired
from lvportal.models import Revision, Tenant
from lvportal.protocols.oidc.errors import IssuerWrong
from lvportal.services import references, sign_in_records
from lvportal.services.sign_in_records import Visitor

CLIENT = {
    "code": "acme",
    "name": "Acme",
    "time_zone": "Europe/London",
    "connection": {
        "provider": "okta",
        "application_type": "native",
        "issuer": "https://login.acme.example",
        "client_id": "0oa1",
    },
}


@pytest.fixture
def record(installation):
    """Write a record; return its reference."""
    installation.apply(CLIENT)

    def write(**values: Any) -> str:
        with installation.session() as session:
            tenant_id = session.scalars(select(Tenant.id)).one()
            revision_id = session.scalars(select(Revision.id)).one()
            reference = sign_in_records.write(
                session,
                tenant_id=tenant_id,
                audience="agent",
                method="sso",
                visitor=Visitor("192.0.2.1", "a browser"),
                now=datetime(2026, 7, 1, 8, 30, tzinfo=UTC),
                revision_id=revision_id,
                **values,
            )
            session.commit()
        return reference

    return write


def test_a_refusal_is_shown_with_cause_step_and_what_the_administrator_does(installation, record):
    refused = NoAccount("none of 3", email="kim@acme.example", claim_names=("email", "sub"))
    reference = record(refused=refused, harmless_claims={"email_verified": "true"})

    shown = installation.run("sign-in", references.show(reference).lower())

    assert shown.exit_code == 0
    lines = dict(line.split(":", 1) for line in shown.stdout.splitlines())
    facts = {name: value.strip() for name, value in lines.items()}
    assert facts["Reference"] == references.show(reference)
    assert facts["Time"] == "2026-07-01 09:30:00 Europe/London"
    assert facts["Client"] == "Acme (acme)"
    assert facts["Way"] == "single sign-on, Okta"
    assert facts["Got as far as"] == "step 6 of 6, account matched"
    assert facts["Code"] == "sign_in.no_account"
    assert facts["Person saw"] == "Acme has no active account for kim@acme.example."
    assert facts["Administrator"] == NoAccount.administrator_step
    assert facts["Claims"] == "email, sub"
    assert facts["Harmless claims"] == "email_verified = true"


def test_a_sign_in_that_went_well_has_no_cause(installation, record):
    shown = installation.run("sign-in", record(email="kim@acme.example"))

    assert "Outcome:           signed in" in shown.stdout
    assert "Administrator:" not in shown.stdout


def test_control_characters_of_a_provider_do_not_reach_the_terminal(installation, record):
    refused = SignInExpired(provider_said="\x1b]0;owned\x07 denied")

    shown = installation.run("sign-in", record(refused=refused))

    assert "\x1b" not in shown.stdout
    assert "denied" in shown.stdout


@pytest.mark.parametrize("reference", ["7KQ2-M9DX", "nonsense", "7KQ2'; --"])
def test_an_unknown_reference_is_refused(installation, reference):
    refused = installation.run("sign-in", reference)

    assert refused.exit_code == 2
    assert "No sign-in has this reference." in refused.stderr


def test_what_was_expected_and_what_came_stand_in_the_step(installation, record):
    refused = IssuerWrong(expected="https://a.example", got="https://b.example")

    shown = installation.run("sign-in", record(refused=refused))

    assert "Administrator:     Expected https://a.example, got https://b.example." in shown.stdout
    assert "unknown" not in shown.stdout
