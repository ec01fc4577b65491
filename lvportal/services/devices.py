"""What a browser calls itself, in words a person recognises."""

from __future__ import annotations

import re

# The first that fits: most browsers also claim to be the ones they descend from.
_BROWSERS = (
    (r"\bEdgA?(?:iOS)?/", "Edge"),
    (r"\b(?:OPR|Opera)/", "Opera"),
    (r"\bSamsungBrowser/", "Samsung Internet"),
    (r"\b(?:Firefox|FxiOS)/", "Firefox"),
    (r"\bHeadlessChrome/", "Chrome without a screen"),
    (r"\b(?:Chrome|CriOS|Chromium)/", "Chrome"),
    (r"\bVersion/[\d.]+ .*Safari/", "Safari"),
    (r"\b(?:curl|Wget|python-requests|Python-urllib|Go-http-client)\b", "A program"),
)
_SYSTEMS = (
    (r"\biPhone\b", "iPhone"),
    (r"\biPad\b", "iPad"),
    (r"\bAndroid\b", "Android"),
    (r"\bCrOS\b", "ChromeOS"),
    (r"\bWindows\b", "Windows"),
    (r"\b(?:Macintosh|Mac OS X)\b", "macOS"),
    (r"\b(?:Linux|X11)\b", "Linux"),
)


def device_words(user_agent: str) -> str:
    """Return ``Firefox on Windows`` for a User-Agent header, or ``Unknown device``.

    A hint for the person and no more: anybody can send any header.
    """
    browser = _first(_BROWSERS, user_agent)
    system = _first(_SYSTEMS, user_agent)
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "Unknown device"


def _first(known: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((words for pattern, words in known if re.search(pattern, user_agent)), "")
