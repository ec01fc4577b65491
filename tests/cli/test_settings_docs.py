from __future__ import annotations

from pathlib import Path

from lvportal.cli.settings_docs import manual
from lvportal.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]


def test_the_printed_manual_is_docs_settings_md(installation):
    written = (ROOT / "docs" / "settings.md").read_text("utf-8")

    assert installation.run("settings", "docs").stdout == written, (
        "run: lvportal settings docs --output docs/settings.md"
    )


def test_the_manual_can_be_written_to_a_file(installation):
    file = installation.folder / "settings.md"

    installation.run("settings", "docs", "--output", str(file))

    assert file.read_text("utf-8") == manual()


def test_every_setting_has_a_section_with_a_text():
    sections = manual().split("\n## ")[1:]

    assert [section.split("`")[1] for section in sections] == [
        PREFIX + name.upper() for name in Settings.model_fields
    ]
    assert [section for section in sections if len(section.split("\n\n")) < 3] == []


def test_no_setting_is_shown_as_a_secret_objects_stars():
    assert "***" not in manual()
    assert "LVPORTAL_DATABASE_URL" in manual()
