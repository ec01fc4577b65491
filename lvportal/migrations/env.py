"""How Alembic reaches the database: through the app's own engine, inside its context."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from flask import current_app
from sqlalchemy.engine import Connection

from lvportal.database import WRITES
from lvportal.models import Base
from lvportal.models.base import UtcDateTime

# Any number will do, as long as two programs that migrate one database share it.
ADVISORY_LOCK = 0x6C76706F7274616C % 2**63


def render_item(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Write our own column type as what it is in the database: a revision imports no model."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def options() -> dict[str, Any]:
    """Return what both ways of running share."""
    return {
        "target_metadata": Base.metadata,
        "render_as_batch": True,
        "compare_type": True,
        "render_item": render_item,
        "transactional_ddl": True,
    }


def run_offline() -> None:
    """Write the SQL instead of running it."""
    engine = current_app.extensions["migrate"].db.engine
    context.configure(dialect_name=engine.dialect.name, literal_binds=True, **options())
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Run every revision in one transaction."""
    engine = current_app.extensions["migrate"].db.engine
    with engine.connect().execution_options(**{WRITES: True}) as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        if is_sqlite:
            # A batch operation rebuilds a table; with foreign keys on, dropping
            # the old one would take its children along. Works outside a
            # transaction only, so it comes before the first.
            _set_foreign_keys(connection, on=False)
        try:
            context.configure(connection=connection, **options())
            with context.begin_transaction():
                if connection.dialect.name == "postgresql":
                    # Two machines that start at once migrate one after the other.
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
                context.run_migrations()
                if is_sqlite:
                    _check_foreign_keys(connection)
        finally:
            if is_sqlite:
                connection.rollback()
                _set_foreign_keys(connection, on=True)


def _set_foreign_keys(connection: Connection, *, on: bool) -> None:
    raw: Any = connection.connection.driver_connection
    raw.execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}")


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise RuntimeError(f"this migration leaves a row of {broken[0]} that points to nothing")


if context.is_offline_mode():
    run_offline()
else:
    run_online()
