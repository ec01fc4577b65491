"""Documents are kept, renewed in the background, and served stale while a provider is down."""

import json
import os
import sys
import threading
import time

import pytest

from lvportal.protocols.http import ProviderUnreachable, Reply
from lvportal.protocols.oidc import documents as module
from lvportal.protocols.oidc.discovery import KeysMissing, MetadataIssuerDiffers, MetadataMissing
from lvportal.protocols.oidc.documents import ProviderDocuments, judge_life
from lvportal.protocols.oidc.errors import KeySetMalformed

ISSUER = "https://id.acme.example"
HOUR = 3600


class Network:
    """A provider's two documents, which a test may change, break, delay or count."""

    def __init__(self, clock):
        self.clock = clock
        self.headers = {}
        self.key_names = ["a"]
        self.issuer_named = None
        self.status = 200
        self.down = False
        self.hold = None  # an event each fetch waits for
        self.calls = []
        self.sent = []
        self._lock = threading.Lock()

    def get(self, url, *, issuer, headers=None):
        with self._lock:
            self.calls.append("keys" if url.endswith("/keys") else "metadata")
            self.sent.append(dict(headers or {}))
        if self.hold is not None:
            assert self.hold.wait(5)
        if self.down:
            raise ProviderUnreachable("down", address="id.acme.example:443", reason="test")
        return Reply(
            self.status, self.headers, self._keys() if url.endswith("/keys") else self._metadata(issuer)
        )

    def _metadata(self, issuer):
        values = {"issuer": self.issuer_named or issuer}
        for name in ("authorization_endpoint", "token_endpoint"):
            values[name] = f"{issuer}/{name}"
        return json.dumps({**values, "jwks_uri": f"{issuer}/keys"}).encode()

    def _keys(self):
        return json.dumps({"keys": [{**KEY, "kid": name} for name in self.key_names]}).encode()


KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}  # RFC 7515, appendix A.3


class Clock:
    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def network(clock):
    return Network(clock)


@pytest.fixture
def documents(network, clock):
    return ProviderDocuments(network, clock=clock)


def eventually(holds):
    for _ in range(300):
        if holds():
            return True
        time.sleep(0.01)
    return False


def names(keys):
    return [key.kid for key in keys.keys]


# --- How long -------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({}, HOUR),
        ({"cache-control": "public, max-age=7200"}, 7200),
        ({"cache-control": "max-age=7200", "age": "200"}, 7000),
        ({"cache-control": "MAX-AGE = 7200"}, 7200),
        ({"cache-control": "max-age=0"}, 300),
        ({"cache-control": "max-age=299"}, 300),
        ({"cache-control": "max-age=300"}, 300),
        ({"cache-control": "max-age=86400"}, 86400),
        ({"cache-control": "max-age=999999999"}, 86400),
        ({"cache-control": "no-store"}, 300),
        ({"cache-control": "no-cache, max-age=7200"}, 300),
        ({"cache-control": "max-age=never"}, HOUR),
        ({"cache-control": "max-age=7200", "age": "-5"}, 7200),
        ({"cache-control": "s-maxage=60"}, HOUR),
    ],
)
def test_a_document_lives_as_long_as_the_provider_says_within_bounds(headers, seconds):
    assert judge_life(headers) == seconds


def test_a_fresh_document_is_fetched_once(documents, network):
    first = documents.metadata(ISSUER)
    keys = documents.keys(ISSUER)

    for _ in range(10):
        assert documents.metadata(ISSUER) is first
        assert documents.keys(ISSUER) is keys

    assert network.calls == ["metadata", "keys"]
    assert first.token_endpoint == f"{ISSUER}/token_endpoint"
    assert names(keys) == ["a"]


def test_each_issuer_has_its_own_documents(documents, network):
    other = "https://id.globex.example"

    assert documents.metadata(ISSUER).issuer == ISSUER
    assert documents.metadata(other).issuer == other


# --- Renewal ----------------------------------------------------------------------


def test_a_document_is_renewed_in_the_background_before_it_ends(documents, network, clock):
    old = documents.keys(ISSUER)
    network.key_names = ["b"]
    network.hold = threading.Event()
    clock.now += 0.9 * HOUR

    at_once = documents.keys(ISSUER)
    network.hold.set()

    assert at_once is old
    assert eventually(lambda: names(documents.keys(ISSUER)) == ["b"])
    assert network.calls.count("keys") == 2


def test_a_document_is_not_renewed_early(documents, network, clock):
    documents.keys(ISSUER)
    clock.now += 0.7 * HOUR

    documents.keys(ISSUER)
    time.sleep(0.05)

    assert network.calls.count("keys") == 1


def test_an_ended_document_is_renewed_before_it_is_used(documents, network, clock):
    documents.keys(ISSUER)
    network.key_names = ["b"]
    clock.now += 2 * HOUR

    assert names(documents.keys(ISSUER)) == ["b"]


def test_an_ended_document_serves_while_the_provider_is_down(documents, network, clock):
    documents.keys(ISSUER)
    network.down = True
    clock.now += 20 * HOUR

    assert names(documents.keys(ISSUER)) == ["a"]
    assert documents.metadata(ISSUER).issuer == ISSUER
    status = documents.status(ISSUER)
    assert status.failing_since == clock.now
    assert status.error_code == "sign_in.unreachable"


def test_a_document_that_ended_long_ago_does_not_serve(documents, network, clock):
    documents.keys(ISSUER)
    network.down = True
    clock.now += 26 * HOUR

    with pytest.raises(ProviderUnreachable):
        documents.keys(ISSUER)


def test_a_broken_document_does_not_take_the_place_of_a_good_one(documents, network, clock):
    documents.metadata(ISSUER)
    network.issuer_named = "https://id.globex.example"
    clock.now += 2 * HOUR

    assert documents.metadata(ISSUER).issuer == ISSUER
    assert documents.status(ISSUER).error_code == "sign_in.metadata_issuer"


def test_a_stale_document_makes_nobody_wait_for_a_hanging_provider(documents, network, clock, monkeypatch):
    monkeypatch.setattr(module, "WAIT_FOR_RENEWAL_SECONDS", 0.1)
    documents.keys(ISSUER)
    network.hold = threading.Event()
    clock.now += 2 * HOUR
    started = time.monotonic()

    keys = documents.keys(ISSUER)

    assert names(keys) == ["a"]
    assert time.monotonic() - started < 1
    network.hold.set()


def test_a_failed_renewal_is_not_tried_at_every_sign_in(documents, network, clock):
    documents.keys(ISSUER)
    network.down = True
    clock.now += 2 * HOUR
    for _ in range(5):
        documents.keys(ISSUER)
    assert eventually(lambda: documents.status(ISSUER).failing_since is not None)

    assert network.calls.count("keys") + network.calls.count("metadata") <= 4
    network.down = False
    network.key_names = ["b"]
    clock.now += 31
    documents.keys(ISSUER)
    assert eventually(lambda: names(documents.keys(ISSUER)) == ["b"])
    assert documents.status(ISSUER).failing_since is None


# --- Failure ------------------------------------------------------------------------


def test_a_dead_provider_is_asked_once_in_some_seconds(documents, network, clock):
    network.down = True
    for _ in range(5):
        with pytest.raises(ProviderUnreachable) as refused:
            documents.metadata(ISSUER)
    assert network.calls == ["metadata"]
    assert refused.value.facts["address"] == "id.acme.example:443"

    network.down = False
    clock.now += 5.1

    assert documents.metadata(ISSUER).issuer == ISSUER


def test_a_remembered_failure_is_a_new_exception_each_time(documents, network):
    network.down = True
    raised = []
    for _ in range(3):
        with pytest.raises(ProviderUnreachable) as refused:
            documents.metadata(ISSUER)
        raised.append(refused.value)

    assert len({id(error) for error in raised}) == 3


@pytest.mark.parametrize("status", [404, 500, 204, 201])
def test_any_status_but_200_is_no_document(documents, network, status):
    network.status = status
    with pytest.raises(MetadataMissing) as refused:
        documents.metadata(ISSUER)

    assert refused.value.code == "sign_in.metadata_missing"
    assert str(status) in refused.value.words(refused.value.administrator_step)


def test_missing_keys_have_their_own_code(documents, network):
    documents.metadata(ISSUER)
    network.status = 404

    with pytest.raises(KeysMissing):
        documents.keys(ISSUER)


def test_a_wrong_issuer_reaches_the_caller(documents, network):
    network.issuer_named = ISSUER + "/"

    with pytest.raises(MetadataIssuerDiffers):
        documents.metadata(ISSUER)


def test_unreadable_keys_reach_the_caller(documents, network, monkeypatch):
    monkeypatch.setattr(network, "_keys", lambda: b"<html>")

    with pytest.raises(KeySetMalformed):
        documents.keys(ISSUER)


def test_an_error_of_ours_ends_the_flight_too(documents, network, monkeypatch):
    monkeypatch.setattr(network, "_metadata", lambda issuer: 7)
    with pytest.raises(TypeError):
        documents.metadata(ISSUER)
    monkeypatch.undo()

    assert documents.metadata(ISSUER).issuer == ISSUER


# --- Many at once ---------------------------------------------------------------------


def in_threads(call, count):
    results = []

    def run():
        try:
            results.append(call())
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, results


def test_many_who_ask_at_once_share_one_fetch(documents, network):
    network.hold = threading.Event()
    threads, results = in_threads(lambda: documents.keys(ISSUER), 20)
    assert eventually(lambda: network.calls)
    time.sleep(0.05)
    network.hold.set()
    for thread in threads:
        thread.join()

    assert network.calls == ["metadata", "keys"]
    assert len(results) == 20
    assert all(result is results[0] for result in results)


def test_many_who_ask_at_once_share_one_failure(documents, network):
    network.hold = threading.Event()
    network.down = True
    threads, results = in_threads(lambda: documents.metadata(ISSUER), 10)
    assert eventually(lambda: network.calls)
    time.sleep(0.05)
    network.hold.set()
    for thread in threads:
        thread.join()

    assert network.calls == ["metadata"]
    assert all(isinstance(result, ProviderUnreachable) for result in results)


def test_the_usual_case_takes_no_lock_and_costs_microseconds(documents):
    documents.keys(ISSUER)
    shelf = documents._shelves[ISSUER]
    with documents._lock, shelf.metadata._lock, shelf.keys._lock:
        started = time.perf_counter()
        for _ in range(2000):
            documents.metadata(ISSUER)
            documents.keys(ISSUER)
        took = time.perf_counter() - started

    # 1 to 2 us a pair; tracing for coverage makes it many times slower.
    assert took / 2000 < (0.001 if sys.gettrace() or "coverage" in sys.modules else 0.000_05)


def test_the_number_of_issuers_is_bounded_and_the_unused_go_first(documents, network, clock, monkeypatch):
    monkeypatch.setattr(module, "MAX_ISSUERS", 32)
    for number in range(32):
        clock.now += 1
        documents.metadata(f"https://{number}.acme.example")
    clock.now += 1
    documents.metadata("https://0.acme.example")
    before = len(network.calls)

    documents.metadata("https://new.acme.example")
    documents.metadata("https://0.acme.example")
    assert len(network.calls) == before + 1

    documents.metadata("https://1.acme.example")
    assert len(network.calls) == before + 2
    assert len(documents._shelves) <= 32


# --- Once more -------------------------------------------------------------------------


def test_new_keys_are_fetched_once_more_past_caches(documents, network):
    documents.keys(ISSUER)
    network.key_names = ["a", "b"]

    newer = documents.keys_again(ISSUER)

    assert newer is not None
    assert names(newer) == ["a", "b"]
    assert documents.keys(ISSUER) is newer
    assert network.sent[-1] == {"Cache-Control": "no-cache"}


def test_the_same_keys_are_not_worth_another_try(documents, network):
    documents.keys(ISSUER)

    assert documents.keys_again(ISSUER) is None
    assert network.calls.count("keys") == 2


def test_a_burst_of_two_then_one_in_thirty_seconds(documents, network, clock):
    documents.keys(ISSUER)
    for _ in range(20):
        documents.keys_again(ISSUER)
    assert network.calls.count("keys") == 3

    clock.now += 29
    documents.keys_again(ISSUER)
    assert network.calls.count("keys") == 3

    clock.now += 1.1
    documents.keys_again(ISSUER)
    documents.keys_again(ISSUER)
    assert network.calls.count("keys") == 4


def test_after_a_long_rest_the_burst_is_two_again(documents, network, clock):
    documents.keys(ISSUER)
    for _ in range(3):
        documents.keys_again(ISSUER)
    clock.now += 600
    before = network.calls.count("keys")

    for _ in range(5):
        documents.keys_again(ISSUER)

    assert network.calls.count("keys") == before + 2


def test_the_limit_of_one_issuer_is_not_anothers(documents, network):
    for _ in range(5):
        documents.keys_again(ISSUER)
    other = "https://id.globex.example"
    documents.keys(other)
    network.key_names = ["b"]

    assert documents.keys_again(other) is not None


def test_everyone_gets_keys_that_changed_a_moment_ago_without_a_fetch(documents, network):
    documents.keys(ISSUER)
    network.key_names = ["b"]
    first = documents.keys_again(ISSUER)
    before = len(network.calls)

    for _ in range(10):
        assert documents.keys_again(ISSUER) is first

    assert len(network.calls) == before


def test_many_with_an_unknown_key_share_one_fetch(documents, network):
    documents.keys(ISSUER)
    network.key_names = ["b"]
    network.hold = threading.Event()
    threads, results = in_threads(lambda: documents.keys_again(ISSUER), 10)
    assert eventually(lambda: network.calls.count("keys") == 2)
    time.sleep(0.05)
    network.hold.set()
    for thread in threads:
        thread.join()

    assert network.calls.count("keys") == 2
    assert all(names(result) == ["b"] for result in results)


def test_a_provider_that_is_down_gives_no_newer_keys(documents, network):
    documents.keys(ISSUER)
    network.down = True

    assert documents.keys_again(ISSUER) is None
    assert names(documents.keys(ISSUER)) == ["a"]


# --- The rest ---------------------------------------------------------------------------


def test_the_status_tells_times_and_fetches_nothing(documents, network, clock):
    assert documents.status(ISSUER).metadata_fetched_at is None
    documents.keys(ISSUER)
    fetched = clock.now
    clock.now += 10

    status = documents.status(ISSUER)

    assert (status.keys_fetched_at, status.keys_expires_at) == (fetched, fetched + HOUR)
    assert status.metadata_fetched_at == fetched
    assert status.failing_since is None
    assert len(network.calls) == 2


def test_a_forgotten_issuer_is_fetched_again(documents, network):
    documents.metadata(ISSUER)
    documents.forget(ISSUER)
    documents.forget("https://never.seen.example")

    documents.metadata(ISSUER)

    assert network.calls == ["metadata", "metadata"]


def test_a_forked_child_renews_by_its_own_threads(documents, network, clock):
    documents.keys(ISSUER)
    clock.now += 0.9 * HOUR
    documents.keys(ISSUER)
    assert eventually(lambda: network.calls.count("keys") == 2)

    child = os.fork()
    if child == 0:
        status = 1
        try:
            documents.keys(ISSUER)
            clock.now += 0.9 * HOUR
            network.key_names = ["b"]
            documents.keys(ISSUER)
            status = 0 if eventually(lambda: names(documents.keys(ISSUER)) == ["b"]) else 1
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)

    assert status == 0


def test_no_more_renewals_wait_than_are_allowed(documents, network, clock, monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING_RENEWALS", 0)
    documents.keys(ISSUER)
    clock.now += 0.9 * HOUR

    assert names(documents.keys(ISSUER)) == ["a"]
    time.sleep(0.05)
    assert network.calls.count("keys") == 1
