"""Every refusal the portal knows, as one tree.

A class is a cause. Its ``code`` is stable and never reused, its words are the
only place where that cause is put into words: pages, API, command line and
documentation all take them from here.

``user_message`` and the two steps are templates. ``{client}``, ``{provider}``
and ``{email}`` are filled from ``facts`` when known, and with a plain phrase
when not, so that a sentence never shows a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

UNKNOWN_FACTS = {
    "client": "Your organisation",
    "provider": "Your sign-in provider",
    "email": "this email",
}


class PortalError(Exception):
    """A refusal with a cause the person can act on."""

    code: ClassVar[str] = "portal.error"
    status: ClassVar[int] = 400
    user_message: ClassVar[str] = "This could not be done."
    next_step: ClassVar[str] = "Try again."
    administrator_step: ClassVar[str] = "None."

    def __init__(self, detail: str = "", **facts: object) -> None:
        """Keep ``detail`` for the log and the sign-in record; ``facts`` fill the words."""
        super().__init__(detail or self.user_message)
        self.detail = detail
        self.facts = facts

    def words(self, template: str, **more: object) -> str:
        """Fill one of this error's templates. Never raises on a missing fact."""
        return fill(template, {**self.facts, **more})


def fill(template: str, facts: dict[str, object]) -> str:
    """Fill ``template``; a fact nobody knows becomes a plain phrase.

    A phrase that begins the sentence begins with a capital, any other with a small letter.
    """
    known = _Facts(facts)
    for name, phrase in UNKNOWN_FACTS.items():
        if known.get(name) in (None, ""):
            begins = template.startswith("{" + name + "}")
            known[name] = phrase if begins else phrase[0].lower() + phrase[1:]
    if template.startswith("{provider}"):
        # "your sign-in provider" is what a provider without a name of its own is called.
        called = str(known["provider"])
        known["provider"] = called[:1].upper() + called[1:]
    return template.format_map(known)


class _Facts(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return "unknown"


# --- The sign-in ------------------------------------------------------------

STEPS = (
    "went out",
    "came back",
    "code exchanged",
    "token verified",
    "claims read",
    "account matched",
)
"""The six steps of a sign-in, as people read them. An error names where it stopped."""


class SignInRefused(PortalError):
    """A sign-in that ended without a session."""

    code = "sign_in.refused"
    status = 403
    user_message = "You could not be signed in."
    next_step = "Try again. If it happens again, give your administrator the reference."
    step: int = 2  # 1-6, a position in STEPS

    def __init__(
        self,
        detail: str = "",
        *,
        claim_names: tuple[str, ...] = (),
        provider_said: str = "",
        **facts: object,
    ) -> None:
        """``claim_names``: which claims had arrived. ``provider_said``: its own text, cut."""
        super().__init__(detail, **facts)
        self.claim_names = claim_names
        self.provider_said = provider_said
        self.reference: str | None = None  # given when the refusal is recorded or logged
        self.is_recorded = False


class SignInExpired(SignInRefused):
    """The answer belongs to no sign-in of this browser, or to a used or old one."""

    code = "sign_in.expired"
    user_message = "This sign-in was too old or already used."
    next_step = "Start again from the sign-in page."
    administrator_step = (
        "Nothing, as a rule. If it happens every time, the provider answers by form_post where query was "
        "asked: browsers then hold back what remembers the start. "
        "Choose form_post as Response mode, under Advanced."
    )


class SingleSignOnOff(SignInRefused):
    code = "sign_in.off"
    user_message = "Single sign-on is off for {client}."
    next_step = "Sign in with your password, or ask your administrator."
    administrator_step = "See Billing for the feature and Security for the switch."
    step = 1


class ConnectionChanged(SignInRefused):
    """Another revision went live between going out and coming back: the sign-in starts anew."""

    code = "sign_in.connection_changed"
    user_message = "{client}'s sign-in was changed while you were away."
    next_step = "Try again."
    administrator_step = "None: the next try uses the new revision."


class SecretUnreadable(SignInRefused):
    """The key that sealed the connection's secret has left the key ring."""

    code = "sign_in.secret_unreadable"
    status = 503
    user_message = "The portal cannot read {client}'s connection at the moment."
    next_step = "Tell your administrator: this is not your fault, and trying again does not help."
    administrator_step = "Customer Care puts the key back into the ring, or you paste the secret again."
    step = 1


class UnknownClient(SignInRefused):
    """No live client has this code. Says the same whether it never was or is gone."""

    code = "sign_in.unknown_client"
    status = 404
    user_message = "No organisation with this client code signs in here."
    next_step = "Check the address, or start from the sign-in page."
    administrator_step = "Compare the code in the address with the one on Billing."
    step = 1


class InitiatorRefused(SignInRefused):
    """A third-party start that names another issuer or leads off this host."""

    code = "sign_in.initiator"
    status = 400
    user_message = "The link that brought you here does not belong to this organisation's sign-in."
    next_step = "Start from the sign-in page instead."
    administrator_step = "Correct the initiate-login address at the provider."
    step = 1


class AccountRefused(SignInRefused):
    """The provider vouched for a person we cannot let in."""

    step = 6


class NoAccount(AccountRefused):
    code = "sign_in.no_account"
    user_message = "{client} has no active account for {email}."
    next_step = "Ask your administrator to create your account or correct its email."
    administrator_step = "Create the account, or correct its email address."


class AccountInactive(AccountRefused):
    code = "sign_in.inactive"
    user_message = "Your account is switched off."
    next_step = "Ask your administrator to activate it."
    administrator_step = "Activate the account."


class AccountDuplicate(AccountRefused):
    code = "sign_in.duplicate"
    user_message = "Two accounts share this email."
    next_step = "Ask your administrator to give each account its own email."
    administrator_step = "Change the email of one of the accounts."


class SubjectChanged(AccountRefused):
    """The email's account is linked to another subject: emails get recycled."""

    code = "sign_in.subject_changed"
    user_message = "This email now belongs to someone else at {provider}."
    next_step = "Ask your administrator to confirm that the account is yours."
    administrator_step = "Re-link the account if the change is intended."


class SubjectTaken(AccountRefused):
    """This subject is linked to another account and opens no second one."""

    code = "sign_in.subject_taken"
    user_message = "Your {provider} account already belongs to another account here."
    next_step = "Ask your administrator which account is yours."
    administrator_step = (
        "The provider sent another email for a person who is already linked: correct the email."
    )


class PasswordRefused(SignInRefused):
    """One answer for every local sign-in that fails, whatever the reason."""

    code = "sign_in.password"
    status = 403
    user_message = "The client code, name or password is not right."
    next_step = "Check all three. After several failed tries, password sign-in pauses for some minutes."
    administrator_step = "Set a new password, or wait until the pause ends."
    step = 6


class EmergencyRefused(SignInRefused):
    """One answer for every emergency sign-in that fails, whatever the reason."""

    code = "sign_in.emergency"
    status = 403
    user_message = "The client code, name, password or code is not right, or the code was used already."
    next_step = "Check all four, and wait for the app's next code."
    administrator_step = "Start the account again under Security, Emergency accounts."
    step = 6


# --- Requests ---------------------------------------------------------------


class PageNotFound(PortalError):
    code = "request.not_found"
    status = 404
    user_message = "No such page on the {host}."
    next_step = "Go to one of the homes below."


class EmergencyConfined(PortalError):
    """An emergency session reaches what mends the sign-in and nothing else."""

    code = "access.emergency"
    status = 403
    user_message = "Emergency access opens Security, Sign-ins and Sessions only."
    next_step = "Sign out and sign in the ordinary way for everything else."


class RoleRefused(PortalError):
    code = "request.role"
    status = 403
    user_message = "{role} cannot open this. {roles} can."
    next_step = "Ask one of them."


class MethodRefused(PortalError):
    code = "request.method"
    status = 405
    user_message = "This address cannot be opened like this."
    next_step = "Start from its page."


class BodyTooLarge(PortalError):
    code = "request.too_large"
    status = 413
    user_message = "That was larger than this page takes."
    next_step = "Send less at once."


class FormStale(PortalError):
    code = "request.stale_form"
    status = 400
    user_message = "This page was open too long, or in another browser."
    next_step = "Go back, reload the page and send it again."


class BadRequest(PortalError):
    code = "request.malformed"
    status = 400
    user_message = "The request could not be read."
    next_step = "Start from the sign-in page."


class HostUnknown(PortalError):
    code = "request.host"
    status = 421
    user_message = "No site of ours has this name."
    next_step = "Check the address."


class TooManyTries(PortalError):
    code = "request.too_many"
    status = 429
    user_message = "Too many tries. Again in {seconds} s."
    next_step = "Wait, then try again."


class ServerFault(PortalError):
    code = "request.fault"
    status = 500
    user_message = "Our fault. Nothing was saved."
    next_step = "Try again. If it happens again, quote the reference to Customer Care."


class ServiceUnavailable(PortalError):
    code = "request.unavailable"
    status = 503
    user_message = "Back soon. Try in {seconds} s."
    next_step = "Try again then."


# --- Changes ----------------------------------------------------------------


class ChangeRefused(PortalError):
    """A change that would break something, said beside the field it concerns."""

    code = "change.refused"
    status = 422
    user_message = "This change was not saved."
    next_step = "Correct it and save again."
    field: ClassVar[str | None] = None


class EditConflict(ChangeRefused):
    code = "change.conflict"
    status = 409
    user_message = "Somebody else changed this meanwhile. Nothing of yours was saved."
    next_step = "Compare both versions below, then save again."


class SettingsWrong(PortalError):
    """The program cannot start with these settings."""

    code = "settings.wrong"
    status = 500
    user_message = "A setting is missing or wrong."
    next_step = "See docs/settings.md."


def tree(root: type[PortalError] = PortalError) -> Iterator[type[PortalError]]:
    """Yield every error class below ``root``, itself included."""
    yield root
    for child in root.__subclasses__():
        yield from tree(child)
