"""``/configure/client/security/errors``: what the provider's own error texts mean."""

from __future__ import annotations

from flask import render_template, request
from wtforms import SelectField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import DataRequired

from lvportal.extensions import csrf, db
from lvportal.portal.configure.client.security.page import PATH
from lvportal.providers import KNOWN
from lvportal.providers.errors import MAX_CHARACTERS, Explanation, explain_pasted
from lvportal.services import connections
from lvportal.web.access import Permission, requires
from lvportal.web.forms import PortalForm, filled
from lvportal.web.hosts import HostBlueprint
from lvportal.web.session import current_session

PAGE = f"{PATH}/errors"


class PastedForm(PortalForm):
    """What the provider said, and which provider it was."""

    provider = SelectField("Provider", choices=[SelectChoice(k.key, k.choice) for k in KNOWN.values()])
    pasted = TextAreaField("What the provider says", validators=[DataRequired("Paste the text or the code.")])


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PAGE, "provider_errors", show)
    bp.add_url_rule(PAGE, "explain_provider_error", explain, methods=["POST"])


@requires(Permission.VIEW_SECURITY)
def show() -> str:
    """Ask for the text."""
    return _page(PastedForm(formdata=None, provider=_provider()))


@requires(Permission.VIEW_SECURITY)
@csrf.exempt  # PortalForm checks the token itself, so that a stale page comes back filled in.
def explain() -> str | tuple[str, int]:
    """Say what the text means. It stands in the body, not in an address: logs keep addresses."""
    form = PastedForm()
    if not form.validate_on_submit():
        return _page(form), 422
    return _page(form, explain_pasted(filled(form.pasted), form.provider.data))


def _provider() -> str:
    asked = request.args.get("provider")
    if asked in KNOWN:
        return asked
    connection = connections.of_tenant(db.session(), current_session.tenant_id)
    newest = connections.newest_revision(db.session(), connection) if connection else None
    return newest.provider if newest and newest.provider in KNOWN else "other"


def _page(form: PastedForm, told: Explanation | None = None) -> str:
    form.pasted.data = filled(form.pasted)[:MAX_CHARACTERS]
    return render_template("portal/configure/client/security/errors.html", form=form, told=told)
