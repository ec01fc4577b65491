"""``lvportal sign-in``: what became of one sign-in, by its reference."""

from __future__ import annotations

import importlib
import pkgutil
from zoneinfo import ZoneInfo

import click

import lvportal.protocols
import lvportal.services
from lvportal import errors
from lvportal.cli.program import Program, pass_program
from lvportal.errors import PortalError
from lvportal.models import Revision, SignInRecord, Tenant
from lvportal.services import connections, references, sign_in_records, sign_in_search


class ReferenceUnknown(PortalError):
    code = "sign_in.reference_unknown"
    status = 404
    user_message = "No sign-in has this reference."
    next_step = "Check the 8 letters and digits; records are removed after some months."


@click.command("sign-in")
@click.argument("reference")
@pass_program
def sign_in(program: Program, reference: str) -> None:
    """Show the sign-in with this REFERENCE, as people read it out: 7KQ2-M9DX."""
    with program.session() as session:
        record = sign_in_records.find(session, reference)
        tenant = session.get(Tenant, record.tenant_id) if record else None
        if record is None or tenant is None:
            raise ReferenceUnknown(reference[:40])
        revision = session.get(Revision, record.revision_id) if record.revision_id else None
        provider = connections.label_of(revision.provider) if revision else None
        for label, value in describe(record, tenant, provider):
            click.echo(f"{label + ':':<18} {value}")


def describe(record: SignInRecord, tenant: Tenant, provider: str | None) -> list[tuple[str, str]]:
    """Return what is known of a sign-in, label by label. Claims by name only, harmless ones by value."""
    load_every_cause()
    told = sign_in_search.explain(record, client_name=tenant.name, provider=provider)
    at = record.at.astimezone(ZoneInfo(tenant.time_zone))
    lines = [
        ("Reference", references.show(record.reference)),
        ("Time", f"{at:%Y-%m-%d %H:%M:%S} {tenant.time_zone}"),
        ("Client", f"{tenant.name} ({tenant.code})"),
        ("Host", "portal" if record.audience == "portal" else "agent console"),
        (
            "Way",
            f"single sign-on, {provider or 'provider unknown'}" if record.method == "sso" else record.method,
        ),
        ("Outcome", "signed in" if record.outcome == "signed_in" else "refused"),
        ("Got as far as", f"step {record.step} of {len(errors.STEPS)}, {errors.STEPS[record.step - 1]}"),
        ("Code", record.code or ""),
        ("Person saw", told.title if told else ""),
        ("Administrator", told.administrator_step if told else ""),
        ("Detail", record.detail),
        ("Provider said", record.provider_said),
        ("Email", record.email or ""),
        ("Claims", ", ".join(record.claim_names)),
        ("Harmless claims", ", ".join(f"{name} = {value}" for name, value in record.harmless_claims.items())),
        ("Address", record.address),
    ]
    return [(label, _printable(value)) for label, value in lines if value]


def load_every_cause() -> None:
    """Load every module that defines a cause: one is found by its code among those that are there."""
    for package in (lvportal.protocols, lvportal.services):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)


def _printable(text: str) -> str:
    # Detail and the provider's words come from outside; a terminal obeys control characters.
    return "".join(c if c.isprintable() else " " for c in text)
