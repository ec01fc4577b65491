from __future__ import annotations

from pathlib import Path

import pytest

from lvportal.cli.guide import file_of, page
from lvportal.providers import KNOWN

ROOT = Path(__file__).parents[2]


def test_docs_connect_okta_md_is_the_printed_guide(installation):
    written = (ROOT / "docs" / "connect-okta.md").read_text("utf-8")

    printed = installation.run("guide", "docs", "okta").stdout

    assert printed == written, "run: lvportal guide docs okta --output docs/connect-okta.md"


@pytest.mark.parametrize("key", list(KNOWN))
def test_the_document_of_every_provider_is_up_to_date(key):
    written = file_of(KNOWN[key], ROOT / "docs").read_text("utf-8")

    assert written == page(KNOWN[key]), "run: lvportal guide docs"


def test_without_a_provider_all_are_written(installation):
    installation.run("guide", "docs", "--into", str(installation.folder))

    assert {key for key in KNOWN if file_of(KNOWN[key], installation.folder).exists()} == set(KNOWN)


def test_a_guide_can_be_written_to_a_file(installation):
    file = installation.folder / "guide.md"

    installation.run("guide", "docs", "entra", "--output", str(file))

    assert file.read_text("utf-8") == page(KNOWN["entra"])


@pytest.mark.parametrize("key", sorted(KNOWN))
def test_a_page_has_every_row_trap_and_error_of_its_provider(key):
    provider = KNOWN[key]

    text = page(provider)

    wanted = [row.where for guide in provider.guides for row in guide.rows]
    wanted += [trap for guide in provider.guides for trap in guide.traps]
    wanted += [*provider.traps, *(error.fix for error in provider.errors)]
    assert [words for words in wanted if words not in text] == []
    assert "{" not in text


def test_the_table_rows_have_three_cells():
    rows = [
        line for line in page(KNOWN["okta"]).split("Okta, Web Application")[1].splitlines() if line[:1] == "|"
    ]

    assert {line.count("|") for line in rows[:6]} == {4}
