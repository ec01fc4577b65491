"""``/configure/client/security/live``, ``compare`` and ``copy``: the history, and the ways back."""

from __future__ import annotations

from dataclasses import dataclass

from flask import flash, redirect, render_template, request
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import IntegerField
from wtforms.validators import InputRequired, NumberRange

from lvportal.errors import ChangeRefused
from lvportal.extensions import db
from lvportal.models import Connection, Revision
from lvportal.portal.configure.client.security.form import shown
from lvportal.portal.configure.client.security.page import PATH, laboratory, refused_page
from lvportal.services import connection_setup, connections
from lvportal.services.connections import FIELD_LABELS, PLAIN_FIELDS, RevisionUnknown
from lvportal.services.transactions import writing
from lvportal.web.access import Permission, requires
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, now
from lvportal.web.session import current_session

MAX_NUMBER = 2**31 - 1


class NumberForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Which revision is meant."""

    number = IntegerField(validators=[InputRequired(), NumberRange(min=1, max=MAX_NUMBER)])


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of two revisions, as people read it."""

    label: str
    one: str
    other: str
    differs: bool


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(f"{PATH}/live", "put_live", put_live, methods=["POST"])
    bp.add_url_rule(f"{PATH}/copy", "copy_revision", copy, methods=["POST"])
    bp.add_url_rule(f"{PATH}/compare", "compare_revisions", compare)


@requires(Permission.ENABLE_SSO)
def put_live() -> Response | tuple[str, int]:
    """Let another revision sign people in: a draft, or an earlier one again."""
    number = _number()
    try:
        connection_setup.put_live(
            db.session(), current_session.tenant_id, number, laboratory(), by=actor(), now=now()
        )
    except RevisionUnknown:
        raise  # the page of what is not there
    except ChangeRefused as refused:
        return refused_page(refused)
    flash(f"Revision {number} is live.")
    return redirect(f"{PATH}#revisions", 303)


@requires(Permission.EDIT_SECURITY)
def copy() -> Response:
    """Make a draft that says what an earlier revision said."""
    number = _number()
    with writing(db.session()) as session:
        revision = connections.copy_to_draft(
            session, current_session.tenant_id, number, by=actor(), now=now()
        )
        made = revision.number
    flash(f"Draft {made} says what revision {number} says. Test it before it goes live.")
    return redirect(f"{PATH}#step-3", 303)


@requires(Permission.VIEW_SECURITY)
def compare() -> str:
    """Show two revisions beside each other; secrets only as the same or changed."""
    connection = connections.of_tenant(db.session(), current_session.tenant_id)
    if connection is None:
        raise RevisionUnknown("no connection")
    one, other = (_wanted(connection, name) for name in ("one", "other"))
    return render_template(
        "portal/configure/client/security/compare.html",
        one=one,
        other=other,
        live=connection.live_revision,
        rows=differences(one, other),
    )


def differences(one: Revision, other: Revision) -> list[Difference]:
    """Return every field of both revisions, the secret by when it was set."""
    found = []
    for name in PLAIN_FIELDS:
        mine, theirs = getattr(one, name), getattr(other, name)
        found.append(Difference(FIELD_LABELS[name], shown(name, mine), shown(name, theirs), mine != theirs))
    changed = one.secret_set_at != other.secret_set_at
    words = [("Set" if revision.sealed_secret else "None") for revision in (one, other)]
    if changed and words[0] == words[1]:
        words[1] = "Changed"
    return [*found, Difference(FIELD_LABELS["secret"], words[0], words[1], changed)]


def _number() -> int:
    form = NumberForm()
    return (form.number.data or 0) if form.validate_on_submit() else 0


def _wanted(connection: Connection, name: str) -> Revision:
    text = request.args.get(name, "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    found = next((revision for revision in connection.revisions if revision.number == number), None)
    if found is None:
        raise RevisionUnknown(text[:40])
    return found
