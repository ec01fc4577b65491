"""Microsoft Entra ID, formerly Azure Active Directory."""

from __future__ import annotations

from .known import Guide, GuideRow, KnownError, KnownProvider

WEB = Guide(
    "web",
    "Microsoft Entra ID, platform Web",
    (
        GuideRow(
            "entra.microsoft.com > Entra ID > App registrations",
            "Choose",
            "New registration, Accounts in this organizational directory only. "
            "Older centers: Identity > Applications > App registrations",
        ),
        GuideRow(
            "Authentication > Redirect URI configuration > Add Redirect URI",
            "Choose",
            "Web. Older centers: Add a platform > Web",
        ),
        GuideRow(
            "Redirect URIs",
            "Paste",
            "{user_url}\n{agent_url}\n{signed_out_user_url}\n{signed_out_agent_url}",
        ),
        GuideRow(
            "Certificates & secrets > New client secret",
            "Copy",
            "The Value, not the Secret ID. It is shown once; write down when it expires",
        ),
        GuideRow("Overview", "Copy", "Application (client) ID"),
        GuideRow(
            "Overview > Endpoints",
            "Copy",
            "The issuer: https://login.microsoftonline.com/, your Directory (tenant) ID and /v2.0",
        ),
        GuideRow(
            "Enterprise apps > the app > Properties",
            "Choose",
            "Assignment required? Yes lets in only the people you assign",
        ),
        GuideRow(
            "Enterprise apps > the app > Users and groups",
            "Choose",
            "Add user/group: your users and agents",
        ),
        GuideRow("Branding & properties > Home page URL (only for a tile)", "Paste", "{user_url}"),
    ),
)

_ELSEWHERE = "Sign in with an account of this organisation, or invite the person as a guest."
_CONSENT = "An administrator grants consent: Enterprise apps > the app > Permissions > Grant admin consent."
_REGISTER = "Authentication > Web: paste both URLs of step 1, letter by letter."
_MFA = "The person completes it at the next sign-in in the browser."

ENTRA = KnownProvider(
    key="entra",
    label="Microsoft Entra ID",
    choice="Microsoft Entra ID (Azure AD)",
    client_id_word="Application (client) ID",
    secret_word="Client secret, Value",  # noqa: S106 (a label)
    issuer_hint="https://login.microsoftonline.com/, your Directory (tenant) ID and /v2.0. See Overview.",
    default_email_claim="email",
    marks_emails_verified=False,
    default_client_authentication="client_secret_post",
    guides=(WEB,),
    traps=(
        "Copy the secret's Value. The Secret ID beside it is no secret.",
        "A client secret lasts at most 24 months: enter its expiry date, and we warn you in time.",
        "The issuer holds your tenant's id. /common, /organizations and /consumers are refused.",
        "Without /v2.0 it is another issuer, of the older version.",
        "Entra ID does not mark emails as verified: your administrators decide what stands there.",
        "Accounts without a mailbox may have no email: then enter preferred_username as Email Attribute.",
        "There is no field for sign-out addresses: they stand among the redirect URIs.",
    ),
    errors=(
        KnownError("AADSTS50011", "The redirect URI differs from those registered.", _REGISTER),
        KnownError("AADSTS500113", "No redirect URI is registered.", _REGISTER),
        KnownError("AADSTS900971", "No redirect URI is registered.", _REGISTER),
        KnownError(
            "AADSTS50105",
            "The person is not assigned to the app.",
            "Enterprise apps > the app > Users and groups > Add user/group.",
        ),
        KnownError("AADSTS50020", "The account is not of this organisation.", _ELSEWHERE),
        KnownError("AADSTS50034", "This organisation has no such account.", _ELSEWHERE),
        KnownError("AADSTS16000", "The account is not of this organisation.", _ELSEWHERE),
        KnownError("AADSTS90072", "The account is not of this organisation.", _ELSEWHERE),
        KnownError("AADSTS500208", "The account is a personal one.", _ELSEWHERE),
        KnownError("AADSTS65001", "Nobody has consented to the app yet.", _CONSENT),
        KnownError("AADSTS65004", "The person declined to share their data.", "Sign in again and accept."),
        KnownError("AADSTS90094", "An administrator must consent.", _CONSENT),
        KnownError("AADSTS90095", "An administrator must consent.", _CONSENT),
        KnownError("AADSTS650056", "An administrator must consent.", _CONSENT),
        KnownError(
            "AADSTS700016",
            "This tenant has no app of this id.",
            "Compare Authorization ID with Overview > Application (client) ID, and the issuer's tenant id.",
        ),
        KnownError(
            "AADSTS90002",
            "There is no such tenant.",
            "Compare the id in the issuer with Overview > Directory (tenant) ID.",
        ),
        KnownError(
            "AADSTS50194",
            "The app is for one organisation, and the address for every one.",
            "Put your tenant's id in the place of common in the issuer.",
        ),
        KnownError(
            "AADSTS90009",
            "The app asks for a token for itself by a name.",
            "Use the app's id (GUID) as Authorization ID.",
        ),
        KnownError(
            "AADSTS7000112", "The app is switched off.", "Enterprise apps > the app > Properties: enable it."
        ),
        KnownError(
            "AADSTS70001", "The app is switched off or unknown.", "Enterprise apps > the app > Properties."
        ),
        KnownError(
            "AADSTS7000215",
            "The secret is wrong.",
            "Enter the secret's Value, not its Secret ID; or make a new one.",
        ),
        KnownError("AADSTS7000222", "The secret has expired.", "Certificates & secrets > New client secret."),
        KnownError(
            "AADSTS7000218",
            "A secret is expected and none was sent.",
            "Choose Web Application here and enter the secret's Value.",
        ),
        KnownError(
            "AADSTS700025",
            "The app is public, and a secret was sent.",
            "Register the redirect URIs under the platform Web.",
        ),
        KnownError(
            "AADSTS9002327",
            "The redirect URIs seem to stand under Single-page application.",
            "Register them under the platform Web instead.",
        ),
        KnownError(
            "AADSTS700054",
            "An ID token was asked for in the browser, which this portal does not do.",
            "Start again from the portal's own sign-in page.",
        ),
        KnownError("AADSTS54005", "The code was used before.", "Start the sign-in again."),
        KnownError("AADSTS70008", "The code or session has expired.", "Start the sign-in again."),
        KnownError(
            "AADSTS501481", "The PKCE verifier does not fit.", "Start the sign-in again, in one browser."
        ),
        KnownError("AADSTS50058", "Nobody is signed in at Microsoft.", "Start the sign-in again."),
        KnownError(
            "AADSTS50126", "The name or password is wrong.", "Try again, or reset the password at Microsoft."
        ),
        KnownError("AADSTS50055", "The password has expired.", "Change it at Microsoft."),
        KnownError("AADSTS50053", "The account is locked.", "Wait, or unlock it at Microsoft."),
        KnownError("AADSTS50057", "The account is switched off.", "Enable it in Entra ID."),
        KnownError("AADSTS50074", "A second factor is needed.", _MFA),
        KnownError("AADSTS50076", "A second factor is needed.", _MFA),
        KnownError("AADSTS50079", "A second factor must be set up.", _MFA),
        KnownError(
            "AADSTS53000",
            "Conditional Access asks for a managed device.",
            "Use such a device, or change the policy for this app.",
        ),
        KnownError(
            "AADSTS53003",
            "Conditional Access blocks this sign-in.",
            "Look at Sign-in logs > Conditional Access, and change the policy for this app.",
        ),
    ),
    recognised_by=(
        r"login\.microsoftonline\.(com|us)(/|$)",
        r"login\.partner\.microsoftonline\.cn(/|$)",
        r"sts\.windows\.net(/|$)",
        r"[^/]+\.ciamlogin\.com(/|$)",
    ),
)
