"""``/profile``: who one is here, how the session was opened, and the theme."""

from __future__ import annotations

from flask import flash, redirect, render_template
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import RadioField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs

from lvportal.web import views
from lvportal.web.hosts import HostBlueprint


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


def show() -> str:
    """Show the person's own facts."""
    form = ThemeForm(theme=views.theme() or "system")
    return render_template("profile.html", form=form)


def save() -> Response | tuple[str, int]:
    """Keep the theme in this browser."""
    form = ThemeForm()
    if not form.validate_on_submit():
        return render_template("profile.html", form=form), 422
    flash("Theme saved in this browser.")
    response = redirect("/profile", 303)
    views.keep_theme(response, form.theme.data)
    return response
