"""What is wrong with a pasted issuer, and what was probably meant.

Pure text: nothing is fetched. A mended issuer is offered to the administrator
and never used by itself (protocol line 1); whether it is right shows the
provider's own document, which must name it byte for byte.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

MAX_CHARACTERS = 4000

_GUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?://)?"
    r"(?:(?P<user>[^/?#@]*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9._~%!$&*+=:@/{}-]*)?(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?"
)
_QUOTES = "\"'`<>()[]{},;\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"


@dataclass(frozen=True, slots=True)
class Advice:
    """What was found, in sentences; ``mended`` is an issuer to offer, or None.

    No findings: nothing looks wrong, which proves nothing.
    """

    found: tuple[str, ...] = ()
    mended: str | None = None


class _Stop(Exception):
    """The text names no issuer, and no issuer can be made of it."""


@dataclass(slots=True)
class _Parts:
    """A URL under repair. ``found`` grows with every repair."""

    scheme: str
    host: str
    port: str
    path: str
    fragment: str
    found: list[str]

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}{':' + self.port if self.port else ''}{self.path}"

    def change_path(self, path: str, why: str) -> None:
        if self.path != path:
            self.path = path
            self.found.append(why)


def advise(text: str) -> Advice:
    """Look at what somebody pasted as an issuer. Never raises."""
    found: list[str] = []
    try:
        parts = _read(text[:MAX_CHARACTERS], found)
        if parts is None:
            return Advice(tuple(found))
        for repair in _REPAIRS:
            repair(parts)
    except _Stop as stop:
        return Advice((*found, str(stop)))
    mended = parts.url
    return Advice(tuple(found), mended if mended != text and found else None)


# --- Any provider ---------------------------------------------------------------


def _read(text: str, found: list[str]) -> _Parts | None:
    """Take away what a paste adds, and split the rest. ``None`` for an empty text."""
    plain = "".join(c for c in text if unicodedata.category(c)[0] not in "CZ")
    if plain != text:
        found.append("There are stray spaces or invisible characters.")
    bare = plain.strip(_QUOTES)
    if bare != plain:
        found.append("There are quotation marks or brackets around it.")
    if not bare:
        found.append("It is empty. Copy the issuer from the provider.")
        return None
    match = _URL.fullmatch(bare)
    host = match["host"].lower() if match else ""
    if match is None or ("." not in host and host != "localhost" and not host.startswith("[")):
        raise _Stop("This is not a web address. An issuer looks like https://id.example.com.")
    if match["user"] is not None:
        raise _Stop("It holds a user name. An issuer has none: copy it again from the provider.")
    parts = _Parts("https", host, match["port"] or "", match["path"] or "", match["fragment"] or "", found)
    _judge_scheme(parts, match["scheme"])
    if host != match["host"]:
        found.append("The host has capital letters; providers write it in small ones.")
    if parts.port == "443" and parts.scheme == "https":
        parts.port = ""
        found.append(":443 is understood and not part of an issuer.")
    if match["query"] is not None or match["fragment"] is not None:
        found.append("An issuer ends before ? and #.")
    return parts


def _judge_scheme(parts: _Parts, scheme: str | None) -> None:
    if scheme is None:
        parts.found.append("https:// is missing in front.")
    elif scheme.lower() not in ("http", "https"):
        raise _Stop("An issuer begins with https://.")
    elif scheme.lower() == "http" and (parts.host == "localhost" or parts.host.endswith(".localhost")):
        parts.scheme = "http"  # a trial on this machine; whether it is allowed says the check
    elif scheme == "http":
        parts.found.append("It begins with http://. An issuer begins with https://.")
    elif scheme != "https":
        parts.found.append("https:// is written in small letters.")


def _discovery(parts: _Parts) -> None:
    match = re.fullmatch(r"(.*)/\.well-known/openid-configuration/?", parts.path)
    if match:
        parts.change_path(
            match[1],
            "This is the address of the provider's document. The issuer is the part before /.well-known.",
        )
        return
    # RFC 8414, section 3.1 puts the issuer's path behind.
    match = re.fullmatch(
        r"/\.well-known/(?:oauth-authorization-server|openid-configuration)(/.*)?", parts.path
    )
    if match:
        parts.change_path(match[1] or "", "This is the address of the provider's document, not the issuer.")


# --- Known providers --------------------------------------------------------------


def _okta(parts: _Parts) -> None:
    match = re.fullmatch(r"(.+?)(-admin)?\.(okta|oktapreview|okta-emea)\.com", parts.host)
    if not match:
        return
    if match[2]:
        parts.host = f"{match[1]}.{match[3]}.com"
        parts.found.append(
            "This is Okta's Admin Console (-admin). The issuer has the address without -admin."
        )
    server = re.match(r"/oauth2/(?!v1(?:/|$))([A-Za-z0-9_-]+)", parts.path)
    if server:
        parts.change_path(f"/oauth2/{server[1]}", _END.format(name="Okta", shape=f"/oauth2/{server[1]}"))
    else:
        parts.change_path(
            "", "Okta's issuer is the plain address, or ends /oauth2/ and the authorization server's id."
        )


def _entra(parts: _Parts) -> None:
    if parts.host in ("entra.microsoft.com", "portal.azure.com", "aad.portal.azure.com"):
        raise _Stop(
            "This is Microsoft's admin center. The issuer is https://login.microsoftonline.com/, "
            "your tenant's id and /v2.0; the id stands on the app's Overview."
        )
    hosts = (
        "login.microsoftonline.com", "login.windows.net", "sts.windows.net", "login.microsoft.com",
        "login.microsoftonline.us", "login.partner.microsoftonline.cn",
    )  # fmt: skip
    if parts.host not in hosts:
        return
    tenant = parts.path.strip("/").split("/")[0]
    if tenant.lower() in ("common", "organizations", "consumers", "{tenantid}", "{tenant}", ""):
        raise _Stop(
            f"{'/' + tenant if tenant else 'This address'} stands for every organisation at Microsoft. "
            "Take the address with your own tenant's id (Directory ID) in its place."
        )
    if not re.fullmatch(_GUID, tenant):
        if "." in tenant:
            parts.found.append("Tokens name the tenant by its id and not by its domain. Check reads that id.")
            return
        raise _Stop("After the host, your tenant's id (Directory ID) is expected, then /v2.0.")
    if parts.host in ("sts.windows.net", "login.windows.net", "login.microsoft.com"):
        parts.host = "login.microsoftonline.com"
        parts.path = f"/{tenant}/v2.0"
        parts.found.append(
            "This is the issuer of Microsoft's older version 1.0; the app here needs version 2.0."
        )
        return
    parts.change_path(f"/{tenant}/v2.0", "Microsoft's issuer ends with the tenant's id and /v2.0.")


def _google(parts: _Parts) -> None:
    if parts.host in ("console.cloud.google.com", "admin.google.com", "console.developers.google.com"):
        parts.host, parts.path = "accounts.google.com", ""
        parts.found.append(
            "This is Google's console. Google's issuer is the same for all: https://accounts.google.com."
        )
    elif parts.host == "accounts.google.com":
        parts.change_path("", "Google's issuer is https://accounts.google.com, without anything behind.")


def _keycloak(parts: _Parts) -> None:
    console = re.fullmatch(r"(/auth)?/admin/([^/]+)/console/?.*", parts.path)
    if console:
        # The console of the master realm administers others; which one stands in the fragment.
        chosen = re.match(r"/(?:realms/)?([^/?]+)", parts.fragment)
        realm = chosen[1] if chosen else console[2]
        parts.change_path(
            f"{console[1] or ''}/realms/{realm}",
            "This is Keycloak's admin console. The issuer ends /realms/ and the realm's name.",
        )
    realm_path = re.match(
        r"((?:/[^/]+)*?/realms/[^/]+)(/(?:account|protocol|login-actions|broker)\b.*|/)?$", parts.path
    )
    if not realm_path:
        if re.fullmatch(r"(/auth)?/admin/?.*|/auth/?", parts.path):
            raise _Stop(
                "This looks like Keycloak's admin address. The issuer ends /realms/ and the realm's name."
            )
        return
    parts.change_path(realm_path[1], _END.format(name="Keycloak", shape="/realms/ and the realm's name"))
    if parts.path.startswith("/auth/realms/"):
        parts.found.append(
            "Keycloak 17 and later have no /auth in front of /realms unless it was kept on purpose."
        )
    if parts.path.endswith("/realms/master"):
        parts.found.append(
            "The realm master is for administering Keycloak itself; people are usually in another one."
        )


def _adfs(parts: _Parts) -> None:
    if re.match(r"/(adfs|federationmetadata)(/|$)", parts.path, re.IGNORECASE):
        parts.change_path("/adfs", "AD FS's issuer is the host and /adfs, without anything behind.")


def _auth0(parts: _Parts) -> None:
    if parts.host == "manage.auth0.com":
        raise _Stop(
            "This is Auth0's dashboard. The issuer is https://, the application's Domain and a slash."
        )
    if re.fullmatch(r".+\.auth0\.com", parts.host):
        parts.change_path("/", "Auth0's issuer is the application's Domain and ends with a slash.")


def _onelogin(parts: _Parts) -> None:
    if re.fullmatch(r"[^.]+\.onelogin\.com", parts.host):
        parts.change_path("/oidc/2", "OneLogin's issuer ends /oidc/2.")


def _with_a_slash(parts: _Parts) -> None:
    if parts.host == "oauth.id.jumpcloud.com":
        parts.change_path("/", "JumpCloud's issuer ends with a slash.")
    elif match := re.fullmatch(r"(/application/o/[^/]+)", parts.path):
        parts.change_path(f"{match[1]}/", "authentik's issuer ends with a slash.")


def _cognito(parts: _Parts) -> None:
    if parts.host.endswith(".amazoncognito.com"):
        raise _Stop(
            "This is the sign-in page's domain. Cognito's issuer begins https://cognito-idp. and ends with "
            "the user pool's id."
        )


_END = "{name}'s issuer ends after {shape}."

_REPAIRS: tuple[Callable[[_Parts], None], ...] = (
    _discovery, _okta, _entra, _google, _keycloak, _adfs, _auth0, _onelogin, _with_a_slash, _cognito,
)  # fmt: skip
