"""What every template may call: versioned static addresses, icons, times in the client's zone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Flask, current_app, g, get_flashed_messages, request, session
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup, escape
from werkzeug.wrappers import Response

from lvportal.services import references
from lvportal.settings import Settings
from lvportal.web.access import ROLE_LABELS, Permission, may
from lvportal.web.hosts import HOST_LABELS, audience
from lvportal.web.session import PlainSerializer

STATIC = Path(__file__).resolve().parent.parent.parent / "static"

THEME_COOKIE = "__Host-lv-theme"
THEMES = ("light", "dark")
THEME_SECONDS = 365 * 24 * 3600

PAGE_NAMES = {
    "/profile": "Profile",
    "/configure/client/billing": "Billing",
    "/configure/client/security": "Security",
    "/care/clients": "Clients",
}


@dataclass(frozen=True, slots=True)
class HostName:
    """One of the two hosts, as pages name it and link to it."""

    label: str
    name: str
    origin: str


def init_app(app: Flask, settings: Settings) -> None:
    """Give the templates their helpers. A second call changes nothing."""
    if "static_url" in app.jinja_env.globals:
        return
    static_url = _versions()
    hosts = {
        audience: HostName(HOST_LABELS[audience], settings.host(audience), settings.origin(audience))
        for audience in ("portal", "agent")
    }
    app.jinja_env.globals.update(
        static_url=static_url,
        document_head=_document_head(static_url),
        logo=_logo(static_url("icons.svg")),
        icon=_icons(static_url("icons.svg")),
        hosts=hosts,
        audience=audience,
        care_contact=settings.care_contact,
        sends_mail=settings.sends_mail,
        theme_attribute=theme_attribute,
        flashes=get_flashed_messages,
        may=may,
        Permission=Permission,
    )
    app.context_processor(_whose_page)
    app.jinja_env.filters.update(
        moment=moment,
        short_moment=short_moment,
        day=day,
        clock_time=clock_time,
        reference=lambda reference: references.show(reference or ""),
        role=lambda role: ROLE_LABELS.get(role, role),
    )


def _whose_page() -> dict[str, Any]:
    """Give a page the session itself: a proxy would be looked up at each of its fifty uses.

    Only what the request has loaded already: an error's page must not ask the
    database that has just failed.
    """
    # Flask-WTF brings its own csrf_token by a processor too; the later one wins.
    return {"current_session": getattr(g.get("_login_user"), "live", None), "csrf_token": csrf_token}


def csrf_token() -> str:
    """Return this session's token for a form. Signed once per session, not once per page."""
    raw = session.get("csrf_token")
    return _signed(current_app.secret_key, raw) if isinstance(raw, str) else str(generate_csrf())


@lru_cache(10_000)
def _signed(key: str, raw: str) -> str:
    # As Flask-WTF signs it, which checks it; its age is not limited (WTF_CSRF_TIME_LIMIT).
    return str(_signer(key).dumps(raw))


@lru_cache(2)
def _signer(key: str) -> PlainSerializer:
    return PlainSerializer(key, salt="wtf-csrf-token")


def _versions() -> Any:
    """Return ``static_url``: the address of a static file with its content's hash.

    Hashed once, here: a file changes only with a new version of the portal.
    """
    addresses = {}
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            name = path.relative_to(STATIC).as_posix()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
            addresses[name] = f"/static/{name}?v={digest}"
    return addresses.__getitem__


def _icons(sprite: str) -> Any:
    @lru_cache(100)
    def icon(name: str, *, small: bool = False) -> Markup:
        size = "icon icon-small" if small else "icon"
        return Markup('<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>').format(
            size, sprite, name
        )

    return icon


def _document_head(static_url: Any) -> Markup:
    """Return what every page has in its head: put together once, not for every page."""
    sheets = ("css/tokens.css", "css/base.css", "css/components.css")
    lines = [Markup('<link rel="icon" href="{}" type="image/svg+xml">').format(static_url("logo.svg"))]
    lines += [Markup('<link rel="stylesheet" href="{}">').format(static_url(sheet)) for sheet in sheets]
    lines += [Markup('<script type="module" src="{}"></script>').format(static_url("js/page.js"))]
    return Markup("\n  ").join(lines)


def _logo(sprite: str) -> Markup:
    return Markup(
        '<svg class="logo-mark" aria-hidden="true"><use href="{0}#mark"></use></svg>'
        '<svg class="logo-word" aria-hidden="true"><use href="{0}#wordmark"></use></svg>'
    ).format(sprite)


def theme() -> str | None:
    """Return the theme this browser has chosen, or None: the system's."""
    chosen = request.cookies.get(THEME_COOKIE)
    return chosen if chosen in THEMES else None


def theme_attribute() -> Markup:
    """Return the attribute of ``<html>``: in the first byte, so nothing flashes."""
    chosen = theme()
    return Markup(' data-theme="{}"').format(chosen) if chosen else Markup("")


def keep_theme(response: Response, chosen: str) -> None:
    """Let the browser remember its theme; anything but a theme of ours means the system's."""
    response.set_cookie(
        THEME_COOKIE,
        chosen if chosen in THEMES else "",
        max_age=THEME_SECONDS if chosen in THEMES else 0,
        secure=True,
        httponly=True,
        samesite="Lax",
        path="/",
    )


@lru_cache(600)
def zone_of(name: str) -> ZoneInfo:
    """Return a client's zone; UTC for a name that nobody knows any more."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _local(at: datetime, zone: str) -> tuple[datetime, str]:
    local = at.astimezone(zone_of(zone))
    name = local.tzname() or "UTC"
    return local, f"UTC{name}" if name[0] in "+-" else name


def moment(at: datetime, zone: str = "UTC") -> str:
    """Return ``24 Nov 2026, 08:14:09 CET``."""
    local, name = _local(at, zone)
    return f"{local.day} {local:%b %Y, %H:%M:%S} {name}"


def short_moment(at: datetime, zone: str = "UTC") -> str:
    """Return ``24 Nov 2026, 08:14 CET``."""
    local, name = _local(at, zone)
    return f"{local.day} {local:%b %Y, %H:%M} {name}"


def clock_time(at: datetime, zone: str = "UTC") -> str:
    """Return ``08:14 CET``."""
    local, name = _local(at, zone)
    return f"{local:%H:%M} {name}"


def day(at: date | datetime, zone: str = "UTC") -> str:
    """Return ``24 Nov 2026``; a moment counts in ``zone``."""
    local = at.astimezone(zone_of(zone)) if isinstance(at, datetime) else at
    return f"{local.day} {local:%b %Y}"


def today(zone: str, now: datetime) -> date:
    """Return the date in ``zone`` at ``now``."""
    return now.astimezone(zone_of(zone)).date()


def page_name(path: str) -> str:
    """Return how a page is called in a sentence such as "you return to …"."""
    return PAGE_NAMES.get(path.partition("?")[0], "the page you wanted")


def mark_difference(text: str, other: str) -> Markup:
    """Return ``text`` with what ``other`` lacks in ``<mark>``: the part after the longest common start."""
    common = 0
    for mine, theirs in zip(text, other, strict=False):
        if mine != theirs:
            break
        common += 1
    rest = text[common:]
    return escape(text[:common]) + (Markup("<mark>{}</mark>").format(rest) if rest else Markup(""))
