"""Cookies of one host: ``__Host-``, Secure, HttpOnly, for every path, and never for another name."""

from __future__ import annotations

import re

from werkzeug.wrappers import Response

# What our values are made of: base64url, dots, client codes. Nothing to quote.
_VALUE = re.compile(r"[A-Za-z0-9._~=-]*")


def put(
    response: Response, name: str, value: str, *, max_age_seconds: int | None, crosses_sites: bool = False
) -> None:
    """Set a cookie; without an age it ends with the browser.

    ``crosses_sites`` lets it come along with a POST from another site.

    Written without Werkzeug's own, which quotes and checks for every kind of
    cookie: a sign-in sets four.
    """
    if not name.startswith("__Host-") or not _VALUE.fullmatch(value):
        raise ValueError("not a cookie of this host")
    site = "None" if crosses_sites else "Lax"
    age = "" if max_age_seconds is None else f" Max-Age={max_age_seconds};"
    response.headers.add("Set-Cookie", f"{name}={value}; Secure; HttpOnly;{age} Path=/; SameSite={site}")


def drop(response: Response, name: str) -> None:
    """Remove a cookie."""
    put(response, name, "", max_age_seconds=0)
