"""The portal's main navigation: what the person's role may open, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from lvportal.web.access import Permission, is_within_reach, may


@dataclass(frozen=True, slots=True)
class Entry:
    """One link. ``section`` is what the paths of its pages begin with."""

    label: str
    path: str
    section: str
    permission: Permission | None = None

    @property
    def is_here(self) -> bool:
        """Tell whether the page at hand belongs to this link."""
        return request.path == self.path or (self.section != "/" and request.path.startswith(self.section))


@dataclass(frozen=True, slots=True)
class Group:
    """Links under one heading; the first group has none."""

    key: str
    title: str
    entries: tuple[Entry, ...]


_ALL = (
    Group("home", "", (Entry("Home", "/", "/"),)),
    Group(
        "configure",
        "Configure",
        (
            Entry("Client", "/configure/client/security", "/configure/client/", Permission.VIEW_SECURITY),
            Entry("Users", "/configure/users", "/configure/users", Permission.VIEW_USERS),
            Entry("Agents", "/configure/agents", "/configure/agents", Permission.VIEW_AGENTS),
        ),
    ),
    Group(
        "monitor",
        "Monitor",
        (
            Entry("Sign-ins", "/monitor/sign-ins", "/monitor/sign-ins", Permission.VIEW_SIGN_INS),
            Entry("Sessions", "/monitor/sessions", "/monitor/sessions", Permission.VIEW_SESSIONS),
            Entry("Audit", "/monitor/audit", "/monitor/audit", Permission.VIEW_AUDIT),
        ),
    ),
    Group(
        "care",
        "Customer Care",
        (
            Entry("Clients", "/care/clients", "/care/clients", Permission.VIEW_CARE),
            Entry("Sign-ins", "/care/sign-ins", "/care/sign-ins", Permission.VIEW_CARE_SIGN_INS),
        ),
    ),
)


def navigation() -> list[Group]:
    """Return the groups that hold something for the signed-in person."""
    shown = []
    for group in _ALL:
        entries = tuple(
            e
            for e in group.entries
            if is_within_reach(e.path) and (e.permission is None or may(e.permission))
        )
        if entries:
            shown.append(Group(group.key, group.title, entries))
    return shown
