"""Keycloak (and Red Hat's build of it)."""

from __future__ import annotations

from .known import Guide, GuideRow, KnownError, KnownProvider

_CREATE = (
    GuideRow(
        "Your realm (top left; not master)",
        "Choose",
        "Clients > Create client, Client type OpenID Connect. The Client ID is yours to choose",
    ),
)
_ADDRESSES = (
    GuideRow("Valid redirect URIs", "Paste", "{user_url}\n{agent_url}"),
    GuideRow("Valid post logout redirect URIs", "Paste", "{signed_out_user_url}\n{signed_out_agent_url}"),
    GuideRow("Home URL (only for a tile)", "Paste", "{user_url}"),
)
_ISSUER = GuideRow(
    "Realm settings > Endpoints > OpenID Endpoint Configuration",
    "Copy",
    "The value of issuer: https://, the host, /realms/ and the realm's name. Capital letters count",
)

WEB = Guide(
    "web",
    "Keycloak, with a secret",
    (
        *_CREATE,
        GuideRow("Capability config", "Choose", "Client authentication On, Standard flow on"),
        *_ADDRESSES,
        GuideRow("Credentials > Client Secret", "Copy", "The secret, and the Client ID you chose"),
        _ISSUER,
    ),
)
NATIVE = Guide(
    "native",
    "Keycloak, public client",
    (
        *_CREATE,
        GuideRow("Capability config", "Choose", "Client authentication Off, Standard flow on"),
        *_ADDRESSES,
        GuideRow("Settings > Client ID", "Copy", "The Client ID you chose; there is no secret"),
        _ISSUER,
    ),
)

_REGISTER = (
    "Clients > the client > Valid redirect URIs: paste both URLs of step 1, letter by letter, without a *."
)
_CLIENT = (
    "Compare the Authorization ID with the Client ID, and the realm in the issuer with the client's realm."
)
_COPY = "Copy it again from Credentials > Client Secret. Regenerate ends the old one at once."

KEYCLOAK = KnownProvider(
    key="keycloak",
    label="Keycloak",
    choice="Keycloak",
    client_id_word="Client ID",
    secret_word="Client Secret",  # noqa: S106 (a label)
    issuer_hint="https://, the host, /realms/ and the realm's name, without a slash at the end.",
    default_email_claim="email",
    marks_emails_verified=True,
    default_client_authentication="client_secret_basic",
    guides=(WEB, NATIVE),
    traps=(
        "The issuer names the realm, letter by letter: /realms/acme and /realms/Acme are two.",
        "An address with /admin/ is the console. The realm master administers Keycloak itself.",
        "Versions before 17 usually have /auth before /realms/.",
        "Redirect URIs are compared letter by letter: no slash more.",
        "An issuer with an internal host name cannot be reached from here: set Keycloak's public host name.",
        "A person's email must be marked as verified: Users > the person > Email verified.",
        "Back-channel logout works only while Front channel logout is Off.",
        "Regenerating the secret ends the old one at once: store the new one as next secret here.",
    ),
    errors=(
        KnownError("Invalid parameter: redirect_uri", "The redirect URI is not registered.", _REGISTER),
        KnownError(
            "Invalid redirect uri",
            "The signed-out address is not registered.",
            "Clients > the client > Valid post logout redirect URIs: paste both signed-out URLs of step 1.",
        ),
        KnownError("Client not found", "This realm has no such client.", _CLIENT),
        KnownError(
            "Client disabled", "The client is switched off.", "Clients > the client: switch Enabled on."
        ),
        KnownError(
            "Realm not enabled", "The realm is switched off.", "Realm settings > General: switch Enabled on."
        ),
        KnownError(
            "Realm does not exist",
            "Keycloak has no realm of this name.",
            "Copy the issuer again: the realm's name counts letter by letter, and /auth stands before "
            "/realms/ only in older versions.",
        ),
        KnownError(
            "Standard flow is disabled",
            "The client may not use the authorization code flow.",
            "Clients > the client > Capability config: switch Standard flow on.",
        ),
        KnownError(
            "Cookie not found",
            "The browser did not bring Keycloak's cookie back.",
            "Start the sign-in again, in one window, and allow cookies for Keycloak's address.",
        ),
        KnownError(
            "Invalid client or Invalid client credentials",
            "The Authorization ID or the Authorization Secret is wrong.",
            _COPY,
        ),
        KnownError("Code not valid", "The code was used before or is too old.", "Start the sign-in again."),
        KnownError(
            "Client not allowed for direct access grants",
            "The password grant is off for this client.",
            "Capability config > Direct access grants, if the Session API shall use passwords.",
        ),
    ),
    recognised_by=(r"[^/?#]+(/[^/?#]+)*?/realms/[^/?#]+",),
)
