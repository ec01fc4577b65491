"""The page of a refused sign-in: cause, what to do, reference."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from flask import make_response, render_template
from werkzeug.wrappers import Response

from lvportal.errors import STEPS, SignInRefused, SingleSignOnOff, UnknownClient
from lvportal.services import references
from lvportal.web.hosts import origin


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the page shows. Every text is ready; nothing here is a secret."""

    title: str
    next_step: str
    code: str
    reference: str
    is_recorded: bool
    at: datetime
    client_name: str | None
    provider_label: str | None
    step_number: int
    step_name: str
    step_count: int
    provider_said: str
    try_again_url: str
    other_account_url: str | None
    password_url: str | None


def start_address(client_code: str, return_to: str = "/") -> str:
    """Return the address on this host that starts a client's sign-in and ends at ``return_to``."""
    address = f"/sso/{quote(client_code)}"
    if return_to != "/":
        address += f"?target_link_uri={quote(origin() + return_to, safe='')}"
    return address


def refusal_page(refused: SignInRefused, *, client_code: str, at: datetime, return_to: str = "/") -> Response:
    """Render the page with the refusal's own status."""
    client = refused.facts.get("client")
    provider = refused.facts.get("provider")
    again = start_address(client_code, return_to)
    ended = isinstance(refused, (SingleSignOnOff, UnknownClient))
    refusal = Refusal(
        title=refused.words(refused.user_message),
        next_step=refused.words(refused.next_step),
        code=refused.code,
        reference=references.show(refused.reference or ""),
        is_recorded=refused.is_recorded,
        at=at,
        client_name=str(client) if client else None,
        provider_label=str(provider) if provider else None,
        step_number=refused.step,
        step_name=STEPS[refused.step - 1],
        step_count=len(STEPS),
        provider_said=refused.provider_said,
        try_again_url="/sign-in" if ended else again,
        other_account_url=None,
        password_url="/sign-in" + (f"?client={quote(client_code)}" if client else ""),
    )
    response = make_response(render_template("sso/failure.html", refusal=refusal), refused.status)
    return response
