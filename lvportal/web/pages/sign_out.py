"""``/sign-out`` and ``/signed-out``."""

from __future__ import annotations

from flask import redirect, render_template, session
from werkzeug.wrappers import Response

from lvportal.web.access import public
from lvportal.web.hosts import HostBlueprint
from lvportal.web.session import current_session, sign_out_person
from lvportal.web.session_scope import ended_by_others

STILL_SIGNED_IN_AT = "still_signed_in_at"


def add_to(bp: HostBlueprint) -> None:
    """Add the routes to one host's blueprint."""
    bp.add_url_rule("/sign-out", "sign_out", sign_out, methods=["POST"])
    bp.add_url_rule("/signed-out", "signed_out", signed_out)


@public
def sign_out() -> Response:
    """End this browser's session here; the provider's own is another matter, and the page says so."""
    provider = current_session.provider_label if current_session else ""
    sign_out_person()
    if provider:
        # In the signed cookie: in the address, anybody could make us name any provider.
        session[STILL_SIGNED_IN_AT] = provider
    return redirect("/signed-out", 303)


@public
def signed_out() -> str:
    """Say what ended, and what did not; of a session ended by others, by whom and when."""
    ended = ended_by_others()
    if ended is not None:
        session.clear()  # told once: the next page is the sign-in
    return render_template("signed-out.html", provider=session.get(STILL_SIGNED_IN_AT, ""), ended=ended)
