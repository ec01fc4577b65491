"""Two hosts, one app: the host decides the audience, and every rule carries its host.

Flask ignores ``register_blueprint(host=...)``, so a blueprint of ours adds the
host to each of its rules. A page of one host does not exist on the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Blueprint, current_app, request
from flask.sansio.app import App
from flask.sansio.blueprints import BlueprintSetupState

from lvportal.errors import HostUnknown
from lvportal.settings import Settings
from lvportal.web.headers import of_every_answer
from lvportal.web.network import client_address

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST_LABELS = {"portal": "Portal", "agent": "Agent console"}


class _HostState(BlueprintSetupState):
    def add_url_rule(
        self, rule: str, endpoint: str | None = None, view_func: Any = None, **options: Any
    ) -> None:
        blueprint = self.blueprint
        audience = self.options.get("audience") or getattr(blueprint, "audience", None)
        if audience is None:
            raise RuntimeError(f"blueprint {blueprint.name} is registered without an audience")
        options["host"] = self.app.extensions["lvportal"].settings.host(audience)
        super().add_url_rule(rule, endpoint, view_func, **options)


class HostBlueprint(Blueprint):
    """A blueprint of one host. Without an ``audience`` it is given one when registered."""

    def __init__(self, name: str, import_name: str, *, audience: str | None = None, **options: Any) -> None:
        super().__init__(name, import_name, **options)
        self.audience = audience

    def make_setup_state(
        self, app: App, options: dict[str, Any], first_registration: bool = False
    ) -> BlueprintSetupState:
        return _HostState(self, app, options, first_registration)


def audience() -> str:
    """Return the audience of the host this request came to."""
    return str(request.environ["lvportal.audience"])


def origin() -> str:
    """Return the origin of the host this request came to, from the settings alone."""
    settings: Settings = current_app.extensions["lvportal"].settings
    return settings.origin(audience())


class HostGate:
    """Refuses every unknown Host before anything else runs, and settles scheme and address.

    What a header says of scheme, host or user is not believed: the settings
    say which hosts exist, and only declared proxies are read for the address.
    The headers that every answer carries are added here, on the way out.
    """

    def __init__(self, app: WSGIApplication, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._audiences = {settings.host(a): a for a in ("portal", "agent")}
        self._headers = of_every_answer(over_https=settings.portal_origin.startswith("https:"))
        self._schemes = {a: urlsplit(settings.origin(a)).scheme for a in ("portal", "agent")}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, headers + self._headers, *error)

        host = environ.get("HTTP_HOST", "")
        audience = self._audiences.get(host) or self._audiences.get(self._plain(host))
        if audience is None:
            return _refuse(host, start)
        environ["HTTP_HOST"] = self._settings.host(audience)
        environ["wsgi.url_scheme"] = self._schemes[audience]
        environ["QUERY_STRING"] = _encoded(environ.get("QUERY_STRING", ""))
        environ["lvportal.audience"] = audience
        environ["lvportal.client_address"] = client_address(environ, self._settings.trusted_proxies)
        return _whole(self._app(environ, start))

    def _plain(self, host: str) -> str:
        """Return the host in small letters without its scheme's default port."""
        name = host.lower()
        for suffix in (":443", ":80"):
            bare = name.removesuffix(suffix)
            known = self._audiences.get(bare)
            if bare != name and known and self._schemes[known] == {":443": "https", ":80": "http"}[suffix]:
                return bare
        return name


def _encoded(query: str) -> str:
    # Werkzeug raises on raw bytes that are no UTF-8, and takes them when they are encoded.
    return query if query.isascii() else "".join(c if c.isascii() else f"%{ord(c):02X}" for c in query)


def _whole(answer: Iterable[bytes]) -> list[bytes]:
    """Return an answer in one piece.

    None of ours is streamed. The server sends a list at once, and takes anything
    else through a channel, piece by piece: that was a third of a page's time.
    """
    try:
        return list(answer)
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()


def _refuse(host: str, start_response: StartResponse) -> Iterable[bytes]:
    status = "421 Misdirected Request" if host else "400 Bad Request"
    body = f"{HostUnknown.user_message} {HostUnknown.next_step}\n".encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    start_response(status, headers)
    return [body]
