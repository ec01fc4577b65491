"""``/sso/<client code>/test``: a test sign-in starts on the host under test, and ends there.

Its answer comes to the redirect URI like every other; the pending cookie says
that it is a test's. Both ends lead back to the administrator's page.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from flask import current_app, request
from werkzeug.wrappers import Response

from lvportal.errors import SignInRefused
from lvportal.extensions import db
from lvportal.services import sign_in_records, test_sign_ins
from lvportal.services.sign_in import Arrival
from lvportal.services.test_sign_ins import Finished
from lvportal.sso import pending_cookie
from lvportal.web.access import public
from lvportal.web.hosts import HostBlueprint, audience, origin
from lvportal.web.refusal_page import refusal_page
from lvportal.web.request import now
from lvportal.web.see_other import SeeOther

__test__ = False  # no module of tests, whatever its name

RESULT_PATH = "/configure/client/security/test"
# Of somebody with a set-up link and no account (portal/setup.py).
GUESTS_RESULT_PATH = "/setup/test"


def add_to(bp: HostBlueprint) -> None:
    """Add the route."""
    bp.add_url_rule("/sso/<client_code>/test", "start_test", start_test)


@public
def start_test(client_code: str) -> Response:
    """Use the ticket up and go out to the provider."""
    portal = current_app.extensions["lvportal"]
    moment = now()
    try:
        departure = test_sign_ins.depart(
            db.engine,
            portal.registry,
            portal.key_ring,
            request.args.get("ticket", "")[:200],
            client_code=client_code,
            audience=audience(),
            redirect_uri=f"{origin()}/sso/{client_code}",
            now=moment,
        )
    except SignInRefused as refused:
        return refused_page(refused, client_code, moment)
    if isinstance(departure, Finished):
        return _to_result(departure)
    response = SeeOther(departure.url)
    pending_cookie.put(
        response,
        request,
        portal.key_ring,
        departure.pending,
        audience=audience(),
        client_code=client_code,
        answers_by_form_post=departure.is_answered_by_post,
    )
    return response


def finish(arrival: Arrival, moment: datetime) -> Response:
    """Let the answer be judged, open no session, and lead back to the result. Raises SignInRefused."""
    portal = current_app.extensions["lvportal"]
    return _to_result(test_sign_ins.arrive(db.engine, portal.registry, portal.key_ring, arrival, now=moment))


def refused_page(refused: SignInRefused, client_code: str, moment: datetime) -> Response:
    """Return the page of a test that could not even begin."""
    sign_in_records.log_refusal(refused, client_code=client_code, audience=audience())
    return refusal_page(refused, client_code=client_code, at=moment)


def _to_result(finished: Finished) -> Response:
    settings = current_app.extensions["lvportal"].settings
    key = f"?key={quote(finished.key)}" if finished.key else ""
    path = GUESTS_RESULT_PATH if finished.is_guests else RESULT_PATH
    return SeeOther(f"{settings.portal_origin}{path}/{finished.reference}{key}")
