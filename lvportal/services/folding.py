"""How names and emails are compared, and searched for.

Only ASCII letters are folded. Unicode's own rules would make the Kelvin sign
equal to "k" and let somebody with a look-alike address be another person.
"""

from __future__ import annotations

import re
import string

# Nobody sees these; two names that differ in one of them look the same.
HIDDEN_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\u2060\ufeff]")

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold(text: str) -> str:
    """Return ``text`` with A-Z in small letters and everything else untouched."""
    return text.translate(_ASCII_LOWER)


def domain_of(email: str) -> str:
    """Return the folded part after the last ``@``, or an empty string."""
    return fold(email.rpartition("@")[2]) if "@" in email else ""


def escape_like(text: str) -> str:
    """Return ``text`` so that LIKE takes it for itself, with ``!`` as the escape."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
