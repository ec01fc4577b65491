"""Step 4 of the set-up: on which hosts the newest revision was tested, and how that went."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from lvportal.models import Revision, TestSignIn
from lvportal.portal.connection_state import DONE, PROBLEM, TO_DO, Pill
from lvportal.services import references, test_sign_ins

__test__ = False  # no module of tests, whatever its name

HOST_NAMES = {"portal": "portal host", "agent": "agent host"}
PASSED = Pill("Passed", "check", "ok")
REFUSED = Pill("Refused", "stop", "danger")
NOT_TESTED = Pill("Not tested", "dash")
NOT_NEEDED = Pill("Not needed: no agents", "dash")


@dataclass(frozen=True, slots=True)
class HostTest:
    """One host and its last finished test of the revision. ``is_next``: the first that lacks a passed one."""

    audience: str
    last: TestSignIn | None
    pill: Pill
    is_next: bool

    @property
    def host(self) -> str:
        """The host as sentences name it."""
        return HOST_NAMES[self.audience]

    @property
    def reference(self) -> str:
        """The last test's reference as people read it."""
        return references.show(self.last.reference) if self.last else ""


@dataclass(frozen=True, slots=True)
class TestStep:
    """What the step shows. ``number`` is the revision that a test runs; None when nothing is saved."""

    __test__ = False
    number: int | None
    hosts: tuple[HostTest, ...]
    pill: Pill


def build(session: Session, tenant_id: int, revision: Revision | None) -> TestStep:
    """Return the step for a revision, the newest as a rule."""
    if revision is None:
        return TestStep(None, (), TO_DO)
    last = test_sign_ins.latest(session, tenant_id, revision.id)
    passed = test_sign_ins.passed_audiences(session, revision.id)
    needed = test_sign_ins.needed_audiences(session, tenant_id)
    missing = [audience for audience in ("portal", "agent") if audience in needed - passed]
    hosts = tuple(
        HostTest(audience, last.get(audience), _pill(audience, last, passed, needed), audience in missing[:1])
        for audience in ("portal", "agent")
    )
    if needed <= passed:
        return TestStep(revision.number, hosts, DONE)
    return TestStep(revision.number, hosts, PROBLEM if any(h.pill is REFUSED for h in hosts) else TO_DO)


def _pill(audience: str, last: dict[str, TestSignIn], passed: frozenset[str], needed: frozenset[str]) -> Pill:
    if audience in passed:
        return PASSED
    if audience in last:
        return REFUSED
    return NOT_TESTED if audience in needed else NOT_NEEDED
