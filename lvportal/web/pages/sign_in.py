"""``/sign-in``: to the organisation's provider where there is one, by password otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import current_app, redirect, render_template, request
from werkzeug.wrappers import Response
from wtforms import EmailField, HiddenField, PasswordField, StringField
from wtforms.validators import DataRequired, Length, Regexp

from lvportal.errors import PasswordRefused, UnknownClient
from lvportal.extensions import csrf, db, limiter
from lvportal.models import Connection, Revision, Tenant
from lvportal.services import connections, enforcement, local_sign_in, sign_in_records, tenants, warnings
from lvportal.services.connections import ClientAtTheDoor, LiveConnection
from lvportal.services.folding import fold
from lvportal.services.local_sign_in import SingleSignOnRequired
from lvportal.web.access import public
from lvportal.web.forms import PortalForm, filled, no_control_characters, trimmed
from lvportal.web.hosts import HostBlueprint, audience, origin
from lvportal.web.request import client_address, now, visitor
from lvportal.web.return_to import safe_path
from lvportal.web.session import REMEMBERED_CLIENT, current_session, remember_client, sign_in_person
from lvportal.web.views import clock_time, page_name, short_moment, today

LOGIN_LABELS = {"portal": "User Name", "agent": "Logon ID"}


class EmailForm(PortalForm):
    """First step: the domain of the email says where one signs in."""

    email = EmailField(
        "Work email",
        filters=[trimmed],
        validators=[
            DataRequired("Enter your work email."),
            Length(max=254, message="An email has at most 254 characters."),
            no_control_characters,
            Regexp(r"[^@\s]+@[^@\s]+\Z", message="Enter it in full, like name@example.com."),
        ],
    )
    return_to = HiddenField()


class PasswordForm(PortalForm):
    """Sign-in with a password of ours."""

    client = StringField(
        "Client Code", filters=[trimmed], validators=[DataRequired("Enter your organisation's client code.")]
    )
    login_name = StringField(
        "User Name", filters=[trimmed], validators=[DataRequired("Enter it as you were given it.")]
    )
    password = PasswordField("Password", validators=[DataRequired("Enter your password.")])
    return_to = HiddenField()


@dataclass(frozen=True, slots=True)
class SignInPage:
    """What the page shows. ``way`` is the form: "email" or "code"."""

    way: str
    form: PortalForm
    return_to: str = "/"
    known: LiveConnection | None = None
    refused: PasswordRefused | None = None
    no_provider_for_email: bool = False
    is_required: bool = False  # the known client takes no passwords on this host
    failing: str = ""  # the sentence that says since when the known client's provider lets nobody in
    has_emergency: bool = False  # the known client's administrators may need the other way in

    @property
    def return_name(self) -> str:
        """How the page is called to which one returns; empty for home."""
        return "" if self.return_to == "/" else page_name(self.return_to)

    @property
    def continue_url(self) -> str:
        """Where the known client's provider is reached from."""
        return provider_url(self.known, self.return_to) if self.known else ""

    def other_way_url(self, way: str) -> str:
        """Return the address of the page with the other form."""
        wanted = {"way": way} | ({"return_to": self.return_to} if self.return_to != "/" else {})
        return f"/sign-in?{urlencode(wanted)}"


def add_to(bp: HostBlueprint) -> None:
    """Add the routes to one host's blueprint."""
    bp.add_url_rule("/sign-in", "sign_in_page", show)
    bp.add_url_rule("/sign-in", "sign_in", sign_in, methods=["POST"])


@public
def show() -> Response | str:
    """Offer the remembered client first, then the way that was asked for."""
    return_to = safe_path(request.args.get("return_to"))
    if current_session:
        return redirect(return_to, 303)
    asked_for = request.args.get("client")
    client = _client(asked_for or request.cookies.get(REMEMBERED_CLIENT))
    by_code = asked_for is not None or (client is not None and client.live is None)
    chosen = request.args.get("way")
    way = chosen or ("code" if by_code else "email")
    requires = _requires_provider(client)
    # A remembered client's code in a form that refuses it would lead nowhere.
    offered = asked_for if requires and not asked_for else client.client_code if client else asked_for
    form = _form(way, return_to=return_to, client=offered)
    failing = _failing(client)
    return _render(
        SignInPage(
            way="code" if way == "code" else "email",
            form=form,
            return_to=return_to,
            known=client.live if client else None,
            is_required=requires and (asked_for is not None or chosen is None),
            failing=failing,
            has_emergency=bool(failing) and requires and audience() == "portal",
            no_provider_for_email=request.args.get("from") == "email",
        )
    )


@public
@csrf.exempt  # PortalForm checks the token itself, so that a stale page comes back filled in.
@limiter.limit(
    lambda: f"{current_app.extensions['lvportal'].settings.local_sign_ins_per_minute} per minute",
    key_func=client_address,
    exempt_when=lambda: request.form.get("way") != "code",
)
def sign_in() -> Response | tuple[str, int] | str:
    """Take one step: to the provider, to the password form, or in."""
    if request.form.get("way") == "code":
        return _by_password()
    return _by_email()


def _by_email() -> Response | tuple[str, int] | str:
    form = EmailForm()
    return_to = safe_path(form.return_to.data)
    if not form.validate_on_submit():
        return _render(SignInPage("email", form, return_to)), 422
    tenant = tenants.by_email(db.session(), filled(form.email))
    client = _client(tenant.code) if tenant else None
    if client and client.live:
        # Our policy lets no form lead off this host, not even by a redirect: a
        # page of our own does.
        url = provider_url(client.live, return_to, login_hint=filled(form.email))
        return render_template("departure.html", url=url, provider=client.live.provider_label)
    page = SignInPage("email", form, return_to)
    return redirect(f"{page.other_way_url('code')}&from=email", 303)


def _by_password() -> Response | tuple[str, int]:
    form = _labelled(PasswordForm())
    return_to = safe_path(form.return_to.data)
    if not form.validate_on_submit():
        return _render(SignInPage("code", form, return_to)), 422
    portal = current_app.extensions["lvportal"]
    client_code = filled(form.client)
    try:
        opened = local_sign_in.sign_in(
            db.session(),
            portal.passwords,
            client_code=client_code,
            login_name=filled(form.login_name),
            password=filled(form.password),
            audience=audience(),
            visitor=visitor(),
            absolute_seconds=portal.settings.absolute_seconds(audience()),
            now=now(),
        )
    except SingleSignOnRequired as required:
        client = _client(client_code)
        page = SignInPage("code", form, return_to, known=client.live if client else None, is_required=True)
        return _render(page), required.status
    except PasswordRefused as refused:
        sign_in_records.log_refusal(refused, client_code=client_code, audience=audience())
        client = _client(client_code)
        page = SignInPage("code", form, return_to, known=client.live if client else None, refused=refused)
        return _render(page), refused.status
    sign_in_person(opened)
    response = redirect(return_to, 303)
    remember_client(response, fold(client_code))
    return response


def provider_url(live: LiveConnection, return_to: str, login_hint: str = "") -> str:
    """Return the address on this host that starts a sign-in at the client's provider."""
    wanted = {}
    if return_to != "/":
        wanted["target_link_uri"] = origin() + return_to
    if login_hint:
        wanted["login_hint"] = login_hint
    return f"/sso/{live.client_code}" + (f"?{urlencode(wanted)}" if wanted else "")


def _client(code: str | None) -> ClientAtTheDoor | None:
    try:
        return connections.look_up(db.session(), fold(code.strip())) if code else None
    except UnknownClient:
        return None


def _requires_provider(client: ClientAtTheDoor | None) -> bool:
    return client is not None and (
        enforcement.rules(db.session(), client.tenant_id, now()).of(audience()) == "refused"
    )


def _failing(client: ClientAtTheDoor | None) -> str:
    if client is None or client.live is None:
        return ""
    session = db.session()
    connection = session.get_one(Connection, client.live.connection_id)
    since = connection.failing_since
    if since is None:
        issuer = session.get_one(Revision, client.live.revision_id).issuer
        seen = current_app.extensions["lvportal"].documents.status(issuer).failing_since
        since = None if seen is None else datetime.fromtimestamp(seen, tz=UTC)
    if since is None:
        return ""
    zone = session.get_one(Tenant, client.tenant_id).time_zone
    is_today = today(zone, since) == today(zone, now())
    said = (clock_time if is_today else short_moment)(since, zone)
    answers = (connection.failing_code or "sign_in.unreachable") not in warnings.PASSING_CODES
    if answers:
        return f"Sign-in through {client.live.provider_label} has been failing since {said}."
    return f"{client.live.provider_label} has not answered since {said}."


def _form(way: str, *, return_to: str, client: str | None) -> PortalForm:
    if way == "code":
        return _labelled(PasswordForm(client=client or "", return_to=return_to))
    return EmailForm(return_to=return_to)


def _labelled(form: PasswordForm) -> PasswordForm:
    form.login_name.label.text = LOGIN_LABELS[audience()]
    return form


def _render(page: SignInPage) -> str:
    return render_template("sign-in.html", page=page)
