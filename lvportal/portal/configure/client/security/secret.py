"""``/configure/client/security/secret``: the next secret beside the current one."""

from __future__ import annotations

from flask import flash, redirect, render_template
from werkzeug.wrappers import Response
from wtforms import DateField, PasswordField
from wtforms.validators import DataRequired, Length, Optional

from lvportal.errors import ChangeRefused
from lvportal.extensions import csrf, db, limiter
from lvportal.models import Connection
from lvportal.portal.configure.client.security.page import PATH, laboratory
from lvportal.protocols.oidc.report import Check
from lvportal.services import connections, next_secret
from lvportal.web.access import Permission, requires
from lvportal.web.forms import PortalForm, filled, no_control_characters, trimmed
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, client_address, now
from lvportal.web.session import current_session

PAGE = f"{PATH}/secret"


class NextSecretForm(PortalForm):
    """The secret that shall take the current one's place."""

    next_secret = PasswordField(
        "Next Authorization Secret",
        filters=[trimmed],
        validators=[
            DataRequired("Paste the new secret your provider shows."),
            Length(max=2000, message="At most 2000 characters."),
            no_control_characters,
        ],
    )
    expires_on = DateField("It expires on", validators=[Optional()])


class ActForm(PortalForm):
    """A button: nothing but the proof that a page of ours sent it."""


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PAGE, "next_secret", show)
    bp.add_url_rule(PAGE, "store_next_secret", store, methods=["POST"])
    bp.add_url_rule(f"{PAGE}/try", "try_next_secret", try_it, methods=["POST"])
    bp.add_url_rule(f"{PAGE}/swap", "swap_next_secret", swap, methods=["POST"])
    bp.add_url_rule(f"{PAGE}/remove", "remove_next_secret", remove, methods=["POST"])


@requires(Permission.EDIT_SECURITY)
def show() -> str:
    """Show both secrets' dates, and what can be done."""
    return _page(NextSecretForm(formdata=None))


@requires(Permission.EDIT_SECURITY)
@csrf.exempt  # PortalForm checks the token itself.
def store() -> Response | tuple[str, int]:
    """Keep the next secret; the current one goes on."""
    form = NextSecretForm()
    if not form.validate_on_submit():
        return _page(form), 422
    try:
        next_secret.store(
            db.session(),
            current_session.tenant_id,
            filled(form.next_secret),
            form.expires_on.data,
            key_ring=laboratory().key_ring,
            by=actor(),
            now=now(),
        )
    except ChangeRefused as refused:
        form.refuse(refused, "next_secret")
        return _page(form), refused.status
    flash("The next secret is stored. The current one goes on.")
    return redirect(PAGE, 303)


@requires(Permission.EDIT_SECURITY)
@csrf.exempt  # PortalForm checks the token itself.
@limiter.limit("30 per minute", key_func=client_address)
def try_it() -> str | tuple[str, int]:
    """Ask the provider about the next secret, and change nothing."""
    if not ActForm().validate_on_submit():
        return _stale()
    try:
        check = next_secret.try_it(db.session(), current_session.tenant_id, laboratory(), now=now())
    except ChangeRefused as refused:
        return _page(NextSecretForm(formdata=None), refused=refused), refused.status
    return _page(NextSecretForm(formdata=None), check=check)


@requires(Permission.ENABLE_SSO)
@csrf.exempt  # PortalForm checks the token itself.
@limiter.limit("30 per minute", key_func=client_address)
def swap() -> Response | tuple[str, int]:
    """Let the next secret take the current one's place."""
    if not ActForm().validate_on_submit():
        return _stale()
    try:
        swapped = next_secret.swap(
            db.session(), current_session.tenant_id, laboratory(), by=actor(), now=now()
        )
    except ChangeRefused as refused:
        return _page(NextSecretForm(formdata=None), refused=refused), refused.status
    if swapped.is_live:
        flash(f"The next secret is the current one now: revision {swapped.number} is live.")
        return redirect(f"{PATH}#revisions", 303)
    flash(f"The provider does not tell whether it accepts it: test draft {swapped.number} first.")
    return redirect(f"{PATH}#step-4", 303)


@requires(Permission.EDIT_SECURITY)
@csrf.exempt  # PortalForm checks the token itself.
def remove() -> Response | tuple[str, int]:
    """Forget the next secret."""
    if not ActForm().validate_on_submit():
        return _stale()
    try:
        next_secret.remove(db.session(), current_session.tenant_id, by=actor(), now=now())
    except ChangeRefused as refused:
        return _page(NextSecretForm(formdata=None), refused=refused), refused.status
    flash("The next secret is removed.")
    return redirect(PAGE, 303)


def _stale() -> tuple[str, int]:
    form = NextSecretForm()
    form.validate_on_submit()
    form.next_secret.errors = []
    return _page(form), 422


def _page(form: NextSecretForm, *, check: Check | None = None, refused: ChangeRefused | None = None) -> str:
    connection: Connection | None = connections.of_tenant(db.session(), current_session.tenant_id)
    live = connection.live_revision if connection else None
    return render_template(
        "portal/configure/client/security/secret.html",
        form=form,
        act_form=ActForm(formdata=None),
        connection=connection,
        live=live,
        can_rotate=live is not None and live.sealed_secret is not None,
        provider=connections.label_of(live.provider) if live else "your provider",
        check=check,
        refused=refused,
    )
