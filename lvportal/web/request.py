"""Facts about the request at hand, for routes."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import request

from lvportal.services.audit import Actor
from lvportal.services.sign_in_records import Visitor
from lvportal.web.session import current_session


def now() -> datetime:
    """Return the moment, UTC. Services get it as an argument."""
    return datetime.now(UTC)


def client_address() -> str:
    """Return the visitor's network address as the host gate settled it."""
    return str(request.environ["lvportal.client_address"])


def device() -> str:
    """Return the browser's own description, cut."""
    return request.headers.get("User-Agent", "")[:200]


def visitor() -> Visitor:
    """Return where this request came from."""
    return Visitor(client_address(), device())


def actor() -> Actor:
    """Return who makes this change. Only on closed pages."""
    return Actor(
        name=current_session.full_name,
        account_id=current_session.account_id,
        is_care=current_session.role == "CARE",
        address=client_address(),
    )
