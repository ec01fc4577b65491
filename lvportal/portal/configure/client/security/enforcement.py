"""``/configure/client/security/enable`` and ``disable``: the switch."""

from __future__ import annotations

from flask import flash, redirect, render_template
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import HiddenField

from lvportal.errors import ChangeRefused
from lvportal.extensions import db
from lvportal.portal.configure.client.security.page import PATH, laboratory, refused_page
from lvportal.services import connection_setup, connections
from lvportal.web.access import Permission, requires
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, now
from lvportal.web.session import current_session


class SwitchForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Whether switching off was confirmed."""

    confirmed = HiddenField()


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(f"{PATH}/enable", "enable_sso", enable, methods=["POST"])
    bp.add_url_rule(f"{PATH}/disable", "disable_sso", disable, methods=["POST"])


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
def disable() -> Response | str:
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
    connection_setup.disable(db.session(), current_session.tenant_id, by=actor(), now=now())
    flash("Single Sign On is off. Every setting is kept.")
    return redirect(f"{PATH}#enable", 303)
