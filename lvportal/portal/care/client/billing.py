"""``/care/clients/<code>/billing``: Care turns a client's features on and off."""

from __future__ import annotations

from flask import flash, redirect, render_template
from flask_wtf import FlaskForm
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response
from wtforms import HiddenField, StringField
from wtforms.validators import AnyOf, DataRequired, Length

from lvportal.extensions import csrf, db
from lvportal.models import Tenant
from lvportal.models.tenants import SINGLE_SIGN_ON
from lvportal.portal.connection_state import OFF, ON
from lvportal.services import billing, connections, tenants
from lvportal.services.transactions import writing
from lvportal.web.access import Permission, requires
from lvportal.web.forms import PortalForm, filled, no_control_characters, trimmed
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, now


class FeatureForm(PortalForm):
    """The switch of one feature, with the ticket that asked for it."""

    enabled = HiddenField(validators=[AnyOf(["yes", "no"])])
    confirmed = HiddenField()
    ticket = StringField(
        "Ticket",
        filters=[trimmed],
        validators=[
            DataRequired("Enter the ticket that asks for this change."),
            Length(max=40, message="A ticket has at most 40 characters."),
            no_control_characters,
        ],
    )


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule("/care/clients/<code>/billing", "care_client_billing", show)
    bp.add_url_rule("/care/clients/<code>/billing", "change_client_billing", change, methods=["POST"])


@requires(Permission.CHANGE_FEATURES)
def show(code: str) -> str:
    """Show the client's features with their switch."""
    return _render(_tenant(code), FeatureForm(formdata=None))


@requires(Permission.CHANGE_FEATURES)
@csrf.exempt  # PortalForm checks the token itself, so that a stale page comes back filled in.
def change(code: str) -> Response | str | tuple[str, int]:
    """Turn Single Sign On on or off. What takes a way in from people is confirmed first."""
    tenant, form = _tenant(code), FeatureForm()
    if not form.validate_on_submit():
        return _render(tenant, form), 422
    enabled = form.enabled.data == "yes"
    if not enabled and form.confirmed.data != "yes" and _signs_in(tenant):
        everybody, without_password = connections.people_depending(db.session(), tenant.id)
        return render_template(
            "portal/care/client/confirm-off.html",
            tenant=tenant,
            form=form,
            everybody=everybody,
            without_password=without_password,
        )
    tenant_id, name = tenant.id, tenant.name
    with writing(db.session()) as session:
        billing.set_feature(
            session,
            session.get_one(Tenant, tenant_id),
            SINGLE_SIGN_ON,
            enabled=enabled,
            ticket=filled(form.ticket),
            by=actor(),
            now=now(),
        )
    flash(f"Single Sign On is {'on' if enabled else 'off'} for {name}.")
    return redirect(f"/care/clients/{code}/billing", 303)


def _tenant(code: str) -> Tenant:
    tenant = tenants.find(db.session(), code)
    if tenant is None or tenant.code != code:
        raise NotFound()
    return tenant


def _signs_in(tenant: Tenant) -> bool:
    return connections.look_up(db.session(), tenant.code).live is not None


def _render(tenant: Tenant, form: FlaskForm) -> str:
    feature = billing.feature(db.session(), tenant.id)
    is_on = bool(feature and feature.enabled)
    return render_template(
        "portal/care/client/billing.html",
        tenant=tenant,
        form=form,
        feature=feature,
        is_on=is_on,
        pill=ON if is_on else OFF,
        signs_in=_signs_in(tenant),
    )
