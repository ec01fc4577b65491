"""``/care/clients``: every client, whether it has single sign-on, and how that stands."""

from __future__ import annotations

from flask import render_template

from lvportal.extensions import db
from lvportal.portal.connection_state import DRAFT, LIVE, OFF, Pill
from lvportal.providers import KNOWN
from lvportal.services import overview
from lvportal.web.access import Permission, requires
from lvportal.web.hosts import HostBlueprint
from lvportal.web.listing import PAGE_SIZE, Listing, Page, page_number, wanted_choice, wanted_text

PATH = "/care/clients"
STATES = {"live": LIVE, "draft": DRAFT, "off": OFF, "none": Pill("Not set up", "dash")}
FLAGS = {"on": "On", "off": "Off"}


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PATH, "care_clients", show)


@requires(Permission.VIEW_CARE)
def show() -> str:
    """Show one page of the clients that the filters leave."""
    wanted = {
        "q": wanted_text(),
        "state": wanted_choice("state", STATES),
        "flag": wanted_choice("flag", FLAGS),
    }
    number = page_number()
    rows, total = overview.clients(
        db.session(),
        text=wanted["q"],
        state=wanted["state"],
        flag=wanted["flag"],
        offset=(number - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )
    return render_template(
        "portal/care/clients.html",
        listing=Listing(PATH, Page(rows, total, number), wanted),
        totals=overview.client_totals(db.session()),
        states=STATES,
        flags=FLAGS,
        provider_choice=lambda key: KNOWN[key].choice if key in KNOWN else key,
    )
