"""Google Workspace: one issuer for every organisation, told apart by the hosted domain."""

from __future__ import annotations

from .known import Guide, GuideRow, KnownError, KnownProvider

WEB = Guide(
    "web",
    "Google Workspace",
    (
        GuideRow("console.cloud.google.com", "Choose", "A project of your organisation, or a new one"),
        GuideRow(
            "Google Auth Platform > Audience",
            "Choose",
            "Internal: only accounts of your organisation may use the app",
        ),
        GuideRow("Google Auth Platform > Clients > Create client", "Choose", "Web application"),
        GuideRow("Authorized redirect URIs", "Paste", "{user_url}\n{agent_url}"),
        GuideRow(
            "The new client",
            "Copy",
            "Client ID and Client secret. The secret is shown once",
        ),
        GuideRow("The issuer", "Copy", "It is the same for everybody: https://accounts.google.com"),
        GuideRow(
            "Here, step 3, Advanced > Hosted domain",
            "Choose",
            "Your Workspace domain, for instance acme.example: people of other domains are refused",
        ),
    ),
)

_REGISTER = "Clients > the client > Authorized redirect URIs: paste both URLs of step 1, letter by letter."
_ADMIN = "A Workspace administrator allows the app in the Admin console, among the API controls."

GOOGLE = KnownProvider(
    key="google",
    label="Google",
    choice="Google Workspace",
    client_id_word="Client ID",
    secret_word="Client secret",  # noqa: S106 (a label)
    issuer_hint="The same for every organisation: https://accounts.google.com, without a slash at the end.",
    default_email_claim="email",
    marks_emails_verified=True,
    default_client_authentication="client_secret_basic",
    guides=(WEB,),
    traps=(
        (
            "Google's issuer is the same for everybody: enter your Hosted domain under Advanced. Without it "
            "any Google account would pass Google's part."
        ),
        "The Audience must be Internal; an External app in testing lets in only its test users.",
        "Google has no sign-out address: people stay signed in at Google, and the signed-out page says so.",
        "Google does not assign people to an app: readiness here shows who can sign in.",
        "A Native Application is not possible: choose Web application.",
        "The client secret is shown once. To rotate it, add a second one, then remove the first.",
    ),
    errors=(
        KnownError("redirect_uri_mismatch", "The redirect URI is not registered.", _REGISTER),
        KnownError(
            "org_internal",
            "The account is of another organisation, and the app is for yours alone.",
            "Sign in with an account of your Workspace, or check in which project the client was made.",
        ),
        KnownError("admin_policy_enforced", "Your Workspace administrator blocks this app.", _ADMIN),
        KnownError("access_not_configured", "Your Workspace administrator has not allowed this app.", _ADMIN),
        KnownError(
            "The OAuth client was not found",
            "Google does not know the Authorization ID.",
            "Copy the Client ID again; it usually ends with .apps.googleusercontent.com.",
        ),
        KnownError(
            "deleted_client",
            "The client was deleted at Google.",
            "Create a new client (or restore the old one, if Google offers it) and paste its values.",
        ),
        KnownError(
            "access_denied",
            "The person said no, or the app is in testing and the person is no test user.",
            "Google Auth Platform > Audience: choose Internal.",
            is_common=True,
        ),
        KnownError(
            "invalid_client",
            "Google does not know the client, or refuses its secret.",
            "Copy the Client ID and the Client secret again, of the same client.",
            is_common=True,
        ),
    ),
    recognised_by=(r"accounts\.google\.com(/|$)",),
    needs_hosted_domain=True,
)
