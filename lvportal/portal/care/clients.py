"""``/care/clients``: every client, whether it has single sign-on, and how that stands."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import render_template, request

from lvportal.extensions import db
from lvportal.portal.connection_state import DRAFT, LIVE, OFF, Pill
from lvportal.providers import KNOWN
from lvportal.services import overview
from lvportal.web.access import Permission, requires
from lvportal.web.hosts import HostBlueprint

STATES = {"live": LIVE, "draft": DRAFT, "off": OFF, "none": Pill("Not set up", "dash")}


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule("/care/clients", "care_clients", show)


@requires(Permission.VIEW_CARE)
def show() -> str:
    """Show one page of the clients that the filters leave."""
    wanted = _wanted()
    page = overview.clients(db.session(), **wanted, number=request.args.get("page", 1, int))
    return render_template(
        "portal/care/clients.html",
        page=page,
        totals=overview.client_totals(db.session()),
        wanted=wanted,
        states=STATES,
        provider_choice=lambda key: KNOWN[key].choice if key in KNOWN else key,
        previous_url=_url(wanted, page.number - 1) if page.number > 1 else None,
        next_url=_url(wanted, page.number + 1) if page.has_next else None,
    )


def _wanted() -> dict[str, Any]:
    state, flag = request.args.get("state", ""), request.args.get("flag", "")
    return {
        "text": request.args.get("q", "").replace("\x00", "").strip()[:120],
        "state": state if state in STATES else "",
        "flag": flag if flag in ("on", "off") else "",
    }


def _url(wanted: dict[str, Any], number: int) -> str:
    query = {"q": wanted["text"], "state": wanted["state"], "flag": wanted["flag"], "page": number}
    return f"/care/clients?{urlencode({name: value for name, value in query.items() if value})}"
