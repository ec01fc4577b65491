"""Which sessions the signed-in person sees: their own, or their client's as far as their role reaches."""

from __future__ import annotations

from datetime import datetime

from flask import current_app, session

from lvportal.extensions import db
from lvportal.services import session_lists
from lvportal.services.session_lists import HowItEnded, Scope
from lvportal.settings import Settings
from lvportal.web.hosts import audience
from lvportal.web.session import current_session

AUDIENCES = ("portal", "agent")
_BY_ONESELF = ("signed out",)
_HANDLE = "handle"  # as web/session.py keeps it


def client_scope(moment: datetime) -> Scope:
    """Return what an administrator sees of the client's sessions."""
    return _scope(current_session.role, moment)


def own_scope(moment: datetime) -> Scope:
    """Return the scope in which a person finds their own sessions, whatever their role."""
    return _scope(None, moment)


def ended_by_others() -> HowItEnded | None:
    """Return how the session that this browser still carries was ended from outside, or None."""
    handle = session.get(_HANDLE)
    if not isinstance(handle, str):
        return None
    ended = session_lists.how_it_ended(db.session(), handle, audience=audience())
    return ended if ended is not None and ended.reason not in _BY_ONESELF else None


def _scope(role: str | None, moment: datetime) -> Scope:
    settings: Settings = current_app.extensions["lvportal"].settings
    return session_lists.scope_of(
        role,
        tenant_id=current_session.tenant_id,
        idle_seconds={name: settings.idle_seconds(name) for name in AUDIENCES},
        longest_seconds=max(settings.absolute_seconds(name) for name in AUDIENCES),
        now=moment,
    )
