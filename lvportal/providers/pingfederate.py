"""PingFederate."""

from __future__ import annotations

from .known import Guide, GuideRow, KnownError, KnownProvider

WEB = Guide(
    "web",
    "PingFederate",
    (
        GuideRow("Applications > OAuth > Clients", "Choose", "Add Client. The Client ID is yours to choose"),
        GuideRow(
            "Client Authentication",
            "Choose",
            "Client Secret (it begins at None); generate a secret and copy it",
        ),
        GuideRow("Redirection URIs", "Paste", "{user_url}\n{agent_url}"),
        GuideRow("Allowed Grant Types", "Choose", "Authorization Code"),
        GuideRow(
            "OpenID Connect > ID Token Signing Algorithm", "Choose", "RSA using SHA-256 (RS256), not None"
        ),
        GuideRow(
            "OpenID Connect > Post-Logout Redirect URIs (12.0 and later)",
            "Paste",
            "{signed_out_user_url}\n{signed_out_agent_url}",
        ),
        GuideRow(
            "OpenID Connect Policy Management",
            "Choose",
            "A policy that releases email and email_verified, chosen for this client",
        ),
        GuideRow(
            "The discovery document",
            "Copy",
            "The value of issuer, usually the server's Base URL",
        ),
    ),
)

PINGFEDERATE = KnownProvider(
    key="pingfederate",
    label="PingFederate",
    choice="PingFederate",
    client_id_word="Client ID",
    secret_word="Client Secret",  # noqa: S106 (a label)
    issuer_hint="Usually the server's Base URL, as the discovery document names it.",
    default_email_claim="email",
    marks_emails_verified=True,
    default_client_authentication="client_secret_basic",
    guides=(WEB,),
    traps=(
        "A new client has no Client Authentication: choose Client Secret.",
        "ID Token Signing Algorithm None is on offer there, and unsigned tokens are refused here.",
        (
            "The OpenID Connect policy must release email; without email_verified in it, sign-ins are "
            "refused as unverified."
        ),
        "The issuer is usually the Base URL: an address with /as/ behind it is an endpoint.",
        (
            "Unless the client's secret retention is longer than 0, the old secret ends when a new one is "
            "made: store the new one as next secret here first."
        ),
    ),
    errors=(
        KnownError(
            "Invalid redirect_uri",
            "The redirect URI is not registered.",
            "Clients > the client > Redirection URIs: paste both URLs of step 1, letter by letter.",
        ),
        KnownError(
            "Unknown or invalid client_id",
            "PingFederate does not know the Authorization ID.",
            "Compare the Authorization ID with Applications > OAuth > Clients > Client ID.",
        ),
        KnownError(
            "Invalid client or client credentials",
            "The Authorization ID or the Authorization Secret is wrong.",
            "Generate a Client Secret again and paste it; compare Client Authentication there.",
        ),
    ),
    recognised_by=(r"[^/:]+:9031(/|$)",),
)
