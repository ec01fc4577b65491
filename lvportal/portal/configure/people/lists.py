"""``/configure/users`` and ``/configure/agents``: lists with search, filters, order and pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from flask import flash, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response
from wtforms import BooleanField, HiddenField
from wtforms.validators import AnyOf

from lvportal.errors import ChangeRefused
from lvportal.extensions import csrf, db
from lvportal.models.accounts import ROLES
from lvportal.portal.configure.people.kinds import KINDS, Kind, viewer
from lvportal.services.audit import Actor
from lvportal.services.people import editing, lists
from lvportal.services.people.lists import Viewer, Wanted
from lvportal.services.people.values import may_give_role
from lvportal.services.people_import import columns
from lvportal.services.transactions import writing
from lvportal.web.access import ROLE_LABELS, may, requires
from lvportal.web.forms import PortalForm, filled
from lvportal.web.hosts import HostBlueprint
from lvportal.web.listing import (
    PAGE_SIZE,
    Listing,
    Page,
    csv_file,
    page_number,
    wanted_choice,
    wanted_sort,
    wanted_text,
)
from lvportal.web.request import actor, now
from lvportal.web.session import current_session

STATUSES = {"active": "Active", "inactive": "Inactive", "locked": "Locked", "provider": "Single sign-on only"}
READINESS = {
    "ready": "Ready",
    "no_email": "No email",
    "invalid": "Invalid email",
    "shared": "Shared email",
    "unusual": "Unusual domain",
    "never": "Never matched",
    "administrator": "Administrators at risk",
}
FACTORS = {"set": "Set", "unset": "Not set"}


class Act(Protocol):
    """An act on many people at once."""

    def __call__(
        self,
        session: Session,
        viewer: Viewer,
        audience: str,
        ids: Sequence[int],
        /,
        *,
        by: Actor,
        now: datetime,
    ) -> int: ...


ACTS: dict[str, tuple[Act, str]] = {
    "deactivate": (editing.deactivate, "deactivated"),
    "unlock": (editing.unlock, "unlocked"),
    "require": (partial(editing.set_sso_only, required=True), "set to single sign-on only"),
    "allow": (partial(editing.set_sso_only, required=False), "allowed the password again"),
}
"""What can be done with the chosen, and what was done to each of them."""


class BulkForm(PortalForm):
    """What to do with the chosen; ``is_confirmed`` once its numbers were seen."""

    act = HiddenField(validators=[AnyOf(ACTS)])
    is_confirmed = BooleanField()


def add_to(bp: HostBlueprint) -> None:
    """Add the routes of both kinds."""
    for kind in KINDS:
        _add(bp, kind)


def _add(bp: HostBlueprint, kind: Kind) -> None:
    @requires(kind.view)
    def show() -> str:
        return _show(kind)

    @requires(kind.view)
    def download() -> Response:
        return _download(kind)

    @csrf.exempt  # PortalForm checks the token itself, so that a stale page comes back as it was.
    @requires(kind.edit)
    def bulk() -> Response | tuple[str, int]:
        return _bulk(kind)

    bp.add_url_rule(kind.path, kind.key, show)
    bp.add_url_rule(f"{kind.path}.csv", f"{kind.key}_file", download)
    bp.add_url_rule(f"{kind.path}/chosen", f"{kind.key}_chosen", bulk, methods=["POST"])


def _show(kind: Kind) -> str:
    """Show one page of the people that the filters leave."""
    wanted, number = _wanted(kind), page_number()
    search = _search(kind, wanted)
    rows, total = lists.search(
        db.session(),
        viewer(),
        kind.audience,
        search,
        now=now(),
        limit=PAGE_SIZE,
        offset=(number - 1) * PAGE_SIZE,
    )
    listing = Listing(kind.path, Page(rows, total, number), wanted, search.sort)
    return render_template(
        "portal/configure/people/list.html",
        kind=kind,
        listing=listing,
        roles={role: ROLE_LABELS[role] for role in roles_shown()},
        statuses=STATUSES,
        readiness=_readiness_of(kind),
        factors=FACTORS,
        may_edit=may(kind.edit),
        may_change=_may_change,
        csv_url=listing.url(page=None).replace(kind.path, f"{kind.path}.csv", 1),
    )


def _download(kind: Kind) -> Response:
    """Return the people that the filters leave as a file that the import takes."""
    found = lists.everybody(db.session(), viewer(), kind.audience, _search(kind, _wanted(kind)), now=now())
    fields = [column.field for column in columns.of_audience(kind.audience)]
    rows = ([_cell(getattr(row, field)) for field in fields] for row in found)
    return csv_file(f"{kind.key}.csv", columns.header_of(kind.audience), rows)


def _bulk(kind: Kind) -> Response | tuple[str, int]:
    """Ask first, with numbers; then do it to all of the chosen or to none."""
    form, ids = BulkForm(), _chosen_ids()
    if not form.validate_on_submit():
        return _confirm(kind, form, ids), 422
    if not ids:
        flash(f"Choose at least one {kind.one} first.")
        return redirect(kind.path, 303)
    if not form.is_confirmed.data:
        return _confirm(kind, form, ids), 200
    act, words = ACTS[filled(form.act)]
    try:
        with writing(db.session()) as session:
            done = act(session, viewer(), kind.audience, ids, by=actor(), now=now())
    except ChangeRefused as refused:
        return _confirm(kind, form, ids, refused), refused.status
    flash(f"{done} {kind.one if done == 1 else kind.many} {words}.")
    return redirect(kind.path, 303)


def _confirm(kind: Kind, form: BulkForm, ids: list[int], refused: ChangeRefused | None = None) -> str:
    return render_template(
        "portal/configure/people/confirm-chosen.html",
        kind=kind,
        form=form,
        ids=ids,
        count=lists.count_of(db.session(), viewer(), kind.audience, ids, now=now()),
        refused=refused,
    )


def roles_shown() -> list[str]:
    """Return the roles that the signed-in person may know of."""
    hidden = {"CARE"} if not current_session.is_operator else set()
    if current_session.role == "SUPERUSER":
        hidden.add("SYSADMIN")
    return [role for role in ROLES if role not in hidden]


def _may_change(role: str) -> bool:
    return not role or may_give_role(current_session.role, role, current_session.is_operator)


def _chosen_ids() -> list[int]:
    found = {
        text for text in request.form.getlist("ids") if text.isascii() and text.isdigit() and len(text) < 11
    }
    return sorted({int(text) for text in found if int(text) <= lists.LARGEST_ID})[:PAGE_SIZE]


def _readiness_of(kind: Kind) -> dict[str, str]:
    return {key: words for key, words in READINESS.items() if kind.key == "users" or key != "administrator"}


def _wanted(kind: Kind) -> dict[str, str]:
    wanted = {
        "q": wanted_text(),
        "status": wanted_choice("status", STATUSES),
        "readiness": wanted_choice("readiness", _readiness_of(kind)),
    }
    if kind.key == "users":
        wanted |= {"role": wanted_choice("role", roles_shown()), "factor": wanted_choice("factor", FACTORS)}
    return wanted


def _search(kind: Kind, wanted: dict[str, str]) -> Wanted:
    return Wanted(
        text=wanted["q"],
        role=wanted.get("role", ""),
        status=wanted["status"],
        readiness=wanted["readiness"],
        factor=wanted.get("factor", ""),
        sort=wanted_sort(lists.SORTS[kind.audience], "login"),
    )


def _cell(value: object) -> object:
    return ("Yes" if value else "No") if isinstance(value, bool) else value
