from __future__ import annotations

import os
import subprocess
import sys

from click.testing import CliRunner

from lvportal.cli import main
from lvportal.cli.program import lines_of
from lvportal.errors import NoAccount, SettingsWrong


def test_wrong_settings_are_said_in_words_with_status_2(monkeypatch):
    monkeypatch.setenv("LVPORTAL_COLOUR", "blue")

    refused = CliRunner().invoke(main, ["database", "upgrade"])

    assert refused.exit_code == 2
    assert refused.stderr.splitlines() == [
        "A setting is missing or wrong.",
        "  unknown setting: LVPORTAL_COLOUR",
        "  Next: See docs/settings.md.",
        "  Code: settings.wrong",
    ]


def test_keys_are_made_without_any_settings():
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LVPORTAL_")}

    made = subprocess.run(
        [sys.executable, "-c", "from lvportal.cli import main; main()", "keys", "new", "--id", "k1"],
        env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert made.stdout.startswith("k1:")
    assert made.stderr == ""


def test_a_refusals_lines_are_filled_in():
    lines = lines_of(NoAccount(client="Acme", email="kim@acme.example"))

    assert lines[0] == "Acme has no active account for kim@acme.example."
    assert lines[-1] == "  Code: sign_in.no_account"


def test_several_reasons_stand_on_several_lines():
    lines = lines_of(SettingsWrong("one; two"))

    assert lines[1:3] == ["  one", "  two"]


def test_every_command_explains_itself():
    paths = [
        [],
        ["database"],
        ["keys"],
        ["care"],
        ["settings"],
        ["apply"],
        ["clean-up"],
        ["doctor"],
        ["sign-in"],
    ]

    helps = [CliRunner().invoke(main, [*path, "--help"]) for path in paths]

    assert {shown.exit_code for shown in helps} == {0}
    assert all(len(shown.stdout.splitlines()) > 4 for shown in helps)
