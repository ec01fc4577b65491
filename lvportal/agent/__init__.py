"""The agent host: the console where agents work."""

from __future__ import annotations

from flask import Flask

from lvportal.agent import home
from lvportal.web import pages
from lvportal.web.hosts import HostBlueprint


def register(app: Flask) -> None:
    """Register every page of the agent host."""
    pages.register(app, "agent")
    bp = HostBlueprint("agent", __name__, audience="agent")
    home.add_to(bp)
    app.register_blueprint(bp)
