"""Where a request really came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

Network = IPv4Network | IPv6Network


def client_address(environ: Mapping[str, Any], trusted_proxies: Sequence[Network]) -> str:
    """Return the visitor's address.

    That is the connection's own, or behind declared proxies the right-most
    address in X-Forwarded-For that is not one of them: everything further left
    was written by somebody we do not know.
    """
    address = str(environ.get("REMOTE_ADDR") or "")
    if not trusted_proxies or not _is_proxy(address, tuple(trusted_proxies)):
        return address
    for hop in reversed(str(environ.get("HTTP_X_FORWARDED_FOR", "")).split(",")):
        found = _parse(hop.strip())
        if found is None:
            return address  # not an address: whoever is behind it cannot be told
        address = str(found)
        if not _is_proxy(address, tuple(trusted_proxies)):
            return address
    return address


@lru_cache(1024)
def _is_proxy(address: str, proxies: tuple[Network, ...]) -> bool:
    found = _parse(address)
    return found is not None and any(found in network for network in proxies)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
