"""Headers of every answer. Pages differ by route, so they are ours and not a library's."""

from __future__ import annotations

from flask import Flask, request
from werkzeug.wrappers import Response

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_ALWAYS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
]
_ONE_YEAR = "public, max-age=31536000, immutable"


def of_every_answer(*, over_https: bool) -> list[tuple[str, str]]:
    """Return the headers that the host gate adds to whatever leaves."""
    hsts = [("Strict-Transport-Security", "max-age=63072000; includeSubDomains")] if over_https else []
    return _ALWAYS + hsts


def init_app(app: Flask) -> None:
    """Say of every answer whether it may be kept."""

    @app.after_request
    def _add(response: Response) -> Response:
        if request.endpoint in ("static_portal", "static_agent") and response.status_code in (200, 304):
            response.headers["Cache-Control"] = _ONE_YEAR if "v" in request.args else "public, max-age=300"
        else:
            response.headers["Cache-Control"] = "no-store"
        return response
