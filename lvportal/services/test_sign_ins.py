"""Test sign-ins: a revision run through the provider on one host, without a session.

The answer is judged by the revision's own client and by the same code as a real
sign-in; what it leaves behind is one row of ``test_sign_ins``.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from lvportal.models import Account, TestSignIn


def passed_audiences(session: Session, revision_id: int) -> frozenset[str]:
    """Return the audiences for which this very revision passed a test.

    A revision that differs from a tested one in a harmless field alone needs a
    test of its own: which fields are harmless is what a test finds out.
    """
    return frozenset(
        session.scalars(
            select(TestSignIn.audience)
            .where(TestSignIn.revision_id == revision_id, TestSignIn.outcome == "passed")
            .distinct()
        )
    )


def needed_audiences(session: Session, tenant_id: int) -> frozenset[str]:
    """Return the audiences that need a passed test before a revision goes live.

    An audience without an active account needs none: there is nobody to let in,
    and nobody whose account a test could match. The portal always needs one.
    """
    has_agents = session.scalar(
        select(
            select(Account.id)
            .where(Account.tenant_id == tenant_id, Account.audience == "agent", Account.active.is_(True))
            .exists()
        )
    )
    return frozenset({"portal", "agent"} if has_agents else {"portal"})
