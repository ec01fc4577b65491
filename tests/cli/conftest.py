from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installation import Installation, installed


@pytest.fixture(scope="session")
def _template_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    with installed(folder):
        return folder / "lvportal.sqlite3"


@pytest.fixture
def installation(_template_database: Path, tmp_path: Path) -> Iterator[Installation]:
    """An installation with every table and nobody in it."""
    shutil.copy(_template_database, tmp_path / "lvportal.sqlite3")
    installation = Installation(tmp_path)
    yield installation
    installation.close()
