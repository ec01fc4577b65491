from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from lvportal.cli.database import differences, migrations
from lvportal.extensions import db
from lvportal.models import Base
from tests.support.installation import Installation


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """An installation on an empty database, once on each engine."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    installation = Installation(tmp_path, url)
    yield installation
    installation.close()


def found_differences(installation: Installation) -> list[str]:
    with installation.app.app_context(), db.engine.connect() as connection:
        return differences(connection)


def test_upgrading_an_empty_database_makes_what_the_models_say(empty):
    upgraded = empty.run("database", "upgrade")

    assert upgraded.exit_code == 0
    assert found_differences(empty) == []


def test_an_upgrade_says_from_where_to_where(empty):
    first = empty.run("database", "upgrade")
    second = empty.run("database", "upgrade")

    newest = ScriptDirectory.from_config(migrations()).get_current_head()
    assert first.stdout == f"The database is at revision {newest} (was: empty).\n"
    assert second.stdout == f"The database is at revision {newest} already.\n"


def test_an_upgrade_can_be_taken_back_to_nothing_and_made_again(empty):
    empty.run("database", "upgrade")
    with empty.app.app_context():
        command.downgrade(migrations(), "base")
        left = set(inspect(db.engine).get_table_names()) - {"alembic_version"}

    again = empty.run("database", "upgrade")

    assert left == set()
    assert again.exit_code == 0
    assert found_differences(empty) == []


def test_the_constraints_of_the_models_hold_in_a_migrated_database(empty):
    empty.run("database", "upgrade")
    insert = text(
        "INSERT INTO tenants (code, name, kind, time_zone, max_failed_portal, max_failed_agent, created_at)"
        " VALUES ('acme', 'Acme', :kind, 'UTC', 5, 5, '2026-11-24 12:00:00')"
    )

    with empty.app.app_context():
        with db.engine.begin() as connection:
            connection.execute(insert, {"kind": "client"})
        with pytest.raises(IntegrityError), db.engine.begin() as connection:
            connection.execute(insert, {"kind": "neighbour"})


def test_the_live_revision_must_exist(empty):
    empty.run("database", "upgrade")
    with empty.app.app_context():
        keys = inspect(db.engine).get_foreign_keys("connections")

    assert {"revisions", "tenants"} == {key["referred_table"] for key in keys}


def test_foreign_keys_are_on_again_after_an_upgrade(tmp_path):
    installation = Installation(tmp_path)
    installation.run("database", "upgrade")

    with installation.app.app_context(), db.engine.connect() as connection:
        on = connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one()

    assert on == 1


def test_check_names_a_missing_column(empty):
    empty.run("database", "upgrade")
    with empty.app.app_context(), db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE accounts DROP COLUMN agent_team"))

    checked = empty.run("database", "check")

    assert checked.exit_code == 1
    assert "add column accounts.agent_team" in checked.stdout


def test_check_passes_a_database_that_fits(empty):
    empty.run("database", "upgrade")

    checked = empty.run("database", "check")

    assert checked.exit_code == 0
    assert "every table, column and constraint" in checked.stdout


@pytest.mark.postgres
def test_check_names_a_missing_check_constraint(tmp_path, postgres_url):
    installation = Installation(tmp_path, postgres_url)
    installation.run("database", "upgrade")
    with installation.app.app_context(), db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE tenants DROP CONSTRAINT ck_tenants_kind_known"))

    checked = installation.run("database", "check")
    installation.close()

    assert checked.exit_code == 1
    assert checked.stdout == "The constraint ck_tenants_kind_known is missing.\n"


def test_check_asks_for_the_upgrade_of_an_empty_database(empty):
    checked = empty.run("database", "check")

    assert checked.exit_code == 1
    assert "The revision is none instead of" in checked.stdout


def test_every_constraint_has_a_name_that_postgresql_keeps_whole():
    tables = Base.metadata.tables.values()
    names = [str(constraint.name) for table in tables for constraint in table.constraints]
    names += [str(index.name) for table in tables for index in table.indexes]

    assert "None" not in names
    assert [name for name in names if len(name) > 63] == []


def test_there_is_one_newest_revision():
    scripts = ScriptDirectory.from_config(migrations())

    assert len(scripts.get_heads()) == 1


def test_no_revision_imports_a_model():
    folder = Path(ScriptDirectory.from_config(migrations()).versions)

    importing = [file.name for file in folder.glob("*.py") if "import lvportal" in file.read_text()]
    from_ours = [file.name for file in folder.glob("*.py") if "from lvportal" in file.read_text()]

    assert importing == from_ours == []
