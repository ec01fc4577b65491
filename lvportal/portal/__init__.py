"""The portal host, where users sign in. A module's path is its page's URL."""

from __future__ import annotations

from flask import Flask

from lvportal.portal import home
from lvportal.portal.care import clients
from lvportal.portal.care.client import billing as care_billing
from lvportal.portal.configure.client import billing, security
from lvportal.portal.navigation import navigation
from lvportal.web import pages
from lvportal.web.hosts import HostBlueprint


def register(app: Flask) -> None:
    """Register every page of the portal host."""
    pages.register(app, "portal")
    bp = HostBlueprint("portal", __name__, audience="portal")
    for module in (home, billing, security, clients, care_billing):
        module.add_to(bp)
    app.register_blueprint(bp)
    app.jinja_env.globals["navigation"] = navigation
