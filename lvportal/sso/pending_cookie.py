"""The pending sign-in in the browser: one sealed, host-only, ten-minute cookie per attempt.

Several may wait side by side (tabs); each is found by its state. Sealed for
this host and this client: in another's address it is not even readable.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import fields

from flask import Request
from werkzeug.wrappers import Response

from lvportal.key_ring import KeyRing, NotOpened
from lvportal.protocols.contract import PendingSignIn
from lvportal.services.sign_in import PENDING_SECONDS
from lvportal.web import cookies

PREFIX = "__Host-lv-pending-"
# Request headers are limited (often to 8 kB): beyond this many the oldest go.
KEPT = 6

# A test's id stands last, and only in a test's cookie.
_FIELDS = tuple(field.name for field in fields(PendingSignIn) if field.name != "test_id")


def name_of(state: str) -> str:
    """Return the name of the cookie that waits for ``state``."""
    return PREFIX + hashlib.sha256(state.encode()).hexdigest()[:16]


def put(
    response: Response,
    request: Request,
    key_ring: KeyRing,
    pending: PendingSignIn,
    *,
    audience: str,
    client_code: str,
    answers_by_form_post: bool,
) -> None:
    """Let the browser remember the pending sign-in."""
    waiting = [name for name in request.cookies if name.startswith(PREFIX)]
    # Browsers send the older cookie first (RFC 6265, section 5.4).
    for name in waiting[: max(0, len(waiting) - KEPT + 1)]:
        cookies.drop(response, name)
    values = [getattr(pending, name) for name in _FIELDS]
    if pending.test_id is not None:
        values.append(pending.test_id)
    cookies.put(
        response,
        name_of(pending.state),
        key_ring.seal(json.dumps(values), purpose=_purpose(audience, client_code)),
        max_age_seconds=PENDING_SECONDS,
        # A form_post answer is a cross-site POST: only SameSite=None comes along.
        crosses_sites=answers_by_form_post,
    )


def take(
    response_names: list[str],
    request: Request,
    key_ring: KeyRing,
    state: str | None,
    *,
    audience: str,
    client_code: str,
) -> PendingSignIn | None:
    """Return the pending sign-in that waits for ``state`` here, or None.

    Its name is added to ``response_names``: whatever becomes of the answer, the
    cookie goes.
    """
    if not state or len(state) > 200:
        return None
    name = name_of(state)
    sealed = request.cookies.get(name)
    if sealed is None:
        return None
    response_names.append(name)
    try:
        values = json.loads(key_ring.open(sealed, purpose=_purpose(audience, client_code)))
        pending = PendingSignIn(*values)
    except (NotOpened, ValueError, TypeError):
        return None
    return pending if hmac.compare_digest(pending.state.encode(), state.encode()) else None


def forget(response: Response, names: list[str]) -> None:
    """Remove the cookies of attempts that were answered."""
    for name in names:
        cookies.drop(response, name)


def _purpose(audience: str, client_code: str) -> str:
    return f"pending sign-in {audience} {client_code}"
