"""``/profile``: who one is here, one's own sessions, and the theme."""

from __future__ import annotations

from flask import flash, redirect, render_template
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import RadioField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs

from lvportal.extensions import db
from lvportal.services import session_lists
from lvportal.services.devices import device_words
from lvportal.services.session_lists import ENDED_BY_THEMSELVES, Wanted
from lvportal.services.transactions import writing
from lvportal.web import views
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, now
from lvportal.web.session import current_session, sign_out_person
from lvportal.web.session_scope import own_scope


class ThemeForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """The one thing a person sets here in this version."""

    theme = RadioField(
        "Theme",
        choices=[
            SelectChoice("system", "As the system has it"),
            SelectChoice("light", "Light"),
            SelectChoice("dark", "Dark"),
        ],
    )


def add_to(bp: HostBlueprint) -> None:
    """Add the routes to one host's blueprint."""
    bp.add_url_rule("/profile", "profile", show)
    bp.add_url_rule("/profile", "save_theme", save, methods=["POST"])
    bp.add_url_rule("/profile/sessions/<int:session_id>/end", "end_own_session", end_one, methods=["POST"])
    bp.add_url_rule("/profile/sessions/end-others", "end_other_sessions", end_others, methods=["POST"])


def show() -> str:
    """Show the person's own facts and sessions."""
    return _page(ThemeForm(theme=views.theme() or "system"))


def save() -> Response | tuple[str, int]:
    """Keep the theme in this browser."""
    form = ThemeForm()
    if not form.validate_on_submit():
        return _page(form), 422
    flash("Theme saved in this browser.")
    response = redirect("/profile", 303)
    views.keep_theme(response, form.theme.data)
    return response


def end_one(session_id: int) -> Response:
    """End one of the person's own sessions; this one means signing out."""
    with writing(db.session()) as session:
        session_lists.end_one(
            session,
            own_scope(now()),
            session_id,
            by=actor(),
            account_id=current_session.account_id,
            reason=ENDED_BY_THEMSELVES,
        )
    if session_id == current_session.session_id:
        sign_out_person()
        return redirect("/signed-out", 303)
    flash("That session has ended.")
    return redirect("/profile#sessions", 303)


def end_others() -> Response:
    """End every session of the person's but this one."""
    with writing(db.session()) as session:
        ended = session_lists.end_many(
            session,
            own_scope(now()),
            Wanted(account_id=current_session.account_id),
            but=current_session.session_id,
            by=actor(),
            reason=ENDED_BY_THEMSELVES,
            subject=f"{current_session.login_name} ({current_session.audience})",
        )
    flash(f"{ended.sessions} other {'session has' if ended.sessions == 1 else 'sessions have'} ended.")
    return redirect("/profile#sessions", 303)


def _page(form: ThemeForm) -> str:
    return render_template(
        "profile.html",
        form=form,
        sessions=session_lists.of_account(db.session(), own_scope(now()), current_session.account_id),
        device_words=device_words,
    )
