"""Step 7 of the set-up: how a live connection does, and who uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from lvportal.errors import fill
from lvportal.protocols.oidc.documents import DocumentStatus
from lvportal.services import overview
from lvportal.services.readiness import Readiness
from lvportal.services.sessions import LiveSession

CAUSES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Cause:
    """Why sign-ins were refused, how often, and where they are listed."""

    words: str
    count: int
    path: str


@dataclass(frozen=True, slots=True)
class Health:
    """The last 24 hours, the provider's keys, and adoption per host as ``(people, total)``."""

    signed_in: int
    refused: int
    causes: tuple[Cause, ...]
    keys_read_at: datetime | None
    keys_due_at: datetime | None
    adopted: Mapping[str, tuple[int, int]]


def build(
    session: Session,
    person: LiveSession,
    documents: DocumentStatus,
    people: Mapping[str, Readiness],
    provider: str,
    now: datetime,
) -> Health:
    """Gather what the section shows: one read, the rest is at hand."""
    day = overview.last_day(session, person.tenant_id, now)
    facts: dict[str, object] = {"client": person.client_name, "provider": provider}
    return Health(
        signed_in=day.signed_in,
        refused=day.refused,
        causes=tuple(
            Cause(fill(cause.title, facts), cause.count, f"/monitor/sign-ins?time=day&cause={cause.code}")
            for cause in day.refusals[:CAUSES_SHOWN]
        ),
        keys_read_at=_moment(documents.keys_fetched_at),
        keys_due_at=_moment(documents.keys_expires_at),
        adopted={
            audience: (counted.total - counted.never_matched, counted.total)
            for audience, counted in people.items()
        },
    )


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, tz=UTC) if seconds is not None else None
