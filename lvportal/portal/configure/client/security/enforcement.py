"""``…/security/enable``, ``disable`` and ``enforce``: the switch, and whether passwords still sign in."""

from __future__ import annotations

import math

from flask import flash, redirect, render_template
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import HiddenField, RadioField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs

from lvportal.errors import ChangeRefused
from lvportal.extensions import csrf, db
from lvportal.portal.configure.client.security.page import PATH, laboratory, refused_page
from lvportal.services import connection_setup, connections, enforcement
from lvportal.services.enforcement import Rules
from lvportal.web.access import Permission, requires
from lvportal.web.forms import PortalForm, filled
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, now
from lvportal.web.session import current_session


class SwitchForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Whether switching off was confirmed."""

    confirmed = HiddenField()


_CHOICES = {
    "allowed": "Allowed beside single sign-on",
    "chosen": "Not for people marked single sign-on only",
    "refused": "Not allowed: single sign-on is required",
}


class EnforcementForm(PortalForm):
    """Whether a password still signs in, per host."""

    portal = RadioField("Users", choices=[SelectChoice(*pair) for pair in _CHOICES.items()])
    agent = RadioField("Agents", choices=[SelectChoice(*pair) for pair in _CHOICES.items()])


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(f"{PATH}/enable", "enable_sso", enable, methods=["POST"])
    bp.add_url_rule(f"{PATH}/disable", "disable_sso", disable, methods=["POST"])
    bp.add_url_rule(f"{PATH}/enforce", "enforcement", show_enforcement)
    bp.add_url_rule(f"{PATH}/enforce", "enforce", enforce, methods=["POST"])


@requires(Permission.ENABLE_SSO)
def enable() -> Response | tuple[str, int]:
    """Let the provider sign people in, if its report has no dangers."""
    try:
        connection_setup.enable(db.session(), current_session.tenant_id, laboratory(), by=actor(), now=now())
    except ChangeRefused as refused:
        return refused_page(refused)
    flash("Single Sign On is enabled.")
    return redirect(f"{PATH}#enable", 303)


@requires(Permission.ENABLE_SSO)
def disable() -> Response | str | tuple[str, int]:
    """End sign-in by the provider. Confirmed first: some people have no other way in."""
    form = SwitchForm()
    if form.confirmed.data != "yes":
        everybody, without = connections.people_depending(db.session(), current_session.tenant_id)
        return render_template(
            "portal/configure/client/security/disable.html",
            form=form,
            everybody=everybody,
            without_password=without,
        )
    try:
        connection_setup.disable(db.session(), current_session.tenant_id, by=actor(), now=now())
    except ChangeRefused as refused:
        return refused_page(refused)
    flash("Single Sign On is off. Every setting is kept.")
    return redirect(f"{PATH}#enable", 303)


@requires(Permission.ENABLE_SSO)
def show_enforcement() -> str:
    """Show whom refusing passwords concerns; the stricter choice stands ready until it is made."""
    held = enforcement.rules(db.session(), current_session.tenant_id, now())
    chosen = held if held != Rules() else Rules("refused", "refused")
    return _enforcement_page(EnforcementForm(portal=chosen.portal, agent=chosen.agent))


@requires(Permission.ENABLE_SSO)
@csrf.exempt  # PortalForm checks the token itself, so that a stale page comes back filled in.
def enforce() -> Response | tuple[str, int]:
    """Set whether passwords sign in."""
    form = EnforcementForm()
    if not form.validate_on_submit():
        return _enforcement_page(form), 422
    wanted = Rules(filled(form.portal), filled(form.agent))
    try:
        enforcement.set_rules(db.session(), current_session.tenant_id, wanted, by=actor(), now=now())
    except ChangeRefused as refused:
        return _enforcement_page(form, refused), refused.status
    flash("Password sign-in was changed.")
    return redirect(f"{PATH}/enforce", 303)


def _enforcement_page(form: EnforcementForm, refused: ChangeRefused | None = None) -> str:
    session, tenant_id, moment = db.session(), current_session.tenant_id, now()
    until = enforcement.waits_until(session, tenant_id, moment)
    return render_template(
        "portal/configure/client/security/enforce.html",
        form=form,
        refused=refused,
        held=enforcement.rules(session, tenant_id, moment),
        users=enforcement.effect_of(session, tenant_id, "portal", moment),
        agents=enforcement.effect_of(session, tenant_id, "agent", moment),
        returns_at=until,
        minutes_left=math.ceil((until - moment).total_seconds() / 60) if until else 0,
        safety_minutes=enforcement.SAFETY_MINUTES,
    )
