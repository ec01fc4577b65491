"""A stage for each test, on which the clients acme and globex sign people in through one provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.stage import Browser, Client, Stage
from tests.providers.hostile import HostileProvider

EMAIL = "ada@acme.example"


@pytest.fixture
def make_stage(tmp_path: Path, hostile: HostileProvider) -> Iterator[Callable[..., Stage]]:
    """Build an app with settings of the test's own: ``make_stage(portal_idle_minutes=1)``."""
    made: list[Stage] = []

    def make(**changes: Any) -> Stage:
        folder = tmp_path / f"stage-{len(made)}"
        folder.mkdir()
        made.append(Stage(folder, hostile, **changes))
        return made[-1]

    yield make
    hostile.released.set()
    for stage in made:
        stage.close()


@pytest.fixture
def stage(make_stage: Callable[..., Stage], hostile: HostileProvider) -> Stage:
    hostile.add_person(EMAIL, subject="ada")
    return make_stage()


@pytest.fixture
def acme(stage: Stage) -> Client:
    """The client acme; Ada is one of its users and one of its agents."""
    client = stage.client("acme")
    stage.user(client, EMAIL)
    stage.agent(client, EMAIL)
    return client


@pytest.fixture
def globex(stage: Stage) -> Client:
    """Another client with the same provider, and with people of its own."""
    client = stage.client("globex")
    stage.user(client, "grace@globex.example")
    stage.agent(client, "grace@globex.example")
    return client


@pytest.fixture
def browser(stage: Stage) -> Browser:
    return stage.browser()
