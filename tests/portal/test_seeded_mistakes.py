"""Twenty mistakes of a first set-up: each is named, with its fix, before anything is enabled.

One table. Every row sends the page a form in which one fact is wrong and reads
the page that comes back; the same form without the mistake passes
(``test_the_same_form_without_a_mistake_passes``).
"""

from __future__ import annotations

import html
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lvportal.extensions import db
from tests.portal.test_security import PATH, registered, typed
from tests.providers.common import NONE
from tests.providers.hostile import HostileProvider, Raw
from tests.support.house import House, Page

TENANT = "11111111-2222-3333-4444-555555555555"
WELL_KNOWN = "/.well-known/openid-configuration"

Wrong = dict[str, Any] | Callable[[HostileProvider], dict[str, Any]]


@dataclass(frozen=True)
class Mistake:
    """One wrong fact; ``says`` and ``fix`` stand on the page, ``mend`` is offered with one click."""

    name: str
    wrong: Wrong
    says: str
    fix: str
    act: str = "check"
    mend: str | Callable[[HostileProvider], str] = ""


def _html_instead(hostile: HostileProvider) -> dict[str, Any]:
    hostile.answer(WELL_KNOWN, Raw(body=b"<html>Welcome</html>", content_type="text/html"))
    return {}


def _differs(hostile: HostileProvider) -> dict[str, Any]:
    hostile.bend_discovery(issuer="https://login.globex.example/inside")
    return {}


def _query_missing(hostile: HostileProvider) -> dict[str, Any]:
    hostile.bend_discovery(response_modes_supported=["form_post"])
    return {}


def _other_claims(hostile: HostileProvider) -> dict[str, Any]:
    hostile.bend_discovery(claims_supported=["sub", "upn"])
    return {"email_claim": "mail"}


def _redirect_unknown(hostile: HostileProvider) -> dict[str, Any]:
    hostile.answer(
        "/token", Raw(400, b'{"error": "invalid_request", "error_description": "redirect_uri is wrong"}')
    )
    return {}


MISTAKES = (
    Mistake(
        "a slash at the end",
        lambda p: {"issuer": f"{p.issuer}/"},
        "The last slash makes the difference",
        "Use http",
        mend=lambda p: p.issuer,
    ),
    Mistake(
        "http",
        {"issuer": "http://login.globex.example"},
        "It begins with http://.",
        "An issuer begins with https://.",
        mend="https://login.globex.example",
    ),
    Mistake(
        "the discovery document's address",
        lambda p: {"issuer": f"{p.issuer}{WELL_KNOWN}"},
        "This is the address of the provider's document.",
        "The issuer is the part before /.well-known.",
    ),
    Mistake(
        "Okta's admin console",
        {"issuer": "https://globex-admin.okta.com"},
        "This is Okta's Admin Console (-admin).",
        "The issuer has the address without -admin.",
        mend="https://globex.okta.com",
    ),
    Mistake(
        "a realm that is not there",
        lambda p: {"issuer": f"{p.issuer}/realms/Globex"},
        "Nothing was found at",
        "the path counts",
    ),
    Mistake(
        "Microsoft's common",
        {"issuer": "https://login.microsoftonline.com/common/v2.0", "provider": "entra"},
        "/common stands for every organisation at Microsoft.",
        "your own tenant's id",
    ),
    Mistake(
        "id and secret swapped",
        {"client_id": "a-new-secret-of-thirty-two-characters", "secret": "0oa2exampleexample01"},
        "look swapped",
        "Authorization ID and the Authorization Secret",
        act="save",
    ),
    Mistake(
        "Microsoft's Secret ID",
        {"provider": "entra", "client_id": TENANT, "secret": "99999999-2222-3333-4444-555555555555"},
        "This looks like the Secret ID.",
        "Microsoft's secret is the Value beside it.",
        act="save",
    ),
    Mistake(
        "a secret that has expired",
        {"secret_expires_on": "2020-01-31"},
        "This day has passed",
        "make a new secret at the provider",
        act="save",
    ),
    Mistake(
        "stray spaces",
        lambda p: {"client_id": " 0oa2example ", "issuer": p.issuer},
        "There are stray spaces",
        "in the Authorization ID",
    ),
    Mistake(
        "a wrong secret",
        lambda p: {**registered(p), "secret": "not-the-one-the-provider-shows-us"},
        "refused our secret",
        "rotate the secret",
    ),
    Mistake(
        "a wrong Authorization ID",
        lambda p: {**registered(p), "client_id": "nobody"},
        "refused our secret",
        "Authorization Secret is expired or wrong",
    ),
    Mistake(
        "no scope openid",
        {"scopes": "email profile"},
        "Add openid",
        "without it the provider sends no ID token",
        act="save",
    ),
    Mistake("no Email Attribute", {"email_claim": ""}, "Name the claim", "for instance email", act="save"),
    Mistake(
        "an Email Attribute the provider does not know",
        _other_claims,
        "list of claims has no mail",
        "It names upn",
    ),
    Mistake(
        "a provider that answers by form_post alone",
        _query_missing,
        "query is chosen here, and the provider offers form_post",
        "Choose form_post as Response mode",
    ),
    Mistake(
        "a Web Application without a secret",
        {"application_type": "web", "secret": ""},
        "This application type needs the Authorization Secret.",
        "Paste the secret your provider shows.",
        act="save",
    ),
    Mistake(
        "a Native Application whose provider wants a secret",
        lambda p: {**registered(p), "application_type": "native", "secret": ""},
        "expects a secret of this app",
        "Enter the Authorization Secret with type Web Application",
    ),
    Mistake(
        "emails that the provider does not mark as verified",
        {"provider": "onelogin"},
        "OneLogin does not mark emails as verified.",
        "Accept emails not marked verified",
    ),
    Mistake(
        "a redirect URI that is not registered",
        lambda p: {**registered(p), **_redirect_unknown(p)},
        "does not know the redirect URI yet",
        "redirect URI",
    ),
    Mistake(
        "a private address",
        {"issuer": "https://127.0.0.1"},
        "uses an address that is not allowed",
        "needs a public https address",
    ),
    Mistake(
        "a page instead of the document",
        _html_instead,
        "is not a provider's document",
        "not to a login page or a proxy",
    ),
    Mistake(
        "an issuer that calls itself otherwise",
        _differs,
        "https://login.globex.example/inside",
        "Use https://login.globex.example/inside",
        mend="https://login.globex.example/inside",
    ),
    Mistake(
        "Google without a hosted domain",
        {"provider": "google"},
        "Google's issuer is the same for every organisation",
        "Enter your own domain",
        act="save",
    ),
)  # fmt: skip


@pytest.fixture
def trial(tmp_path: Path, hostile: HostileProvider, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house that reaches the provider on loopback and no other name."""
    real = socket.getaddrinfo

    def only_loopback(host: str, *more: Any, **options: Any) -> Any:
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror("no such name in tests")
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", only_loopback)
    made = House(tmp_path, unsafe_provider_addresses=hostile.address)
    made.set_feature("globex", True)
    yield made
    with made.app.app_context():
        db.engine.dispose()


def send(house: House, hostile: HostileProvider, act: str, changes: dict[str, Any]) -> Page:
    visitor = house.user("SYSADMIN", "globex")
    visitor.get(PATH)
    values = typed(provider="other", issuer=hostile.issuer, act=act) | changes
    return visitor.post(PATH, **values)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.name)
def test_a_mistake_is_named_with_its_fix_before_enabling(
    trial: House, hostile: HostileProvider, mistake: Mistake
) -> None:
    changes = mistake.wrong(hostile) if callable(mistake.wrong) else mistake.wrong
    if "swapped" in mistake.name:
        changes = {"provider": "okta", **changes}

    page = send(trial, hostile, mistake.act, changes)

    assert mistake.says in page.text
    assert mistake.fix in page.text
    assert trial.state_of("globex")[0] is False
    mend = mistake.mend(hostile) if callable(mistake.mend) else mistake.mend
    if mend:
        assert f'name="use_issuer" value="{html.escape(mend)}"' in page.html
        assert page.value("issuer") == changes.get("issuer", hostile.issuer), "never mended silently"


@pytest.mark.parametrize("authentication", ["client_secret_basic", NONE])
def test_the_same_form_without_a_mistake_passes(
    trial: House, hostile: HostileProvider, authentication: str
) -> None:
    good = registered(hostile, authentication=authentication)

    report = send(trial, hostile, "check", good)
    saved = send(trial, hostile, "save", good | {"secret_expires_on": "2090-01-31"})

    assert "accepted" in report.text
    assert "is-danger" not in report.html.partition('id="report"')[2].partition("</section>")[0]
    assert "stray spaces" not in report.text
    assert saved.status == 303


def test_there_are_at_least_twenty() -> None:
    assert len({mistake.name for mistake in MISTAKES}) >= 20
