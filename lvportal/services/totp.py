"""Codes of an authenticator app: six digits every 30 seconds, each accepted once (RFC 6238)."""

from __future__ import annotations

import hmac
from datetime import datetime

import pyotp

STEP_SECONDS = 30
DIGITS = 6
WINDOW_STEPS = 1  # a phone's clock may be half a minute off (RFC 6238, section 5.2)
ISSUER_NAME = "LV Portal"


def new_secret() -> str:
    """Return a fresh secret of 160 bits in base32 (RFC 4226, section 4)."""
    return pyotp.random_base32(32)


def provisioning_uri(secret: str, *, account: str, client: str) -> str:
    """Return the ``otpauth:`` address that a QR code carries to the app."""
    return pyotp.TOTP(secret).provisioning_uri(name=f"{account} at {client}", issuer_name=ISSUER_NAME)


def matching_step(secret: str, code: str, *, last_step: int | None, now: datetime) -> int | None:
    """Return the time step that ``code`` belongs to, or None when it does not fit.

    A step not after ``last_step`` never fits: a code seen over a shoulder is
    worthless once its owner has used it (RFC 6238, section 5.2). The caller
    stores the step returned.
    """
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    app, current = pyotp.TOTP(secret), int(now.timestamp()) // STEP_SECONDS
    found = None
    for step in range(current - WINDOW_STEPS, current + WINDOW_STEPS + 1):
        is_equal = hmac.compare_digest(app.generate_otp(step), code)
        if is_equal and (last_step is None or step > last_step):
            found = step
    return found
