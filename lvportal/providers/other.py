"""Any other provider that speaks OpenID Connect: the values, in the specification's words."""

from __future__ import annotations

from .known import Guide, GuideRow, KnownError, KnownProvider

_VALUES = (
    GuideRow("Grant type", "Choose", "Authorization Code, with PKCE (S256) if it can be chosen"),
    GuideRow("Redirect URIs", "Paste", "{user_url}\n{agent_url}"),
    GuideRow("Post-logout redirect URIs", "Paste", "{signed_out_user_url}\n{signed_out_agent_url}"),
    GuideRow("Scopes", "Choose", "openid, email, profile"),
    GuideRow("Initiate login URI (only for a tile)", "Paste", "{user_url}"),
    GuideRow("People", "Choose", "Your users and agents, if the provider asks for whom the app is"),
)

OTHER = KnownProvider(
    key="other",
    label="your sign-in provider",
    choice="Another provider",
    client_id_word="client_id",
    secret_word="client_secret",  # noqa: S106 (a label)
    issuer_hint="The provider's issuer, exactly: its own document names it, the last slash included.",
    default_email_claim="email",
    marks_emails_verified=True,
    default_client_authentication="client_secret_basic",
    guides=(
        Guide(
            "web",
            "Another provider, confidential application",
            (
                GuideRow("Application type", "Choose", "Web or confidential, with a client secret"),
                *_VALUES,
                GuideRow("Credentials", "Copy", "Client ID and client secret"),
                GuideRow("Discovery document", "Copy", "The value of issuer"),
            ),
        ),
        Guide(
            "native",
            "Another provider, public application",
            (
                GuideRow("Application type", "Choose", "Native or public, with PKCE"),
                *_VALUES,
                GuideRow("Credentials", "Copy", "Client ID, and the client secret if there is one"),
                GuideRow("Discovery document", "Copy", "The value of issuer"),
            ),
        ),
    ),
    traps=(
        "Only the authorization code flow is used; the implicit flow can stay off.",
        "Redirect URIs are compared letter by letter: no slash more, no capital letter less.",
        "The email must be marked as verified (email_verified), in the ID token or at UserInfo.",
    ),
    errors=(
        KnownError(
            "redirect_uri",
            "A redirect URI is not registered, letter by letter.",
            "Paste both URLs of step 1 into the app's redirect URIs; capital letters and slashes count.",
        ),
        KnownError(
            "redirect uri",
            "A redirect URI is not registered, letter by letter.",
            "Paste both URLs of step 1 into the app's redirect URIs; capital letters and slashes count.",
        ),
        KnownError(
            "redirect_uri_mismatch",
            "A redirect URI is not registered, letter by letter.",
            "Paste both URLs of step 1 into the app's redirect URIs; capital letters and slashes count.",
        ),
        KnownError(
            "invalid_client",
            "The provider does not know the app, or refuses its secret.",
            "Copy the client id and the secret again; compare the client authentication under Advanced.",
        ),
        KnownError(
            "unauthorized_client",
            "The app may not use this flow.",
            "Allow the authorization code grant for the app.",
        ),
        KnownError(
            "unsupported_response_type",
            "The app may not use the code flow.",
            "Allow the response type code for the app.",
        ),
        KnownError(
            "invalid_scope",
            "The app may not ask for one of the scopes.",
            "Allow openid, email and profile for the app, or take the scope out under Advanced.",
        ),
        KnownError(
            "access_denied",
            "The provider or the person said no.",
            "Assign the app to the person, or look at the provider's policies.",
        ),
        KnownError(
            "redirect_mismatch",
            "A redirect URI is not registered, letter by letter.",
            "Paste both URLs of step 1 into the app's callback URLs (Cognito: Allowed callback URLs).",
        ),
        KnownError(
            "One or more validation errors",
            "The request does not fit the app: usually the redirect URI is not registered (PingOne).",
            "Paste both URLs of step 1 into the app's redirect URIs; capital letters and slashes count.",
        ),
        KnownError(
            "Errors.App.NotFound",
            "The provider does not know the Authorization ID (Zitadel).",
            "Copy the client id again from the app.",
        ),
        KnownError(
            "invalid_grant",
            "The code was used before, is too old, or was made for another app.",
            "Start the sign-in again.",
        ),
        KnownError("login_required", "Nobody is signed in at the provider.", "Start the sign-in again."),
        KnownError(
            "consent_required",
            "Nobody has consented to the app yet.",
            "An administrator of the provider consents for all.",
        ),
    ),
)
