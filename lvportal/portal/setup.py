"""``/setup/<token>``: the set-up steps alone, for somebody without an account."""

from __future__ import annotations

from urllib.parse import quote

from flask import current_app, redirect, render_template, request
from werkzeug.wrappers import Response
from wtforms import HiddenField, StringField
from wtforms.validators import AnyOf, Regexp

from lvportal.errors import ChangeRefused
from lvportal.extensions import csrf, db, limiter
from lvportal.models import Revision, SetupLink, Tenant
from lvportal.portal.configure.client.security import guide, test_view
from lvportal.portal.configure.client.security.form import SecurityForm, filled_from
from lvportal.portal.configure.client.security.secret import NextSecretForm
from lvportal.protocols.addresses import AddressPolicy
from lvportal.protocols.oidc.report import Report
from lvportal.providers import KNOWN
from lvportal.services import connection_setup, connections, setup_links, test_sign_ins
from lvportal.services.connection_setup import Laboratory
from lvportal.services.test_sign_ins import Tester
from lvportal.web import cookies
from lvportal.web.access import public
from lvportal.web.forms import PortalForm, filled, trimmed
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import client_address, now
from lvportal.web.views import today

PAGE = "/setup/<token>"
SECONDS = 30 * 24 * 3600


class CodeForm(PortalForm):
    """The code that came apart from the link."""

    code = StringField(
        "Code",
        filters=[trimmed],
        validators=[Regexp(r"\A[0-9]{6}\Z", message="Enter the six digits that came apart from the link.")],
    )


class TestForm(PortalForm):
    """Which host the draft is tried on."""

    __test__ = False
    audience = HiddenField(validators=[AnyOf(["portal", "agent"])])


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PAGE, "setup", show)
    bp.add_url_rule(f"{PAGE}/code", "setup_code", enter, methods=["POST"])
    bp.add_url_rule(f"{PAGE}/values", "setup_values", submit_values, methods=["POST"])
    bp.add_url_rule(f"{PAGE}/secret", "setup_secret", submit_secret, methods=["POST"])
    bp.add_url_rule(f"{PAGE}/test", "setup_test", start_test, methods=["POST"])
    bp.add_url_rule("/setup/test/<reference>", "setup_test_result", show_test)


@public
@limiter.limit("120 per minute", key_func=client_address)
def show(token: str) -> str:
    """Show the steps, or ask for the code first."""
    link, tenant, is_open = _opened(token)
    if not is_open:
        return _code_page(CodeForm(formdata=None), tenant)
    if link.submitted_at is not None:
        return render_template(
            "setup/sent.html",
            client=tenant.name,
            purpose=link.purpose,
            token=token,
            form=TestForm(formdata=None),
        )
    if link.purpose == "rotate_secret":
        return _secret_page(NextSecretForm(formdata=None), token, tenant)
    chosen = guide.choose(request.args.get("provider"), request.args.get("type"), None)
    return _values_page(filled_from(None, chosen.provider, chosen.application_type), token, tenant)


@public
@csrf.exempt  # PortalForm checks the token itself.
@limiter.limit("10 per minute", key_func=client_address)
def enter(token: str) -> Response | tuple[str, int]:
    """Judge the code, and bind the link to this browser."""
    link, tenant, is_open = _opened(token)
    name, form = _cookie(link), CodeForm()
    if not is_open:
        if not form.validate_on_submit():
            return _code_page(form, tenant), 422
        try:
            key = setup_links.enter(
                db.session(),
                token,
                filled(form.code),
                key_ring=current_app.extensions["lvportal"].key_ring,
                address=client_address(),
                now=now(),
            )
        except setup_links.WrongCode as refused:
            form.refuse(refused, "code")
            return _code_page(form, tenant), refused.status
        response = redirect(f"/setup/{token}", 303)
        cookies.put(response, name, key, max_age_seconds=SECONDS)
        return response
    return redirect(f"/setup/{token}", 303)


@public
@csrf.exempt  # PortalForm checks the token itself.
@limiter.limit("30 per minute", key_func=client_address)
def submit_values(token: str) -> Response | str | tuple[str, int]:
    """Send what was pasted to the client as a draft, or ask the provider about it and save nothing."""
    link, tenant, is_open = _opened(token)
    if not is_open or link.purpose != "connect" or link.submitted_at is not None:
        return redirect(f"/setup/{token}", 303)
    form = SecurityForm()
    is_valid = form.validate_on_submit() and form.refuse_past(today(tenant.time_zone, now()))
    if not is_valid:
        return _values_page(form, token, tenant), 422
    values = form.to_values(None)
    try:
        if form.act.data == "check":
            if values.client_authentication != "none" and not values.secret:
                raise connections.SecretMissing()
            report = connection_setup.examine_values(
                db.session(), tenant.id, values, _laboratory(tenant), now=now()
            )
            return _values_page(form, token, _opened(token)[1], report=report)
        setup_links.submit_values(
            db.session(),
            token,
            request.cookies.get(_cookie(link)),
            values,
            based_on=form.based_on.data or 0,
            key_ring=current_app.extensions["lvportal"].key_ring,
            address=client_address(),
            now=now(),
        )
    except ChangeRefused as refused:
        form.refuse(refused, form.field_of(refused.field))
        return _values_page(form, token, _opened(token)[1], refused=refused), refused.status
    return redirect(f"/setup/{token}", 303)


@public
@csrf.exempt  # PortalForm checks the token itself.
@limiter.limit("30 per minute", key_func=client_address)
def submit_secret(token: str) -> Response | tuple[str, int]:
    """Store the next secret beside the current one."""
    link, tenant, is_open = _opened(token)
    if not is_open or link.purpose != "rotate_secret" or link.submitted_at is not None:
        return redirect(f"/setup/{token}", 303)
    form = NextSecretForm()
    if not form.validate_on_submit():
        return _secret_page(form, token, tenant), 422
    try:
        setup_links.submit_secret(
            db.session(),
            token,
            request.cookies.get(_cookie(link)),
            filled(form.next_secret),
            form.expires_on.data,
            key_ring=current_app.extensions["lvportal"].key_ring,
            address=client_address(),
            now=now(),
        )
    except ChangeRefused as refused:
        form.refuse(refused, "next_secret")
        return _secret_page(form, token, _opened(token)[1]), refused.status
    return redirect(f"/setup/{token}", 303)


@public
@csrf.exempt  # PortalForm checks the token itself.
@limiter.limit("30 per minute", key_func=client_address)
def start_test(token: str) -> Response | str:
    """Run the draft that was sent through the provider, on one of the hosts."""
    link, tenant, is_open = _opened(token)
    form = TestForm()
    revision = db.session.get(Revision, link.revision_id) if link.revision_id else None
    if not is_open or revision is None or not form.validate_on_submit():
        return redirect(f"/setup/{token}", 303)
    prepared = test_sign_ins.prepare(
        db.session(),
        tenant.id,
        Tester(None, f"set-up link for {link.for_whom}"),
        audience=filled(form.audience),
        number=revision.number,
        now=now(),
    )
    origin = current_app.extensions["lvportal"].settings.origin(filled(form.audience))
    url = f"{origin}/sso/{quote(tenant.code)}/test?ticket={prepared.ticket}"
    return render_template("departure.html", url=url, provider=prepared.provider_label)


@public
@limiter.limit("120 per minute", key_func=client_address)
def show_test(reference: str) -> str:
    """Show how a guest's test went: the checks and the names of what arrived, nobody's account."""
    result = test_sign_ins.open_guests_result(
        db.session(), reference, request.args.get("key", "")[:200], now=now()
    )
    tenant = db.session.get_one(Tenant, result.test.tenant_id)
    view = test_view.build(result, result.revision, role="", is_all_tested=False, now=now())
    return render_template("setup/test.html", view=view, client=tenant.name, zone=tenant.time_zone)


def _cookie(link: SetupLink) -> str:
    return f"__Host-lv-setup-{link.id}"


def _opened(token: str) -> tuple[SetupLink, Tenant, bool]:
    link, _ = setup_links.find(db.session(), token, now())
    return setup_links.opened(db.session(), token, request.cookies.get(_cookie(link)), now())


def _laboratory(tenant: Tenant) -> Laboratory:
    portal = current_app.extensions["lvportal"]
    return Laboratory(
        portal.key_ring,
        portal.fetcher,
        portal.documents,
        AddressPolicy(portal.settings.unsafe_provider_addresses),
        redirect_uri=f"{portal.settings.portal_origin}/sso/{tenant.code}",
    )


def _code_page(form: CodeForm, tenant: Tenant) -> str:
    return render_template("setup/code.html", form=form, client=tenant.name, path=request.path)


def _secret_page(form: NextSecretForm, token: str, tenant: Tenant) -> str:
    return render_template("setup/secret.html", form=form, client=tenant.name, token=token)


def _values_page(
    form: SecurityForm,
    token: str,
    tenant: Tenant,
    *,
    report: Report | None = None,
    refused: ChangeRefused | None = None,
) -> str:
    chosen = guide.choose(filled(form.provider), filled(form.application_type), None)
    addresses = guide.addresses(current_app.extensions["lvportal"].settings, tenant.code)
    connection = connections.of_tenant(db.session(), tenant.id)
    newest = connections.newest_revision(db.session(), connection) if connection else None
    return render_template(
        "setup/steps.html",
        form=form,
        token=token,
        client=tenant.name,
        addresses=addresses,
        tabs=guide.tabs(chosen),
        rows=guide.rows(chosen, addresses),
        traps=guide.traps(chosen),
        known=KNOWN[chosen.provider],
        based_on=newest.number if newest else 0,
        checks=report.checks if report else (),
        refused=refused,
    )
