"""``lvportal care``: the operator's staff."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import click

from lvportal.cli.program import Program, RefusingGroup, pass_program
from lvportal.services import operator


@click.group(cls=RefusingGroup)
def care() -> None:
    """Manage Customer Care's access."""


@care.command()
@click.option("--email", required=True, help="The person's email address.")
@click.option("--user-name", required=True, help="What the person types to sign in.")
@click.option("--first-name", default="", help="First name.")
@click.option("--last-name", default="", help="Last name.")
@click.option("--client-code", default="operator", show_default=True, help="Code of a new operator client.")
@click.option("--client-name", default="Operator", show_default=True, help="Name of a new operator client.")
@click.option(
    "--password-environment",
    metavar="NAME",
    help="Take the password from this environment variable instead of asking for it.",
)
@pass_program
def create(
    program: Program,
    email: str,
    user_name: str,
    first_name: str,
    last_name: str,
    client_code: str,
    client_name: str,
    password_environment: str | None,
) -> None:
    """Create a Care account, and the operator's own client when there is none."""
    settings = program.portal.settings  # settings that are wrong are said before a password is asked for
    if password_environment is None:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, type=str)
    else:
        password = os.environ.get(password_environment, "")
    with program.session() as session:
        code = operator.create_care_account(
            session,
            operator.NewCareAccount(
                email=email,
                user_name=user_name,
                first_name=first_name,
                last_name=last_name,
                password=password,
                client_code=client_code,
                client_name=client_name,
            ),
            now=datetime.now(UTC),
        )
    click.echo(f"Created {user_name} with the role CARE. Sign in at {settings.portal_origin}/sign-in")
    click.echo(f"with the client code {code}, this user name and the password.")
