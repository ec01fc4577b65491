"""``/`` of the agent host: the console's home, the page that is opened most."""

from __future__ import annotations

from flask import render_template

from lvportal.web.hosts import HostBlueprint
from lvportal.web.session import live_session


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule("/", "home", show)


def show() -> str:
    """Show the agent's own facts and the way out."""
    return render_template("agent/home.html", person=live_session())
