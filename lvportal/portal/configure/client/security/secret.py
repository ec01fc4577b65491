"""``/configure/client/security/secret``: the next secret beside the current one."""

from __future__ import annotations

from lvportal.web.hosts import HostBlueprint


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
