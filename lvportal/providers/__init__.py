"""The provider products we have a guide for. A new one is a file and a line here."""

from __future__ import annotations

from .adfs import ADFS
from .auth0 import AUTH0
from .entra import ENTRA
from .google import GOOGLE
from .keycloak import KEYCLOAK
from .known import Guide, GuideRow, KnownError, KnownProvider
from .okta import OKTA
from .onelogin import ONELOGIN
from .other import OTHER
from .pingfederate import PINGFEDERATE

__all__ = [
    "KNOWN",
    "OTHER",
    "Guide",
    "GuideRow",
    "KnownError",
    "KnownProvider",
    "explain",
    "recognise",
]

KNOWN: dict[str, KnownProvider] = {
    provider.key: provider
    for provider in (OKTA, ENTRA, GOOGLE, KEYCLOAK, AUTH0, ONELOGIN, ADFS, PINGFEDERATE, OTHER)
}
"""Every product by its key, in the order in which they are offered; the last fits any."""


def recognise(issuer: str) -> KnownProvider:
    """Return the product an issuer looks like. A custom domain shows none: then OTHER."""
    return next((provider for provider in KNOWN.values() if provider.recognises(issuer)), OTHER)


def explain(text: str, provider: KnownProvider | None = None) -> KnownError | None:
    """Say what a provider's pasted error means; ``provider`` is asked first, then all others."""
    asked = (*((provider,) if provider else ()), *KNOWN.values())
    return next((error for one in asked if (error := one.explain(text)) is not None), None)
