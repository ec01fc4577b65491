"""The report about providers written by somebody else: right, and wrong when one fact is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lvportal.protocols.http import AddressPolicy, Fetcher
from lvportal.protocols.oidc.configuration import ClientAuthentication
from lvportal.protocols.oidc.documents import ProviderDocuments
from lvportal.protocols.oidc.report import ClientCredentials, Outcome, examine

pytestmark = [pytest.mark.provider, pytest.mark.slow]

REDIRECT_URIS = ("https://portal.example/sso/acme", "https://agent.example/sso/acme")


@pytest.fixture(params=["oidc_provider", "canaille"])
def provider(request):
    return request.getfixturevalue(request.param)


def policy_for(provider):
    host, port = provider.address.rsplit(":", 1)
    return AddressPolicy(frozenset({(host, int(port))}))


def look(provider, *, issuer=None, client=None, ahead=timedelta()):
    policy = policy_for(provider)
    now = datetime.now(UTC) + ahead
    return examine(issuer or provider.issuer, fetcher=Fetcher(policy), policy=policy, now=now, client=client)


def credentials(provider, authentication):
    client = provider.register(REDIRECT_URIS, authentication=authentication)
    return ClientCredentials(
        client.client_id, client.client_secret, ClientAuthentication(authentication), REDIRECT_URIS[0]
    )


@pytest.mark.parametrize("authentication", ["client_secret_basic", "client_secret_post"])
def test_right_settings_pass_and_the_unsafe_address_is_said(provider, authentication):
    report = look(provider, client=credentials(provider, authentication))

    assert [check.sentence for check in report.checks if check.outcome is Outcome.DANGER] == []
    assert report.check("address").outcome is Outcome.WARN
    assert report.check("credentials").outcome is Outcome.OK
    assert report.metadata is not None


def test_a_wrong_secret_is_found(provider):
    wrong = replace(credentials(provider, "client_secret_basic"), client_secret="wrong" * 8)

    check = look(provider, client=wrong).check("credentials")

    assert check.outcome is Outcome.DANGER
    assert "refused our secret" in check.sentence


def test_a_clock_that_differs_is_found(provider):
    assert look(provider, ahead=timedelta(minutes=5)).check("clock").outcome is Outcome.DANGER


def test_a_slash_too_many_is_found_and_the_providers_own_issuer_offered(provider):
    issuer = provider.issuer.rstrip("/")
    other = issuer if provider.issuer.endswith("/") else issuer + "/"

    report = look(provider, issuer=other)

    assert report.check("issuer").outcome is Outcome.DANGER
    assert report.mend == provider.issuer


def test_documents_are_fetched_once_and_hold_keys(provider):
    documents = ProviderDocuments(Fetcher(policy_for(provider)), policy_for(provider))

    metadata = documents.metadata(provider.issuer)

    assert metadata.issuer == provider.issuer
    assert documents.keys(provider.issuer).keys
    assert documents.metadata(provider.issuer) is metadata
