"""OneLogin."""

from __future__ import annotations

from .known import Guide, GuideRow, KnownError, KnownProvider

WEB = Guide(
    "web",
    "OneLogin",
    (
        GuideRow("Administration > Applications > Add App", "Choose", "OpenId Connect (OIDC)"),
        GuideRow("Configuration > Redirect URI's", "Paste", "{user_url}\n{agent_url}"),
        GuideRow(
            "Configuration > Post Logout Redirect URIs",
            "Paste",
            "{signed_out_user_url}\n{signed_out_agent_url}",
        ),
        GuideRow("Configuration > Login Url (only for a tile)", "Paste", "{user_url}"),
        GuideRow(
            "SSO > Token Endpoint",
            "Choose",
            "Basic or POST, as here under Advanced > Client authentication",
        ),
        GuideRow("SSO", "Copy", "Client ID, Client Secret and Issuer URL"),
        GuideRow("Access, or Users > Roles", "Choose", "The roles of your users and agents"),
    ),
)

ONELOGIN = KnownProvider(
    key="onelogin",
    label="OneLogin",
    choice="OneLogin",
    client_id_word="Client ID",
    secret_word="Client Secret",  # noqa: S106 (a label)
    issuer_hint="https://, your OneLogin subdomain, .onelogin.com/oidc/2",
    default_email_claim="email",
    marks_emails_verified=False,
    default_client_authentication="client_secret_basic",
    guides=(WEB,),
    traps=(
        "The issuer ends with /oidc/2; an address ending with /oidc alone is the older version.",
        "OneLogin does not mark emails as verified: your administrators decide what stands there.",
        "Signing out there ends the tokens of all OpenID Connect apps of the session.",
        "The token endpoint's method must be the one chosen here under Advanced.",
        "OneLogin seems to keep one secret at a time: store the new one as next secret here first.",
    ),
    errors=(
        KnownError(
            "redirect_uri did not match any client's registered redirect_uri",
            "The redirect URI is not registered.",
            "Configuration > Redirect URI's: paste both URLs of step 1, letter by letter.",
        ),
        KnownError(
            "invalid_client",
            "OneLogin does not know the app, or refuses its secret or how it was sent.",
            "Copy Client ID and Client Secret again from SSO, and compare Token Endpoint there with Client "
            "authentication under Advanced.",
            is_common=True,
        ),
    ),
    recognised_by=(r"[^/]+\.onelogin\.com(/|$)",),
)
