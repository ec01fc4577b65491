"""``/`` of the portal: how single sign-on stands and what is to be done, from real figures."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app, render_template

from lvportal.errors import fill
from lvportal.extensions import db
from lvportal.portal import connection_state
from lvportal.portal.connection_state import ConnectionState
from lvportal.services import overview, readiness
from lvportal.services.readiness import Readiness
from lvportal.web.access import Permission, may
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import now
from lvportal.web.session import current_session
from lvportal.web.views import day

_AUDIENCES = {"users": "portal", "agents": "agent"}


@dataclass(frozen=True, slots=True)
class Note:
    """Something that needs attention, with the link to where it is put right."""

    tone: str
    icon: str
    title: str
    words: str
    path: str
    link: str


@dataclass(frozen=True, slots=True)
class People:
    """The readiness of users or of agents, in words."""

    label: str
    counted: Readiness
    path: str = ""  # the list, for whoever may open it

    @property
    def lacking(self) -> list[tuple[str, int, str]]:
        """What is to be mended: words, how many, and the address of the list that shows them."""
        counted = self.counted
        found = (
            ("No email", counted.without_email, "no_email"),
            ("Invalid email", counted.invalid_email, "invalid"),
            ("Shared email", counted.sharing_email, "shared"),
        )
        return [
            (words, number, f"{self.path}?readiness={key}&status=active")
            for words, number, key in found
            if number
        ]

    @property
    def share(self) -> str:
        """``95 %`` of those who could sign in; rounded down: 100 % means all."""
        return f"{self.counted.ready * 100 // self.counted.total} %" if self.counted.total else "None yet"

    @property
    def lacks(self) -> str:
        """What the others lack: ``1 has no email, 2 share one``."""
        without, sharing = self.counted.without_email, self.counted.sharing_email
        invalid = self.counted.invalid_email
        parts = []
        if without:
            parts.append(f"{without} {'has' if without == 1 else 'have'} no email")
        if invalid:
            parts.append(f"{invalid} {'has an invalid one' if invalid == 1 else 'have invalid ones'}")
        if sharing:
            parts.append(f"{sharing} share one")
        return ", ".join(parts) or "Each has an email of their own"


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule("/", "home", show)


def show() -> str:
    """Show the home that fits the role."""
    if may(Permission.VIEW_CARE):
        return render_template("portal/home-care.html", totals=overview.client_totals(db.session()))
    if not may(Permission.VIEW_READINESS):
        agents = people("agents")
        sentence = statement("have an email of their own", agents)
        return render_template("portal/home-manager.html", agents=agents, statement=sentence)
    moment = now()
    documents = current_app.extensions["lvportal"].documents
    state = connection_state.read(db.session(), current_session, documents, moment)
    users, agents = people("users"), people("agents")
    last_day = overview.last_day(db.session(), current_session.tenant_id, moment)
    can = "can sign in" if state.signs_in else "are ready for single sign-on"
    facts: dict[str, object] = {"client": current_session.client_name, "provider": state.provider}
    return render_template(
        "portal/home.html",
        state=state,
        users=users,
        agents=agents,
        statement=statement(can, users, agents),
        step=next_step(state),
        attention=attention(state, users, agents),
        day=last_day,
        causes=[(fill(cause.title, facts), cause) for cause in last_day.refusals],
    )


def people(kind: str) -> People:
    """Count one kind of people of the person's client."""
    counted = readiness.of_audience(
        db.session(),
        current_session.tenant_id,
        _AUDIENCES[kind],
        role=current_session.role or "",
        with_warnings=False,
    )
    may_open = may(Permission.VIEW_USERS if kind == "users" else Permission.VIEW_AGENTS)
    return People(kind.capitalize(), counted, f"/configure/{kind}" if may_open else "")


def statement(can: str, *kinds: People) -> str:
    """Return ``41 of 43 users and 208 of 212 agents can sign in.``"""
    parts = [
        f"{kind.counted.ready} of {kind.counted.total} {_noun(kind)}" for kind in kinds if kind.counted.total
    ]
    return f"{' and '.join(parts)} {can}." if parts else "No users and no agents yet."


def _noun(kind: People) -> str:
    return kind.label.lower()[:-1] if kind.counted.total == 1 else kind.label.lower()


def next_step(state: ConnectionState) -> tuple[str, str]:
    """Return the words and the address of the one thing to do next."""
    if state.newest is None:
        return "Set up single sign-on", "/configure/client/security"
    if state.signs_in or not state.feature_on:
        return "Open Single Sign On", "/configure/client/security"
    return "Enable single sign-on", "/configure/client/security#enable"


def attention(state: ConnectionState, users: People, agents: People) -> list[Note]:
    """Return what an administrator should look at, the most pressing first."""
    path = "/configure/client/security"
    notes = []
    if state.failing is not None:
        notes.append(
            Note("danger", "stop", state.sentence.rstrip("."), state.failing.fix, path, "Open Security")
        )
    if state.expiry is not None:
        title = f"The secret of {state.provider} {state.expiry.words}"
        tone = "danger" if state.expiry.days < 0 else "warn"
        notes.append(
            Note(tone, "clock", title, f"{day(state.expiry.on)}.", f"{path}#step-3", "Paste a new one")
        )
    if state.next_expiry is not None:
        title = f"The next secret of {state.provider} {state.next_expiry.words}"
        tone = "danger" if state.next_expiry.days < 0 else "warn"
        words = f"{day(state.next_expiry.on)}. Swap it in before then."
        notes.append(Note(tone, "clock", title, words, path, "Open Security"))
    if not state.feature_on:
        words = f"Quote client code {current_session.client_code} to Customer Care."
        title = "Single Sign On is not turned on"
        notes.append(Note("warn", "lock", title, words, "/configure/client/billing", "Open Billing"))
    if state.differing and state.draft is not None:
        words = f"{', '.join(state.differing)}."
        title = f"Draft {state.draft.number} differs from what is live"
        notes.append(Note("info", "pencil", title, words, f"{path}#revisions", "See revisions"))
    lacking = [kind for kind in (users, agents) if kind.counted.ready < kind.counted.total]
    if lacking:
        words = " ".join(f"{kind.label}: {kind.lacks}." for kind in lacking)
        title = "Some people cannot be matched"
        notes.append(Note("warn", "person", title, words, f"{path}#step-5", "See readiness"))
    if state.signs_in and not current_app.extensions["lvportal"].settings.sends_mail:
        title, words = "No mail server is set", "Warnings appear here only."
        notes.append(Note("info", "info", title, words, path, "Open Security"))
    return notes
