"""Why an OpenID Connect sign-in ends: one class per cause, with its words.

``{expected}`` and ``{got}`` hold addresses, algorithms and the like, cut by
``values.cut``; no code, token, secret or nonce is ever a fact or a detail.
"""

from __future__ import annotations

from lvportal.errors import ChangeRefused, SignInRefused

# --- Documents ---------------------------------------------------------------


class DocumentMalformed(SignInRefused):
    """A document of the provider that cannot be read."""

    code = "sign_in.document"
    user_message = "{provider} sent something that cannot be read."
    next_step = "Try again later. If it happens again, give your administrator the reference."
    administrator_step = (
        "Unreadable: {what}. It is not the JSON that the specification asks for. "
        "Check that the Issuer URL leads to the provider itself, not to a login page or a proxy."
    )
    step = 1


class KeySetMalformed(DocumentMalformed):
    """The provider's key document has no usable form (RFC 7517, section 5)."""

    code = "sign_in.keys"
    user_message = "{provider} published signing keys that cannot be read."
    administrator_step = "The provider's key document (jwks_uri) is not a JSON Web Key Set: repair it there."
    step = 4  # read when the first token is opened


# --- The provider's answer in the browser ------------------------------------


class AnswerRefused(SignInRefused):
    """The answer at the single sign-on URL is not one we can use."""

    code = "sign_in.answer"
    user_message = "{provider} sent an answer that cannot be used."
    next_step = "Start again from the sign-in page."
    administrator_step = "Compare the app at the provider with the instructions: code flow only."
    step = 2


class AnswerMalformed(AnswerRefused):
    code = "sign_in.answer_malformed"
    administrator_step = (
        "The provider's answer holds neither a usable code nor an error. "
        "The app must use the authorization code flow."
    )


class ParameterRepeated(AnswerRefused):
    """RFC 6749, section 3.1: a parameter occurs once."""

    code = "sign_in.repeated_parameter"
    administrator_step = (
        "A parameter came twice. Something between the provider and this address alters "
        "the answer: look for a proxy or a link that adds parameters."
    )


class TokensInAnswer(AnswerRefused):
    """An implicit or hybrid answer: tokens never travel through the browser."""

    code = "sign_in.implicit"
    administrator_step = (
        "The provider put a token into the answer. Allow only the authorization code grant for this app, "
        "and for a tile choose the login flow that redirects to the app."
    )


class ResponseModeWrong(AnswerRefused):
    code = "sign_in.response_mode"
    administrator_step = (
        "The answer came by {got} where {expected} was asked. "
        "Choose the response mode that the provider uses, under Advanced."
    )


class AnswerIssuerWrong(AnswerRefused):
    """A mix-up: another provider's answer (RFC 9207, section 2.4)."""

    code = "sign_in.answer_issuer"
    user_message = "The answer came from the wrong address."
    administrator_step = "Expected an answer from {expected}, got one from {got}. Correct the Issuer URL."


class AnswerIssuerMissing(AnswerRefused):
    """The provider says that it names itself in its answers, and did not (RFC 9207)."""

    code = "sign_in.answer_issuer_missing"
    user_message = "The answer does not say where it came from."
    administrator_step = (
        "The provider announces authorization_response_iss_parameter_supported but sent no iss. "
        "Something may have altered the answer; otherwise correct the provider's configuration."
    )


class ProviderRefused(SignInRefused):
    """The provider answered with an error."""

    code = "sign_in.provider_refused"
    user_message = "{provider} refused this sign-in."
    next_step = "Try again. If it happens again, give your administrator the reference."
    administrator_step = "The provider answered {error}. Its own log says more."
    step = 2


class NotAssigned(ProviderRefused):
    code = "sign_in.not_assigned"
    user_message = "{provider} has not given you this app."
    next_step = "Ask your administrator to assign the app to you."
    administrator_step = "Assign the app to the person, or to a group of theirs, at the provider."


class Declined(ProviderRefused):
    code = "sign_in.declined"
    user_message = "You did not agree to sign in at {provider}."
    next_step = "Start again and accept."
    administrator_step = (
        "The person declined. Consent given once for everybody at the provider saves the question."
    )


class AccessDenied(ProviderRefused):
    """``access_denied`` without a reason: the provider or the person said no."""

    code = "sign_in.access_denied"
    user_message = "{provider} did not let you into this app."
    next_step = "Try again and accept what it asks, or ask your administrator to give you the app."
    administrator_step = (
        "The provider answered access_denied: the person is not assigned, a policy forbids it, "
        "or they declined. Its log says which."
    )


class PolicyRefused(ProviderRefused):
    code = "sign_in.policy"
    user_message = "A sign-in policy of {provider} does not let you in."
    next_step = "Ask your administrator which policy applies to you."
    administrator_step = (
        "No rule of the provider's policies admits this sign-in. "
        "A rule must cover the app, the person, their device and all scopes that are asked."
    )


class AccountElsewhere(ProviderRefused):
    code = "sign_in.account_elsewhere"
    user_message = "The account you used at {provider} belongs to another organisation."
    next_step = "Try again with another account."
    administrator_step = "The account is not in this directory: invite it there, or compare the Issuer URL."


class AccountBlocked(ProviderRefused):
    code = "sign_in.account_blocked"
    user_message = "{provider} has locked or switched off your account."
    next_step = "Ask the people who run it to unlock your account."
    administrator_step = "Unlock or enable the account at the provider."


class LoginRequired(ProviderRefused):
    """login_required, interaction_required, account_selection_required (Core 3.1.2.6)."""

    code = "sign_in.login_required"
    user_message = "{provider} wants you to sign in there first."
    next_step = "Start again from the sign-in page and sign in at the provider."
    administrator_step = (
        "The provider asked for no interaction yet needs one: check its sign-on policy for the app."
    )


class ConsentRequired(ProviderRefused):
    code = "sign_in.consent_required"
    user_message = "{provider} needs a consent for this app that has not been given."
    next_step = "Ask your administrator to consent for your organisation."
    administrator_step = "Grant consent to the app for the whole organisation at the provider."


class ProviderUnavailable(ProviderRefused):
    """server_error or temporarily_unavailable (RFC 6749, section 4.1.2.1)."""

    code = "sign_in.provider_unavailable"
    user_message = "{provider} cannot sign anybody in at the moment."
    next_step = "Try again in a few minutes."
    administrator_step = "The provider answered {error}. Look at its status page and log."


class ScopeRefused(ProviderRefused):
    code = "sign_in.scope"
    user_message = "{provider} does not allow what this app asks for."
    next_step = "Give your administrator the reference."
    administrator_step = "Allow the scopes {scopes} for the app, or ask for fewer under Advanced."


class ClientNotAllowed(ProviderRefused):
    """unauthorized_client or unsupported_response_type in the browser's answer."""

    code = "sign_in.client_not_allowed"
    user_message = "{provider} does not let this app sign people in."
    next_step = "Give your administrator the reference."
    administrator_step = "Allow the authorization code grant for the app, and check that the app is enabled."


class RequestRefused(ProviderRefused):
    """invalid_request and its kin: the provider does not take our request."""

    code = "sign_in.request_refused"
    user_message = "{provider} did not accept the request of this app."
    next_step = "Give your administrator the reference."
    administrator_step = (
        "The provider answered {error}. Compare the app's type, redirect URIs and response mode with the "
        "instructions."
    )


class ClientUnknown(ProviderRefused):
    code = "sign_in.client_unknown"
    user_message = "{provider} does not know this app."
    next_step = "Give your administrator the reference."
    administrator_step = (
        "No enabled app has this Authorization ID at that issuer: compare both with the provider."
    )


# --- The token endpoint ------------------------------------------------------


class CodeExchangeRefused(SignInRefused):
    """The token endpoint gave no tokens."""

    code = "sign_in.token_refused"
    user_message = "{provider} did not complete the sign-in."
    next_step = "Try again. If it happens again, give your administrator the reference."
    administrator_step = (
        "The token endpoint answered {error} (status {status}). The provider's log says more."
    )
    step = 3


class SecretRefused(CodeExchangeRefused):
    """invalid_client for a client that sent its secret (RFC 6749, section 5.2)."""

    code = "sign_in.bad_secret"
    user_message = "{provider} refused our secret."
    next_step = "Tell your administrator: nobody can sign in until the secret is right."
    administrator_step = (
        "The Authorization Secret is expired or wrong, or the provider wants another client authentication "
        "than {method}: rotate the secret, or change the method under Advanced."
    )


class SecretExpired(SecretRefused):
    code = "sign_in.secret_expired"
    administrator_step = (
        "The Authorization Secret has expired at the provider: make a new one there and rotate."
    )


class SecretMissing(SecretRefused):
    """The provider treats the app as confidential, we as public."""

    code = "sign_in.secret_missing"
    user_message = "{provider} expects a secret of this app."
    administrator_step = (
        "Enter the Authorization Secret with type Web Application, or make the app public (Native) at the "
        "provider. "
        "If neither helps, the Authorization ID is not the app's."
    )


class SecretUnwanted(SecretRefused):
    """The provider treats the app as public, we as confidential."""

    code = "sign_in.secret_unwanted"
    user_message = "{provider} expects no secret of this app."
    administrator_step = (
        "The app is public at the provider: choose Native Application without a secret, or change it there."
    )


class CodeRefused(CodeExchangeRefused):
    """invalid_grant: the code is used, expired or bound to something else."""

    code = "sign_in.code_refused"
    user_message = "{provider} no longer accepts this sign-in."
    next_step = "Start again from the sign-in page."
    administrator_step = (
        "The provider refused the code as used, expired or given for another redirect URI. If it happens "
        "every time, compare both redirect URIs and check whether something opens the answer's address twice."
    )


class GrantOff(CodeExchangeRefused):
    """unauthorized_client or unsupported_grant_type."""

    code = "sign_in.grant_off"
    administrator_step = "Allow the authorization code grant for the app at the provider."


class RedirectMismatch(CodeExchangeRefused):
    code = "sign_in.redirect_mismatch"
    administrator_step = (
        "Register {expected} among the app's sign-in redirect URIs at the provider, letter by letter."
    )


class TokenEndpointUnavailable(CodeExchangeRefused):
    code = "sign_in.token_unavailable"
    user_message = "{provider} cannot sign anybody in at the moment."
    next_step = "Try again in a few minutes."
    administrator_step = (
        "The token endpoint answered with status {status}. Look at the provider's status page."
    )


class TokenAnswerMalformed(CodeExchangeRefused):
    """RFC 6749, section 5.1."""

    code = "sign_in.token_answer"
    user_message = "{provider} sent an answer that cannot be read."
    administrator_step = (
        "The token endpoint did not answer with the JSON that the specification asks for: "
        "check the Issuer URL, and that no proxy or login page stands before the endpoint."
    )


class AccessTokenTypeUnknown(CodeExchangeRefused):
    code = "sign_in.access_token_type"
    administrator_step = (
        "The provider issued an access token of type {got}; set the app to Bearer tokens (no DPoP)."
    )


class IdTokenMissing(CodeExchangeRefused):
    """OpenID Connect Core 1.0, section 3.1.3.3."""

    code = "sign_in.id_token_missing"
    user_message = "{provider} did not say who you are."
    administrator_step = (
        "The token endpoint sent no ID token: the app must be an OpenID Connect app and allow the scope "
        "openid."
    )


# --- The ID token ------------------------------------------------------------


class TokenRejected(SignInRefused):
    """An ID token that proves nothing."""

    code = "sign_in.token_rejected"
    user_message = "{provider} sent a proof of identity that cannot be accepted."
    next_step = "Try again. If it happens again, give your administrator the reference."
    administrator_step = "Give Customer Care the reference."
    step = 4


class TokenMalformed(TokenRejected):
    code = "sign_in.token_malformed"
    administrator_step = (
        "The ID token is not a signed JSON Web Token as specified: repair it at the provider."
    )


class TokenEncrypted(TokenRejected):
    code = "sign_in.token_encrypted"
    administrator_step = (
        "The ID token is encrypted: switch ID token encryption off for the app at the provider."
    )


class AlgorithmRefused(TokenRejected):
    code = "sign_in.algorithm"
    administrator_step = (
        "The ID token is signed with {got}, which this connection does not accept. "
        "Choose one of {expected} for the app at the provider; RS256 is the usual choice."
    )


class CriticalHeaderRefused(TokenRejected):
    """RFC 7515, section 4.1.11: what is not understood and critical is refused."""

    code = "sign_in.critical_header"
    administrator_step = (
        "The ID token demands an extension (crit) that no OpenID provider needs: switch it off there."
    )


class TokenTypeWrong(TokenRejected):
    """A logout token or an access token in an ID token's place (RFC 8725, section 3.11)."""

    code = "sign_in.token_type"
    administrator_step = "The provider sent a token of type {got} in the ID token's place: repair it there."


class KeyMissing(TokenRejected):
    code = "sign_in.key_missing"
    administrator_step = (
        "The ID token is signed with a key that the provider has not published. Publish it in its key "
        "document "
        "(jwks_uri) before using it; after a key change, wait a minute and try again."
    )


class SignatureWrong(TokenRejected):
    code = "sign_in.signature"
    administrator_step = (
        "The ID token's signature fits none of the provider's published keys. Check the Issuer URL; if it "
        "is right, "
        "somebody may have tampered with the token: tell the provider's operator."
    )


class IssuerWrong(TokenRejected):
    code = "sign_in.issuer"
    user_message = "The answer came from the wrong address."
    administrator_step = (
        "Expected {expected}, got {got}. Correct the Issuer URL, or fix the issuer at the provider."
    )


class AudienceWrong(TokenRejected):
    code = "sign_in.audience"
    administrator_step = (
        "The ID token was issued for {got}, not for this Authorization ID: compare it with the app at the "
        "provider."
    )


class AudienceUntrusted(TokenRejected):
    """OpenID Connect Core 1.0, section 3.1.3.7, check 3."""

    code = "sign_in.audience_untrusted"
    administrator_step = (
        "The ID token was issued for others too: {got}. Remove them at the provider, or name them as trusted."
    )


class AuthorizedPartyWrong(TokenRejected):
    """OpenID Connect Core 1.0, section 3.1.3.7, checks 4 and 5."""

    code = "sign_in.authorized_party"
    administrator_step = "The ID token's authorized party (azp) is {got}, not this Authorization ID."


class TokenTimeMalformed(TokenRejected):
    code = "sign_in.token_time"
    administrator_step = (
        "A time in the ID token (exp, iat, nbf, auth_time) is missing or is no number: repair it there."
    )


class TokenExpired(TokenRejected):
    code = "sign_in.token_expired"
    user_message = "The proof of identity from {provider} has expired."
    next_step = "Start again from the sign-in page."
    administrator_step = (
        "The ID token was {seconds} s too old when it came. Check the clock and the time zone of the "
        "provider, "
        "and the lifetime of its ID tokens."
    )


class ClockDisagrees(TokenRejected):
    """The provider's clock is off: a token with our fresh nonce carries an impossible time."""

    code = "sign_in.clock"
    user_message = "{provider}'s clock is {seconds} s off."
    next_step = "Ask your administrator to check its clock."
    administrator_step = "Correct the provider's clock; it is {direction} by {seconds} s."


class NonceWrong(TokenRejected):
    """OpenID Connect Core 1.0, section 3.1.3.7, check 11."""

    code = "sign_in.nonce"
    user_message = "The proof of identity from {provider} belongs to another sign-in."
    next_step = "Start again from the sign-in page."
    administrator_step = (
        "The ID token carries no nonce, or another sign-in's. If it happens every time, the provider or "
        "something "
        "before it repeats old answers or leaves the nonce out."
    )


class SubjectMissing(TokenRejected):
    """OpenID Connect Core 1.0, section 2: at most 255 ASCII characters, never empty."""

    code = "sign_in.subject_missing"
    administrator_step = (
        "The ID token has no usable sub (1 to 255 ASCII characters): correct the claim at the provider."
    )


class AccessTokenHashWrong(TokenRejected):
    """OpenID Connect Core 1.0, section 3.1.3.8."""

    code = "sign_in.at_hash"
    administrator_step = (
        "The ID token (at_hash) and the access token do not belong together: the provider must repair it."
    )


class AuthenticationTooOld(TokenRejected):
    """OpenID Connect Core 1.0, section 3.1.3.7, check 13."""

    code = "sign_in.authentication_age"
    user_message = "You signed in at {provider} too long ago."
    next_step = "Start again and enter your password there."
    administrator_step = "The provider must honour max_age and send auth_time."


class AuthenticationContextWrong(TokenRejected):
    """OpenID Connect Core 1.0, section 3.1.3.7, check 12."""

    code = "sign_in.acr"
    user_message = "{provider} did not ask you for the proof that your organisation demands."
    next_step = "Start again and use the stronger sign-in, for instance a second factor."
    administrator_step = "Expected acr {expected}, got {got}. Correct the sign-on policy at the provider."


# --- Claims ------------------------------------------------------------------


class ClaimsRefused(SignInRefused):
    """A genuine answer that does not say what we need."""

    code = "sign_in.claims"
    next_step = "Ask your administrator."
    administrator_step = "Compare the claims that arrived with what the connection asks for."
    step = 5


class UserInfoRefused(ClaimsRefused):
    code = "sign_in.userinfo_refused"
    user_message = "{provider} did not tell your email address."
    administrator_step = (
        "The UserInfo endpoint answered with status {status}. Allow the app's scopes {scopes} there."
    )


class UserInfoMalformed(ClaimsRefused):
    code = "sign_in.userinfo_answer"
    user_message = "{provider} sent something that cannot be read."
    administrator_step = "The UserInfo endpoint did not answer with a JSON object: repair it at the provider."


class UserInfoSigned(ClaimsRefused):
    code = "sign_in.userinfo_signed"
    user_message = "{provider} sent something that cannot be read."
    administrator_step = "UserInfo came signed or encrypted: choose plain JSON for the app at the provider."


class UserInfoSubjectWrong(ClaimsRefused):
    """OpenID Connect Core 1.0, section 5.3.2: otherwise the answer must not be used."""

    code = "sign_in.userinfo_subject"
    user_message = "{provider} described another person."
    administrator_step = "UserInfo and the ID token name different subjects (sub): repair it at the provider."


class NoEmail(ClaimsRefused):
    code = "sign_in.no_email"
    user_message = "{provider} sent no email."
    next_step = "Ask your administrator to release your email address to this app."
    administrator_step = (
        "The claim {expected} did not arrive. Arrived: {names}. Choose one as Email Attribute, or release "
        "it there."
    )


class EmailMalformed(ClaimsRefused):
    code = "sign_in.email_malformed"
    user_message = "{provider} sent something that is no email address."
    next_step = "Ask your administrator to correct your email address."
    administrator_step = (
        "The claim {expected} does not hold one email address: choose another, or correct it there."
    )


class EmailUnverified(ClaimsRefused):
    code = "sign_in.unverified"
    user_message = "{provider} has not confirmed your email."
    next_step = "Confirm your email address there, or ask your administrator."
    administrator_step = (
        "The claim email_verified: {got}. Have the email confirmed at the provider, "
        "or accept emails that are not marked verified, under Advanced."
    )


class HostedDomainWrong(ClaimsRefused):
    """Google signs in anybody; ``hd`` says whose account it is."""

    code = "sign_in.hosted_domain"
    user_message = "The account you used does not belong to your organisation."
    next_step = "Try again with your work account."
    administrator_step = "Expected an account of {expected}, got {got}."


# --- Configuration -----------------------------------------------------------


class ConfigurationRefused(ChangeRefused):
    """A connection that could never work, or would not be safe."""

    code = "change.connection"


class IssuerUnusable(ConfigurationRefused):
    code = "change.issuer"
    user_message = "The Issuer URL is missing or is no address."
    next_step = "Copy it from the provider, complete and without spaces."
    field = "issuer"


class ClientIdUnusable(ConfigurationRefused):
    code = "change.client_id"
    user_message = "The Authorization ID is missing or has characters that no provider uses."
    next_step = "Copy the client ID from the provider."
    field = "client_id"


class SecretUnusable(ConfigurationRefused):
    code = "change.client_secret"
    user_message = "The Authorization Secret is missing or has characters that no provider uses."
    next_step = "Copy the client secret from the provider, or choose Native Application without a secret."
    field = "client_secret"


class EmailClaimUnusable(ConfigurationRefused):
    code = "change.email_claim"
    user_message = "The Email Attribute is missing or has spaces."
    next_step = "Enter the name of one claim, for instance email."
    field = "email_claim"


class GroupsClaimUnusable(ConfigurationRefused):
    code = "change.groups_claim"
    user_message = "The Groups claim has spaces or is too long."
    next_step = "Enter the name of one claim, for instance groups."
    field = "groups_claim"


class ScopesUnusable(ConfigurationRefused):
    code = "change.scopes"
    user_message = "A scope is empty or has characters that are not allowed."
    next_step = "Enter names separated by spaces, for instance openid email profile."
    field = "scopes"


class AlgorithmsUnusable(ConfigurationRefused):
    """An algorithm list with ``none``, an unknown name, or HS256 where the secret cannot carry it."""

    code = "change.algorithms"
    user_message = "These signature algorithms cannot be accepted."
    next_step = "Choose RS256, or HS256 only with a secret of at least 32 characters."
    field = "allowed_algorithms"


class HostedDomainUnusable(ConfigurationRefused):
    code = "change.hosted_domain"
    user_message = "The hosted domain is no domain name."
    next_step = "Enter your organisation's domain, for instance example.com."
    field = "required_hosted_domain"


class LimitUnusable(ConfigurationRefused):
    """A leeway or a maximum age outside what is safe."""

    code = "change.limits"
    user_message = "A time limit is outside what is allowed."
    next_step = "Allow for a clock difference of 0 to 300 seconds, and for an age of 0 seconds and more."
    field = "leeway_seconds"
