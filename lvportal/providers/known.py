"""What is known about one provider product: its words, its guide, its traps, its errors.

The one place for these words: the Security page, the documents and the command
line read them here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PLACEHOLDERS = ("user_url", "agent_url", "signed_out_user_url", "signed_out_agent_url")
"""What a guide's text may hold in braces: this client's own addresses."""


@dataclass(frozen=True, slots=True)
class GuideRow:
    """One act at the provider. A row to paste holds one value a line, each worth a copy button."""

    where: str  # in the provider's own words
    action: Literal["Choose", "Paste", "Copy"]
    text: str

    def lines(self, addresses: Mapping[str, str]) -> tuple[str, ...]:
        """Return the text's lines with this client's addresses. ``addresses`` has every placeholder."""
        return tuple(self.text.format_map(addresses).split("\n"))


@dataclass(frozen=True, slots=True)
class Guide:
    """The steps for one type of application."""

    application_type: Literal["web", "native"]
    title: str
    rows: tuple[GuideRow, ...]
    traps: tuple[str, ...] = ()  # of this type only


@dataclass(frozen=True, slots=True)
class KnownError:
    """What a provider's own error page or message means."""

    fragment: str  # compared without regard to case
    meaning: str
    fix: str
    is_common: bool = False  # words that others use too: believed only of the provider that was chosen

    def is_in(self, text: str) -> bool:
        """Tell whether the text shows this error; AADSTS50011 is not in AADSTS500113."""
        return (
            re.search(rf"(?<![0-9A-Za-z]){re.escape(self.fragment)}(?![0-9])", text, re.IGNORECASE)
            is not None
        )


@dataclass(frozen=True, slots=True)
class KnownProvider:
    """One provider product. ``recognised_by`` are patterns of an issuer's host and path."""

    key: str  # as stored in a connection
    label: str  # within a sentence
    choice: str  # in a list to choose from
    client_id_word: str  # what it calls the Authorization ID
    secret_word: str  # what it calls the Authorization Secret
    issuer_hint: str
    default_email_claim: str
    marks_emails_verified: bool  # whether it sends email_verified by itself
    default_client_authentication: str
    guides: tuple[Guide, ...]
    traps: tuple[str, ...] = ()
    errors: tuple[KnownError, ...] = ()
    recognised_by: tuple[str, ...] = ()
    default_scopes: str = "openid email profile"
    default_response_mode: Literal["query", "form_post"] = "query"
    needs_hosted_domain: bool = False  # one issuer for every organisation: only the domain tells them apart

    @property
    def application_types(self) -> tuple[str, ...]:
        """The types of application that have a guide."""
        return tuple(guide.application_type for guide in self.guides)

    @property
    def guide(self) -> tuple[GuideRow, ...]:
        """The rows of the usual type's guide."""
        return self.guides[0].rows

    def guide_for(self, application_type: str) -> Guide:
        """Return the guide for a type of application, or the usual one."""
        return next((g for g in self.guides if g.application_type == application_type), self.guides[0])

    def recognises(self, issuer: str) -> bool:
        """Tell whether an issuer looks like this product's."""
        return any(re.match(rf"https://{pattern}", issuer, re.IGNORECASE) for pattern in self.recognised_by)

    def explain(self, text: str) -> KnownError | None:
        """Find the error that a pasted message shows; the longest fragment wins."""
        found = [error for error in self.errors if error.is_in(text[:4000])]
        return max(found, key=lambda error: len(error.fragment), default=None)
