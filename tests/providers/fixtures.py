"""Fixtures of the providers, one server of each for a test session. Imported by tests/conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers import canaille as canaille_module
from tests.providers import oidc_provider as oidc_provider_module
from tests.providers.canaille import Canaille
from tests.providers.hostile import HostileProvider
from tests.providers.oidc_provider import OidcProvider


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[OidcProvider]:
    """The certified provider; its ID tokens are thin, the email comes from UserInfo."""
    yield from _started(thin_tokens=True)


@pytest.fixture(scope="session")
def oidc_provider_with_full_tokens() -> Iterator[OidcProvider]:
    """The certified provider with email and email_verified in the ID token."""
    yield from _started(thin_tokens=False)


def _started(*, thin_tokens: bool) -> Iterator[OidcProvider]:
    try:
        provider = oidc_provider_module.start(thin_tokens=thin_tokens)
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    yield provider
    provider.stop()


@pytest.fixture(scope="session")
def canaille() -> Iterator[Canaille]:
    """A provider by somebody else, which sends no email_verified."""
    provider = canaille_module.start()
    yield provider
    provider.stop()


@pytest.fixture(scope="session")
def _hostile_server() -> Iterator[HostileProvider]:
    with HostileProvider() as provider:
        yield provider


@pytest.fixture
def hostile(_hostile_server: HostileProvider) -> Iterator[HostileProvider]:
    """The provider whose answers a test bends; honest at the start of each test."""
    _hostile_server.straighten()
    yield _hostile_server
    _hostile_server.straighten()
