"""Fixtures of the journeys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import stage
from tests.browser.hands import Keyboard
from tests.browser.someone import Someone
from tests.support.live_portal import LivePortal


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, _migrated_database: Path) -> Iterator[stage.Demo]:
    """The portal and the demo provider as ``./run`` starts them. Shared by a module: leave it as it was."""
    with stage.demo(tmp_path_factory.mktemp("demo"), _migrated_database) as running:
        yield running


@pytest.fixture
def fresh_demo(tmp_path: Path, _migrated_database: Path) -> Iterator[stage.Demo]:
    """The same for one test, which may change it."""
    with stage.demo(tmp_path, _migrated_database) as running:
        yield running


@pytest.fixture
def someone(browser: Any) -> Iterator[Callable[..., Someone]]:
    """Open a browser of somebody's own: ``someone(portal, by_keyboard=True)``.

    At the end no page of ours may have complained: no policy's report, no script's error.
    """
    people: list[Someone] = []

    def open_browser(portal: LivePortal, *, by_keyboard: bool = False, **kind: Any) -> Someone:
        page = browser.new_page(**kind)
        person = Someone(page, portal, Keyboard(page) if by_keyboard else None)
        people.append(person)
        return person

    yield open_browser
    assert [complaint for person in people for complaint in person.watch.complaints] == []
