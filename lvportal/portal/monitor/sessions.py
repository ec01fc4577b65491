"""``/monitor/sessions``: who is signed in, where and since when, and how to end it."""

from __future__ import annotations

from flask import flash, redirect, render_template, request
from werkzeug.wrappers import Response
from wtforms import BooleanField, HiddenField
from wtforms.validators import Optional, Regexp

from lvportal.errors import PageNotFound
from lvportal.extensions import csrf, db
from lvportal.services import session_lists
from lvportal.services.devices import device_words
from lvportal.services.session_lists import SORTS, Ended, Scope, SessionRow, Wanted
from lvportal.services.transactions import writing
from lvportal.web.access import Permission, may, requires
from lvportal.web.forms import PortalForm
from lvportal.web.hosts import HOST_LABELS, HostBlueprint
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
from lvportal.web.session import current_session, sign_out_person
from lvportal.web.session_scope import client_scope
from lvportal.web.views import moment as in_words

PATH = "/monitor/sessions"
METHODS = {"sso": "Single sign-on", "password": "Password", "emergency": "Emergency access"}
_COLUMNS = (
    *("Person", "User Name or Logon ID", "Email", "Host", "Device", "Address", "Started", "Last seen"),
    *("Opened by", "Provider"),
)


class EndForm(PortalForm):
    """Whose sessions to end: one person's, or everybody's that the role reaches."""

    account = HiddenField(validators=[Optional(), Regexp(r"[0-9]{1,9}\Z")])
    with_own = BooleanField("End this session of mine too")

    @property
    def account_id(self) -> int | None:
        """The person's account, or None for everybody."""
        return int(self.account.data) if self.account.data else None


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PATH, "sessions", show)
    bp.add_url_rule(f"{PATH}.csv", "sessions_file", download)
    bp.add_url_rule(f"{PATH}/<int:session_id>/end", "end_session", end_one, methods=["POST"])
    bp.add_url_rule(f"{PATH}/end", "ask_to_end_sessions", ask)
    bp.add_url_rule(f"{PATH}/end", "end_sessions", end_many, methods=["POST"])


@requires(Permission.VIEW_SESSIONS)
def show() -> str:
    """Show one page of the live sessions that the filters leave."""
    scope, wanted, number = client_scope(now()), _wanted(), page_number()
    number = min(number, session_lists.MOST_COUNTED // PAGE_SIZE)
    search = _search(wanted)
    rows, total = session_lists.search(
        db.session(), scope, search, limit=PAGE_SIZE, offset=(number - 1) * PAGE_SIZE
    )
    listing = Listing(PATH, Page(rows, total, number), wanted, search.sort)
    return render_template(
        "portal/monitor/sessions.html",
        listing=listing,
        methods=METHODS,
        hosts_shown={audience: HOST_LABELS[audience] for audience in scope.audiences},
        device_words=device_words,
        how=how,
        is_cut=total == session_lists.MOST_COUNTED,
        may_end=may(Permission.END_SESSIONS),
        csv_url=listing.url(page=None).replace(PATH, f"{PATH}.csv", 1),
    )


@requires(Permission.VIEW_SESSIONS)
def download() -> Response:
    """Return the live sessions that the filters leave as a file."""
    zone = current_session.client_time_zone
    rows, _ = session_lists.search(
        db.session(), client_scope(now()), _search(_wanted()), limit=session_lists.MOST_EXPORTED
    )
    return csv_file(
        "sessions.csv",
        _COLUMNS,
        (
            (
                *(row.full_name, row.login_name, row.email, HOST_LABELS[row.audience]),
                *(device_words(row.device), row.address),
                *(in_words(row.created_at, zone), in_words(row.last_seen_at, zone)),
                *(METHODS.get(row.method, row.method), row.provider),
            )
            for row in rows
        ),
    )


@requires(Permission.END_SESSIONS)
def end_one(session_id: int) -> Response:
    """End one session: it is worth nothing at its next request."""
    with writing(db.session()) as session:
        row = session_lists.end_one(session, client_scope(now()), session_id, by=actor())
    if session_id == current_session.session_id:
        return _leave()
    flash(f"The session of {row.full_name} has ended.")
    return redirect(PATH, 303)


@requires(Permission.END_SESSIONS)
def ask() -> str:
    """Say what ending a person's or everybody's sessions would do, with numbers."""
    return _confirm(EndForm(account=_asked_account()), client_scope(now()))


@requires(Permission.END_SESSIONS)
@csrf.exempt  # PortalForm checks the token itself, so that a stale page comes back as it was.
def end_many() -> Response | tuple[str, int]:
    """End a person's or everybody's sessions, one's own only when asked for."""
    form, scope = EndForm(), client_scope(now())
    if not form.validate_on_submit():
        if form.account.errors:
            raise PageNotFound(host="portal")
        return _confirm(form, scope), 422
    own = current_session.session_id
    with writing(db.session()) as session:
        subject = _whose(scope, form.account_id)
        ended = session_lists.end_many(
            session,
            scope,
            Wanted(account_id=form.account_id),
            but=None if form.with_own.data else own,
            by=actor(),
            subject=subject,
        )
    if form.with_own.data and _reaches_own(scope, form.account_id):
        return _leave()
    flash(f"{ended.sessions} {'session has' if ended.sessions == 1 else 'sessions have'} ended.")
    return redirect(PATH, 303)


def how(row: SessionRow) -> str:
    """Return how a session was opened: the provider's name, or Password."""
    return row.provider or METHODS.get(row.method, row.method)


def _confirm(form: EndForm, scope: Scope) -> str:
    whose = _whose(scope, form.account_id)
    wanted = Wanted(account_id=form.account_id)
    own_counts = _reaches_own(scope, form.account_id)
    ended: Ended = session_lists.count(
        db.session(), scope, wanted, but=current_session.session_id if own_counts else None
    )
    return render_template(
        "portal/monitor/end-sessions.html",
        form=form,
        whose=whose,
        ended=ended,
        own_counts=own_counts,
        agents_only=scope.audiences == ("agent",),
        of_one=form.account_id is not None,
    )


def _whose(scope: Scope, account_id: int | None) -> str:
    """Return whose sessions are meant. Raises PageNotFound for a person the role does not reach."""
    if account_id is None:
        return "everybody"
    return session_lists.name_of(db.session(), scope, account_id)


def _reaches_own(scope: Scope, account_id: int | None) -> bool:
    if account_id is not None:
        return account_id == current_session.account_id
    return "portal" in scope.audiences


def _leave() -> Response:
    sign_out_person()
    return redirect("/signed-out", 303)


def _asked_account() -> str:
    asked = request.args.get("account", "")
    if asked and not (asked.isascii() and asked.isdigit() and len(asked) < 10):
        raise PageNotFound(host="portal")
    return asked


def _wanted() -> dict[str, str]:
    return {
        "q": wanted_text(),
        "host": wanted_choice("host", HOST_LABELS),
        "how": wanted_choice("how", METHODS),
    }


def _search(wanted: dict[str, str]) -> Wanted:
    return Wanted(
        text=wanted["q"],
        audience=wanted["host"],
        method=wanted["how"],
        sort=wanted_sort(SORTS, "-started"),
    )
