"""``/configure/client/security/errors``: what the provider's own error texts mean."""

from __future__ import annotations

from lvportal.web.hosts import HostBlueprint


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
