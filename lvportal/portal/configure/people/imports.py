"""``/configure/users/import`` and ``/configure/agents/import``: a file of people, shown first."""

from __future__ import annotations

from lvportal.web.hosts import HostBlueprint


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
