"""Active Directory Federation Services, of Windows Server 2019 and later."""

from __future__ import annotations

from .known import Guide, GuideRow, KnownError, KnownProvider

WEB = Guide(
    "web",
    "AD FS",
    (
        GuideRow(
            "AD FS Management > Application Groups > Add Application Group",
            "Choose",
            "Server application accessing a web API",
        ),
        GuideRow(
            "Server application",
            "Copy",
            "Client Identifier: it becomes the Authorization ID",
        ),
        GuideRow(
            "Redirect URI", "Paste", "{user_url}\n{agent_url}\n{signed_out_user_url}\n{signed_out_agent_url}"
        ),
        GuideRow(
            "Configure Application Credentials > Generate a shared secret",
            "Copy",
            "The secret. It is shown once",
        ),
        GuideRow("Configure Web API > Identifier", "Choose", "The same Client Identifier"),
        GuideRow(
            "Configure Application Permissions > Permitted scopes", "Choose", "openid, allatclaims, email"
        ),
        GuideRow(
            "Web API > Issuance Transform Rules > Add Rule",
            "Choose",
            "Send LDAP Attributes as Claims: E-Mail-Addresses to E-Mail Address",
        ),
        GuideRow("The issuer", "Copy", "https://, the federation service's host, /adfs"),
    ),
)

_GRANT = "Allow it with Grant-AdfsApplicationPermission, or in the Web API's Client Permissions."
_CLIENT = "Compare the Authorization ID with the server application's Client Identifier."
_AGAIN = "Generate a shared secret again and paste it; it is shown once."

ADFS = KnownProvider(
    key="adfs",
    label="AD FS",
    choice="AD FS 2019 or later",
    client_id_word="Client Identifier",
    secret_word="shared secret",  # noqa: S106 (a label)
    issuer_hint="https://, the federation service's host, /adfs",
    default_email_claim="email",
    marks_emails_verified=False,
    default_client_authentication="client_secret_post",
    guides=(WEB,),
    traps=(
        (
            "The email must stand in the ID token, for UserInfo has none: scope allatclaims, Response mode "
            "by a form (form_post), and a rule that issues the E-Mail Address."
        ),
        "The Web API's identifier must be the same as the Client Identifier.",
        "An address with /adfs/ls or /adfs/services/trust belongs to other protocols.",
        "AD FS does not mark emails as verified: your administrators decide what stands there.",
        "There is no field for sign-out addresses: they stand among the redirect URIs.",
        "Where people have no mailbox, enter upn as Email Attribute.",
        "AD FS shows people only an Activity ID; the cause stands in its event log (Event 364).",
    ),
    errors=(
        KnownError("MSIS9223", "AD FS does not know the Authorization ID.", _CLIENT),
        KnownError(
            "MSIS9224",
            "The redirect URI is not registered.",
            "Server application > Redirect URI: paste both URLs of step 1, letter by letter.",
        ),
        KnownError(
            "MSIS9221",
            "The request named no redirect URI.",
            "Start from the portal's sign-in page, and register both URLs of step 1 as redirect URIs.",
        ),
        KnownError("MSIS9605", "The app may not use this resource or scope.", _GRANT),
        KnownError("MSIS9321", "The app may not use this resource.", _GRANT),
        KnownError(
            "MSIS9602",
            "AD FS does not know the resource.",
            "Give the Web API the Client Identifier as its identifier.",
        ),
        KnownError("MSIS9607", "The token endpoint does not know the Authorization ID.", _CLIENT),
        KnownError("MSIS9622", "The secret is wrong.", _AGAIN),
        KnownError(
            "MSIS9659",
            "The name or password is wrong.",
            "Try again, or reset the password in Active Directory.",
        ),
        KnownError(
            "Event 364",
            "AD FS refused the request; this number alone does not say why.",
            "Look in the AD FS event log for the MSIS code beside the Activity ID, and paste that.",
        ),
        KnownError(
            "Activity ID",
            "AD FS refused the request; its page does not say why.",
            "Look in the AD FS event log (Event 364) for this Activity ID, and paste the MSIS code here.",
            is_common=True,
        ),
    ),
    recognised_by=(r"[^/?#]+/adfs(/|$)",),
    default_scopes="openid email profile allatclaims",
    default_response_mode="form_post",
)
