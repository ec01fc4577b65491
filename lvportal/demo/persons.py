"""Who can sign in at the demo provider: the people of the demo data, and some whom the portal refuses."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA_FILE = Path(__file__).with_name("demo.json")

STRANGERS = "People the portal does not know"


@dataclass(frozen=True, slots=True)
class Person:
    """One account of the demo provider."""

    subject: str
    email: str
    name: str
    group: str  # the heading it stands under
    note: str  # role or team


def subject_of(email: str) -> str:
    """Return a subject that tells nothing and stays the same from start to start."""
    return "d" + hashlib.sha256(email.encode()).hexdigest()[:20]


def read_persons(data_file: Path = DATA_FILE) -> list[Person]:
    """Return everybody in the demo data who has an email, in its order, then a stranger."""
    data = json.loads(data_file.read_text("utf-8"))
    found: list[Person] = []
    for client in data["clients"]:
        for user in client.get("users", []):
            found += _person(user, f"{client['name']}: users, on the portal", _role(user))
        for agent in client.get("agents", []):
            found += _person(agent, f"{client['name']}: agents, on the agent console", _agent_note(agent))
    stranger = "stranger@example.net"
    found.append(Person(subject_of(stranger), stranger, "Stranger", STRANGERS, "no account anywhere"))
    return found


def _person(entry: dict[str, Any], group: str, note: str) -> list[Person]:
    email = entry.get("email")
    if not email:
        return []
    name = f"{entry.get('first_name', '')} {entry.get('last_name', '')}".strip() or email
    return [Person(subject_of(email), email, name, group, note)]


def _role(user: dict[str, Any]) -> str:
    return str(user["role"]).replace("_", " ")


def _agent_note(agent: dict[str, Any]) -> str:
    parts = [str(agent["logon_id"])]
    if agent.get("active") is False:
        parts.append("switched off in the portal")
    return ", ".join(parts)
