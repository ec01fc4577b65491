"""What an administrator says of a person, and what is wrong with it by itself. Asks no database."""

from __future__ import annotations

import re
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from lvportal.models.accounts import ROLES
from lvportal.services.folding import HIDDEN_CHARACTERS

_LOGON_ID = re.compile(r"[a-z0-9_.]{1,20}")
_EXTENSION = re.compile(r"[0-9]{3,7}")
LONGEST = {"login_name": 64, "email": 254, "first_name": 80, "last_name": 80, "agent_team": 80}

# Whom each role may make, change and see. A role is never raised above one's own.
_BELOW = {
    "SYSADMIN": frozenset(ROLES) - {"CARE"},
    "SUPERUSER": frozenset(ROLES) - {"CARE", "SYSADMIN"},
}


@dataclass(frozen=True, slots=True)
class UserValues:
    """A user of the portal host. ``role`` is one of ROLES."""

    login_name: str
    email: str
    first_name: str
    last_name: str
    role: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class AgentValues:
    """An agent. ``login_name`` is the Logon ID."""

    login_name: str
    email: str
    first_name: str
    last_name: str
    agent_team: str = ""
    active: bool = True
    home_agent: bool = False
    extension: str = ""


def problems(values: UserValues | AgentValues) -> dict[str, str]:
    """Return what is wrong with each field, as a sentence that says how to mend it."""
    found: dict[str, str] = {}
    for name, longest in LONGEST.items():
        text = getattr(values, name, "")
        if len(text) > longest:
            found[name] = f"At most {longest} characters."
        elif HIDDEN_CHARACTERS.search(text):
            found[name] = "Leave out the invisible characters: type it instead of pasting."
    if "email" not in found and values.email and (wrong := email_problem(values.email)):
        found["email"] = wrong
    if isinstance(values, AgentValues):
        if not _LOGON_ID.fullmatch(values.login_name):
            found.setdefault("login_name", "1 to 20 of a-z, 0-9, _ and full stops.")
        if values.extension and not _EXTENSION.fullmatch(values.extension):
            found["extension"] = "3 to 7 digits."
    else:
        if not values.login_name.strip():
            found["login_name"] = "Enter a name to sign in with."
        if values.role not in ROLES:
            found["role"] = "Choose one of the roles."
    return found


def email_problem(email: str) -> str | None:
    """Return what is wrong with an address, or None. Names kept for examples and tests count as names."""
    try:
        validate_email(email, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return "Enter an address such as anna@example.com."
    return None


def may_give_role(actor_role: str | None, role: str, is_operator: bool) -> bool:
    """Tell whether somebody with ``actor_role`` may give, take or change accounts of ``role``.

    CARE exists in the operator's own client alone, and there a SYSADMIN gives it.
    """
    if role == "CARE":
        return is_operator and actor_role in ("SYSADMIN", "CARE")
    return role in _BELOW.get(actor_role or "", frozenset())
