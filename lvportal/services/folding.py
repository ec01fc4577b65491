"""How names and emails are compared.

Only ASCII letters are folded. Unicode's own rules would make the Kelvin sign
equal to "k" and let somebody with a look-alike address be another person.
"""

from __future__ import annotations

import string

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold(text: str) -> str:
    """Return ``text`` with A-Z in small letters and everything else untouched."""
    return text.translate(_ASCII_LOWER)


def domain_of(email: str) -> str:
    """Return the folded part after the last ``@``, or an empty string."""
    return fold(email.rpartition("@")[2]) if "@" in email else ""
