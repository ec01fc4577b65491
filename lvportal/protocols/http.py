"""Fetching a provider's documents and tokens: pooled, bounded, checked.

One ``Fetcher`` serves a whole process. It follows no redirect, reads no proxy
from the environment, always verifies TLS, keeps connections, and gives every
issuer its own share of calls, so that one client's hanging provider never
slows another client's sign-in. Protocol lines 2, 24 and 29.
"""

from __future__ import annotations

import os
import re
import ssl
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from .addresses import AddressPolicy, Target
from .http_errors import (
    AddressRefused,
    CertificateRefused,
    NameUnknown,
    OutboundRefused,
    ProviderBusy,
    ProviderSlow,
    ProviderUnreachable,
    RedirectRefused,
    ReplyMalformed,
    ReplyTooLarge,
    RequestMalformed,
    TlsFailed,
)
from .wire import Connection, ConnectionGone, Received, dial

__all__ = [
    "AddressPolicy",
    "AddressRefused",
    "CertificateRefused",
    "Fetcher",
    "Limits",
    "NameUnknown",
    "OutboundRefused",
    "ProviderBusy",
    "ProviderSlow",
    "ProviderUnreachable",
    "RedirectRefused",
    "Reply",
    "ReplyMalformed",
    "ReplyTooLarge",
    "RequestMalformed",
    "TlsFailed",
]

USER_AGENT = "lvportal"
FORM = "application/x-www-form-urlencoded"
MAX_REQUEST_BYTES = 64 * 1024
MAX_KNOWN_URLS = 4096
MAX_HOSTS = 1024

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's whole answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)  # may hold tokens


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call, one issuer and one host may use."""

    connect_seconds: float = 3.0  # name, TCP and TLS together
    silence_seconds: float = 8.0  # between two bytes
    total_seconds: float = 10.0
    body_bytes: int = 512 * 1024
    # 100 sign-ins a second at 200 ms each are 20 at once; the server has 64 threads.
    calls_per_issuer: int = 32
    wait_seconds: float = 1.0
    kept_per_host: int = 32
    kept_seconds: float = 30.0


class Fetcher:
    """The only way out of this program to a provider. Safe to share between threads."""

    def __init__(
        self,
        policy: AddressPolicy | None = None,
        *,
        limits: Limits | None = None,
        ca_bundle: str | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``ca_bundle`` names a PEM file of authorities trusted besides the system's."""
        self.policy = policy or AddressPolicy()
        self._limits = limits or Limits()
        self._ca_bundle = ca_bundle
        self._clock = clock
        self._context: ssl.SSLContext | None = None
        self._start_anew()
        if hasattr(os, "register_at_fork"):
            # A child must not write into its parent's connections.
            os.register_at_fork(after_in_child=_StartAnew(self))

    def get(self, url: str, *, issuer: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Fetch ``url`` for ``issuer``; any status but a redirect is returned.

        Raises a subclass of OutboundRefused.
        """
        return self._call("GET", url, None, issuer, headers)

    def post_form(
        self, url: str, body: bytes, *, issuer: str, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a form, once: it may hold a code that is worth one try.

        Raises a subclass of OutboundRefused.
        """
        return self._call("POST", url, body, issuer, headers)

    def close(self) -> None:
        """Close every kept connection."""
        pools = list(self._pools.values())
        self._start_anew()
        for pool in pools:
            while pool:
                pool.pop().close()

    # --- One call -----------------------------------------------------------

    def _call(
        self, method: str, url: str, body: bytes | None, issuer: str, headers: Mapping[str, str] | None
    ) -> Reply:
        target = self._targets.get(url) or self._judge(url)
        request = _serialise(method, target, body, headers)
        with self._lane(issuer).call(target, self._clock):
            received = self._exchange(target, request, repeatable=method == "GET")
        if 300 <= received.status < 400:
            raise RedirectRefused(
                f"status {received.status}", address=target.address, reason=f"status {received.status}"
            )
        return Reply(received.status, received.headers, received.body)

    def _exchange(self, target: Target, request: bytes, *, repeatable: bool) -> Received:
        limits = self._limits
        started = monotonic()
        deadline = started + limits.total_seconds
        pool = self._pool(target)
        connection = _take_open(pool, started)
        kept = connection is not None
        while True:
            if connection is None:
                connection = dial(
                    target, self.policy, self._tls, min(deadline, started + limits.connect_seconds)
                )
            try:
                received = connection.exchange(
                    request,
                    deadline=deadline,
                    silence_seconds=limits.silence_seconds,
                    limit=limits.body_bytes,
                    idle_seconds=limits.kept_seconds,
                )
            except ConnectionGone as error:
                connection.close()
                if not (kept and repeatable):
                    raise ProviderUnreachable(
                        "closed", address=target.address, reason="it closed the connection"
                    ) from error
                # The server closed a kept connection while we chose it; a GET may be said again.
                connection, kept = None, False
                started = monotonic()
            except BaseException:
                connection.close()
                raise
            else:
                self._keep(pool, connection)
                return received

    # --- Kept connections ---------------------------------------------------

    def _start_anew(self) -> None:
        self._targets: dict[str, Target] = {}
        self._pools: dict[tuple[str, str, int], deque[Connection]] = {}
        self._lanes: dict[str, _Lane] = {}
        self._lock = threading.Lock()
        self._next_sweep = 0.0

    def _judge(self, url: str) -> Target:
        target = self.policy.judge(url)
        if len(self._targets) >= MAX_KNOWN_URLS:
            self._targets.clear()
        self._targets[url] = target
        return target

    def _pool(self, target: Target) -> deque[Connection]:
        key = target[:3]
        pool = self._pools.get(key)
        if pool is None:
            with self._lock:
                if len(self._pools) >= MAX_HOSTS:
                    self._sweep(monotonic(), everything=True)
                pool = self._pools.setdefault(key, deque())
        return pool

    def _keep(self, pool: deque[Connection], connection: Connection) -> None:
        now = monotonic()
        if connection.reusable_until <= now or len(pool) >= self._limits.kept_per_host:
            connection.close()
        else:
            pool.append(connection)
        if now >= self._next_sweep:
            with self._lock:
                self._sweep(now)

    def _sweep(self, now: float, *, everything: bool = False) -> None:
        """Close what has been idle too long, so that quiet hosts hold no sockets."""
        self._next_sweep = now + self._limits.kept_seconds / 2
        for key, pool in list(self._pools.items()):
            while pool:
                try:
                    oldest = pool.popleft()
                except IndexError:
                    break
                if not everything and oldest.reusable_until > now:
                    pool.appendleft(oldest)
                    break
                oldest.close()
            if everything:
                self._pools.pop(key, None)

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["http/1.1"])
            if self._ca_bundle is not None:
                context.load_verify_locations(cafile=self._ca_bundle)
            self._context = context
        return self._context

    def _lane(self, issuer: str) -> _Lane:
        lane = self._lanes.get(issuer)
        if lane is None:
            with self._lock:
                if len(self._lanes) >= MAX_KNOWN_URLS:
                    for name, other in list(self._lanes.items()):
                        if other.is_idle():
                            del self._lanes[name]
                lane = self._lanes.setdefault(
                    issuer, _Lane(self._limits.calls_per_issuer, self._limits.wait_seconds)
                )
        return lane


class _StartAnew:
    """What a forked child calls; holds its fetcher weakly, since it is never unregistered."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = weakref.ref(fetcher)

    def __call__(self) -> None:
        fetcher = self._fetcher()
        if fetcher is not None:
            fetcher._start_anew()


def _take_open(pool: deque[Connection], now: float) -> Connection | None:
    while pool:
        try:
            connection = pool.pop()  # the one used last is the least likely to be closed
        except IndexError:
            return None
        if connection.is_open(now):
            return connection
        connection.close()
    return None


def _serialise(method: str, target: Target, body: bytes | None, headers: Mapping[str, str] | None) -> bytes:
    """Write the request. What could end a header line early is refused."""
    lines = [
        f"{method} {target.path} HTTP/1.1\r\nHost: {target.host_header}\r\n",
        f"User-Agent: {USER_AGENT}\r\nAccept-Encoding: gzip\r\n",
    ]
    accepts = False
    for name, value in (headers or {}).items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or name.lower() in _OURS:
            raise RequestMalformed("header", address=target.address, reason=f"the header {name[:40]!r}")
        accepts = accepts or name.lower() == "accept"
        lines.append(f"{name}: {value}\r\n")
    if not accepts:
        lines.append("Accept: application/json\r\n")
    if body is not None:
        lines.append(f"Content-Type: {FORM}\r\nContent-Length: {len(body)}\r\n")
    lines.append("\r\n")
    request = "".join(lines).encode("ascii") + (body or b"")
    if len(request) > MAX_REQUEST_BYTES:
        raise RequestMalformed("too long", address=target.address, reason="it would be too long")
    return request


# Those decide where a message ends and to whom it goes.
_OURS = frozenset(
    ("host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding", "te")
)


# --- One issuer's share -----------------------------------------------------


class _Lane:
    """How many calls to one issuer are under way, and whether they get answers.

    Three states. *Flowing*: up to ``limit`` calls at once, a few more wait a
    moment. *Stuck*: all places are taken and the oldest call has had no answer
    for PATIENCE_SECONDS; nobody waits, one call a second may try. *Broken*:
    the last FAILURES calls got no answer; one call a second may try. The
    first answer ends both, and writes off the calls that still hang: they keep
    their threads until their deadline, but no places.
    """

    PATIENCE_SECONDS = 2.0
    FAILURES = 5
    TRIAL_SECONDS = 1.0

    def __init__(self, limit: int, wait_seconds: float) -> None:
        self._limit = limit
        self._wait_seconds = wait_seconds
        self._changed = threading.Condition()
        self._started: dict[object, float] = {}  # calls that hold a place
        self._written_off: set[object] = set()
        self._waiting = 0
        self._failures = 0
        self._next_trial = 0.0

    def is_idle(self) -> bool:
        return not (self._started or self._written_off or self._waiting or self._failures)

    @contextmanager
    def call(self, target: Target, clock: Callable[[], float]) -> Iterator[None]:
        """Hold a place during one call. Raises ProviderBusy or ProviderUnreachable."""
        token = object()
        self._enter(token, target, clock)
        answered: bool | None = None
        try:
            yield
            answered = True
        except (ProviderUnreachable, TlsFailed):
            answered = False
            raise
        finally:
            self._leave(token, answered, clock())

    def _enter(self, token: object, target: Target, clock: Callable[[], float]) -> None:
        with self._changed:
            now = clock()
            if self._failures >= self.FAILURES:
                if not self._may_try(now):
                    raise ProviderUnreachable(
                        "circuit open", address=target.address, reason="its last answers all failed to come"
                    )
            elif len(self._started) >= self._limit:
                now = self._wait(clock)
            self._started[token] = now

    def _may_try(self, now: float) -> bool:
        if now < self._next_trial or len(self._started) + len(self._written_off) >= 2 * self._limit:
            return False
        self._next_trial = now + self.TRIAL_SECONDS
        return True

    def _wait(self, clock: Callable[[], float]) -> float:
        """Wait for a place; return the time. Raises ProviderBusy."""
        until = clock() + self._wait_seconds
        while len(self._started) >= self._limit:
            now = clock()
            if now - min(self._started.values()) > self.PATIENCE_SECONDS:
                if self._may_try(now):
                    return now
                raise ProviderBusy("stuck")
            if now >= until or self._waiting >= self._limit // 2:
                raise ProviderBusy("full")
            self._waiting += 1
            try:
                self._changed.wait(until - now)
            finally:
                self._waiting -= 1
        return clock()

    def _leave(self, token: object, answered: bool | None, now: float) -> None:
        with self._changed:
            started = self._started.pop(token, None)
            self._written_off.discard(token)
            if answered:
                self._failures = 0
                if started is not None and len(self._started) >= self._limit // 2:
                    hanging = [t for t, s in self._started.items() if s < started - self.PATIENCE_SECONDS]
                    for other in hanging:
                        del self._started[other]
                    self._written_off.update(hanging)
            elif answered is False:
                self._failures += 1
                if self._failures == self.FAILURES:
                    self._next_trial = now + self.TRIAL_SECONDS
            if self._waiting:
                self._changed.notify()
