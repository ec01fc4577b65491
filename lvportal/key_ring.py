"""The key ring: sealing what must not be read, and deriving keys for what must not be changed.

AES-256-GCM with associated data, so that a sealed value opens only for the
purpose, the row and the field it was sealed for: a secret copied to another
client's row is worthless there.
"""

from __future__ import annotations

import base64
import binascii
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lvportal.errors import SettingsWrong

KEY_BYTES = 32
NONCE_BYTES = 12
_KEY_ID = re.compile(r"[A-Za-z0-9]{1,16}")


class NotOpened(Exception):
    """The sealed text is damaged, was sealed for something else, or its key is gone."""


class KeyRing:
    """The keys of this installation, the current one first."""

    def __init__(self, text: str) -> None:
        """Read ``id:key,id:key``; keys are 32 bytes in base64url. Raises SettingsWrong."""
        self._keys: dict[str, bytes] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            key_id, colon, encoded = part.partition(":")
            if not colon or not _KEY_ID.fullmatch(key_id) or key_id in self._keys:
                raise SettingsWrong("LVPORTAL_ENCRYPTION_KEYS must be id:key,id:key with different ids")
            try:
                key = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
            except (binascii.Error, ValueError) as wrong:
                raise SettingsWrong(f"LVPORTAL_ENCRYPTION_KEYS: key {key_id} is not base64url") from wrong
            if len(key) != KEY_BYTES:
                raise SettingsWrong(f"LVPORTAL_ENCRYPTION_KEYS: key {key_id} is not 32 bytes")
            self._keys[key_id] = key
        if not self._keys:
            raise SettingsWrong("LVPORTAL_ENCRYPTION_KEYS is missing: make a key with 'lvportal keys new'")
        self.current_id = next(iter(self._keys))
        self._ciphers = {key_id: AESGCM(_derive(key, "sealing")) for key_id, key in self._keys.items()}

    def seal(self, text: str, *, purpose: str) -> str:
        """Return ``keyid.base64url``, which opens only with the same ``purpose``."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self.current_id].encrypt(nonce, text.encode(), purpose.encode())
        return f"{self.current_id}.{base64.urlsafe_b64encode(nonce + sealed).decode().rstrip('=')}"

    def open(self, sealed: str, *, purpose: str) -> str:
        """Return what was sealed. Raises NotOpened."""
        key_id, dot, encoded = sealed.partition(".")
        cipher = self._ciphers.get(key_id)
        if cipher is None or not dot:
            raise NotOpened("unknown key")
        try:
            raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
            return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], purpose.encode()).decode()
        except (binascii.Error, ValueError, InvalidTag) as wrong:
            raise NotOpened("damaged or sealed for something else") from wrong

    def is_current(self, sealed: str) -> bool:
        """Tell whether ``sealed`` was made with the current key."""
        return sealed.startswith(self.current_id + ".")

    def signing_keys(self, purpose: str) -> list[str]:
        """Return one derived key per ring key for ``purpose``, the current one first."""
        return [_derive(key, purpose).hex() for key in self._keys.values()]


def new_key(key_id: str) -> str:
    """Return a fresh key as the setting wants it."""
    return f"{key_id}:{base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode().rstrip('=')}"


def _derive(key: bytes, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), KEY_BYTES, None, f"lvportal {purpose}".encode()).derive(key)
