"""``/sso/<client code>``: redirect URI, tile address and initiate-login address in one.

A visit that carries an answer finishes a sign-in; any other starts one.
"""

from __future__ import annotations

from datetime import datetime

from flask import current_app, request
from werkzeug.wrappers import Response

from lvportal.errors import ConnectionChanged, InitiatorRefused, SignInRefused
from lvportal.extensions import csrf, db
from lvportal.protocols.contract import Answer
from lvportal.services import sign_in, sign_in_records
from lvportal.sso import pending_cookie, test_pages
from lvportal.web.access import public
from lvportal.web.hosts import HostBlueprint, audience, origin
from lvportal.web.refusal_page import refusal_page, start_address
from lvportal.web.request import now, visitor
from lvportal.web.return_to import path_of
from lvportal.web.see_other import SeeOther
from lvportal.web.session import remember_client, sign_in_person

bp = HostBlueprint("sso", __name__)
test_pages.add_to(bp)

# With any of these a visit is an answer. An ID token alone is not: Okta's tiles
# can post one without a state, and it proves nothing to us. Such a visit starts.
ANSWERS = ("state", "code", "error", "response")
# A start reads these three and nothing else.
STARTS = ("iss", "login_hint", "target_link_uri")


@bp.route("/sso/<client_code>", methods=["GET", "POST"])
@public
@csrf.exempt
def single_sign_on(client_code: str) -> Response:
    """Finish the sign-in that this visit answers, or start one."""
    moment = now()
    parameters = request.form if request.method == "POST" else request.args
    try:
        if any(name in parameters for name in ANSWERS):
            return _finish(client_code, list(parameters.items(multi=True)), moment)
        return _start(client_code, moment)
    except SignInRefused as refused:
        sign_in_records.log_refusal(refused, client_code=client_code, audience=audience())
        return refusal_page(refused, client_code=client_code, at=moment)


def _start(client_code: str, moment: datetime) -> Response:
    portal = current_app.extensions["lvportal"]
    departure = sign_in.begin(db.engine, portal.registry, _read_start(client_code), now=moment)
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


def _read_start(client_code: str) -> sign_in.Start:
    read: dict[str, str] = {}
    is_bare = not request.args and request.method == "GET"  # nearly every start
    for name in () if is_bare else STARTS:
        values = request.args.getlist(name) + request.form.getlist(name)
        if len(values) > 1:
            raise InitiatorRefused(f"{name} is repeated")
        if values:
            read[name] = values[0]
    target = path_of(read["target_link_uri"], origin()) if read.get("target_link_uri") else "/"
    if target is None:
        raise InitiatorRefused("target_link_uri leads off this host")
    hint = read.get("login_hint")
    if hint is not None and (len(hint) > 254 or not hint.isprintable()):
        raise InitiatorRefused("login_hint is too long or not printable")
    return sign_in.Start(
        client_code=client_code,
        redirect_uri=_redirect_uri(client_code),
        return_to=target,
        initiator_issuer=read.get("iss"),
        login_hint=hint or None,
    )


def _finish(client_code: str, parameters: list[tuple[str, str]], moment: datetime) -> Response:
    portal = current_app.extensions["lvportal"]
    answer = Answer(tuple(parameters), "form_post" if request.method == "POST" else "query")
    used: list[str] = []
    pending = pending_cookie.take(
        used,
        request,
        portal.key_ring,
        answer.first("state"),
        audience=audience(),
        client_code=client_code,
    )
    arrival = sign_in.Arrival(
        client_code=client_code,
        audience=audience(),
        redirect_uri=_redirect_uri(client_code),
        answer=answer,
        pending=pending,
        visitor=visitor(),
    )
    if pending is not None and pending.test_id is not None:
        return _finish_test(arrival, used, moment)
    try:
        welcome = sign_in.finish(
            db.engine,
            portal.registry,
            arrival,
            absolute_seconds=portal.settings.absolute_seconds(audience()),
            now=moment,
        )
    except ConnectionChanged:
        again = start_address(client_code, pending.return_to if pending else "/")
        response: Response = SeeOther(again)
    except SignInRefused as refused:
        sign_in_records.log_refusal(refused, client_code=client_code, audience=audience())
        response = refusal_page(
            refused,
            client_code=client_code,
            at=moment,
            return_to=pending.return_to if pending else "/",
        )
    else:
        sign_in_person(welcome.opened)
        response = SeeOther(welcome.return_to)
        remember_client(response, welcome.client_code)
    pending_cookie.forget(response, used)
    return response


def _finish_test(arrival: sign_in.Arrival, used: list[str], moment: datetime) -> Response:
    try:
        response = test_pages.finish(arrival, moment)
    except SignInRefused as refused:
        response = test_pages.refused_page(refused, arrival.client_code, moment)
    pending_cookie.forget(response, used)
    return response


def _redirect_uri(client_code: str) -> str:
    return f"{origin()}/sso/{client_code}"
