"""The columns of a file of users or agents: their words, and what else people and programs call them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lvportal.services.folding import fold


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``field`` is its name in the code, ``words`` what the template's header says."""

    field: str
    words: str
    also_called: tuple[str, ...] = ()  # as ``key_of`` returns them


_FIRST = Column("first_name", "First Name", ("givenname", "forename"))
_LAST = Column("last_name", "Last Name", ("surname", "familyname"))
_ACTIVE = Column("active", "Active", ("isactive", "enabled", "status"))
_EMAIL_NAMES = ("email", "emailaddress", "mail", "mailaddress", "workemail", "primaryemail")

USERS = (
    Column("login_name", "User Name", ("user", "login", "loginname", "userlogin", "logonid")),
    Column("role", "Role", ("userrole",)),
    _FIRST,
    _LAST,
    Column("email", "Email Address", _EMAIL_NAMES),
    _ACTIVE,
)
AGENTS = (
    Column("login_name", "Logon ID", ("logon", "login", "loginid", "loginname", "agentid", "username")),
    Column("email", "Email", _EMAIL_NAMES),
    _FIRST,
    _LAST,
    Column("agent_team", "Agent Team", ("team",)),
    _ACTIVE,
    Column("home_agent", "Home Agent", ("ishomeagent", "homeworker")),
    Column("extension", "Extension", ("ext", "phoneextension")),
)
ROW, REASON = "Row", "Reason"
"""What the file of refused rows has besides: such a file, mended, can be imported as it is."""

_EXAMPLES = {
    "portal": ("jdoe", "MANAGER", "First", "Last", "first.last@example.com", "Yes"),
    "agent": ("desk_1", "first.last@example.com", "First", "Last", "Team", "Yes", "No", "4711"),
}


def of_audience(audience: str) -> tuple[Column, ...]:
    """Return the columns of a file for one host, in the template's order."""
    return USERS if audience == "portal" else AGENTS


def header_of(audience: str) -> list[str]:
    """Return the template's header."""
    return [column.words for column in of_audience(audience)]


def example_of(audience: str) -> tuple[str, ...]:
    """Return the one row that the template shows."""
    return _EXAMPLES[audience]


def words_of(audience: str) -> dict[str, str]:
    """Return the words of each field."""
    return {column.field: column.words for column in of_audience(audience)}


def fields_by_key(audience: str) -> dict[str, str]:
    """Return which field each known name of a column means."""
    known: dict[str, str] = {}
    for column in of_audience(audience):
        known |= dict.fromkeys((key_of(column.words), *column.also_called), column.field)
    return known


def key_of(header: str) -> str:
    """Return a header without case, spaces and signs: ``E-mail Address`` becomes ``emailaddress``."""
    return re.sub(r"[^a-z0-9]", "", fold(header))
