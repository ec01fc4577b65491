"""Auth0 (Okta Customer Identity Cloud)."""

from __future__ import annotations

from .known import Guide, GuideRow, KnownError, KnownProvider

_ADDRESSES = (
    GuideRow("Settings > Allowed Callback URLs", "Paste", "{user_url},{agent_url}"),
    GuideRow("Settings > Allowed Logout URLs", "Paste", "{signed_out_user_url},{signed_out_agent_url}"),
    GuideRow("Settings > Application Login URI (only for a tile)", "Paste", "{user_url}"),
    GuideRow("Settings > Advanced Settings > OAuth", "Choose", "JsonWebToken Signature Algorithm: RS256"),
)
_ISSUER = GuideRow(
    "Settings > Domain",
    "Copy",
    "The issuer is https://, this Domain and a slash at the end",
)

WEB = Guide(
    "web",
    "Auth0, Regular Web Application",
    (
        GuideRow("Dashboard > Applications > Create Application", "Choose", "Regular Web Application"),
        *_ADDRESSES,
        GuideRow("Settings and Credentials", "Copy", "Client ID and Client Secret"),
        _ISSUER,
    ),
)
NATIVE = Guide(
    "native",
    "Auth0, Native",
    (
        GuideRow("Dashboard > Applications > Create Application", "Choose", "Native"),
        *_ADDRESSES,
        GuideRow("Settings", "Copy", "Client ID; a Native application needs no secret (PKCE)"),
        _ISSUER,
    ),
)

_REGISTER = (
    "Settings > Allowed Callback URLs: paste both URLs of step 1, with a comma between, letter by letter."
)
_COPY = "Copy the Client Secret again from Credentials, and check that it belongs to this Client ID."

AUTH0 = KnownProvider(
    key="auth0",
    label="Auth0",
    choice="Auth0",
    client_id_word="Client ID",
    secret_word="Client Secret",  # noqa: S106 (a label)
    issuer_hint="https://, the application's Domain, and a slash at the end.",
    default_email_claim="email",
    marks_emails_verified=True,
    default_client_authentication="client_secret_post",
    guides=(WEB, NATIVE),
    traps=(
        "The issuer ends with a slash. The Domain in the dashboard has neither https:// nor the slash.",
        "Tokens must be signed with RS256: with HS256 sign-ins are refused.",
        "Several URLs in one field are separated by commas.",
        "Rotating the secret ends the old one soon after: store the new one as next secret here first.",
        "Sign-out at Auth0 needs RP-Initiated Logout End Session Endpoint Discovery switched on there.",
        (
            "The identity of a person changes with the connection (database, Google ...) they use at Auth0: "
            "then re-link the account here."
        ),
        (
            "Everybody of the connections enabled for the application can sign in at Auth0; whom we let in, "
            "the accounts here decide."
        ),
    ),
    errors=(
        KnownError("Callback URL mismatch", "The redirect URI is not registered.", _REGISTER),
        KnownError(
            "Unknown client",
            "This tenant has no application of this id.",
            "Compare the Authorization ID with Settings > Client ID, and the issuer with Settings > Domain.",
        ),
        KnownError(
            "Service not enabled within domain",
            "An API was asked for that the tenant does not have.",
            "Take anything but openid, email and profile out of the scopes, under Advanced.",
        ),
        KnownError("Unauthorized", "The Authorization Secret is probably wrong.", _COPY, is_common=True),
        KnownError(
            "Grant type 'password' not allowed for the client",
            "The password grant is off for this application.",
            "Settings > Advanced Settings > Grant Types, if the Session API shall use passwords.",
        ),
        KnownError(
            "Grant type 'authorization_code' not allowed for the client",
            "The application may not use the authorization code flow.",
            "Settings > Advanced Settings > Grant Types: tick Authorization Code.",
        ),
    ),
    recognised_by=(r"[^/]+\.auth0\.com(/|$)",),
)
