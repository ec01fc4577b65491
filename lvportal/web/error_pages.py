"""Every error as a page: a sentence, a next step, a reference. Never a stack trace."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flask import Flask, current_app, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from lvportal import errors
from lvportal.extensions import db
from lvportal.services import references
from lvportal.web.hosts import HOST_LABELS, audience

log = logging.getLogger(__name__)

_BY_STATUS: dict[int, type[errors.PortalError]] = {
    404: errors.PageNotFound,
    405: errors.MethodRefused,
    413: errors.BodyTooLarge,
    429: errors.TooManyTries,
    503: errors.ServiceUnavailable,
}


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What the page shows."""

    h1: str
    message: str
    next_step: str
    code: str
    reference: str | None
    status: int
    homes: tuple[tuple[str, str], ...]


_HEADINGS = {
    400: "That did not arrive in one piece",
    403: "Not yours to open",
    404: "No such page",
    405: "Not like this",
    409: "Changed meanwhile",
    413: "Too large",
    422: "Not saved",
    429: "Too many tries",
    500: "Something broke on our side",
    503: "Back soon",
}


def init_app(app: Flask) -> None:
    """Turn every exception that leaves a view into a page."""
    app.register_error_handler(errors.PortalError, _portal_error)
    app.register_error_handler(CSRFError, lambda _: _portal_error(errors.FormStale()))
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _fault)


def _portal_error(error: errors.PortalError) -> Response:
    db.session.rollback()
    return page(error)


def _http_error(error: HTTPException) -> Response:
    if error.code is not None and 300 <= error.code < 400:
        return error.get_response()  # a redirect to the address with or without its slash
    kind = _BY_STATUS.get(error.code or 500, errors.BadRequest)
    seconds = getattr(error, "retry_after", None) or 60
    shown = kind(host=HOST_LABELS[audience()].lower(), seconds=seconds)
    response = page(shown)
    if error.code == 405:
        response.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or ["GET"])
    if error.code == 429:
        response.headers["Retry-After"] = str(seconds)
    return response


def _fault(error: Exception) -> Response:
    db.session.rollback()
    reference = references.new_reference()
    # The exception's own text may hold what a form sent: the log gets where it
    # broke and what kind it was, and the text only while developing.
    # A set-up link's address is its key.
    path = "/setup/" if request.path.startswith("/setup/") else request.path[:200]
    log.error(
        "request.fault",
        extra={"reference": reference, "path": path, "kind": type(error).__name__},
        exc_info=error if current_app.extensions["lvportal"].settings.environment != "production" else None,
    )
    return page(errors.ServerFault(), reference=reference)


def page(error: errors.PortalError, *, reference: str | None = None) -> Response:
    """Render an error's page with its status."""
    settings = current_app.extensions["lvportal"].settings
    shown = ErrorPage(
        h1=_HEADINGS.get(error.status, "That did not work"),
        message=error.words(error.user_message),
        next_step=error.words(error.next_step),
        code=error.code,
        reference=references.show(reference) if reference else None,
        status=error.status,
        homes=tuple((HOST_LABELS[a], settings.origin(a) + "/") for a in ("portal", "agent")),
    )
    return make_response(render_template("errors/page.html", error=shown), error.status)
