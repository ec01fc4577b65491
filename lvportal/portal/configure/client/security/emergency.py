"""``/configure/client/security/emergency``: accounts named in advance for the day the provider is down."""

from __future__ import annotations

from lvportal.web.hosts import HostBlueprint


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
