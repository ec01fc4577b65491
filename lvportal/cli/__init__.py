"""The command line: ``lvportal``. Every command is a thin shell around a service."""

from __future__ import annotations

import click

from lvportal import __version__
from lvportal.cli.apply import apply
from lvportal.cli.audit import audit
from lvportal.cli.care import care
from lvportal.cli.clean_up import clean_up
from lvportal.cli.database import database
from lvportal.cli.doctor import doctor
from lvportal.cli.guide import guide
from lvportal.cli.keys import keys
from lvportal.cli.maintain import maintain
from lvportal.cli.program import Program, RefusingGroup
from lvportal.cli.settings_docs import settings
from lvportal.cli.sign_in import sign_in
from lvportal.cli.troubleshooting import troubleshooting


@click.group(cls=RefusingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lvportal")
@click.pass_context
def main(context: click.Context) -> None:
    """Run the LV Portal from the command line.

    Settings come from the environment (LVPORTAL_…); see docs/settings.md.
    A refusal is said in words and ends with status 2.
    """
    context.ensure_object(Program)


for command in (
    *(apply, audit, care, clean_up, database, doctor, guide, keys, maintain, settings, sign_in),
    troubleshooting,
):
    main.add_command(command)
