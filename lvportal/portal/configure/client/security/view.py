"""What the Security page shows, ready for its template: steps, report, guards, revisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused
from lvportal.models import Revision
from lvportal.portal.configure.client.security import guide, health, test_step
from lvportal.portal.configure.client.security.form import SecurityForm, shown
from lvportal.portal.configure.client.security.guide import Choice
from lvportal.portal.configure.client.security.health import Health
from lvportal.portal.connection_state import DONE, DRAFT, LIVE, PROBLEM, TO_DO, ConnectionState, Pill
from lvportal.protocols.oidc.documents import ProviderDocuments
from lvportal.protocols.oidc.report import Check, Outcome, Report
from lvportal.providers import KNOWN, KnownProvider
from lvportal.providers.credentials import advise_credentials
from lvportal.services import connection_setup, connections, enforcement, overview, readiness, test_sign_ins
from lvportal.services.connections import FIELD_LABELS, PLAIN_FIELDS
from lvportal.services.readiness import Readiness
from lvportal.services.sessions import LiveSession
from lvportal.settings import Settings
from lvportal.web.access import Permission, may
from lvportal.web.forms import filled
from lvportal.web.views import day, mark_difference, today

REVISIONS_SHOWN = 20
TESTED = Pill("Tested", "check", "ok")

_ICONS = {
    Outcome.OK: "done",
    Outcome.WARN: "alert",
    Outcome.DANGER: "stop",
    Outcome.UNKNOWN: "dash",
}


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One check of the report."""

    check: Check
    tone: str
    icon: str
    expected: Markup | str
    got: Markup | str


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report, worst things said, what could not be checked counted."""

    lines: tuple[ReportLine, ...]
    not_checked: int
    advice: tuple[str, ...]
    tell: tuple[str, ...]
    at: datetime
    has_dangers: bool


@dataclass(frozen=True, slots=True)
class Guard:
    """One condition of enabling, with the link that leads to it. ``tone``: ok, warn or danger."""

    tone: str
    words: str
    path: str
    link: str

    @property
    def icon(self) -> str:
        """The icon beside the words."""
        return {"ok": "check", "warn": "alert", "danger": "stop"}[self.tone]


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision in the table. ``act`` are the words of its button, empty for none."""

    revision: Revision
    pill: Pill | None
    changed: str
    act: str
    tested: Pill | None
    compared_to: int | None  # the live revision's number, or the one before


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """One field in which the editor's version and the saved one differ."""

    label: str
    mine: str
    saved: str


@dataclass(frozen=True, slots=True)
class SecurityView:
    """Everything the template needs beside the form and the state."""

    choice: Choice
    known: KnownProvider
    addresses: dict[str, str]
    tabs: list[guide.Tab]
    rows: list[guide.Row]
    traps: tuple[str, ...]
    steps: dict[str, Pill]
    opens_instructions: bool
    choice_asked_for: bool
    opens_values: bool
    report: ReportView | None
    refused: ChangeRefused | None
    conflict: tuple[ConflictRow, ...]
    test_step: test_step.TestStep
    readiness: dict[str, Readiness]
    guards: tuple[Guard, ...]
    revisions: tuple[RevisionRow, ...]
    more_revisions: int
    unsafe_addresses: tuple[str, ...]
    secret_hint: str
    based_on: int
    facts: tuple[tuple[str, str], ...]
    has_emergency_access: bool
    health: Health | None

    @property
    def can_enable(self) -> bool:
        """Tell whether nothing that we know of stands in the way."""
        return all(guard.tone != "danger" for guard in self.guards)


def build(
    session: Session,
    person: LiveSession,
    settings: Settings,
    state: ConnectionState,
    form: SecurityForm,
    *,
    now: datetime,
    secret_hint: str,
    documents: ProviderDocuments,
    opens_instructions: bool = False,
    choice_asked_for: bool = False,
    report: Report | None = None,
    refused: ChangeRefused | None = None,
    is_conflict: bool = False,
) -> SecurityView:
    """Gather what the page shows."""
    choice = Choice(filled(form.provider), form.application_type.data or "web")
    addresses = guide.addresses(settings, person.client_code)
    role = person.role or ""
    people = {a: readiness.of_audience(session, person.tenant_id, a, role=role) for a in ("portal", "agent")}
    report_view = _report(report, form, now) if report else None
    newest = state.newest
    has_problem = bool(form.errors or refused or (report_view and report_view.has_dangers))
    passed = test_sign_ins.passed_by_revision(session, person.tenant_id)
    revisions = _revisions(state, passed, test_sign_ins.needed_audiences(session, person.tenant_id))
    tests = test_step.build(session, person.tenant_id, newest)
    return SecurityView(
        choice=choice,
        known=KNOWN[choice.provider],
        addresses=addresses,
        tabs=guide.tabs(choice),
        rows=guide.rows(choice, addresses),
        traps=guide.traps(choice),
        steps=_steps(state, people, has_problem=has_problem) | {"test": tests.pill},
        test_step=tests,
        opens_instructions=opens_instructions or choice_asked_for or newest is None,
        choice_asked_for=opens_instructions or choice_asked_for,
        opens_values=newest is None or choice_asked_for or has_problem or report is not None,
        report=report_view,
        refused=refused,
        conflict=_conflict(form, newest) if is_conflict and newest else (),
        readiness=people,
        guards=_guards(session, person, state, people, now),
        revisions=revisions[:REVISIONS_SHOWN],
        more_revisions=max(0, len(revisions) - REVISIONS_SHOWN),
        unsafe_addresses=tuple(f"{host}:{port}" for host, port in sorted(settings.unsafe_provider_addresses)),
        secret_hint=secret_hint,
        based_on=newest.number if newest else 0,
        facts=_facts(newest),
        health=(
            health.build(session, person, documents.status(state.live.issuer), people, state.provider, now)
            if state.live and state.signs_in
            else None
        ),
        has_emergency_access=enforcement.has_emergency_access(session, person.tenant_id, now),
    )


def _steps(state: ConnectionState, people: dict[str, Readiness], *, has_problem: bool) -> dict[str, Pill]:
    begun = DONE if state.newest else TO_DO
    all_ready = all(counted.ready == counted.total for counted in people.values())
    return {
        "urls": begun,
        "app": begun,
        "values": PROBLEM if has_problem else begun,
        "test": TO_DO,
        "readiness": DONE if all_ready else Pill("To correct", "alert", "warn"),
        "enable": DONE if state.signs_in else TO_DO,
    }


def _report(report: Report, form: SecurityForm, now: datetime) -> ReportView:
    lines = tuple(
        ReportLine(
            check,
            "" if check.outcome is Outcome.UNKNOWN else str(check.outcome),
            _ICONS[check.outcome],
            mark_difference(check.expected or "", check.got or ""),
            mark_difference(check.got, check.expected or "") if check.got else "",
        )
        for check in report.checks
        if check.sentence != "Not checked."
    )
    client_id, secret, issuer = form.pasted()
    found = list(advise_credentials(filled(form.provider), client_id, secret or None))
    if issuer != issuer.strip():
        found.append("There were stray spaces around the Issuer URL; they are left out.")
    return ReportView(
        lines=lines,
        not_checked=len(report.checks) - len(lines),
        advice=(*report.advice, *found),
        tell=report.for_the_provider,
        at=now,
        has_dangers=report.outcome is Outcome.DANGER,
    )


def _guards(
    session: Session,
    person: LiveSession,
    state: ConnectionState,
    people: dict[str, Readiness],
    now: datetime,
) -> tuple[Guard, ...]:
    path = "/configure/client/security"
    lacking = sum(counted.total - counted.ready for counted in people.values())
    alone = overview.has_email_alone(session, person.tenant_id, "portal", person.email)
    has_feature = (
        Guard("ok", "Customer Care has turned the feature on.", "/configure/client/billing", "Billing")
        if state.feature_on
        else Guard(
            "danger", "Customer Care has not turned it on yet.", "/configure/client/billing", "Billing"
        )
    )
    has_connection = (
        Guard("ok", "A connection is saved.", f"{path}#step-3", "Step 3")
        if state.newest
        else Guard("danger", "No connection is saved yet.", f"{path}#step-3", "Step 3")
    )
    own_email = (
        Guard("ok", "Your own email is yours alone.", "/profile", "Profile")
        if alone
        else Guard("warn", "You have no email of your own: you need your password.", "/profile", "Profile")
    )
    who = "1 person has" if lacking == 1 else f"{lacking} people have"
    all_emails = (
        Guard("warn", f"{who} no email of their own and would be refused.", f"{path}#step-5", "Step 5")
        if lacking
        else Guard("ok", "Every user and agent has an email of their own.", f"{path}#step-5", "Step 5")
    )
    return (
        has_feature,
        has_connection,
        *_tested(session, person, state, path),
        *_secret_in_time(state, person, now, path),
        *_verified_emails(state, path),
        own_email,
        all_emails,
    )


def _tested(session: Session, person: LiveSession, state: ConnectionState, path: str) -> tuple[Guard, ...]:
    goes_live = state.live or state.newest
    if goes_live is None:
        return ()
    if connection_setup.untested_audiences(session, person.tenant_id, goes_live):
        words = f"Revision {goes_live.number} has not passed a test sign-in on each host."
        return (Guard("danger", words, f"{path}#step-4", "Step 4"),)
    return (Guard("ok", f"Revision {goes_live.number} has been tested.", f"{path}#step-4", "Step 4"),)


def _secret_in_time(
    state: ConnectionState, person: LiveSession, now: datetime, path: str
) -> tuple[Guard, ...]:
    saved = state.live or state.newest
    ends = saved.secret_expires_on if saved else None
    if ends is None or ends >= today(person.client_time_zone, now):
        return ()
    return (Guard("danger", f"The secret expired on {day(ends)}.", f"{path}#secret", "Step 3"),)


def _verified_emails(state: ConnectionState, path: str) -> tuple[Guard, ...]:
    saved = state.live or state.newest
    known = KNOWN.get(saved.provider) if saved else None
    if saved is None or known is None or known.marks_emails_verified or saved.accepts_unverified_email:
        return ()
    words = f"{known.label} does not mark emails as verified: sign-ins would be refused."
    return (Guard("warn", words, f"{path}#step-3", "Step 3"),)


def _revisions(
    state: ConnectionState, passed: dict[int, frozenset[str]], needed: frozenset[str]
) -> tuple[RevisionRow, ...]:
    if state.connection is None:
        return ()
    found = []
    may_act = may(Permission.ENABLE_SSO)
    ordered = state.connection.revisions
    for place, revision in enumerate(ordered):
        before = ordered[place - 1] if place else None
        is_live = revision is state.live
        act = ""
        if may_act and not is_live:
            is_newer = state.live is None or revision.number > state.live.number
            act = "Put live" if is_newer else "Go back to this"
        found.append(
            RevisionRow(
                revision,
                LIVE if is_live else (DRAFT if revision is state.newest else None),
                ", ".join(connections.differences(before, revision)) if before else "Everything: the first",
                act,
                TESTED if needed <= passed.get(revision.id, frozenset()) else None,
                _compared_to(revision, before, state.live),
            )
        )
    return tuple(reversed(found))


def _compared_to(revision: Revision, before: Revision | None, live: Revision | None) -> int | None:
    other = live if live is not None and live is not revision else before
    return other.number if other else None


def _conflict(form: SecurityForm, newest: Revision) -> tuple[ConflictRow, ...]:
    mine: Any = form.to_values(newest)
    return tuple(
        ConflictRow(FIELD_LABELS[name], shown(name, getattr(mine, name)), shown(name, getattr(newest, name)))
        for name in PLAIN_FIELDS
        if getattr(mine, name) != getattr(newest, name)
    )


def _facts(newest: Revision | None) -> tuple[tuple[str, str], ...]:
    if newest is None:
        return ()
    facts = [("Authentication Standard", "OIDC")]
    facts += [(FIELD_LABELS[name], shown(name, getattr(newest, name))) for name in PLAIN_FIELDS]
    return (*facts, (FIELD_LABELS["secret"], "Set" if newest.sealed_secret else "None"))
