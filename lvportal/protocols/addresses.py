"""Which addresses we call: the URL is judged first, what its name leads to afterwards.

A client's administrator chooses the issuer, and the provider's document names
the other endpoints: both could point into our own network (server-side request
forgery). So the URL must be plain, the addresses behind its name are checked
after DNS, and the connection goes to those checked addresses and never to the
name again, which could lead elsewhere a moment later (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import threading
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

from .http_errors import AddressRefused, NameUnknown, ProviderBusy, ProviderSlow, ProviderUnreachable

MAX_URL_CHARACTERS = 2048
MAX_ADDRESSES_TRIED = 6
MAX_LOOKUPS = 64

# ``is_global`` of some Python versions accepts these (measured on 3.11.7): they
# are not on the public internet, or wrap an IPv4 address that may be private.
NEVER_CALLED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64, local use
        "2002::/16",  # 6to4
        "2001::/32",  # Teredo
        "fec0::/10",  # site-local, deprecated
        "::/96",  # IPv4-compatible, deprecated
        "::ffff:0:0/96",  # IPv4-mapped: unwrapped below, so whatever is left is refused
        "100.64.0.0/10",  # carrier-grade NAT
        "192.88.99.0/24",  # 6to4 relays
        "192.0.0.0/24",  # protocol assignments
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "ff00::/8",  # multicast
    )
)

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:\[(?P<literal>[0-9A-Fa-f:.]{2,45})\]|(?P<host>[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?))"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:/[!-\"$-\[\]-~]*)?(?:\?[!-\"$-\[\]-~]*)?)"
)


class Target(NamedTuple):
    """A URL that may be called, as far as its text tells."""

    scheme: str
    host: str  # lower case, an IPv6 literal without brackets
    port: int
    path: str  # with the query
    listed: bool  # stands on the list of unsafe addresses

    @property
    def address(self) -> str:
        """Return ``host:port`` for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def host_header(self) -> str:
        """Return the value of the Host field (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return host if self.port == usual else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """The operator's choice: which addresses may be called against the rules.

    ``unsafe_addresses`` lists (host, port) pairs for which plain http and
    private addresses are allowed: for trials and tests only.
    """

    unsafe_addresses: frozenset[tuple[str, int]] = frozenset()

    def judge(self, url: str) -> Target:
        """Return what to call. Raises AddressRefused for anything but a plain https URL.

        Refused: other schemes, user names, fragments, control characters,
        spaces, backslashes, letters outside ASCII, ports of other services.
        """
        if not isinstance(url, str) or len(url) > MAX_URL_CHARACTERS:
            raise AddressRefused("url too long", address="The address", reason="it is too long")
        match = _URL.fullmatch(url)
        if match is None:
            raise AddressRefused("url malformed", address=_shown(url), reason=_what_is_wrong(url))
        scheme, port_text = match["scheme"], match["port"]
        host = (match["literal"] or match["host"]).lower()
        port = int(port_text) if port_text else (443 if scheme == "https" else 80)
        path = match["target"] or "/"
        if path[0] == "?":
            path = "/" + path
        target = Target(scheme, host, port, path, (host, port) in self.unsafe_addresses)
        if ".." in host or not 0 < port < 65536:
            raise AddressRefused("url malformed", address=_shown(url), reason="this is not a web address")
        if target.listed:
            return target
        if scheme != "https":
            raise AddressRefused("plain http", address=target.address, reason="it begins with http://")
        # A TLS greeting sent to another service's port could be read as a
        # command there. Providers on premises do use 8443, 9031 and the like.
        if port < 1024 and port != 443:
            raise AddressRefused(
                "port", address=target.address, reason=f"port {port} belongs to another service"
            )
        return target

    def permits(self, address: str) -> bool:
        """Tell whether a numeric address is on the public internet."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:  # with a zone, so link-local; or no address at all
            return False
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return ip.is_global and not any(ip in network for network in NEVER_CALLED)

    def find(self, target: Target, deadline: float) -> list[tuple[int, str]]:
        """Look up a target's numeric addresses, as pairs of family and address.

        ``deadline`` is a monotonic time. One address that is not permitted
        refuses them all: a name that answers with both is an attack or a
        mistake. Raises AddressRefused, NameUnknown, ProviderSlow.
        """
        if target.listed and (target.host == "localhost" or target.host.endswith(".localhost")):
            # RFC 6761, section 6.3; the system's resolver may not know it.
            return [(socket.AF_INET, "127.0.0.1")]
        found = _lookups.find(target, deadline)
        if not target.listed and not all(self.permits(address) for _, address in found):
            raise AddressRefused(
                "address not public",
                address=target.address,
                reason="its name leads to an address that is not public",
            )
        return found[:MAX_ADDRESSES_TRIED]


class _Lookup:
    def __init__(self) -> None:
        self.done = threading.Event()
        self.found: list[tuple[int, str]] = []
        self.error: OSError | UnicodeError | None = None


class _Lookups:
    """DNS in threads of its own: ``getaddrinfo`` knows no time-out.

    One running lookup a name, so that a name whose servers hang holds one
    thread and not one per sign-in. Needed for new connections only.
    """

    def __init__(self) -> None:
        self._running: dict[tuple[str, int], _Lookup] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Start anew in a forked child, where the parent's threads do not exist."""
        self._running = {}
        self._lock = threading.Lock()

    def find(self, target: Target, deadline: float) -> list[tuple[int, str]]:
        key = (target.host, target.port)
        with self._lock:
            lookup = self._running.get(key)
            if lookup is None:
                if len(self._running) >= MAX_LOOKUPS:
                    raise ProviderBusy("too many names are being looked up")
                lookup = self._running[key] = _Lookup()
                threading.Thread(target=self._run, args=(key, lookup), name="dns", daemon=True).start()
        if not lookup.done.wait(max(0.0, deadline - monotonic())):
            raise ProviderSlow("dns", address=target.address, reason="DNS did not answer")
        if lookup.error is not None or not lookup.found:
            again = getattr(lookup.error, "errno", None) == socket.EAI_AGAIN
            if again:
                raise ProviderUnreachable(
                    "dns", address=target.address, reason="DNS has no answer just now"
                ) from lookup.error
            raise NameUnknown("dns", address=target.host) from lookup.error
        return lookup.found

    def _run(self, key: tuple[str, int], lookup: _Lookup) -> None:
        try:
            found = socket.getaddrinfo(*key, type=socket.SOCK_STREAM)
            lookup.found = [(entry[0], str(entry[4][0])) for entry in found]
        except (OSError, UnicodeError) as error:  # UnicodeError: a label over 63 characters
            lookup.error = error
        finally:
            with self._lock:
                if self._running.get(key) is lookup:
                    del self._running[key]
            lookup.done.set()


_lookups = _Lookups()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_lookups.forget)


def _shown(url: str) -> str:
    """Cut an address for a message: nothing unprintable, and no user name or password."""
    plain = "".join(c if c.isascii() and c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in url[:200])
    return re.sub(r"//[^/?#]*@", "//…@", plain)


def _what_is_wrong(url: str) -> str:
    if not url.isascii():
        return "it has letters outside ASCII; write the name in its xn-- form"
    if any(c <= " " or c == "\x7f" for c in url):
        return "it has spaces or control characters"
    if "://" not in url:
        return "it does not begin with https://"
    if not url.startswith(("https://", "http://")):
        return "it begins with something else than https://"
    if "#" in url:
        return "it has a fragment (#)"
    if "@" in url.split("/", 3)[2]:
        return "it has a user name"
    return "this is not a web address"
