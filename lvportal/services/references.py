"""References of sign-ins: short enough to be read out over the telephone."""

from __future__ import annotations

import secrets

# Without 0 O 1 I: they are mistaken for one another on screen and by voice.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 8


def new_reference() -> str:
    """Return 8 random letters and digits: 40 bits, unguessable enough to be looked up by hand."""
    # The alphabet has 32 characters: five bits of each byte choose one, all equally likely.
    return "".join(ALPHABET[byte & 31] for byte in secrets.token_bytes(LENGTH))


def show(reference: str) -> str:
    """Return ``7KQ2-M9DX`` for ``7KQ2M9DX``."""
    return f"{reference[:4]}-{reference[4:]}"


def read(text: str) -> str | None:
    """Return the reference somebody typed, in any case and spacing, or None if it is none."""
    plain = text.upper().replace("-", "").replace(" ", "")
    return plain if len(plain) == LENGTH and set(plain) <= set(ALPHABET) else None
