"""Statements compiled once and handed straight to the database's driver.

Three reads and four writes are run by every sign-in or every page. SQLAlchemy's
execution costs seven times what SQLite needs for them
(docs/decisions/0011-prepared-statements.md), so these are compiled by it, once,
and run past it. Values and columns are converted by the same types as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Insert, Select, Update
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

Row = tuple[Any, ...]
_Convert = Callable[[Any], Any]


def engine_of(database: Session | Engine) -> Engine:
    """Return the engine behind a session: ours are bound to nothing else."""
    return database if isinstance(database, Engine) else cast(Engine, database.get_bind())


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction that has begun on a driver's own connection (services/transactions.py)."""

    dialect: Dialect
    connection: Any


class Prepared:
    """One SELECT with named parameters, compiled per dialect at its first use."""

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: Connection | Transaction, values: Mapping[str, Any]) -> list[Row]:
        """Run it inside a transaction that has begun."""
        return self._for(connection.dialect).run(connection.connection, values)

    def row(self, engine: Engine, values: Mapping[str, Any]) -> Row | None:
        """Run it by itself, on a connection of the pool; return its only row, or None."""
        pooled = engine.raw_connection()
        try:
            found = self._for(engine.dialect).run(pooled, values)
        finally:
            pooled.close()
        if len(found) > 1:
            raise LookupError("more rows than one")
        return found[0] if found else None

    def _for(self, dialect: Dialect) -> _Compiled:
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _Compiled(self._statement, dialect)
        return found


class PreparedWrite:
    """One INSERT or UPDATE, every value a named parameter, run inside a writing transaction."""

    def __init__(self, statement: Insert | Update) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection | Transaction, values: Mapping[str, Any]) -> int:
        """Run it and return how many rows it met.

        Raises SQLAlchemy's IntegrityError, as its own execution would.
        """
        dialect = connection.dialect
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _Compiled(self._statement, dialect, list(values))
        try:
            cursor = found.send(connection.connection, values)
        except dialect.dbapi.IntegrityError as clash:  # type: ignore[union-attr]
            raise IntegrityError(str(self._statement), None, clash) from clash
        met: int = cursor.rowcount
        cursor.close()
        return met


class _Compiled:
    def __init__(
        self, statement: Select[Any] | Insert | Update, dialect: Dialect, columns: list[str] | None = None
    ) -> None:
        is_insert = isinstance(statement, Insert)
        compiled = statement.compile(dialect=dialect, column_keys=columns if is_insert else None)
        self._text = str(compiled)
        self._positions: list[str] | None = compiled.positiontup
        self._fixed = compiled.construct_params(_check=False)
        self._to_driver = cast(dict[str, _Convert], dict(compiled._bind_processors))
        self._from_driver: list[tuple[int, _Convert]] = []
        for index, column in enumerate(statement.selected_columns if isinstance(statement, Select) else ()):
            convert = column.type._cached_result_processor(dialect, None)
            if convert is not None:
                self._from_driver.append((index, convert))

    def send(self, driver: Any, values: Mapping[str, Any]) -> Any:
        """Return the cursor after execution."""
        given = {**self._fixed, **values}
        for name, convert in self._to_driver.items():
            given[name] = convert(given[name])
        sent: Any = given if self._positions is None else [given[name] for name in self._positions]
        cursor = driver.cursor()
        try:
            cursor.execute(self._text, sent)
        except BaseException:
            cursor.close()
            raise
        return cursor

    def run(self, driver: Any, values: Mapping[str, Any]) -> list[Row]:
        """Return the rows, converted."""
        cursor = self.send(driver, values)
        try:
            found = cursor.fetchall()
        finally:
            cursor.close()
        return [self._convert(row) for row in found] if self._from_driver else found

    def _convert(self, row: Row) -> Row:
        changed = list(row)
        for index, convert in self._from_driver:
            changed[index] = convert(changed[index])
        return tuple(changed)
