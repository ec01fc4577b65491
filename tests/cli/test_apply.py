from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from lvportal.models import Account, Revision, Tenant

CONNECTION = {
    "application_type": "web",
    "issuer": "https://login.acme.example",
    "client_id": "0oa1",
    "secret": {"environment": "ACME_SECRET"},
    "enabled": True,
    "goes_live_without_a_test_sign_in": True,
}
ACME = {
    "code": "acme",
    "name": "Acme",
    "features": {"single_sign_on": True},
    "users": [{"user_name": "pat", "role": "SYSADMIN", "password": {"environment": "PAT_PASSWORD"}}],
    "connection": CONNECTION,
}
ENVIRON = {"PAT_PASSWORD": "correct horse battery staple", "ACME_SECRET": "what the provider shows"}


def test_applying_says_what_it_did_and_a_second_time_that_nothing_was_to_do(installation):
    first = installation.apply(ACME, environ=ENVIRON)
    second = installation.apply(ACME, environ=ENVIRON)

    assert first.exit_code == second.exit_code == 0
    assert first.stdout.splitlines()[0] == 'create client acme: name: "Acme"'
    assert first.stdout.splitlines()[-1] == "4 changes made."
    assert second.stdout == "Nothing to change: 1 client and 1 person are as named.\n"


def test_a_plan_ends_well_and_changes_nothing(installation):
    file = installation.write({"clients": [ACME]})

    planned = installation.run("apply", str(file), "--plan", environ=ENVIRON)

    assert planned.exit_code == 0
    assert planned.stdout.splitlines()[-1] == "4 changes to make. Nothing was changed."
    with installation.session() as session:
        assert session.scalars(select(Tenant)).all() == []


def test_no_secret_is_ever_printed(installation):
    outputs = [
        installation.apply(ACME, environ=ENVIRON).output,
        installation.apply(ACME, environ={name: value + "2" for name, value in ENVIRON.items()}).output,
        installation.apply(ACME | {"users": [{"user_name": "x", "password": "correct horse"}]}).output,
    ]

    assert "user pat: password: changed" in outputs[1]
    assert "correct horse" not in "".join(outputs)
    assert "what the provider" not in "".join(outputs)
    assert "argon2id" not in "".join(outputs)


def test_a_wrong_file_is_refused_with_lines_and_without_a_traceback(installation):
    file = installation.write('{"clients": [\n  {"code": "Acme"},\n  {"code": "globex"}]}')

    refused = installation.run("apply", str(file))

    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert refused.stderr.splitlines() == [
        "This file was not applied. Nothing was changed.",
        (
            f"  {file}: line 2: clients[0].code: must be 1 to 32 small letters, digits and hyphens,"
            " no hyphen at either end"
        ),
        "  Next: Correct every line named here and apply the file again.",
        "  Code: apply.refused",
    ]


def test_many_changes_are_cut_and_shown_on_request(installation):
    agents = [{"logon_id": f"a{number}"} for number in range(300)]
    file = installation.write({"clients": [{"code": "acme", "name": "Acme", "agents": agents}]})

    cut = installation.run("apply", str(file), "--plan").stdout.splitlines()
    whole = installation.run("apply", str(file), "--plan", "--all").stdout.splitlines()

    assert len(cut) == 202
    assert cut[-2] == "… and 101 more; --all shows them."
    assert len(whole) == 302


def test_a_database_without_tables_is_said_in_words(tmp_path):
    from tests.support.installation import Installation

    empty = Installation(tmp_path)

    refused = empty.apply({"code": "acme", "name": "Acme"})
    empty.close()

    assert refused.exit_code == 2
    assert "Run 'lvportal database upgrade'" in refused.stderr
    assert "database.unready" in refused.stderr


@pytest.mark.postgres
def test_applying_works_on_postgresql(tmp_path, postgres_url):
    from tests.support.installation import installed

    agents = [{"logon_id": f"a{number}", "email": f"a{number}@acme.example"} for number in range(1200)]
    with installed(tmp_path, postgres_url) as installation:
        first = installation.apply(ACME | {"agents": agents}, environ=ENVIRON)
        second = installation.apply(ACME | {"agents": agents}, environ=ENVIRON)
        changed = installation.apply({"code": "acme", "agents": [{"logon_id": "a7", "home_agent": True}]})
        with installation.session() as session:
            at_home = session.scalars(select(Account.login_name).where(Account.home_agent.is_(True))).all()

    assert first.stdout.splitlines()[-1] == "1,204 changes made."
    assert second.stdout == "Nothing to change: 1 client and 1,201 people are as named.\n"
    assert changed.stdout.splitlines()[0] == "change client acme, agent a7: home_agent: no → yes"
    assert at_home == ["a7"]


def test_the_schema_may_be_named_for_editors(installation):
    file = installation.write(json.dumps({"$schema": "apply.schema.json", "clients": []}))

    applied = installation.run("apply", str(file))

    assert applied.stdout == "Nothing to change: 0 clients and 0 people are as named.\n"


def test_roles_by_group_are_applied_and_named_once(installation):
    rules = {
        "groups_claim": "groups",
        "role_mapping": [{"group": "Leads", "role": "MANAGER"}],
        "creates_agents": True,
    }
    wanted = ACME | {"connection": {**CONNECTION, **rules}}

    first = installation.apply(wanted, environ=ENVIRON)
    second = installation.apply(wanted, environ=ENVIRON)

    assert first.exit_code == 0
    assert second.stdout == "Nothing to change: 1 client and 1 person are as named.\n"
    with installation.session() as session:
        revision = session.scalars(select(Revision)).one()
        assert (revision.role_mapping, revision.creates_agents) == ({"Leads": "MANAGER"}, True)


def test_a_group_that_comes_twice_or_gives_too_much_is_refused(installation):
    def apply(*entries: tuple[str, str]):
        mapping = [{"group": group, "role": role} for group, role in entries]
        rules = {"groups_claim": "groups", "role_mapping": mapping}
        return installation.apply(ACME | {"connection": {**CONNECTION, **rules}}, environ=ENVIRON)

    twice = apply(("Leads", "MANAGER"), ("Leads", "SUPERUSER"))
    too_much = apply(("Leads", "SYSADMIN"))

    assert twice.exit_code == too_much.exit_code == 2
    assert "comes twice in this connection" in twice.output
    assert "MANAGER" in too_much.output
    assert apply(("Leads", "MANAGER"), ("Chiefs", "SUPERUSER")).exit_code == 0
