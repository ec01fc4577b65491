"""Lists: one page of rows at a time, filters and order in the address, and the same rows as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Response, request

PAGE_SIZE = 50
LAST_PAGE = 1_000_000  # beyond it the offset would leave the database's integers
# A spreadsheet takes a cell that begins so for a formula, and runs it.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. ``total`` counts what the filters leave; ``number`` counts from 1."""

    rows: Sequence[Any]
    total: int
    number: int
    size: int = PAGE_SIZE

    @property
    def first(self) -> int:
        """The place of the first row, from 1; 0 when there is none."""
        return (self.number - 1) * self.size + 1 if self.rows else 0

    @property
    def last(self) -> int:
        """The place of the last row."""
        return (self.number - 1) * self.size + len(self.rows)

    @property
    def has_next(self) -> bool:
        """Tell whether another page follows."""
        return self.last < self.total


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as its template draws it: a page, what was asked for, and the addresses of its neighbours.

    ``wanted`` are the filters as they stand in the address, empty ones included;
    ``sort`` is a column's key, with ``-`` in front when it descends.
    """

    path: str
    page: Page
    wanted: Mapping[str, str]
    sort: str = ""

    def url(self, **changes: Any) -> str:
        """Return this list's address with some parameters changed; empty ones are left out."""
        query = {**self.wanted, "sort": self.sort, **changes}
        shown = urlencode({name: value for name, value in query.items() if value not in ("", None)})
        return f"{self.path}?{shown}" if shown else self.path

    @property
    def previous_url(self) -> str | None:
        """The address of the page before, or None."""
        return self.url(page=self.page.number - 1) if self.page.number > 1 else None

    @property
    def next_url(self) -> str | None:
        """The address of the page after, or None."""
        return self.url(page=self.page.number + 1) if self.page.has_next else None

    @property
    def is_filtered(self) -> bool:
        """Tell whether any filter is set."""
        return any(self.wanted.values())

    def order_of(self, key: str) -> str:
        """Return ``ascending``, ``descending`` or ``none``, for ``aria-sort``."""
        return {key: "ascending", f"-{key}": "descending"}.get(self.sort, "none")

    def sort_url(self, key: str) -> str:
        """Return the address of this list ordered by ``key``, or the other way round if it is already."""
        return self.url(sort=f"-{key}" if self.sort == key else key)


def page_number() -> int:
    """Return the page that the address asks for, from 1."""
    return min(max(1, request.args.get("page", 1, int)), LAST_PAGE)


def wanted_text(name: str = "q") -> str:
    """Return a search text of the address, cut and without what PostgreSQL raises on."""
    return request.args.get(name, "").replace("\x00", "").strip()[:120]


def wanted_choice(name: str, choices: Iterable[str]) -> str:
    """Return a filter of the address if it is one of ``choices``, else an empty text."""
    value = request.args.get(name, "")
    return value if value in choices else ""


def wanted_sort(keys: Iterable[str], default: str) -> str:
    """Return the order that the address asks for: one of ``keys``, with or without ``-``."""
    value = request.args.get("sort", "")
    return value if value.removeprefix("-") in keys else default


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """Return rows as a file of comma-separated values that no spreadsheet takes for formulas."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    for row in rows:
        writer.writerow([plain_cell(value) for value in row])
    # With a byte order mark: without it Excel reads UTF-8 as something else.
    response = Response("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def plain_cell(value: Any) -> str:
    """Return a cell's text, quoted with an apostrophe where a spreadsheet would run it."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
