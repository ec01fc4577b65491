"""``lvportal clean-up``: remove rows that nobody needs any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from lvportal.cli.program import Program, pass_program, retention_options
from lvportal.services import retention


@click.command("clean-up")
@retention_options
@pass_program
def clean_up(program: Program, sessions_after_days: int, sign_ins_after_days: int) -> None:
    """Remove old sessions and records of sign-ins, in small steps.

    Meant for the system's timer, once a day. Audit events stay.
    """
    now = datetime.now(UTC)
    with program.session() as session:
        sessions = retention.remove_sessions(session, before=now - timedelta(days=sessions_after_days))
        records = retention.remove_sign_in_records(session, before=now - timedelta(days=sign_ins_after_days))
    click.echo(f"Removed: {sessions} sessions, {records} records of sign-ins.")
