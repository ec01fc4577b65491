"""Providers' documents, kept: fresh in memory, renewed behind the sign-ins' back.

A sign-in reads two documents that change a few times a year. So they are kept
as long as the provider says (within bounds), renewed in a background thread
before they end, fetched once however many ask, and served stale while the
provider is down. Protocol line 23.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import os
import queue
import re
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from lvportal.errors import SignInRefused
from lvportal.protocols.addresses import AddressPolicy
from lvportal.protocols.http import Reply
from lvportal.protocols.oidc.discovery import (
    KeysMissing,
    MetadataMissing,
    ProviderMetadata,
    discovery_url,
    judge_metadata,
)
from lvportal.protocols.oidc.keys import KeySet, judge_key_set
from lvportal.protocols.oidc.values import cut

log = logging.getLogger(__name__)

MIN_LIFE_SECONDS = 5 * 60
MAX_LIFE_SECONDS = 24 * 3600
USUAL_LIFE_SECONDS = 3600
RENEWED_AFTER = 0.8  # of its life
STALE_SECONDS = 24 * 3600  # after its end; beyond that, keys may have been withdrawn long ago
WAIT_FOR_RENEWAL_SECONDS = 2.0
FAILURE_SECONDS = 5.0  # a dead provider is asked this rarely by those who have no document
RENEWAL_FAILURE_SECONDS = 30.0  # and this rarely by those who have an old one
AGAIN_BURST = 2
AGAIN_SECONDS = 30.0
CHANGED_LATELY_SECONDS = 10.0
MAX_ISSUERS = 4096
MAX_THREADS = 8
MAX_WAITING_RENEWALS = 1000
FLIGHT_SECONDS = 30.0  # above the fetcher's own deadline, for a thread that died

T = TypeVar("T")


class Getter(Protocol):
    """What fetches; ``protocols.http.Fetcher`` is the real one."""

    def get(self, url: str, *, issuer: str, headers: Mapping[str, str] | None = None) -> Reply: ...


@dataclass(frozen=True, slots=True)
class DocumentStatus:
    """How one issuer's documents stand, for screens. Times are Unix seconds; None: not kept."""

    metadata_fetched_at: float | None = None
    metadata_expires_at: float | None = None
    keys_fetched_at: float | None = None
    keys_expires_at: float | None = None
    failing_since: float | None = None
    error_code: str | None = None


class ProviderDocuments:
    """Every provider's metadata and keys; one object per process, shared by its threads."""

    def __init__(
        self, fetcher: Getter, policy: AddressPolicy | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._fetcher = fetcher
        self._policy = policy or AddressPolicy()
        self._clock = clock
        self._start_anew()
        if hasattr(os, "register_at_fork"):
            # Neither the threads nor the fetches under way exist in a child.
            os.register_at_fork(after_in_child=_StartAnew(self))

    def metadata(self, issuer: str) -> ProviderMetadata:
        """Return the provider's judged metadata.

        Raises SignInRefused: a subclass of MetadataRefused or OutboundRefused.
        """
        shelf = self._shelves.get(issuer) or self._shelf(issuer)
        # The usual case takes no lock: replacing ``kept`` is one assignment.
        kept = shelf.metadata.kept
        now = self._clock()
        if kept is not None and now < kept.renew_at:
            shelf.used_at = now
            return kept.value
        return shelf.metadata.read(now)

    def keys(self, issuer: str) -> KeySet:
        """Return the provider's keys. Raises SignInRefused as ``metadata`` does, or KeySetMalformed."""
        shelf = self._shelves.get(issuer) or self._shelf(issuer)
        kept = shelf.keys.kept
        now = self._clock()
        if kept is not None and now < kept.renew_at:
            shelf.used_at = now
            return kept.value
        return shelf.keys.read(now)

    def keys_again(self, issuer: str) -> KeySet | None:
        """Fetch the keys once more, for an unknown kid or a bad signature.

        ``None`` when they are the same, cannot be had, or were asked for too
        often: anybody can send a token with a kid nobody knows. A burst of
        AGAIN_BURST, then one in AGAIN_SECONDS, per issuer.
        """
        shelf = self._shelves.get(issuer) or self._shelf(issuer)
        return shelf.keys.read_again(self._clock())

    def status(self, issuer: str) -> DocumentStatus:
        """Tell how an issuer's documents stand. Fetches nothing."""
        shelf = self._shelves.get(issuer)
        if shelf is None:
            return DocumentStatus()
        metadata, keys = shelf.metadata.kept, shelf.keys.kept
        failure = shelf.metadata.failure or shelf.keys.failure
        return DocumentStatus(
            metadata_fetched_at=metadata.fetched_at if metadata else None,
            metadata_expires_at=metadata.expires_at if metadata else None,
            keys_fetched_at=keys.fetched_at if keys else None,
            keys_expires_at=keys.expires_at if keys else None,
            failing_since=failure.since if failure else None,
            error_code=failure.error.code if failure else None,
        )

    def forget(self, issuer: str) -> None:
        """Drop what is kept of one issuer, so that its next use fetches."""
        with self._lock:
            self._shelves.pop(issuer, None)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._shelves: dict[str, _Shelf] = {}
        self._threads = _Threads()

    def _shelf(self, issuer: str) -> _Shelf:
        with self._lock:
            shelf = self._shelves.get(issuer)
            if shelf is None:
                if len(self._shelves) >= MAX_ISSUERS:
                    self._drop_unused()
                shelf = self._shelves[issuer] = self._new_shelf(issuer)
            return shelf

    def _new_shelf(self, issuer: str) -> _Shelf:
        def fetch_metadata(again: bool) -> _Kept[ProviderMetadata]:
            url = discovery_url(issuer)
            reply = self._fetcher.get(url, issuer=issuer)
            if reply.status != 200:
                raise MetadataMissing(f"status {reply.status}", address=cut(url), status=reply.status)
            return self._keep(reply, judge_metadata(reply.body, issuer, self._policy))

        def fetch_keys(again: bool) -> _Kept[KeySet]:
            url = self.metadata(issuer).jwks_uri
            headers = {"Cache-Control": "no-cache"} if again else None
            reply = self._fetcher.get(url, issuer=issuer, headers=headers)
            if reply.status != 200:
                raise KeysMissing(f"status {reply.status}", address=cut(url), status=reply.status)
            return self._keep(reply, judge_key_set(reply.body))

        return _Shelf(
            _Cell(fetch_metadata, self._clock, self._threads, issuer),
            _Cell(fetch_keys, self._clock, self._threads, issuer),
            self._clock(),
        )

    def _keep(self, reply: Reply, value: T) -> _Kept[T]:
        now = self._clock()
        life = judge_life(reply.headers)
        digest = hashlib.sha256(reply.body).digest()
        return _Kept(value, digest, now, now + life * RENEWED_AFTER, now + life)

    def _drop_unused(self) -> None:
        by_use = sorted(self._shelves, key=lambda issuer: self._shelves[issuer].used_at)
        for issuer in by_use[: max(1, MAX_ISSUERS // 16)]:
            del self._shelves[issuer]


def judge_life(headers: Mapping[str, str]) -> float:
    """Return for how many seconds a document may be kept: 5 minutes to 24 hours.

    ``no-store`` and ``no-cache`` give the shortest: fetching per sign-in would
    make every one of them wait. RFC 9111, sections 4.2.1 and 5.2.2.
    """
    control = headers.get("cache-control", "").lower()
    if "no-store" in control or "no-cache" in control:
        return MIN_LIFE_SECONDS
    match = re.search(r"\bmax-age\s*=\s*\"?([0-9]{1,9})", control)
    if match is None:
        return USUAL_LIFE_SECONDS
    age = re.fullmatch(r"[0-9]{1,9}", headers.get("age", "").strip())
    left = int(match[1]) - (int(age[0]) if age else 0)
    return min(max(left, MIN_LIFE_SECONDS), MAX_LIFE_SECONDS)


# --- One document -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    value: T
    digest: bytes
    fetched_at: float
    renew_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class _Failure:
    error: SignInRefused
    since: float
    at: float  # the last of them


class _Flight:
    """One fetch that any number of threads wait for."""

    __slots__ = ("done", "failed")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.failed: SignInRefused | None = None


class _Cell(Generic[T]):
    """One document of one issuer: what is kept, and the fetch under way."""

    def __init__(
        self,
        fetch: Callable[[bool], _Kept[T]],
        clock: Callable[[], float],
        threads: _Threads,
        issuer: str,
    ) -> None:
        self.kept: _Kept[T] | None = None
        self.failure: _Failure | None = None
        self._fetch = fetch
        self._clock = clock
        self._threads = threads
        self._issuer = issuer
        self._lock = threading.Lock()
        self._flight: _Flight | None = None
        self._changed_at = float("-inf")
        self._again_left = float(AGAIN_BURST)
        self._again_counted_at = float("-inf")

    def read(self, now: float) -> T:
        """Return the document, when a look without the lock did not find it fresh."""
        kept = self.kept
        if kept is None or now >= kept.expires_at + STALE_SECONDS:
            return self._read_first(now)
        flight = self._renew(now)
        if now >= kept.expires_at and flight is not None:
            # Nobody asked for a while: wait a little for the new one, not for a dead provider.
            flight.done.wait(WAIT_FOR_RENEWAL_SECONDS)
        return (self.kept or kept).value

    def read_again(self, now: float) -> T | None:
        before = self.kept
        with self._lock:
            flight = self._flight
            if flight is None:
                # Others hold the set that was just replaced; they get the new one for nothing.
                if before is not None and now - self._changed_at < CHANGED_LATELY_SECONDS:
                    return before.value
                if not self._may_ask_again(now):
                    return None
                flight, leads = self._take_off(), True
            else:
                leads = False
        if leads:
            self._fly(flight, again=True)
        else:
            flight.done.wait(FLIGHT_SECONDS)
        kept = self.kept
        if kept is None or flight.failed or (before is not None and kept.digest == before.digest):
            return None
        return kept.value

    def _read_first(self, now: float) -> T:
        with self._lock:
            failure = self.failure
            if failure is not None and now < failure.at + FAILURE_SECONDS:
                raise _again(failure.error)
            flight = self._flight
            leads = flight is None
            if flight is None:
                flight = self._take_off()
        if leads:
            self._fly(flight)
        elif not flight.done.wait(FLIGHT_SECONDS):
            self._give_up(flight)
        if flight.failed is not None:
            raise _again(flight.failed)
        kept = self.kept
        if kept is None:  # the thread that led has died
            return self._read_first(now)
        return kept.value

    def _renew(self, now: float) -> _Flight | None:
        """Start a renewal in the background unless one runs, or failed just now."""
        with self._lock:
            if self._flight is not None:
                return self._flight
            failure = self.failure
            if failure is not None and now < failure.at + RENEWAL_FAILURE_SECONDS:
                return None
            flight = self._take_off()
        if not self._threads.submit(lambda: self._fly(flight)):
            self._give_up(flight)
            return None
        return flight

    def _take_off(self) -> _Flight:
        flight = self._flight = _Flight()
        return flight

    def _give_up(self, flight: _Flight) -> None:
        with self._lock:
            if self._flight is flight:
                self._flight = None
        flight.done.set()

    def _fly(self, flight: _Flight, *, again: bool = False) -> None:
        """Fetch, and tell those who wait. Whatever happens, the flight ends."""
        try:
            kept = self._fetch(again)
        except SignInRefused as error:
            flight.failed = error
            now = self._clock()
            since = self.failure.since if self.failure else now
            self.failure = _Failure(error, since, now)
            log.warning("documents.failed", extra={"issuer": self._issuer, "error": error.code})
        else:
            if self.kept is not None and self.kept.digest != kept.digest:
                self._changed_at = kept.fetched_at
            self.kept = kept
            self.failure = None
        finally:
            self._give_up(flight)

    def _may_ask_again(self, now: float) -> bool:
        earned = max(0.0, now - self._again_counted_at) / AGAIN_SECONDS
        self._again_left = min(float(AGAIN_BURST), self._again_left + earned)
        self._again_counted_at = now
        if self._again_left < 1:
            return False
        self._again_left -= 1
        return True


class _Shelf:
    __slots__ = ("keys", "metadata", "used_at")

    def __init__(self, metadata: _Cell[ProviderMetadata], keys: _Cell[KeySet], used_at: float) -> None:
        self.metadata = metadata
        self.keys = keys
        self.used_at = used_at


def _again(error: SignInRefused) -> SignInRefused:
    """Copy a refusal: one exception raised in many threads would collect their tracebacks."""
    return copy.copy(error)


class _Threads:
    """A few daemon threads, started when first needed; they never delay the end of the process."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._started = 0
        self._idle = 0

    def submit(self, job: Callable[[], None]) -> bool:
        """Run ``job`` soon; False when too many wait already."""
        with self._lock:
            if self._jobs.qsize() >= MAX_WAITING_RENEWALS:
                return False
            if self._idle <= self._jobs.qsize() and self._started < MAX_THREADS:
                self._started += 1
                threading.Thread(target=self._work, name="documents", daemon=True).start()
            self._jobs.put(job)
        return True

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            job = self._jobs.get()
            with self._lock:
                self._idle -= 1
            try:
                job()
            except Exception:
                log.exception("documents.renewal_failed")


class _StartAnew:
    """What a forked child calls; holds its object weakly, since it is never unregistered."""

    def __init__(self, documents: ProviderDocuments) -> None:
        self._documents = weakref.ref(documents)

    def __call__(self) -> None:
        documents = self._documents()
        if documents is not None:
            documents._start_anew()
