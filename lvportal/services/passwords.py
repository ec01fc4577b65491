"""Local passwords: argon2id, never compared any other way."""

from __future__ import annotations

import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# argon2-cffi's default profile (RFC 9106, low memory): 64 MiB, about 100 ms.
_HASHER = PasswordHasher()


class PasswordChecker:
    """Checks passwords, a bounded number at once: each check takes 64 MiB."""

    def __init__(self, at_once: int) -> None:
        self._places = threading.BoundedSemaphore(at_once)

    def is_right(self, password: str, stored_hash: str | None) -> bool:
        """Tell whether the password fits. Takes as long when there is nothing to fit.

        An account without a hash has no password that could match.
        """
        with self._places:
            try:
                _HASHER.verify(stored_hash or _nobodys_hash(), password)
            except (VerificationError, InvalidHashError):
                return False
        return stored_hash is not None


def hash_password(password: str) -> str:
    """Return the argon2id hash to store."""
    return _HASHER.hash(password)


def needs_rehash(stored_hash: str) -> bool:
    """Tell whether the hash was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(stored_hash)


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash("nobody has this password")
