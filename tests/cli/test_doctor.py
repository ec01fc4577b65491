from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lvportal.cli.doctor import lines_of_report
from lvportal.protocols.oidc.report import Check, Outcome, Report
from tests.providers.hostile import HostileProvider
from tests.support.installation import Installation


@pytest.fixture
def doctor(tmp_path: Path, hostile: HostileProvider) -> Callable[..., object]:
    """Run the doctor on a real provider on loopback."""
    host, _, port = hostile.address.rpartition(":")
    installation = Installation(tmp_path, unsafe_provider_addresses=frozenset({(host, int(port))}))
    return lambda *more, **named: installation.run("doctor", hostile.issuer, *more, **named)


def credentials(hostile: HostileProvider) -> tuple[tuple[str, ...], str]:
    """Register a client; return the doctor's arguments and the secret."""
    client = hostile.register(["https://portal.example.com/sso/acme"])
    return (
        "--client-id",
        client.client_id,
        "--secret-environment",
        "ACME_SECRET",
    ), client.client_secret or ""


def test_a_report_is_shown_check_by_check_in_the_reports_words():
    report = Report(
        "https://login.acme.example",
        (
            Check("address", Outcome.OK, "It is an https address."),
            Check(
                "issuer", Outcome.DANGER, "The document names another issuer.", "Enter that one.",
                mend="https://login.acme.example/", tell="The issuer differs from the address.",
            ),
            Check("clock", Outcome.WARN, "The clock is 40 s off.", "Correct it.", tell="Your clock is off."),
        ),
    )  # fmt: skip

    assert lines_of_report(report) == [
        "Issuer: https://login.acme.example",
        "ok       Address: It is an https address.",
        "DANGER   Issuer: The document names another issuer.",
        "         Next: Enter that one.",
        "WARNING  Clock: The clock is 40 s off.",
        "         Next: Correct it.",
        "Use instead: https://login.acme.example/",
        "",
        "Tell the provider's administrator:",
        "  - The issuer differs from the address.",
        "  - Your clock is off.",
    ]


def test_a_provider_on_a_private_address_is_a_danger_with_status_1(installation):
    examined = installation.run("doctor", "https://127.0.0.1:1")

    assert examined.exit_code == 1
    assert "DANGER   Address:" in examined.stdout


def test_a_secret_that_is_not_there_is_said_before_anything_is_sent(installation):
    refused = installation.run(
        *("doctor", "https://login.acme.example", "--client-id", "0oa1", "--secret-environment", "NOT_SET")
    )

    assert refused.exit_code == 2
    assert "Code: doctor.secret" in refused.stderr


def test_a_good_provider_passes_with_its_credentials(doctor, hostile):
    arguments, secret = credentials(hostile)

    examined = doctor(*arguments, environ={"ACME_SECRET": secret})

    assert examined.exit_code == 0
    assert "DANGER" not in examined.stdout
    assert "ok       Credentials:" in examined.stdout
    assert secret not in examined.output


def test_a_wrong_secret_is_a_danger_with_status_1(doctor, hostile):
    arguments, secret = credentials(hostile)

    examined = doctor(*arguments, environ={"ACME_SECRET": secret + "x"})

    assert examined.exit_code == 1
    assert "DANGER   Credentials:" in examined.stdout
    assert secret not in examined.output


def test_another_issuer_in_the_document_is_a_danger_with_what_to_use_instead(doctor, hostile):
    hostile.bend_discovery(issuer=hostile.issuer + "/realm")

    examined = doctor()

    assert examined.exit_code == 1
    assert "DANGER   Issuer:" in examined.stdout
