"""``/configure/client/billing``: which features the client has. Administrators read it, Care changes it."""

from __future__ import annotations

from flask import render_template

from lvportal.extensions import db
from lvportal.portal.connection_state import OFF, ON
from lvportal.services import billing
from lvportal.web.access import Permission, requires
from lvportal.web.hosts import HostBlueprint
from lvportal.web.session import current_session


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule("/configure/client/billing", "client_billing", show)


@requires(Permission.VIEW_BILLING)
def show() -> str:
    """List the features and how to get the one that is off."""
    feature = billing.feature(db.session(), current_session.tenant_id)
    is_on = bool(feature and feature.enabled)
    return render_template(
        "portal/configure/client/billing.html",
        label=billing.FEATURE_LABELS["single_sign_on"],
        feature=feature,
        is_on=is_on,
        pill=ON if is_on else OFF,
    )
