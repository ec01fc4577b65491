"""``lvportal database``: bring the tables up to date, and check that they are."""

from __future__ import annotations

import argparse
from pathlib import Path

import click
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, inspect
from sqlalchemy.engine import Connection

import lvportal.migrations
from lvportal.cli.program import Program, RefusingGroup, pass_program
from lvportal.extensions import db
from lvportal.models import Base


@click.group(cls=RefusingGroup)
def database() -> None:
    """Create, upgrade and check the database."""


@database.command()
@pass_program
def upgrade(program: Program) -> None:
    """Bring the database to the newest revision, making it if need be."""
    with program.session():
        make_folder()
        before = current_revision()
        command.upgrade(migrations(), "head")
        after = current_revision()
    click.echo(
        f"The database is at revision {after} already."
        if before == after
        else f"The database is at revision {after} (was: {before or 'empty'})."
    )


@database.command()
@pass_program
@click.pass_context
def check(context: click.Context, program: Program) -> None:
    """Tell whether the database fits this program; status 1 when not."""
    with program.session(), db.engine.connect() as connection:
        wrong = differences(connection)
    for line in wrong:
        click.echo(line)
    if wrong:
        context.exit(1)
    click.echo("The database has every table, column and constraint of this program.")


@database.command()
@click.option("-m", "--message", required=True, help="What changes, in a few words.")
@pass_program
def revision(program: Program, message: str) -> None:
    """For developers: write a migration from what the models changed.

    Needs a database at the newest revision. Read what it wrote: it does not see
    renamed columns, changed CHECK constraints or data to be moved.
    """
    with program.session():
        config = migrations(quiet=False)
        number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
        command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")


def migrations(*, quiet: bool = True) -> Config:
    """Return Alembic's configuration for the migrations inside this package."""
    config = Config(cmd_opts=argparse.Namespace(autogenerate=not quiet, x=[]))
    folder = Path(lvportal.migrations.__file__).parent
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def make_folder() -> None:
    """Make the folder of an SQLite file. Its owner alone may read it: sealed secrets lie there."""
    url = db.engine.url
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        Path(str(url.database)).parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def current_revision() -> str | None:
    """Return the database's revision, or None before the first."""
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def differences(connection: Connection) -> list[str]:
    """Return, one sentence each, how the database differs from the models."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    newest = ScriptDirectory.from_config(migrations()).get_current_head()
    current = context.get_current_revision()
    wrong = [] if current == newest else [f"The revision is {current or 'none'} instead of {newest}."]
    wrong += [f"Not as in the models: {_in_words(one)}." for one in compare_metadata(context, Base.metadata)]
    return wrong + _missing_checks(connection)


def _in_words(difference: object) -> str:
    """Return ``add column accounts.nickname`` for one of Alembic's tuples."""
    parts = difference if isinstance(difference, tuple) else tuple(difference[0])  # type: ignore[index]
    named = [
        part if isinstance(part, str) else str(getattr(part, "name", ""))
        for part in parts[1:]
        if isinstance(part, str) or hasattr(part, "name")
    ]
    return f"{str(parts[0]).replace('_', ' ')} {'.'.join(filter(None, named))}"


def _missing_checks(connection: Connection) -> list[str]:
    """Compare the CHECK constraints by name: Alembic does not."""
    inspector = inspect(connection)
    present = set(inspector.get_table_names())
    wrong = []
    for table in Base.metadata.sorted_tables:
        if table.name not in present:
            continue
        wanted = {str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)}
        found = {str(check["name"]) for check in inspector.get_check_constraints(table.name)}
        wrong += [f"The constraint {name} is missing." for name in sorted(wanted - found)]
        wrong += [f"The constraint {name} is in no model." for name in sorted(found - wanted)]
    return wrong
