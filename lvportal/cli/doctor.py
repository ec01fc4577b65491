"""``lvportal doctor``: check a provider with the code and the words of the Security page."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import click

from lvportal.cli.program import Program, pass_program
from lvportal.errors import ChangeRefused
from lvportal.protocols.oidc.configuration import ClientAuthentication
from lvportal.protocols.oidc.report import ClientCredentials, Outcome, Report, examine

MARKS = {Outcome.OK: "ok", Outcome.WARN: "WARNING", Outcome.DANGER: "DANGER", Outcome.UNKNOWN: "unknown"}


class SecretNotGiven(ChangeRefused):
    code = "doctor.secret"
    user_message = "The environment variable for the secret is not set or is empty."
    next_step = "Set it, or leave --secret-environment out for an application without a secret."


@click.command()
@click.argument("issuer")
@click.option("--client-id", help="Also try these credentials, with a code that cannot be valid.")
@click.option("--secret-environment", metavar="NAME", help="The environment variable with the secret.")
@click.option(
    "--client-authentication",
    type=click.Choice([method.value for method in ClientAuthentication]),
    help="How to send them. By default client_secret_basic, or none without a secret.",
)
@click.option("--redirect-uri", help="A registered redirect URI, which some providers compare first.")
@pass_program
@click.pass_context
def doctor(
    context: click.Context,
    program: Program,
    issuer: str,
    client_id: str | None,
    secret_environment: str | None,
    client_authentication: str | None,
    redirect_uri: str | None,
) -> None:
    """Check the provider at ISSUER: reachable, certificate, issuer, endpoints, keys, PKCE, clock.

    Status 1 when something would refuse every sign-in.
    """
    secret = os.environ.get(secret_environment) if secret_environment else None
    if secret_environment and not secret:
        raise SecretNotGiven(secret_environment)
    usual = ClientAuthentication.CLIENT_SECRET_BASIC if secret else ClientAuthentication.NONE
    client = None
    if client_id is not None:
        method = ClientAuthentication(client_authentication) if client_authentication else usual
        client = ClientCredentials(client_id, secret, method)
        if redirect_uri:
            client = ClientCredentials(client_id, secret, method, redirect_uri)
    fetcher = program.portal.fetcher
    report = examine(issuer, fetcher=fetcher, policy=fetcher.policy, now=datetime.now(UTC), client=client)
    for line in lines_of_report(report):
        click.echo(line)
    if report.outcome is Outcome.DANGER:
        context.exit(1)


def lines_of_report(report: Report) -> list[str]:
    """Return a report as a terminal shows it."""
    lines = [f"Issuer: {report.issuer}", *(f"  {advice}" for advice in report.advice)]
    for check in report.checks:
        lines.append(f"{MARKS[check.outcome]:<8} {check.label}: {check.sentence}")
        if check.next_step and check.outcome is not Outcome.OK:
            lines.append(f"{'':<8} Next: {check.next_step}")
    if report.mend:
        lines.append(f"Use instead: {report.mend}")
    if report.for_the_provider:
        lines += ["", "Tell the provider's administrator:"]
        lines += [f"  - {line}" for line in report.for_the_provider]
    return lines
