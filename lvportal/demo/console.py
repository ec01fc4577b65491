"""The demo provider's admin console: where an application is registered, as at a real provider."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from lvportal.demo.store import NATIVE, WEB, Application

if TYPE_CHECKING:
    from lvportal.demo.provider import DemoProvider

MOST_URIS = 10
LONGEST_NAME = 80

bp = Blueprint("console", __name__)


def _demo() -> DemoProvider:
    provider: DemoProvider = current_app.extensions["demo"]
    return provider


@bp.get("/")
def home() -> str:
    return render_template("demo/home.html", issuer=_demo().issuer, persons=_demo().persons.values())


@bp.get("/applications")
def applications() -> str:
    return render_template("demo/applications.html", applications=_demo().store.applications())


@bp.get("/applications/new")
def new() -> str:
    return render_template("demo/new.html", name="", kind=WEB, uris="", problem=None)


@bp.post("/applications")
def create() -> tuple[str, int] | Response:
    name = " ".join(request.form.get("name", "").split())[:LONGEST_NAME]
    kind = NATIVE if request.form.get("kind") == NATIVE else WEB
    text = request.form.get("redirect_uris", "")
    problem = problem_of(name, text)
    if problem:
        return render_template("demo/new.html", name=name, kind=kind, uris=text, problem=problem), 422
    application = _demo().store.create(name, kind, uris_of(text))
    return redirect(url_for(".show", client_id=application.client_id))


@bp.get("/applications/<client_id>")
def show(client_id: str) -> str:
    return _show(_found(client_id))


@bp.post("/applications/<client_id>")
def change(client_id: str) -> tuple[str, int] | Response:
    application = _found(client_id)
    text = request.form.get("redirect_uris", "")
    problem = problem_of(application.name, text)
    if problem:
        return _show(application, uris=text, problem=problem), 422
    _demo().store.change_redirect_uris(application, uris_of(text))
    return redirect(url_for(".show", client_id=client_id))


@bp.post("/applications/<client_id>/new-secret")
def new_secret(client_id: str) -> Response:
    application = _found(client_id)
    if application.kind == WEB:
        _demo().store.change_secret(application)
    return redirect(url_for(".show", client_id=client_id))


@bp.post("/applications/<client_id>/remove")
def remove(client_id: str) -> Response:
    _demo().store.remove(_found(client_id))
    return redirect(url_for(".applications"))


def uris_of(text: str) -> tuple[str, ...]:
    """Return the lines of a text field, without blanks and repetitions, in order."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def problem_of(name: str, text: str) -> str | None:
    """Return in a sentence what is wrong with an application's entries, or None."""
    uris = uris_of(text)
    if not name:
        return "Give the application a name."
    if not uris:
        return "Paste at least one sign-in redirect URI."
    if len(uris) > MOST_URIS:
        return f"At most {MOST_URIS} redirect URIs."
    for uri in uris:
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment or "*" in uri:
            return f"“{uri[:120]}” is not a web address that can be matched letter by letter."
    return None


def _found(client_id: str) -> Application:
    return _demo().store.find(client_id) or abort(404)


def _show(application: Application, *, uris: str | None = None, problem: str | None = None) -> str:
    return render_template(
        "demo/application.html",
        application=application,
        issuer=_demo().issuer,
        uris="\n".join(application.redirect_uris) if uris is None else uris,
        problem=problem,
    )
