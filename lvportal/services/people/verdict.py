"""Whether one person can sign in at this moment, and if not, because of what. Pure: asks no database."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """What the answer depends on. ``passwords`` is the client's rule: allowed, chosen or refused."""

    client: str
    provider: str
    is_active: bool
    single_sign_on: bool  # the feature, the switch and a live revision, all three
    is_failing: bool  # the provider refuses everybody at the moment
    email: str
    email_is_valid: bool
    sharing: int  # how many other active accounts have the same email
    passwords: str
    has_password: bool
    sso_only: bool
    is_locked: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """``ways``: how the person can sign in; ``reasons``: why not in the other ways, as sentences."""

    ways: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def can(self) -> bool:
        """Tell whether there is any way in."""
        return bool(self.ways)

    @property
    def title(self) -> str:
        """``Can sign in now: through Okta`` or ``Can sign in now: no``."""
        return f"Can sign in now: {' and '.join(self.ways) if self.ways else 'no'}"


def judge(facts: Facts) -> Verdict:
    """Return every way in and every obstacle."""
    if not facts.is_active:
        return Verdict((), ("The account is switched off. Activate it.",))
    ways, reasons = [], []
    for way, obstacle in (
        (f"through {facts.provider}", _against_provider(facts)),
        ("with a password", _against_password(facts)),
    ):
        if obstacle:
            reasons.append(obstacle)
        else:
            ways.append(way)
    return Verdict(tuple(ways), tuple(reasons))


def _against_provider(facts: Facts) -> str:
    if not facts.single_sign_on:
        return f"Single sign-on is off for {facts.client}."
    if facts.is_failing:
        return f"{facts.provider} refuses {facts.client} at the moment. See Security."
    if not facts.email:
        return f"There is no email to match with {facts.provider}. Enter one."
    if not facts.email_is_valid:
        return f"{facts.provider} sends no address such as this one. Correct the email."
    if facts.sharing:
        others = "another account shares" if facts.sharing == 1 else f"{facts.sharing} other accounts share"
        return f"Single sign-on is refused because {others} this email. Give each their own."
    return ""


def _against_password(facts: Facts) -> str:
    if facts.passwords == "refused" or (facts.passwords == "chosen" and facts.sso_only):
        return f"{facts.client} does not let this account use a password."
    if not facts.has_password:
        return "The account has no password."
    if facts.is_locked:
        return "Passwords are locked after too many failed tries. Unlock it."
    return ""
