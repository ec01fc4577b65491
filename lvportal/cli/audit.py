"""``lvportal audit``: whether the audit record is what was written, and its head to keep elsewhere."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.cli.program import Program, RefusingGroup, pass_program
from lvportal.errors import PortalError
from lvportal.models import Tenant
from lvportal.services import audit_chain
from lvportal.services.audit_chain import Head


class ClientNotFound(PortalError):
    code = "audit.unknown_client"
    status = 404
    user_message = "No client has this code."
    next_step = "Check the code; 'lvportal audit head' lists them all."


class _HeadParameter(click.ParamType[Head]):
    name = "number:hash"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        if isinstance(value, Head):
            return value
        try:
            return Head.read(value)
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)


HEAD = _HeadParameter()


@click.group(cls=RefusingGroup)
def audit() -> None:
    """Check the record of changes, which is chained by hashes per client."""


@audit.command()
@click.option("--client", metavar="CODE", help="This client alone; otherwise all, deleted ones too.")
@click.option("--head", "kept", type=HEAD, help="A head kept earlier: shows removed newest events.")
@click.option("--after", type=HEAD, help="The last event that was removed on purpose.")
@pass_program
@click.pass_context
def verify(
    context: click.Context, program: Program, client: str | None, kept: Head | None, after: Head | None
) -> None:
    """Name the first event that was altered, removed or inserted; status 1 when there is one."""
    if client is None and (kept or after):
        raise click.UsageError("--head and --after need --client: each client has a chain of its own.")
    broken = False
    with program.session() as session:
        for tenant in _tenants(session, client):
            verdict = audit_chain.verify(
                session, tenant.id, kept=kept, after=after if after is not None else audit_chain.START
            )
            if verdict.first_break is None:
                click.echo(f"{tenant.code}: {verdict.checked} events, unbroken. Head {verdict.head}")
            else:
                broken = True
                click.echo(f"{tenant.code}: event {verdict.first_break.number} {verdict.first_break.reason}.")
    if broken:
        context.exit(1)


@audit.command()
@click.option("--client", metavar="CODE", help="This client alone, without its code in front.")
@pass_program
def head(program: Program, client: str | None) -> None:
    """Print the newest event's number and hash, to be kept where the database's owner cannot reach."""
    with program.session() as session:
        for tenant in _tenants(session, client):
            found = audit_chain.head_of(session, tenant.id)
            click.echo(str(found) if client else f"{tenant.code} {found}")


def _tenants(session: Session, code: str | None) -> list[Tenant]:
    wanted = select(Tenant).order_by(Tenant.code)
    found = list(session.scalars(wanted.where(Tenant.code == code) if code is not None else wanted))
    if code is not None and not found:
        raise ClientNotFound(code[:40])
    return found
