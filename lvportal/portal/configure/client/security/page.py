"""``/configure/client/security``: the set-up of single sign-on, step by step."""

from __future__ import annotations

from typing import Any

from flask import current_app, flash, redirect, render_template, request
from werkzeug.wrappers import Response

from lvportal.errors import ChangeRefused, EditConflict
from lvportal.extensions import csrf, db, limiter
from lvportal.models import Revision, Tenant
from lvportal.portal import connection_state
from lvportal.portal.configure.client.security import guide
from lvportal.portal.configure.client.security import view as security_view
from lvportal.portal.configure.client.security.form import SecurityForm, filled_from
from lvportal.protocols.addresses import AddressPolicy
from lvportal.protocols.oidc.report import Report
from lvportal.services import connection_setup, connections
from lvportal.services.connection_setup import Laboratory, ProviderNotReady
from lvportal.services.transactions import writing
from lvportal.web.access import Permission, requires
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, client_address, now
from lvportal.web.session import current_session
from lvportal.web.views import day, today

PATH = "/configure/client/security"


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PATH, "security", show)
    bp.add_url_rule(PATH, "save_security", save, methods=["POST"])


@requires(Permission.VIEW_SECURITY)
def show() -> str:
    """Show where the set-up stands, and the guide of the provider that was chosen."""
    newest = _newest()
    chosen = guide.choose(request.args.get("provider"), request.args.get("type"), newest)
    return _page(filled_from(newest, chosen.provider, chosen.application_type), newest)


@requires(Permission.EDIT_SECURITY)
@csrf.exempt  # PortalForm checks the token itself, so that a stale page comes back filled in.
@limiter.limit("30 per minute", key_func=client_address, exempt_when=lambda: not _is_check())
def save() -> Response | str | tuple[str, int]:
    """Save a draft, or ask the provider about what was typed and save nothing."""
    form, newest = SecurityForm(), _newest()
    is_valid = form.validate_on_submit() and form.refuse_past(today(current_session.client_time_zone, now()))
    if _is_check():
        return _check(form, newest)
    if not is_valid:
        return _page(form, newest), 422
    try:
        with writing(db.session()) as session:
            revision = connection_setup.save_draft(
                session,
                session.get_one(Tenant, current_session.tenant_id),
                form.to_values(newest),
                key_ring=laboratory().key_ring,
                by=actor(),
                now=now(),
                based_on=form.based_on.data or 0,
            )
            number = revision.number
    except EditConflict as conflict:
        return _page(form, _newest(), refused=conflict, is_conflict=True), conflict.status
    except ChangeRefused as refused:
        form.refuse(refused, form.field_of(refused.field))
        return _page(form, _newest(), refused=refused), refused.status
    flash(f"Draft {number} saved." if newest is None or newest.number != number else "Nothing had changed.")
    return redirect(f"{PATH}#step-3", 303)


def _is_check() -> bool:
    return request.form.get("act") == "check" or "use_issuer" in request.form


def _check(form: SecurityForm, newest: Revision | None) -> str | tuple[str, int]:
    if "use_issuer" in request.form:
        form.issuer.data, form.issuer.errors = request.form["use_issuer"].strip()[:500], []
    if not form.forgive_all_but("issuer"):
        return _page(form, newest), 422
    report = connection_setup.examine_values(
        db.session(),
        current_session.tenant_id,
        form.to_values(newest),
        laboratory(),
        now=now(),
    )
    return _page(form, _newest(), report=report)


def refused_page(refused: ChangeRefused) -> tuple[str, int]:
    """Return the page as it stands, with a refusal above it, and the refusal's status."""
    newest = _newest()
    chosen = guide.choose(None, None, newest)
    form = filled_from(newest, chosen.provider, chosen.application_type)
    report = refused.report if isinstance(refused, ProviderNotReady) else None
    return _page(form, newest, report=report, refused=refused), refused.status


def _newest() -> Revision | None:
    connection = connections.of_tenant(db.session(), current_session.tenant_id)
    return connections.newest_revision(db.session(), connection) if connection else None


def _secret_hint(form: SecurityForm, newest: Revision | None) -> str:
    if form.secret.data:
        return "Paste it again: what was typed is not sent back."
    if newest is None or newest.secret_set_at is None:
        return "We never show it again."
    return f"Set {day(newest.secret_set_at, current_session.client_time_zone)}. Leave empty to keep it."


def laboratory() -> Laboratory:
    """Return what examining a provider needs, for the signed-in person's client."""
    portal = current_app.extensions["lvportal"]
    return Laboratory(
        portal.key_ring,
        portal.fetcher,
        portal.documents,
        AddressPolicy(portal.settings.unsafe_provider_addresses),
        redirect_uri=f"{portal.settings.portal_origin}/sso/{current_session.client_code}",
    )


def _page(form: SecurityForm, newest: Revision | None, *, report: Report | None = None, **more: Any) -> str:
    portal = current_app.extensions["lvportal"]
    moment = now()
    state = connection_state.read(db.session(), current_session, portal.documents, moment)
    view = security_view.build(
        db.session(),
        current_session,
        portal.settings,
        state,
        form,
        report=report,
        now=moment,
        secret_hint=_secret_hint(form, newest),
        documents=portal.documents,
        opens_instructions=request.args.get("instructions") == "open",
        choice_asked_for="provider" in request.args,
        **more,
    )
    return render_template("portal/configure/client/security/page.html", view=view, form=form, state=state)
