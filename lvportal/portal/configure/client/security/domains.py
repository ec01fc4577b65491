"""``/configure/client/security/domains``: proof that a domain is the client's."""

from __future__ import annotations

from typing import cast

import dns.resolver
from flask import current_app, flash, redirect, render_template
from werkzeug.wrappers import Response
from wtforms import StringField
from wtforms.validators import DataRequired, Length

from lvportal.errors import ChangeRefused
from lvportal.extensions import csrf, db, limiter
from lvportal.portal.configure.client.security.page import PATH
from lvportal.services import domains
from lvportal.services.domain_lookup import DnsAnswer
from lvportal.web.access import Permission, requires
from lvportal.web.forms import PortalForm, filled, no_control_characters, trimmed
from lvportal.web.hosts import HostBlueprint
from lvportal.web.request import actor, client_address, now
from lvportal.web.session import current_session

PAGE = f"{PATH}/domains"
RESOLVER = "lvportal.dns_resolver"
"""Where an app keeps the resolver to ask instead of the system's."""


class DomainForm(PortalForm):
    """A domain to claim."""

    domain = StringField(
        "Domain",
        filters=[trimmed],
        validators=[
            DataRequired("Enter your domain, for instance acme.example."),
            Length(max=253, message="At most 253 characters."),
            no_control_characters,
        ],
    )


class RemoveForm(PortalForm):
    """The domain whose Remove button was pressed."""

    remove = StringField("Domain", validators=[DataRequired(), Length(max=253)])


class CheckForm(PortalForm):
    """A button: nothing but the proof that a page of ours sent it."""


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PAGE, "domains", show)
    bp.add_url_rule(PAGE, "claim_domain", claim, methods=["POST"])
    bp.add_url_rule(f"{PAGE}/<int(max=2147483647):claim_id>/check", "check_domain", check, methods=["POST"])
    bp.add_url_rule(f"{PAGE}/remove", "remove_domain", remove, methods=["POST"])


@requires(Permission.VIEW_DOMAINS)
def show() -> str:
    """Show the client's domains and their records."""
    return _page(DomainForm(formdata=None))


@requires(Permission.EDIT_DOMAINS)
@csrf.exempt  # PortalForm checks the token itself.
def claim() -> Response | tuple[str, int]:
    """Add a domain to the list, with the record that would prove it."""
    form = DomainForm()
    if not form.validate_on_submit():
        return _page(form), 422
    try:
        made = domains.claim(
            db.session(), current_session.tenant_id, filled(form.domain), by=actor(), now=now()
        )
    except ChangeRefused as refused:
        form.refuse(refused, "domain")
        return _page(form), refused.status
    flash(f"{made.domain} is in the list. Add its TXT record, then check.")
    return redirect(PAGE, 303)


@requires(Permission.EDIT_DOMAINS)
@csrf.exempt  # PortalForm checks the token itself.
@limiter.limit("20 per minute", key_func=client_address)
def check(claim_id: int) -> Response | tuple[str, int]:
    """Ask the DNS now."""
    if not CheckForm().validate_on_submit():
        return _stale()
    try:
        answer, words = domains.check(
            db.session(),
            current_session.tenant_id,
            claim_id,
            by=actor(),
            now=now(),
            resolver=cast("dns.resolver.Resolver | None", current_app.extensions.get(RESOLVER)),
        )
    except ChangeRefused as refused:
        return _page(DomainForm(formdata=None), refused=refused), refused.status
    flash(words if answer is DnsAnswer.FOUND else f"Not proven yet. {words}")
    return redirect(PAGE, 303)


@requires(Permission.EDIT_DOMAINS)
@csrf.exempt  # PortalForm checks the token itself.
def remove() -> Response | tuple[str, int]:
    """Give up a domain."""
    form = RemoveForm()
    if not form.validate_on_submit():
        return _stale()
    domain = filled(form.remove)
    domains.remove(db.session(), current_session.tenant_id, domain, by=actor(), now=now())
    flash(f"{domain} is removed. Its people are no longer led to your provider by their email.")
    return redirect(PAGE, 303)


def _stale() -> tuple[str, int]:
    form = DomainForm()
    form.validate_on_submit()
    form.domain.errors = []
    return _page(form), 422


def _page(form: DomainForm, *, refused: ChangeRefused | None = None) -> str:
    return render_template(
        "portal/configure/client/security/domains.html",
        form=form,
        act_form=CheckForm(formdata=None),
        domains=domains.of_tenant(db.session(), current_session.tenant_id),
        refused=refused,
    )
