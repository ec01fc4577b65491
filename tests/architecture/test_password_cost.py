"""Tests hash cheaply; what is served must not."""

from argon2 import Type

from tests.support.cheap import PRODUCTION_HASHER


def test_passwords_cost_at_least_rfc_9106s_second_profile():
    hasher = PRODUCTION_HASHER

    assert hasher.type is Type.ID
    assert hasher.memory_cost >= 64 * 1024
    assert hasher.time_cost >= 3
    assert hasher.hash_len >= 32
