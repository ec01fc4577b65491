"""A small DNS server on loopback (RFC 1035, UDP), and a resolver that asks it."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset


class DnsServer:
    """Answers TXT questions from ``records``; an unknown name is NXDOMAIN, a silent one gets no answer."""

    def __init__(self) -> None:
        self.records: dict[str, list[str]] = {}
        self.silent: set[str] = set()
        self.failing: set[str] = set()
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def resolver(self) -> dns.resolver.Resolver:
        """A resolver that knows this server alone."""
        made = dns.resolver.Resolver(configure=False)
        made.nameservers = ["127.0.0.1"]
        made.port = self._socket.getsockname()[1]
        return made

    def __enter__(self) -> DnsServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        port = self._socket.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", port))
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(4096)
            if not data:
                return
            answer = self._answer(dns.message.from_wire(data))
            if answer is not None:
                self._socket.sendto(answer.to_wire(), sender)

    def _answer(self, question: dns.message.Message) -> dns.message.Message | None:
        name = question.question[0].name
        host = name.to_text(omit_final_dot=True)
        self.asked.append(host)
        if host in self.silent:
            return None
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        if host in self.failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif host not in self.records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif self.records[host]:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *self.records[host]))
        return answer
