"""What is probably wrong with a pasted Authorization ID or Authorization Secret."""

from __future__ import annotations

import re

_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_OKTA_CLIENT = re.compile(r"0oa[0-9A-Za-z]{14,20}")
_ENTRA_SECRET = re.compile(r"[0-9A-Za-z_.~-]{3}8Q~[0-9A-Za-z_.~-]{30,40}|[0-9A-Za-z_.~-]{34,44}")


def advise_credentials(provider: str, client_id: str, client_secret: str | None) -> tuple[str, ...]:
    """Return sentences about the two texts; none when nothing looks wrong. Repeats no secret."""
    found = []
    for label, text in (("Authorization ID", client_id), ("Authorization Secret", client_secret or "")):
        if text != text.strip() or any(not c.isprintable() for c in text):
            found.append(f"There are stray spaces or invisible characters in the {label}.")
    client_id, client_secret = client_id.strip(), (client_secret or "").strip()
    if client_secret and client_id == client_secret:
        found.append("The Authorization ID and the Authorization Secret are the same.")
    elif _are_swapped(provider, client_id, client_secret):
        found.append("The Authorization ID and the Authorization Secret look swapped.")
    elif provider == "entra" and _GUID.fullmatch(client_secret):
        found.append("This looks like the Secret ID. Microsoft's secret is the Value beside it.")
    return tuple(found)


def _are_swapped(provider: str, client_id: str, client_secret: str) -> bool:
    if provider == "okta":
        return bool(_OKTA_CLIENT.fullmatch(client_secret)) and not _OKTA_CLIENT.fullmatch(client_id)
    if provider == "entra":
        is_secret = _ENTRA_SECRET.fullmatch(client_id) and not _GUID.fullmatch(client_id)
        return bool(is_secret and _GUID.fullmatch(client_secret))
    if provider == "google":
        ends = ".apps.googleusercontent.com"
        return client_secret.endswith(ends) or client_id.startswith("GOCSPX-")
    return False
