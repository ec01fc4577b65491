"""``/configure/client/security/domains``: proof that a domain is the client's."""

from __future__ import annotations

from lvportal.web.hosts import HostBlueprint


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
