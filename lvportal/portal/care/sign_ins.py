"""``/care/sign-ins``: a record of any client, by its reference, and no more of it than Care needs."""

from __future__ import annotations

from flask import render_template
from werkzeug.wrappers import Response

from lvportal.errors import STEPS
from lvportal.extensions import db
from lvportal.models import SignInRecord, Tenant
from lvportal.portal.monitor.sign_ins import METHODS, journey
from lvportal.services import audit, references, sign_in_records, sign_in_search
from lvportal.services.folding import domain_of
from lvportal.services.transactions import writing
from lvportal.web.access import Permission, requires
from lvportal.web.hosts import HOST_LABELS, HostBlueprint
from lvportal.web.listing import wanted_text
from lvportal.web.request import actor, now

PATH = "/care/sign-ins"


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PATH, "care_sign_ins", show)


@requires(Permission.VIEW_CARE_SIGN_INS)
def show() -> Response | str | tuple[str, int]:
    """Show the record with this exact reference; the client's audit record says that Care looked."""
    typed = wanted_text("reference")
    if not typed:
        return render_template("portal/care/sign-ins.html", typed="", record=None, problem="")
    record = sign_in_records.find(db.session(), typed)
    if record is None:
        problem = (
            "No sign-in has this reference. Records are removed after some months."
            if references.read(typed)
            else "A reference has 8 letters and digits, without 0, O, 1 and I: 7KQ2-M9DX."
        )
        page = render_template("portal/care/sign-ins.html", typed=typed, record=None, problem=problem)
        return page, 404
    record_id = record.id
    with writing(db.session()) as session:
        audit.record(
            session,
            tenant_id=record.tenant_id,
            actor=actor(),
            action="care.sign_in_viewed",
            subject=references.show(record.reference),
            now=now(),
        )
    return _page(typed, db.session().get_one(SignInRecord, record_id))


def _page(typed: str, record: SignInRecord) -> str:
    tenant = db.session().get_one(Tenant, record.tenant_id)
    provider = sign_in_search.provider_of(db.session(), record)
    return render_template(
        "portal/care/sign-ins.html",
        typed=typed,
        record=record,
        problem="",
        tenant=tenant,
        provider=provider,
        told=sign_in_search.explain(record, client_name=tenant.name, provider=provider, for_care=True),
        domain=domain_of(record.email or ""),
        host=HOST_LABELS[record.audience],
        how=METHODS.get(record.method, record.method),
        journey=journey(record),
        step_name=STEPS[record.step - 1],
    )
