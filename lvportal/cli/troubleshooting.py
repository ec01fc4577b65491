"""``lvportal troubleshooting``: every cause of a refused sign-in, made from the errors' own words."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import click

import lvportal
from lvportal.cli.program import RefusingGroup, output_option, put_out
from lvportal.errors import STEPS, PortalError, SignInRefused, tree

HEAD = """# Troubleshooting

Every refusal of a sign-in has a code, which stands on the page beside the reference. The page of a test
sign-in and the record under Monitor > Sign-ins name the same code, with what arrived. Below, by the step at
which a sign-in stops: what the person sees and may do, and what the administrator does. A word in braces is
filled in on the page.

Stopped at the provider, with an error of its own on the screen? Then nobody ever came back to us: paste its
text at Configure > Client > Security, step 4.

<!-- Made by `lvportal troubleshooting docs`; edit the errors' words in the code instead. -->
"""

BROKEN_HEAD = """
## What is wrong, and which code it has

Each of these set-ups is played from end to end by the tests: the page of a test sign-in and the page of a
refused sign-in both name the code on the right.

| What is wrong at the provider or in the connection | Code |
|---|---|
"""

STOPPED = ""  # the provider shows its own error: nobody comes back
HARMLESS = "-"  # the sign-in works, and the page of the test names what is missing

_WITHOUT_CODE = {
    STOPPED: "none: the provider shows an error of its own; paste it at step 4",
    HARMLESS: "none: the sign-in works, and everybody keeps their role; the page of the test says so",
}

BROKEN_SET_UPS: dict[str, str] = {
    "discovery document missing": "sign_in.metadata_missing",
    "discovery answers with a login page": "sign_in.metadata_malformed",
    "issuer differs by a slash": "sign_in.metadata_issuer",
    "Entra common": "sign_in.metadata_issuer_template",
    "wrong issuer, a name that does not exist": "sign_in.name_unknown",
    "redirect URI not registered": STOPPED,
    "wrong client id": STOPPED,
    "person not assigned": "sign_in.not_assigned",
    "consent missing": "sign_in.consent_required",
    "scope not allowed": "sign_in.scope",
    "PKCE method not accepted": "sign_in.request_refused",
    "wrong client id, told in the answer": "sign_in.client_unknown",
    "implicit flow": "sign_in.implicit",
    "response mode not honoured": "sign_in.response_mode",
    "answer by form_post where query was asked": "sign_in.expired",
    "answer of another issuer": "sign_in.answer_issuer",
    "wrong secret": "sign_in.bad_secret",
    "expired secret": "sign_in.secret_expired",
    "public here, confidential there": "sign_in.secret_missing",
    "confidential here, public there": "sign_in.secret_unwanted",
    "redirect URI differs at the exchange": "sign_in.redirect_mismatch",
    "PKCE verifier not accepted": "sign_in.code_refused",
    "scope openid ignored": "sign_in.id_token_missing",
    "token endpoint down": "sign_in.token_unavailable",
    "token endpoint slow": "sign_in.slow",
    "token endpoint redirects": "sign_in.redirected",
    "token endpoint in HTML": "sign_in.token_answer",
    "certificate not valid": "sign_in.certificate",
    "HS256": "sign_in.algorithm",
    "encrypted tokens without keys": "sign_in.token_encrypted",
    "keys endpoint missing": "sign_in.keys_missing",
    "keys endpoint in HTML": "sign_in.keys",
    "signed by a stranger": "sign_in.signature",
    "token of another issuer": "sign_in.issuer",
    "audience of another app": "sign_in.audience",
    "nonce missing": "sign_in.nonce",
    "clock ahead": "sign_in.clock",
    "clock behind": "sign_in.clock",
    "token issued long ago": "sign_in.token_expired",
    "at_hash wrong": "sign_in.at_hash",
    "email not verified": "sign_in.unverified",
    "verification never said": "sign_in.unverified",
    "no email": "sign_in.no_email",
    "email in another claim": "sign_in.no_email",
    "Email Attribute holds no email": "sign_in.email_malformed",
    "UserInfo of another person": "sign_in.userinfo_subject",
    "UserInfo refuses": "sign_in.userinfo_refused",
    "group claim missing": HARMLESS,
    "account of another domain": "sign_in.hosted_domain",
    "account missing": "sign_in.no_account",
    "account on the other host alone": "sign_in.no_account",
    "account inactive": "sign_in.inactive",
    "two accounts with one email": "sign_in.duplicate",
    "email passed on to somebody else": "sign_in.subject_changed",
}


@click.group(cls=RefusingGroup)
def troubleshooting() -> None:
    """Explain the refusals."""


@troubleshooting.command()
@output_option
def docs(output: Path | None) -> None:
    """Print the table of every cause in Markdown; docs/troubleshooting.md is this text."""
    put_out(manual(), output)


def manual() -> str:
    """Return docs/troubleshooting.md."""
    found = causes()
    parts = [HEAD, BROKEN_HEAD]
    for wrong, code in BROKEN_SET_UPS.items():
        told = _WITHOUT_CODE.get(code) or f"`{code}`"
        parts.append(f"| {wrong[:1].upper()}{wrong[1:]} | {told} |\n")
    for number, step in enumerate(STEPS, start=1):
        here = [cause for cause in found if cause.step == number]
        parts.append(
            f"\n## Step {number}: {step}\n\n| Code | The person sees | The administrator |\n|---|---|---|\n"
        )
        parts += [_row(cause) for cause in sorted(here, key=lambda cause: cause.code)]
    return "".join(parts)


def causes() -> list[type[SignInRefused]]:
    """Return every cause of a refused sign-in, one for each code."""
    _load_everything()
    found: dict[str, type[SignInRefused]] = {}
    for cause in tree(SignInRefused):
        if issubclass(cause, SignInRefused):
            found.setdefault(cause.code, cause)
    return list(found.values())


def _load_everything() -> None:
    # A cause exists once its module is imported; the table must not depend on which command ran.
    for part in ("protocols", "services"):
        package = importlib.import_module(f"{lvportal.__name__}.{part}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def _row(cause: type[PortalError]) -> str:
    person = f"{cause.user_message} {cause.next_step}"
    step = cause.administrator_step
    return f"| `{cause.code}` | {_cell(person)} | {_cell('Nothing to do.' if step == 'None.' else step)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
