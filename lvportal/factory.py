"""``create_app``: the app in about ten named steps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask, send_from_directory

from lvportal import agent, database, logs, portal, sso
from lvportal import settings as settings_module
from lvportal.extensions import csrf, db, limiter, login_manager, migrate
from lvportal.key_ring import KeyRing
from lvportal.protocols.addresses import AddressPolicy
from lvportal.protocols.http import Fetcher, Limits
from lvportal.protocols.oidc.documents import ProviderDocuments
from lvportal.registry import ConnectionRegistry
from lvportal.services.passwords import PasswordChecker
from lvportal.settings import Settings
from lvportal.web import access, error_pages, headers
from lvportal.web.hosts import HostGate
from lvportal.web.session import COOKIE, HostSessions

ROOT = Path(__file__).resolve().parent.parent
# Forms are small; the largest body we read is an answer by form_post.
LARGEST_BODY = 256 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Portal:
    """What one process holds besides the extensions: ``app.extensions["lvportal"]``."""

    settings: Settings
    key_ring: KeyRing
    fetcher: Fetcher
    documents: ProviderDocuments
    registry: ConnectionRegistry
    passwords: PasswordChecker


class PortalApp(Flask):
    """Flask, without the question of each of its calls whether the callee is asynchronous: none is."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(settings: Settings | None = None) -> Flask:
    """Build the app. Raises SettingsWrong before anything is opened."""
    settings = settings or settings_module.load()
    app = PortalApp("lvportal", static_folder=None, template_folder=str(ROOT / "templates"))
    app.url_map.host_matching = True
    logs.init(settings)
    _configure(app, settings)
    _hold(app, settings)
    _open_database(app)
    _bind_extensions(app)
    _serve_static(app, settings)
    _register_pages(app)
    app.before_request(access.guard)
    headers.init_app(app)
    error_pages.init_app(app)
    app.wsgi_app = HostGate(app.wsgi_app, settings)  # type: ignore[method-assign]
    _say_what_is_unsafe(settings)
    return app


def _configure(app: Flask, settings: Settings) -> None:
    app.config.update(
        TESTING=settings.environment == "test",
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=LARGEST_BODY,
        MAX_FORM_PARTS=100,
        SESSION_COOKIE_NAME=COOKIE,
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=_longest_session(settings)),
        SQLALCHEMY_DATABASE_URI=database.url(settings),
        SQLALCHEMY_ENGINE_OPTIONS=database.engine_options(settings),
        WTF_CSRF_TIME_LIMIT=None,
        # The referrer is never sent (Referrer-Policy), so it cannot be checked.
        WTF_CSRF_SSL_STRICT=False,
        RATELIMIT_STORAGE_URI="memory://",
        TEMPLATES_AUTO_RELOAD=False,
    )
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}


def _hold(app: Flask, settings: Settings) -> None:
    key_ring = KeyRing(settings.encryption_keys.get_secret_value())
    policy = AddressPolicy(settings.unsafe_provider_addresses)
    fetcher = Fetcher(
        policy,
        limits=Limits(
            connect_seconds=settings.provider_connect_timeout_seconds,
            total_seconds=settings.provider_total_timeout_seconds,
            calls_per_issuer=settings.provider_calls_in_flight,
        ),
        ca_bundle=settings.provider_ca_bundle,
    )
    documents = ProviderDocuments(fetcher, policy)
    registry = ConnectionRegistry(key_ring, fetcher, documents)
    registry.init_app(app)
    app.extensions["lvportal"] = Portal(
        settings,
        key_ring,
        fetcher,
        documents,
        registry,
        PasswordChecker(settings.password_hashes_at_once),
    )
    app.secret_key = key_ring.signing_keys("csrf")[0]
    app.session_interface = HostSessions(
        key_ring.signing_keys("session cookie"), lifetime_seconds=_longest_session(settings)
    )


def _longest_session(settings: Settings) -> int:
    return max(settings.absolute_seconds(audience) for audience in ("portal", "agent"))


def _open_database(app: Flask) -> None:
    db.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            database.prepare_sqlite(db.engine)


def _bind_extensions(app: Flask) -> None:
    migrate.init_app(app, db, directory=str(Path(__file__).parent / "migrations"), render_as_batch=True)
    csrf.init_app(app)
    login_manager.session_protection = None
    # Without that protection nobody compares the hash of address and browser that is drawn at every turn.
    login_manager._session_identifier_generator = str
    login_manager.init_app(app)
    limiter.init_app(app)
    _limit_marked_views_alone(app)


def _limit_marked_views_alone(app: Flask) -> None:
    """Keep Flask-Limiter out of every request that has no limit: a tenth of a page's time.

    A view marked with ``limiter.limit`` asks by itself; the error page of a 429
    says when to come again.
    """
    app.before_request_funcs[None].remove(limiter._check_request_limit)
    app.after_request_funcs[None] = [
        hook for hook in app.after_request_funcs[None] if getattr(hook, "args", (None,))[0] is not limiter
    ]
    app.teardown_request_funcs[None] = [
        hook for hook in app.teardown_request_funcs[None] if getattr(hook, "__self__", None) is not limiter
    ]


def _serve_static(app: Flask, settings: Settings) -> None:
    @access.public
    def static_file(filename: str) -> Any:
        return send_from_directory(ROOT / "static", filename)

    for audience in ("portal", "agent"):
        app.add_url_rule(
            "/static/<path:filename>",
            endpoint=f"static_{audience}",
            view_func=static_file,
            host=settings.host(audience),
        )


def _register_pages(app: Flask) -> None:
    portal.register(app)
    agent.register(app)
    for audience in ("portal", "agent"):
        app.register_blueprint(sso.bp, name=f"sso_{audience}", audience=audience)


def _say_what_is_unsafe(settings: Settings) -> None:
    for host, port in sorted(settings.unsafe_provider_addresses):
        log.warning("settings.unsafe_provider_address", extra={"address": f"{host}:{port}"})
