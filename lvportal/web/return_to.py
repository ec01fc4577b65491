"""Where to go after a sign-in: a path on this host, or home."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# One slash, then no second slash or backslash, which browsers read as another host.
_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}")


def safe_path(text: str | None) -> str:
    """Return ``text`` if it is a plain path on this host, else ``/``."""
    if not text or text == "/" or not _PATH.fullmatch(text):
        return "/"
    return "/" if text.startswith(("/sign-in", "/sign-out", "/signed-out", "/sso/")) else text


def path_of(uri: str, origin: str) -> str | None:
    """Return the path of an absolute address on ``origin``, or None if it lies elsewhere."""
    try:
        parts = urlsplit(uri)
        if f"{parts.scheme}://{parts.netloc}" != origin:
            return None
    except ValueError:
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return safe_path(path)
