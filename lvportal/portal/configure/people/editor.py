"""``/configure/users/<id>`` and ``/configure/agents/<id>``: one person."""

from __future__ import annotations

from lvportal.web.hosts import HostBlueprint


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
