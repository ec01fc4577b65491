"""The portal host, where users sign in. A module's path is its page's URL."""

from __future__ import annotations

from flask import Flask

from lvportal.portal import home, setup
from lvportal.portal.care import clients
from lvportal.portal.care import sign_ins as care_sign_ins
from lvportal.portal.care.client import billing as care_billing
from lvportal.portal.configure.client import billing
from lvportal.portal.configure.client.security import (
    domains,
    emergency,
    enforcement,
    errors,
    matching,
    page,
    readiness,
    revisions,
    secret,
    setup_links,
    test,
)
from lvportal.portal.configure.people import editor, imports, lists
from lvportal.portal.monitor import audit, sessions, sign_ins
from lvportal.portal.navigation import navigation
from lvportal.web import pages
from lvportal.web.hosts import HostBlueprint

_PAGES = (
    *(home, setup, billing),
    *(page, errors, test, enforcement, emergency, revisions, secret),
    *(domains, matching, setup_links, readiness),
    *(lists, editor, imports),
    *(sign_ins, sessions, audit),
    *(clients, care_billing, care_sign_ins),
)


def register(app: Flask) -> None:
    """Register every page of the portal host."""
    pages.register(app, "portal")
    bp = HostBlueprint("portal", __name__, audience="portal")
    for module in _PAGES:
        module.add_to(bp)
    app.register_blueprint(bp)
    app.jinja_env.globals["navigation"] = navigation
