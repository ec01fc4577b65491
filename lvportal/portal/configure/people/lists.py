"""``/configure/users`` and ``/configure/agents``: lists with search, filters, order and pages."""

from __future__ import annotations

from lvportal.web.hosts import HostBlueprint


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
