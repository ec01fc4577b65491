from __future__ import annotations

from lvportal.cli.doctor import lines_of_report
from lvportal.protocols.oidc.report import Check, Outcome, Report


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
