"""The failures that the demo provider can play, so that the portal's refusals can be seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to go wrong."""

    key: str
    label: str
    hint: str


NOTHING = Failure("nothing", "Nothing goes wrong", "An honest sign-in.")
NOT_ASSIGNED = Failure("not-assigned", "Not assigned", "The person has not been given this application.")
DECLINED = Failure("declined", "Declined", "The person presses Cancel.")
UNVERIFIED = Failure("unverified", "Email not verified", "The token says email_verified: false.")
NO_EMAIL = Failure("no-email", "No email", "Neither the token nor UserInfo carries an email.")
WRONG_ISSUER = Failure("wrong-issuer", "Wrong issuer in the token", "The token names another provider.")
WRONG_ANSWER_ISSUER = Failure(
    "wrong-answer-issuer", "Wrong issuer in the answer", "The redirect names another provider (RFC 9207)."
)
WRONG_NONCE = Failure("wrong-nonce", "Wrong nonce", "The token belongs to another sign-in.")
WRONG_AUDIENCE = Failure("wrong-audience", "Wrong audience", "The token was made for another application.")
FORGED = Failure("forged", "Forged signature", "The token is signed with a key that is not published.")
CLOCK = Failure("clock", "Clock off", "The provider's clock is ten minutes ahead.")
EXPIRED = Failure("expired", "Expired token", "The token ended an hour ago.")
SLOW = Failure("slow", "Slow", "The token takes five seconds to come, and then is right.")
BAD_SECRET = Failure("bad-secret", "Secret refused", "The provider refuses the portal's secret.")
DOWN = Failure("down", "Down", "The provider answers 503 instead of a token.")

FAILURES = (
    NOTHING,
    NOT_ASSIGNED,
    DECLINED,
    UNVERIFIED,
    NO_EMAIL,
    WRONG_ISSUER,
    WRONG_ANSWER_ISSUER,
    WRONG_NONCE,
    WRONG_AUDIENCE,
    FORGED,
    CLOCK,
    EXPIRED,
    SLOW,
    BAD_SECRET,
    DOWN,
)

BY_KEY = {failure.key: failure for failure in FAILURES}
