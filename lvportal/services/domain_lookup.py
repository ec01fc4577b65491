"""Asking the DNS for a domain's TXT records, and saying in words what it answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import dns.exception
import dns.name
import dns.resolver

from lvportal.errors import ServiceUnavailable

LIFETIME_SECONDS = 5.0
VALUES_SHOWN = 5


class DnsAnswer(Enum):
    """What came of one question."""

    FOUND = "found"
    OTHER_VALUES = "other values"
    NO_RECORD = "no record"
    NO_NAME = "no such name"
    TIMED_OUT = "timed out"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LookUp:
    """The answer, with the other values that stood there."""

    answer: DnsAnswer
    values: tuple[str, ...] = field(default=())

    def words(self, host: str) -> str:
        """Return one sentence or two of at most 500 characters: what was found, and what to do."""
        if self.answer is DnsAnswer.OTHER_VALUES:
            shown = ", ".join(f'"{value[:60]}"' for value in self.values[:VALUES_SHOWN])
            return f"Other TXT values were found, ours was not: {shown}. Add ours beside them."[:500]
        return {
            DnsAnswer.FOUND: "Found: the domain is proven.",
            DnsAnswer.NO_RECORD: "The name exists, but has no TXT record. Add it; DNS may take an hour.",
            DnsAnswer.NO_NAME: f"The DNS knows no name {host} yet. Add the record; DNS may take an hour.",
            DnsAnswer.TIMED_OUT: "The domain's DNS did not answer within 5 seconds. Check again later.",
            DnsAnswer.FAILED: "The domain's DNS servers failed to answer. Check them, then check again.",
        }[self.answer][:500]


def look_up(host: str, wanted: str, *, resolver: dns.resolver.Resolver | None = None) -> LookUp:
    """Ask for the TXT records of ``host`` and look for the value ``wanted``, byte for byte.

    Takes at most five seconds. ``resolver`` is the system's when not given.
    Raises ServiceUnavailable when this machine has no resolver at all. RFC 1035, section 3.3.14.
    """
    try:
        asking = resolver or dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration as missing:
        raise ServiceUnavailable("no DNS resolver is configured") from missing
    try:
        # Absolute and without search: a look-up must never end in our own network's domain.
        answer = asking.resolve(
            dns.name.from_text(host), "TXT", lifetime=LIFETIME_SECONDS, search=False, raise_on_no_answer=False
        )
    except dns.resolver.NXDOMAIN:
        return LookUp(DnsAnswer.NO_NAME)
    except dns.exception.Timeout:
        return LookUp(DnsAnswer.TIMED_OUT)
    except dns.exception.DNSException:
        return LookUp(DnsAnswer.FAILED)
    # One record's strings are one value, cut into pieces of 255 bytes by the DNS.
    values = tuple(b"".join(record.strings).decode("utf-8", "replace") for record in answer.rrset or ())
    if wanted in values:
        return LookUp(DnsAnswer.FOUND)
    return LookUp(DnsAnswer.OTHER_VALUES, values) if values else LookUp(DnsAnswer.NO_RECORD)
