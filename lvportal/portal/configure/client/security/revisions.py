"""``/configure/client/security/live``: which revision signs people in."""

from __future__ import annotations

from flask import flash, redirect
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import IntegerField
from wtforms.validators import InputRequired, NumberRange

from lvportal.extensions import db
from lvportal.portal.configure.client.security.page import PATH, laboratory, refused_page
from lvportal.services import connection_setup
from lvportal.services.connection_setup import ProviderNotReady
from lvportal.web.access import Permission, requires
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, now
from lvportal.web.session import current_session


class LiveForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Which revision shall sign people in."""

    number = IntegerField(validators=[InputRequired(), NumberRange(min=1, max=2**31 - 1)])


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(f"{PATH}/live", "put_live", put_live, methods=["POST"])


@requires(Permission.ENABLE_SSO)
def put_live() -> Response | tuple[str, int]:
    """Let another revision sign people in: a draft, or an earlier one again."""
    form = LiveForm()
    number = (form.number.data or 0) if form.validate_on_submit() else 0
    try:
        connection_setup.put_live(
            db.session(), current_session.tenant_id, number, laboratory(), by=actor(), now=now()
        )
    except ProviderNotReady as refused:
        return refused_page(refused)
    flash(f"Revision {number} is live.")
    return redirect(f"{PATH}#revisions", 303)
