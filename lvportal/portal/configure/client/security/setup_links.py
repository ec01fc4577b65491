"""``/configure/client/security/setup-links``: links for somebody without an account."""

from __future__ import annotations

from flask import current_app, flash, redirect, render_template
from werkzeug.wrappers import Response
from wtforms import RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import DataRequired, Length

from lvportal.extensions import csrf, db
from lvportal.portal.configure.client.security.page import PATH
from lvportal.services import setup_links
from lvportal.services.setup_links import DAYS, PURPOSES, MadeLink
from lvportal.web.access import Permission, requires
from lvportal.web.forms import PortalForm, filled, no_control_characters, trimmed
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, now
from lvportal.web.session import current_session

PAGE = f"{PATH}/setup-links"


class LinkForm(PortalForm):
    """Whom a link is for, what it may do and how long it lasts."""

    for_whom = StringField(
        "For whom",
        filters=[trimmed],
        validators=[
            DataRequired("Enter whom the link is for."),
            Length(max=100, message="At most 100 characters."),
            no_control_characters,
        ],
    )
    purpose = RadioField(
        "Purpose", choices=[SelectChoice(key, words) for key, words in PURPOSES.items()], default="connect"
    )
    days = SelectField(
        "Ends after",
        choices=[SelectChoice(str(days), f"{days} day" if days == 1 else f"{days} days") for days in DAYS],
        default="7",
    )


class RevokeForm(PortalForm):
    """A button: nothing but the proof that a page of ours sent it."""


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PAGE, "setup_links", show)
    bp.add_url_rule(PAGE, "make_setup_link", make, methods=["POST"])
    bp.add_url_rule(
        f"{PAGE}/<int(max=2147483647):link_id>/revoke", "revoke_setup_link", revoke, methods=["POST"]
    )


@requires(Permission.MAKE_SETUP_LINKS)
def show() -> str:
    """Show the client's links."""
    return _page(LinkForm(formdata=None))


@requires(Permission.MAKE_SETUP_LINKS)
@csrf.exempt  # PortalForm checks the token itself.
def make() -> str | tuple[str, int]:
    """Make a link, and show it and its code this once."""
    form = LinkForm()
    if not form.validate_on_submit():
        return _page(form), 422
    made = setup_links.make(
        db.session(),
        current_session.tenant_id,
        for_whom=filled(form.for_whom),
        purpose=filled(form.purpose),
        days=int(filled(form.days)),
        key_ring=current_app.extensions["lvportal"].key_ring,
        by=actor(),
        now=now(),
    )
    return _page(LinkForm(formdata=None), made=made)


@requires(Permission.MAKE_SETUP_LINKS)
@csrf.exempt  # PortalForm checks the token itself.
def revoke(link_id: int) -> Response | tuple[str, int]:
    """End a link."""
    if not RevokeForm().validate_on_submit():
        form = LinkForm()
        form.validate_on_submit()
        form.for_whom.errors = []
        return _page(form), 422
    setup_links.revoke(db.session(), current_session.tenant_id, link_id, by=actor(), now=now())
    flash("The link is revoked.")
    return redirect(PAGE, 303)


def _page(form: LinkForm, *, made: MadeLink | None = None) -> str:
    moment = now()
    links = setup_links.of_tenant(db.session(), current_session.tenant_id)
    origin = current_app.extensions["lvportal"].settings.portal_origin
    return render_template(
        "portal/configure/client/security/setup-links.html",
        form=form,
        act_form=RevokeForm(formdata=None),
        links=[(link, setup_links.state_of(link, moment)) for link in links],
        purposes=PURPOSES,
        code=made.code if made else None,
        address=f"{origin}/setup/{made.token}" if made else None,
    )
