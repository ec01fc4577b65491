"""The app in this process, with three clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lvportal.extensions import db
from tests.support.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Acme signs in through Okta, Globex has nothing yet, the operator has Care."""
    made = House(tmp_path)
    yield made
    with made.app.app_context():
        db.engine.dispose()
