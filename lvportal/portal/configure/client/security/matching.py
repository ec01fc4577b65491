"""``/configure/client/security/matching``: which account a person gets, with which role."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest

from flask import current_app, flash, redirect, render_template, request
from werkzeug.wrappers import Response
from wtforms import BooleanField, IntegerField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from lvportal.errors import ChangeRefused
from lvportal.extensions import csrf, db
from lvportal.models import Revision, Tenant
from lvportal.portal.configure.client.security.page import PATH
from lvportal.services import connection_setup, connections, domains, test_sign_ins
from lvportal.services.connections import FIELD_LABELS, ConnectionValues
from lvportal.services.folding import HIDDEN_CHARACTERS
from lvportal.services.matching import LONGEST_GROUP, MAPPABLE_ROLES, MOST_MAPPINGS
from lvportal.services.transactions import writing
from lvportal.web.access import ROLE_LABELS, Permission, requires
from lvportal.web.forms import PortalForm, filled, no_control_characters, trimmed
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, now
from lvportal.web.session import current_session

PAGE = f"{PATH}/matching"
EMPTY_ROWS = 3


class MatchingForm(PortalForm):
    """All of the page but the rows of groups, which are as many as there are."""

    email_claim = StringField(
        FIELD_LABELS["email_claim"],
        filters=[trimmed],
        validators=[
            DataRequired("Name the claim that carries the email, for instance email."),
            Length(max=120, message="At most 120 characters."),
            no_control_characters,
        ],
    )
    matches_case = BooleanField(FIELD_LABELS["matches_case"])
    accepts_unverified_email = BooleanField(FIELD_LABELS["accepts_unverified_email"])
    accepts_email_verified_as_text = BooleanField(FIELD_LABELS["accepts_email_verified_as_text"])
    groups_claim = StringField(
        FIELD_LABELS["groups_claim"],
        filters=[trimmed],
        validators=[Length(max=120, message="At most 120 characters."), no_control_characters],
    )
    creates_users = BooleanField(FIELD_LABELS["creates_users"])
    creates_agents = BooleanField(FIELD_LABELS["creates_agents"])
    based_on = IntegerField(validators=[InputRequired(), NumberRange(min=0)])


@dataclass(slots=True)
class Row:
    """One group and the role it gives, as typed."""

    group: str = ""
    role: str = MAPPABLE_ROLES[-1]
    error: str = ""


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PAGE, "matching", show)
    bp.add_url_rule(PAGE, "save_matching", save, methods=["POST"])


@requires(Permission.VIEW_SECURITY)
def show() -> Response | str:
    """Show the rules of the newest revision."""
    newest = _newest()
    if newest is None:
        flash("Save the connection first: matching belongs to it.")
        return redirect(f"{PATH}#step-3", 303)
    form = MatchingForm(formdata=None, obj=newest)
    return _page(form, newest, [Row(*pair) for pair in sorted(newest.role_mapping.items())])


# Not for those who may only draft: a mapping gives roles, their own among them.
@requires(Permission.ENABLE_SSO)
@csrf.exempt  # PortalForm checks the token itself.
def save() -> Response | str | tuple[str, int]:
    """Save the rules as a new draft, or show more rows and save nothing."""
    form, rows, newest = MatchingForm(), _typed_rows(), _newest()
    if newest is None:
        return redirect(f"{PATH}#step-3", 303)
    if request.form.get("act") == "more":
        return _page(form, newest, rows, more=2 * EMPTY_ROWS)
    is_valid = form.validate_on_submit()
    if not _judge(rows, form) or not is_valid:
        return _page(form, newest, rows), 422
    try:
        with writing(db.session()) as session:
            revision = connection_setup.save_draft(
                session,
                session.get_one(Tenant, current_session.tenant_id),
                _values(form, rows, newest),
                key_ring=current_app.extensions["lvportal"].key_ring,
                by=actor(),
                now=now(),
                based_on=form.based_on.data or 0,
            )
            number = revision.number
    except ChangeRefused as refused:
        form.refuse(refused, refused.field)
        return _page(form, newest, rows, refused=refused), refused.status
    flash("Nothing had changed." if number == newest.number else f"Draft {number} saved. Test it next.")
    return redirect(f"{PATH}#step-4", 303)


def _newest() -> Revision | None:
    connection = connections.of_tenant(db.session(), current_session.tenant_id)
    return connections.newest_revision(db.session(), connection) if connection else None


def _typed_rows() -> list[Row]:
    pairs = zip_longest(request.form.getlist("group"), request.form.getlist("role"), fillvalue="")
    rows = [Row(group.strip(), role) for group, role in pairs]
    return [row for row in rows if row.group][: MOST_MAPPINGS + 1]


def _judge(rows: list[Row], form: MatchingForm) -> bool:
    """Note at each row what is wrong with it; tell whether nothing is."""
    seen: set[str] = set()
    for row in rows:
        if len(row.group) > LONGEST_GROUP:
            row.error = f"At most {LONGEST_GROUP} characters."
        elif HIDDEN_CHARACTERS.search(row.group):
            row.error = "Leave out the invisible characters: type it instead of pasting."
        elif row.group in seen:
            row.error = "This group is in the list already."
        elif row.role not in MAPPABLE_ROLES:
            row.error = "Choose one of the roles."
        seen.add(row.group)
    if len(rows) > MOST_MAPPINGS:
        rows[-1].error = f"At most {MOST_MAPPINGS} groups."
    if rows and not form.groups_claim.data:
        form.groups_claim.errors = ["Name the claim that lists the groups, for instance groups."]
        return False
    return not any(row.error for row in rows)


def _values(form: MatchingForm, rows: list[Row], newest: Revision) -> ConnectionValues:
    return replace(
        connection_setup.values_of(newest),
        email_claim=filled(form.email_claim),
        matches_case=bool(form.matches_case.data),
        accepts_unverified_email=bool(form.accepts_unverified_email.data),
        accepts_email_verified_as_text=bool(form.accepts_email_verified_as_text.data),
        groups_claim=filled(form.groups_claim),
        role_mapping={row.group: row.role for row in rows},
        creates_users=bool(form.creates_users.data),
        creates_agents=bool(form.creates_agents.data),
    )


def _page(
    form: MatchingForm,
    newest: Revision,
    rows: list[Row],
    *,
    more: int = EMPTY_ROWS,
    refused: ChangeRefused | None = None,
) -> str:
    owned = domains.of_tenant(db.session(), current_session.tenant_id)
    return render_template(
        "portal/configure/client/security/matching.html",
        form=form,
        rows=[*rows, *(Row() for _ in range(more))],
        roles={role: ROLE_LABELS[role] for role in MAPPABLE_ROLES},
        seen=test_sign_ins.claim_names_seen(db.session(), current_session.tenant_id),
        proven=[domain.shown for domain in owned if domain.proof == "dns"],
        provider=connections.label_of(newest.provider),
        # A newer draft is a conflict until this page is opened again: what was typed stays its own.
        based_on=form.based_on.data if form.is_submitted() else newest.number,
        refused=refused,
    )
