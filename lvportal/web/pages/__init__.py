"""Pages that both hosts have: signing in, signing out, the person's own profile."""

from __future__ import annotations

from flask import Flask

from lvportal.web.hosts import HostBlueprint
from lvportal.web.pages import emergency, profile, sign_in, sign_out
from lvportal.web.views import init_app


def register(app: Flask, audience: str) -> None:
    """Register the shared pages on the host of ``audience``."""
    init_app(app, app.extensions["lvportal"].settings)
    bp = HostBlueprint(f"common_{audience}", __name__, audience=audience)
    for module in (sign_in, sign_out, profile):
        module.add_to(bp)
    if audience == "portal":
        emergency.add_to(bp)
    app.register_blueprint(bp)
