"""``/sign-in/emergency``: the way in for the day the provider is down. Portal host only."""

from __future__ import annotations

import hashlib

from flask import current_app, redirect, render_template, request
from werkzeug.wrappers import Response
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import DataRequired, Length, Regexp

from lvportal.errors import EmergencyRefused
from lvportal.extensions import csrf, db, limiter
from lvportal.services import emergency, sign_in_records
from lvportal.services.folding import fold
from lvportal.web.access import EMERGENCY_HOME, is_for_emergencies, public
from lvportal.web.forms import PortalForm, filled, trimmed
from lvportal.web.hosts import HostBlueprint, audience
from lvportal.web.request import client_address, now, visitor
from lvportal.web.return_to import safe_path
from lvportal.web.session import live_session, sign_in_person


class EmergencyForm(PortalForm):
    """An emergency account's password and code, asked for together."""

    client = StringField(
        "Client Code", filters=[trimmed], validators=[DataRequired("Enter your organisation's client code.")]
    )
    login_name = StringField(
        "User Name", filters=[trimmed], validators=[DataRequired("Enter the emergency account's name.")]
    )
    password = PasswordField("Password", validators=[DataRequired("Enter its password.")])
    code = StringField(
        "Code",
        filters=[trimmed],
        validators=[
            DataRequired("Enter the six digits your authenticator app shows."),
            Regexp(r"[0-9]{3} ?[0-9]{3}\Z", message="Enter the six digits your authenticator app shows."),
        ],
    )
    return_to = HiddenField(validators=[Length(max=500)])


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule("/sign-in/emergency", "emergency_sign_in_page", show)
    bp.add_url_rule("/sign-in/emergency", "emergency_sign_in", sign_in, methods=["POST"])


def _account_from_here() -> str:
    """Return the key that one account's tries from one address are counted under.

    Never the account alone: an outsider could then shut its last door.
    """
    said = fold(request.form.get("client", "").strip()), fold(request.form.get("login_name", "").strip())
    return hashlib.sha256(repr((client_address(), *said)).encode()).hexdigest()


@public
def show() -> str:
    """Ask for everything at once."""
    given = {name: request.args.get(name, "")[:200] for name in ("client", "login_name", "return_to")}
    return _render(EmergencyForm(formdata=None, **given), is_rehearsal="rehearsal" in request.args)


@public
@csrf.exempt  # PortalForm checks the token itself, so that a stale page comes back filled in.
@limiter.limit(
    lambda: f"{current_app.extensions['lvportal'].settings.local_sign_ins_per_minute} per minute",
    key_func=client_address,
)
@limiter.limit("10 per 15 minutes", key_func=_account_from_here)
def sign_in() -> Response | tuple[str, int]:
    """Open an emergency session."""
    form = EmergencyForm()
    if not form.validate_on_submit():
        return _render(form), 422
    portal = current_app.extensions["lvportal"]
    try:
        opened = emergency.sign_in(
            db.session(),
            portal.passwords,
            client_code=filled(form.client),
            login_name=filled(form.login_name),
            password=filled(form.password),
            code=filled(form.code),
            key_ring=portal.key_ring,
            visitor=visitor(),
            now=now(),
        )
    except EmergencyRefused as refused:
        sign_in_records.log_refusal(refused, client_code=filled(form.client), audience=audience())
        return _render(form, refused), refused.status
    sign_in_person(opened)
    path = safe_path(form.return_to.data)
    return redirect(path if is_for_emergencies(path) else EMERGENCY_HOME, 303)


def _render(
    form: EmergencyForm, refused: EmergencyRefused | None = None, *, is_rehearsal: bool = False
) -> str:
    form.code.data = ""  # a code is typed anew for every try
    return render_template(
        "emergency-sign-in.html",
        form=form,
        refused=refused,
        is_rehearsal=is_rehearsal,
        is_signed_in=live_session() is not None,
    )
