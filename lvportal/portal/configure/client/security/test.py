"""``/configure/client/security/test``: a revision run through the provider without a session."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from flask import current_app, flash, redirect, render_template, request
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import HiddenField, IntegerField
from wtforms.validators import AnyOf, DataRequired, Length, NumberRange, Optional

from lvportal.errors import BadRequest, ChangeRefused
from lvportal.extensions import db, limiter
from lvportal.models import Connection, Tenant
from lvportal.portal.configure.client.security import test_view
from lvportal.portal.configure.client.security.page import PATH, refused_page
from lvportal.services import billing, connection_setup, connections, readiness, references, test_sign_ins
from lvportal.services.readiness import Readiness
from lvportal.services.test_sign_ins import Result, Tester
from lvportal.services.transactions import writing
from lvportal.web.access import Permission, may, requires
from lvportal.web.forms import filled
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, client_address, now
from lvportal.web.session import current_session

__test__ = False  # no module of tests, whatever its name


class TestForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Which host is tested, and with which revision: the newest without a number."""

    __test__ = False
    audience = HiddenField(validators=[AnyOf(["portal", "agent"])])
    number = IntegerField(validators=[Optional(), NumberRange(min=1, max=2**31 - 1)])


class ClaimForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Which claim shall be the Email Attribute."""

    claim = HiddenField(validators=[DataRequired(), Length(max=120)])


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(f"{PATH}/test", "start_test_sign_in", start, methods=["POST"])
    bp.add_url_rule(f"{PATH}/test/<reference>", "test_sign_in", show)
    bp.add_url_rule(
        f"{PATH}/test/<reference>/email-attribute", "use_claim", use_as_email_attribute, methods=["POST"]
    )


@requires(Permission.TEST_SIGN_IN)
@limiter.limit("30 per minute", key_func=client_address)
def start() -> Response | str | tuple[str, int]:
    """Make a one-use ticket and lead to the host under test."""
    form = TestForm()
    if not form.validate_on_submit():
        raise BadRequest("no host of ours, or no number")
    audience = filled(form.audience)
    try:
        prepared = test_sign_ins.prepare(
            db.session(),
            current_session.tenant_id,
            Tester(current_session.account_id, current_session.full_name),
            audience=audience,
            number=form.number.data,
            now=now(),
        )
    except ChangeRefused as refused:
        return refused_page(refused)
    # Our policy lets no form lead off this host, not even by a redirect: a page of our own does.
    origin = current_app.extensions["lvportal"].settings.origin(audience)
    url = f"{origin}/sso/{quote(current_session.client_code)}/test?ticket={prepared.ticket}"
    return render_template("departure.html", url=url, provider=prepared.provider_label)


@requires(Permission.TEST_SIGN_IN)
def show(reference: str) -> Response | str:
    """Show how a test went, to the one who made it. With the key of the test's end: unlock its values."""
    key = request.args.get("key")
    if key is not None:
        test_sign_ins.unlock(
            db.session(), current_session.tenant_id, current_session.account_id, reference, key[:200]
        )
        return redirect(f"{PATH}/test/{references.read(reference) or reference}", 303)
    return _page(_result(reference))


@requires(Permission.EDIT_SECURITY)
def use_as_email_attribute(reference: str) -> Response | tuple[str, int]:
    """Save a draft whose Email Attribute is a claim that this test brought."""
    result, form = _result(reference), ClaimForm()
    if not form.validate_on_submit():
        raise BadRequest("no claim is named")
    portal = current_app.extensions["lvportal"]
    try:
        name = test_sign_ins.email_claim(result, filled(form.claim))
        values = replace(connection_setup.values_of(result.revision), email_claim=name)
        based_on = result.revision.number
        with writing(db.session()) as session:
            draft = connection_setup.save_draft(
                session,
                session.get_one(Tenant, current_session.tenant_id),
                values,
                key_ring=portal.key_ring,
                by=actor(),
                now=now(),
                based_on=based_on,
            )
            number = draft.number
    except ChangeRefused as refused:
        return refused_page(refused)
    flash(f"Draft {number} saved: its Email Attribute is {name}. Test it again.")
    return redirect(f"{PATH}#step-4", 303)


def _result(reference: str) -> Result:
    portal = current_app.extensions["lvportal"]
    return test_sign_ins.open_result(
        db.session(),
        portal.key_ring,
        current_session.tenant_id,
        current_session.account_id,
        reference,
        now=now(),
    )


def _page(result: Result) -> str:
    newest = connections.newest_revision(db.session(), result.revision.connection) or result.revision
    needed = test_sign_ins.needed_audiences(db.session(), current_session.tenant_id)
    view = test_view.build(
        result,
        newest,
        role=current_session.role or "",
        is_all_tested=needed <= test_sign_ins.passed_audiences(db.session(), newest.id),
        now=now(),
    )
    return render_template(
        "portal/configure/client/security/test-result.html",
        view=view,
        readiness=_readiness() if view.is_all_tested and _may_enable(result.revision.connection) else None,
    )


def _may_enable(connection: Connection) -> bool:
    return (
        may(Permission.ENABLE_SSO)
        and not connection.enabled
        and billing.is_on(db.session(), current_session.tenant_id)
    )


def _readiness() -> dict[str, Readiness]:
    """Return who could sign in, per host: the last thing to look at before enabling."""
    tenant_id, role = current_session.tenant_id, current_session.role or ""
    return {
        audience: readiness.of_audience(db.session(), tenant_id, audience, role=role)
        for audience in ("portal", "agent")
    }
