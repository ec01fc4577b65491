"""Where a refusal is put right: from its code to the exact field, account or page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from lvportal.web.access import Permission

SECURITY = "/configure/client/security"


@dataclass(frozen=True, slots=True)
class Fix:
    """One link. Whoever lacks ``permission`` could not open it, and is not shown it."""

    words: str
    path: str
    permission: Permission


# The fragment is the field's id on the security page, or that of one of its steps.
_ON_SECURITY = {
    "secret": (
        "Set the Authorization Secret",
        ("bad_secret", "secret_expired", "secret_missing", "secret_unreadable"),
    ),
    "application_type": ("Choose the application type", ("secret_unwanted",)),
    "issuer": (
        "Correct the Issuer URL",
        (
            *("issuer", "answer_issuer", "answer_issuer_missing", "account_elsewhere", "name_unknown"),
            *("metadata", "metadata_issuer", "metadata_issuer_template", "metadata_malformed"),
            *("metadata_missing", "metadata_incomplete", "document", "redirected", "address"),
            *("unreachable", "certificate", "tls", "outbound", "signature", "endpoint"),
        ),
    ),
    "client_id": ("Compare the Authorization ID", ("client_unknown", "audience", "authorized_party")),
    "email_claim": ("Choose the Email Attribute", ("no_email", "email_malformed", "claims")),
    "accepts_unverified_email": ("Decide about unverified emails", ("unverified",)),
    "required_hosted_domain": ("Correct the hosted domain", ("hosted_domain",)),
    "response_mode": ("Choose the response mode", ("response_mode",)),
    "scopes": ("Correct the scopes", ("scope", "userinfo_refused")),
    "allows_hs256": ("Choose how tokens are signed", ("algorithm",)),
    "step-1": ("Copy the redirect URIs", ("redirect_mismatch", "code_refused", "initiator")),
    "step-2": (
        "Open the instructions",
        (
            *("not_assigned", "access_denied", "policy", "declined", "consent_required", "grant_off"),
            *("client_not_allowed", "implicit", "answer_malformed", "request_refused", "login_required"),
            *("id_token_missing", "userinfo_signed", "token_encrypted", "access_token_type"),
        ),
    ),
    "enable": ("See whether it is enabled", ("off",)),
}
_BY_CODE = {
    f"sign_in.{code}": Fix(words, f"{SECURITY}#{target}", Permission.VIEW_SECURITY)
    for target, (words, codes) in _ON_SECURITY.items()
    for code in codes
}
_BY_CODE["sign_in.emergency"] = Fix(
    "Open the emergency accounts", f"{SECURITY}/emergency", Permission.MANAGE_EMERGENCY
)
_ON_ACCOUNTS = {
    "sign_in.no_account": "Create the account or correct its email",
    "sign_in.inactive": "Activate the account",
    "sign_in.duplicate": "Give each account its own email",
    "sign_in.subject_changed": "Re-link the account",
    "sign_in.subject_taken": "Correct the email",
    "sign_in.password": "Open the account",
}


def fix_for(
    code: str | None, *, audience: str, email: str | None = None, account_ids: Sequence[int] = ()
) -> Fix | None:
    """Return where the cause ``code`` is put right, or None when nothing here can be.

    ``email`` is the one that arrived; ``account_ids`` are the accounts of the
    client on this host that it fits. One account is opened itself, several or
    none as the list that the email filters.
    """
    words = _ON_ACCOUNTS.get(code or "")
    if words is None:
        return _BY_CODE.get(code or "")
    of_users = audience == "portal"
    path = "/configure/users" if of_users else "/configure/agents"
    if len(account_ids) == 1:
        path += f"/{account_ids[0]}"
    elif email:
        path += f"?{urlencode({'q': email})}"
    return Fix(words, path, Permission.VIEW_USERS if of_users else Permission.VIEW_AGENTS)
