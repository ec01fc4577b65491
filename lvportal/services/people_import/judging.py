"""What each row says, and what is wrong with it by itself or beside the other rows. Asks no database."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lvportal.models.accounts import ROLES
from lvportal.services.folding import HIDDEN_CHARACTERS, fold
from lvportal.services.people.values import AgentValues, UserValues, problems
from lvportal.services.people_import.columns import words_of
from lvportal.services.people_import.reading import Layout, Line

Problem = tuple[str, str]
"""The field it concerns, and a sentence that says how to mend it."""

_YES = frozenset({"yes", "y", "true", "1", "on", "active", "enabled"})
_NO = frozenset({"no", "n", "false", "0", "off", "inactive", "disabled"})
_YES_OR_NO = ("active", "home_agent")

# Stand in for cells that say nothing, so that the rest can be judged; never written.
_USER: dict[str, Any] = {
    "login_name": "a", "email": "", "first_name": "A", "last_name": "A", "role": "MANAGER", "active": True,
}  # fmt: skip
_AGENT: dict[str, Any] = {
    "login_name": "a", "email": "", "first_name": "A", "last_name": "A", "agent_team": "", "active": True,
    "home_agent": False, "extension": "",
}  # fmt: skip


@dataclass(slots=True)
class Judged:
    """A row: what its filled cells mean, and what is wrong with them.

    ``login`` is folded. ``problems`` are wrong whatever the account is;
    ``problems_if_new`` only where the row would make one.
    """

    number: int
    login: str
    cells: tuple[str, ...]
    given: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)
    problems_if_new: list[Problem] = field(default_factory=list)


def judge_rows(lines: Iterable[Line], layout: Layout, audience: str) -> Iterator[Judged]:
    """Judge each row by itself, one after the other."""
    words = words_of(audience)
    for line in lines:
        yield _judge(line, layout, audience, words)


def mark_repeated_names(rows: list[Judged], audience: str) -> None:
    """Name both of two rows that are about the same person."""
    words = words_of(audience)["login_name"]
    places: dict[str, list[Judged]] = defaultdict(list)
    for row in rows:
        if row.login:
            places[row.login].append(row)
    for same in places.values():
        if len(same) > 1:
            for row in same:
                others = _numbers(other.number for other in same if other is not row)
                row.problems.append(("login_name", f"{others} has the same {words}. Keep one of them."))


def _numbers(numbers: Iterable[int]) -> str:
    found = list(numbers)
    shown = ", ".join(map(str, found[:3])) + (", …" if len(found) > 3 else "")
    return f"Row {shown}"


def _judge(line: Line, layout: Layout, audience: str, words: dict[str, str]) -> Judged:
    row = Judged(line.number, "", line.cells, {})
    if not line.is_readable:
        row.problems.append(("", "The quotation marks do not match. Write a mark within a cell twice."))
        return row
    if any(line.cells[len(layout.fields) :]):
        row.problems.append(
            ("", "There are more cells than columns. Put quotation marks around a cell with the delimiter.")
        )
    for name, cell in zip(layout.fields, line.cells, strict=False):
        if name is not None and cell:
            _take(row, name, cell)
    row.login = fold(row.given.get("login_name", ""))
    if "login_name" not in row.given and not any(name == "login_name" for name, _ in row.problems):
        row.problems.append(("login_name", f"Enter the {words['login_name']}."))
    _judge_values(row, audience, words)
    return row


def _take(row: Judged, name: str, cell: str) -> None:
    if HIDDEN_CHARACTERS.search(cell):
        row.problems.append((name, "Leave out the invisible characters and line breaks."))
    elif name in _YES_OR_NO:
        word = fold(cell)
        if word in _YES or word in _NO:
            row.given[name] = word in _YES
        else:
            row.problems.append((name, "Write Yes or No."))
    elif name == "role":
        role = re.sub(r"[\s_-]+", "_", cell).upper()
        if role in ROLES:
            row.given[name] = role
        else:
            row.problems.append((name, "Write SYSADMIN, SUPERUSER, MANAGER, IT USER or CLIENT AUDITOR."))
    else:
        row.given[name] = cell


def _judge_values(row: Judged, audience: str, words: dict[str, str]) -> None:
    blank = _USER if audience == "portal" else _AGENT
    values = blank | row.given
    found = problems(UserValues(**values) if audience == "portal" else AgentValues(**values))
    if found:
        for name, sentence in found.items():
            if name == "login_name":
                # An account that exists is found by its name, whatever rule its name was made under.
                if name in row.given:
                    row.problems_if_new.append((name, sentence))
            elif name in row.given:
                row.problems.append((name, sentence))
    if audience == "portal" and "role" not in row.given and all(name != "role" for name, _ in row.problems):
        row.problems_if_new.append(("role", f"A new user needs a {words['role']}."))
