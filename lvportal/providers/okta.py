"""Okta (org and custom authorization servers)."""

from __future__ import annotations

from .known import Guide, GuideRow, KnownError, KnownProvider

_REDIRECTS = (
    GuideRow("Sign-in redirect URIs", "Paste", "{user_url}\n{agent_url}"),
    GuideRow("Sign-out redirect URIs", "Paste", "{signed_out_user_url}\n{signed_out_agent_url}"),
    GuideRow("Assignments", "Choose", "The groups of your users and agents"),
)
_CREATE = (
    GuideRow(
        "Admin Console > Applications",
        "Choose",
        "Applications > Create App Integration. Newer consoles: Applications and Resources > Applications, "
        "then Create App Integration > Classic experience",
    ),
    GuideRow("Sign-in method", "Choose", "OIDC - OpenID Connect"),
)
_ISSUER = GuideRow(
    "Sign On > OpenID Connect ID Token > Issuer",
    "Copy",
    "Choose the fixed address, not Dynamic (based on request domain). "
    "For a custom authorization server: Security > API, its Issuer URI",
)
_TILE = (
    GuideRow(
        "General > Login (only for a tile)",
        "Choose",
        "Login initiated by: Either Okta or App. "
        "Login flow: Redirect to app to initiate login (OIDC Compliant)",
    ),
    GuideRow("Initiate login URI (only for a tile)", "Paste", "{user_url}"),
)

WEB = Guide(
    "web",
    "Okta, Web Application",
    (
        *_CREATE,
        GuideRow("Application type", "Choose", "Web Application"),
        GuideRow("Grant type", "Choose", "Authorization Code"),
        *_REDIRECTS,
        *_TILE,
        GuideRow("General > Client Credentials", "Copy", "Client ID and Client secret"),
        _ISSUER,
    ),
    traps=("Resource Owner Password is not offered here: for the Session API take a Native Application.",),
)

NATIVE = Guide(
    "native",
    "Okta, Native Application",
    (
        *_CREATE,
        GuideRow("Application type", "Choose", "Native Application"),
        GuideRow(
            "Grant type",
            "Choose",
            "Authorization Code. For the Session API also Resource Owner Password, under Advanced "
            "(Classic Engine: in the same list)",
        ),
        *_REDIRECTS,
        *_TILE,
        GuideRow(
            "General > Client Credentials > Edit > Client authentication",
            "Choose",
            "None works with PKCE and needs no secret. Client secret, then Save, makes a secret, as Resource "
            "Owner Password needs",
        ),
        GuideRow("General > Client Credentials", "Copy", "Client ID, and Client secret if there is one"),
        _ISSUER,
    ),
    traps=(
        "It starts without a secret. Client authentication > Client secret makes one for the password grant.",
        "Okta's front-channel logout is not offered for Native Applications.",
    ),
)

OKTA = KnownProvider(
    key="okta",
    label="Okta",
    choice="Okta",
    client_id_word="Client ID",
    secret_word="Client secret",  # noqa: S106 (a label)
    issuer_hint="In Okta: Sign On tab, OpenID Connect ID Token, Issuer. No slash at the end.",
    default_email_claim="email",
    marks_emails_verified=True,
    default_client_authentication="client_secret_basic",
    guides=(WEB, NATIVE),
    traps=(
        "Take the fixed issuer. With Dynamic it changes with the address people use.",
        "With a custom authorization server keep /oauth2/…: the plain address is another issuer.",
        "The Admin Console's address (-admin) is not the issuer.",
        "A custom authorization server needs an access policy for this app, your people and all scopes.",
        "The tile's Initiate login URI is the User Single Sign On URL.",
    ),
    errors=(
        KnownError(
            "must be a Login redirect URI in the client app settings",
            "A redirect URI is not registered, letter by letter.",
            "Paste both URLs of step 1 into Sign-in redirect URIs; capital letters and slashes count.",
        ),
        KnownError(
            "illegal_redirect_uri",
            "A redirect URI is not registered, letter by letter.",
            "Paste both URLs of step 1 into Sign-in redirect URIs; capital letters and slashes count.",
        ),
        KnownError(
            "must be a Logout redirect URI in the client app settings",
            "The signed-out address is not registered.",
            "Paste both signed-out URLs into Sign-out redirect URIs.",
        ),
        KnownError(
            "post_logout_redirect_uri",
            "The signed-out address is not registered.",
            "Paste both signed-out URLs into Sign-out redirect URIs.",
        ),
        KnownError(
            "Invalid value for 'client_id' parameter",
            "Okta does not know the Authorization ID.",
            "Copy the Client ID again from General > Client Credentials, and check that the issuer is of the "
            "same organisation.",
        ),
        KnownError(
            "User is not assigned to the client application",
            "The person does not have this app.",
            "Assign the app to the person or to one of their groups, under Assignments.",
        ),
        KnownError(
            "Policy evaluation failed for this request",
            "The authorization server's access policy does not allow it.",
            "Security > API > the server > Access Policies: a rule must cover this app, the person and all "
            "scopes.",
        ),
        KnownError(
            "no_matching_policy",
            "The authorization server's access policy does not allow it.",
            "Security > API > the server > Access Policies: a rule must cover this app, the person and all "
            "scopes.",
        ),
        KnownError(
            "The client secret supplied for a confidential client is invalid",
            "The Authorization Secret is wrong or inactive.",
            "Copy the Client secret again from General > Client Credentials.",
        ),
        KnownError(
            "Client authentication failed",
            "Okta refused how we proved ourselves: secret, method, or an app of another organisation.",
            "Compare Client authentication at Okta with the one under Advanced, then copy the secret again.",
        ),
        KnownError(
            "The credentials provided were invalid",
            "The name or password is wrong.",
            "Try again, or reset the password at Okta.",
        ),
        KnownError(
            "login_required",
            "Nobody is signed in at Okta.",
            "Start the sign-in again, from the portal or the tile.",
            is_common=True,
        ),
        KnownError(
            "unauthorized_client",
            "The app may not use this grant.",
            "General > Grant type: Authorization Code must be ticked.",
            is_common=True,
        ),
        KnownError(
            "E0000015",
            "This organisation has no licence for custom authorization servers.",
            "Use the plain address https://….okta.com as Issuer URL.",
        ),
        KnownError(
            "E0000007",
            "Okta knows no authorization server of this id.",
            "Copy the issuer again from the app's Sign On tab.",
        ),
    ),
    recognised_by=(r"[^/]+\.(okta|oktapreview|okta-emea)\.com(/|$)",),
)
