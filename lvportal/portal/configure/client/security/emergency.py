"""``/configure/client/security/emergency``: accounts named in advance for the day the provider is down."""

from __future__ import annotations

from urllib.parse import urlencode

import segno
from flask import current_app, flash, redirect, render_template
from markupsafe import Markup
from werkzeug.wrappers import Response
from wtforms import PasswordField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import DataRequired, EqualTo, Length, Regexp

from lvportal.errors import ChangeRefused
from lvportal.extensions import csrf, db, limiter
from lvportal.key_ring import KeyRing
from lvportal.portal.configure.client.security.page import PATH
from lvportal.portal.configure.people.kinds import viewer
from lvportal.services import emergency
from lvportal.services.emergency import LONGEST_PASSWORD, MOST_ACCOUNTS, SHORTEST_PASSWORD
from lvportal.services.enforcement import REHEARSED_DAYS
from lvportal.web.access import Permission, requires
from lvportal.web.forms import PortalForm, filled, trimmed
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, client_address, now
from lvportal.web.session import current_session

PAGE = f"{PATH}/emergency"
ONE = f"{PAGE}/<int(max=2147483647):account_id>"


class NameForm(PortalForm):
    """Who becomes an emergency account."""

    account = SelectField("Account", choices=[], validators=[DataRequired("Choose an account.")])


class SetUpForm(PortalForm):
    """Password and app, set together. Nothing of it is ever sent back."""

    password = PasswordField(
        "Password",
        validators=[
            DataRequired("Enter a password."),
            Length(
                SHORTEST_PASSWORD,
                LONGEST_PASSWORD,
                f"It needs {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.",
            ),
        ],
    )
    again = PasswordField(
        "Password again", validators=[EqualTo("password", "The two passwords are not the same.")]
    )
    code = StringField(
        "Code",
        filters=[trimmed],
        validators=[
            DataRequired("Enter the six digits the app shows."),
            Regexp(r"[0-9]{3} ?[0-9]{3}\Z", message="Enter the six digits the app shows."),
        ],
    )


class ActForm(PortalForm):
    """A button: nothing but the proof that a page of ours sent it."""


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PAGE, "emergency_accounts", show)
    bp.add_url_rule(PAGE, "name_emergency_account", name, methods=["POST"])
    bp.add_url_rule(ONE, "emergency_account", show_one)
    bp.add_url_rule(ONE, "set_up_emergency_account", set_up, methods=["POST"])
    bp.add_url_rule(f"{ONE}/start-again", "restart_emergency_account", start_again, methods=["POST"])
    bp.add_url_rule(f"{ONE}/remove", "remove_emergency_account", remove, methods=["POST"])


@requires(Permission.MANAGE_EMERGENCY)
def show() -> str:
    """Show the accounts, and who can be named."""
    return _list(_name_form(is_sent=False))


@requires(Permission.MANAGE_EMERGENCY)
@csrf.exempt  # PortalForm checks the token itself.
def name() -> Response | tuple[str, int]:
    """Name an account; its set-up comes next."""
    form = _name_form()
    if not form.validate_on_submit():
        return _list(form), 422
    account_id = int(filled(form.account))
    try:
        emergency.name(db.session(), viewer(), account_id, key_ring=_key_ring(), by=actor(), now=now())
    except ChangeRefused as refused:
        return _list(form, refused), refused.status
    flash("The account is named. Set it up now.")
    return redirect(f"{PAGE}/{account_id}", 303)


@requires(Permission.MANAGE_EMERGENCY)
def show_one(account_id: int) -> str:
    """Show an account's set-up, or when it was rehearsed."""
    return _one(account_id, SetUpForm(formdata=None))


@requires(Permission.MANAGE_EMERGENCY)
@csrf.exempt  # PortalForm checks the token itself.
@limiter.limit("30 per minute", key_func=client_address)
def set_up(account_id: int) -> Response | tuple[str, int]:
    """Set password and app together."""
    form = SetUpForm()
    if not form.validate_on_submit():
        return _one(account_id, form), 422
    try:
        emergency.set_up(
            db.session(),
            viewer(),
            account_id,
            password=filled(form.password),
            code=filled(form.code).replace(" ", ""),
            key_ring=_key_ring(),
            by=actor(),
            now=now(),
        )
    except ChangeRefused as refused:
        form.refuse(refused, refused.field)
        return _one(account_id, form, None if refused.field else refused), refused.status
    account = emergency.find(db.session(), viewer(), account_id, now())
    query = urlencode(
        {
            "client": current_session.client_code,
            "login_name": account.login_name,
            "rehearsal": "yes",
            "return_to": f"{PATH}/enforce",
        }
    )
    return redirect(f"/sign-in/emergency?{query}", 303)


@requires(Permission.MANAGE_EMERGENCY)
@csrf.exempt  # PortalForm checks the token itself.
def start_again(account_id: int) -> Response | tuple[str, int]:
    """Make a new secret; the account has to be set up again."""
    form = ActForm()
    if not form.validate_on_submit():
        return _one(account_id, form), 422
    try:
        emergency.start_again(db.session(), viewer(), account_id, key_ring=_key_ring(), by=actor(), now=now())
    except ChangeRefused as refused:
        return _one(account_id, SetUpForm(formdata=None), refused), refused.status
    flash("The account has a new secret. Set it up now.")
    return redirect(f"{PAGE}/{account_id}", 303)


@requires(Permission.MANAGE_EMERGENCY)
@csrf.exempt  # PortalForm checks the token itself.
def remove(account_id: int) -> Response | tuple[str, int]:
    """Make it an ordinary account again."""
    form = ActForm()
    if not form.validate_on_submit():
        return _one(account_id, form), 422
    try:
        emergency.remove(db.session(), viewer(), account_id, by=actor(), now=now())
    except ChangeRefused as refused:
        return _one(account_id, SetUpForm(formdata=None), refused), refused.status
    flash("It is an ordinary account again.")
    return redirect(PAGE, 303)


def _key_ring() -> KeyRing:
    ring: KeyRing = current_app.extensions["lvportal"].key_ring
    return ring


def _name_form(*, is_sent: bool = True) -> NameForm:
    form = NameForm() if is_sent else NameForm(formdata=None)
    found = emergency.candidates(db.session(), viewer())
    form.account.choices = [SelectChoice(str(one), words) for one, words in found]
    return form


def _list(form: NameForm, refused: ChangeRefused | None = None) -> str:
    accounts = emergency.listed(db.session(), viewer(), now())
    return render_template(
        "portal/configure/client/security/emergency.html",
        form=form,
        accounts=accounts,
        can_name=bool(form.account.choices) and len(accounts) < MOST_ACCOUNTS,
        refused=refused,
        most=MOST_ACCOUNTS,
        days=REHEARSED_DAYS,
    )


def _one(account_id: int, form: PortalForm, refused: ChangeRefused | None = None) -> str:
    if isinstance(form, SetUpForm):
        form.code.data = ""  # it will have changed, and is nobody else's to read
    person = viewer()
    account = emergency.find(db.session(), person, account_id, now())
    enrolment = emergency.enrolment(db.session(), person, account_id, _key_ring())
    return render_template(
        "portal/configure/client/security/emergency-account.html",
        form=form if isinstance(form, SetUpForm) else SetUpForm(formdata=None),
        problems=form,
        act_form=ActForm(formdata=None),
        account=account,
        enrolment=enrolment,
        code_image=_drawn(enrolment.uri) if enrolment else "",
        refused=refused,
        days=REHEARSED_DAYS,
    )


def _drawn(uri: str) -> Markup:
    """Return the QR code as SVG: always dark on light, because not every app reads the inverse."""
    drawing = segno.make(uri, error="m", micro=False)
    return Markup(  # noqa: S704  # drawn by us: squares, no text
        drawing.svg_inline(scale=4, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None)
    )
