from __future__ import annotations

import re
from pathlib import Path

from lvportal.cli.troubleshooting import causes, manual
from lvportal.errors import SignInRefused, tree

ROOT = Path(__file__).parents[2]


def test_the_printed_table_is_docs_troubleshooting_md(installation):
    written = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")

    assert installation.run("troubleshooting", "docs").stdout == written, (
        "run: lvportal troubleshooting docs --output docs/troubleshooting.md"
    )


def test_the_table_can_be_written_to_a_file(installation):
    file = installation.folder / "troubleshooting.md"

    installation.run("troubleshooting", "docs", "--output", str(file))

    assert file.read_text("utf-8") == manual()


def test_every_code_of_a_sign_in_has_exactly_one_row():
    rows = re.findall(r"^\| `(sign_in\.[a-z_]+)` \|", manual(), re.MULTILINE)

    assert sorted(rows) == sorted({cause.code for cause in tree(SignInRefused)})
    assert len(rows) > 60


def test_every_cause_says_what_to_do_to_both_sides():
    silent = [c.code for c in causes() if not (c.user_message and c.next_step and c.administrator_step)]

    assert silent == []


def test_no_row_breaks_the_table():
    rows = [line for line in manual().splitlines() if line.startswith("| `")]

    assert [row for row in rows if row.replace("\\|", "").count("|") != 4] == []
