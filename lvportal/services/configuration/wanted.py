"""What a file asks for, judged by itself: no database has been read yet.

Only named things are here; a missing name means "leave it alone".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lvportal.services.configuration.problems import Path


@dataclass(frozen=True, slots=True)
class PlainPassword:
    """A password as somebody will type it."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """An argon2id hash made elsewhere; None for an account without a password."""

    text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class WantedPerson:
    """A user or an agent. ``values`` has columns of the account, without the password."""

    audience: str
    login_name: str
    folded_login_name: str
    values: dict[str, Any]
    password: PlainPassword | PasswordHash | None
    path: Path

    @property
    def title(self) -> str:
        """Return ``user pat`` or ``agent a.lee``."""
        return f"{'user' if self.audience == 'portal' else 'agent'} {self.login_name}"


@dataclass(frozen=True, slots=True)
class WantedFeature:
    """A line of Billing."""

    name: str
    enabled: bool
    ticket: str
    path: Path


@dataclass(frozen=True, slots=True)
class WantedConnection:
    """Named fields of a connection. ``secret`` None keeps the stored one."""

    values: dict[str, Any]
    secret: str | None = field(repr=False)
    enabled: bool | None
    goes_live: bool
    path: Path


@dataclass(frozen=True, slots=True)
class WantedClient:
    """A client. ``values`` has columns of the tenant."""

    code: str
    values: dict[str, Any]
    features: tuple[WantedFeature, ...]
    email_domains: tuple[tuple[str, Path], ...]
    people: tuple[WantedPerson, ...]
    connection: WantedConnection | None
    path: Path


@dataclass(frozen=True, slots=True)
class Wanted:
    """A whole file; ``text`` is kept to find lines."""

    clients: tuple[WantedClient, ...]
    text: str = field(repr=False)

    @property
    def has_plain_passwords(self) -> bool:
        """Tell whether passwords must be checked or hashed, which takes long."""
        return any(isinstance(p.password, PlainPassword) for c in self.clients for p in c.people)
