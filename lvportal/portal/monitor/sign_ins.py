"""``/monitor/sign-ins``: every sign-in, by reference, person, cause and time."""

from __future__ import annotations

from lvportal.web.hosts import HostBlueprint


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
