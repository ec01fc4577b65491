"""``/configure/users/<id>`` and ``/configure/agents/<id>``: one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, render_template
from werkzeug.wrappers import Response
from wtforms import BooleanField, EmailField, HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs

from lvportal.errors import ChangeRefused, EditConflict, PageNotFound
from lvportal.extensions import csrf, db
from lvportal.models import Account
from lvportal.portal.configure.people.kinds import KINDS as ALL_KINDS
from lvportal.portal.configure.people.kinds import Kind, viewer
from lvportal.portal.configure.people.lists import roles_shown
from lvportal.portal.monitor.sign_ins import METHODS
from lvportal.services import session_lists
from lvportal.services.people import editing, lists, person
from lvportal.services.people.values import AgentValues, UserValues, may_give_role
from lvportal.services.transactions import writing
from lvportal.web.access import ROLE_LABELS, Permission, may, requires
from lvportal.web.forms import PortalForm, filled, trimmed
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, now
from lvportal.web.session import current_session, live_session
from lvportal.web.session_scope import client_scope


class UserForm(PortalForm):
    """A user, as typed. What is wrong with the values, services/people/values.py says."""

    login_name = StringField("User Name", filters=[trimmed])
    role = SelectField("Role", validate_choice=False)
    first_name = StringField("First Name", filters=[trimmed])
    last_name = StringField("Last Name", filters=[trimmed])
    email = EmailField("Email Address", filters=[trimmed])
    active = BooleanField("Active", default=True)
    version = HiddenField()
    is_confirmed = BooleanField()

    def to_values(self) -> UserValues:
        """Return what was typed."""
        return UserValues(
            login_name=filled(self.login_name),
            email=filled(self.email),
            first_name=filled(self.first_name),
            last_name=filled(self.last_name),
            role=filled(self.role),
            active=bool(self.active.data),
        )


class AgentForm(PortalForm):
    """An agent, as typed."""

    login_name = StringField("Logon ID", filters=[trimmed])
    email = EmailField("Email", filters=[trimmed])
    first_name = StringField("First Name", filters=[trimmed])
    last_name = StringField("Last Name", filters=[trimmed])
    agent_team = StringField("Agent Team", filters=[trimmed])
    active = BooleanField("Active", default=True)
    home_agent = BooleanField("Home Agent")
    extension = StringField("Extension", filters=[trimmed])
    version = HiddenField()
    is_confirmed = BooleanField()

    def to_values(self) -> AgentValues:
        """Return what was typed."""
        return AgentValues(
            login_name=filled(self.login_name),
            email=filled(self.email),
            first_name=filled(self.first_name),
            last_name=filled(self.last_name),
            agent_team=filled(self.agent_team),
            active=bool(self.active.data),
            home_agent=bool(self.home_agent.data),
            extension=filled(self.extension),
        )


Form = UserForm | AgentForm


class ActForm(PortalForm):
    """A button alone."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which the editor's version and the saved one differ."""

    label: str
    mine: str
    saved: str


def add_to(bp: HostBlueprint) -> None:
    """Add the routes of both kinds."""
    for kind in ALL_KINDS:
        _add(bp, kind)


def _add(bp: HostBlueprint, kind: Kind) -> None:
    one = f"{kind.path}/<int(max={lists.LARGEST_ID}):account_id>"

    @requires(kind.edit)
    def show_new() -> str:
        return _new_page(kind, _form(kind, None))

    @csrf.exempt  # PortalForm checks the token itself, so that a stale page comes back as it was.
    @requires(kind.edit)
    def create() -> Response | tuple[str, int]:
        return _create(kind)

    @requires(kind.view)
    def show(account_id: int) -> str:
        account = lists.find(db.session(), viewer(), kind.audience, account_id)
        return _page(kind, account, _form(kind, account))

    @csrf.exempt
    @requires(kind.edit)
    def save(account_id: int) -> Response | tuple[str, int]:
        return _save(kind, account_id)

    @csrf.exempt
    @requires(kind.edit)
    def unlock(account_id: int) -> Response | tuple[str, int]:
        return _act(kind, account_id, "unlock")

    @csrf.exempt
    @requires(kind.edit)
    def relink(account_id: int) -> Response | tuple[str, int]:
        return _act(kind, account_id, "relink")

    for rule, name, view, method in (
        (f"{kind.path}/new", "new", show_new, "GET"),
        (f"{kind.path}/new", "create", create, "POST"),
        (one, "one", show, "GET"),
        (one, "save", save, "POST"),
        (f"{one}/unlock", "unlock", unlock, "POST"),
        (f"{one}/relink", "relink", relink, "POST"),
    ):
        bp.add_url_rule(rule, f"{kind.key}_{name}", view, methods=[method])


def _create(kind: Kind) -> Response | tuple[str, int]:
    form = _sent(kind)
    if not form.validate_on_submit():
        return _new_page(kind, form), 422
    try:
        with writing(db.session()) as session:
            account = editing.create(session, viewer(), form.to_values(), by=actor(), now=now())
            path = f"{kind.path}/{account.id}"
    except ChangeRefused as refused:
        _refuse(form, refused)
        return _new_page(kind, form), 422
    flash(f"{kind.one.capitalize()} {filled(form.login_name)} added.")
    return redirect(path, 303)


def _save(kind: Kind, account_id: int) -> Response | tuple[str, int]:
    """Save the person; a new email in the place of another one asks first."""
    form = _sent(kind)
    account = lists.find(db.session(), viewer(), kind.audience, account_id)
    if not form.validate_on_submit():
        return _page(kind, account, form), 422
    try:
        with writing(db.session()) as session:
            effect = editing.change(
                session,
                viewer(),
                kind.audience,
                account_id,
                form.to_values(),
                version=filled(form.version),
                is_confirmed=bool(form.is_confirmed.data),
                by=actor(),
                now=now(),
            )
    except editing.ConfirmationNeeded as asked:
        return _confirm_page(kind, account_id, form, asked.effect), 200
    except ChangeRefused as refused:
        return _refused(kind, account_id, form, refused)
    live = live_session()
    if live is not None and account_id == live.account_id and effect.sessions:
        return redirect("/", 303)  # where this session is over, and it is said why
    ended = (
        f" {effect.sessions} {'session' if effect.sessions == 1 else 'sessions'} ended."
        if effect.sessions
        else ""
    )
    flash(f"{kind.one.capitalize()} {filled(form.login_name)} saved.{ended}")
    return redirect(f"{kind.path}/{account_id}", 303)


def _refused(kind: Kind, account_id: int, form: Form, refused: ChangeRefused) -> tuple[str, int]:
    account = lists.find(db.session(), viewer(), kind.audience, account_id)
    differences: list[Difference] = []
    if isinstance(refused, EditConflict):
        differences = _differences(form, account)
        # What is sent next is based on what is shown now.
        form.version.data = editing.version_of(account)
    else:
        _refuse(form, refused)
    return _page(kind, account, form, refused=refused, differences=differences), refused.status


def _act(kind: Kind, account_id: int, what: str) -> Response | tuple[str, int]:
    """Unlock or re-link one person."""
    account = lists.find(db.session(), viewer(), kind.audience, account_id)
    form, name = ActForm(), account.login_name
    if not form.validate_on_submit():
        return _page(kind, account, _form(kind, account), act_form=form), 422
    try:
        with writing(db.session()) as session:
            if what == "unlock":
                editing.unlock(session, viewer(), kind.audience, [account_id], by=actor(), now=now())
            else:
                editing.relink(session, viewer(), kind.audience, account_id, by=actor(), now=now())
    except ChangeRefused as refused:
        account = lists.find(db.session(), viewer(), kind.audience, account_id)
        return _page(kind, account, _form(kind, account), refused=refused), refused.status
    words = "unlocked" if what == "unlock" else "is linked anew at the next sign-in"
    flash(f"{name} {words}.")
    return redirect(f"{kind.path}/{account_id}", 303)


def _sent(kind: Kind) -> Form:
    form = UserForm() if kind.key == "users" else AgentForm()
    _offer_roles(form)
    return form


def _form(kind: Kind, account: Account | None) -> Form:
    data: dict[str, Any] = {"role": "MANAGER"}
    if account is not None:
        values = editing.of_account(account)
        data = {name: getattr(values, name) for name in values.__slots__}
        data["version"] = editing.version_of(account)
    form = UserForm(formdata=None, data=data) if kind.key == "users" else AgentForm(formdata=None, data=data)
    _offer_roles(form)
    return form


def _offer_roles(form: Form) -> None:
    if isinstance(form, UserForm):
        mine, is_operator = current_session.role, current_session.is_operator
        form.role.choices = [
            SelectChoice(role, ROLE_LABELS[role])
            for role in roles_shown()
            if may_give_role(mine, role, is_operator)
        ]


def _refuse(form: Form, refused: ChangeRefused) -> None:
    if isinstance(refused, editing.ValuesWrong):
        for name, sentence in refused.problems.items():
            form._fields[name].errors = [sentence]
    else:
        form.refuse(refused, refused.field)


def _differences(form: Form, account: Account) -> list[Difference]:
    mine, saved = form.to_values(), editing.of_account(account)
    return [
        Difference(form._fields[name].label.text, _words(getattr(mine, name)), _words(getattr(saved, name)))
        for name in saved.__slots__
        if getattr(mine, name) != getattr(saved, name)
    ]


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return ROLE_LABELS.get(str(value), str(value)) or "None"


def _new_page(kind: Kind, form: Form) -> str:
    return render_template("portal/configure/people/new.html", kind=kind, form=form)


def _confirm_page(kind: Kind, account_id: int, form: Form, effect: editing.Effect) -> str:
    account = lists.find(db.session(), viewer(), kind.audience, account_id)
    kept = [
        (field.name, "y" if field.data is True else field.data)
        for field in form
        if field.name not in ("csrf_token", "is_confirmed") and field.data not in (None, False, "")
    ]
    return render_template(
        "portal/configure/people/confirm-email.html",
        kind=kind,
        account=account,
        kept=kept,
        email=filled(form.email),
        effect=effect,
        is_own=account_id == current_session.account_id,
    )


def _page(
    kind: Kind,
    account: Account,
    form: Form,
    *,
    refused: ChangeRefused | None = None,
    differences: list[Difference] | None = None,
    act_form: ActForm | None = None,
) -> str:
    moment, session = now(), db.session()
    about = person.read(session, account, moment)
    can_change = may(kind.edit) and (
        account.role is None or may_give_role(current_session.role, account.role, current_session.is_operator)
    )
    live = []
    if may(Permission.VIEW_SESSIONS):
        try:
            live = session_lists.of_account(session, client_scope(moment), account.id)
        except PageNotFound:
            live = []
    return render_template(
        "portal/configure/people/one.html",
        kind=kind,
        account=account,
        form=form,
        about=about,
        refused=refused,
        differences=differences or [],
        act_form=act_form,
        can_change=can_change,
        live=live,
        sees_sign_ins=may(Permission.VIEW_SIGN_INS),
        sees_sessions=may(Permission.VIEW_SESSIONS),
        ends_sessions=may(Permission.END_SESSIONS),
        methods=METHODS,
        is_own=account.id == current_session.account_id,
    )
