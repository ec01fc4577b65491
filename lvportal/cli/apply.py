"""``lvportal apply``: configuration as code."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import click

from lvportal.cli.program import REFUSED, Program, pass_program
from lvportal.services import configuration
from lvportal.services.configuration import FileRefused

SHOWN_AT_MOST = 200


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--plan", "only_plan", is_flag=True, help="Show what would change, and change nothing.")
@click.option(
    "--all", "shows_all", is_flag=True, help=f"Show every change, not the first {SHOWN_AT_MOST} only."
)
@pass_program
@click.pass_context
def apply(context: click.Context, program: Program, file: Path, only_plan: bool, shows_all: bool) -> None:
    """Create and update clients, flags, users, agents and connections from FILE (JSON).

    What FILE does not name stays as it is. A wrong file is refused whole, with
    line and reason, and nothing is changed. The schema ships with the program:
    lvportal/cli/apply.schema.json.
    """
    portal = program.portal
    try:
        wanted = configuration.read(
            file.read_bytes(), schema=load_schema(), folder=file.parent, environ=os.environ
        )
        with program.session() as session:
            if only_plan:
                found = configuration.plan(
                    session, wanted, key_ring=portal.key_ring, checker=portal.passwords
                )
            else:
                found = configuration.apply(
                    session, wanted, key_ring=portal.key_ring, checker=portal.passwords, now=datetime.now(UTC)
                )
    except FileRefused as refused:
        click.echo(refused.words(refused.user_message), err=True)
        for problem in refused.problems:
            click.echo(f"  {file}: {problem}", err=True)
        click.echo(f"  Next: {refused.next_step}", err=True)
        click.echo(f"  Code: {refused.code}", err=True)
        context.exit(REFUSED)
    _say(found.changes, SHOWN_AT_MOST if not shows_all else len(found.changes))
    named = f"{count(len(wanted.clients), 'client')} and {count(found.named_people, 'person', 'people')}"
    if not found.changes:
        click.echo(f"Nothing to change: {named} are as named.")
    elif only_plan:
        click.echo(f"{count(len(found.changes), 'change')} to make. Nothing was changed.")
    else:
        click.echo(f"{count(len(found.changes), 'change')} made.")


def load_schema() -> dict[str, Any]:
    """Return the JSON Schema of the files (draft 2020-12)."""
    schema: dict[str, Any] = json.loads(
        resources.files("lvportal.cli").joinpath("apply.schema.json").read_text("utf-8")
    )
    return schema


def count(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 client`` or ``2 clients``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _say(changes: Sequence[object], at_most: int) -> None:
    for change in changes[:at_most]:
        click.echo(str(change))
    if len(changes) > at_most:
        click.echo(f"… and {len(changes) - at_most:,} more; --all shows them.")
