"""``lvportal maintain``: what has to happen without anybody asking, once or for ever."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime
from types import FrameType

import click

from lvportal.cli.program import Program, pass_program, retention_options
from lvportal.extensions import db
from lvportal.services import maintenance
from lvportal.services.mail_sending import MailServer
from lvportal.services.maintenance import Keep, Outcome, Part


@click.command()
@click.option(
    "--every",
    "every_seconds",
    type=click.IntRange(1, 86_400),
    metavar="SECONDS",
    help="Go on for ever, with so many seconds between rounds. Without it: one round.",
)
@retention_options
@pass_program
@click.pass_context
def maintain(
    context: click.Context,
    program: Program,
    every_seconds: int | None,
    sessions_after_days: int,
    sign_ins_after_days: int,
) -> None:
    """Write warnings, send mail, end what ends by itself, and remove old rows.

    Run it beside the portal with --every 60, or by the system's timer; two at
    once do no harm. A part that fails is logged and stops no other; one round
    then ends with status 1. Audit events stay.
    """
    server = MailServer.of(program.portal.settings)
    parts = maintenance.parts(
        server, Keep(sessions_days=sessions_after_days, sign_ins_days=sign_ins_after_days)
    )
    if server is None:
        click.echo("No mail server is set (LVPORTAL_SMTP_HOST): warnings appear on the pages only.")
    if every_seconds is not None:
        _go_on(program, parts, every_seconds)
        return
    outcomes = _one_round(program, parts)
    for outcome in outcomes:
        click.echo(f"{outcome.name}: {outcome.did or 'nothing to do'}.")
    if any(outcome.failed for outcome in outcomes):
        context.exit(1)


def _one_round(program: Program, parts: list[Part]) -> list[Outcome]:
    with program.app.app_context():
        try:
            return maintenance.run_all(db.session(), parts, datetime.now(UTC))
        finally:
            db.session.remove()


def _go_on(program: Program, parts: list[Part], every_seconds: int) -> None:
    """Run rounds until the process is asked to end; the round at hand is finished first."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    while not ended.is_set():
        _one_round(program, parts)
        ended.wait(every_seconds)
