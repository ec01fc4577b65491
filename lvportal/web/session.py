"""The session of a signed-in person: a signed cookie with a random handle, and a row that decides."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from datetime import UTC, datetime
from typing import Any, cast

from flask import Flask, Response, current_app, g, request, session
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_login import UserMixin, current_user, login_user, logout_user
from itsdangerous import Signer, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode, want_bytes
from itsdangerous.signer import SigningAlgorithm
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


def live_session() -> LiveSession | None:
    """Return the live session of this request, read once, or None when nobody is signed in."""
    # What Flask-Login keeps, without its three proxies.
    person = g.get("_login_user") or current_user._get_current_object()
    return cast("LiveSession | None", getattr(person, "live", None))


current_session: LiveSession = cast(LiveSession, LocalProxy(live_session))
"""The live session of this request; falsy when nobody is signed in."""


class _KeptSigner(TimestampSigner):
    """Derives its keys once, not for every signature."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._derived = {key: super(_KeptSigner, self).derive_key(key) for key in self.secret_keys}

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        return self._derived[want_bytes(secret_key or self.secret_key)]


class _Sha256(SigningAlgorithm):
    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")


class PlainSerializer(URLSafeTimedSerializer):
    """With its signer kept, and without the attempt to compress, which costs more than the bytes it saves."""

    default_signer = _KeptSigner
    _kept: Signer | None = None

    def make_signer(self, salt: str | bytes | None = None) -> Signer:
        if salt is not None and want_bytes(salt) != self.salt:
            return super().make_signer(salt)
        if self._kept is None:
            self._kept = super().make_signer()
        return self._kept

    def dump_payload(self, obj: Any) -> bytes:
        return base64_encode(super(URLSafeSerializerMixin, self).dump_payload(obj))


class HostSessions(SecureCookieSessionInterface):
    """Flask's signed cookie, with SHA-256, a key per host and its serializers kept.

    The salt carries the audience: a cookie of one host, copied to the other, is
    no cookie there, not even for its CSRF token.
    """

    def __init__(self, keys: list[str], *, lifetime_seconds: int) -> None:
        self._lifetime_seconds = lifetime_seconds
        self._serializers = {
            name: PlainSerializer(
                list(reversed(keys)),
                salt=f"lvportal session {name}",
                serializer=self.serializer,
                signer_kwargs={
                    "key_derivation": "hmac",
                    "digest_method": hashlib.sha256,
                    "algorithm": _Sha256(),
                },
            )
            for name in ("portal", "agent")
        }

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer:
        return self._serializers[request.environ["lvportal.audience"]]

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        # Nearly every answer leaves the cookie as it came, and Flask would ask
        # for seven settings before it finds that out. The lifetime is not
        # extended by use: the row decides.
        if session.accessed or session.modified:
            response.headers["Vary"] = "Cookie"
        if not session.modified:
            return
        if not session:
            cookies.drop(response, COOKIE)
            return
        serializer = self.get_signing_serializer(app)
        cookies.put(
            response,
            COOKIE,
            serializer.dumps(dict(session)),
            max_age_seconds=self._lifetime_seconds if session.permanent else None,
        )


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
    live = live_session()
    if live is not None:
        with writing(db.session()):
            sessions.end(db.session(), live, reason=reason, now=datetime.now(UTC))
    logout_user()
    session.clear()


def remember_client(response: Any, client_code: str) -> None:
    """Let the sign-in page of this host offer the client first next time."""
    cookies.put(response, REMEMBERED_CLIENT, client_code, max_age_seconds=REMEMBERED_SECONDS)
