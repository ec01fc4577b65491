"""The session of a signed-in person: a signed cookie with a random handle, and a row that decides."""

from __future__ import annotations

import hashlib
import logging
import secrets
from datetime import UTC, datetime
from typing import Any, cast

from flask import Flask, Response, current_app, request, session
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_login import UserMixin, current_user, login_user, logout_user
from itsdangerous import URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode
from itsdangerous.url_safe import URLSafeSerializerMixin
from sqlalchemy.exc import OperationalError
from werkzeug.local import LocalProxy

from lvportal.extensions import db, login_manager
from lvportal.services import sessions
from lvportal.services.sessions import LiveSession, Opened
from lvportal.services.transactions import writing
from lvportal.web import cookies
from lvportal.web.hosts import audience

log = logging.getLogger(__name__)

COOKIE = "__Host-lv-session"
REMEMBERED_CLIENT = "__Host-lv-client"
REMEMBERED_SECONDS = 180 * 24 * 3600
_HANDLE = "handle"


class Person(UserMixin):
    """Flask-Login's user: whoever the live session belongs to."""

    def __init__(self, live: LiveSession) -> None:
        self.live = live

    def get_id(self) -> str:
        return self.live.login_id


def _current() -> LiveSession | None:
    return cast("LiveSession | None", getattr(current_user, "live", None))


current_session: LiveSession = cast(LiveSession, LocalProxy(_current))
"""The live session of this request; falsy when nobody is signed in."""


class PlainSerializer(URLSafeTimedSerializer):
    """Without the attempt to compress: it costs more than the few bytes it would save."""

    def dump_payload(self, obj: Any) -> bytes:
        return base64_encode(super(URLSafeSerializerMixin, self).dump_payload(obj))


class HostSessions(SecureCookieSessionInterface):
    """Flask's signed cookie, with SHA-256, a key per host and its serializers kept.

    The salt carries the audience: a cookie of one host, copied to the other, is
    no cookie there, not even for its CSRF token.
    """

    def __init__(self, keys: list[str]) -> None:
        self._serializers = {
            name: PlainSerializer(
                list(reversed(keys)),
                salt=f"lvportal session {name}",
                serializer=self.serializer,
                signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
            )
            for name in ("portal", "agent")
        }

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        return self._serializers[request.environ["lvportal.audience"]]

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        # Nearly every answer leaves the cookie as it came, and Flask would ask
        # for seven settings before it finds that out. The lifetime is not
        # extended by use (SESSION_REFRESH_EACH_REQUEST): the row decides.
        if session.modified:
            super().save_session(app, session, response)
        elif session.accessed:
            response.vary.add("Cookie")


@login_manager.user_loader
def _load(login_id: str) -> Person | None:
    handle = session.get(_HANDLE)
    if not isinstance(handle, str):
        return None
    settings = current_app.extensions["lvportal"].settings
    host = audience()
    moment = datetime.now(UTC)
    live = sessions.find(
        db.engine, handle, audience=host, idle_seconds=settings.idle_seconds(host), now=moment
    )
    if live is None or live.login_id != login_id:
        return None
    if sessions.must_be_touched(live, moment):
        _touch(live, moment)
    return Person(live)


def _touch(live: LiveSession, moment: datetime) -> None:
    try:
        with writing(db.session()):
            sessions.touch(db.session(), live, moment)
    except OperationalError:
        # A busy database must not cost a signed-in person the page.
        log.warning("session.not_touched", extra={"session": live.session_id})


def sign_in_person(opened: Opened) -> None:
    """Hand the session just opened to this browser, in the place of whatever it had."""
    session.clear()
    session[_HANDLE] = opened.handle
    # Flask-WTF's own, drawn here: the first page then need not write the cookie again.
    session["csrf_token"] = secrets.token_hex(20)
    session.permanent = True
    login_user(_Known(opened.login_id))


class _Known(UserMixin):
    def __init__(self, login_id: str) -> None:
        self._login_id = login_id

    def get_id(self) -> str:
        return self._login_id


def sign_out_person(reason: str = "signed out") -> None:
    """End this browser's session, here and in the database."""
    live = _current()
    if live is not None:
        with writing(db.session()):
            sessions.end(db.session(), live, reason=reason, now=datetime.now(UTC))
    logout_user()
    session.clear()


def remember_client(response: Any, client_code: str) -> None:
    """Let the sign-in page of this host offer the client first next time."""
    cookies.put(response, REMEMBERED_CLIENT, client_code, max_age_seconds=REMEMBERED_SECONDS)
