"""A revision that has passed its test sign-ins, without running them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from lvportal.models import Revision, TestSignIn
from lvportal.services import references

BOTH = ("portal", "agent")


def record_passed_tests(
    session: Session, tenant_id: int, revision: Revision, audiences: Iterable[str], now: datetime
) -> None:
    """Write what a passed test of each audience leaves behind, inside the caller's transaction."""
    for audience in audiences:
        session.add(
            TestSignIn(
                reference=references.new_reference(),
                tenant_id=tenant_id,
                revision_id=revision.id,
                audience=audience,
                tester_name="sysadmin",
                created_at=now,
                started_at=now,
                finished_at=now,
                outcome="passed",
                step=6,
            )
        )
