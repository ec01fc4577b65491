"""``/monitor/sessions``: who is signed in, where and since when."""

from __future__ import annotations

from lvportal.web.hosts import HostBlueprint


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
