"""The two engines: where the database is, and how SQLite is made to behave."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, cast

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url

from lvportal.settings import Settings

WRITES = "lvportal_writes"
"""Execution option of a transaction that means to write; see services/transactions.py."""


def url(settings: Settings) -> str:
    """Return the URL, a relative SQLite path made absolute: Flask would look in its instance folder."""
    found = make_url(settings.database_url.get_secret_value())
    if found.get_backend_name() == "sqlite" and found.database and found.database != ":memory:":
        found = found.set(database=str(Path(found.database).absolute()))
    return found.render_as_string(hide_password=False)


def engine_options(settings: Settings) -> dict[str, Any]:
    """Return what the engine is created with: a pool that fits 64 threads."""
    if make_url(settings.database_url.get_secret_value()).get_backend_name() == "sqlite":
        return {
            "connect_args": {"timeout": 15, "check_same_thread": False},
            "pool_use_lifo": True,  # the connection used last has its pages and statements at hand
            "pool_size": 16,
            "max_overflow": 48,
        }
    return {"pool_use_lifo": True, "pool_size": 16, "max_overflow": 48, "pool_pre_ping": True}


def prepare_sqlite(engine: Engine) -> None:
    """Make every connection of ``engine`` safe, patient and able to say that it will write."""

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, below
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA busy_timeout=15000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES)
        # Past SQLAlchemy's own execute: every page begins a transaction.
        driver = cast(sqlite3.Connection, connection.connection.dbapi_connection)
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
