"""The demo provider: a small OpenID provider to try the portal with.

It follows OpenID Connect Core 1.0 (code flow), Discovery 1.0, PKCE (RFC 7636),
``iss`` in the answer (RFC 9207), form_post and RP-initiated logout, and can
play failures. Anybody may sign in as anybody: it listens on loopback only.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit

from flask import Blueprint, Flask, Response, current_app, jsonify, redirect, render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from lvportal.demo import console, failures
from lvportal.demo.persons import Person, read_persons
from lvportal.demo.store import NATIVE, Application, Store
from lvportal.demo.tokens import Grant, Handles, challenge_of, id_token, person_claims

SLOW_SECONDS = 5.0
# What /authorize hands on to the page's form and back, to be judged once more there.
REQUEST_PARAMETERS = (
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "login_hint",
    "prompt",
)

bp = Blueprint("provider", __name__)


class DemoProvider:
    """What one process holds: ``app.extensions["demo"]``."""

    def __init__(
        self,
        store: Store,
        issuer: str,
        persons: Iterable[Person],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.store = store
        self.issuer = issuer
        self.persons = {person.subject: person for person in persons}
        self.handles = Handles()
        self.clock = clock
        self.sleep = sleep

    def now(self) -> int:
        return int(self.clock())


class RequestRefused(Exception):
    """An authorization request that must not be answered by a redirect."""

    def __init__(self, title: str, sentence: str, **facts: str | tuple[str, ...]) -> None:
        super().__init__(title)
        self.title = title
        self.sentence = sentence
        self.facts = facts


def create_demo_provider(
    store: Store,
    issuer: str,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Flask:
    """Build the provider's app. ``issuer``: scheme, host and port, without a slash at the end."""
    app = Flask("lvportal.demo", static_url_path="/demo-static")
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.extensions["demo"] = DemoProvider(store, issuer, read_persons(), clock, sleep)
    app.register_blueprint(bp)
    app.register_blueprint(console.bp)
    app.register_error_handler(RequestRefused, _refused_page)
    app.after_request(_add_headers)
    return app


def demo() -> DemoProvider:
    """Return this app's provider."""
    provider: DemoProvider = current_app.extensions["demo"]
    return provider


def _add_headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def _refused_page(refused: RequestRefused) -> tuple[str, int]:
    return render_template(
        "demo/refused.html", title=refused.title, sentence=refused.sentence, facts=refused.facts
    ), 400


# --- What a relying party reads ------------------------------------------------


@bp.get("/.well-known/openid-configuration")
def configuration() -> Response:
    issuer = demo().issuer
    return jsonify(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/authorize",
        token_endpoint=f"{issuer}/token",
        userinfo_endpoint=f"{issuer}/userinfo",
        jwks_uri=f"{issuer}/keys",
        end_session_endpoint=f"{issuer}/end-session",
        response_types_supported=["code"],
        response_modes_supported=["query", "form_post"],
        grant_types_supported=["authorization_code"],
        subject_types_supported=["public"],
        id_token_signing_alg_values_supported=["RS256"],
        token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post", "none"],
        code_challenge_methods_supported=["S256"],
        scopes_supported=["openid", "email", "profile"],
        claims_supported=["sub", "email", "email_verified", "name", "preferred_username", "auth_time"],
        authorization_response_iss_parameter_supported=True,
    )


@bp.get("/keys")
def keys() -> Response:
    return jsonify(keys=[demo().store.key.as_dict(private=False)])


# --- The person chooses --------------------------------------------------------


@bp.get("/authorize")
def authorize() -> str | AnyResponse:
    application = _judge_request(request.args)
    error = _error_of(application, request.args)
    if error:
        return _answer(request.args, error=error[0], error_description=error[1])
    hint = request.args.get("login_hint", "")
    groups: dict[str, list[Person]] = {}
    for person in demo().persons.values():
        groups.setdefault(person.group, []).append(person)
    return render_template(
        "demo/choose.html",
        application=application,
        groups=groups,
        suggested=next((p for p in demo().persons.values() if hint and p.email == hint), None),
        failures=failures.FAILURES,
        parameters={name: request.args[name] for name in REQUEST_PARAMETERS if name in request.args},
    )


@bp.post("/authorize")
def decide() -> str | AnyResponse:
    application = _judge_request(request.form)
    failure = failures.BY_KEY.get(request.form.get("failure", ""), failures.NOTHING)
    person = demo().persons.get(request.form.get("person", ""))
    if person is None or failure is failures.DECLINED:
        return _answer(
            request.form, error="access_denied", error_description="The person declined to sign in."
        )
    if failure is failures.NOT_ASSIGNED:
        return _answer(
            request.form,
            error="access_denied",
            error_description="User is not assigned to the client application.",
        )
    now = demo().now()
    grant = Grant(
        application,
        request.form["redirect_uri"],
        person,
        failure,
        request.form.get("nonce"),
        request.form.get("code_challenge"),
        now,
    )
    elsewhere = "https://login.globex.example" if failure is failures.WRONG_ANSWER_ISSUER else None
    return _answer(request.form, code=demo().handles.add_code(grant, now), iss=elsewhere)


def _judge_request(asked: MultiDict[str, str]) -> Application:
    """Return who asks. Raises RequestRefused: nothing goes to an address that is not registered."""
    application = demo().store.find(asked.get("client_id"))
    if application is None:
        raise RequestRefused(
            "Unknown application",
            "Invalid value for 'client_id' parameter. No application with this Client ID is registered here.",
            sent=asked.get("client_id", "(nothing)"),
        )
    redirect_uri = asked.get("redirect_uri", "")
    if redirect_uri not in application.redirect_uris:
        raise RequestRefused(
            "Redirect URI not registered",
            "The 'redirect_uri' parameter must be one of the application's sign-in redirect URIs, "
            "letter by letter.",
            sent=redirect_uri or "(nothing)",
            registered=application.redirect_uris,
            application=application.name,
        )
    return application


def _error_of(application: Application, asked: MultiDict[str, str]) -> tuple[str, str] | None:
    """Return error and description of a request that is refused by a redirect, or None."""
    if asked.get("response_type") != "code":
        return "unsupported_response_type", "Only the authorization code flow is available."
    if "openid" not in asked.get("scope", "").split():
        return "invalid_scope", "The scope must contain openid."
    method, challenge = asked.get("code_challenge_method"), asked.get("code_challenge")
    if challenge and method != "S256":
        return "invalid_request", "The code_challenge_method must be S256."
    if application.kind == NATIVE and not challenge:
        return "invalid_request", "A native application must use PKCE."
    if asked.get("prompt") == "none":
        return "login_required", "Nobody is signed in here: the demo provider asks each time."
    return None


def _answer(asked: MultiDict[str, str], **parameters: str | None) -> str | AnyResponse:
    """Send the browser back, by query or by form_post, with ``state`` and ``iss``."""
    parameters["iss"] = parameters.get("iss") or demo().issuer
    if "state" in asked:
        parameters["state"] = asked["state"]
    sent = {name: value for name, value in parameters.items() if value is not None}
    target = asked["redirect_uri"]
    if asked.get("response_mode") == "form_post":
        return render_template("demo/form-post.html", target=target, parameters=sent)
    return redirect(f"{target}{'&' if urlsplit(target).query else '?'}{urlencode(sent)}")


# --- The portal calls ----------------------------------------------------------


@bp.post("/token")
def token() -> tuple[Response, int]:
    """Exchange a code. RFC 6749, section 4.1.3; RFC 7636, section 4.5."""
    application = _authenticate()
    if application is None:
        return _token_error("invalid_client", "The client secret supplied is invalid.", 401)
    if request.form.get("grant_type") != "authorization_code":
        return _token_error("unsupported_grant_type", "Only authorization_code is available.")
    now = demo().now()
    grant = demo().handles.take_code(request.form.get("code", ""), now)
    if (
        grant is None
        or grant.application.client_id != application.client_id
        or grant.redirect_uri != request.form.get("redirect_uri")
    ):
        return _token_error("invalid_grant", "The code is unknown, used, too old or another application's.")
    verifier = request.form.get("code_verifier", "")
    if grant.challenge and not hmac.compare_digest(grant.challenge, challenge_of(verifier)):
        return _token_error("invalid_grant", "The code_verifier does not fit.")
    match grant.failure:
        case failures.SLOW:
            demo().sleep(SLOW_SECONDS)
        case failures.BAD_SECRET:
            return _token_error("invalid_client", "The client secret supplied is invalid.", 401)
        case failures.DOWN:
            return _token_error("temporarily_unavailable", "The demo provider plays dead.", 503)
        case _:
            pass
    access_token = demo().handles.add_token(grant, now)
    return jsonify(
        access_token=access_token,
        token_type="Bearer",  # noqa: S106  a type, no secret
        expires_in=3600,
        scope="openid email profile",
        id_token=id_token(grant, access_token, issuer=demo().issuer, key=demo().store.key, now=now),
    ), 200


def _token_error(error: str, description: str, status: int = 400) -> tuple[Response, int]:
    return jsonify(error=error, error_description=description), status


def _authenticate() -> Application | None:
    """Return who calls: by Basic, by form, or a public application without a secret."""
    client_id, secret = request.form.get("client_id"), request.form.get("client_secret")
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        client_id, _, secret = (unquote_plus(part) for part in pair.partition(":"))
    application = demo().store.find(client_id)
    if application is None:
        return None
    right = hmac.compare_digest((secret or "").encode(), (application.client_secret or "").encode())
    return application if right else None


@bp.route("/userinfo", methods=["GET", "POST"])
def userinfo() -> tuple[Response, int]:
    """Tell about the person of an access token. OpenID Connect Core 1.0, section 5.3."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    grant = demo().handles.find_token(value) if scheme.lower() == "bearer" else None
    if grant is None:
        return jsonify(error="invalid_token"), 401
    claims: dict[str, Any] = {"sub": grant.person.subject, **person_claims(grant)}
    return jsonify(claims), 200


@bp.route("/end-session", methods=["GET", "POST"])
def end_session() -> str | AnyResponse:
    """RP-initiated logout. There is no session to end; the way back is judged all the same."""
    target = request.values.get("post_logout_redirect_uri")
    application = demo().store.find(request.values.get("client_id"))
    if target and application and _is_on_a_registered_host(target, application):
        state = request.values.get("state")
        return redirect(f"{target}?{urlencode({'state': state})}" if state else target)
    return render_template("demo/signed-out.html")


def _is_on_a_registered_host(target: str, application: Application) -> bool:
    origin = urlsplit(target)[:2]
    return any(urlsplit(uri)[:2] == origin for uri in application.redirect_uris)
