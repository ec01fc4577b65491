"""Who may open what. Pages are closed unless declared open.

A view without a mark is for any signed-in person of its host. ``public`` opens
it to everybody, ``requires`` narrows it to the roles that hold a permission.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar
from urllib.parse import quote

from flask import current_app, redirect, request
from werkzeug.wrappers import Response

from lvportal.errors import EmergencyConfined, RoleRefused
from lvportal.web.return_to import safe_path
from lvportal.web.session import live_session
from lvportal.web.session_scope import ended_by_others

View = TypeVar("View", bound=Callable[..., Any])

EMERGENCY_HOME = "/configure/client/security"
_EMERGENCY_REACH = (EMERGENCY_HOME, "/monitor/sign-ins", "/monitor/sessions")

ROLE_LABELS = {
    "SYSADMIN": "SYSADMIN",
    "SUPERUSER": "SUPERUSER",
    "MANAGER": "MANAGER",
    "IT_USER": "IT USER",
    "CLIENT_AUDITOR": "CLIENT AUDITOR",
    "CARE": "Customer Care",
}


class Permission(Enum):
    """An act, with the roles that may do it (screens.md)."""

    VIEW_BILLING = ("SYSADMIN", "SUPERUSER", "IT_USER", "CLIENT_AUDITOR", "VIEW_BILLING")
    VIEW_READINESS = ("SYSADMIN", "SUPERUSER", "IT_USER", "CLIENT_AUDITOR", "VIEW_READINESS")
    VIEW_SECURITY = ("SYSADMIN", "SUPERUSER", "IT_USER", "CLIENT_AUDITOR", "VIEW_SECURITY")
    EDIT_SECURITY = ("SYSADMIN", "SUPERUSER", "IT_USER")
    ENABLE_SSO = ("SYSADMIN", "SUPERUSER")
    TEST_SIGN_IN = ("SYSADMIN", "SUPERUSER", "IT_USER", "TEST_SIGN_IN")
    MAKE_SETUP_LINKS = ("SYSADMIN", "SUPERUSER", "MAKE_SETUP_LINKS")
    MANAGE_EMERGENCY = ("SYSADMIN", "SUPERUSER", "MANAGE_EMERGENCY")
    VIEW_DOMAINS = ("SYSADMIN", "SUPERUSER", "IT_USER", "CLIENT_AUDITOR", "VIEW_DOMAINS")
    EDIT_DOMAINS = ("SYSADMIN", "SUPERUSER", "EDIT_DOMAINS")
    VIEW_USERS = ("SYSADMIN", "SUPERUSER", "CLIENT_AUDITOR")
    EDIT_USERS = ("SYSADMIN", "SUPERUSER", "EDIT_USERS")
    VIEW_AGENTS = ("SYSADMIN", "SUPERUSER", "MANAGER", "IT_USER", "CLIENT_AUDITOR")
    EDIT_AGENTS = ("SYSADMIN", "SUPERUSER", "MANAGER")
    VIEW_SIGN_INS = ("SYSADMIN", "SUPERUSER", "IT_USER", "CLIENT_AUDITOR", "VIEW_SIGN_INS")
    VIEW_SESSIONS = ("SYSADMIN", "SUPERUSER", "MANAGER", "IT_USER", "CLIENT_AUDITOR", "VIEW_SESSIONS")
    END_SESSIONS = ("SYSADMIN", "SUPERUSER", "MANAGER", "END_SESSIONS")  # a manager: agents' alone
    VIEW_AUDIT = ("SYSADMIN", "SUPERUSER", "CLIENT_AUDITOR", "VIEW_AUDIT")
    VIEW_CARE = ("CARE", "VIEW_CARE")
    VIEW_CARE_SIGN_INS = ("CARE", "VIEW_CARE_SIGN_INS")
    CHANGE_FEATURES = ("CARE", "CHANGE_FEATURES")

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that hold this permission."""
        # Two members with equal values would be one: the name keeps them apart.
        return tuple(role for role in self.value if role in ROLE_LABELS)


def public(view: View) -> View:
    """Open a view to people who are not signed in."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def requires(permission: Permission) -> Callable[[View], View]:
    """Narrow a view to the roles that hold ``permission``."""

    def mark(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        return view

    return mark


def may(permission: Permission) -> bool:
    """Tell whether the signed-in person holds ``permission``.

    CARE counts in the operator's own client alone: a client's provider vouches
    for whom it likes, and none of those may become our staff.
    """
    live = live_session()
    if live is None or (live.role == "CARE" and not live.is_operator):
        return False
    return live.role in permission.roles


def is_within_reach(path: str) -> bool:
    """Tell whether this session may come to ``path`` at all: an emergency session is confined."""
    live = live_session()
    if live is None or live.method != "emergency":
        return True
    return is_for_emergencies(path)


def is_for_emergencies(path: str) -> bool:
    """Tell whether an emergency session may come to ``path``."""
    return any(path == start or path.startswith(f"{start}/") for start in _EMERGENCY_REACH)


def guard() -> Response | None:
    """Run before every request: turn away whoever may not open its page."""
    endpoint = request.endpoint
    if endpoint is None:
        return None
    view = current_app.view_functions[endpoint]
    if getattr(view, "is_public", False):
        return None
    live = live_session()
    if live is None:
        if ended_by_others() is not None:
            return redirect("/signed-out", 303)  # which says by whom and when
        wanted = request.full_path.rstrip("?") if request.method == "GET" else "/"
        path = safe_path(wanted)
        return redirect("/sign-in" if path == "/" else f"/sign-in?return_to={quote(path)}", 303)
    if not is_within_reach(request.path):
        if request.path == "/" and request.method in ("GET", "HEAD"):
            return redirect(EMERGENCY_HOME, 303)
        raise EmergencyConfined
    permission: Permission | None = getattr(view, "permission", None)
    if permission is not None and not may(permission):
        raise RoleRefused(
            role=ROLE_LABELS.get(live.role or "", "Your role"),
            roles=_join([ROLE_LABELS[role] for role in permission.roles]),
        )
    return None


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
