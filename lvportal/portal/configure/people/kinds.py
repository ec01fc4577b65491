"""Users and agents: where their pages are, what they are called, and who looks at them."""

from __future__ import annotations

from dataclasses import dataclass

from lvportal.services.people.lists import Viewer
from lvportal.web.access import Permission
from lvportal.web.session import current_session


@dataclass(frozen=True, slots=True)
class Kind:
    """Users or agents."""

    key: str
    audience: str
    title: str
    one: str
    many: str
    login_label: str
    view: Permission
    edit: Permission

    @property
    def path(self) -> str:
        """The address of the list."""
        return f"/configure/{self.key}"


USERS = Kind(
    "users", "portal", "Users", "user", "users", "User Name", Permission.VIEW_USERS, Permission.EDIT_USERS
)
AGENTS = Kind(
    "agents", "agent", "Agents", "agent", "agents", "Logon ID", Permission.VIEW_AGENTS, Permission.EDIT_AGENTS
)
KINDS = (USERS, AGENTS)


def viewer() -> Viewer:
    """Return who looks, for the services' rules about roles."""
    return Viewer(
        current_session.tenant_id,
        current_session.account_id,
        current_session.role or "",
        current_session.is_operator,
    )
