"""``/configure/client/security/readiness``: the provider's own list of people beside our accounts."""

from __future__ import annotations

from flask import render_template, request
from wtforms import TextAreaField

from lvportal.errors import ChangeRefused
from lvportal.extensions import csrf, db
from lvportal.portal.configure.people.kinds import AGENTS, USERS, viewer
from lvportal.services import readiness
from lvportal.services.readiness import Comparison
from lvportal.web.access import Permission, may, requires
from lvportal.web.forms import PortalForm, filled
from lvportal.web.hosts import HostBlueprint

PATH = "/configure/client/security/readiness"
# 100,000 emails of a usual length, as a browser writes them into a form.
LARGEST_BODY = 8 * 1024 * 1024
MOST_SHOWN = 200


class EmailsForm(PortalForm):
    """The list as the provider shows or exports it."""

    emails = TextAreaField("Emails assigned at the provider")


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PATH, "readiness", show)
    bp.add_url_rule(PATH, "readiness_compare", compare, methods=["POST"])


@requires(Permission.VIEW_READINESS)
def show() -> str:
    """Show the box for the list."""
    return _page(EmailsForm(formdata=None))


@csrf.exempt  # PortalForm checks the token itself, so that a stale page comes back as it was.
@requires(Permission.VIEW_READINESS)
def compare() -> str | tuple[str, int]:
    """Say who of the list would be refused and who lacks an account. Nothing is kept."""
    request.max_content_length = request.max_form_memory_size = LARGEST_BODY
    form = EmailsForm()
    if not form.validate_on_submit():
        return _page(form), 422
    # Names of accounts only as far as the person may see them on their own pages.
    audiences = [kind.audience for kind in (USERS, AGENTS) if may(kind.view)]
    try:
        found = readiness.compare(db.session(), viewer(), filled(form.emails), audiences)
    except ChangeRefused as refused:
        form.refuse(refused, refused.field)
        return _page(form), 422
    return _page(EmailsForm(formdata=None), found)


def _page(form: EmailsForm, found: Comparison | None = None) -> str:
    return render_template(
        "portal/configure/client/security/readiness-list.html", form=form, found=found, most=MOST_SHOWN
    )
